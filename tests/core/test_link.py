"""The link machine: connecting, giving up, trying again."""

import itertools

import pytest

from stations.core.events import (
    Activate,
    CloseLink,
    DropLink,
    LinkDown,
    LinkFailure,
    LinkRefused,
    LinkUp,
    OpenLink,
    Outcome,
    Persist,
    Ping,
    Reboot,
    SetKey,
)
from stations.core.plan import Personality, Plan, Product
from stations.core.station import Station
from tests.support.bench import EPOCH, SILENT, Bench, bench, revived

BASE_S = 30.0  # serverReconnectionTime


def dials(on_bench):
    return [at for at, _ in on_bench.dialled]


def authorization(key, identity="AL1000", **product):
    made = Product("X", 1, **product)
    station = Station(Plan(identity, f"ws://host/{identity}", made, basic_auth_key=key), 1)
    return Bench(station).power().dialled[0][1].authorization


def test_the_plans_url_is_used_as_it_stands_without_authorization():
    """WS-1, SEC-1: security profile 0 sends no Authorization header."""
    opened = bench().dialled[0][1]
    assert opened == OpenLink("ws://localhost:9000/ocpp/GU-000001", None)


def test_a_configured_uid_and_uri_make_the_next_url():
    """WS-1: percent-encoded identity, one slash, at the next connection."""
    station = bench()
    assert station.command("ChangeConfiguration", key="UID", value="RDAM 123")["status"] == "Accepted"
    assert len(station.dialled) == 1
    station.cut().run(BASE_S * 2)
    assert station.dialled[-1][1].url == "ws://localhost:9000/ocpp/RDAM%20123"
    station.command("ChangeConfiguration", key="URI", value="wss://other.example/steve/")
    station.run(300).cut().run(BASE_S * 2)
    assert station.dialled[-1][1].url == "wss://other.example/steve/RDAM%20123"


def test_basic_authorization_sends_identity_and_the_bytes_of_the_key():
    """SEC-1: the example of the OCPP-J specification; a key that is not hexadecimal is its characters."""
    assert (
        authorization("0001020304050607FFFFFFFFFFFFFFFFFFFFFFFF")
        == "Basic QUwxMDAwOgABAgMEBQYH////////////////"
    )
    assert authorization("not hexadecimal!", "A") == "Basic QTpub3QgaGV4YWRlY2ltYWwh"


@pytest.mark.parametrize("selected", [None, "ocpp2.0.1"])
def test_a_server_that_does_not_select_ocpp16_is_left(selected):
    """WS-2."""
    station = bench(power=False)
    station.accept_links = None
    station.power().feed(LinkUp(selected))
    assert station.findings() == ["WS-2"]
    assert any(isinstance(effect, CloseLink) for effect in station.effects)
    assert not station.station.online
    assert not station.calls
    station.accept_links = True
    station.run(BASE_S * 2)
    assert station.station.online


def test_a_lenient_station_goes_on_without_a_subprotocol_but_says_so():
    """WS-2: only when nothing was selected, never with another version."""
    station = bench(power=False, subprotocol_lenient=True)
    station.accept_links = None
    station.power().feed(LinkUp(None))
    assert station.findings() == ["WS-2"]
    assert station.station.registration == "Accepted"


def test_refused_connections_are_retried_for_ever_with_growing_jittered_pauses():
    """WS-3: base times 1..2, doubling to ten times the base, each station its own: at the cap too."""
    firsts, lasts = set(), set()
    for seed in range(20):
        station = bench(seed=seed, power=False)
        station.accept_links = False
        station.power().run(3600)
        moments = dials(station)
        pauses = [b - a for a, b in itertools.pairwise(moments)]
        for attempt, pause in enumerate(pauses):
            growth = min(2.0**attempt, 5.0)
            assert BASE_S * growth - 1e-6 <= pause <= BASE_S * growth * 2 + 1e-6
        firsts.add(pauses[0])
        lasts |= {round(pause, 3) for pause in pauses[-5:]}
        assert len(moments) > 12
        assert not station.findings()
    assert len(firsts) == 20
    assert len(lasts) > 80


def test_the_back_off_starts_afresh_after_a_successful_boot():
    """WS-3."""
    station = bench(power=False)
    station.accept_links = False
    station.power().run(600)
    station.mend().run(600)
    assert station.station.registration == "Accepted"
    before = len(station.dialled)
    station.cut(stay_down=True).run(BASE_S * 2)
    assert len(station.dialled) == before + 1


def test_the_reconnection_time_is_a_key():
    """WS-3: serverReconnectionTime."""
    station = bench(keys={"serverReconnectionTime": "5"})
    station.cut().run(10)
    assert station.station.online
    assert 5 <= station.dialled[-1][0] <= 10


def test_a_changed_reconnection_time_counts_for_who_waits():
    """CC-3, WS-3."""
    station = bench(keys={"serverReconnectionTime": "600"})
    station.cut().run(10).feed(SetKey("serverReconnectionTime", "5")).run(10)
    assert station.station.online


def test_a_refused_subprotocol_is_a_finding():
    """WS-2 seen by an edge that does not even open such a link."""
    station = bench(power=False)
    station.accept_links = None
    station.power().feed(LinkRefused(LinkFailure.SUBPROTOCOL, "no subprotocol"))
    assert station.findings() == ["WS-2"]


def test_a_reconnect_does_not_boot_again():
    """WS-7."""
    station = bench()
    count = len(station.calls)
    station.cut().run(BASE_S * 2)
    assert station.station.online
    assert station.actions(count) == []


@pytest.mark.parametrize("status", ["Pending", "Rejected"])
def test_a_station_that_was_not_accepted_boots_again_after_a_reconnect(status):
    """WS-7, BOOT-5: but not before its interval is over."""
    station = bench(power=False)
    station.answer["BootNotification"] = {"status": status, "currentTime": station.time(), "interval": 200}
    station.power().cut().run(199)
    assert station.actions() == ["BootNotification"]
    station.run(1)
    assert station.actions() == ["BootNotification", "BootNotification"]


def test_a_lost_socket_ends_the_open_call_and_forgets_what_waited():
    """WS-8: an Authorize is dropped, not repeated on the next socket."""
    station = bench()
    station.answer["Authorize"] = SILENT
    station.swipe().cut()
    assert station.ended()[-1].outcome is Outcome.CLOSED
    count = len(station.calls)
    station.run(BASE_S * 2)
    assert "Authorize" not in station.actions(count)


def test_a_lost_socket_puts_the_open_transaction_message_back_unchanged():
    """WS-8, Q-5: same payload, new message id, and not counted as a failure."""
    station = bench(keys={"TransactionMessageAttempts": "1"})
    station.answer["StartTransaction"] = SILENT
    station.plug().swipe()
    first = station.sent("StartTransaction")[0]
    del station.answer["StartTransaction"]
    station.cut().run(BASE_S * 2)
    second = station.sent("StartTransaction")[1]
    assert second.payload == first.payload
    assert second.id != first.id
    assert [change.state for change in station.journal()] == ["started", "acknowledged"]


def test_a_call_of_the_old_socket_is_not_answered_on_the_new_one():
    """WS-8: everything is answered at once, so nothing of the old socket is left to answer."""
    station = bench()
    station.cut()
    assert station.command("Heartbeat") is None


def test_greenup_stores_the_ping_interval_and_spec_pings():
    """WS-5: `no action` on the product; 0 switches pings off; a negative one is Rejected."""
    greenup, spec = bench(), bench(personality=Personality.SPEC, keys={"WebSocketPingInterval": "60"})
    for station in (greenup, spec):
        station.run(200)
    assert not [effect for effect in greenup.effects if isinstance(effect, Ping)]
    assert len([effect for effect in spec.effects if isinstance(effect, Ping)]) == 3
    assert (
        spec.command("ChangeConfiguration", key="WebSocketPingInterval", value="-1")["status"] == "Rejected"
    )
    assert spec.command("ChangeConfiguration", key="WebSocketPingInterval", value="0")["status"] == "Accepted"
    spec.run(200)
    assert len([effect for effect in spec.effects if isinstance(effect, Ping)]) == 3


def test_a_link_where_nothing_was_heard_for_minutes_is_given_up():
    """WS-5: a station without pings finds a half-open link by its unanswered CALLs."""
    station = bench(keys={"HeartbeatInterval": "30"})
    station.answer["BootNotification"] = {
        "status": "Accepted",
        "currentTime": station.time(),
        "interval": 60,
    }
    station.power(on=False).power()
    station.answer["Heartbeat"] = SILENT
    given_up = [type(effect) for effect in station.run(305).effects].count(DropLink)
    assert given_up == 1  # the power cut's
    station.run(60)
    assert [type(effect) for effect in station.effects].count(DropLink) == 2
    station.run(BASE_S * 2)
    assert len(station.dialled) == 3


def test_a_switched_off_service_closes_the_link_and_stays_offline():
    """The web page's switch: Activation 0 and 1."""
    station = bench()
    station.feed(Activate(False)).run(600)
    assert not station.station.online
    assert len(station.dialled) == 1
    station.feed(Activate(False)).feed(Activate(True))
    assert station.station.online
    assert len(station.dialled) == 2
    station.feed(Activate(True))
    assert len(station.dialled) == 2


def test_switching_off_while_connecting_drops_the_attempt():
    station = bench(power=False)
    station.accept_links = None
    station.power().feed(Activate(False))
    assert isinstance(station.effects[-1], DropLink)
    station.feed(LinkUp())
    assert not station.station.online


@pytest.mark.parametrize(
    "stale",
    [LinkUp(), LinkDown(1006), LinkRefused(LinkFailure.REFUSED)],
    ids=lambda event: type(event).__name__,
)
def test_facts_about_a_link_that_is_no_more_are_ignored(stale):
    """WS-8: the edge may report the end of an old socket late."""
    station = bench()
    station.feed(Reboot())
    before = len(station.effects)
    station.feed(stale)
    assert len(station.effects) == before
    station.run(30)
    assert station.station.registration == "Accepted"


def test_a_new_authorization_key_reconnects_with_it_and_keeps_the_queue():
    """SEC-3: Accepted first, then the connection is left; greenup does not know the key (SEC-4)."""
    product = Product("X", 1, personality=Personality.SPEC)
    plan = Plan("A", "ws://host/A", product, basic_auth_key="0" * 40, security_profile=1)
    station = Bench(Station(plan, 1)).power()
    before = station.dialled[0][1].authorization
    station.answer["StartTransaction"] = SILENT
    station.plug().swipe()
    for weak in ("short", "00" * 15):
        answer = station.command("ChangeConfiguration", key="AuthorizationKey", value=weak)
        assert answer["status"] == "Rejected"
    change = station.command("ChangeConfiguration", key="AuthorizationKey", value="0" * 32)
    assert change["status"] == "Accepted"
    station.run(0)
    assert any(isinstance(effect, CloseLink) for effect in station.effects)
    assert station.station.backlog == 1
    station.run(1)  # no back-off: nothing failed
    assert station.dialled[-1][1].authorization.startswith("Basic ")
    assert station.dialled[-1][1].authorization != before
    assert len(station.sent("StartTransaction")) == 2
    refused = bench().command("ChangeConfiguration", key="AuthorizationKey", value="0" * 32)
    assert refused["status"] == "NotSupported"


def test_the_wall_clock_starts_with_the_mains():
    station = bench(personality=Personality.SPEC)
    assert station.sent("StatusNotification")[0].payload["timestamp"] == "2023-11-14T22:13:20.000Z"
    assert EPOCH == 1_700_000_000


def test_the_security_profile_goes_up_only_and_falls_back_when_it_fails():
    """SEC-2: never downgraded over OCPP; refused without a key; wss from profile 2 on."""
    plan = Plan("A", "ws://host/A", Product("X", 1, personality=Personality.SPEC))
    station = Bench(Station(plan, 1)).power()

    def change(key, value):
        return station.command("ChangeConfiguration", key=key, value=value)["status"]

    assert change("SecurityProfile", "2") == "Rejected"
    assert change("AuthorizationKey", "0" * 32) == "Accepted"
    station.run(100)
    assert len(station.dialled) == 1  # profile 0 sends no key, so nothing changes yet
    assert [change("SecurityProfile", value) for value in ("0", "3", "9", "x")] == ["Rejected"] * 4
    assert change("SecurityProfile", "1") == "Accepted"
    station.run(100)
    assert station.dialled[-1][1].authorization.startswith("Basic ")
    assert change("SecurityProfile", "1") == "Rejected"
    station.accept_links = False
    assert change("SecurityProfile", "2") == "Accepted"
    station.run(1)
    assert station.dialled[-1][1].url == "wss://host/A"
    station.mend().run(600)
    assert station.dialled[-1][1] == OpenLink("ws://host/A", station.dialled[1][1].authorization)
    assert station.station.online


def test_the_profile_to_return_to_survives_a_power_cut():
    """SEC-2, BOOT-11: the cut comes between the change and the attempt that fails."""
    plan = Plan(
        "A", "ws://host/A", Product("X", 1, personality=Personality.SPEC), "", "0" * 32, 1, durable=True
    )
    station = Bench(Station(plan, 1)).power()
    station.command("ChangeConfiguration", key="SecurityProfile", value="2")
    again = revived(station)
    again.accept_links = False
    again.power()
    assert [link.url for _, link in again.dialled] == ["wss://host/A"]
    assert Persist in map(type, again.effects)
    again = revived(again).power()
    assert [link.url for _, link in again.dialled] == ["ws://host/A"]
    assert again.station.online


def test_a_new_profile_that_worked_stays_whatever_fails_after_a_power_cut():
    """SEC-2, BOOT-11: a station that once was online under a profile never goes below it by itself."""
    plan = Plan(
        "A", "ws://host/A", Product("X", 1, personality=Personality.SPEC), "", "0" * 32, 1, durable=True
    )
    station = Bench(Station(plan, 1)).power()
    station.command("ChangeConfiguration", key="SecurityProfile", value="2")
    count = len(station.effects)
    station.run(2)
    assert station.station.online
    assert Persist in map(type, station.effects[count:])
    again = revived(station)
    again.accept_links = False
    again.power().run(1000)
    assert {link.url for _, link in again.dialled} == {"wss://host/A"}


def test_a_certificate_in_the_plan_lets_the_profile_rise_to_3():
    """SEC-2: profile 3 needs no key, and takes Basic away."""
    plan = Plan(
        "A",
        "wss://host/A",
        Product("X", 1, personality=Personality.SPEC),
        "",
        "0" * 40,
        2,
        client_certificate=True,
    )
    station = Bench(Station(plan, 1)).power()
    assert station.dialled[0][1].authorization is not None
    answer = station.command("ChangeConfiguration", key="SecurityProfile", value="3")
    assert answer == {"status": "Accepted"}
    station.run(100)
    assert station.dialled[-1][1] == OpenLink("wss://host/A", None)
    assert station.station.online


def test_a_client_certificate_needs_no_password():
    """SEC-2: profile 3 sends no Basic authorization."""
    plan = Plan("A", "wss://host/A", Product("X", 1), basic_auth_key="0" * 40, security_profile=3)
    assert Bench(Station(plan, 1)).power().dialled[0][1] == OpenLink("wss://host/A", None)
