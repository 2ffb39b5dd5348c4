"""`greenup summary` and the other commands that read run folders: `results.analysis` says what they do."""

import argparse
from collections.abc import Sequence

from engine.cli import exit_codes
from results.analysis.commands import COMMANDS, run_command


def run(name: str, arguments: Sequence[str]) -> int:
    """Parse the command's own arguments and run it."""
    command = COMMANDS[name]
    parser = argparse.ArgumentParser(
        prog=f"greenup {name}",
        description=command.help,
        epilog=exit_codes(),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    command.add_arguments(parser)
    return run_command(name, parser.parse_args(arguments))
