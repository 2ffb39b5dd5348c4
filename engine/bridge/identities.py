"""Who runs which station: the master leases station indices to workers (C5).

An index names one UID for the whole test. It belongs to nobody, to exactly one worker, or to a lost worker
that may still be alive behind a broken network; in the last case nobody else gets it until the worker is
surely gone. Ranges, not indices, are kept, so a million stations cost the master a few dozen tuples.
"""

from bisect import insort
from collections.abc import Iterable
from typing import TypeAlias

from stations.errors import StationBug

Range: TypeAlias = tuple[int, int]  # first index, one past the last


def ranges_of(indices: Iterable[int]) -> list[Range]:
    """Indices in any order as the fewest ascending ranges."""
    found: list[Range] = []
    for index in sorted(indices):
        if found and found[-1][1] == index:
            found[-1] = (found[-1][0], index + 1)
        else:
            found.append((index, index + 1))
    return found


def merged(ranges: Iterable[Range]) -> list[Range]:
    """Ascending ranges with neighbours joined; an overlap is a bug of ours."""
    joined: list[Range] = []
    for first, end in sorted(ranges):
        if joined and joined[-1][1] > first:
            raise StationBug(f"stations {first}..{joined[-1][1] - 1} belong to two holders")
        if joined and joined[-1][1] == first:
            joined[-1] = (joined[-1][0], end)
        else:
            joined.append((first, end))
    return joined


class Leases:
    """The master's book of one test: the lowest free indices go out first, so a fleet keeps its names."""

    def __init__(self) -> None:
        self._free: list[Range] = []
        self._next = 0  # never leased so far: this index and all above
        self._held: dict[str, list[Range]] = {}

    def take(self, holder: str, count: int) -> list[Range]:
        """Lease `count` indices to `holder`."""
        taken: list[Range] = []
        while count and self._free:
            first, end = self._free.pop(0)
            split = min(end, first + count)
            taken.append((first, split))
            count -= split - first
            if split < end:
                insort(self._free, (split, end))
        if count > 0:
            taken.append((self._next, self._next + count))
            self._next += count
        self._held[holder] = merged(self._held.get(holder, []) + taken)
        return merged(taken)

    def give_back(self, holder: str, ranges: Iterable[Range]) -> None:
        """The holder has closed these stations; what it does not hold is ignored (it was freed already)."""
        kept = self._held.get(holder, [])
        freed: list[Range] = []
        for returned in ranges:
            kept, gone = _split(kept, returned)
            freed += gone
        self._held[holder] = kept
        self._free = merged(self._free + freed)

    def bury(self, holder: str) -> None:
        """The holder is surely gone: whatever it held is free for others."""
        self._free = merged(self._free + self._held.pop(holder, []))

    def holder_of(self, index: int) -> str | None:
        """Who runs station `index`; None for nobody."""
        for holder, ranges in self._held.items():
            if any(first <= index < end for first, end in ranges):
                return holder
        return None

    def held(self) -> list[Range]:
        """What anybody runs, ascending."""
        return merged(part for ranges in self._held.values() for part in ranges)

    def held_by(self, holder: str) -> list[Range]:
        """What `holder` runs, ascending."""
        return self._held.get(holder, [])


def _split(kept: list[Range], returned: Range) -> tuple[list[Range], list[Range]]:
    """What remains of `kept` without `returned`, and what of `returned` was in `kept`."""
    first, end = returned
    remains: list[Range] = []
    gone: list[Range] = []
    for low, high in kept:
        inside = (max(low, first), min(high, end))
        if inside[0] >= inside[1]:
            remains.append((low, high))
            continue
        gone.append(inside)
        remains += [part for part in ((low, inside[0]), (inside[1], high)) if part[0] < part[1]]
    return remains, gone
