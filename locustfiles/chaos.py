"""Everything goes wrong a little, all the time: does the central system keep its books in order?

Cuts, half-open links, slow lines, reboots, power failures and restarts of the central system, drawn by
--seed: the same seed is the same chaos. Afterwards `greenup reconcile RUN` compares both sides' books.

    greenup run chaos --stations 500 --duration 20m --seed 7
"""

from engine.bridge import StationUser, ask, scenario

EVERY = ask("--every-s", 60.0, "seconds between two strikes of each kind")
SHARE = ask("--share", 0.05, "share of the stations that each strike hits", most=1.0)
STRIKE = {"every_s": EVERY, "share": SHARE, "spread_s": 10.0, "name": "chaos"}

scenario(
    hardship=[
        {"verb": "cut", "at_s": 10.0, "lasting_s": 20.0, "return_spread_s": 10.0, **STRIKE},
        {"verb": "hold", "at_s": 20.0, "lasting_s": 25.0, **STRIKE},
        {"verb": "slow", "at_s": 5.0, "lasting_s": 40.0, "latency_ms": 800.0, "jitter_ms": 400.0, **STRIKE},
        {"verb": "slow", "at_s": 35.0, "lasting_s": 30.0, "bandwidth_kbit_s": 4.0, **STRIKE},
        {"verb": "lose", "at_s": 30.0, **STRIKE},
        {"verb": "reboot", "at_s": 40.0, **STRIKE},
        {"verb": "power_off", "at_s": 50.0, "lasting_s": 15.0, "return_spread_s": 5.0, **STRIKE},
        {"verb": "restart_csms", "at_s": 120.0, "lasting_s": 3.0, "every_s": 300.0, "name": "chaos"},
    ],
)


class GreenUp(StationUser):
    """One charging station."""
