"""Whole stories over loopback: registration, transactions, authorization, restarts, the end."""

import asyncio
import contextlib
import socket as sockets
import ssl
from base64 import b64encode

import aiohttp
import pytest
from websockets.exceptions import InvalidStatus

from csms.behaviour import Restart
from csms.passwords import Passwords
from csms.registration import BootRule
from csms.server import is_loopback
from csms.tags import Tag
from stations.errors import PlanError
from stations.wire.types import AuthorizationStatus, RegistrationStatus, parse_datetime

pytestmark = pytest.mark.realnet
NOON = "2026-05-04T12:00:00Z"


def test_a_session_from_boot_to_stop_is_in_the_ledger(story):
    async def tell(world):
        station = await world.station()
        for connector in (0, 1, 2):
            await station.ask(
                "StatusNotification",
                {
                    "connectorId": connector,
                    "errorCode": "NoError",
                    "status": "Available",
                    "vendorId": "Legrand",
                },
            )
        assert await station.ask("Authorize", {"idTag": "TAG"}) == {"idTagInfo": {"status": "Accepted"}}
        started = await station.start()
        transaction_id = started["transactionId"]
        sample = {"value": "15.9", "measurand": "Current.Import", "unit": "A"}
        meter_value = [{"timestamp": "2026-05-04T10:00:30.500+02:00", "sampledValue": [sample]}]
        values = {"connectorId": 1, "transactionId": transaction_id, "meterValue": meter_value}
        assert await station.ask("MeterValues", values) == {}
        assert await station.stop(
            transaction_id, idTag="TAG", reason="Remote", transactionData=meter_value
        ) == {"idTagInfo": {"status": "Accepted"}}
        assert await world.rows(
            "SELECT station, connector, id_tag, energy_wh, reason, authorization, stopped FROM transactions"
        ) == [("GU-1", 1, "TAG", 1000, "Remote", "Accepted", "2026-05-04T11:00:00Z")]
        assert await world.rows("SELECT sampled_s, value, unit FROM samples") == [
            (parse_datetime("2026-05-04T08:00:30.5Z"), "15.9", "A")
        ]
        assert await world.rows("SELECT connector, status FROM connectors ORDER BY 1") == [
            (0, "Available"),
            (1, "Available"),
            (2, "Available"),
        ]
        assert await world.rows("SELECT model, boots, registration FROM stations") == [
            ("059004", 1, "Accepted")
        ]

    story(tell)


def test_the_boot_policy_answers_with_status_interval_and_time(story):
    """BOOT-3, BOOT-5; HB-1: currentTime."""

    async def tell(world):
        station = await world.connect("GU-1")
        answer = await station.boot()
        assert (answer["status"], answer["interval"]) == ("Pending", 17)
        assert abs(parse_datetime(answer["currentTime"]) - world.server.central.statistics.started_s) < 60

    story(tell, boot=BootRule(RegistrationStatus.PENDING, 17))


def test_a_reconnected_station_need_not_boot_again_even_when_we_were_restarted(story):
    """WS-7, and registration is in the ledger before it is answered."""

    async def first(world):
        await world.station()

    async def second(world):
        station = await world.connect("GU-1")
        assert "currentTime" in await station.ask("Heartbeat")

    story(first)
    story(second)


def test_a_start_that_is_sent_again_gets_the_same_id_on_any_connection(story):
    """Q-4, WS-8: the answer was lost with the old socket."""

    async def tell(world):
        old = await world.station()
        first = await old.start()
        again = await old.start()
        new = await world.station()
        third = await new.start()
        assert first["transactionId"] == again["transactionId"] == third["transactionId"]
        assert (await new.start(connector=2))["transactionId"] != first["transactionId"]

    story(tell)


def test_a_whole_session_from_an_offline_time_keeps_its_timestamps(story):
    """TX-9."""

    async def tell(world):
        station = await world.station()
        started = await station.start(timestamp="2024-01-01T00:00:00Z")
        await station.stop(started["transactionId"], timestamp="2024-01-01T05:00:00Z")
        assert await world.rows("SELECT started, stopped FROM transactions") == [
            ("2024-01-01T00:00:00Z", "2024-01-01T05:00:00Z")
        ]

    story(tell)


def test_a_stop_is_never_refused(story):
    """TX-7, TX-8."""

    async def tell(world):
        station = await world.station()
        started = await station.start()
        for transaction_id in (-1, 4711, started["transactionId"], started["transactionId"]):
            assert await station.stop(transaction_id) == {}
        assert await world.rows("SELECT count(*) FROM orphan_stops") == [(2,)]

    story(tell)


def test_transactions_are_numbered_over_the_whole_fleet(story):
    async def tell(world):
        stations = [await world.station(f"GU-{number}") for number in range(20)]
        answers = await asyncio.gather(*(station.start() for station in stations))
        assert len({answer["transactionId"] for answer in answers}) == 20

    story(tell)


def test_a_start_on_connector_0_is_against_the_rules(story):
    """TX-1."""

    async def tell(world):
        station = await world.station()
        payload = {"connectorId": 0, "idTag": "T", "meterStart": 0, "timestamp": "2026-05-04T10:00:00Z"}
        assert (await station.call("StartTransaction", payload))[2] == "PropertyConstraintViolation"

    story(tell)


def test_a_refused_tag_still_gets_its_transaction_recorded(story):
    """TX-2, TX-3: energy may have flowed already."""

    async def tell(world):
        station = await world.station()
        assert (await station.ask("Authorize", {"idTag": "nobody"}))["idTagInfo"]["status"] == "Invalid"
        started = await station.start(id_tag="BAD")
        assert started["idTagInfo"] == {"status": "Blocked", "parentIdTag": "FAMILY"}
        assert started["transactionId"] > 0
        assert await world.rows("SELECT authorization FROM transactions") == [("Blocked",)]

    story(tell, restricted=True, tags=[Tag("BAD", AuthorizationStatus.BLOCKED, "FAMILY")])


def test_concurrent_transactions_of_a_tag_are_told_apart_from_lost_stops(story):
    """TX-4."""

    async def tell(world):
        one, two = await world.station("GU-1"), await world.station("GU-2")
        first = await one.start()
        assert (await two.start())["idTagInfo"]["status"] == "ConcurrentTx"
        assert (await one.start(meter=1500))["idTagInfo"]["status"] == "Accepted"  # the stop before was lost
        await one.stop(first["transactionId"])

    story(tell, one_transaction_per_tag=True)


def test_notifications_and_data_transfer_are_kept(story):
    async def tell(world):
        station = await world.station()
        await station.ask("DiagnosticsStatusNotification", {"status": "Uploaded"})
        await station.ask("FirmwareStatusNotification", {"status": "Installed"})
        assert await station.ask("DataTransfer", {"vendorId": "v", "data": "x"}) == {
            "status": "UnknownVendorId"
        }
        assert await world.rows("SELECT action, payload FROM notifications ORDER BY id") == [
            ("DiagnosticsStatusNotification", '{"status":"Uploaded"}'),
            ("FirmwareStatusNotification", '{"status":"Installed"}'),
            ("DataTransfer", '{"vendorId":"v","data":"x"}'),
        ]

    story(tell)


def test_frames_are_kept_when_asked_for(story):
    async def tell(world):
        station = await world.station()
        await station.ask("Heartbeat")
        kept = await world.rows("SELECT direction, frame FROM frames ORDER BY id")
        assert [direction for direction, _frame in kept] == ["in", "out"] * 2
        assert kept[2][1] == '[2, "m2", "Heartbeat", {}]'

    story(tell, record_frames=True)


def test_basic_authentication_is_asked_for_on_every_upgrade(story):
    """SEC-1; WS-3: 401."""

    async def tell(world):
        for headers in ({}, basic("GU-1", "wrong"), basic("GU-2", "secret")):
            with pytest.raises(InvalidStatus) as caught:
                await world.connect("GU-1", additional_headers=headers)
            assert caught.value.response.status_code == 401
            assert caught.value.response.headers["WWW-Authenticate"].startswith("Basic")
        station = await world.connect("GU-1", additional_headers=basic("GU-1", "secret"))
        await station.boot()
        assert await world.rows("SELECT DISTINCT event, code FROM connections ORDER BY id") == [
            ("refused", 401),
            ("opened", None),
        ]
        assert world.server.central.statistics.connections_refused == 3

    def basic(user, password):
        return {"Authorization": "Basic " + b64encode(f"{user}:{password}".encode()).decode()}

    story(tell, passwords=Passwords({"*": "secret"}))


def test_stations_may_come_over_tls(story, certificate):
    """SEC-2."""
    chain, key = certificate
    server_side = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server_side.load_cert_chain(chain, key)

    async def tell(world):
        assert world.url.startswith("wss://")
        station = await world.station(ssl=ssl.create_default_context(cafile=chain))
        assert "currentTime" in await station.ask("Heartbeat")

    story(tell, tls=server_side)


def test_a_restart_drops_everyone_stays_away_and_comes_back_on_the_same_port(story):
    async def tell(world):
        polite, station = await world.station("GU-1"), await world.station("GU-2")
        started = await station.start()
        restart = asyncio.create_task(world.server.restart(Restart(down_s=1, code=1012)))
        assert (await polite.closed())[0] == 1012
        assert (await station.closed())[0] == 1012
        with pytest.raises(OSError, match=r"refused|Connect"):
            await world.connect("GU-2")
        await restart
        back = await world.connect("GU-2")
        await back.stop(started["transactionId"])
        assert await world.rows("SELECT energy_wh FROM transactions") == [(1000,)]
        assert await world.rows("SELECT fault, station FROM misdeeds") == [("restart", "*")]

    story(tell)


def test_a_crash_like_restart_sends_no_close_frame(story):
    async def tell(world):
        station = await world.station()
        await world.server.restart(Restart())
        assert (await station.closed())[0] == 1006

    story(tell)


def test_at_the_end_every_station_is_told_1001(story):
    async def tell(world):
        stations = [await world.station(f"GU-{number}") for number in range(5)]
        ending = asyncio.create_task(world.server.stop())
        for station in stations:
            assert (await station.closed())[0] == 1001
        await ending
        world.server.ending.set()

    story(tell)


def test_a_port_that_is_taken_is_bad_input(story, tmp_path):
    async def tell(world):
        raise AssertionError

    with sockets.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(PlanError, match=f"127.0.0.1:{port}.*--port"):
            story(tell, port=port, database=tmp_path / "a.sqlite")
        with pytest.raises(PlanError, match=f"127.0.0.1:{port}.*--api-port"):
            story(tell, api_port=port, database=tmp_path / "b.sqlite")


@pytest.mark.parametrize(
    ("host", "expected"),
    [("127.0.0.1", True), ("::1", True), ("localhost", True), ("0.0.0.0", False), ("csms.example", False)],
)
def test_loopback_is_recognised(host, expected):
    assert is_loopback(host) is expected


def test_while_the_writer_is_behind_meter_values_wait_for_their_commit(story, monkeypatch):
    """Closed loops slow down with the disk, so memory stays bounded."""
    monkeypatch.setattr("csms.ledger.BEHIND_ROWS", -1)

    async def tell(world):
        station = await world.station()
        value = {"timestamp": "2026-05-04T10:00:00Z", "sampledValue": [{"value": "1"}]}
        before = world.server.central.ledger.counters.commits
        assert await station.ask("MeterValues", {"connectorId": 1, "meterValue": [value, value]}) == {}
        assert world.server.central.ledger.counters.commits > before
        assert await world.rows("SELECT count(*) FROM meter_values") == [(2,)]

    story(tell)


@pytest.mark.parametrize(
    ("action", "payload"),
    [
        ("BootNotification", {"chargePointVendor": "L", "chargePointModel": "M"}),
        ("StartTransaction", {"connectorId": 1, "idTag": "T", "meterStart": 1, "timestamp": NOON}),
        ("StopTransaction", {"transactionId": 1, "meterStop": 1, "timestamp": NOON}),
        (
            "MeterValues",
            {"connectorId": 1, "meterValue": [{"timestamp": NOON, "sampledValue": [{"value": "1"}]}]},
        ),
    ],
)
def test_what_cannot_be_recorded_is_not_acknowledged(story, monkeypatch, action, payload):
    """Q-3: a CALLERROR makes the station send it again later."""

    async def tell(world):
        station = await world.station()
        monkeypatch.setattr("csms.ledger.BEHIND_ROWS", -1)
        monkeypatch.setattr(world.server.central.ledger, "append_awaited", lambda _row, told: told(None))
        assert (await station.call(action, payload))[2] == "InternalError"

    story(tell)


def test_a_restart_while_it_is_down_changes_nothing(story):
    async def tell(world):
        first = asyncio.create_task(world.server.restart(Restart(down_s=1)))
        await world.until(lambda: world.server.central.misdeeds.committed)
        await world.server.restart(Restart(down_s=5))
        await first
        await world.station()
        assert world.server.central.misdeeds.committed == {"restart": 1}

    story(tell)


def test_a_newcomer_that_ignores_the_end_is_cut(story, monkeypatch):
    monkeypatch.setattr("csms.server.CLOSE_TIMEOUT_S", 0.1)

    async def tell(world):
        host, port = world.url.removeprefix("ws://").removesuffix("/ocpp").split(":")
        reader, writer = await asyncio.open_connection(host, int(port))
        writer.write(
            b"GET /ocpp/GU-1 HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            b"Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nSec-WebSocket-Version: 13\r\n"
            b"Sec-WebSocket-Protocol: ocpp1.6\r\n\r\n"
        )
        await reader.readuntil(b"\r\n\r\n")
        await world.server.restart(Restart(code=1012))  # the raw client never echoes the close frame
        with contextlib.suppress(ConnectionError):
            await reader.read()
        assert world.server.central.sessions == {}
        writer.close()

    story(tell)


def test_the_end_does_not_wait_for_a_command_that_nobody_answers(story):
    async def tell(world):
        await world.station()
        order = {"stations": "*", "action": "ClearCache", "timeout_s": 3600}
        with contextlib.suppress(aiohttp.ClientError):
            async with asyncio.TaskGroup() as group:
                group.create_task(unanswered(world, order))
                await world.until(lambda: list(world.server.commands.jobs()))
                await world.server.stop()

    async def unanswered(world, order):
        with contextlib.suppress(aiohttp.ClientError):
            await world.http.post(f"{world.api_url}/commands", json=order, headers={"X-CSMS-Request": "1"})

    story(tell)
