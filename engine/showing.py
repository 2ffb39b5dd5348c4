"""What one unit contributes to its edge's gauges, kept in step with the tally at each change."""

from typing import TYPE_CHECKING, Final

from engine.tally import Tally, moved
from stations.core import events as ev

if TYPE_CHECKING:
    from stations.core.station import Station

DOWN: Final = "down"
CONNECTING: Final = "connecting"
OPEN: Final = "open"


class Showing:
    """One unit's share of the tally."""

    __slots__ = ("_backlog", "_power_w", "_registration", "_statuses", "_tally", "link", "running")

    def __init__(self, tally: Tally, station: "Station", connectors: int) -> None:
        self._tally = tally
        self.link = DOWN
        self.running: tuple[int, ...] = ()  # sequence numbers of the transactions under way
        self._registration = ""
        # By connector number. The station as a whole (0) is not counted.
        self._statuses = ["", *(str(station.connectors[n].status) for n in range(1, connectors + 1))]
        self._power_w = 0.0
        self._backlog = 0
        moved(tally.links, None, DOWN)
        moved(tally.registrations, None, self._registration)
        for status in self._statuses[1:]:
            moved(tally.connectors, None, status)

    def leave(self) -> None:
        """The unit has ended; its link is down by now."""
        tally = self._tally
        moved(tally.links, self.link, None)
        moved(tally.registrations, self._registration, None)
        for status in self._statuses[1:]:
            moved(tally.connectors, status, None)
        tally.sessions -= len(self.running)
        tally.power_w -= self._power_w
        tally.backlog -= self._backlog

    @property
    def sides(self) -> range:
        """The station's connectors by number."""
        return range(1, len(self._statuses))

    def link_is(self, word: str) -> None:
        """The link is "down", "connecting" or "open"."""
        moved(self._tally.links, self.link, word)
        self.link = word

    def transaction(self, effect: ev.TransactionChanged) -> None:
        """A transaction begins or is over."""
        before = len(self.running)
        if effect.state == "started":
            self.running += (effect.sequence,)
        elif effect.state != "acknowledged":
            self.running = tuple(number for number in self.running if number != effect.sequence)
        self._tally.sessions += len(self.running) - before

    def status(self, connector: int, status: str) -> None:
        """A connector shows another status."""
        if connector > 0:
            moved(self._tally.connectors, self._statuses[connector], status)
            self._statuses[connector] = status

    def registration(self, word: str) -> None:
        """The central system's word on the station."""
        moved(self._tally.registrations, self._registration, word)
        self._registration = word

    def look(self, station: "Station", now: float) -> None:
        """Refresh what costs something: once in a while, not at each event."""
        tally = self._tally
        tally.backlog += station.backlog - self._backlog
        self._backlog = station.backlog
        if self.running or self._power_w:
            power_w = sum(station.power_w(number, now) for number in self.sides)
            tally.power_w += power_w - self._power_w
            self._power_w = power_w
