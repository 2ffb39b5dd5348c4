"""What the world outside may post to a worker's loop."""

from collections.abc import Callable
from typing import Any, TypeAlias

from msgspec import Struct

from engine.clock import Clock
from engine.unit import Unit
from profiles.fleets import Deployed
from stations.core.events import Event


class Deploy(Struct):
    """Power these stations on, evenly at `rate_per_s` (real seconds); the last command's rate counts."""

    stations: list[tuple[int, Deployed]]
    rate_per_s: float


class Retire(Struct):
    """Stop these stations gracefully: end transactions, deliver, close. Each is reported as retired."""

    stations: list[int]


class Happen(Struct):
    """One event at one station; ignored when the station is not there."""

    station: int
    event: Event


class Ask(Struct):
    """Let `question` look at one station, or change it, in the loop's thread; facts bring the `Answer`.

    A PlanError out of it is the mistake of whoever asked.
    """

    ticket: int
    station: int
    question: Callable[[Unit, Clock], Any]


class Begin(Struct):
    """The whole fleet has been started, `ago_s` real seconds ago: hardship's clock runs."""

    ago_s: float


class Stop(Struct):
    """Retire everybody within `timeout_s`, send the last facts, end the thread. Idempotent."""

    timeout_s: float


class ClockOffset(Struct):
    """This worker's clock minus the master's, as last found out."""

    offset_us: int


Command: TypeAlias = Deploy | Retire | Happen | Ask | Begin | Stop | ClockOffset
