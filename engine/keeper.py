"""How the memories of a fleet get to disk and back (`--state`), cheap at 10,000 stations.

The loop's thread notes who changed and takes snapshots, at most one a second of each station and a slice at a
time. A native thread writes them, one transaction for all that came. SIGKILL costs the last second or two: a
`StartTransaction` as young as that is forgotten. Without `--state` plans are not durable, and nothing of this
happens: a fleet lives in memory.

The threads share two things: a deque of snapshots, and a dict of memories that the hub fills before it
deploys. No lock, nothing that Locust has patched.
"""

import sqlite3
from collections import deque
from collections.abc import Callable, Iterable
from contextlib import closing
from pathlib import Path
from traceback import format_exception
from typing import TYPE_CHECKING, Final

from engine.clock import Clock, monotonic
from engine.store import DatabaseStore
from stations.core.station import Station

if TYPE_CHECKING:
    from engine.unit import Unit
    from stations.core.plan import Plan

EVERY_S: Final = 1.0
SLICE_S: Final = 0.001  # of snapshots between two looks at the sockets; about 20 of them
LOOK_S: Final = 0.1


class Keeper:
    """The loop's side. `memories` and `outbox` may be touched from any thread, the rest from the loop's."""

    def __init__(self) -> None:
        self.memories: Final[dict[str, bytes]] = {}  # of stations that are about to be deployed
        self.outbox: Final[deque[tuple[str, bytes]]] = deque()
        self._dirty: set[Unit] = set()
        self._round: set[Unit] = set()  # whose snapshots are being taken
        self._next_s = 0.0

    def born(self, plan: "Plan", seed: int) -> Station:
        """The station with the memory of its former life; PlanError when that is another product's."""
        station = Station(plan, seed)
        memory = self.memories.pop(plan.identity, None)
        if memory is not None:
            station.restore(memory)
        return station

    def mark(self, unit: "Unit") -> None:
        """Its non-volatile memory has changed."""
        self._dirty.add(unit)

    def step(self, clock: Clock) -> None:
        """Take some snapshots. A slow disk is not given more: who changed meanwhile is known, and waits."""
        began = monotonic()
        if not self._round:
            if not self._dirty or began < self._next_s or self.outbox:
                return
            self._next_s = began + EVERY_S
            self._round, self._dirty = self._dirty, set()
        now = clock.now()
        while self._round and monotonic() < began + SLICE_S:
            unit = self._round.pop()
            try:
                self._take(unit, now)
            except Exception as error:  # noqa: BLE001 — our bug (C10): this station is retired, the others go on
                unit.end(f"station {unit.index}: " + "".join(format_exception(error)))

    def leave(self, unit: "Unit", clock: Clock, bug: str) -> None:
        """It has ended: the last word, unless a bug may have spoilt it."""
        changed = unit in self._dirty or unit in self._round
        self._dirty.discard(unit)
        self._round.discard(unit)
        if changed and not bug:
            self._take(unit, clock.now())

    def _take(self, unit: "Unit", now: float) -> None:
        self.outbox.append((unit.station.plan.identity, unit.station.snapshot(now)))


class Archive:
    """The native thread that writes; `closing` asks for its end. A disk that refuses is asked again."""

    def __init__(
        self, folder: Path, outbox: deque[tuple[str, bytes]], sleep: Callable[[float], None]
    ) -> None:
        self.closing = self.closed = False
        self.failure = ""  # why the disk refuses at present
        self._folder = folder
        self._outbox = outbox
        self._sleep = sleep
        self._waiting: dict[str, bytes] = {}  # the latest of each station
        self._store: DatabaseStore | None = None

    def run(self) -> None:
        """The thread's whole life."""
        try:
            while not self.closing:
                self._sleep(LOOK_S)
                self._write()
            self._write()
            if self._store is not None:
                self._store.close()
        except Exception as error:  # noqa: BLE001 — nobody above would hear of it
            self.failure = "".join(format_exception(error))
        finally:
            self.closed = True

    def _write(self) -> None:
        while self._outbox:
            identity, snapshot = self._outbox.popleft()
            self._waiting[identity] = snapshot
        if not self._waiting:
            return
        try:
            self._store = self._store or DatabaseStore(self._folder)
            with self._store.together():
                for identity, snapshot in self._waiting.items():
                    self._store.save(identity, snapshot)
        except (OSError, ValueError, sqlite3.Error) as failure:  # PlanError is a ValueError
            self.failure = (
                f"{self._folder}: {len(self._waiting)} stations' memories cannot be written: {failure}"
            )
        else:
            self.failure = ""
            self._waiting = {}

    def close(self, timeout_s: float) -> str:
        """Write the rest and end; what could not be written, '' for nothing."""
        self.closing = True
        give_up_s = monotonic() + timeout_s
        while not self.closed and monotonic() < give_up_s:
            self._sleep(0.01)
        return self.failure if self.closed else f"{self._folder}: the disk was too slow for the last memories"


def recall(folder: Path, identities: Iterable[str]) -> dict[str, bytes]:
    """The memories of those stations that have one; PlanError when the folder cannot be used."""
    with closing(DatabaseStore(folder)) as store:
        found = {identity: store.load(identity) for identity in identities}
    return {identity: memory for identity, memory in found.items() if memory is not None}
