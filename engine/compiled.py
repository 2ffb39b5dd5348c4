"""Which form of the hot path runs: its sources, or the modules that `make fast` compiled from them.

Python takes a compiled module without looking at its source, so one that is older than its source would hide
what was changed since: no program starts with one.
"""

import json
from hashlib import sha256
from pathlib import Path
from typing import Final

from engine import wheel
from stations.errors import PlanError

ROOT: Final = Path(__file__).resolve().parents[1]
DIGESTS: Final = Path(__file__).with_suffix(".json")
"""SHA-256 of each source as it was compiled: written by deploy/compile.py."""

COMPILED: Final = not wheel.__file__.endswith(".py")


def form() -> str:
    """What the record of a run says about it."""
    return "compiled" if COMPILED else "interpreted"


def check() -> None:
    """PlanError if a source is another one than the one that was compiled."""
    if not COMPILED:
        return
    digests: dict[str, str] = (
        json.loads(DIGESTS.read_text()) if DIGESTS.exists() else {"all of it": "unknown"}
    )
    for name, digest in digests.items():
        if _digest(ROOT / name) != digest:
            raise PlanError(
                f"{name} is not what `make fast` compiled: run `make fast` again, or `make fast-undo`"
            )


def _digest(source: Path) -> str:
    return sha256(source.read_bytes()).hexdigest() if source.exists() else ""
