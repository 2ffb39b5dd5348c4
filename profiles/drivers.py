"""Drivers: they plug in, show a badge, look whether it worked, come back and leave.

A driver sees what a person sees: the light of the connector and whether charging began. What the plan says
(`profiles.visits`) is when somebody comes, for how long and with which car; the rest happens here.
One `Driver` stands for all the people who ever come to one station.
"""

from collections.abc import Mapping, Sequence
from enum import IntEnum
from math import ceil, inf
from typing import Any, ClassVar, Final, Protocol

from msgspec import Struct, structs

from profiles.cars import NOISES, Car
from profiles.supply import PLATEAU_V, supply_of
from profiles.visits import Schedule, Visit
from stations.core.events import Event, PlugIn, PlugOut, PlugOutEv, Swipe
from stations.core.streams import stream

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

    OPEN = 0  # the run begins: somebody may be there already
    ARRIVE = 1
    BADGE = 2
    LOOK = 3
    LEAVE = 4
    PULL = 5
    GONE = 6


class Side(Struct, gc=False):
    """One connector and the person there."""

    number: int
    at: float  # edge clock: when the next step is due
    step: Step = Step.OPEN
    until: float = inf  # when the person leaves
    tag: int = 0  # of the person's badge
    count: int = 0  # looks or pulls so far


class Place(Protocol):
    """Where a driver's station stands: what the fleet knows about it."""

    @property
    def seed(self) -> int:
        """Of the run."""

    @property
    def identity(self) -> str:
        """Of the station."""

    @property
    def site(self) -> str:
        """Stations of one site share a grid."""

    @property
    def phases(self) -> int:
        """Of the station."""

    @property
    def connectors(self) -> int:
        """How many."""

    @property
    def badge(self) -> bool:
        """False: nobody shows a badge."""

    @property
    def start_local_s(self) -> float:
        """Local time at which the run begins."""

    def schedule(self) -> Schedule:
        """Its visits."""

    def id_tag(self, number: int) -> str:
        """The badge `number` of the pool."""


class People:
    """The driver of a scheduled station. Of a visit only what the next step needs is kept."""

    __slots__ = ("_place", "_schedule", "_shift_s", "_sides")

    def __init__(self, place: Place) -> None:
        self._place = place
        self._sides: tuple[Side, ...] | None = None
        self._schedule: Schedule | None = None
        self._shift_s = 0.0  # edge clock minus local time

    def start(self, now: float, local_s: float) -> None:
        """The run begins: local time is `local_s` at `now`, in this week or in one after the start."""
        place = self._place
        weeks = max(0.0, ceil((place.start_local_s - _EARLY_S - local_s) / _WEEK_S))
        local_s += weeks * _WEEK_S
        self._shift_s = now - local_s
        self._schedule = schedule = place.schedule()
        numbers = range(1, place.connectors + 1)
        self._sides = tuple(Side(n, schedule.opening(n, local_s) + self._shift_s) for n in numbers)

    def deadline(self) -> float | None:
        """When `act` is wanted next."""
        if self._sides is None:
            return 0.0
        moment = min(side.at for side in self._sides)
        return moment if moment < inf else None

    def act(self, now: float, station: StationView) -> list[Event]:
        """One step of each person whose time has come."""
        if self._sides is None:
            self.start(now, self._place.start_local_s)
        assert self._sides is not None
        events: list[Event] = []
        for side in self._sides:
            if side.at <= now:
                event = self._STEPS[side.step](self, side, station.connectors[side.number])
                if event is not None:
                    events.append(event)
        return events

    # A visit, step by step. Times count from the planned moment, so a late edge does not make people late.

    def _await(self, side: Side) -> None:
        assert self._schedule is not None
        coming_s = self._schedule.next_arrival(side.number, side.at - self._shift_s)
        side.step, side.at = Step.ARRIVE, coming_s + self._shift_s

    def _after(self, side: Side, low_s: float, high_s: float) -> float:
        """Somebody's hesitation: luck is named by connector, moment and step, so there is no state of it."""
        place = self._place
        luck = stream(place.seed, f"{place.identity}/{side.number}/{side.at}/{side.step:d}", "people")
        return luck.uniform(low_s, high_s)

    def _arrive(self, side: Side, connector: ConnectorView) -> Event | None:
        assert self._schedule is not None
        opening = side.step is Step.OPEN
        visit = self._schedule.visit(side.number, side.at - self._shift_s, opening=opening)
        if visit is None or connector.status in _BROKEN:
            self._await(side)
            return None
        event = PlugIn(side.number, car_of(self._place, side.number, visit, self._shift_s))
        side.until, side.tag, side.count = side.at + visit.stay_s, visit.tag, 0
        after_s = min(self._after(side, 2.0, 15.0), visit.stay_s / 4)
        side.step = Step.BADGE if self._place.badge else Step.LOOK
        side.at += after_s
        return event

    def _badge(self, side: Side, _connector: ConnectorView) -> Event:
        event = Swipe(self._place.id_tag(side.tag), (side.number,))
        side.at = max(side.at, min(side.at + self._after(side, 8.0, 20.0), side.until))
        side.step = Step.LOOK
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
        side.at += self._after(side, 3.0, 10.0)
        return None

    def _leave(self, side: Side, connector: ConnectorView) -> Event | None:
        side.step, side.count = Step.PULL, 0
        side.at += self._after(side, 2.0, 5.0)
        if connector.transaction is None:
            return None
        if not self._place.badge:
            return PlugOutEv(side.number)
        return Swipe(self._place.id_tag(side.tag), (side.number,))

    def _pull(self, side: Side, _connector: ConnectorView) -> Event:
        side.step = Step.GONE
        side.at += 1.0
        return PlugOut(side.number)

    def _gone(self, side: Side, connector: ConnectorView) -> Event | None:
        if connector.status in _FREE:
            self._await(side)
            return None
        side.count += 1
        if side.count < _PULLS:
            side.step = Step.LEAVE if connector.transaction is not None and side.count == 1 else Step.PULL
            side.at += self._after(side, 5.0, 15.0)
            return None
        # The lock holds the cable: the car leaves without it.
        side.step, side.count = Step.PULL, 0
        side.at += self._after(side, 300.0, 900.0)
        return PlugOutEv(side.number)

    _STEPS: ClassVar = {
        Step.OPEN: _arrive,
        Step.ARRIVE: _arrive,
        Step.BADGE: _badge,
        Step.LOOK: _look,
        Step.LEAVE: _leave,
        Step.PULL: _pull,
        Step.GONE: _gone,
    }


def car_of(place: Place, connector: int, visit: Visit, shift_s: float) -> Car:
    """The visitor's car at that station; `shift_s` is the edge clock minus local time."""
    supply = supply_of(place.seed, place.site, place.identity, shift_s)
    noise = stream(place.seed, f"{place.identity}/{connector}/{visit.arrive_s}", "meter").integer(NOISES)
    wish = visit.wish
    if visit.fitted:
        wish = structs.replace(wish, current_a=supply.equivalent_a(wish.current_a, PLATEAU_V))
    return Car(wish, supply, phases=min(visit.phases, place.phases), noise=noise)
