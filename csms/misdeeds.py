"""Draws and records the faults that `csms.behaviour` asks for.

Luck is a hash of (seed, fault, station, occasion), so that the same settings strike the same occasions of the
same station whatever the other stations do.
"""

from collections.abc import Callable
from fnmatch import fnmatchcase
from functools import lru_cache
from hashlib import blake2b
from typing import Final, TypeVar

from csms import rows
from csms.behaviour import (
    ANY_ACTION,
    AnyFault,
    Behaviour,
    CallFault,
    DroppedAnswer,
    Fault,
    ForeignId,
    LateAnswer,
    WrongClock,
)

_SCALE: Final = 2.0**64
_F = TypeVar("_F", bound=Fault)
_C = TypeVar("_C", bound=CallFault)

_matches = lru_cache(maxsize=65_536)(fnmatchcase)


def luck(seed: int, purpose: str, station: str, occasion: int) -> float:
    """A number from 0 to 1 (excluded) that depends on nothing but its arguments."""
    key = f"{seed}\0{purpose}\0{station}\0{occasion}".encode()
    return int.from_bytes(blake2b(key, digest_size=8).digest(), "big") / _SCALE


class Misdeeds:
    """The faults in force and their occasions so far. `record` takes one row per act."""

    def __init__(self, behaviour: Behaviour, record: Callable[[rows.Misdeed], None]) -> None:
        self.behaviour = behaviour
        self.active = bool(behaviour.fault or behaviour.latency)
        self.committed: dict[str, int] = {}
        self._record = record
        self._occasions: dict[tuple[int | str, str], int] = {}
        self._by_type: dict[type[Fault], list[tuple[int, AnyFault]]] = {}
        for position, fault in enumerate(behaviour.fault):
            self._by_type.setdefault(type(fault), []).append((position, fault))

    def strike(self, kind: type[_F], station: str) -> _F | None:
        """The first fault of this kind that strikes the station on this occasion; not recorded yet."""
        for position, fault in self._by_type.get(kind, ()):
            if self._strikes(position, fault, station):
                assert isinstance(fault, kind)
                return fault
        return None

    def strike_call(self, kind: type[_C], station: str, action: str) -> _C | None:
        """The same for a fault of an answer to `action`."""
        for position, fault in self._by_type.get(kind, ()):
            assert isinstance(fault, kind)
            if (not fault.actions or action in fault.actions) and self._strikes(position, fault, station):
                return fault
        return None

    def commit(
        self,
        fault: Fault,
        now_s: float,
        station: str,
        *,
        action: str = "",
        transaction_id: int | None = None,
        detail: str = "",
    ) -> None:
        """Write down that the fault was committed."""
        self.committed[fault.name] = self.committed.get(fault.name, 0) + 1
        self._record(rows.Misdeed(now_s, fault.name, station, action, transaction_id, detail))

    def delay_s(self, station: str, action: str) -> float:
        """How long to sit on the answer to `action`."""
        latency = self.behaviour.latency.get(action) or self.behaviour.latency.get(ANY_ACTION)
        if latency is None:
            return 0.0
        occasion = self._next_occasion("latency", station)
        return latency.delay_s(luck(self.behaviour.seed, "latency", station, occasion))

    def wrong_clock(self, station: str) -> WrongClock | None:
        """The fault that has this station told the wrong time; drawn once per station."""
        for position, fault in self._by_type.get(WrongClock, ()):
            assert isinstance(fault, WrongClock)
            if _matches(station, fault.stations) and self._draw(position, fault, station, 0) < fault.share:
                return fault
        return None

    def _strikes(self, position: int, fault: Fault, station: str) -> bool:
        if not _matches(station, fault.stations):
            return False
        return self._draw(position, fault, station, self._next_occasion(position, station)) < fault.share

    def _draw(self, position: int, fault: Fault, station: str, occasion: int) -> float:
        return luck(self.behaviour.seed, f"{position}:{fault.name}", station, occasion)

    def _next_occasion(self, purpose: int | str, station: str) -> int:
        occasion = self._occasions.get((purpose, station), 0)
        self._occasions[purpose, station] = occasion + 1
        return occasion


# The faults of an answer whose CALL took effect, in order of precedence.
ANSWER_FAULTS: Final[tuple[type[DroppedAnswer | LateAnswer | ForeignId], ...]] = (
    DroppedAnswer,
    LateAnswer,
    ForeignId,
)
