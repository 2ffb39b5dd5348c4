"""Every fault on a real socket: what the station sees, what the ledger holds, what is said about it."""

import asyncio
import typing
from pathlib import Path

import pytest
from websockets.exceptions import InvalidStatus

from csms.behaviour import AnyFault, convert
from stations.wire.types import parse_datetime

pytestmark = pytest.mark.realnet


def faulty(*faults, **more):
    return {"behaviour": convert({"fault": list(faults), **more})}


def test_every_fault_has_its_test():
    text = Path(__file__).read_text()
    for kind in typing.get_args(AnyFault):
        assert f'"{kind().name}"' in text, kind


def test_callerror_refuses_without_effect(story):
    fault = {"name": "callerror", "actions": ["StartTransaction"], "code": "FormatViolation"}

    async def tell(world):
        station = await world.station()
        payload = {"connectorId": 1, "idTag": "T", "meterStart": 1, "timestamp": "2026-05-04T10:00:00Z"}
        assert (await station.call("StartTransaction", payload))[2] == "FormatViolation"
        assert await world.rows("SELECT count(*) FROM transactions") == [(0,)]
        assert await world.rows("SELECT fault, station, action FROM misdeeds") == [
            ("callerror", "GU-1", "StartTransaction")
        ]

    story(tell, **faulty(fault))


def test_dropped_answer_takes_effect_in_silence(story):
    fault = {"name": "dropped-answer", "actions": ["Heartbeat", "StopTransaction"]}

    async def tell(world):
        station = await world.station()
        started = await station.start()
        await station.send([2, "lost", "Heartbeat", {}])
        stop = {
            "transactionId": started["transactionId"],
            "meterStop": 9,
            "timestamp": "2026-05-04T11:00:00Z",
        }
        await station.send([2, "lost too", "StopTransaction", stop])
        assert await station.ask("Authorize", {"idTag": "T"})  # the next answer on the wire is this one
        assert await world.rows("SELECT meter_stop_wh FROM transactions") == [(9,)]
        assert len(await world.rows("SELECT 1 FROM misdeeds WHERE fault = 'dropped-answer'")) == 2

    story(tell, **faulty(fault))


def test_late_answer_comes_after_others(story):
    fault = {"name": "late-answer", "actions": ["Heartbeat"], "delay_s": 1}

    async def tell(world):
        station = await world.station()
        await station.send([2, "late", "Heartbeat", {}])
        await station.ask("Authorize", {"idTag": "T"})
        assert (await station.receive())[:2] == [3, "late"]

    story(tell, **faulty(fault))


def test_foreign_id_answers_somebody_else(story):
    async def tell(world):
        station = await world.station()
        await station.send([2, "mine", "Heartbeat", {}])
        assert (await station.receive())[:2] == [3, "-1"]

    story(tell, **faulty({"name": "foreign-id", "actions": ["Heartbeat"]}))


def test_no_subprotocol_then_silence(story):
    async def tell(world):
        station = await world.connect("GU-1")
        assert station.socket.subprotocol is None
        await station.send([2, "1", "Heartbeat", {}])
        with pytest.raises(TimeoutError):
            await station.receive(timeout_s=0.2)
        assert await world.rows("SELECT fault FROM misdeeds") == [("no-subprotocol",)]

    story(tell, **faulty({"name": "no-subprotocol"}))


@pytest.mark.parametrize("status", [401, 403, 404, 500])
def test_refused_handshake_has_its_status(story, status):
    """WS-3."""

    async def tell(world):
        with pytest.raises(InvalidStatus) as caught:
            await world.connect("GU-1")
        assert caught.value.response.status_code == status
        await world.connect("XX-1")

    story(tell, **faulty({"name": "refused-handshake", "status": status, "stations": "GU-*"}))


def test_close_after_connect_has_its_code_and_reason(story):
    async def tell(world):
        station = await world.connect("GU-1")
        assert await station.closed() == (1013, "too soon")

    story(
        tell, **faulty({"name": "close-after-connect", "code": 1013, "reason": "too soon", "after_s": 0.05})
    )


def test_duplicate_transaction_id_is_another_stations(story):
    async def tell(world):
        one, two = await world.station("GU-1"), await world.station("GU-2")
        first = await one.start()  # nobody else is charging: nothing to copy
        assert (await two.start())["transactionId"] == first["transactionId"]
        assert await world.rows("SELECT count(DISTINCT transaction_id) FROM transactions") == [(2,)]
        assert await world.rows("SELECT station FROM misdeeds WHERE fault = 'duplicate-transaction-id'") == [
            ("GU-2",)
        ]

    story(tell, **faulty({"name": "duplicate-transaction-id"}))


def test_zero_transaction_id_is_told_and_a_real_one_recorded(story):
    """TX-2."""

    async def tell(world):
        station = await world.station()
        assert (await station.start())["transactionId"] == 0
        [(recorded,)] = await world.rows("SELECT transaction_id FROM transactions")
        assert await world.rows("SELECT transaction_id, detail FROM misdeeds") == [(recorded, "told 0")]
        assert recorded > 0

    story(tell, **faulty({"name": "zero-transaction-id"}))


def test_missing_transaction_id_leaves_the_field_out(story):
    async def tell(world):
        station = await world.station()
        assert await station.start() == {"idTagInfo": {"status": "Accepted"}}
        assert await world.rows("SELECT count(*) FROM transactions") == [(1,)]

    story(tell, **faulty({"name": "missing-transaction-id"}))


def test_merged_transactions_share_the_id_of_the_other_connector(story):
    async def tell(world):
        station = await world.station()
        first = await station.start(connector=1)
        assert (await station.start(connector=2))["transactionId"] == first["transactionId"]
        assert await world.rows("SELECT connector FROM transactions") == [(1,)]

    story(tell, **faulty({"name": "merged-transactions"}))


def test_lost_start_is_answered_and_forgotten(story):
    async def tell(world):
        station = await world.station()
        started = await station.start()
        assert started["transactionId"] > 0
        await station.stop(started["transactionId"])
        assert await world.rows("SELECT count(*) FROM transactions") == [(0,)]
        assert await world.rows("SELECT transaction_id FROM orphan_stops") == [(started["transactionId"],)]

    story(tell, **faulty({"name": "lost-start"}))


def test_doubled_start_is_there_twice(story):
    async def tell(world):
        station = await world.station()
        started = await station.start()
        assert await station.start() == started  # sent again: neither a third row nor a second misdeed
        await station.stop(started["transactionId"])
        assert len(await world.rows("SELECT 1 FROM misdeeds")) == 1
        found = await world.rows(
            "SELECT transaction_id, stopped IS NULL FROM transactions ORDER BY stopped DESC"
        )
        assert found[0] == (started["transactionId"], 0)
        assert [is_open for _id, is_open in found] == [0, 1]

    story(tell, **faulty({"name": "doubled-start"}))


def test_lost_stop_leaves_the_session_open(story):
    async def tell(world):
        station = await world.station()
        started = await station.start()
        assert await station.stop(started["transactionId"]) == {}
        assert await world.rows("SELECT stopped FROM transactions") == [(None,)]
        assert await world.rows("SELECT fault, transaction_id FROM misdeeds") == [
            ("lost-stop", started["transactionId"])
        ]

    story(tell, **faulty({"name": "lost-stop"}))


def test_altered_energy_is_off_by_what_was_asked_for(story):
    async def tell(world):
        station = await world.station()
        started = await station.start(meter=1000)
        await station.stop(started["transactionId"], meter=2000)
        assert await world.rows("SELECT energy_wh FROM transactions") == [(750,)]
        assert await world.rows("SELECT detail FROM misdeeds") == [("sent 2000 Wh, recorded 1750 Wh",)]

    story(tell, **faulty({"name": "altered-energy", "offset_wh": -250}))


def test_lost_meter_values_are_answered_and_forgotten(story):
    async def tell(world):
        station = await world.station()
        value = {"timestamp": "2026-05-04T10:00:00Z", "sampledValue": [{"value": "1"}]}
        assert await station.ask("MeterValues", {"connectorId": 1, "meterValue": [value]}) == {}
        assert await world.rows("SELECT count(*) FROM meter_values") == [(0,)]

    story(tell, **faulty({"name": "lost-meter-values"}))


def test_wrong_clock_is_told_to_the_stations_it_names(story):
    """HB-4: currentTime an hour off."""

    async def tell(world):
        wrong, right = await world.station("GU-1"), await world.station("XX-1")
        times = [parse_datetime((await one.ask("Heartbeat"))["currentTime"]) for one in (wrong, right)]
        assert 3590 < times[0] - times[1] < 3610

    story(tell, **faulty({"name": "wrong-clock", "offset_s": 3600, "stations": "GU-*"}))


def test_restart_happens_by_itself_and_again(story):
    fault = {"name": "restart", "after_s": 0.3, "every_s": 1, "code": 1012}

    async def tell(world):
        for _ in range(2):
            assert (await (await world.station_patiently()).closed())[0] == 1012
        assert len(await world.rows("SELECT 1 FROM misdeeds WHERE fault = 'restart'")) >= 2

    story(tell, **faulty(fault))


def test_latency_holds_an_answer_back_and_nothing_else(story):
    async def tell(world):
        station = await world.station()
        loop = asyncio.get_running_loop()
        begun = loop.time()
        await station.ask("Heartbeat")
        assert loop.time() - begun >= 0.19
        assert await world.rows("SELECT count(*) FROM misdeeds") == [(0,)]

    story(tell, **faulty(latency={"Heartbeat": {"kind": "fixed", "ms": 200}}))
