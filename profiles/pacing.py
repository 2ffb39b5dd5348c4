"""Load shapes: how many stations there shall be, and how fast they boot.

A pace is asked again and again how things stand, and says what is wanted. `tide` depends on the time alone;
`Knee` looks at what the central system does with the load, and finds how much of it is too much.
"""

from enum import StrEnum
from typing import Final

from msgspec import Struct

LATENCY_FLOOR_MS: Final = 2.0  # differences below are the clock's and the scheduler's
STABLE: Final = 0.15  # two looks whose latency differs by less have settled
CALLS_MIN: Final = 50  # a look waits for so many


def tide(
    elapsed_s: float, stations: int, rate_per_s: float, *, period_s: float, low_s: float, low: float
) -> tuple[int, float]:
    """Stations and boots per second: all, and in the last `low_s` of each period only the share `low`."""
    ebb = elapsed_s % period_s >= period_s - low_s
    return (max(1, round(stations * low)) if ebb else stations), rate_per_s


class Sight(Struct, frozen=True):
    """How things stand. `calls` and `failed` count since the last look."""

    elapsed_s: float
    up: int  # stations that are accepted
    p95_ms: float
    calls: int
    failed: int
    own_lag_ms: float = 0.0  # the load generator's own, 99th percentile


class Limits(Struct, frozen=True):
    """What still passes."""

    p95_ms: float = 1000.0
    failed: float = 0.01  # share of the calls
    own_lag_ms: float = 100.0  # beyond, it is not the central system that is measured


class End(StrEnum):
    """Why a search for the knee is over."""

    KNEE = "the central system passed its limits"
    MOST = "the highest load asked for passed"
    SPARSE = "too few calls to judge: take a busier fleet"
    OURS = "the load generator passed its own limits: use more workers"


class Step(Struct, frozen=True):
    """One load and what came of it; the worst settled look counts."""

    stations: int
    p95_ms: float
    failed: float
    passed: bool
    why: str = ""


class Knee:
    """Finds the highest load that passes: up in steps, each held until its latency is stable.

    A step passes when all its stations are up and two looks in a row, `look_s` apart or more, agree within
    15 % and keep the limits. It fails when `patience` looks in a row break a limit, or when it has not
    settled, or is not even up, after `hold_max_s`. What came before the stations were up does not count: it
    has their boots.
    """

    def __init__(
        self,
        first: int,
        step: int,
        most: int,
        *,
        limits: Limits | None = None,
        look_s: float = 10.0,
        hold_max_s: float = 180.0,
        patience: int = 2,
    ) -> None:
        self.steps: list[Step] = []
        self.end: End | None = None
        self.wanted = min(first, most)
        self._step, self._most = step, most
        self._limits = limits or Limits()
        self._look_s, self._hold_max_s, self._patience = look_s, hold_max_s, patience
        self._begin(0.0)

    @property
    def highest(self) -> int:
        """The highest load that passed; 0 for none."""
        return max((step.stations for step in self.steps if step.passed), default=0)

    def _begin(self, now_s: float) -> None:
        self._since_s = now_s
        self._look_at_s: float | None = None  # the next look; None until everybody is up
        self._last: Sight | None = None
        self._broken = 0
        self._calls = self._failed = 0

    def look(self, sight: Sight) -> int | None:
        """How many stations are wanted now; None when the search is over."""
        if self.end is not None:
            return None
        self._calls += sight.calls
        self._failed += sight.failed
        if self._look_at_s is None:
            if sight.up >= self.wanted:
                self._look_at_s, self._calls, self._failed = sight.elapsed_s + self._look_s, 0, 0
        elif sight.elapsed_s >= self._look_at_s and self._calls >= CALLS_MIN:
            self._judge(sight)
        if self.end is None and sight.elapsed_s - self._since_s > self._hold_max_s:
            self._give_up(sight)
        return None if self.end is not None else self.wanted

    def _give_up(self, sight: Sight) -> None:
        if self._look_at_s is None:
            self._fail(sight, "stations do not come up")
        elif self._last is None:
            self._fail(sight, "too few calls to judge")
            self.end = End.SPARSE
        else:
            self._fail(sight, "latency does not settle")

    def _judge(self, sight: Sight) -> None:
        failed = self._failed / max(1, self._calls)
        why = self._why(sight, failed)
        last, self._last = self._last, sight
        self._look_at_s = sight.elapsed_s + self._look_s
        self._calls = self._failed = 0
        if why:
            self._broken += 1
            if self._broken >= self._patience:
                self._fail(sight, why, failed)
        else:
            self._broken = 0
            if last is not None and _agree(last.p95_ms, sight.p95_ms):
                self._pass(sight, failed)

    def _why(self, sight: Sight, failed: float) -> str:
        limits = self._limits
        if sight.own_lag_ms > limits.own_lag_ms:
            return f"own lag p99 {sight.own_lag_ms:.0f} ms"
        if failed > limits.failed:
            return f"{failed:.1%} of the calls failed"
        if sight.p95_ms > limits.p95_ms:
            return f"p95 {sight.p95_ms:.0f} ms"
        return ""

    def _pass(self, sight: Sight, failed: float) -> None:
        self.steps.append(Step(self.wanted, sight.p95_ms, failed, passed=True))
        if self.wanted >= self._most:
            self.end = End.MOST
            return
        self.wanted = min(self.wanted + self._step, self._most)
        self._begin(sight.elapsed_s)

    def _fail(self, sight: Sight, why: str, failed: float = 0.0) -> None:
        self.steps.append(Step(self.wanted, sight.p95_ms, failed, passed=False, why=why))
        self.end = End.OURS if sight.own_lag_ms > self._limits.own_lag_ms else End.KNEE


def _agree(one_ms: float, other_ms: float) -> bool:
    return abs(one_ms - other_ms) <= max(LATENCY_FLOOR_MS, STABLE * max(one_ms, other_ms))
