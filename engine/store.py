"""Where stations keep what survives a power cut and a SIGKILL of this process.

One interface, three places: memory, a folder of one station's own (`greenup station`), and a database that
the stations of a fleet share (`--state`, through `engine.keeper`).
"""

import os
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final, Protocol

from stations.errors import PlanError

FILE: Final = "station.json"
DATABASE: Final = "stations.sqlite"
BUSY_TIMEOUT_S: Final = 10.0  # the other workers' transactions take milliseconds


class Store(Protocol):
    """A non-volatile memory."""

    def load(self, identity: str) -> bytes | None:
        """What was saved last; None for a factory-new station."""

    def save(self, identity: str, snapshot: bytes) -> None:
        """Keep this instead; it outlives the process on return."""


class MemoryStore:
    """Survives power cuts of the stations, not the end of the process."""

    def __init__(self) -> None:
        self._snapshots: dict[str, bytes] = {}

    def load(self, identity: str) -> bytes | None:
        """As in `Store`."""
        return self._snapshots.get(identity)

    def save(self, identity: str, snapshot: bytes) -> None:
        """As in `Store`."""
        self._snapshots[identity] = snapshot


class FolderStore:
    """One station in one file, whatever its identity is at present: the folder is the hardware.

    The file is replaced as a whole: whoever opens it sees the memory before a change or after it, never
    between. It survives everything but the disk.
    """

    def __init__(self, folder: Path) -> None:
        """PlanError when the folder cannot be made or written."""
        self._file = folder / FILE
        self._new = folder / f".{FILE}.tmp"
        try:
            folder.mkdir(parents=True, exist_ok=True)
            self._new.touch()
        except OSError as failure:
            raise PlanError(f"state_dir {folder}: cannot write there ({failure.strerror})") from None

    def load(self, identity: str) -> bytes | None:
        """As in `Store`."""
        del identity
        try:
            return self._file.read_bytes()
        except FileNotFoundError:
            return None
        except OSError as failure:
            raise PlanError(f"{self._file}: cannot be read ({failure.strerror})") from None

    def save(self, identity: str, snapshot: bytes) -> None:
        """As in `Store`."""
        del identity
        with self._new.open("wb") as file:
            file.write(snapshot)
            file.flush()
            os.fsync(file.fileno())
        self._new.replace(self._file)


class DatabaseStore:
    """Many stations in one SQLite file, shared by the workers of a machine: a station may move between them.

    In WAL mode nothing that was committed is lost with a process; a power cut of this machine may cost the
    last seconds. For use in one thread; `sqlite3.Error` out of `save` when the disk refuses.
    """

    def __init__(self, folder: Path) -> None:
        """PlanError when the folder cannot be made, or its file is not ours to write."""
        self._folder = folder
        file = folder / DATABASE
        try:
            folder.mkdir(parents=True, exist_ok=True)
            os.close(os.open(file, os.O_CREAT | os.O_RDWR, 0o600))  # keys may hold a password (SEC-1)
            self._database = sqlite3.connect(file, timeout=BUSY_TIMEOUT_S, isolation_level=None)
            self._database.execute("PRAGMA journal_mode = WAL")
            self._database.execute("PRAGMA synchronous = NORMAL")
            self._database.execute(
                "CREATE TABLE IF NOT EXISTS stations (identity TEXT PRIMARY KEY, snapshot BLOB) WITHOUT ROWID"
            )
        except (OSError, sqlite3.Error) as failure:
            reason = getattr(failure, "strerror", None) or str(failure)
            raise PlanError(f"--state {folder}: cannot write there ({reason}); name another folder") from None

    def load(self, identity: str) -> bytes | None:
        """As in `Store`."""
        query = "SELECT snapshot FROM stations WHERE identity = ?"
        try:
            row: tuple[bytes] | None = self._database.execute(query, (identity,)).fetchone()
        except sqlite3.Error as failure:
            raise PlanError(f"--state {self._folder}: cannot be read ({failure})") from None
        return row and row[0]

    def save(self, identity: str, snapshot: bytes) -> None:
        """As in `Store`."""
        self._database.execute("INSERT OR REPLACE INTO stations VALUES (?, ?)", (identity, snapshot))

    @contextmanager
    def together(self) -> Iterator[None]:
        """Everything saved inside becomes durable at once, or nothing of it."""
        self._database.execute("BEGIN IMMEDIATE")
        with self._database:
            yield

    def close(self) -> None:
        """Let go of the file."""
        self._database.close()
