"""Counters of a running central system and the rates that the API shows."""

from collections import deque
from typing import Final

from msgspec import Struct, field

WINDOW_S: Final = 10


class Statistics(Struct):
    """Counted since the process started; sessions add to it directly."""

    started_s: float
    connections_opened: int = 0
    connections_refused: int = 0
    messages_in: int = 0
    messages_out: int = 0
    bytes_in: int = 0
    bytes_out: int = 0
    bugs: int = 0  # our own failures while answering
    unreadable: int = 0  # no frame could be read from the message (RPC-6)
    unexpected_answers: int = 0  # late, foreign or repeated ids (RPC-5)
    overlapping_calls: int = 0  # a station's second CALL before the answer to its first (RPC-3)
    calls: dict[str, int] = field(default_factory=dict)  # by action, from stations
    errors_sent: dict[str, int] = field(default_factory=dict)  # CALLERRORs by code
    commands: dict[str, int] = field(default_factory=dict)  # by outcome, to stations

    def count_error(self, code: str) -> None:
        """A CALLERROR was sent."""
        self.errors_sent[code] = self.errors_sent.get(code, 0) + 1

    def count_command(self, outcome: str) -> None:
        """A CALL to a station ended."""
        self.commands[outcome] = self.commands.get(outcome, 0) + 1


class Rates:
    """Messages per second over the last `WINDOW_S` seconds, from one tick a second."""

    def __init__(self) -> None:
        self._ticks: deque[tuple[float, int, int]] = deque(maxlen=WINDOW_S + 1)

    def tick(self, now_s: float, statistics: Statistics) -> None:
        """Remember where the counters stand; `now_s` on any steady clock."""
        self._ticks.append((now_s, statistics.messages_in, statistics.messages_out))

    def per_second(self) -> tuple[float, float]:
        """Messages in and out per second."""
        if len(self._ticks) < 2:
            return 0.0, 0.0
        (from_s, from_in, from_out), (to_s, to_in, to_out) = self._ticks[0], self._ticks[-1]
        elapsed_s = max(to_s - from_s, 1e-9)
        return (to_in - from_in) / elapsed_s, (to_out - from_out) / elapsed_s
