"""What the pages hand out: tables and the report of a run, made by another process, which carries pandas."""

import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from gevent import subprocess
from gevent.lock import BoundedSemaphore

from stations.errors import PlanError

PATIENCE_S: Final = 300.0
TABLES: Final = ("summary", "findings")

_one_at_a_time: Final = BoundedSemaphore()  # each may read a whole run


def table(run: Path, name: str) -> bytes:
    """A table of the run as CSV; PlanError says why not."""
    if name not in TABLES:
        raise PlanError(f"{name}: use one of {', '.join(TABLES)}")
    return _said(["-m", "results.analysis.export", name, str(run)])


def report(run: Path) -> bytes:
    """The HTML report of a finished run."""
    with TemporaryDirectory() as folder:
        made = Path(folder) / "report.html"
        _said(["-m", "results.analysis", "report", str(run), "--output", str(made)])
        return made.read_bytes()


def _said(arguments: list[str]) -> bytes:
    with _one_at_a_time:
        try:
            done = subprocess.run(
                [sys.executable, *arguments],
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                timeout=PATIENCE_S,
                check=False,
            )
        except subprocess.TimeoutExpired:
            raise PlanError(f"not ready within {PATIENCE_S:g} s; use `greenup` on the run folder") from None
    if done.returncode:
        complaint = done.stderr.decode("utf-8", "replace").strip().splitlines()
        raise PlanError(complaint[-1] if complaint else "the analysis failed")
    written: bytes = done.stdout
    return written
