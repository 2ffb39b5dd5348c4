"""What command lines have in common: one line for a mistake, and values and files checked before any work."""

import argparse
import os
from collections.abc import Callable
from math import isfinite
from pathlib import Path
from typing import Any, Final, NoReturn

from results.exit_codes import ExitCode

MOST_SEED: Final = 2**63 - 1


class Parser(argparse.ArgumentParser):
    """Help as it was written; a mistake is one line and exit code 2 (C10)."""

    def __init__(self, **options: Any) -> None:
        options.setdefault("formatter_class", argparse.RawDescriptionHelpFormatter)
        super().__init__(allow_abbrev=False, **options)

    def error(self, message: str) -> NoReturn:
        """One line on standard error, without the usage."""
        self.exit(ExitCode.INPUT, f"{self.prog}: {message} (see {self.prog} --help)\n")


def whole(least: int, most: int) -> Callable[[str], int]:
    """The type of an option that takes a whole number from `least` to `most`."""

    def read(text: str) -> int:
        number = int(text) if text.removeprefix("-").isdecimal() else None
        if number is None or not least <= number <= most:
            raise argparse.ArgumentTypeError(f"{text}: use a whole number from {least:,} to {most:,}")
        return number

    return read


def amount(text: str) -> float:
    """The type of an option that takes a finite number from 0."""
    try:
        number = float(text)
    except ValueError:
        number = -1.0
    if not isfinite(number) or number < 0:
        raise argparse.ArgumentTypeError(f"{text}: use a number from 0")
    return number


def positive(text: str) -> float:
    """The type of an option that takes a finite number above 0."""
    if not (number := amount(text)):
        raise argparse.ArgumentTypeError(f"{text}: use a number above 0")
    return number


def output_file(text: str) -> str:
    """The type of an option that names a file to be written: whether it can be is said before the work."""
    path = Path(text)
    if path.is_dir():
        mistake = "is a folder; name a file"
    elif not path.parent.is_dir():
        mistake = f"there is no folder {path.parent}; make it or name another"
    elif not os.access(path if path.exists() else path.parent, os.W_OK):
        mistake = "cannot be written (permission denied); name another file"
    else:
        return text
    raise argparse.ArgumentTypeError(f"{text}: {mistake}")
