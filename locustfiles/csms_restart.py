"""The central system restarts or fails over: how long until all stations are back, and what was lost?

The central system that comes with the project is restarted as often as asked. With --csms-url nothing is
restarted: the log says when to do it, and the run watches.

    greenup run csms_restart --stations 1000 --down-s 10 --restarts 3 --every-s 120
"""

from engine.bridge import StationUser, ask, scenario

scenario(
    hardship=[
        {
            "verb": "restart_csms",
            "at_s": ask("--calm-s", 30.0, "seconds of quiet before the first"),
            "lasting_s": ask("--down-s", 5.0, "how long it is away, seconds"),
            "every_s": ask("--every-s", 180.0, "seconds between restarts"),
            "times": ask("--restarts", 1, "how many restarts"),
        }
    ],
    watch_s=ask("--watch-s", 150.0, "seconds to watch afterwards"),
)


class GreenUp(StationUser):
    """One charging station."""
