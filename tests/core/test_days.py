"""Whole days of small fleets: cut links, restarts, power cuts, and every Wh is accounted for."""

import pytest

from engine.virtual import MONDAY_UNIX_S, Latency, Listener, World
from stations.core.events import TransactionChanged
from tests.support.inspector import Inspector
from tests.support.ledger import LedgerCentral
from tests.support.people import Regulars, Stationed, plan

DAY_S = 86_400.0
HOUR_S = 3_600.0
STATIONS = 24


class Day:
    """A fleet, its central system's books, and what the stations say they did."""

    def __init__(self, seed, *, moods=(), stations=STATIONS, **keys):
        self.central = LedgerCentral(MONDAY_UNIX_S, heartbeat_s=900, think_s=0.2)
        self.central.moods.extend(moods)
        keys = {"MeterValueSampleInterval": "600", "MeterValuesSampledData": "", **keys}
        plans = [plan(number + 1, connectors=1 + number % 2, keys=keys) for number in range(stations)]
        self.fleet = [
            Stationed(one, Regulars(one.identity, one.product.connectors, seed=seed)) for one in plans
        ]
        self.inspector = Inspector(plans, official_every=25)
        self.facts = {}
        self.log = []
        self.world = World(
            self.fleet,
            self.central,
            seed=seed,
            latency=Latency(0.05, 0.6),
            tap=self.inspector,
            journal=Listener(self._note),
        )
        self.world.start(per_s=5)

    def _note(self, index, fact):
        if isinstance(fact, TransactionChanged):
            self.facts[index, fact.sequence] = fact
            self.log.append((self.world.now, index, fact.sequence, fact.state, fact.meter_stop_wh))

    def at(self, hour, verb, *arguments):
        self.world.at(hour * HOUR_S, lambda _: getattr(self.world, verb)(*arguments))

    def finish(self):
        """The day ends: nobody new comes, everybody is reached, then there are six hours for the rest."""
        self.world.run(DAY_S)
        for each in self.fleet:
            each.driver.stop_coming()
        self.world.restore()
        self.world.run(DAY_S + 8 * HOUR_S)
        self.inspector.finish(self.world.now)
        return self

    def check_books(self):
        """What each station says it did is in the central system's ledger once, and nothing else is."""
        assert self.central.orphans == []
        booked = {
            (entry.index, entry.start["connectorId"], entry.start["timestamp"])
            for entry in self.central.entries.values()
        }
        assert len(booked) == len(self.central.entries) == len(self.facts)
        for (index, _), fact in self.facts.items():
            assert fact.state == "settled", fact
            entry = self.central.entries[index, fact.transaction_id]
            assert entry.start["connectorId"] == fact.connector
            assert entry.start["idTag"] == fact.id_tag
            assert entry.start["meterStart"] == fact.meter_start_wh
            assert entry.stop["meterStop"] == fact.meter_stop_wh

    def drawn_wh(self):
        """By (station, connector): what the cars took."""
        drawn = {}
        for index, each in enumerate(self.fleet):
            for connector, car in each.driver.cars:
                drawn[index, connector] = drawn.get((index, connector), 0.0) + car.energy_wh
        return drawn

    def billed_wh(self):
        """By (station, connector): energy and number of the ledger's transactions."""
        billed = {}
        for entry in self.central.entries.values():
            energy, count = billed.get((entry.index, entry.start["connectorId"]), (0, 0))
            billed[entry.index, entry.start["connectorId"]] = energy + entry.energy_wh, count + 1
        return billed


@pytest.mark.parametrize("seed", [1, 2])
def test_a_quiet_day_is_booked_to_the_watt_hour(seed):
    """MV-5, TX-1, TX-5: registers are whole Wh, so each end of a transaction may hide less than one."""
    day = Day(seed).finish()
    day.check_books()
    assert len(day.central.entries) > 3 * STATIONS
    billed = day.billed_wh()
    for side, drawn in day.drawn_wh().items():
        energy, count = billed.get(side, (0, 0))
        assert abs(energy - drawn) <= count + 0.01, side


@pytest.mark.parametrize("seed", [3, 4])
def test_cut_links_half_open_links_and_restarts_lose_and_double_nothing(seed):
    """Q-1, Q-2, Q-5, WS-7, WS-8, TX-9: twelve hours of trouble, and the same books as on a quiet day."""
    day = Day(seed, LocalAuthorizeOffline="true", AllowOfflineTxForUnknownId="true")
    for hour in range(2, 14):
        struck = [index for index in range(STATIONS) if (index + hour) % 3 == 0]
        day.at(hour, "cut", struck)
        day.at(hour + 0.4, "restore", struck)
    for hour in (4.5, 8.5):
        day.at(hour, "hold", range(0, STATIONS, 4))
        day.at(hour + 0.3, "restore", range(0, STATIONS, 4))
    day.at(6.2, "restart_central", 900.0)
    day.at(10.1, "restart_central", 5.0)
    day.at(12.2, "slow", 3.0, range(5))
    day.finish().check_books()
    assert any(fact.offline for fact in day.facts.values())
    billed = day.billed_wh()
    for side, drawn in day.drawn_wh().items():
        energy, count = billed.get(side, (0, 0))
        assert abs(energy - drawn) <= count + 0.01, side


@pytest.mark.parametrize("seed", [5, 6])
def test_power_cuts_end_transactions_with_the_last_sample_and_lose_none(seed):
    """TX-10, BOOT-11, Q-5: what flowed after the last stored sample is not billed, everything else is."""
    day = Day(seed)
    for hour in range(3, 15, 2):
        struck = [index for index in range(STATIONS) if (index + hour) % 4 < 2]
        day.at(hour, "power_off", struck)
        day.at(hour + 0.2, "power_on", struck)
    day.finish().check_books()
    cuts = [fact for fact in day.facts.values() if fact.reason == "PowerLoss"]
    assert cuts
    assert {entry.stop["reason"] for entry in day.central.entries.values() if "reason" in entry.stop} >= {
        "PowerLoss"
    }
    billed = day.billed_wh()
    most_per_sample_wh = 32.0 * 230.0 * 3 * 600 / 3_600
    for side, drawn in day.drawn_wh().items():
        energy, count = billed.get(side, (0, 0))
        lost = sum(
            (index, fact.connector) == side
            for (index, _), fact in day.facts.items()
            if fact.reason == "PowerLoss"
        )
        assert -count - 0.01 <= drawn - energy <= count + 0.01 + lost * most_per_sample_wh, side


def test_a_central_system_that_forgets_to_answer_gets_everything_in_the_end():
    """Q-3, RPC-5: unread, unanswered and refused messages are sent again; no transaction is booked twice."""
    moods = ["", "", "drop", "", "twice", "", "drop-unread", "", "", "extra", "", "error", "", "foreign"] * 60
    day = Day(7, moods=moods, TransactionMessageAttempts="5").finish()
    day.check_books()


def test_the_same_seed_is_the_same_day():
    """C1: same seed, same events, same effects."""

    def lived(seed):
        day = Day(seed, stations=4)
        day.at(3.0, "cut", [0, 1])
        day.at(3.5, "restore", [0, 1])
        day.finish()
        return day.log, day.central.calls

    assert lived(8) == lived(8)
    assert lived(8) != lived(9)
