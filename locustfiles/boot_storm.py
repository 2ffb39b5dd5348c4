"""Power returns after a cut: does the central system survive that all stations boot at once?

The whole fleet loses its mains and gets them back within --within-s seconds; every station then boots,
reports its statuses and sends what waited. The summary says how long until all were back.

    greenup run boot_storm --stations 5000 --spawn-rate 200 --within-s 1
"""

from engine.bridge import StationUser, ask, scenario

scenario(
    hardship=[
        {
            "verb": "power_off",
            "name": "storm",
            "at_s": ask("--calm-s", 20.0, "seconds of quiet before the cut"),
            "lasting_s": ask("--dark-s", 20.0, "seconds without power"),
            "return_spread_s": ask("--within-s", 5.0, "power returns to all within so many seconds"),
        }
    ],
    watch_s=ask("--watch-s", 120.0, "seconds to watch afterwards"),
)


class GreenUp(StationUser):
    """One charging station."""
