"""A second of a worker's calls, small enough to tell the master each second: counts and coarse histograms.

Bins are those of `results.histogram`, eight together: 16 per octave, so that a percentile on the live page is
within 3.2 %. The exact ones are in the run folder.
"""

from collections.abc import Iterable
from typing import Any, Final, TypeAlias

import numpy as np
import numpy.typing as npt

from engine.bridge import statistics
from results.columns import CallBatch
from results.histogram import BINS, bin_of, lower_bound_us, rank_of

_SHIFT: Final = 3
LIVE_BINS: Final = (BINS >> _SHIFT) + 1

Counts: TypeAlias = npt.NDArray[np.int64]
Told: TypeAlias = list[Any]  # count, failures, bins (uint16, packed), counts of those bins (uint32, packed)


def by_action(batch: CallBatch) -> dict[str, Told]:
    """Counts and response times by `OCPP BootNotification` and the like, as a payload."""
    return {f"{kind.method} {kind.name}": _told(kind) for kind in statistics.kinds(batch)}


def _told(kind: statistics.Kind) -> Told:
    failed = sum(len(rows) for _, rows in kind.failures)
    if kind.response_ms is None:
        return [len(kind.rows), failed, b"", b""]
    bins, counts = np.unique(bin_of(kind.response_ms * 1000.0) >> _SHIFT, return_counts=True)
    return [len(kind.rows), failed, bins.astype("<u2").tobytes(), counts.astype("<u4").tobytes()]


class Pulse:
    """What was told about one action, added up."""

    __slots__ = ("count", "failed", "times")

    def __init__(self) -> None:
        self.count = 0
        self.failed = 0
        self.times: Counts = np.zeros(LIVE_BINS, dtype=np.int64)

    def add(self, told: Told) -> None:
        """What one worker told of one second."""
        count, failed, bins, counts = told
        self.count += count
        self.failed += failed
        self.times[np.frombuffer(bins, "<u2")] += np.frombuffer(counts, "<u4")

    def join(self, other: "Pulse") -> None:
        """Another second, or another action."""
        self.count += other.count
        self.failed += other.failed
        self.times += other.times

    def percentiles_ms(self, quantiles: Iterable[float]) -> list[float | None]:
        """Response times; None where there was none."""
        cumulative = np.cumsum(self.times)
        count = int(cumulative[-1])
        if not count:
            return [None for _ in quantiles]
        ranks = [rank_of(quantile, count) for quantile in quantiles]
        return [round(middle, 3) for middle in middle_ms(np.searchsorted(cumulative, ranks)).tolist()]


def upper_bound_us(bins: Counts) -> Counts:
    """Where coarse bins end, which is where the next ones begin."""
    bound: Counts = lower_bound_us((bins + 1) << _SHIFT)
    return bound


def middle_ms(bins: Counts) -> npt.NDArray[np.float64]:
    """What a coarse bin stands for."""
    middle: npt.NDArray[np.float64] = (lower_bound_us(bins << _SHIFT) + upper_bound_us(bins)) / 2_000.0
    return middle
