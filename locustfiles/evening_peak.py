"""People come home and plug in: does the central system hold its response times through the evening peak?

A residential fleet from Monday 17:00 on, compressed: at the time scale of 60 the evening takes four minutes.
Response times are always real ones. The arrivals are the peak; the number of stations stays.

    greenup run evening_peak --stations 2000 --spawn-rate 200 --duration 6m
"""

from engine.bridge import StationUser, scenario

scenario(fleet="residential", time_scale=60.0)


class GreenUp(StationUser):
    """One charging station."""
