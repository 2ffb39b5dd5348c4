"""The brake: a threshold marked `abort` that breaks while the run goes on ends it.

Watching is the work of another process (`results.analysis.watch`): it reads the run folder, which is a second
or two behind, so it sees what the workers wrote to a path that this machine shares with them, and no more.
"""

import logging
import subprocess
import sys
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import gevent
import psutil

from engine.bridge.messages import NOTICES
from results.exit_codes import ExitCode

log = logging.getLogger(NOTICES)

INTERVAL_S: Final = 2.0
_NICENESS: Final = 10  # a look must not make the stations late


def is_wanted(thresholds: str) -> bool:
    """Whether a thresholds file, already checked, marks any of them `abort`."""
    if not thresholds:
        return False
    slos = tomllib.loads(Path(thresholds).read_text("utf-8")).get("slos", {})
    return any(isinstance(slo, dict) and slo.get("abort") is True for slo in slos.values())


class Brake:
    """Watches one run; `pull` is told what broke, once."""

    def __init__(self, run: Path, thresholds: str, pull: Callable[[list[str]], None]) -> None:
        self._pull = pull
        self._released = False
        words = ["watch", str(run), "--slo", thresholds, "--interval", f"{INTERVAL_S:g}"]
        self._process: Any = subprocess.Popen(  # noqa: S603 — our own module and folder
            [sys.executable, "-m", "results.analysis", *words],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        psutil.Process(self._process.pid).nice(_NICENESS)
        gevent.spawn(self._wait)

    def release(self) -> None:
        """The run ends anyway."""
        self._released = True
        if self._process.poll() is None:
            self._process.terminate()

    def _wait(self) -> None:
        said, complaint = self._process.communicate()
        if self._released:
            return
        if self._process.returncode == ExitCode.BRAKE:
            self._pull(said.splitlines())
        else:
            last = complaint.strip().splitlines()[-1:] or [f"it ended with {self._process.returncode}"]
            log.error("the brake no longer watches this run: %s", last[0])
