"""The commands that move and mend run folders: ship, fetch, salvage."""

import argparse
from pathlib import Path

from results.analysis.render import say
from results.analysis.run import open_run
from results.exit_codes import ExitCode


def ship_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of `greenup ship`."""
    parser.add_argument("run", metavar="RUN", help="run folder of this machine")
    parser.add_argument(
        "--to", metavar="URL", required=True, help="folder of runs: a path, s3://bucket/runs …"
    )
    parser.add_argument("--follow", action="store_true", help="go on until the run has ended")


def ship_folder(arguments: argparse.Namespace) -> int:
    """This machine's part of a run to a shared place."""
    from results.ship import ship  # noqa: PLC0415 — the summary shall start quickly

    count = ship(Path(arguments.run), arguments.to, follow=arguments.follow)
    say(f"{count} files")
    return ExitCode.PASS


def fetch_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of `greenup fetch`."""
    parser.add_argument("url", metavar="URL", help="the run's folder there: s3://bucket/runs/2026-…")
    parser.add_argument("--runs", metavar="FOLDER", default="runs", help="where to; default: runs")


def fetch_folder(arguments: argparse.Namespace) -> int:
    """A run from a shared place."""
    from results.ship import fetch  # noqa: PLC0415 — the same

    say(str(fetch(arguments.url, Path(arguments.runs))))
    return ExitCode.PASS


def salvage_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of `greenup salvage`."""
    parser.add_argument("run", metavar="RUN", help="run folder of a run whose processes were killed")


def salvage_folder(arguments: argparse.Namespace) -> int:
    """A killed run's open files closed."""
    from results.analysis.salvage import salvage  # noqa: PLC0415 — the same

    say(f"{len(salvage(open_run(arguments.run)))} parts closed")
    return ExitCode.PASS
