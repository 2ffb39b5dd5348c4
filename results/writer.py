"""The one native thread of a worker that touches the disk.

Locust monkey-patches threads, locks and sleep, so this module uses none of them: the thread is started by an
injected function, sleeps by an injected function and talks through a deque. pyarrow releases the GIL while it
compresses and writes, so the stations' loop is not held up.
"""

import time
import traceback
from collections import deque
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Final

import msgspec
import numpy as np

from results.arrays import batch_of
from results.columns import CallBatch, call_batches, histogram_batches
from results.partition import Partition
from results.receipt import Receipt
from results.schema import CALLS, HISTOGRAMS, TABLES

FLUSH_S: Final = 1.0  # what SIGKILL may cost is about this much
_LOOK_S: Final = 0.1
_ROWS_PER_BATCH: Final = 32_000  # a name column has 16-bit codes per batch

Rows = list[tuple[Any, ...]]


class Writer:
    """Takes rows from `inbox` once a second and writes them; `closing` asks for the end, `receipt` is it."""

    def __init__(
        self, run: Path, worker: str, metadata: dict[str, str], sleep: Callable[[float], None]
    ) -> None:
        self.inbox: deque[tuple[str, CallBatch | Rows]] = deque()
        self.closing = False
        self.receipt: Receipt | None = None
        self.worker = worker
        # `taken` is written by this thread only, `overrun` by the recorder's: no lock is needed.
        self.taken = dict.fromkeys(TABLES, 0)
        self.overrun = dict.fromkeys(TABLES, 0)
        self._run = run
        self._sleep = sleep
        self._failure = ""
        self._partitions = {name: Partition(run, table, worker, metadata) for name, table in TABLES.items()}

    @property
    def dropped(self) -> int:
        """Rows lost so far: given up by the recorder because the disk is slow, or refused by the disk."""
        return sum(self.overrun.values()) + sum(p.receipt.dropped for p in self._partitions.values())

    def run(self) -> None:
        """The thread's whole life."""
        next_flush_s = time.monotonic() + FLUSH_S
        while not self.closing:
            self._sleep(_LOOK_S)
            now_s = time.monotonic()
            if now_s >= next_flush_s:
                next_flush_s = now_s + FLUSH_S
                self._guarded(self._flush)
        self._guarded(self._flush)
        for partition in self._partitions.values():
            self._guarded(partition.close)
        self.receipt = self._sign()

    def _guarded(self, step: Callable[[], None]) -> None:
        """A bug here must not end recording silently: the receipt keeps it, and the run is untrusted."""
        try:
            step()
        except Exception:  # noqa: BLE001 — the load goes on whatever happens; the receipt tells
            self._failure = self._failure or traceback.format_exc(limit=-3)

    def _flush(self) -> None:
        now_s = time.monotonic()
        waiting: dict[str, list[Any]] = {}
        while self.inbox:
            name, rows = self.inbox.popleft()
            self.taken[name] += len(rows)
            waiting.setdefault(name, []).append(rows)
        calls = waiting.pop(CALLS.name, None)
        if calls:
            self._write_calls(calls, now_s)
        for name, lists in waiting.items():
            self._write_rows(name, [row for rows in lists for row in rows], now_s)
        for partition in self._partitions.values():
            partition.tend(now_s)

    def _write_calls(self, batches: Sequence[CallBatch], now_s: float) -> None:
        last = batches[-1]
        rows = np.concatenate([b.rows for b in batches])
        # Names only grow, so the newest lists decode the older rows too.
        joined = CallBatch(rows, list(last.actions), list(last.results), list(last.outcomes), last.directions)
        for batch in call_batches(joined):
            self._partitions[CALLS.name].write(batch, now_s)
        for batch in histogram_batches(joined):
            self._partitions[HISTOGRAMS.name].write(batch, now_s)

    def _write_rows(self, name: str, rows: Rows, now_s: float) -> None:
        for start in range(0, len(rows), _ROWS_PER_BATCH):
            batch = batch_of(TABLES[name], rows[start : start + _ROWS_PER_BATCH])
            self._partitions[name].write(batch, now_s)

    def _sign(self) -> Receipt:
        tables = {name: p.receipt for name, p in self._partitions.items()}
        for name, table in tables.items():
            table.dropped += self.overrun[name]
        failures = [self._failure, *(p.failure for p in self._partitions.values())]
        failure = next((f for f in failures if f), "")
        receipt = Receipt(self.worker, tables, complete=not self._failure, failure=failure)
        path = self._run / "receipts" / f"worker={self.worker}.json"
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(msgspec.json.format(msgspec.json.encode(receipt)))
        except OSError as error:
            receipt.failure = receipt.failure or f"receipt: {error}"
        return receipt
