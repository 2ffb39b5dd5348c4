"""Does anything drift or leak in hours of ordinary load, on either side?

The fleet lives its day; every hour, for ten minutes, half of the stations leave and come back, so that
whatever is kept for stations that are gone adds up. Compare the first and the last hour: response times,
memory and open files of the central system, and our own health in the summary.

    greenup run soak --stations 2000 --duration 8h --csms-url ws://csms.example:9000/ocpp
"""

from engine.bridge import StationUser
from engine.bridge.shape import Tide


class Breathing(Tide):
    """Half of the fleet leaves for ten minutes of every hour."""

    period_s = 3600.0
    low_s = 600.0
    low = 0.5


class GreenUp(StationUser):
    """One charging station."""
