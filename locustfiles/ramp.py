"""How many stations can the central system carry before its answers are too slow or fail?

The fleet grows in ten steps to -u stations. Each step is held until the response time is stable; the search
ends when a limit breaks twice in a row, and the highest load that passed is printed and kept in run.json.

    greenup run ramp --stations 5000 --spawn-rate 100 --p95-ms 500 --csms-url ws://csms.example:9000/ocpp
"""

from engine.bridge import StationUser, ask, scenario
from engine.bridge.shape import Knee

scenario(
    shape={
        "p95_ms": ask("--p95-ms", 1000.0, "highest response time at the 95th percentile that passes, ms"),
        "failed_share": ask("--failed-share", 0.01, "highest share of failed calls that passes", most=1.0),
        "look_s": ask("--look-s", 10.0, "seconds between two looks that must agree"),
    },
)


class FindTheKnee(Knee):
    """Ten steps to the number of stations asked for."""


class GreenUp(StationUser):
    """One charging station."""
