"""`python -m results.analysis COMMAND …`: the same commands as `greenup`, without the load generator."""

import argparse
import sys

from results.analysis.commands import COMMANDS, run_command


def main() -> int:
    """Parse the command line and run one command."""
    parser = argparse.ArgumentParser(prog="python -m results.analysis", description="Read run folders.")
    chosen = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for name, command in COMMANDS.items():
        command.add_arguments(chosen.add_parser(name, help=command.help, description=command.help))
    arguments = parser.parse_args()
    return run_command(arguments.command, arguments)


if __name__ == "__main__":
    sys.exit(main())
