"""Does anything drift or leak while the load stays the same? Both sides of a long run, window by window.

Only the steady phase is looked at, without its first tenth, in which caches fill. A measure drifts when its
trend is no accident (`results.analysis.trend`, p below `ACCIDENT`) and worth a word: more than `share` of the
level at the start and more than `least`, over the run. What fills up and stays, such as memory, must besides
still be growing in the second half, or it has only warmed up. The central system's drift is a threshold that
failed (exit code 1), our own makes the run untrusted (5); what cannot be told passes, and is said.
"""

from collections.abc import Iterator
from enum import StrEnum
from typing import TYPE_CHECKING, Final, NamedTuple

import numpy as np
from msgspec import Struct, structs

from results.analysis.series import Series, series
from results.analysis.trend import FEWEST, rising
from results.exit_codes import ExitCode

if TYPE_CHECKING:
    from results.analysis.run import Run

ACCIDENT: Final = 0.0001  # of one measure; noise that remembers itself makes it a few times more
HOUR_S: Final = 3600.0
SETTLING: Final = 0.1  # share of the steady time that is not looked at


class Outcome(StrEnum):
    """What a measure does."""

    STEADY = "steady"
    UNCLEAR = "no clear trend"  # it grew, within its scatter
    DRIFTS = "drifts"
    UNKNOWN = "not judged"


class Measure(NamedTuple):
    """Something that should stay where it is. `column` is one of `results.analysis.series`."""

    name: str
    column: str
    ours: bool
    unit: str
    share: float
    least: float
    fills: bool = False  # rises to a level and stays there, in good health


MEASURES: Final = (
    Measure("response p50 (service, same mix)", "service_p50_ms", False, "ms", 0.2, 0.5),
    Measure("response p95 (service, same mix)", "service_p95_ms", False, "ms", 0.25, 1.0),
    Measure("failed calls", "failed_percent", False, "%", 0.0, 0.5),
    Measure("messages waiting for a link", "backlog", False, "messages", 0.1, 20.0, fills=True),
    Measure("CSMS memory", "csms_memory_mb", False, "MB", 0.03, 8.0, fills=True),
    Measure("CSMS open files", "csms_files", False, "files", 0.03, 20.0, fills=True),
    Measure("CSMS CPU", "csms_cpu_percent", False, "% of a core", 0.3, 5.0),
    Measure("own memory", "memory_mb", True, "MB", 0.03, 8.0, fills=True),
    Measure("own files beside connections", "files", True, "files", 0.03, 20.0, fills=True),
    Measure("own loop delay p99", "loop_delay_ms", True, "ms", 0.5, 5.0),
    Measure("own lag p99", "lag_ms", True, "ms", 0.5, 5.0),
)


class Drift(Struct, frozen=True, kw_only=True):
    """One measure judged; levels in its unit."""

    name: str
    ours: bool
    unit: str
    outcome: Outcome
    hours: float = 0.0  # from the first window to the last
    start: float = 0.0
    growth: float = 0.0
    why: str = ""  # it is not judged

    @property
    def exit_code(self) -> ExitCode:
        """What it means for the run."""
        if self.outcome is not Outcome.DRIFTS:
            return ExitCode.PASS
        return ExitCode.UNTRUSTED if self.ours else ExitCode.THRESHOLDS

    @property
    def value(self) -> str:
        """What was seen, in words."""
        if self.outcome is Outcome.UNKNOWN:
            return f"not judged: {self.why}"
        levels = f"{self.start:,.4g} to {self.start + self.growth:,.4g} {self.unit} in {self.hours:,.2g} h"
        if self.outcome is not Outcome.DRIFTS:
            return f"{self.outcome}, {levels}"
        return f"GROWS by {self.growth / self.hours:,.3g} {self.unit} an hour, {levels}"


def drifts(run: "Run") -> list[Drift]:
    """Every measure of a run, judged."""
    found = series(run, SETTLING)
    return [judge(measure, found) for measure in MEASURES]


def judge(measure: Measure, found: Series) -> Drift:
    """One measure over its windows."""
    drift = Drift(name=measure.name, ours=measure.ours, unit=measure.unit, outcome=Outcome.UNKNOWN)
    values = found.values.get(measure.column, np.zeros(0))
    if not np.isfinite(values).any():
        return structs.replace(drift, why="not measured")
    trend = rising(found.times_s, values, found.load)
    if trend.windows < FEWEST:
        needed_min = FEWEST * found.window_s / 60 / (1 - SETTLING)
        return structs.replace(
            drift,
            why=f"{trend.windows} windows of {found.window_s} s at like load, {FEWEST} needed "
            f"({needed_min:.0f} min of steady load)",
        )
    growth = min(trend.growth, trend.late_growth) if measure.fills else trend.growth
    outcome = Outcome.STEADY
    if growth > max(measure.least, measure.share * trend.start):
        outcome = Outcome.DRIFTS if trend.p < ACCIDENT else Outcome.UNCLEAR
    return structs.replace(
        drift,
        outcome=outcome,
        hours=trend.span / HOUR_S,
        start=trend.start,
        growth=trend.growth,
    )


def lines(found: list[Drift]) -> Iterator[str]:
    """For a terminal: what drifts first; what cannot be told together, by its reason."""
    for drift in sorted(found, key=lambda drift: drift.outcome is not Outcome.DRIFTS):
        if drift.outcome is not Outcome.UNKNOWN:
            yield f"{drift.name}: {drift.value}"
    unknown = [drift for drift in found if drift.outcome is Outcome.UNKNOWN]
    for why in dict.fromkeys(drift.why for drift in unknown):
        names = [drift.name for drift in unknown if drift.why == why]
        everything = len(names) == len(found)
        yield f"not judged: {why}" if everything else f"not judged, {why}: {', '.join(names)}"
