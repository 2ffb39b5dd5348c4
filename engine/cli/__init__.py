"""The `greenup` command. Each subcommand is a module that is imported only when it is asked for."""

import sys
from collections.abc import Sequence
from importlib import import_module
from typing import Final

from engine import compiled
from results import exit_codes
from results.exit_codes import ExitCode
from stations.errors import PlanError

# name: (module with `run(name, arguments) -> int`, one line for --help)
COMMANDS: Final = {
    "run": ("engine.cli.run", "put a fleet on a central system, with Locust"),
    "summary": ("engine.cli.analysis", "the table of a finished run, or of one that was killed"),
    "report": ("engine.cli.analysis", "one self-contained HTML file about a run, or about several"),
    "check": ("engine.cli.analysis", "a run against thresholds: verdict, JUnit, exit code"),
    "compare": ("engine.cli.analysis", "candidate runs against baseline runs, without crying wolf"),
    "drift": ("engine.cli.analysis", "what drifts or leaks in a long run, on either side"),
    "bench": ("engine.cli.bench", "two variants in turns, several times each, then compared"),
    "watch": ("engine.cli.analysis", "a run that goes on, against the thresholds marked as brakes"),
    "reconcile": ("engine.cli.analysis", "the stations' ledger against the central system's records"),
    "ship": ("engine.cli.analysis", "this machine's part of a run to a shared path or object store"),
    "fetch": ("engine.cli.analysis", "a whole run from there"),
    "salvage": ("engine.cli.analysis", "a killed run's open files closed, for readers of Parquet"),
    "csms": ("engine.cli.csms", "the embedded central system by itself"),
    "conf": ("engine.cli.conf", "make, check and show an OCPPConf.xml"),
    "station": ("engine.cli.station", "one station, driven by JSON lines on standard input"),
    "forecast": ("engine.cli.dry_run", "the load a fleet will put on a central system, without a network"),
    "sessions": ("engine.cli.dry_run", "charging sessions of a site profile or a fleet, as CSV"),
    "curves": ("engine.cli.dry_run", "what the meter shows within sessions, as CSV"),
}

EXAMPLES: Final = """\
examples:
  greenup run                                       500 stations on the embedded CSMS, until Ctrl-C
  greenup run --stations 2000 --csms-url ws://csms.example:9000/ocpp --duration 10m
  greenup run --ui                                  the same from Locust's web page
  greenup summary runs/2026-11-22T074100Z-steady-7f3a
  greenup check runs/2026-11-22T074100Z-steady-7f3a --slo slo.toml
  greenup COMMAND --help                            everything about one command
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; the exit code. A mistake of the user is one line on standard error."""
    words = list(sys.argv[1:] if arguments is None else arguments)
    if not words or words[0] in {"-h", "--help", "help"}:
        print(usage())
        return ExitCode.PASS if words else ExitCode.INPUT
    name, *rest = words
    if name not in COMMANDS:
        print(f"greenup: there is no command {name}; use {', '.join(COMMANDS)}", file=sys.stderr)
        return ExitCode.INPUT
    try:
        compiled.check()
        return int(import_module(COMMANDS[name][0]).run(name, rest))
    except PlanError as mistake:
        print(f"greenup {name}: {mistake}", file=sys.stderr)
        return ExitCode.INPUT
    except KeyboardInterrupt:
        return ExitCode.INTERRUPTED


def usage() -> str:
    """What `greenup --help` says."""
    commands = "\n".join(f"  {name:<10}{about}" for name, (_, about) in COMMANDS.items())
    return (
        "usage: greenup COMMAND [options]\n\n"
        "Load and truth testing for OCPP 1.6J central systems: thousands of Legrand Green'Up stations.\n\n"
        f"commands:\n{commands}\n\n{EXAMPLES}\n{exit_codes.table()}"
    )
