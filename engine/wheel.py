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

_HORIZON_TICKS: Final = 1 << 16
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
        first, self._done = self._done + 1, max(self._done, last)
        buckets = self._buckets
        # After a long stop of the caller the ticks outnumber the buckets.
        sparse = last - first > len(buckets)
        ticks = sorted(tick for tick in buckets if tick <= last) if sparse else range(first, last + 1)
        entries: list[T] = []
        for tick in ticks:
            if tick not in buckets:
                continue
            for entry in buckets.pop(tick):
                if entry.armed == tick:
                    entry.armed = NEVER
                    entries.append(entry)
        return entries

    def next(self, within_s: float) -> float:
        """Seconds from the last look to the first tick that holds an entry, or `within_s` if none comes."""
        ticks = int(within_s * self._ticks_per_s)
        for tick in range(self._done + 1, self._done + ticks):
            if tick in self._buckets:
                return (tick - self._done) / self._ticks_per_s
        return within_s
