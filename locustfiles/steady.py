"""How does the central system hold N stations that boot, charge and stay?

The steady state of a fleet: stations boot at the spawn rate, report their statuses and heartbeat;
drivers come, charge and leave as the fleet's sites say. Locust's own options decide how many and how long:

    locust -f locustfiles/steady.py --csms-url ws://csms.example:9000/ocpp -u 500 -r 50 -t 10m --headless
"""

from engine.bridge import StationUser


class GreenUp(StationUser):
    """One charging station."""
