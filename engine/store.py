"""Where one station keeps what survives a power cut and a SIGKILL of this process: one file in a folder.

The file is replaced as a whole: whoever opens it sees the memory before a change or after it, never between.
"""

import os
from pathlib import Path
from typing import Final, Protocol

from stations.errors import PlanError

FILE: Final = "station.json"


class Store(Protocol):
    """A non-volatile memory."""

    def load(self) -> bytes | None:
        """What was saved last; None for a factory-new station."""

    def save(self, memory: bytes) -> None:
        """Keep this instead; it is durable on return."""


class MemoryStore:
    """Survives power cuts of the station, not the end of the process."""

    def __init__(self) -> None:
        self._memory: bytes | None = None

    def load(self) -> bytes | None:
        """As in `Store`."""
        return self._memory

    def save(self, memory: bytes) -> None:
        """As in `Store`."""
        self._memory = memory


class FolderStore:
    """Survives everything but the disk."""

    def __init__(self, folder: Path) -> None:
        """PlanError when the folder cannot be made or written."""
        self._file = folder / FILE
        self._new = folder / f".{FILE}.tmp"
        try:
            folder.mkdir(parents=True, exist_ok=True)
            self._new.touch()
        except OSError as failure:
            raise PlanError(f"state_dir {folder}: cannot write there ({failure.strerror})") from None

    def load(self) -> bytes | None:
        """As in `Store`."""
        try:
            return self._file.read_bytes()
        except FileNotFoundError:
            return None
        except OSError as failure:
            raise PlanError(f"{self._file}: cannot be read ({failure.strerror})") from None

    def save(self, memory: bytes) -> None:
        """As in `Store`."""
        with self._new.open("wb") as file:
            file.write(memory)
            file.flush()
            os.fsync(file.fileno())
        self._new.replace(self._file)
