"""`greenup csms`: the embedded central system by itself, in the foreground."""

from collections.abc import Sequence

from csms.__main__ import main


def run(name: str, arguments: Sequence[str]) -> int:
    """The same as `python -m csms`."""
    return main(arguments, f"greenup {name}")
