"""Plain Locust with websocket-client, a greenlet per station, as blog posts do it.

locust -f plain_locust.py --headless -u STATIONS -r 200 -H URL        PEER_INTERVAL is the pace, s
"""

import itertools
import json
import os
import time
from datetime import UTC, datetime

from locust import User, constant_pacing, task
from websocket import create_connection

NUMBERS = itertools.count()
SAMPLES = [
    {"value": "1234567", "measurand": "Energy.Active.Import.Register", "unit": "Wh"},
    {"value": "7261.5", "measurand": "Power.Active.Import", "unit": "W"},
    {"value": "31.4", "measurand": "Current.Import", "unit": "A"},
    {"value": "231.2", "measurand": "Voltage", "unit": "V"},
]


def now() -> str:
    return datetime.now(UTC).isoformat()


class Station(User):
    """One connection; an answer is waited for."""

    wait_time = constant_pacing(float(os.environ["PEER_INTERVAL"]))

    def on_start(self) -> None:
        """Connect, boot, begin to charge."""
        self.calls = itertools.count()
        self.socket = create_connection(f"{self.host}/P{next(NUMBERS)}", subprotocols=["ocpp1.6"])
        self.ask("BootNotification", {"chargePointModel": "m", "chargePointVendor": "v"})
        begun = {"connectorId": 1, "idTag": "TAG", "meterStart": 0, "timestamp": now()}
        self.transaction = self.ask("StartTransaction", begun)["transactionId"]

    def ask(self, action: str, payload: dict) -> dict:
        """One call; the payload of its answer."""
        began = time.perf_counter()
        self.socket.send(json.dumps([2, str(next(self.calls)), action, payload]))
        answer = json.loads(self.socket.recv())
        took_ms = (time.perf_counter() - began) * 1000
        self.environment.events.request.fire(
            request_type="OCPP", name=action, response_time=took_ms, response_length=0, exception=None
        )
        return answer[2]

    @task
    def sample(self) -> None:
        """Four samples."""
        value = {"timestamp": now(), "sampledValue": SAMPLES}
        self.ask("MeterValues", {"connectorId": 1, "transactionId": self.transaction, "meterValue": [value]})
