"""The digest of every frame of twenty stations' day, as JSON: `python frames_of_a_day.py [sources]`.

With `sources` the project's modules are read from their sources, compiled or not.
"""

import json
import sys
from hashlib import sha256
from importlib.machinery import SOURCE_SUFFIXES, FileFinder, SourceFileLoader
from pathlib import Path

ROOT = str(Path(__file__).parents[2])


def from_sources(path: str) -> FileFinder:
    """A path hook that knows no compiled modules of ours."""
    if not path.startswith(ROOT) or "site-packages" in path:
        raise ImportError
    return FileFinder(path, (SourceFileLoader, SOURCE_SUFFIXES))


sys.path.insert(0, ROOT)
if "sources" in sys.argv:
    sys.path_hooks.insert(0, from_sources)
    sys.path_importer_cache.clear()

from engine import compiled, virtual  # noqa: E402 — after the choice
from profiles import fleets  # noqa: E402
from tests.support.ledger import LedgerCentral  # noqa: E402


class Digest:
    """Hears every frame with its time."""

    def __init__(self) -> None:
        self.sum = sha256()
        self.frames = 0

    def sent(self, station: int, data: bytes, now: float) -> None:
        """A station's."""
        self.frames += 1
        self.sum.update(repr((station, data, now)).encode())

    def happened(self, station: int, event: object, now: float) -> None:
        """What it answers to."""
        self.sum.update(repr((station, type(event).__name__, getattr(event, "data", b""), now)).encode())


def main() -> None:
    """Print it."""
    fleet = fleets.load("mixed-city")
    deployment = fleet.deploy(20, url_base="ws://127.0.0.1:1/ocpp", seed=3)
    digest = Digest()
    world = virtual.World(
        [deployment.station(index) for index in range(20)],
        LedgerCentral(virtual.MONDAY_UNIX_S),
        seed=3,
        tap=digest,
    )
    world.start()
    world.run(86_400.0)
    told = {"form": compiled.form(), "frames": digest.frames, "sum": digest.sum.hexdigest()}
    sys.stdout.write(json.dumps(told) + "\n")


if __name__ == "__main__":
    main()
