"""The ledger's writing side: one thread, short batches, answers only after the commit that they depend on.

Rows are handed over by the event loop and collected while the previous batch is being written (group
commit): thousands of stations share a few dozen commits a second. `Boot`, `Start` and `Stop` rows come
with a callback which runs, through `deliver`, after their batch is committed: their confirmations never
promise what a killed process would forget. Every other row may be lost with the last batch (about 10 ms).
A MeterValues waits for its commit only while the writer is `behind`.

The database is in WAL mode with `synchronous = NORMAL`: a commit survives the death of the process (SIGKILL
included) and may be lost, never half-written, when the machine loses power. One process writes a database
at a time (a lock beside the file says so); any number may read.
"""

import fcntl
import logging
import sqlite3
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from importlib import resources
from pathlib import Path
from typing import IO, Final, TypeAlias, TypeVar

from msgspec import Struct
from msgspec.structs import astuple

from csms.rows import TABLES, Boot, MeterValues, Row, Start, Stop, insert_sql
from stations.errors import PlanError

_log = logging.getLogger("csms.ledger")

SCHEMA_VERSION: Final = 1
COMMIT_PAUSE_S: Final = 0.005  # from one commit to the next: rows gather under load, nobody waits without
RETRY_PAUSE_S: Final = 0.25
GIVE_UP_S: Final = 10.0  # disk full or locked for so long: the batch is dropped, counted and its callers told
BEHIND_ROWS: Final = 5_000
CHUNK_ROWS: Final = (128, 16, 1)
# What a single bad row raises (a lone surrogate, an integer beyond 64 bits): the rest of its batch must live.
BAD_ROW: Final = (
    sqlite3.DataError,
    sqlite3.IntegrityError,
    OverflowError,
    UnicodeError,
    sqlite3.InterfaceError,
)

Deliver: TypeAlias = Callable[[list[Callable[[], None]]], None]
# Called with the transactionId under which the row is kept (0: not a start), None when it was not written.
Committed: TypeAlias = Callable[[int | None], None]


Awaited: TypeAlias = Boot | Start | Stop | MeterValues
_A = TypeVar("_A")


class Change(Struct):
    """A statement of its own (tags): run in order, with its callback after the commit."""

    sql: str
    rows: Sequence[tuple[object, ...]]
    done: Callable[[bool], None]


class Batch(Struct):
    """What gathered since the last commit."""

    rows: dict[type[Row], list[Row]]
    waiting: list[tuple[Awaited, Committed]]
    changes: list[Change]

    def __bool__(self) -> bool:
        return bool(self.rows or self.changes)


class Counters(Struct):
    """The writer's own health, for the API's statistics."""

    commits: int = 0
    rows: int = 0
    lost_rows: int = 0
    last_commit_ms: float = 0.0
    failing: str = ""  # why the batch at hand cannot be written right now


def _empty_batch() -> Batch:
    return Batch({}, [], [])


def claim(path: Path) -> IO[str]:
    """Take the database for this process; the claim ends with it. PlanError when another CSMS has it."""
    lock_path = path.with_name(path.name + ".lock")
    try:
        lock = lock_path.open("a+")
    except OSError as exc:
        raise PlanError(
            f"cannot write beside database {path}: {exc.strerror}; name a writable folder"
        ) from exc
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as exc:
        lock.close()
        raise PlanError(f"database {path} is in use by another CSMS; stop it or name another file") from exc
    return lock


def connect(path: Path) -> sqlite3.Connection:
    """Open the database, creating it when it is absent; PlanError when the file is something else."""
    try:
        db = sqlite3.connect(path, timeout=5.0, isolation_level=None, check_same_thread=False)
        version = int(db.execute("PRAGMA user_version").fetchone()[0])
        empty = db.execute("SELECT count(*) FROM sqlite_master").fetchone()[0] == 0
        if version != SCHEMA_VERSION and not empty:
            raise PlanError(f"database {path} has layout {version}, not {SCHEMA_VERSION}: name another file")
        db.execute("PRAGMA journal_mode = WAL")
        db.execute("PRAGMA synchronous = NORMAL")
        if empty:
            schema = resources.files("csms").joinpath("schema.sql").read_text("utf-8")
            db.executescript(f"BEGIN; {schema}; PRAGMA user_version = {SCHEMA_VERSION}; COMMIT;")
    except sqlite3.Error as exc:
        raise PlanError(f"cannot use {path} as database: {exc}; name another file") from exc
    return db


class Ledger:
    """The writer of one database. All methods but `close` return at once."""

    def __init__(self, path: Path, deliver: Deliver) -> None:
        self._lock = claim(path)
        try:
            self._db = connect(path)
        except PlanError:
            self._lock.close()
            raise
        self.path = path
        self.counters = Counters()
        self._deliver = deliver
        self._gathering = _empty_batch()
        self._gathered_rows = 0
        self._guard = threading.Lock()
        self._wanted = threading.Event()
        self._closing = False
        highest = self._db.execute("SELECT max(transaction_id) FROM starts").fetchone()[0]
        self._next_transaction_id = max(highest or 0, 0) + 1
        self._thread = threading.Thread(target=self._run, name="csms-ledger", daemon=True)
        self._thread.start()

    def new_transaction_id(self) -> int:
        """An id that no committed transaction has, in this life or an earlier one."""
        transaction_id = self._next_transaction_id
        self._next_transaction_id += 1
        return transaction_id

    def append(self, row: Row) -> None:
        """Write the row with the next commit."""
        with self._guard:
            self._gathering.rows.setdefault(type(row), []).append(row)
            self._gathered_rows += 1
        self._wanted.set()

    def append_awaited(self, row: Awaited, committed: Committed) -> None:
        """Write the row and call back after its commit with the transactionId under which it is kept."""
        with self._guard:
            self._gathering.rows.setdefault(type(row), []).append(row)
            self._gathered_rows += 1
            self._gathering.waiting.append((row, committed))
        self._wanted.set()

    def change(self, sql: str, rows: Sequence[tuple[object, ...]], done: Callable[[bool], None]) -> None:
        """Run one statement for each of `rows`; `done(False)` when it failed."""
        with self._guard:
            self._gathering.changes.append(Change(sql, rows, done))
        self._wanted.set()

    @property
    def backlog_rows(self) -> int:
        """Rows that wait for the writer."""
        return self._gathered_rows

    @property
    def behind(self) -> bool:
        """The writer cannot keep up: whoever can wait for a commit should, so that memory stays bounded."""
        return self._gathered_rows > BEHIND_ROWS

    def close(self, timeout_s: float = GIVE_UP_S + 5) -> None:
        """Write what is left, fold the write-ahead log into the database, let go of the file."""
        self._closing = True
        self._wanted.set()
        self._thread.join(timeout_s)
        self._lock.close()

    def _run(self) -> None:
        earliest_s = 0.0
        while not self._closing:
            self._wanted.wait()
            if not self._closing:
                time.sleep(max(earliest_s - time.monotonic(), 0))
            self._wanted.clear()
            self._write_gathered()
            earliest_s = time.monotonic() + COMMIT_PAUSE_S
        self._write_gathered()
        with suppress(sqlite3.Error):  # a reader may be in the way; the log stays beside the database then
            self._db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        self._db.close()

    def _write_gathered(self) -> None:
        with self._guard:
            batch, self._gathering = self._gathering, _empty_batch()
            self._gathered_rows = 0
        if not batch:
            return
        begun = time.monotonic()
        calls = self._write_patiently(batch)
        self.counters.last_commit_ms = (time.monotonic() - begun) * 1000
        if calls:
            self._deliver(calls)

    def _write_patiently(self, batch: Batch) -> list[Callable[[], None]]:
        """Commit the batch, trying again while the disk refuses; what to call afterwards."""
        give_up = time.monotonic() + GIVE_UP_S
        while True:
            try:
                calls = self._commit(batch)
            except sqlite3.OperationalError as exc:
                self._roll_back()
                if not self.counters.failing:
                    _log.warning("cannot write to %s: %s", self.path, exc)
                self.counters.failing = str(exc)
                if time.monotonic() > give_up:
                    return self._give_up(batch)
                time.sleep(RETRY_PAUSE_S)
            else:
                self.counters.failing = ""
                return calls

    def _commit(self, batch: Batch) -> list[Callable[[], None]]:
        self._db.execute("BEGIN IMMEDIATE")
        bad: set[int] = set()
        repeated_starts = False
        for row_type in TABLES:
            rows = batch.rows.get(row_type)
            if rows:
                written = self._insert(rows, bad)
                repeated_starts |= row_type is Start and written < len(rows)
        calls = [_later(change.done, self._apply(change)) for change in batch.changes]
        for row, committed in batch.waiting:
            calls.append(_later(committed, self._kept_as(row, bad, look=repeated_starts)))
        self._db.execute("COMMIT")
        self.counters.commits += 1
        self.counters.rows += sum(map(len, batch.rows.values())) - len(bad)
        self.counters.lost_rows += len(bad)
        return calls

    def _insert(self, rows: Sequence[Row], bad: set[int]) -> int:
        """Insert rows of one type; the number that were new. Rows that SQLite cannot hold join `bad`."""
        written = at = 0
        for size in CHUNK_ROWS:
            sql = insert_sql(type(rows[0]), size)
            while len(rows) - at >= size:
                chunk = rows[at : at + size]
                try:
                    written += self._db.execute(sql, [v for row in chunk for v in astuple(row)]).rowcount
                except BAD_ROW as exc:
                    if size == 1:
                        _log.warning("a row of %s cannot be stored: %s", type(chunk[0]).__name__, exc)
                        bad.add(id(chunk[0]))
                    else:
                        written += sum(self._insert([row], bad) for row in chunk)
                at += size
        return written

    def _apply(self, change: Change) -> bool:
        try:
            self._db.executemany(change.sql, change.rows)
        except BAD_ROW as exc:
            _log.warning("a change cannot be stored: %s", exc)
            return False
        return True

    def _kept_as(self, row: Awaited, bad: set[int], *, look: bool) -> int | None:
        """The transactionId of a written row: of the first copy when a StartTransaction came again (Q-4)."""
        if id(row) in bad:
            return None
        if not isinstance(row, Start):
            return 0
        if not look:
            return row.transaction_id
        found = self._db.execute(
            "SELECT transaction_id FROM starts WHERE station = ? AND connector = ? AND id_tag = ?"
            " AND started = ? AND meter_start_wh = ? AND copy = ?",
            (row.station, row.connector, row.id_tag, row.started, row.meter_start_wh, row.copy),
        ).fetchone()
        return int(found[0]) if found else None

    def _give_up(self, batch: Batch) -> list[Callable[[], None]]:
        lost = sum(map(len, batch.rows.values()))
        self.counters.lost_rows += lost
        _log.error("%d rows lost: %s", lost, self.counters.failing)
        return [_later(change.done, False) for change in batch.changes] + [
            _later(committed, None) for _row, committed in batch.waiting
        ]

    def _roll_back(self) -> None:
        if self._db.in_transaction:  # BEGIN itself may have been what failed
            self._db.execute("ROLLBACK")


def _later(call: Callable[[_A], None], argument: _A) -> Callable[[], None]:
    return lambda: call(argument)
