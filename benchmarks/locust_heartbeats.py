"""A locustfile beside the scenario's, for `distribution.py`: what the master of a run heard, and when.

At the end the master writes JSON to the file named by GREENUP_HEARTBEATS: Unix times of the moments of the
test, and of every worker the longest time between two of its heartbeats.
"""

import json
import os
import time
from pathlib import Path
from typing import Any

from locust import events
from locust.runners import MasterRunner

_moments: dict[str, float] = {}
_heard: dict[str, float] = {}
_gaps: dict[str, float] = {}


@events.init.add_listener
def _on_init(environment: Any, **_event: Any) -> None:
    if not isinstance(environment.runner, MasterRunner):
        return
    for name in ("test_start", "spawning_complete", "test_stopping", "test_stop"):
        getattr(environment.events, name).add_listener(_note(name))
    environment.events.heartbeat_sent.add_listener(_on_heartbeat)
    environment.events.quit.add_listener(_write)


def _note(name: str) -> Any:
    def note(**_event: Any) -> None:
        _moments[name] = time.time()

    return note


def _on_heartbeat(client_id: str, timestamp: float, **_event: Any) -> None:
    since_s = timestamp - _heard.get(client_id, timestamp)
    _gaps[client_id] = max(_gaps.get(client_id, 0.0), since_s)
    _heard[client_id] = timestamp


def _write(**_event: Any) -> None:
    file = Path(os.environ["GREENUP_HEARTBEATS"])
    file.write_text(json.dumps({"moments": _moments, "longest_gaps_s": list(_gaps.values())}))
