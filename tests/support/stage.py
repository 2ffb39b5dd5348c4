"""A scenario of `locustfiles/` played on the virtual edge: the same choice, the same hardship, no sockets."""

import importlib.util
from collections import Counter
from pathlib import Path

from engine import scenario
from engine.virtual import MONDAY_UNIX_S, Latency, Listener, World
from profiles import fleets
from stations.core.events import CallEnded, CommandAnswered, TransactionChanged
from stations.wire.types import format_datetime
from tests.support.ledger import LedgerCentral

LOCUSTFILES = Path(__file__).parents[2] / "locustfiles"
NAMES = sorted(path.stem for path in LOCUSTFILES.glob("*.py"))


def load(name):
    """The locustfile's module; its choice is `scenario.chosen()`."""
    scenario.scenario()
    spec = importlib.util.spec_from_file_location(f"locustfile_{name}", LOCUSTFILES / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


class Stage(Listener):
    """A scenario, a fleet of `count`, a correct central system, and everything that happened."""

    def __init__(self, name, count=40, *, seed=1, per_s=20.0, think_s=0.05, **answers):
        super().__init__(self._note)
        load(name)
        choice = scenario.chosen()
        self.fleet = fleets.load(choice.fleet or "demo")
        self.course = scenario.course(choice, answers, more=self.fleet.file.hardship)
        self.deployment = self.fleet.deploy(count, url_base="ws://central.invalid/ocpp", seed=seed)
        self.central = LedgerCentral(MONDAY_UNIX_S, think_s=think_s)
        self.calls = []  # (second, station, action, outcome, response in ms)
        self.late = 0  # calls that waited for the link
        self.answers = []  # (second, station, action, result)
        self.changes = {}
        self.struck = Counter()
        deployed = [self.deployment.station(index) for index in range(count)]
        self.world = World(
            deployed,
            self.central,
            seed=seed,
            start_unix_s=MONDAY_UNIX_S + self.fleet.start_local_s,
            latency=Latency(0.02, 0.3),
            journal=self,
            hardship=self.course.hardship,
        )
        self.central.start_unix_s = MONDAY_UNIX_S + self.fleet.start_local_s
        self.zero_s = count / per_s
        self.world.start(per_s)
        for order in self.course.commands:
            self.world.at(self.zero_s + order.at_s, self._command, order)

    def _note(self, index, fact):
        now = self.world.now
        if isinstance(fact, CallEnded):
            response_ms = (fact.done - fact.call.due) * 1000
            self.late += fact.call.offline
            self.calls.append((now, index, fact.call.action, fact.outcome.value, response_ms))
        elif isinstance(fact, CommandAnswered):
            self.answers.append((now, index, fact.action, fact.result))
        elif isinstance(fact, TransactionChanged):
            self.changes[index, fact.sequence] = fact

    def hardship(self, station, now, verb, *, begins):
        if begins:
            self.struck[verb.partition(" ")[0]] += 1

    def _command(self, order):
        for index in list(self.central.lines):
            self.central.command(index, order.action, self._filled(order.payload))

    def _filled(self, value):
        if isinstance(value, dict):
            return {name: self._filled(inner) for name, inner in value.items()}
        if isinstance(value, list):
            return [self._filled(inner) for inner in value]
        if value == "now":
            return format_datetime(self.central.start_unix_s + self.world.now)
        return int(value) if isinstance(value, float) and value.is_integer() else value

    def run(self, after_s):
        """Until so many seconds after the whole fleet was started."""
        self.world.run(self.zero_s + after_s)
        return self

    def outcomes(self, since_s=0.0, stations=None):
        return Counter(
            outcome
            for now, index, _, outcome, _ in self.calls
            if now >= since_s and (stations is None or index in stations)
        )

    @property
    def online(self):
        return sum(station.online and station.registration == "Accepted" for station in self.world.stations)

    @property
    def backlog(self):
        return sum(station.backlog for station in self.world.stations)

    def check_books(self):
        """What the stations say they did is in the central system's books, once; only the latest may wait."""
        booked = {(entry.index, entry.transaction_id): entry for entry in self.central.entries.values()}
        told = {
            (index, change.transaction_id): change
            for (index, _), change in self.changes.items()
            if change.transaction_id is not None
        }
        assert set(booked) == set(told)
        waiting = [change for change in self.changes.values() if change.transaction_id is None]
        assert len(waiting) <= self.backlog
        for key, change in told.items():
            if change.state == "settled":
                assert booked[key].stop["meterStop"] == change.meter_stop_wh
                assert booked[key].start["meterStart"] == change.meter_start_wh
        assert self.central.orphans == []
