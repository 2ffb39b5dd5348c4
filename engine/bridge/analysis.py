"""The analysis of a run, always in another process: one that carries Locust carries no pandas.

Nothing here knows what is in a run folder; it starts `python -m results.analysis …` and passes on its words.
"""

import json
import logging
import subprocess
import sys
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

from gevent.lock import BoundedSemaphore

from engine.bridge.embedded import DATABASE
from engine.bridge.messages import NOTICES
from results.exit_codes import ExitCode
from results.run import RunFolder
from stations.errors import PlanError

log = logging.getLogger(NOTICES)

PATIENCE_S: Final = 300.0
TABLES: Final = ("summary", "findings")
JUNIT: Final = "junit.xml"
SUMMARY: Final = "summary.md"
_VERDICTS: Final = (
    ExitCode.PASS,
    ExitCode.THRESHOLDS,
    ExitCode.CORRECTNESS,
    ExitCode.UNTRUSTED,
    ExitCode.BRAKE,
)

_one_at_a_time: Final = BoundedSemaphore()  # each may read a whole run


def check_thresholds(path: str, phases: Sequence[str]) -> None:
    """PlanError when the thresholds file cannot be used on a run with these phases."""
    _said(["results.analysis.slo", path, *phases])


def conclude(run: RunFolder, *, to_stderr: bool) -> set[ExitCode]:
    """Print what a run came to and write its report; the exit codes of the parts.

    The table; the ledger against the embedded central system's, where there was one; the thresholds, if some
    were given, which then say when our own health is bad; the report, if its extra is installed.
    """
    path, thresholds = str(run.path), run.record.arguments.get("slo")
    trusted = _printed(["summary", path], to_stderr=to_stderr)
    codes = set() if thresholds and trusted is ExitCode.UNTRUSTED else {trusted}
    commands = []
    if (run.path / DATABASE).exists():
        commands.append(["reconcile", path])
    if thresholds:
        commands.append(_check(run.path, thresholds))
    if find_spec("matplotlib") is not None:
        commands.append(["report", path])
    codes |= {_printed(command, to_stderr=to_stderr) for command in commands}
    return {ExitCode.UNTRUSTED if code is ExitCode.INPUT else code for code in codes}


def verdict(run: Path, thresholds: str) -> dict[str, Any]:
    """`verdict.json` of a finished run."""
    said = _said(["results.analysis", *_check(run, thresholds), "--format", "json"], _VERDICTS)
    found: dict[str, Any] = json.loads(said)
    return found


def _check(run: Path, thresholds: str) -> list[str]:
    """The thresholds of a run, with what CI systems read beside its verdict.json."""
    (run / SUMMARY).unlink(missing_ok=True)  # the command adds to it
    return [
        "check",
        str(run),
        "--slo",
        thresholds,
        "--junit",
        str(run / JUNIT),
        "--markdown",
        str(run / SUMMARY),
    ]


def table(run: Path, name: str) -> bytes:
    """A table of the run as CSV; PlanError says why not."""
    if name not in TABLES:
        raise PlanError(f"{name}: use one of {', '.join(TABLES)}")
    return _said(["results.analysis.export", name, str(run)])


def report(run: Path) -> bytes:
    """The HTML report of a finished run."""
    with TemporaryDirectory() as folder:
        made = Path(folder) / "report.html"
        _said(["results.analysis", "report", str(run), "--output", str(made)])
        return made.read_bytes()


def _said(words: Sequence[str], answered: Sequence[ExitCode] = (ExitCode.PASS,)) -> bytes:
    """Standard output; any other exit code is a PlanError with the last line of its complaint."""
    with _one_at_a_time:
        try:
            done = subprocess.run(  # noqa: S603 — our own modules
                [sys.executable, "-m", *words], capture_output=True, timeout=PATIENCE_S, check=False
            )
        except subprocess.TimeoutExpired:
            raise PlanError(f"not ready within {PATIENCE_S:g} s; use `greenup` on the run folder") from None
    if done.returncode not in answered:
        complaint = done.stderr.decode("utf-8", "replace").strip().splitlines()
        raise PlanError(complaint[-1] if complaint else "the analysis failed")
    return done.stdout


def _printed(command: Sequence[str], *, to_stderr: bool) -> ExitCode:
    sys.stdout.flush()
    try:
        told = subprocess.run(  # noqa: S603 — our own module and folder
            [sys.executable, "-m", "results.analysis", *command],
            stdout=sys.stderr if to_stderr else None,
            timeout=PATIENCE_S,
            check=False,
        )
        return ExitCode(told.returncode)
    except (subprocess.TimeoutExpired, ValueError):
        log.error("no answer; try greenup %s", " ".join(command))  # noqa: TRY400 — the line says it all
        return ExitCode.INTERNAL
