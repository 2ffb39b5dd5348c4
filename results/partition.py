"""One worker's files of one table: an open Arrow stream that becomes closed Parquet parts.

`_open-00007.arrows` takes whole record batches; each is in the kernel when `write` returns, so that SIGKILL
loses none of them. Rotation writes `part-00007.parquet` (through a temporary name) and removes the stream.
The leading underscore keeps pandas and pyarrow from reading a file that is not a closed part; a stream whose
part exists is a leftover of a crash between the two steps and is ignored by readers.
"""

import hashlib
import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from pyarrow import ipc

from results.receipt import Part, TableReceipt
from results.schema import DELTA_TYPES, Table

STREAMS: Final = "_open-*.arrows"
ROTATE_ROWS: Final = 1_000_000
_ROW_GROUP: Final = 131_072
_STREAM_OPTIONS: Final = ipc.IpcWriteOptions(compression="zstd")

# What a full, vanished, read-only or torn disk raises.
DISK_ERRORS: Final = (OSError, pa.ArrowException)


def stream_name(number: int) -> str:
    """File name of the open stream that becomes part `number`."""
    return f"_open-{number:05d}.arrows"


def part_name(number: int) -> str:
    """File name of closed part `number`."""
    return f"part-{number:05d}.parquet"


def whole_batches(path: Path) -> Iterator[pa.RecordBatch]:
    """The record batches of a stream that may end anywhere: the torn tail is left out."""
    try:
        with pa.OSFile(str(path), "rb") as file, ipc.open_stream(file) as stream:
            yield from stream
    except DISK_ERRORS:
        return


class Partition:
    """Writes one table of one worker. Used by the writer thread only; never raises for a bad disk."""

    def __init__(self, run: Path, table: Table, worker: str, metadata: dict[str, str]) -> None:
        self.receipt = TableReceipt()
        self.failure = ""
        self._run = run
        self._folder = run / table.name / f"worker={worker}"
        self._table = table
        self._schema = table.schema(metadata)
        self._number = 0
        self._rows = 0
        self._opened_s = 0.0
        self._file: pa.OSFile | None = None
        self._stream: ipc.RecordBatchStreamWriter | None = None

    def write(self, batch: pa.RecordBatch, now_s: float) -> None:
        """Append one batch; on a failing disk count it as dropped and go on with a new file later."""
        try:
            if self._stream is None:
                self._open(now_s)
            assert self._stream is not None
            self._stream.write_batch(batch)
        except DISK_ERRORS as error:
            self._fail(error)
            self.receipt.dropped += batch.num_rows
            self._close_stream()
            self._rotate()
            return
        self._rows += batch.num_rows
        self._note(batch)

    def tend(self, now_s: float) -> None:
        """Close the part when it is big or old enough."""
        if self._rows and (self._rows >= ROTATE_ROWS or now_s - self._opened_s >= self._table.rotate_s):
            self.close()

    def close(self) -> None:
        """Turn the open stream into a closed part."""
        if self._stream is not None:
            self._close_stream()
            self._rotate()

    def _open(self, now_s: float) -> None:
        self._folder.mkdir(parents=True, exist_ok=True)
        self._file = pa.OSFile(str(self._folder / stream_name(self._number)), "wb")
        self._stream = ipc.new_stream(self._file, self._schema, options=_STREAM_OPTIONS)
        self._opened_s = now_s

    def _close_stream(self) -> None:
        for closing in (self._stream, self._file):
            try:
                if closing is not None:
                    closing.close()
            except DISK_ERRORS as error:
                self._fail(error)
        self._stream = self._file = None

    def _rotate(self) -> None:
        """Stream to part; when that fails, the stream itself stays as the part."""
        number, rows = self._number, self._rows
        stream, part = self._folder / stream_name(number), self._folder / part_name(number)
        try:
            if rows:
                _convert(stream, part, self._schema)
            stream.unlink(missing_ok=True)
        except DISK_ERRORS as error:
            self._fail(error)
        if rows:
            self._number += 1
            self._rows = 0
            self._list_part(part if part.exists() else stream, rows)

    def _list_part(self, path: Path, rows: int) -> None:
        try:
            with path.open("rb") as file:
                digest = hashlib.file_digest(file, "sha256").hexdigest()
            size = path.stat().st_size
        except OSError as error:
            self._fail(error)
            digest, size = "", 0
        self.receipt.parts.append(Part(str(path.relative_to(self._run)), rows, size, digest))

    def _note(self, batch: pa.RecordBatch) -> None:
        """Count the rows and remember the span of time; the first column of every table is its time."""
        times = np.frombuffer(memoryview(batch.column(0).buffers()[1]), dtype="<i8")  # type: ignore[arg-type]
        first, last = int(times.min()), int(times.max())
        self.receipt.rows += batch.num_rows
        self.receipt.first_us = min(first, self.receipt.first_us or first)
        self.receipt.last_us = max(last, self.receipt.last_us or last)

    def _fail(self, error: Exception) -> None:
        self.failure = self.failure or f"{self._table.name}: {error}"


def close_left_open(run: Path, workers: Iterable[str]) -> list[Path]:
    """Parts made of what killed workers left open, without a torn tail, so that readers of Parquet see it.

    The streams stay: a worker that was only thought dead goes on with its own, and its rotation makes the
    part anew. Raises what a bad disk raises; the streams can be read all the same.
    """
    made = []
    for worker in workers:
        for stream in sorted(run.glob(f"*/worker={worker}/{STREAMS}")):
            part = stream.with_name(part_name(int(stream.stem.rpartition("-")[2])))
            first = next(whole_batches(stream), None)
            if first is not None and not part.exists():
                _convert(stream, part, first.schema)
                made.append(part)
    return made


def _convert(stream: Path, part: Path, schema: pa.Schema) -> None:
    unfinished = part.with_name(f"_{part.name}.tmp")
    try:
        with _parquet(unfinished, schema) as writer:
            for group in _row_groups(stream):
                writer.write_table(group)
        with unfinished.open("rb") as file:
            os.fsync(file.fileno())
        unfinished.rename(part)
    finally:
        unfinished.unlink(missing_ok=True)


def _row_groups(stream: Path) -> Iterator[pa.Table]:
    """Batches joined to row groups, so that a rotation needs little memory whatever its size."""
    waiting: list[pa.RecordBatch] = []
    for batch in whole_batches(stream):
        waiting.append(batch)
        if sum(b.num_rows for b in waiting) >= _ROW_GROUP:
            yield pa.Table.from_batches(waiting).unify_dictionaries()
            waiting = []
    if waiting:
        yield pa.Table.from_batches(waiting).unify_dictionaries()


def _parquet(path: Path, schema: pa.Schema) -> pq.ParquetWriter:
    """Delta for times, durations and numbers, dictionaries only for names."""
    return pq.ParquetWriter(
        path,
        schema,
        compression="zstd",
        compression_level=3,
        use_dictionary=[f.name for f in schema if pa.types.is_dictionary(f.type)],  # type: ignore[arg-type]
        column_encoding={f.name: "DELTA_BINARY_PACKED" for f in schema if f.type in DELTA_TYPES},
    )
