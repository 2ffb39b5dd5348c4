"""Some stations break the rules: does the central system protect itself, and serve the others as before?

A share of the fleet has faults of the product (misspelt fields, unknown codes, floods, doubled starts, wrong
clocks), and another share abuses the protocol: messages of a megabyte, readers that do not read, half-open
sockets, connecting and disconnecting in a loop, one message id twice. Only the target given is ever touched.

    greenup run misbehaving --stations 500 --share 0.05 --csms-url ws://csms.example:9000/ocpp
"""

from engine.bridge import StationUser, ask, scenario

EVERY = ask("--every-s", 60.0, "seconds between two abuses of each kind")
SHARE = ask("--share", 0.02, "share of the stations that commit each", most=1.0)
ABUSE = {"every_s": EVERY, "share": SHARE, "spread_s": 5.0, "name": "abuse"}
TIMES = ask("--times", 5, "how often each kind is committed")

scenario(
    fleet="misbehaving",
    hardship=[
        {
            "verb": "oversize",
            "size_bytes": ask("--size-bytes", 1 << 20, "an oversized message"),
            "times": TIMES,
            "at_s": 10.0,
            **ABUSE,
        },
        {"verb": "repeat", "times": TIMES, "at_s": 15.0, **ABUSE},
        {"verb": "deaf", "times": TIMES, "at_s": 20.0, "lasting_s": 20.0, "per_s": 20.0, **ABUSE},
        {"verb": "hold", "times": TIMES, "at_s": 25.0, "lasting_s": 30.0, **ABUSE},
        {"verb": "churn", "times": TIMES, "at_s": 30.0, "lasting_s": 10.0, "per_s": 5.0, **ABUSE},
    ],
)


class GreenUp(StationUser):
    """One charging station."""
