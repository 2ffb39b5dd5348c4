"""How far a worker's clock is off its master's: asked once a second over Locust's own channel.

The master says its time; the worker takes it for the time at the middle of the round trip. The error is at
most half the round trip, so of the last answers the quickest counts.
"""

import time
from collections import deque
from typing import Any, Final, NamedTuple

from engine.bridge.messages import CLOCK, CLOCK_TOLD, ClockTold, write

KEPT: Final = 16


class Sample(NamedTuple):
    """One answer: how long it took, and what it says."""

    round_trip_us: int
    offset_us: int


class Timepiece:
    """The worker's side, for one test. `wall_us` is the clock that stamps this worker's rows."""

    def __init__(self) -> None:
        self._samples: deque[Sample] = deque(maxlen=KEPT)

    def told(self, sent_us: int, master_us: int, now_us: int) -> int:
        """This worker's clock minus the master's, in microseconds, by all answers so far."""
        self._samples.append(Sample(now_us - sent_us, (sent_us + now_us) // 2 - master_us))
        return min(self._samples).offset_us


def answer_workers(runner: Any) -> None:
    """The master's side: whoever asks is told the time."""

    def tell(msg: Any, **_event: Any) -> None:
        told = ClockTold(msg.data["run"], msg.data["sent_us"], time.time_ns() // 1_000)
        runner.send_message(CLOCK_TOLD, write(told), client_id=msg.node_id)

    runner.register_message(CLOCK, tell)
