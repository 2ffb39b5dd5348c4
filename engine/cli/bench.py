"""`greenup bench`: two variants in turns, several times each, then compared.

Runs in turns share the machine's mood; runs of one side after runs of the other do not.
"""

import argparse
import shlex
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

from engine.cli import exit_codes
from results.analysis.commands import COMMANDS, run_command
from results.exit_codes import ExitCode
from stations.errors import PlanError

FEWEST: Final = 3  # per side; with fewer nothing can be decided

_EXAMPLES: Final = """\
examples:
  greenup bench --repeat 4 --base "--csms-url ws://old:9000/ocpp" --candidate "--csms-url ws://new:9000/ocpp"
      four runs of the scenario `steady` on each central system, in turns, then the comparison
  greenup bench --base "--csms-url ws://old/ocpp" --candidate "--csms-url ws://new/ocpp" -- --fleet demo
      what follows -- is common to both sides: scenario and options, as for greenup run

"""


def run(_name: str, arguments: Sequence[str]) -> int:
    """Run both sides in turns and compare them."""
    given = parser().parse_args(arguments)
    return bench(given, _greenup_run)


def parser() -> argparse.ArgumentParser:
    """What `greenup bench` understands."""
    made = argparse.ArgumentParser(
        prog="greenup bench",
        description="Run two variants in turns, several times each, and compare them.",
        epilog=_EXAMPLES + exit_codes(),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    made.add_argument("--base", required=True, metavar="OPTIONS", help="options of greenup run, as one word")
    made.add_argument("--candidate", required=True, metavar="OPTIONS", help="the same for the other side")
    made.add_argument("--repeat", type=int, default=4, metavar="N", help="runs of each side (default 4)")
    made.add_argument("--runs", default="runs/bench", metavar="FOLDER", help="default: runs/bench")
    made.add_argument("--csv", metavar="FILE", help="one row per run, for drift detectors")
    made.add_argument("common", nargs="*", metavar="-- COMMON", help="scenario and options of both sides")
    return made


def turns(repeat: int) -> list[str]:
    """ABBA ABBA …: a machine that warms up or slows down steadily touches both sides alike."""
    pairs = (("base", "candidate"), ("candidate", "base"))
    return [side for number in range(repeat) for side in pairs[number % 2]]


def bench(given: argparse.Namespace, greenup_run: Callable[[Sequence[str]], int]) -> int:
    """The job; `greenup_run` performs one run and gives its exit code."""
    if given.repeat < FEWEST:
        raise PlanError(f"--repeat {given.repeat}: fewer than {FEWEST} runs per side decide nothing")
    folders = {side: Path(given.runs) / side for side in ("base", "candidate")}
    before = {side: _runs(folder) for side, folder in folders.items()}
    for number, side in enumerate(turns(given.repeat), 1):
        words = [*given.common, *shlex.split(getattr(given, side)), "--runs", str(folders[side])]
        print(f"== run {number} of {2 * given.repeat}: {side}", flush=True)
        code = greenup_run(words)
        if code in {ExitCode.INPUT, ExitCode.INTERRUPTED, ExitCode.INTERNAL}:
            return code
    new = {side: sorted(map(str, _runs(folder) - before[side])) for side, folder in folders.items()}
    compare = argparse.ArgumentParser()
    COMMANDS["compare"].add_arguments(compare)
    options = ["--csv", given.csv] if given.csv else []
    return run_command("compare", compare.parse_args([*new["candidate"], "--base", *new["base"], *options]))


def _runs(folder: Path) -> set[Path]:
    return {path.parent for path in folder.glob("*/run.json")}


def _greenup_run(words: Sequence[str]) -> int:
    command = [
        sys.executable,
        "-c",
        "import sys; from engine.cli import main; sys.exit(main())",
        "run",
        *words,
    ]
    return subprocess.run(command, check=False).returncode  # noqa: S603 — our own command
