"""A day of a small or a large fleet, a central system's books, and what the stations say they did."""

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

    def __init__(self, seed, *, moods=(), stations=STATIONS, official_every=25, **keys):
        self.central = LedgerCentral(MONDAY_UNIX_S, heartbeat_s=900, think_s=0.2)
        self.central.moods.extend(moods)
        keys = {"MeterValueSampleInterval": "600", "MeterValuesSampledData": "", **keys}
        plans = [plan(number + 1, connectors=1 + number % 2, keys=keys) for number in range(stations)]
        self.fleet = [
            Stationed(one, Regulars(one.identity, one.product.connectors, seed=seed)) for one in plans
        ]
        self.inspector = Inspector(plans, official_every=official_every)
        self.most_per_sample_wh = 32.0 * 230.0 * 3 * int(keys["MeterValueSampleInterval"]) / 3_600
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
        self.world.start(per_s=max(5, stations / 60))

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

    def check_energy(self):
        """What the cars took is what is billed: to 1 Wh per transaction, registers being whole Wh (MV-5).

        A power cut costs the central system what flowed since the last stored sample (TX-10).
        """
        unbilled = {}
        for (index, _), fact in self.facts.items():
            if fact.reason == "PowerLoss":
                side = index, fact.connector
                unbilled[side] = unbilled.get(side, 0.0) + self.most_per_sample_wh
        billed = self.billed_wh()
        for side, drawn in self.drawn_wh().items():
            energy, count = billed.get(side, (0, 0))
            assert -count - 0.01 <= drawn - energy <= count + 0.01 + unbilled.get(side, 0.0), side

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
