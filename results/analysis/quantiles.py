"""Percentiles by group over any number of calls in bounded memory.

First pass: counts per (group, histogram bin), in which every percentile is known within 0.39 %. Second pass,
up to `EXACT_CALLS` calls: only the values of the wanted bins are kept, and the percentile is the exact one.
Memory grows with the number of different (group, bin) pairs, not with the number of calls.
"""

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, TypeAlias

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from results.histogram import BINS, Histogram, bin_of, rank_of

EXACT_CALLS: Final = 20_000_000
_DENSE_KEYS: Final = 4_000_000  # up to here an array of counters is quicker than sorting

Ints: TypeAlias = npt.NDArray[np.int64]
Group: TypeAlias = tuple[Any, ...]
Batches: TypeAlias = Callable[[], Iterable[pa.RecordBatch]]  # may be asked twice: once per pass
Values: TypeAlias = Callable[[pa.RecordBatch], Ints]


@dataclass(slots=True)
class Spread:
    """What is known of one group's values, microseconds."""

    bins: Ints
    counts: Ints
    largest: int
    total: int
    exact: dict[float, int] = field(default_factory=dict)

    @property
    def count(self) -> int:
        """How many values."""
        return int(self.counts.sum())

    @property
    def mean_us(self) -> float:
        """Exact mean."""
        return self.total / self.count

    def histogram(self) -> Histogram:
        """The same as a dense histogram."""
        return Histogram.from_sparse(self.bins, self.counts)

    def place(self, quantile: float) -> tuple[int, int]:
        """The bin of a quantile, and the rank of its value among the values of that bin."""
        cumulative = np.cumsum(self.counts)
        rank = rank_of(quantile, int(cumulative[-1]))
        index = int(np.searchsorted(cumulative, rank))
        return int(self.bins[index]), rank - int(cumulative[index] - self.counts[index])

    def quantile_us(self, quantile: float) -> int:
        """Exact when the second pass looked for it, otherwise within 0.39 %; never above the largest."""
        if quantile in self.exact:
            return self.exact[quantile]
        estimate = self.histogram().quantile_us(quantile)
        assert estimate is not None, "a group exists because it has values"
        return min(estimate, self.largest)


def spreads(
    batches: Batches,
    by: Sequence[str],
    values: Values,
    exact: Sequence[float] = (),
    exact_calls: int = EXACT_CALLS,
) -> dict[Group, Spread]:
    """Spread per group of the columns `by`; the quantiles in `exact` are exact up to `exact_calls` values."""
    gathered = _Gathering()
    for batch in batches():
        groups, codes = grouped(batch, by)
        gathered.add(groups, codes, values(batch))
    found = gathered.spreads()
    if exact and 0 < sum(s.count for s in found.values()) <= exact_calls:
        _make_exact(found, batches, by, values, exact)
    return found


def grouped(batch: pa.RecordBatch, by: Sequence[str]) -> tuple[list[Group], Ints]:
    """The groups that occur in a batch, and for each row the number of its group."""
    codes = np.zeros(batch.num_rows, dtype=np.int64)
    names: list[Sequence[Any]] = []
    for column in by:
        found, column_codes = _coded(batch.column(column))
        codes = codes * len(found) + column_codes
        names.append(found)
    present, local = _renumbered(codes, math.prod(len(found) for found in names))
    groups = []
    for number in present.tolist():
        code = number
        group: list[Any] = []
        for found in reversed(names):
            code, digit = divmod(code, len(found))
            group.append(found[digit])
        groups.append(tuple(reversed(group)))
    return groups, local


def _renumbered(codes: Ints, limit: int) -> tuple[Ints, Ints]:
    """The different codes in order, and for each row the place of its code among them."""
    if limit > _DENSE_KEYS:
        present, local = np.unique(codes, return_inverse=True)
        return present, local.astype(np.int64)
    present = np.flatnonzero(np.bincount(codes, minlength=limit))
    place = np.zeros(limit, dtype=np.int64)
    place[present] = np.arange(len(present))
    return present, place[codes]


def _coded(column: Any) -> tuple[Sequence[Any], Ints]:
    if not pa.types.is_dictionary(column.type):
        column = column.dictionary_encode()
    codes = column.indices.to_numpy(zero_copy_only=False).astype(np.int64)
    return column.dictionary.to_pylist(), codes


class _Gathering:
    """Counts per (group, bin), largest and total per group, over batches."""

    def __init__(self) -> None:
        self._numbers: dict[Group, int] = {}
        self._keys: list[Ints] = []
        self._counts: list[Ints] = []
        self._waiting = 0
        self._largest = np.zeros(0, dtype=np.int64)
        self._totals = np.zeros(0, dtype=np.int64)

    def add(self, groups: list[Group], codes: Ints, values: Ints) -> None:
        keys, counts = _occurring(codes * BINS + bin_of(values), len(groups) * BINS)
        numbers = np.array([self._numbers.setdefault(g, len(self._numbers)) for g in groups])
        self._keys.append(numbers[keys // BINS] * BINS + keys % BINS)
        self._counts.append(counts)
        self._grow()
        np.maximum.at(self._largest, numbers[codes], values)
        np.add.at(self._totals, numbers[codes], values)
        self._waiting += len(keys)
        if self._waiting > _DENSE_KEYS:
            self._merge()

    def spreads(self) -> dict[Group, Spread]:
        if not self._numbers:
            return {}
        self._merge()
        keys, counts = self._keys[0], self._counts[0]
        borders = np.searchsorted(keys, np.arange(len(self._numbers) + 1) * BINS)
        found = {}
        for group, number in self._numbers.items():
            part = slice(borders[number], borders[number + 1])
            largest, total = int(self._largest[number]), int(self._totals[number])
            found[group] = Spread(keys[part] - number * BINS, counts[part], largest, total)
        return found

    def _grow(self) -> None:
        more = len(self._numbers) - len(self._largest)
        if more:
            self._largest = np.concatenate([self._largest, np.zeros(more, dtype=np.int64)])
            self._totals = np.concatenate([self._totals, np.zeros(more, dtype=np.int64)])

    def _merge(self) -> None:
        keys, where = np.unique(np.concatenate(self._keys), return_inverse=True)
        counts = np.zeros(len(keys), dtype=np.int64)
        np.add.at(counts, where, np.concatenate(self._counts))
        self._keys, self._counts, self._waiting = [keys], [counts], 0


def _occurring(keys: Ints, limit: int) -> tuple[Ints, Ints]:
    """The different keys and how often each comes."""
    if limit > _DENSE_KEYS:
        found, counts = np.unique(keys, return_counts=True)
        return found, counts
    dense = np.bincount(keys, minlength=limit)
    found = np.flatnonzero(dense)
    return found, dense[found]


def _make_exact(
    found: dict[Group, Spread],
    batches: Batches,
    by: Sequence[str],
    values: Values,
    quantiles: Sequence[float],
) -> None:
    wanted = {group: {spread.place(q)[0] for q in quantiles} for group, spread in found.items()}
    kept: dict[tuple[Group, int], list[Ints]] = {(g, b): [] for g, bins in wanted.items() for b in bins}
    for batch in batches():
        for place, part in _wanted_values(batch, by, values(batch), wanted):
            kept[place].append(part)
    joined = {place: np.concatenate(parts) for place, parts in kept.items()}
    for group, spread in found.items():
        for quantile in quantiles:
            number, rank = spread.place(quantile)
            spread.exact[quantile] = int(np.partition(joined[group, number], rank - 1)[rank - 1])


def _wanted_values(
    batch: pa.RecordBatch, by: Sequence[str], values: Ints, wanted: dict[Group, set[int]]
) -> Iterator[tuple[tuple[Group, int], Ints]]:
    groups, codes = grouped(batch, by)
    keys = codes * BINS + bin_of(values)
    targets = np.array(sorted(n * BINS + b for n, g in enumerate(groups) for b in wanted[g]), dtype=np.int64)
    hit = np.isin(keys, targets, kind="table" if len(groups) * BINS <= _DENSE_KEYS else None)
    keys, values = keys[hit], values[hit]
    order = np.argsort(keys, kind="stable")
    keys, values = keys[order], values[order]
    present, starts = np.unique(keys, return_index=True)
    for key, part in zip(present.tolist(), np.split(values, starts[1:]), strict=False):
        yield (groups[key // BINS], key % BINS), part
