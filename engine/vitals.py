"""The generator's own health: whether what was measured is the central system's time or ours (C6).

One row a second of the `health` table. Delays are taken where they arise: the loop's tick knows how late it
is, calls carry their own lag, the garbage collector says when it starts and ends.
"""

import gc
import os
import time
from typing import Any, Final

import numpy as np

from engine.clock import monotonic
from engine.facts import Gauges
from engine.tally import Tally
from results.columns import CallBatch

_PAGE_BYTES: Final = os.sysconf("SC_PAGE_SIZE")
_OUT: Final = "out"


class Vitals:
    """Collects one second at a time; all times real. Used in the loop's thread."""

    def __init__(self) -> None:
        self._delays_s: list[float] = []
        self._lags_us: list[np.ndarray[Any, Any]] = []
        self._echoes_s: list[float] = []
        self.clock_offset_us: int | None = None  # of this worker's clock to the master's, once it is known
        self._collecting_since = 0.0
        self._gc_pause_max_s = 0.0
        self._cpu_s = time.process_time()
        self._since = monotonic()
        self._deadlines = (0, 0)
        gc.callbacks.append(self._on_collection)

    def close(self) -> None:
        """Stop listening to the garbage collector."""
        gc.callbacks.remove(self._on_collection)

    def tick(self, late_s: float) -> None:
        """The loop came back this much later than asked."""
        self._delays_s.append(late_s)

    def echo(self, waited_s: float) -> None:
        """The canary had to wait this long."""
        self._echoes_s.append(waited_s)

    def calls(self, batch: CallBatch) -> None:
        """Own lag of the station's calls in a batch."""
        rows = batch.rows
        self._lags_us.append(rows["gen_lag_us"][rows["direction"] == batch.directions.index(_OUT)])

    def row(self, now: float, gauges: Gauges, tally: Tally) -> dict[str, float]:
        """The second that ends now, by the columns of `results.schema.HEALTH`."""
        delays_s = sorted(self._delays_s) or [0.0]
        lags_us = np.sort(np.concatenate(self._lags_us or [np.zeros(0)]))
        connected = gauges.links.get("open", 0)
        cpu_s = time.process_time()
        values: dict[str, float] = {
            "loop_delay_max_us": int(delays_s[-1] * 1e6),
            "loop_delay_p99_us": int(delays_s[int((len(delays_s) - 1) * 0.99)] * 1e6),
            "cpu_percent": 100.0 * (cpu_s - self._cpu_s) / max(now - self._since, 1e-3),
            "rss_bytes": _rss_bytes(),
            "gc_pause_max_us": int(self._gc_pause_max_s * 1e6),
            "deadlines": tally.deadlines - self._deadlines[0],
            "dropped_deadlines": tally.late_deadlines - self._deadlines[1],
            "stations": gauges.stations,
            "connected": connected,
            "accepted": gauges.registrations.get("Accepted", 0),
            "charging": gauges.sessions,
            "backlog": gauges.backlog,
        }
        if len(lags_us):
            values["gen_lag_max_us"] = int(lags_us[-1])
            values["gen_lag_p99_us"] = int(lags_us[int((len(lags_us) - 1) * 0.99)])
        if self._echoes_s:
            echoes_s = sorted(self._echoes_s)
            values["canary_p99_us"] = int(echoes_s[int((len(echoes_s) - 1) * 0.99)] * 1e6)
        open_files = os.stat("/proc/self/fd").st_size  # noqa: PTH116 — once a second in the loop's thread
        if open_files:  # Linux before 6.2 does not count them, and a walk over all takes too long
            values["open_files"] = open_files
        if self.clock_offset_us is not None:
            values["clock_offset_us"] = self.clock_offset_us
        self._delays_s, self._lags_us, self._echoes_s, self._gc_pause_max_s = [], [], [], 0.0
        self._cpu_s, self._since = cpu_s, now
        self._deadlines = (tally.deadlines, tally.late_deadlines)
        return values

    def _on_collection(self, phase: str, _info: dict[str, int]) -> None:
        # In whichever thread the collector runs: it stops them all.
        if phase == "start":
            self._collecting_since = monotonic()
        else:
            self._gc_pause_max_s = max(self._gc_pause_max_s, monotonic() - self._collecting_since)


def _rss_bytes() -> int:
    with open("/proc/self/statm", "rb") as statm:  # noqa: PTH123 — once a second in the loop's thread
        return int(statm.read().split()[1]) * _PAGE_BYTES
