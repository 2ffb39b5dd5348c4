"""The grid asks for less: how fast does the fleet answer a charging profile, and how fast does power fall?

SetChargingProfile goes to every station at once through the central system that comes with the project,
limiting each station to --limit-a amperes. With --csms-url the log says when to send it, and the run watches.

    greenup run smart_charging_broadcast --stations 1000 --limit-a 8
"""

from engine.bridge import StationUser, ask, scenario

SCHEDULE = {
    "chargingRateUnit": "A",
    "chargingSchedulePeriod": [
        {"startPeriod": 0, "limit": ask("--limit-a", 8.0, "amperes per phase and station")}
    ],
}

scenario(
    commands=[
        {
            "action": "SetChargingProfile",
            "payload": {
                "connectorId": 0,
                "csChargingProfiles": {
                    "chargingProfileId": 1,
                    "stackLevel": 0,
                    "chargingProfilePurpose": "ChargePointMaxProfile",
                    "chargingProfileKind": "Absolute",
                    "chargingSchedule": {"startSchedule": "now", **SCHEDULE},
                },
            },
            "at_s": ask("--calm-s", 60.0, "seconds of charging before it"),
            "obeyed": "limited",
        }
    ],
    watch_s=ask("--watch-s", 60.0, "seconds to watch afterwards"),
)


class GreenUp(StationUser):
    """One charging station."""
