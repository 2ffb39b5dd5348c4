"""A visit: one person with one car at one connector, as planned. Schedules hand them out one by one."""

from typing import Protocol

from msgspec import Struct

from profiles.cars import Wish


class Visit(Struct, frozen=True):
    """What a person means to do. `arrive_s` is local time: seconds since Monday 00:00 of the first week."""

    arrive_s: float
    stay_s: float  # from plug-in to unplugging
    wish: Wish
    phases: int  # of the car, 1 or 3
    vehicle: str  # class of the vehicle table
    tag: int  # number of the badge in the fleet's pool
    fitted: bool = False  # the current is meant at PLATEAU_V: powers were measured, not currents
    failed: bool = False  # an attempt that never gets energy: cable or car trouble


class Schedule(Protocol):
    """The visits of one station."""

    def next_visit(self, connector: int, after_s: float) -> Visit | float:
        """The first visit at `connector` (1, 2) after local time `after_s`, or when to ask again."""
