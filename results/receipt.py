"""What a worker says it wrote, so that a reader can tell whether everything is there."""

from msgspec import Struct


class Part(Struct, frozen=True):
    """One closed file of a table."""

    file: str  # relative to the run folder
    rows: int
    bytes: int
    sha256: str


class TableReceipt(Struct):
    """One table of one worker."""

    rows: int = 0
    dropped: int = 0  # rows that were lost: disk full, unwritable or too slow
    parts: list[Part] = []
    first_us: int | None = None  # earliest and latest time in the table, µs since 1970
    last_us: int | None = None


class Receipt(Struct):
    """One worker's partition of the run folder, written down when the worker closed it."""

    worker: str
    tables: dict[str, TableReceipt]
    complete: bool = True
    failure: str = ""  # the first thing that went wrong while writing

    @property
    def dropped(self) -> int:
        """Rows lost in all tables."""
        return sum(t.dropped for t in self.tables.values())
