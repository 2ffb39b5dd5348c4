"""Lines in and out of a process that waits for neither: the station goes on whatever its user does."""

import asyncio
import os
import stat
import threading
from collections.abc import Callable
from contextlib import suppress
from queue import SimpleQueue
from typing import Any, Final

import msgspec

MOST_LINES: Final = 100_000  # that nobody has read yet; some tens of megabytes
_PIECE: Final = 1 << 16
_PATIENCE_S: Final = 2.0  # for the last lines, at the end


class Output:
    """JSON lines to a file descriptor, by a thread of its own; a reader that does not read loses some."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._lines: SimpleQueue[bytes | None] = SimpleQueue()
        self._lost = 0
        # Daemon, and no buffered file: a reader that never reads must not keep the process from ending.
        self._thread = threading.Thread(target=self._write, daemon=True)
        self._thread.start()

    def say(self, what: dict[str, Any]) -> None:
        """One line."""
        if self._lines.qsize() >= MOST_LINES:
            self._lost += 1
            return
        if self._lost:
            self._lines.put(msgspec.json.encode({"error": f"{self._lost} lines lost: nobody read"}) + b"\n")
            self._lost = 0
        self._lines.put(msgspec.json.encode(what) + b"\n")

    def close(self) -> None:
        """Let the last lines out, as long as somebody reads."""
        self._lines.put(None)
        self._thread.join(_PATIENCE_S)

    def _write(self) -> None:
        with suppress(OSError):  # the reader is gone
            while (line := self._lines.get()) is not None:
                while line:
                    line = line[os.write(self._descriptor, line) :]


class Input:
    """Lines of a file descriptor, handed over one by one in the loop; `ended` is called after the last."""

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        descriptor: int,
        line: Callable[[bytes], None],
        ended: Callable[[], None],
    ) -> None:
        self._loop = loop
        self._descriptor = descriptor
        self._line = line
        self._ended = ended
        self._rest = b""
        mode = os.fstat(descriptor).st_mode
        if stat.S_ISFIFO(mode) or stat.S_ISSOCK(mode):
            # Served in the order of arrival among the station's sockets: a command overtakes no later frame.
            loop.add_reader(descriptor, self._readable)
        else:  # a terminal or a file cannot be polled everywhere
            threading.Thread(target=self._wait, daemon=True).start()

    def _readable(self) -> None:
        piece = os.read(self._descriptor, _PIECE)
        if not piece:
            self._loop.remove_reader(self._descriptor)
        self._take(piece)

    def _wait(self) -> None:
        piece = b"?"
        while piece:
            # Not sys.stdin: its lock, held by a thread that waits, would abort the interpreter's end.
            piece = os.read(self._descriptor, _PIECE)
            with suppress(RuntimeError):  # the loop has ended meanwhile
                self._loop.call_soon_threadsafe(self._take, piece)

    def _take(self, piece: bytes) -> None:
        *lines, self._rest = (self._rest + piece).split(b"\n")
        if not piece:
            lines.append(self._rest)
        for line in lines:
            if line.strip():
                self._line(line)
        if not piece:
            self._ended()
