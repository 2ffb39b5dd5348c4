"""What one plugged car will ask for, and a stretch of what it then does. `profiles.cars` plays it."""

from math import inf

from msgspec import Struct


class Window(Struct, frozen=True, gc=False):
    """A pause, a dip or a time of less current."""

    from_s: float  # after the first current
    lasts_s: float
    level: float = 0.0  # share of the current in it; 0: the car stops asking
    every_s: float = 0.0  # again and again; 0: once


class Wish(Struct, frozen=True, gc=False):
    """What one plugged car will ask for: the driver's and the battery's side of a session."""

    current_a: float  # active current per phase that the on-board charger takes at most
    need_wh: float = inf  # energy at the plug until the car ends by itself; inf: more than can be had
    taper_s: float = 0.0  # time constant of the taper, 0: stops dead
    cut: float = 0.1  # share of current_a at which a taper ends
    wake_s: float = 6.0  # from the first offer to the first current
    lag_s: float = 3.0  # time constant of the answer to a new limit
    soft_s: float = 4.0  # time constant of the first rise
    grip: float = 0.985  # share of an offered limit that is really taken
    minimum_a: float = 6.0  # lowest offer the car charges at
    sip_a: float = 0.0  # active current below that, when it has charged before
    reactive_var: float = -150.0  # per phase while current flows
    window: Window | None = None
    tail: tuple[tuple[float, float], ...] = ()  # after the end: (share of current_a, seconds) one by one
    vehicle: str = ""  # class of the vehicle table


class Piece(Struct, frozen=True, gc=False):
    """A stretch without events: active current per phase is settled + excess · exp(-(t - since)/lag_s)."""

    since: float
    settled: float
    excess: float
    lag_s: float
    energy_wh: float  # at its beginning
