"""`greenup forecast`, `sessions` and `curves`: fleets on the virtual edge, no network and no waiting."""

import argparse
import sys
from collections.abc import Callable, Sequence
from typing import Any, Final

from engine import curves, forecast, sessions
from profiles import fleets
from results.command_line import Parser
from results.exit_codes import ExitCode

_ABOUT: Final = {
    "forecast": "What load a fleet will put on a central system: its day, and a power cut at 18:00.",
    "sessions": "Charging sessions of a site profile or a fleet as CSV, from the stations' own registers.",
    "curves": "Within-session series of a site profile or a fleet as CSV: volts, amperes, watts, Wh.",
}
_EXAMPLES: Final = {
    "forecast": "greenup forecast mixed-city --stations 10000 --picture day.svg",
    "sessions": "greenup sessions --profile work-fr --connectors 100 --days 60 --seed 7 --out sessions.csv",
    "curves": "greenup curves --fleet public --sessions 20 --step 10 --out curves.csv",
}


def run(name: str, arguments: Sequence[str]) -> int:
    """One of forecast, sessions and curves; the exit code."""
    add_arguments, command = _COMMANDS[name]
    parser = Parser(
        prog=f"greenup {name}",
        description=_ABOUT[name],
        epilog=f"example:\n  {_EXAMPLES[name]}\n\nFleets, site profiles and vehicle mixes: docs/fleets.md",
    )
    add_arguments(parser)
    options = parser.parse_args(list(arguments))
    if options.fleet:
        for warning in fleets.load(options.fleet).warnings:
            print(f"fleet {options.fleet}: {warning}", file=sys.stderr)
    command(options)
    return ExitCode.PASS


def _forecast(options: argparse.Namespace) -> None:
    print(forecast.run(options))
    if options.picture is not None:
        print(f"picture: {options.picture}")


def _sessions(options: argparse.Namespace) -> None:
    made = sessions.run(options)
    energy_kwh = sum(session.kwh for session in made)
    print(f"{options.out}: {len(made)} sessions, {energy_kwh:,.0f} kWh")


def _curves(options: argparse.Namespace) -> None:
    print(f"{options.out}: {curves.run(options)} sessions")


_COMMANDS: Final[dict[str, tuple[Callable[[argparse.ArgumentParser], None], Callable[[Any], None]]]] = {
    "forecast": (forecast.add_arguments, _forecast),
    "sessions": (sessions.add_arguments, _sessions),
    "curves": (curves.add_arguments, _curves),
}
