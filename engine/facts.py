"""What an edge tells the outside: live counts of its stations, and ten batches of facts a second."""

from collections import defaultdict
from typing import Any, Final

from msgspec import Struct

from results.columns import CallBatch

LATE_S: Final = 1.0  # the shortest period a station has; served later, a deadline counts as dropped


class Gauges(Struct):
    """A worker's stations at one moment. Counts that only grow since the start are said to be totals."""

    stations: int  # running in this worker
    waiting: int  # deployed and not yet started (paced)
    links: dict[str, int]  # stations by link: "down", "connecting", "open"
    registrations: dict[str, int]  # stations by registration: "", "Pending", "Rejected", "Accepted"
    connectors: dict[str, int]  # connectors by ChargePointStatus, connector 0 left out
    sessions: int  # transactions running
    power_w: float  # drawn by all stations, each looked at every few seconds
    backlog: int  # transaction messages waiting, each station looked at every few seconds
    connects: int  # total of WebSockets opened
    reconnects: int  # those of them that were not a station's first
    refusals: int  # total of failed attempts
    findings: int  # total of rules broken by the central system
    rules: dict[str, int]  # the same by rule


class Answer(Struct):
    """What came of an `Ask`: what the station told, or the mistake of whoever asked."""

    ticket: int
    told: Any = None
    mistake: str = ""


class FactBatch(Struct):
    """Everything since the last batch."""

    gauges: Gauges
    calls: CallBatch | None = None
    retired: list[int] = []  # stations that are gone: as asked, or by a bug of ours
    bugs: list[str] = []  # each a traceback; a run that has one is untrusted (C10)
    health: dict[str, float] | None = None  # once a second: the row of the `health` table
    answers: list[Answer] = []
    shortages: list[str] = []  # what this machine ran out of, one line each; such a run is untrusted


class Tally:
    """The counts behind the gauges, kept up to date by every unit at each change."""

    __slots__ = (
        "backlog",
        "connectors",
        "connects",
        "deadlines",
        "late_deadlines",
        "links",
        "power_w",
        "reconnects",
        "refusals",
        "registrations",
        "rules",
        "sessions",
    )

    def __init__(self) -> None:
        self.links: dict[str, int] = defaultdict(int)
        self.registrations: dict[str, int] = defaultdict(int)
        self.connectors: dict[str, int] = defaultdict(int)
        self.sessions = 0
        self.power_w = 0.0
        self.backlog = 0
        self.connects = 0
        self.reconnects = 0
        self.refusals = 0
        self.rules: dict[str, int] = defaultdict(int)
        self.deadlines = 0
        self.late_deadlines = 0

    def count_deadline(self, late_s: float) -> None:
        """A station's deadline was served, `late_s` real seconds after its time."""
        self.deadlines += 1
        if late_s > LATE_S:
            self.late_deadlines += 1

    def gauges(self, stations: int, waiting: int) -> Gauges:
        """The counts as they stand."""
        return Gauges(
            stations=stations,
            waiting=waiting,
            links=_counted(self.links),
            registrations=_counted(self.registrations),
            connectors=_counted(self.connectors),
            sessions=self.sessions,
            power_w=max(0.0, self.power_w) if self.sessions else 0.0,
            backlog=self.backlog,
            connects=self.connects,
            reconnects=self.reconnects,
            refusals=self.refusals,
            findings=sum(self.rules.values()),
            rules=_counted(self.rules),
        )


def _counted(counts: dict[str, int]) -> dict[str, int]:
    return {str(name): count for name, count in counts.items() if count}  # plain words, whatever enum


def moved(counts: dict[str, int], old: str | None, new: str | None) -> None:
    """One thing counted under `old` is counted under `new` from now on; None: it was not, or is no more."""
    if old is not None:
        counts[old] -= 1
    if new is not None:
        counts[new] += 1
