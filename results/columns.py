"""Packed CALL records become columns: the `calls` rows and the one-second histograms of the same calls."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from results.arrays import booleans, coded, numbers
from results.histogram import BINS, bin_of
from results.schema import CALLS, FEW_NAMES, HISTOGRAMS, NAME

BATCH_ROWS: Final = 65_536
KINDS: Final = ("response", "service", "gen_lag")  # what the histograms count

Rows = npt.NDArray[Any]


@dataclass(frozen=True, slots=True)
class CallBatch:
    """Calls recorded between two drains; `results.recorder` describes the fields."""

    rows: Rows
    actions: Sequence[str]
    results: Sequence[str]
    outcomes: Sequence[str]
    directions: Sequence[str]

    def __len__(self) -> int:
        return len(self.rows)

    def response_us(self) -> npt.NDArray[np.int64]:
        """Due to answer: queue + own lag + service."""
        rows = self.rows
        total: npt.NDArray[np.int64] = rows["queue_us"].astype(np.int64)
        total += rows["gen_lag_us"]
        total += rows["service_us"]
        return total


def call_batches(batch: CallBatch) -> Iterator[pa.RecordBatch]:
    """The `calls` table, in record batches of bounded size."""
    schema = CALLS.schema()
    for start in range(0, len(batch), BATCH_ROWS):
        rows = batch.rows[start : start + BATCH_ROWS]
        named = {
            "action": coded(NAME, rows["action"], batch.actions),
            "direction": coded(FEW_NAMES, rows["direction"], batch.directions),
            "outcome": coded(FEW_NAMES, rows["outcome"], batch.outcomes),
            "result": coded(NAME, rows["result"], batch.results),
            "offline": booleans(rows["offline"]),
            "done": numbers(schema.field("done").type, rows["done_us"]),
        }
        arrays = [named[f.name] if f.name in named else numbers(f.type, rows[f.name]) for f in schema]
        yield pa.RecordBatch.from_arrays(arrays, schema=schema)


def histogram_batches(batch: CallBatch) -> Iterator[pa.RecordBatch]:
    """The `histograms` table of the same calls: one row per second, names, kind and bin that occurs."""
    if not len(batch):
        return
    rows = batch.rows
    seconds = rows["done_us"] // 1_000_000
    first = int(seconds.min())
    sizes = (len(batch.actions), len(batch.directions), len(batch.outcomes), len(KINDS), BINS)
    group = seconds - first
    for field, size in zip(("action", "direction", "outcome"), sizes, strict=False):
        group = group * size + rows[field]
    group *= len(KINDS)
    values = (batch.response_us(), rows["service_us"], rows["gen_lag_us"])
    keys = np.concatenate([(group + k) * BINS + bin_of(v) for k, v in enumerate(values)])
    found, counts = np.unique(keys, return_counts=True)
    for start in range(0, len(found), BATCH_ROWS):
        part = slice(start, start + BATCH_ROWS)
        yield _histogram_batch(batch, found[part], counts[part], sizes, first)


def _histogram_batch(
    batch: CallBatch, keys: Rows, counts: Rows, sizes: tuple[int, ...], first_s: int
) -> pa.RecordBatch:
    rest, digits = keys, []
    for size in reversed(sizes):
        rest, digit = np.divmod(rest, size)
        digits.append(digit)
    bins, kind, outcome, direction, action = digits
    schema = HISTOGRAMS.schema()
    arrays = [
        numbers(schema.field("second").type, (rest + first_s) * 1_000_000),
        coded(NAME, action, batch.actions),
        coded(FEW_NAMES, direction, batch.directions),
        coded(FEW_NAMES, outcome, batch.outcomes),
        coded(FEW_NAMES, kind, KINDS),
        numbers(pa.uint16(), bins),
        numbers(pa.uint32(), counts),
    ]
    return pa.RecordBatch.from_arrays(arrays, schema=schema)
