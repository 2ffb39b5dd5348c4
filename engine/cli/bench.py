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

from results import exit_codes
from results.analysis.commands import COMMANDS, run_command
from results.analysis.run import open_run
from results.command_line import Parser, output_file, whole
from results.exit_codes import ExitCode
from stations.errors import PlanError

FEWEST: Final = 3  # per side; with fewer nothing can be decided

_EXAMPLES: Final = """\
examples:
  greenup bench --repeat 4 --interleave ws://old:9000/ocpp ws://new:9000/ocpp
      four runs of the scenario `steady` on each central system, in turns, then the comparison
  greenup bench --interleave "--personality greenup" "--personality spec" -- steady --fleet demo
      what follows -- is common to both sides: scenario and options, as for greenup run

"""


def run(_name: str, arguments: Sequence[str]) -> int:
    """Run both sides in turns and compare them."""
    given = parser().parse_args(arguments)
    return bench(given, _greenup_run)


def parser() -> Parser:
    """What `greenup bench` understands."""
    made = Parser(
        prog="greenup bench",
        description="Run two variants in turns, several times each, and compare them.",
        epilog=_EXAMPLES + exit_codes.table((ExitCode.REGRESSION,)),
    )
    made.add_argument(
        "--interleave",
        required=True,
        nargs=2,
        metavar=("BASE", "CANDIDATE"),
        help="what differs: a URL for --csms-url, or options of greenup run as one word",
    )
    made.add_argument(
        "--repeat", type=whole(1, 1_000), default=4, metavar="N", help="runs of each side (default 4)"
    )
    made.add_argument("--runs", default="runs/bench", metavar="FOLDER", help="default: runs/bench")
    made.add_argument("--csv", type=output_file, metavar="FILE", help="one row per run, for drift detectors")
    made.add_argument(
        "--html", type=output_file, metavar="FILE", help="a self-contained page with verdict and pictures"
    )
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
    options = {side: _options(given.interleave[number]) for number, side in enumerate(folders)}
    before = {side: _runs(folder) for side, folder in folders.items()}
    for number, side in enumerate(turns(given.repeat), 1):
        words = [*given.common, *options[side], "--runs", str(folders[side])]
        print(f"== run {number} of {2 * given.repeat}: {side}", flush=True)
        code = greenup_run(words)
        if code in {ExitCode.INPUT, ExitCode.INTERRUPTED, ExitCode.INTERNAL}:
            return code
        doubted = [path for path in _runs(folders[side]) - before[side] if not open_run(path).trust]
        if doubted:
            print(f"{doubted[0]}: {open_run(doubted[0]).trust}; a comparison needs trusted runs")
            return ExitCode.UNTRUSTED
    new = {side: sorted(map(str, _runs(folder) - before[side])) for side, folder in folders.items()}
    compare = argparse.ArgumentParser()
    COMMANDS["compare"].add_arguments(compare)
    files = [
        word for name in ("csv", "html") if (path := getattr(given, name)) for word in (f"--{name}", path)
    ]
    return run_command("compare", compare.parse_args([*new["candidate"], "--base", *new["base"], *files]))


def _options(word: str) -> list[str]:
    """One side's options of `greenup run`; a bare URL is its central system."""
    if word.startswith(("ws://", "wss://")):
        return ["--csms-url", word]
    try:
        return shlex.split(word)
    except ValueError as error:
        raise PlanError(f"--interleave {word}: {error}; write a URL, or options as in a shell") from None


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
