"""The vehicle's side of the socket, as the station sees it. Profiles build vehicles; the core only asks."""

from typing import Protocol

from stations.core.reading import Reading


class Vehicle(Protocol):
    """A plugged car. State advances lazily: nobody computes while nobody looks (C9).

    `now` is the edge's clock in seconds and never goes backwards for one vehicle.
    """

    phases: int  # phases the on-board charger uses: 1 or 3

    def offer(self, now: float, limit_a: float) -> None:
        """Tell the vehicle the current per phase it may draw from now on; 0 means contactor open."""

    def pause(self, now: float, *, paused: bool) -> None:
        """The driver's app or the car itself stops (True) or resumes (False) drawing."""

    def drawing(self, now: float) -> bool:
        """Whether current flows; False while offered means SuspendedEV (ST-2)."""

    def next_change(self, now: float) -> float | None:
        """When `drawing` will next change if the offer stays as it is; None for never."""

    def reading(self, now: float) -> Reading:
        """Instantaneous values and the exact energy so far."""
