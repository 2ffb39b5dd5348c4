"""Does anything drift or leak in hours of ordinary load, on either side?

The fleet lives its day; every hour, for ten minutes, half of the stations leave and come back, so that
whatever is kept for stations that are gone adds up. Response times, failures, backlog, memory and open files
of both sides are then tested for a trend at like load: the exit code is 1 when the central system drifts, 5
when we do. Give --csms-memory to have a central system's memory watched that is not the embedded one.

    greenup run soak --stations 2000 --duration 8h --csms-url ws://csms.example:9000/ocpp --csms-memory 4711
"""

from engine.bridge import StationUser, ask, scenario
from engine.bridge.shape import Tide

scenario(
    drift=True,
    shape={
        "period_s": ask("--period-s", 3600.0, "seconds from one tide to the next"),
        "low_s": ask("--low-s", 600.0, "seconds of each in which stations are away"),
        "low": ask("--low", 0.5, "share of the stations that stay; 1: all of them", most=1.0),
    },
)


class Breathing(Tide):
    """A share of the fleet leaves for a while in each period."""


class GreenUp(StationUser):
    """One charging station."""
