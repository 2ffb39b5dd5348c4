"""A visit: one person with one car at one connector, as planned. Schedules tell when, and then who."""

from typing import Protocol

from msgspec import Struct

from profiles.wish import Wish


class Visit(Struct, frozen=True):
    """What a person means to do. `arrive_s` is local time: seconds since Monday 00:00 of the first week."""

    arrive_s: float
    stay_s: float  # from plug-in to unplugging
    wish: Wish
    phases: int  # of the car, 1 or 3
    tag: int  # number of the badge in the fleet's pool
    fitted: bool = False  # the current is meant at PLATEAU_V: powers were measured, not currents
    failed: bool = False  # an attempt that never gets energy: cable or car trouble


class Schedule(Protocol):
    """The visits of one station. A visit follows from seed, names and time: nothing of it is kept."""

    def opening(self, connector: int, now_s: float) -> float:
        """As `next_arrival`, when the run begins at local time `now_s`: a car may be there already."""

    def next_arrival(self, connector: int, after_s: float) -> float:
        """When somebody comes to `connector` (1, 2) after local time `after_s`, or when to ask again."""

    def visit(self, connector: int, at_s: float, *, opening: bool = False) -> Visit | None:
        """Who comes at `at_s`, a moment told before, by `opening` or not; None: nobody, ask again."""
