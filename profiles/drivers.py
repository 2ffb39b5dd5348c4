"""Drivers: they plug in, show a badge, look whether it worked, come back and leave.

A driver sees what a person sees: the light of the connector and whether charging began. What the plan says
(`profiles.visits`) is when somebody comes, for how long and with which car; the rest happens here.
One `Driver` stands for all the people who ever come to one station.
"""

from collections.abc import Mapping, Sequence
from enum import IntEnum
from math import ceil, inf
from typing import Any, ClassVar, Final, Protocol

from msgspec import structs

from profiles.cars import Car
from profiles.supply import PLATEAU_V, Supply
from profiles.visits import Schedule, Visit
from stations.core.events import Event, PlugIn, PlugOut, PlugOutEv, Swipe
from stations.core.streams import Stream, stream

_FREE: Final = frozenset(("Available", "Reserved", "Unavailable", "Faulted"))  # no car is plugged there
_BROKEN: Final = frozenset(("Unavailable", "Faulted"))
_WEEK_S: Final = 7 * 86_400.0
_EARLY_S: Final = 3600.0  # an edge may round the fleet's start by so much
_LOOKS: Final = 3  # times a person looks for the start before giving up
_PULLS: Final = 4  # times a person pulls at a locked cable before leaving it behind


class ConnectorView(Protocol):
    """What a driver sees of a connector."""

    @property
    def status(self) -> str:
        """OCPP's ChargePointStatus."""

    @property
    def transaction(self) -> Any | None:
        """The running transaction, None for none."""


class StationView(Protocol):
    """What a driver sees of a station."""

    @property
    def connectors(self) -> Mapping[int, ConnectorView] | Sequence[ConnectorView]:
        """By OCPP's number, 1 and up."""


class Driver(Protocol):
    """The people at one station. Times are on the edge's clock."""

    def start(self, now: float, local_s: float) -> None:
        """The run begins: local time is `local_s` (seconds since Monday 00:00) at `now`."""

    def deadline(self) -> float | None:
        """When `act` is wanted next; None for never."""

    def act(self, now: float, station: StationView) -> list[Event]:
        """What happens at the station now. The edge passes the planned time as `due`."""


class Step(IntEnum):
    """Where a visit stands."""

    ARRIVE = 0
    BADGE = 1
    LOOK = 2
    LEAVE = 3
    PULL = 4
    GONE = 5
    NOBODY = 6


class Side:
    """One connector and the person there."""

    __slots__ = ("at", "count", "number", "step", "until", "visit")

    def __init__(self, number: int) -> None:
        self.number = number
        self.at = inf
        self.step = Step.ARRIVE
        self.visit: Visit | None = None
        self.until = inf  # when the person leaves
        self.count = 0  # looks or pulls so far


class Place(Protocol):
    """Where a driver's station stands: what the fleet knows about it."""

    seed: int
    identity: str
    site: str
    phases: int
    connectors: int
    badge: bool

    def schedule(self) -> Schedule:
        """Its visits."""

    def id_tag(self, number: int) -> str:
        """The badge `number` of the pool."""


class People:
    """The driver of a scheduled station."""

    __slots__ = ("_luck", "_place", "_schedule", "_shift_s", "_sides", "_start_local_s")

    def __init__(self, place: Place, start_local_s: float) -> None:
        """`start_local_s` counts when the edge does not call `start` itself."""
        self._place = place
        self._start_local_s = start_local_s
        self._sides: tuple[Side, ...] | None = None
        self._schedule: Schedule | None = None
        self._luck: Stream | None = None
        self._shift_s = 0.0  # edge clock minus local time

    def start(self, now: float, local_s: float) -> None:
        """The run begins: local time is `local_s` at `now`, in this week or in one after the start."""
        weeks = max(0.0, ceil((self._start_local_s - _EARLY_S - local_s) / _WEEK_S))
        local_s += weeks * _WEEK_S
        place = self._place
        self._shift_s = now - local_s
        self._luck = stream(place.seed, place.identity, "people")
        self._schedule = place.schedule()
        self._sides = tuple(Side(n) for n in range(1, place.connectors + 1))
        for side in self._sides:
            self._await(side, local_s)

    def deadline(self) -> float | None:
        """When `act` is wanted next."""
        if self._sides is None:
            return 0.0
        moment = min(side.at for side in self._sides)
        return moment if moment < inf else None

    def act(self, now: float, station: StationView) -> list[Event]:
        """One step of each person whose time has come."""
        if self._sides is None:
            self.start(now, self._start_local_s)
        assert self._sides is not None
        events: list[Event] = []
        for side in self._sides:
            if side.at <= now:
                event = self._STEPS[side.step](self, side, station.connectors[side.number])
                if event is not None:
                    events.append(event)
        return events

    def visit(self, connector: int) -> Visit | None:
        """The visit under way or planned at a connector."""
        return self._sides[connector - 1].visit if self._sides else None

    # A visit, step by step. Times count from the planned moment, so a late edge does not make people late.

    def _await(self, side: Side, local_s: float) -> None:
        assert self._schedule is not None
        coming = self._schedule.next_visit(side.number, local_s)
        if isinstance(coming, Visit):
            side.visit, side.step, side.at = coming, Step.ARRIVE, coming.arrive_s + self._shift_s
        else:
            side.visit, side.step, side.at = None, Step.NOBODY, coming + self._shift_s

    def _nobody(self, side: Side, _connector: ConnectorView) -> None:
        self._await(side, side.at - self._shift_s)

    def _after(self, low_s: float, high_s: float) -> float:
        assert self._luck is not None
        return self._luck.uniform(low_s, high_s)

    def _arrive(self, side: Side, connector: ConnectorView) -> Event | None:
        visit = side.visit
        assert visit is not None
        if connector.status in _BROKEN:
            self._await(side, visit.arrive_s)
            return None
        side.until = side.at + visit.stay_s
        side.step, side.count = (Step.BADGE if self._place.badge else Step.LOOK), 0
        event = PlugIn(side.number, car_of(self._place, side.number, visit, self._shift_s))
        side.at += min(self._after(2.0, 15.0), visit.stay_s / 4)
        return event

    def _badge(self, side: Side, _connector: ConnectorView) -> Event:
        assert side.visit is not None
        event = Swipe(self._place.id_tag(side.visit.tag), (side.number,))
        side.step = Step.LOOK
        side.at = max(side.at, min(side.at + self._after(8.0, 20.0), side.until))
        return event

    def _look(self, side: Side, connector: ConnectorView) -> Event | None:
        if connector.transaction is not None or side.at >= side.until:
            side.step, side.at = Step.LEAVE, max(side.until, side.at)
            return None
        side.count += 1
        if side.count >= _LOOKS:
            side.step, side.count = Step.PULL, 0
            return None
        if self._place.badge and connector.status in _FREE | {"Preparing"}:
            side.step = Step.BADGE
        side.at += self._after(3.0, 10.0)
        return None

    def _leave(self, side: Side, connector: ConnectorView) -> Event | None:
        assert side.visit is not None
        side.step, side.count = Step.PULL, 0
        side.at += self._after(2.0, 5.0)
        if connector.transaction is None:
            return None
        if not self._place.badge:
            return PlugOutEv(side.number)
        return Swipe(self._place.id_tag(side.visit.tag), (side.number,))

    def _pull(self, side: Side, _connector: ConnectorView) -> Event:
        side.step = Step.GONE
        side.at += 1.0
        return PlugOut(side.number)

    def _gone(self, side: Side, connector: ConnectorView) -> Event | None:
        if connector.status in _FREE:
            self._await(side, side.at - self._shift_s)
            return None
        side.count += 1
        if side.count < _PULLS:
            side.step = Step.LEAVE if connector.transaction is not None and side.count == 1 else Step.PULL
            side.at += self._after(5.0, 15.0)
            return None
        # The lock holds the cable: the car leaves without it.
        side.step, side.count = Step.PULL, 0
        side.at += self._after(300.0, 900.0)
        return PlugOutEv(side.number)

    _STEPS: ClassVar = {
        Step.ARRIVE: _arrive,
        Step.BADGE: _badge,
        Step.LOOK: _look,
        Step.LEAVE: _leave,
        Step.PULL: _pull,
        Step.GONE: _gone,
        Step.NOBODY: _nobody,
    }


def car_of(place: Place, connector: int, visit: Visit, shift_s: float) -> Car:
    """The visitor's car at that station; `shift_s` is the edge clock minus local time."""
    supply = Supply(place.seed, place.site, place.identity, shift_s)
    noise = stream(place.seed, f"{place.identity}/{connector}/{visit.arrive_s}", "meter").state
    wish = visit.wish
    if visit.fitted:
        wish = structs.replace(wish, current_a=supply.equivalent_a(wish.current_a, PLATEAU_V))
    return Car(wish, supply, phases=min(visit.phases, place.phases), noise=noise)
