"""Hardship on the virtual edge, by the code that the real one uses too."""

from collections import Counter

import pytest

from engine.rough import Rough
from engine.virtual import MONDAY_UNIX_S, Latency, Listener, World
from engine.virtual_line import Line
from profiles.hardship import Hardship, Verb
from profiles.network import Network
from stations.core.events import CallEnded, Finding, Outcome, TransactionChanged
from stations.core.plan import Personality
from tests.support.ledger import LedgerCentral
from tests.support.people import Regulars, Stationed, plan

QUICK = {"serverReconnectionTime": "5", "MeterValueSampleInterval": "60"}
ONE = Latency(0.02)


class Book(Listener):
    """What the journal of a real run would say about links, and every call."""

    def __init__(self):
        super().__init__(self._note)
        self.links = []
        self.calls = []
        self.changes = {}
        self.rules = []

    def _note(self, index, fact):
        if isinstance(fact, CallEnded):
            self.calls.append((index, fact.call.action, fact.outcome))
        elif isinstance(fact, TransactionChanged):
            self.changes[index, fact.sequence] = fact
        elif isinstance(fact, Finding):
            self.rules.append(fact.rule)

    def opened(self, station, now, since):
        self.links.append((round(now, 3), station, "opened", ""))

    def refused(self, station, now, since, kind, detail):
        self.links.append((round(now, 3), station, kind, detail))

    def ended(self, station, now, since, code, reason, *, ours):
        kind = "cut" if ours else "lost" if code is None else "closed"
        self.links.append((round(now, 3), station, kind, reason))

    def hardship(self, station, now, verb, *, begins):
        self.links.append((round(now, 3), station, "hardship" if begins else "calm", verb))

    def kinds(self, station=0):
        return [kind for _, index, kind, _ in self.links if index == station]

    def when(self, kind, station=0):
        return [now for now, index, what, _ in self.links if (index, what) == (station, kind)]

    def outcomes(self):
        return Counter(outcome for _, _, outcome in self.calls)


class Placed(Stationed):
    """A station with a line of its own."""

    network = None


def a_world(
    *hardship,
    stations=1,
    network=None,
    latency=ONE,
    seed=1,
    heartbeat_s=20,
    personality=Personality.GREENUP,
    **keys,
):
    fleet = []
    for number in range(1, stations + 1):
        made = plan(number, keys={**QUICK, **keys}, personality=personality)
        placed = Placed(made, Regulars(made.identity, 2, seed=seed, pause_s=(60, 600), stay_s=(120, 900)))
        placed.network = network
        fleet.append(placed)
    book = Book()
    central = LedgerCentral(MONDAY_UNIX_S, heartbeat_s=heartbeat_s)
    world = World(fleet, central, seed=seed, latency=latency, journal=book, hardship=hardship)
    world.start(per_s=stations)  # so that the hardship's clock begins at 1 s
    return world, central, book


def test_a_cut_ends_the_link_bars_new_ones_and_is_put_down_as_ours():
    world, central, book = a_world(Hardship(Verb.CUT, at_s=60, lasting_s=120))
    world.run(400)
    assert book.when("hardship") == book.when("cut") == [61]
    assert book.when("calm") == [181]
    barred = book.when("barred")
    assert barred, "dialling goes on, and nothing comes of it"
    assert all(61 < moment <= 181 for moment in barred)
    assert book.kinds()[-1] == "opened"
    assert {"lost", "closed", "unreachable"}.isdisjoint(book.kinds())
    assert world.stations[0].online
    assert set(book.outcomes()) <= {Outcome.OK, Outcome.CANCELLED}
    assert set(central.lines) == {0}


def test_an_attempt_that_a_cut_still_bars_succeeds_when_the_cut_ends_in_time():
    world, _, book = a_world(Hardship(Verb.CUT, at_s=9.9, lasting_s=5.3), serverReconnectionTime="5")
    world.run(60)
    (dialled_again,) = book.when("opened")[1:]
    assert dialled_again < 40


def test_a_held_link_stands_still_and_what_waited_arrives_in_order():
    world, central, book = a_world(Hardship(Verb.HOLD, at_s=30.5, lasting_s=8))
    world.run(32)
    central.command(0, "GetLocalListVersion", {})
    central.command(0, "ClearCache", {})
    world.run(39)
    assert central.answers == {}, "half open: nobody hears and nobody is told"
    assert world.tally.links["open"] == 1
    world.run(41)
    assert list(central.answers) == ["cmd-1", "cmd-2"]
    assert book.kinds() == ["opened", "hardship", "calm"]


def test_a_long_hold_is_noticed_and_what_it_spoiled_is_not_blamed_on_the_central_system():
    """RPC-4, WS-8."""
    world, _, book = a_world(Hardship(Verb.HOLD, at_s=30, lasting_s=300))
    world.run(700)
    assert "cut" in book.kinds()
    assert {"lost", "closed", "timeout"}.isdisjoint(book.kinds())
    assert set(book.outcomes()) <= {Outcome.OK, Outcome.CANCELLED}
    assert book.outcomes()[Outcome.CANCELLED] >= 1
    assert world.stations[0].online


@pytest.mark.parametrize(
    "entry",
    [
        Hardship(Verb.HOLD, at_s=30, lasting_s=25),
        Hardship(Verb.DEAF, at_s=30, lasting_s=25, per_s=2),
        Hardship(Verb.SLOW, at_s=30, lasting_s=25, latency_ms=6_000.0),
    ],
)
def test_answers_that_come_when_we_have_given_up_waiting_are_ours_and_do_no_harm(entry):
    """RPC-4, RPC-5: a call is given up after 10 s, its answer arrives when the hardship ends."""
    world, central, book = a_world(entry)
    world.run(54)
    assert book.outcomes()[Outcome.CANCELLED] == 1, "given up, and nobody blamed"
    assert world.tally.links["open"] == 1, "the link is the same"
    world.run(58)
    assert central.calls["Heartbeat"] >= 2, "it was delivered"
    world.run(300)
    assert book.rules == [], "a late answer that we held back breaks no rule"
    assert set(book.kinds()) == {"opened", "hardship", "calm"}
    assert book.outcomes()[Outcome.CANCELLED] <= 2
    assert set(book.outcomes()) == {Outcome.OK, Outcome.CANCELLED}


def test_an_answer_that_is_late_by_itself_stays_a_finding_also_after_hardship():
    """RPC-4, RPC-5: the excuse ends a minute after the hardship."""
    world, central, book = a_world(Hardship(Verb.HOLD, at_s=30, lasting_s=5))
    world.run(120)
    central.moods.append("late")
    world.run(300)
    assert book.rules == ["RPC-4", "RPC-5"]
    assert book.outcomes()[Outcome.TIMEOUT] == 1


def test_pings_find_a_held_link():
    """WS-5."""
    world, _, book = a_world(
        Hardship(Verb.HOLD, at_s=30, lasting_s=120),
        heartbeat_s=3600,
        personality=Personality.SPEC,
        WebSocketPingInterval="20",
    )
    world.run(300)
    (ended,) = [(now, why) for now, _, kind, why in book.links if kind == "cut"]
    assert ended[1] == "no pong in time"
    assert ended[0] < 31 + 20 + 11
    assert world.stations[0].online


def test_timeouts_without_hardship_stay_the_central_systems():
    """RPC-4."""
    world, central, book = a_world(Hardship(Verb.HOLD, at_s=30, lasting_s=5))
    world.run(100)
    central.moods.extend(["drop"] * 30)
    world.run(400)
    assert book.outcomes()[Outcome.TIMEOUT] >= 2
    assert "lost" in book.kinds()


def test_a_slow_line_adds_its_latency_both_ways_and_its_bandwidth():
    world, _, book = a_world(network=Network(latency_ms=400), latency=Latency(0.0))
    world.run(5)
    ((opened, *_),) = book.links
    assert opened == pytest.approx(1.6), "TCP and upgrade: two round trips"
    assert world.stations[0].registration == "Accepted"
    thin, _, _ = a_world(network=Network(bandwidth_kbit_s=1), latency=Latency(0.0))
    thin.run(1.5)
    assert thin.stations[0].registration == "", "a boot of some hundred bytes takes seconds at 1 kbit/s"
    thin.run(10)
    assert thin.stations[0].registration == "Accepted"


def test_jitter_never_lets_messages_overtake_each_other():
    """RPC-1: the ledger's orders would show it."""
    world, central, _ = a_world(
        Hardship(Verb.SLOW, latency_ms=500, jitter_ms=900, lasting_s=3000), stations=5, seed=4
    )
    world.run(3600)
    assert central.orphans == []
    assert len(central.entries) > 5


def test_slowness_ends_and_is_nobodys_excuse():
    world, central, book = a_world(Hardship(Verb.SLOW, at_s=10, lasting_s=60, latency_ms=2000))
    world.run(100)
    before = len(central.answers)
    central.command(0, "ClearCache", {})
    world.run(100.1)
    assert len(central.answers) == before + 1
    assert book.kinds() == ["opened", "hardship", "calm"]


def test_a_line_that_uses_up_all_patience_is_not_the_central_systems_slowness():
    """RPC-4, RPC-5."""
    found = []
    world, _, book = a_world(Hardship(Verb.SLOW, at_s=10, lasting_s=200, latency_ms=6000))
    book.finding = lambda *fact: found.append(fact[1].rule)
    world.run(600)
    assert book.outcomes()[Outcome.CANCELLED] > 2
    assert set(book.outcomes()) == {Outcome.OK, Outcome.CANCELLED}
    assert found == []
    assert {"lost", "closed"}.isdisjoint(book.kinds())
    assert world.stations[0].online


def test_power_goes_and_comes_back_and_the_station_boots():
    """BOOT-1."""
    world, central, book = a_world(Hardship(Verb.POWER_OFF, at_s=60, lasting_s=90))
    world.run(100)
    assert not world.stations[0].powered
    assert book.kinds() == ["opened", "hardship", "cut"]
    world.run(300)
    assert world.stations[0].registration == "Accepted"
    assert central.calls["BootNotification"] == 2


def test_a_reboot_and_a_lost_connection_happen_once():
    world, central, book = a_world(Hardship(Verb.REBOOT, at_s=60), Hardship(Verb.LOSE, at_s=200))
    world.run(400)
    assert central.calls["BootNotification"] == 2
    assert book.when("cut")[-1] == 201
    assert world.stations[0].online


def test_overlapping_hardships_end_one_by_one():
    world, _, book = a_world(
        Hardship(Verb.POWER_OFF, at_s=60, lasting_s=60),
        Hardship(Verb.POWER_OFF, at_s=90, lasting_s=120),
        Hardship(Verb.CUT, at_s=150, lasting_s=150),
    )
    world.run(200)
    assert not world.stations[0].powered, "the first cut is over, the second is not"
    world.run(290)
    assert world.stations[0].powered
    assert not world.stations[0].online
    world.run(400)
    assert world.stations[0].online
    assert "unreachable" not in book.kinds()


def test_a_poor_line_is_poor_from_the_start_and_forever():
    network = Network(cuts_per_day=480, cut_s=30, half_open=0.5)
    world, central, book = a_world(network=network, stations=6)
    world.run(6 * 3600)
    assert 300 < sum(kind == "hardship" for _, _, kind, _ in book.links) < 900
    assert {verb for _, _, kind, verb in book.links if kind == "hardship"} == {"cut", "hold"}
    assert {"lost", "closed", "unreachable"}.isdisjoint({kind for _, _, kind, _ in book.links})
    assert central.orphans == []


def test_nothing_stands_between_a_station_and_a_line_that_only_breaks():
    for network, kind in ((Network(cuts_per_day=1e-9), Line), (Network(latency_ms=1), Rough)):
        world, _, _ = a_world(network=network)
        world.run(60.0)
        assert isinstance(world.units[0].link, kind)


def test_a_slow_reader_asks_and_does_not_listen():
    world, central, book = a_world(Hardship(Verb.DEAF, at_s=60, lasting_s=5, per_s=10))
    world.run(61)
    before = central.calls["Heartbeat"]
    world.run(66)
    assert central.calls["Heartbeat"] - before == pytest.approx(50, abs=3)
    world.run(120)
    assert world.stations[0].online
    assert set(book.outcomes()) == {Outcome.OK}, "answers to our annoyances never reach the station"


def test_an_oversized_message_is_sent_and_its_answer_swallowed():
    world, central, book = a_world(Hardship(Verb.OVERSIZE, at_s=60, size_bytes=100_000))
    world.run(100)
    assert central.calls["DataTransfer"] == 1
    assert set(book.outcomes()) == {Outcome.OK}


def test_a_repeated_call_has_the_same_id_and_the_station_hears_one_answer():
    """RPC-5."""
    world, central, book = a_world(Hardship(Verb.REPEAT, at_s=60))
    world.run(200)
    beats = sum(action == "Heartbeat" for _, action, _ in book.calls)
    heard = central.calls["Heartbeat"] + central.calls["StatusNotification"] + central.calls["MeterValues"]
    told = sum(action in {"Heartbeat", "StatusNotification", "MeterValues"} for _, action, _ in book.calls)
    assert beats
    assert heard == told + 1
    assert set(book.outcomes()) == {Outcome.OK}


def test_a_churn_connects_again_and_again_and_leaves_the_station_well():
    world, central, book = a_world(Hardship(Verb.CHURN, at_s=60, lasting_s=10, per_s=5))
    opened = []
    central_opened = central.opened
    central.opened = lambda line, now: (opened.append(now), central_opened(line, now))
    world.run(71)
    assert len(opened) > 30
    world.run(200)
    assert {"lost", "closed", "refused"}.isdisjoint(book.kinds())
    assert book.kinds()[-1] == "opened"
    assert world.stations[0].online
    assert world.stations[0].registration == "Accepted"


def test_the_central_system_restarts_on_both_edges_by_the_plan():
    world, central, book = a_world(Hardship(Verb.RESTART_CSMS, at_s=60, lasting_s=30), stations=3)
    world.run(62)
    assert not world.central_up
    world.run(200)
    assert set(central.lines) == {0, 1, 2}
    assert book.when("lost") == [61], "that is the central system's doing"


def test_the_same_seed_is_the_same_hardship():
    """C1."""

    def lived(seed):
        world, _, book = a_world(
            Hardship(Verb.CUT, share=0.5, spread_s=60, lasting_s=60, every_s=300),
            Hardship(Verb.SLOW, share=0.3, latency_ms=300, jitter_ms=200),
            stations=8,
            seed=seed,
        )
        world.run(3600)
        return book.links

    assert lived(1) == lived(1)
    assert lived(1) != lived(2)


def test_no_transaction_is_lost_or_doubled_whatever_happens():
    """Q-1, Q-2, TX-9."""
    world, central, book = a_world(
        Hardship(Verb.CUT, share=0.3, lasting_s=120, spread_s=30, every_s=400, times=12),
        Hardship(Verb.HOLD, at_s=100, share=0.3, lasting_s=60, spread_s=30, every_s=500, times=10),
        Hardship(Verb.POWER_OFF, at_s=200, share=0.2, lasting_s=60, every_s=700, times=7),
        Hardship(Verb.REBOOT, at_s=300, share=0.1, every_s=900, times=5),
        stations=12,
    )
    world.run(6000)
    for unit in world.units:
        unit.driver.stop_coming()
    world.run(6000 + 4 * 3600)
    assert len(book.changes) == len(central.entries) > 60
    assert {change.state for change in book.changes.values()} == {"settled"}
    assert central.orphans == []
