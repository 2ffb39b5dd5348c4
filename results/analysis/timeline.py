"""A run cut into equal windows of time, at most a few hundred: what charts are drawn from."""

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import numpy.typing as npt
import pandas as pd

from results.analysis.latency import call_spreads
from results.analysis.quantiles import Group, Spread
from results.histogram import BINS, Histogram

if TYPE_CHECKING:
    from results.analysis.run import Run

WINDOWS: Final = 300
_SECOND_US: Final = 1_000_000
# Lengths people can read off an axis.
_LENGTHS_S: Final = (1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1_800, 3_600)

Floats = npt.NDArray[np.float64]


@dataclass
class Timeline:
    """Windows of one run. Everything is computed when a chart asks for it, and kept."""

    run: "Run"

    @cached_property
    def window_us(self) -> int:
        """Length of one window."""
        wanted_s = self.run.duration_s / WINDOWS
        return next((s for s in _LENGTHS_S if s >= wanted_s), _LENGTHS_S[-1]) * _SECOND_US

    @cached_property
    def starts_us(self) -> npt.NDArray[np.int64]:
        """Start of each window, µs since 1970."""
        first, last = self.run.span_us
        begin = first // self.window_us * self.window_us
        return np.arange(begin, last + 1, self.window_us)

    @cached_property
    def seconds(self) -> Floats:
        """Middle of each window in seconds since the first record of the run."""
        return (self.starts_us + self.window_us / 2 - self.run.span_us[0]) / _SECOND_US

    @cached_property
    def covered_s(self) -> Floats:
        """How much of each window lies within the run: the first and last are seldom whole."""
        first, last = self.run.span_us
        inside = np.minimum(self.starts_us + self.window_us, last) - np.maximum(self.starts_us, first)
        covered: Floats = np.maximum(inside, 1) / _SECOND_US
        return covered

    @cached_property
    def by_action(self) -> dict[Group, Spread]:
        """Response by (window, action)."""
        return self._spreads(["action"])

    @cached_property
    def service(self) -> dict[Group, Spread]:
        """Service by (window,)."""
        return self._spreads([], kind="service")

    @cached_property
    def outcomes(self) -> pd.DataFrame:
        """Calls per second by window (rows) and outcome (columns), cancelled ones left out."""
        found = self._spreads(["outcome"])
        return self._per_second({group: spread.count for group, spread in found.items()})

    @cached_property
    def actions(self) -> list[str]:
        """Actions, the most frequent first."""
        counts: dict[str, int] = {}
        for (_, action), spread in self.by_action.items():
            counts[action] = counts.get(action, 0) + spread.count
        return sorted(counts, key=lambda action: -counts[action])

    @cached_property
    def histograms(self) -> dict[int, Histogram]:
        """Response of all actions by window number."""
        merged: dict[int, Histogram] = {}
        for (start, _), spread in self.by_action.items():
            merged.setdefault(self._number(start), Histogram()).counts[spread.bins] += spread.counts
        return merged

    @cached_property
    def largest(self) -> Floats:
        """Longest response of each window in ms; NaN where no call ended."""
        found = np.full(len(self.starts_us), np.nan)
        for (start, _), spread in self.by_action.items():
            number = self._number(start)
            found[number] = np.nanmax([found[number], spread.largest / 1_000])
        return found

    def response_ms(self, quantile: float, action: str | None = None) -> Floats:
        """A response percentile by window, of one action or all; NaN where no call ended."""
        found = np.full(len(self.starts_us), np.nan)
        if action is None:
            for number, histogram in self.histograms.items():
                found[number] = (histogram.quantile_us(quantile) or 0) / 1_000
        else:
            for (start, name), spread in self.by_action.items():
                if name == action:
                    found[self._number(start)] = spread.quantile_us(quantile) / 1_000
        return found

    def service_ms(self, quantile: float) -> Floats:
        """A service percentile by window."""
        found = np.full(len(self.starts_us), np.nan)
        for (start,), spread in self.service.items():
            found[self._number(start)] = spread.quantile_us(quantile) / 1_000
        return found

    def whole(self, action: str | None = None) -> Histogram:
        """The histogram of the whole run, of one action or all."""
        counts = np.zeros(BINS, dtype=np.int64)
        for (_, name), spread in self.by_action.items():
            if action in {None, name}:
                counts[spread.bins] += spread.counts
        return Histogram(counts)

    def events(self, moments: "pd.Series[Any]") -> Floats:
        """How many moments fall into each window."""
        numbers = (moments.astype("int64").to_numpy() - self.starts_us[0]) // self.window_us
        kept = numbers[(numbers >= 0) & (numbers < len(self.starts_us))]
        return np.bincount(kept, minlength=len(self.starts_us)).astype(np.float64)

    def health(self, column: str, *, worst: bool) -> Floats:
        """A health column by window: the worst of workers and seconds, or the last sum over workers."""
        rows = self.run.health
        found = np.full(len(self.starts_us), np.nan)
        # A row speaks of the second that ends at its time.
        numbers = (rows["at"].astype("int64") - 1 - self.starts_us[0]) // self.window_us
        plain = pd.DataFrame(
            {"window": numbers, "worker": rows["worker"].astype(str), "value": rows[column].astype("float64")}
        )
        by_worker = plain.pivot_table(
            index="window", columns="worker", values="value", aggfunc="max" if worst else "last"
        )
        window = by_worker.max(axis=1) if worst else by_worker.ffill(limit=2).sum(axis=1, min_count=1)
        inside = [number for number in window.index if 0 <= number < len(found)]
        found[inside] = window[inside]
        return found

    def _spreads(self, columns: list[str], kind: str = "response") -> dict[Group, Spread]:
        """Calls by (window, *columns).

        A worker that its master has lost may go on and write: rows that came after the run's length was read
        belong to no window.
        """
        found = call_spreads(self.run, columns, kind=kind, window_us=self.window_us)
        return {group: spread for group, spread in found.items() if group[0] <= self.starts_us[-1]}

    def _number(self, start_us: int) -> int:
        return int((start_us - self.starts_us[0]) // self.window_us)

    def _per_second(self, counts: dict[Group, int]) -> pd.DataFrame:
        names = sorted({str(name) for _, name in counts})
        frame = pd.DataFrame(0.0, index=range(len(self.starts_us)), columns=names)
        for (start, name), count in counts.items():
            frame.loc[self._number(start), str(name)] = count
        # A window of which the run covers a sliver says nothing about a rate.
        whole = self.covered_s >= self.window_us / _SECOND_US / 10
        return frame.div(self.covered_s, axis=0).where(pd.Series(whole), np.nan)
