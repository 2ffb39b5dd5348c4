"""Start the embedded central system as a process of its own, for `make run`, tests and programs."""

import contextlib
import json
import os
import select
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from stations.errors import PlanError

READY_TIMEOUT_S: Final = 20.0
STOP_TIMEOUT_S: Final = 20.0  # the ledger may have to wait for a slow disk


class Embedded:
    """A running central system: stations connect to `url`/IDENTITY, the API is at `api_url`."""

    def __init__(self, process: "subprocess.Popen[bytes]", url: str, api_url: str, log: Path) -> None:
        self.process = process
        self.url = url
        self.api_url = api_url
        self.pid = process.pid
        self.log = log

    def stop(self, timeout_s: float = STOP_TIMEOUT_S) -> int:
        """End it gracefully, by force after `timeout_s`; its exit code. A second call changes nothing."""
        if self.process.poll() is None:
            self.process.terminate()
        try:
            code = self.process.wait(timeout_s)
        except subprocess.TimeoutExpired:
            self.process.kill()
            code = self.process.wait()
        with contextlib.suppress(FileNotFoundError):
            if self.log.stat().st_size == 0:  # it had nothing to complain about
                self.log.unlink()
        return code

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()


def start_embedded(
    database: Path,
    *,
    host: str = "127.0.0.1",
    arguments: Sequence[str] = (),
    ready_timeout_s: float = READY_TIMEOUT_S,
) -> Embedded:
    """Start on free ports and wait until it listens; `arguments` are more options of `python -m csms`.

    The process ends by itself when this one does, however that ends. What it says goes to `DATABASE.log`.
    PlanError, with its own words, when it does not start.
    """
    log = database.with_name(database.name + ".log")
    command = [sys.executable, "-m", "csms", "--ready-json", "--parent", str(os.getpid())]
    command += ["--host", host, "--port", "0", "--api-port", "0", "--database", str(database), *arguments]
    try:
        with log.open("wb") as errors:
            process = subprocess.Popen(  # noqa: S603 — our own module with checked arguments
                command,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=errors,
                start_new_session=True,
            )
    except OSError as exc:
        raise PlanError(f"cannot write {log}: {exc.strerror}; name a writable folder") from exc
    try:
        ready = json.loads(_first_line(process, time.monotonic() + ready_timeout_s))
    except ValueError:
        process.kill()
        process.wait()
        said = log.read_text("utf-8", "replace").strip().splitlines()
        reason = said[-1] if said else f"no answer within {ready_timeout_s:g} s"
        raise PlanError(f"the embedded CSMS did not start: {reason}") from None
    return Embedded(process, ready["url"], ready["api_url"], log)


def _first_line(process: "subprocess.Popen[bytes]", deadline_s: float) -> bytes:
    """The line it prints when ready, b"" when it ended or took too long. Lets gevent run where patched."""
    assert process.stdout is not None
    line = b""
    with process.stdout as pipe:
        while not line.endswith(b"\n"):
            wait_s = deadline_s - time.monotonic()
            if wait_s <= 0 or not select.select([pipe], [], [], wait_s)[0]:
                return b""
            piece = os.read(pipe.fileno(), 4096)
            if not piece:
                with contextlib.suppress(subprocess.TimeoutExpired):
                    process.wait(5)
                return b""
            line += piece
    return line
