"""A part of the fleet loses its network for a while: is everything back afterwards, and nothing lost?

Stations of the struck share go on charging, keep what they would have reported, and send it when they are
back: the offline queues flush. Another share loses its mains instead, and boots.

    greenup run blackout --stations 1000 --share 0.5 --lasting-s 300
"""

from engine.bridge import StationUser, ask, scenario

CALM = ask("--calm-s", 30.0, "seconds of quiet before it")
LASTING = ask("--lasting-s", 60.0, "how long it lasts, seconds")

scenario(
    hardship=[
        {
            "verb": "cut",
            "name": "blackout",
            "at_s": CALM,
            "lasting_s": LASTING,
            "share": ask("--share", 0.3, "share of the stations that lose their network", most=1.0),
            "spread_s": 2.0,
            "return_spread_s": 5.0,
        },
        {
            "verb": "power_off",
            "name": "blackout",
            "at_s": CALM,
            "lasting_s": LASTING,
            "share": ask("--power-share", 0.1, "share of the stations that lose their mains", most=1.0),
            "return_spread_s": 5.0,
        },
    ],
    watch_s=ask("--watch-s", 120.0, "seconds to watch afterwards"),
)


class GreenUp(StationUser):
    """One charging station."""
