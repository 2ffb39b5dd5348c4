"""Compile the hot path with mypyc, beside its sources: `make fast`. `--undo` takes the compiled modules away.

Python prefers a compiled module to the source of the same name, so nothing else changes. What is compiled is
typed Python as it stands: the tests run on both forms. Structs of msgspec stay as they are, and with them the
modules that define one: their constructors are compiled already, and mypyc does not know their keywords.
"""

import argparse
import os
import shutil
import sys
import sysconfig
from contextlib import redirect_stdout
from hashlib import sha256
from importlib.util import find_spec
from io import StringIO
from json import dumps
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final, NoReturn

ROOT: Final = Path(__file__).resolve().parents[1]
DIGESTS: Final = ROOT / "engine" / "compiled.json"  # engine/compiled.py reads it
GROUP: Final = "greenup"

MODULES: Final = (
    "engine/blame.py",
    "engine/burst.py",
    "engine/clock.py",
    "engine/frames.py",
    "engine/journal.py",
    "engine/link.py",
    "engine/showing.py",
    "engine/tally.py",
    "engine/unit.py",
    "engine/wheel.py",
    "profiles/cars.py",
    "profiles/supply.py",
    "results/columns.py",
    "results/recorder.py",
    "stations/core/alarms.py",
    "stations/core/answers.py",
    "stations/core/backlog.py",
    "stations/core/boot.py",
    "stations/core/calls.py",
    "stations/core/configuration.py",
    "stations/core/connector.py",
    "stations/core/dispatch.py",
    "stations/core/link.py",
    "stations/core/measurands.py",
    "stations/core/meter.py",
    "stations/core/outgoing.py",
    "stations/core/power.py",
    "stations/core/reading.py",
    "stations/core/station.py",
    "stations/core/status.py",
    "stations/core/streams.py",
    "stations/core/supply.py",
    "stations/core/tags.py",
    "stations/core/traffic.py",
    "stations/core/transaction.py",
    "stations/core/transaction_record.py",
    "stations/core/wall.py",
)
"""What runs for every round trip, and what it calls."""


CHECKING: Final = """\
[mypy]
follow_imports = silent
ignore_missing_imports = true
"""
"""Types are checked by `make test`; here the stubs of libraries may be missing."""


def undo() -> None:
    """Take every compiled module away, also of sources that are no longer in the list or in the project."""
    for package in {module.partition("/")[0] for module in MODULES}:
        for compiled in (ROOT / package).rglob("*.so"):
            compiled.unlink()
    for shared in ROOT.glob(f"{GROUP}__mypyc.*.so"):
        shared.unlink()
    DIGESTS.unlink(missing_ok=True)


def check() -> None:
    """SystemExit if this machine lacks what it takes."""
    compiler = (sysconfig.get_config_var("CC") or "cc").split()[0]
    if shutil.which(compiler) is None:
        give_up(f"there is no C compiler ({compiler}): install one, on Debian with apt install gcc libc6-dev")
    header = Path(sysconfig.get_path("include")) / "Python.h"
    if not header.exists():
        give_up(f"{header} is missing: install Python's headers, on Debian with apt install python3-dev")
    if find_spec("mypyc") is None or find_spec("setuptools") is None:
        give_up("mypy or setuptools is missing: install the dependency group `fast`, as `make fast` does")


def give_up(why: str) -> NoReturn:
    """One line, and exit code 2."""
    print(f"make fast: {why}", file=sys.stderr)
    sys.exit(2)


def build(folder: str) -> None:
    """Compile into the source folders, all modules or none."""
    # Fused multiply-add gives other last digits than the interpreter does.
    os.environ["CFLAGS"] = f"{os.environ.get('CFLAGS', '')} -ffp-contract=off"
    from mypyc.build import mypycify  # noqa: PLC0415 — only needed to build
    from setuptools import Distribution  # noqa: PLC0415 — as above
    from setuptools.errors import BaseError, CCompilerError  # noqa: PLC0415 — as above

    said = StringIO()
    checking = Path(folder) / "mypy.ini"
    checking.write_text(CHECKING)
    try:
        with redirect_stdout(said):  # warnings about speed
            extensions = mypycify(
                [f"--config-file={checking}", *MODULES],
                opt_level="2",
                debug_level="0",
                group_name=GROUP,
                target_dir=f"{folder}/c",
            )
    except SystemExit:
        give_up(f"mypyc refuses these sources:\n{said.getvalue()}")
    distribution = Distribution({"name": "greenup-swarm", "ext_modules": extensions})
    command = distribution.get_command_obj("build_ext")
    command.inplace, command.build_temp, command.build_lib = True, f"{folder}/o", f"{folder}/lib"
    command.ensure_finalized()
    try:
        command.run()
    except (BaseError, CCompilerError) as error:
        give_up(f"the C compiler failed, nothing is compiled: {str(error)[:200]}")


def main() -> None:
    """Compile, or undo it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--undo", action="store_true", help="take the compiled modules away")
    parser.add_argument("--check", action="store_true", help="only say whether this machine can compile")
    options = parser.parse_args()
    os.chdir(ROOT)
    if options.undo:
        undo()
        print("the hot path runs from its sources")
        return
    check()
    if options.check:
        return
    undo()
    print(f"compiling {len(MODULES)} modules: about two minutes")
    with TemporaryDirectory() as folder:
        build(folder)
    digests = {module: sha256((ROOT / module).read_bytes()).hexdigest() for module in MODULES}
    DIGESTS.write_text(dumps(digests, indent=1))
    print("make fast: the hot path is compiled; `make fast-undo` takes it back")


if __name__ == "__main__":
    main()
