"""Which form of the hot path runs: its sources, or the modules that `make fast` compiled from them.

Python takes a compiled module without looking at its source, so one that is older than its source would hide
what was changed since. `outdated` finds them; programs refuse to start with one.
"""

import json
from hashlib import sha256
from pathlib import Path
from typing import Final

from engine import wheel

ROOT: Final = Path(__file__).resolve().parents[1]
DIGESTS: Final = Path(__file__).with_suffix(".json")
"""SHA-256 of each source as it was compiled: written by deploy/compile.py."""

COMPILED: Final = not wheel.__file__.endswith(".py")


def form() -> str:
    """What the record of a run says about it."""
    return "compiled" if COMPILED else "interpreted"


def outdated() -> list[str]:
    """Sources that are other ones than those that were compiled, by path from the root of the project."""
    if not DIGESTS.exists():
        return []
    digests: dict[str, str] = json.loads(DIGESTS.read_text())
    return [name for name, digest in digests.items() if _digest(ROOT / name) != digest]


def _digest(source: Path) -> str:
    return sha256(source.read_bytes()).hexdigest() if source.exists() else ""
