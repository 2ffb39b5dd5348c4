"""One coarse timer wheel for all stations of a loop (design C2): 0.4-1 % of a core for thousands of timers.

An entry has one place that counts: `entry.armed` names its tick. Arming only ever moves an entry *earlier*;
a deadline that moves away costs nothing, because the entry wakes at the old moment, says that nothing is
due, and is armed again. Places left behind by an earlier re-arming are skipped by their tick.

Never early, and late by less than one tick plus the lateness of whoever calls `due`.
"""

from math import ceil
from typing import Final, Generic, Protocol, TypeVar

NEVER: Final = 1 << 62
"""The tick of an entry that is not armed."""

_HORIZON_TICKS: Final = 1 << 12
# Farther deadlines wake once per horizon just to look again: a bound on the entries left behind in far ticks.


class Timed(Protocol):
    """Something with one place in a wheel; starts as `NEVER`."""

    armed: int


T = TypeVar("T", bound=Timed)


class Wheel(Generic[T]):
    """Buckets of entries by tick; times are seconds on the caller's clock."""

    __slots__ = ("_buckets", "_done", "_ticks_per_s")

    def __init__(self, tick_s: float, now: float) -> None:
        self._ticks_per_s = 1.0 / tick_s
        self._done = int(now * self._ticks_per_s)  # every tick up to this one has been handed out
        self._buckets: dict[int, list[T]] = {}

    def arm(self, entry: T, deadline_s: float) -> None:
        """Wake `entry` at the first tick not before `deadline_s`, unless it wakes earlier anyway."""
        tick = ceil(deadline_s * self._ticks_per_s)
        first = self._done + 1
        if tick < first:
            tick = first
        elif tick > first + _HORIZON_TICKS:
            tick = first + _HORIZON_TICKS
        if entry.armed <= tick:
            return
        entry.armed = tick
        bucket = self._buckets.get(tick)
        if bucket is None:
            self._buckets[tick] = [entry]
        else:
            bucket.append(entry)

    def due(self, now: float) -> list[T]:
        """Take out every entry whose tick has come, in the order of ticks and of arming."""
        last = int(now * self._ticks_per_s)
        if last <= self._done:
            return []
        # After a long stop of the caller the ticks outnumber the buckets.
        sparse = last - self._done > len(self._buckets)
        waiting = range(self._done + 1, last + 1)
        ticks = sorted(tick for tick in self._buckets if tick <= last) if sparse else waiting
        entries: list[T] = []
        for tick in ticks:
            for entry in self._buckets.pop(tick, ()):
                if entry.armed == tick:
                    entry.armed = NEVER
                    entries.append(entry)
        self._done = last
        return entries
