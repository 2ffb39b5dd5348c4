"""Log-linear histograms of microseconds: 128 bins per octave, merged by adding counts.

Below 256 µs a bin is one microsecond wide. Above, a bin is 1/128 of its power of two, found from the top bits
of the IEEE-754 double, so that the middle of a bin is within 1/256 (0.39 %) of every value in it.
"""

import math
from typing import Final

import numpy as np
import numpy.typing as npt

LINEAR_BELOW_US: Final = 256
_OCTAVES: Final = 26  # 2**8 … 2**34 µs: 4.7 hours, the sum of three saturated durations fits
BINS: Final = LINEAR_BELOW_US + 128 * _OCTAVES
MAX_RELATIVE_ERROR: Final = 1 / 256

_SHIFT: Final = 52 - 7  # a double has 52 bits of fraction; 7 of them tell the bin
_OFFSET: Final = ((1023 + 8) << 7) - LINEAR_BELOW_US  # so that 256.0 falls into bin 256

Ints = npt.NDArray[np.int64]


def bin_of(values_us: npt.ArrayLike) -> Ints:
    """Bin numbers of non-negative microsecond values."""
    values = np.asarray(values_us)
    bits = values.astype(np.float64).view(np.int64)
    logarithmic = (bits >> _SHIFT) - _OFFSET
    bins = np.where(values < LINEAR_BELOW_US, values.astype(np.int64), logarithmic)
    return np.minimum(bins, BINS - 1)


def lower_bound_us(bins: npt.ArrayLike) -> Ints:
    """The smallest value of each bin."""
    number = np.asarray(bins, dtype=np.int64)
    octave, step = np.divmod(np.maximum(number - LINEAR_BELOW_US, 0), 128)
    logarithmic = (128 + step) << (octave + 1)
    return np.where(number < LINEAR_BELOW_US, number, logarithmic)


def middle_us(bins: npt.ArrayLike) -> Ints:
    """The value that stands for each bin: its middle, so that the error is at most 1/256."""
    number = np.asarray(bins, dtype=np.int64)
    return (lower_bound_us(number) + lower_bound_us(number + 1) - 1) // 2


def rank_of(quantile: float, count: int) -> int:
    """Nearest rank, 1 … count: the only definition of a quantile in this project.

    Rounded before the ceiling, because 0.07 x 100 is 7.000000000000001 in binary.
    """
    if not 0 <= quantile <= 1:
        raise ValueError(f"a quantile lies between 0 and 1, not {quantile}")
    return min(max(math.ceil(round(quantile * count, 6)), 1), count)


def exact_quantile(values: npt.NDArray[np.integer], quantile: float) -> int | None:
    """The nearest-rank quantile of `values`; None of none. O(n), nothing sorted."""
    if not values.size:
        return None
    rank = rank_of(quantile, values.size)
    return int(np.partition(values, rank - 1)[rank - 1])


class Histogram:
    """Counts per bin; 28 KB whatever the number of values."""

    __slots__ = ("counts",)

    def __init__(self, counts: Ints | None = None) -> None:
        self.counts: Ints = np.zeros(BINS, dtype=np.int64) if counts is None else counts

    @classmethod
    def of(cls, values_us: npt.ArrayLike) -> "Histogram":
        """The histogram of some microsecond values."""
        return cls(np.bincount(bin_of(values_us), minlength=BINS))

    @classmethod
    def from_sparse(cls, bins: npt.ArrayLike, counts: npt.ArrayLike) -> "Histogram":
        """The histogram of (bin, count) pairs; a bin may come more than once."""
        made = cls()
        np.add.at(made.counts, np.asarray(bins, dtype=np.int64), np.asarray(counts, dtype=np.int64))
        return made

    def add(self, values_us: npt.ArrayLike) -> None:
        """Count some more values."""
        self.counts += np.bincount(bin_of(values_us), minlength=BINS)

    def __add__(self, other: "Histogram") -> "Histogram":
        return Histogram(self.counts + other.counts)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Histogram) and bool(np.array_equal(self.counts, other.counts))

    __hash__ = None  # type: ignore[assignment]  # mutable

    @property
    def count(self) -> int:
        """How many values were counted."""
        return int(self.counts.sum())

    def bin_at(self, quantile: float) -> int | None:
        """The bin in which the nearest-rank quantile lies; None when empty."""
        cumulative = np.cumsum(self.counts)
        count = int(cumulative[-1])
        if not count:
            return None
        return int(np.searchsorted(cumulative, rank_of(quantile, count)))

    def quantile_us(self, quantile: float) -> int | None:
        """The nearest-rank quantile within 0.39 %; None when empty."""
        found = self.bin_at(quantile)
        return None if found is None else int(middle_us(found))
