"""The jumping clock and the network in memory."""

import pytest

from engine.central import YesCentral
from engine.virtual import MONDAY_UNIX_S, Latency, Listener, World
from engine.virtual_line import Refusal
from stations.core.events import (
    CallEnded,
    LinkDown,
    LinkFailure,
    LinkRefused,
    LinkUp,
    PlugIn,
    Received,
    Swipe,
)
from stations.errors import StationBug
from tests.support.ledger import LedgerCentral
from tests.support.people import Regulars, Stationed, plan
from tests.support.vehicle import SteadyCar


class Diary:
    """A tap that writes everything down."""

    def __init__(self):
        self.lines = []

    def happened(self, index, event, now):
        self.lines.append((now, index, event))

    def sent(self, index, data, now):
        self.lines.append((now, index, data))

    def events(self, kind, index=0):
        return [(now, event) for now, number, event in self.lines if number == index and type(event) is kind]


def a_world(stations=1, central=None, **options):
    diary = Diary()
    central = central or LedgerCentral(MONDAY_UNIX_S)
    world = World([Stationed(plan(n + 1)) for n in range(stations)], central, tap=diary, **options)
    world.start(per_s=1000)
    return world, central, diary


def test_the_clock_jumps_in_order_and_stops_where_it_is_told():
    world = World([], LedgerCentral(MONDAY_UNIX_S))
    seen = []
    world.at(5.0, lambda word: seen.append((world.now, word)), "b")
    world.at(2.0, lambda word: seen.append((world.now, word)), "a")
    world.at(5.0, lambda word: seen.append((world.now, word)), "c")
    world.at(9.0, lambda word: seen.append((world.now, word)), "later")
    world.run(7.0)
    assert seen == [(2.0, "a"), (5.0, "b"), (5.0, "c")]
    assert world.now == world.clock.now() == 7.0
    world.at(1.0, lambda word: seen.append((world.now, word)), "the past is now")
    world.run(7.0)
    assert seen[-1] == (7.0, "the past is now")


def test_stations_boot_over_the_line_after_the_latency():
    world, central, diary = a_world(2, latency=Latency(0.1))
    world.run(10.0)
    assert [station.registration for station in world.stations] == ["Accepted"] * 2
    assert central.calls["BootNotification"] == 2
    ((opened_s, _),) = diary.events(LinkUp)
    assert opened_s == pytest.approx(0.2)
    assert diary.events(Received)[0][0] == pytest.approx(opened_s + 0.2)
    assert world.tally.links["open"] == 2


def test_the_same_seed_gives_the_same_bytes_and_another_seed_others():
    """C1."""

    def lived(seed):
        diary = Diary()
        fleet = [Stationed(one, Regulars(one.identity, 2, seed=seed)) for one in map(plan, range(1, 4))]
        world = World(fleet, LedgerCentral(MONDAY_UNIX_S), seed=seed, latency=Latency(0.05, 1.0), tap=diary)
        world.start()
        world.at(5_000, lambda _: world.cut([1]))
        world.at(5_300, lambda _: world.restore([1]))
        world.run(20_000)
        return [
            (now, index, line if isinstance(line, bytes) else repr(line)[:40])
            for now, index, line in diary.lines
        ]

    assert lived(1) == lived(1)
    assert lived(1) != lived(2)


def test_a_cut_station_is_told_and_gets_nowhere_until_it_is_restored():
    """WS-3."""
    world, central, diary = a_world(2)
    world.run(10.0)
    world.cut([0])
    assert diary.events(LinkDown)[-1][0] == 10.0
    world.run(1_000.0)
    assert {event.failure for _, event in diary.events(LinkRefused)} == {LinkFailure.UNREACHABLE}
    assert not diary.events(LinkRefused, 1)
    assert set(central.lines) == {1}
    world.restore([0])
    world.run(2_000.0)
    assert set(central.lines) == {0, 1}


def test_a_held_line_keeps_quiet_both_ways_and_delivers_in_order_afterwards():
    world, central, diary = a_world()
    world.run(10.0)
    world.hold([0])
    central.command(0, "ClearCache", {})
    central.command(0, "GetLocalListVersion", {})
    heard = len(diary.events(Received))
    world.run(40.0)
    assert len(diary.events(Received)) == heard
    assert central.answers == {}
    world.restore([0])
    world.run(41.0)
    assert list(central.answers) == ["cmd-1", "cmd-2"]


def test_a_ping_on_a_held_line_finds_out():
    """WS-5: a half-open connection is noticed by the missing pong."""
    world, _, diary = a_world()
    world.run(10.0)
    line = world.units[0].link
    line.ping(5.0)
    assert line.deadline == float("inf")
    world.hold()
    line.ping(5.0)
    world.units[0].rearm()
    world.run(20.0)
    ((now, event),) = diary.events(LinkDown)
    assert (now, event.reason) == (15.0, "no pong in time")
    world.run(40.0)
    assert {event.failure for _, event in diary.events(LinkRefused)} <= {LinkFailure.TIMEOUT}


def test_a_restarting_central_system_refuses_everybody_until_it_is_back():
    world, central, diary = a_world(3)
    world.run(10.0)
    world.restart_central(120.0)
    assert all(diary.events(LinkDown, index) for index in range(3))
    world.run(100.0)
    assert central.lines == {}
    assert {event.failure for _, event in diary.events(LinkRefused)} == {LinkFailure.REFUSED}
    world.run(2_000.0)
    assert set(central.lines) == {0, 1, 2}


def test_power_off_and_on_is_a_new_boot():
    world, central, _ = a_world()
    world.run(10.0)
    world.power_off()
    world.run(100.0)
    assert central.lines == {}
    world.power_on()
    world.run(200.0)
    assert central.calls["BootNotification"] == 2


def test_slow_lines_take_longer_each_way():
    world, _, diary = a_world()
    world.run(10.0)
    world.slow(2.0)
    world.central.command(0, "ClearCache", {})
    world.run(20.0)
    assert diary.events(Received)[-1][0] == pytest.approx(12.02)
    world.restore()
    world.central.command(0, "ClearCache", {})
    world.run(30.0)
    assert diary.events(Received)[-1][0] == pytest.approx(20.02)


@pytest.mark.parametrize("selected", [None, "ocpp2.0.1", Refusal(LinkFailure.HTTP, "404 Not Found")])
def test_refusals_and_wrong_subprotocols_are_facts_for_the_station(selected):
    """WS-2, WS-3."""

    class Unwelcoming(LedgerCentral):
        def admits(self, line, now):
            return selected

    world, _, diary = a_world(central=Unwelcoming(MONDAY_UNIX_S))
    world.run(10.0)
    ((_, event), *_) = diary.events(LinkRefused)
    wanted = LinkFailure.HTTP if isinstance(selected, Refusal) else LinkFailure.SUBPROTOCOL
    assert event.failure is wanted


def test_a_central_system_that_hangs_up_is_heard_of_with_its_code():
    world, central, diary = a_world()
    world.run(10.0)
    central.lines[0].hang_up(1008, "unknown station")
    world.run(11.0)
    ((_, event),) = diary.events(LinkDown)
    assert (event.code, event.reason) == (1008, "unknown station")


def test_a_bug_of_the_station_ends_the_world_with_its_name():
    """C10."""

    class Nonsense(SteadyCar):
        def reading(self, now):
            raise ZeroDivisionError

    world, _, _ = a_world()
    world.run(10.0)
    world.at(10.0, lambda _: world.happen(0, PlugIn(1, Nonsense())))
    world.at(11.0, lambda _: world.happen(0, Swipe("TAG", (1,))))
    with pytest.raises(StationBug, match="GU-000001 at 1"):
        world.run(100.0)


@pytest.mark.interpreted
def test_a_deadline_that_does_not_advance_is_a_bug_and_not_an_endless_loop(monkeypatch):
    world, _, _ = a_world()
    world.run(10.0)
    unit = world.units[0]
    monkeypatch.setattr(type(unit.station), "deadline", lambda _: 5.0)
    monkeypatch.setattr(type(unit.station), "on_deadline", lambda *_: [])
    unit.rearm()
    with pytest.raises(StationBug, match="stays at"):
        world.run(20.0)


def test_the_yes_central_serves_a_whole_fleet_and_counts():
    """Dry runs: the journal hears of every call."""
    facts = []
    fleet = [Stationed(one, Regulars(one.identity, 2, seed=3)) for one in map(plan, range(1, 6))]
    central = YesCentral(MONDAY_UNIX_S, heartbeat_s=900, think_s=0.1)
    world = World(fleet, central, journal=Listener(lambda _, fact: facts.append(fact)))
    world.start()
    world.run(43_200.0)
    ended = [fact for fact in facts if isinstance(fact, CallEnded)]
    assert {fact.outcome for fact in ended} == {"ok"}
    assert len(ended) <= central.calls.total() <= len(ended) + len(fleet)
    assert central.transactions == central.calls["StartTransaction"] > 5
    assert central.calls["Heartbeat"] > 5
    assert central.unreadable == 0


def test_the_yes_central_answers_what_it_does_not_know_with_not_implemented():
    class Line:
        def __init__(self):
            self.said = []

        def say(self, data, after_s=0.0):
            self.said.append(data)

    central, line = YesCentral(MONDAY_UNIX_S), Line()
    for data in (b'[2,"1","Reset",{"type":"Hard"}]', b'[2,"2","Unheard",{}]', b'[3,"3",{}]', b"junk"):
        central.heard(line, data, 0.0)
    assert [data[:22] for data in line.said] == [b'[4,"1","NotImplemented', b'[4,"2","NotImplemented']
    assert central.unreadable == 2
