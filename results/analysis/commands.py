"""The commands that read run folders. `greenup` and `python -m results.analysis` only dispatch to them."""

import argparse
import sys
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from results.analysis.render import summary_markdown, summary_text
from results.analysis.run import open_run
from results.analysis.summary import Summary
from results.exit_codes import ExitCode
from stations.errors import PlanError


@dataclass(frozen=True, slots=True)
class Command:
    """One command: its line of help, its arguments, and what it does (returning an exit code)."""

    help: str
    add_arguments: Callable[[argparse.ArgumentParser], None]
    run: Callable[[argparse.Namespace], int]


def run_command(name: str, arguments: argparse.Namespace) -> int:
    """Run one command; bad input is one line on stderr and exit code 2."""
    try:
        return COMMANDS[name].run(arguments)
    except PlanError as error:
        sys.stderr.write(f"greenup {name}: {error}\n")
        return ExitCode.INPUT


def _summary_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("run", metavar="RUN", help="run folder, such as runs/2026-11-22T074103Z-steady-7f3a")
    parser.add_argument("--phase", help="only the calls of this phase, such as steady")
    parser.add_argument(
        "--format", choices=["text", "json", "markdown"], default="text", help="default: text"
    )


def _summary(arguments: argparse.Namespace) -> int:
    summary = open_run(arguments.run).summary(arguments.phase)
    forms: dict[str, Callable[[Summary], str]] = {
        "text": summary_text,
        "markdown": summary_markdown,
        "json": Summary.json,
    }
    sys.stdout.write(forms[arguments.format](summary).rstrip("\n") + "\n")
    return ExitCode.PASS


COMMANDS: Final = {
    "summary": Command("counts, failures and percentiles of a run", _summary_arguments, _summary),
}
