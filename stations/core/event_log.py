"""The station's own log: what happened to it, bounded, for a real diagnostics file (GD-1, GD-3).

Kept only where a file can be asked for; a station of a load run keeps none.
"""

from collections import deque
from collections.abc import Iterator
from typing import TYPE_CHECKING, Final

from stations.core import wall
from stations.core.events import (
    CommandAnswered,
    Effect,
    OpenLink,
    RegistrationChanged,
    StatusChanged,
    TransactionChanged,
)
from stations.wire.types import format_datetime

if TYPE_CHECKING:
    from stations.core.station import Station

CAPACITY: Final = 1000
"""Entries; the oldest make room. A week of a busy station, and about 100 KB."""


class EventLog:
    """Moments in Unix seconds by the station's clock, each with one line of words."""

    __slots__ = ("_entries",)

    def __init__(self) -> None:
        self._entries: deque[tuple[float, str]] = deque(maxlen=CAPACITY)

    def note(self, station: "Station") -> None:
        """What the present event led to."""
        unix_s = wall.unix_s(station)
        self._entries.extend((unix_s, words) for words in map(_told, station.effects) if words)

    def between(self, start: float, stop: float) -> Iterator[str]:
        """Lines of a span of Unix time, both ends included (GD-3)."""
        for unix_s, words in self._entries:
            if start <= unix_s <= stop:
                yield f"{format_datetime(unix_s)} {words}"


def _told(effect: Effect) -> str:
    match effect:
        case StatusChanged(connector, status, error_code):
            return f"connector {connector} {status} {error_code}"
        case RegistrationChanged(status):
            return f"registration {status or 'none'}"
        case TransactionChanged(sequence, state, connector):
            return f"transaction {sequence} on connector {connector} {state}"
        case CommandAnswered(action, _, result):
            return f"answered {action} {result}".rstrip()
        case OpenLink():
            return "connecting"
    return ""
