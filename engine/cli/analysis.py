"""`greenup summary` and the other commands that read run folders: `results.analysis` says what they do."""

from collections.abc import Sequence

from results import exit_codes
from results.analysis.commands import COMMANDS, run_command
from results.command_line import Parser


def run(name: str, arguments: Sequence[str]) -> int:
    """Parse the command's own arguments and run it."""
    command = COMMANDS[name]
    parser = Parser(
        prog=f"greenup {name}",
        description=command.help,
        epilog=f"examples:\n{command.examples}\n\n{exit_codes.table(command.codes)}",
    )
    command.add_arguments(parser)
    return run_command(name, parser.parse_args(arguments))
