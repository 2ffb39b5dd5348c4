"""`--state`: what a worker's stations remember from run to run, off the hub and off the loop's thread."""

import logging
from pathlib import Path
from typing import Final

import gevent

from engine.bridge.crossing import native_sleep, native_thread
from engine.bridge.options import Settings
from engine.keeper import Archive, Keeper, recall
from profiles import fleets
from stations.core.station import Station
from stations.errors import PlanError

log = logging.getLogger(__name__)

CLOSE_TIMEOUT_S: Final = 30.0
_SAMPLE: Final = 100  # stations whose memory is tried before a run; groups take turns, so all are among them


class Lasting:
    """The memories of a test; with no folder, a keeper that has nothing to do."""

    def __init__(self, folder: str) -> None:
        self.keeper: Final = Keeper()
        self._folder = Path(folder)
        self._archive: Archive | None = None
        self._told = False
        if folder:
            self._archive = Archive(self._folder, self.keeper.outbox, native_sleep)
            native_thread(self._archive.run, ())

    def recall(self, identities: list[str]) -> None:
        """Have their memories ready for their start; other greenlets go on. PlanError: it cannot be read."""
        if self._archive is not None:
            found = gevent.get_hub().threadpool.apply(recall, (self._folder, identities))
            self.keeper.memories.update(found)

    def look(self) -> None:
        """Say once that the disk refuses; the load goes on, and it is asked again."""
        if self._archive is not None and self._archive.failure and not self._told:
            self._told = True
            log.error("--state %s", self._archive.failure)

    def close(self) -> list[str]:
        """Write the last ones, once the stations have ended; what went wrong."""
        if self._archive is None:
            return []
        failure = gevent.get_hub().threadpool.apply(self._archive.close, (CLOSE_TIMEOUT_S,))
        return [f"--state {failure}"] if failure else []


def check(settings: Settings) -> None:
    """PlanError when the folder cannot be used, or belongs to other stations than the fleet's."""
    deployment = fleets.load(settings.fleet).deploy(url_base="ws://nobody", seed=settings.seed)
    plans = {plan.identity: plan for index in range(_SAMPLE) for plan in (deployment.station(index).plan,)}
    for identity, memory in recall(Path(settings.state), plans).items():
        try:
            Station(plans[identity], settings.seed).restore(memory)
        except PlanError as mistake:
            raise PlanError(f"--state {settings.state}: {mistake}; name another folder") from None
