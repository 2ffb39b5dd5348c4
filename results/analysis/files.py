"""Finds a run folder's data files and streams their rows, closed parts and torn open streams alike."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, TypeAlias

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.dataset as ds
import pyarrow.parquet as pq

from results.partition import DISK_ERRORS, part_name, whole_batches
from results.schema import NAME, Table
from stations.errors import PlanError

# An Arrow expression, or pandas' list of (column, operator, value).
Where: TypeAlias = pc.Expression | Sequence[tuple[str, str, Any]] | None

_BATCH_ROWS: Final = 131_072
_WORKER: Final = pa.field("worker", pa.string())


@dataclass(frozen=True, slots=True)
class Piece:
    """One data file of one worker."""

    worker: str
    number: int
    path: Path

    @property
    def closed(self) -> bool:
        """Whether this is a closed Parquet part, not a stream left open."""
        return self.path.suffix == ".parquet"


def pieces(run: Path, table: Table) -> list[Piece]:
    """The files that hold the table, in the order in which each worker wrote them."""
    found = []
    for path in (run / table.name).glob("worker=*/*"):
        number = path.stem.rpartition("-")[2]
        is_part = path.name.startswith("part-") and path.suffix == ".parquet"
        is_stream = path.name.startswith("_open-") and path.suffix == ".arrows"
        # A stream beside its part is the leftover of a crash between writing the one and removing the other.
        if is_part or (is_stream and not path.with_name(part_name(int(number))).exists()):
            found.append(Piece(path.parent.name.removeprefix("worker="), int(number), path))
    return sorted(found, key=lambda piece: (piece.worker, piece.number))


def row_counts(run: Path, table: Table) -> dict[str, int]:
    """Rows on disk by worker; Parquet footers tell, streams are read."""
    counts: dict[str, int] = {}
    for piece in pieces(run, table):
        if piece.closed:
            try:
                rows = int(pq.read_metadata(piece.path).num_rows)
            except DISK_ERRORS:
                rows = 0  # a damaged part holds nothing that can be read
        else:
            rows = sum(batch.num_rows for batch in whole_batches(piece.path))
        counts[piece.worker] = counts.get(piece.worker, 0) + rows
    return counts


def scan(
    run: Path, table: Table, columns: Sequence[str] | None = None, where: Where = None
) -> Iterator[pa.RecordBatch]:
    """The table's rows in bounded batches; columns and filter are pushed down to the files.

    `worker` is a column like the others. Rows of one worker come in the order in which they were written.
    """
    schema = table.schema().append(_WORKER)
    names = list(columns) if columns is not None else schema.names
    check(names, table)
    chosen = expression(where, table)
    for piece in pieces(run, table):
        try:
            source = _dataset(run, piece, table, schema)
            for batch in source.to_batches(columns=names, filter=chosen, batch_size=_BATCH_ROWS):
                if batch.num_rows:
                    yield batch
        except DISK_ERRORS as error:
            raise _unreadable(piece, error) from error


def read(run: Path, table: Table, columns: Sequence[str] | None = None, where: Where = None) -> pa.Table:
    """The rows as one Arrow table, `worker` as a dictionary column."""
    schema = table.schema().append(_WORKER)
    names = list(columns) if columns is not None else schema.names
    batches = list(scan(run, table, names, where))
    whole = pa.Table.from_batches(
        batches, pa.schema([schema.field(name) for name in names])
    ).unify_dictionaries()
    if "worker" in names:
        place = names.index("worker")
        whole = whole.set_column(place, "worker", whole.column(place).dictionary_encode().cast(NAME))
    return whole


def _dataset(run: Path, piece: Piece, table: Table, schema: pa.Schema) -> ds.Dataset:
    if piece.closed:
        partitioning = ds.partitioning(pa.schema([_WORKER]), flavor="hive")
        base = str(run / table.name)
        return ds.dataset(
            str(piece.path), schema, format="parquet", partitioning=partitioning, partition_base_dir=base
        )
    batches = list(whole_batches(piece.path))
    whole = pa.Table.from_batches(batches, table.schema()).unify_dictionaries()
    workers = pa.repeat(pa.scalar(piece.worker, pa.string()), whole.num_rows)
    return ds.dataset(whole.append_column(_WORKER, workers))


def _unreadable(piece: Piece, error: Exception) -> PlanError:
    mend = "restore it, or remove it and accept that its rows are missing"
    return PlanError(f"{piece.path}: cannot be read ({error}); {mend}")


def expression(where: Where, table: Table) -> Any:
    """The filter as an Arrow expression, None for none; PlanError for an unknown column or operator."""
    if where is None or isinstance(where, pc.Expression):
        return where
    check([name for name, _, _ in where], table)
    try:
        return pq.filters_to_expression([list(where)])  # type: ignore[arg-type]  # operators are checked there
    except ValueError as error:
        raise PlanError(f"filter {list(where)}: {error}") from error


def check(names: Sequence[str], table: Table) -> None:
    """PlanError for a column that the table does not have."""
    known = [*table.schema().names, _WORKER.name]
    unknown = [name for name in names if name not in known]
    if unknown:
        raise PlanError(f"{table.name} has no column {unknown[0]!r}; it has {', '.join(known)}")
