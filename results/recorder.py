"""The hot path of recording: one packed row per call, everything else off the loop.

Use, on the loop's thread only:

    recorder = Recorder(run_folder, "00", start_new_thread=…, sleep=…)
    recorder.station(1, "GU-000001", "059004", "greenup", at_us)
    recorder.call(1, 2, "MeterValues", "out", "ok", "", done_us, queue_us, gen_lag_us, service_us, …)
    batch = recorder.drain()      # about every 100 ms: CallBatch for live statistics, or None
    receipt = recorder.close()    # blocks until the files are closed

`start_new_thread` and `sleep` must be the native ones (Locust's monkey patch hides them): `_thread`'s and
`time`'s, or what `gevent.monkey.get_original` gives.

`CallBatch` (results.columns) is what `drain` returns; it may be read in any thread:
    rows        numpy structured array of `schema.CALL_DTYPE`: done_us (µs since 1970), queue_us, gen_lag_us,
                service_us (µs), station (index), bytes_out, bytes_in, transaction (number, 0 none),
                action, result, outcome, direction (codes), connector, offline (0 or 1)
    actions, results, outcomes, directions
                what the codes mean: `batch.actions[row["action"]]`; the lists only ever grow
    response_us()   int64 array: queue + own lag + service
"""

import struct
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import numpy as np

from results.columns import CallBatch
from results.evidence import Evidence
from results.names import Names
from results.receipt import Receipt, TableReceipt
from results.schema import CALL, CALL_DTYPE, CALLS, DURATION_MAX_US, HEALTH, TABLES
from results.writer import Writer

PENDING_ROWS_MAX: Final = 1_000_000  # per table; a call waits in 44 bytes, so a stuck disk costs 44 MB
_NAMES_MAX: Final = 1_000
_OUTCOMES_MAX: Final = 120
_ROW_TABLES: Final = tuple(name for name in TABLES if name not in (CALLS.name, "histograms"))
_HEALTH_COLUMNS: Final = tuple(c.name for c in HEALTH.columns)


class Recorder:
    """Records what one worker saw into its partition of a run folder. One per worker, one thread calls it."""

    def __init__(
        self,
        folder: Path,
        worker: str,
        *,
        start_new_thread: Callable[..., object],
        sleep: Callable[[float], None],
        metadata: dict[str, str] | None = None,
    ) -> None:
        self._calls = bytearray()
        self._actions = Names(_NAMES_MAX)
        self._results = Names(_NAMES_MAX, "")
        self._outcomes = Names(_OUTCOMES_MAX)
        self._directions = Names(3, "out", "in")
        self._rows: dict[str, list[tuple[Any, ...]]] = {name: [] for name in _ROW_TABLES}
        self._put = dict.fromkeys(TABLES, 0)
        self._deployments: dict[int, int] = {}
        self._evidence = Evidence()
        self._next_counts_us = 0
        self._sleep = sleep
        self._writer = Writer(folder, worker, {**(metadata or {}), "worker": worker}, sleep)
        self._receipt: Receipt | None = None
        start_new_thread(self._writer.run, ())

    def call(  # noqa: PLR0917 — one call per OCPP message: keywords would cost a third of it
        self,
        station: int,
        connector: int,
        action: str,
        direction: str,
        outcome: str,
        result: str,
        done_us: int,
        queue_us: int,
        gen_lag_us: int,
        service_us: int,
        bytes_out: int,
        bytes_in: int,
        transaction: int,
        offline: bool,
    ) -> None:
        """One CALL that ended. `done_us` is µs since 1970; `result` as in the schema's `calls` table."""
        try:
            self._calls += CALL.pack(
                done_us,
                queue_us,
                gen_lag_us,
                service_us,
                station,
                bytes_out,
                bytes_in,
                transaction,
                self._actions[action],
                self._results[result],
                connector,
                self._directions[direction],
                self._outcomes[outcome],
                offline,
            )
        except struct.error:
            # Out of range: a wait over 71 minutes, a clock that stepped back. Never an absent row.
            words = (queue_us, gen_lag_us, service_us, station, bytes_out, bytes_in, transaction)
            self._calls += CALL.pack(
                int(done_us),
                *(_clamped(word, DURATION_MAX_US) for word in words),
                self._actions[action],
                self._results[result],
                _clamped(connector, 255),
                self._directions[direction],
                self._outcomes[outcome],
                offline,
            )

    def station(self, index: int, uid: str, product: str, personality: str, at_us: int) -> None:
        """A station was deployed; its transactions are numbered anew from here."""
        deployment = self._deployments[index] = self._deployments.get(index, 0) + 1
        self._rows["stations"].append((at_us, index, min(deployment, 65_535), uid, product, personality))

    def transaction(
        self,
        station: int,
        *,
        at_us: int,
        sequence: int,
        state: str,
        connector: int,
        id_tag: str,
        transaction_id: int | None,
        meter_start_wh: int,
        started_us: int,
        meter_stop_wh: int | None = None,
        stopped_us: int | None = None,
        reason: str = "",
        offline: bool = False,
        authorization: str = "",
    ) -> None:
        """A transaction changed: one line of the ledger's journal."""
        deployment = min(self._deployments.get(station, 0), 65_535)
        opening = (at_us, station, deployment, sequence, state, connector, id_tag, transaction_id)
        energy = (meter_start_wh, started_us, meter_stop_wh, stopped_us)
        self._rows["transactions"].append((*opening, *energy, reason, offline, authorization))

    def connection(
        self,
        station: int,
        at_us: int,
        kind: str,
        detail: str = "",
        *,
        connect_us: int | None = None,
        duration_us: int | None = None,
        close_code: int | None = None,
    ) -> None:
        """A link opened, was accepted, ended, or could not be made; kinds as in the schema."""
        self._rows["connections"].append(
            (at_us, station, kind, detail[:100], connect_us, duration_us, close_code)
        )

    def finding(self, station: int, rule: str, detail: str, frame: bytes, at_us: int) -> None:
        """The central system broke a rule; the first of each kind are kept whole, the rest is counted."""
        row = self._evidence.note(at_us, station, rule, detail, frame)
        if row is not None:
            self._rows["findings"].append(row)

    def health(self, at_us: int, **values: float | None) -> None:
        """One second of this worker's own health; names are the columns of `schema.HEALTH`."""
        values |= {"at": at_us, "pending_rows": self.pending_rows, "dropped_rows": self.dropped_rows}
        unknown = values.keys() - set(_HEALTH_COLUMNS)
        if unknown:
            raise KeyError(f"no such health column: {', '.join(sorted(unknown))}")
        self._rows[HEALTH.name].append(tuple(values.get(name) for name in _HEALTH_COLUMNS))

    @property
    def pending_rows(self) -> int:
        """Rows handed over and not yet taken by the writer."""
        return sum(self._put.values()) - sum(self._writer.taken.values())

    @property
    def dropped_rows(self) -> int:
        """Rows lost so far, here or at the disk."""
        return self._writer.dropped

    def drain(self) -> CallBatch | None:
        """Hand everything to the writer; the calls since the last drain, None when there were none."""
        self._count_findings()
        for name, rows in self._rows.items():
            if rows:
                self._rows[name] = []
                self._hand_over(name, rows)
        if not self._calls:
            return None
        packed, self._calls = self._calls, bytearray()
        batch = CallBatch(
            np.frombuffer(packed, dtype=CALL_DTYPE),
            self._actions.listed,
            self._results.listed,
            self._outcomes.listed,
            self._directions.listed,
        )
        self._hand_over(CALLS.name, batch)
        return batch

    def close(self, timeout_s: float = 60.0) -> Receipt:
        """Write everything out and close the files; the receipt says when that took too long."""
        if self._receipt is None:
            self.drain()
            self._hand_over("findings", self._evidence.counts())
            self._writer.closing = True
            give_up_s = time.monotonic() + timeout_s
            while self._writer.receipt is None and time.monotonic() < give_up_s:
                self._sleep(0.01)
            self._receipt = self._writer.receipt or self._unsigned(timeout_s)
        return self._receipt

    def _hand_over(self, name: str, rows: CallBatch | list[tuple[Any, ...]]) -> None:
        if self._put[name] - self._writer.taken[name] + len(rows) > PENDING_ROWS_MAX:
            self._writer.overrun[name] += len(rows)
            return
        self._put[name] += len(rows)
        self._writer.inbox.append((name, rows))

    def _count_findings(self) -> None:
        now_us = time.monotonic_ns() // 1_000
        if now_us >= self._next_counts_us:
            self._next_counts_us = now_us + 1_000_000
            self._rows["findings"] += self._evidence.counts()

    def _unsigned(self, timeout_s: float) -> Receipt:
        writer = self._writer
        lost = {n: self._put[n] - writer.taken[n] + writer.overrun[n] for n in TABLES}
        tables = {name: TableReceipt(dropped=rows) for name, rows in lost.items()}
        return Receipt(
            writer.worker, tables, complete=False, failure=f"writer still busy after {timeout_s:g} s"
        )


def _clamped(value: float, most: int) -> int:
    return min(max(int(value), 0), most)
