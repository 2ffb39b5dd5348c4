"""New firmware for everybody: how fast does the fleet answer, install and come back?

UpdateFirmware goes to every station through the central system that comes with the project, so many a second.
Downloads and installations are modelled; stations restart and report the new version. With --csms-url the log
says when to begin the campaign in the real one, and the run watches.

    greenup run firmware_campaign --stations 1000 --per-s 20
"""

from engine.bridge import StationUser, ask, scenario

scenario(
    commands=[
        {
            "action": "UpdateFirmware",
            "payload": {"location": "https://firmware.example/V02.00.00.bin", "retrieveDate": "now"},
            "at_s": ask("--calm-s", 20.0, "seconds of quiet before it"),
            "rate_per_s": ask("--per-s", 50.0, "stations told each second"),
            "obeyed": "installed",
        }
    ],
    watch_s=ask("--watch-s", 600.0, "seconds to watch afterwards"),
)


class GreenUp(StationUser):
    """One charging station."""
