"""The counts behind an edge's gauges, kept up to date by every unit at each change."""

from collections import defaultdict
from typing import Final

from engine.facts import Gauges

LATE_S: Final = 1.0  # the shortest period a station has; served later, a deadline counts as dropped


class Tally:
    """Counts of one edge."""

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
