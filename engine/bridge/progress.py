"""One line that lives while a headless run goes on: rewritten on a terminal, repeated in a log."""

import sys
import time
from collections import defaultdict
from collections.abc import Iterable
from typing import Any, Final, TextIO

import gevent

TERMINAL_INTERVAL_S: Final = 1.0
LOG_INTERVAL_S: Final = 5.0
_ERASE: Final = "\r\x1b[K"


def added(gauges: Iterable[dict[str, Any]]) -> dict[str, float]:
    """The workers' gauges as one set of totals; counts by name become `links.open` and the like."""
    totals: dict[str, float] = defaultdict(float)
    for worker in gauges:
        for name, value in worker.items():
            if isinstance(value, dict):
                for key, count in value.items():
                    totals[f"{name}.{key}"] += count
            elif name.endswith("_p99_us"):
                totals[name] = max(totals[name], value)
            elif isinstance(value, int | float):
                totals[name] += value
    return totals


def line(elapsed_s: float, gauges: dict[str, float], stats: Any) -> str:
    """What the run is doing, in about a hundred characters."""
    total = stats.total
    p95_ms = total.get_current_response_time_percentile(0.95) or 0
    return (
        f"{int(elapsed_s) // 60:02d}:{int(elapsed_s) % 60:02d}"
        f"  {gauges['registrations.Accepted']:,}/{gauges['stations'] + gauges['waiting']:,} stations up"
        f"  {gauges['sessions']:,} charging {gauges['power_w'] / 1000:,.0f} kW"
        f"  {total.current_rps:,.0f} calls/s  p95 {p95_ms:,.0f} ms"
        f"  {total.num_failures:,} failed  {gauges['reconnects']:,} reconnects  {gauges['backlog']:,} queued"
        f"  own lag p99 {gauges['gen_lag_p99_us'] / 1000:,.1f} ms"
    )


class Progress:
    """Prints the line until it is stopped. `source` gives the gauges of all workers."""

    def __init__(self, conductor: Any, stats: Any, stream: TextIO | None = None) -> None:
        self._conductor = conductor
        self._stats = stats
        self._stream = stream or sys.stdout
        self._terminal = self._stream.isatty()
        self._started_s = time.monotonic()
        self._greenlet = gevent.spawn(self._run)

    def stop(self) -> None:
        """Leave the terminal as an ordinary line found it."""
        self._greenlet.kill(block=False)
        if self._terminal:
            self._write(_ERASE)

    def _run(self) -> None:
        interval_s = TERMINAL_INTERVAL_S if self._terminal else LOG_INTERVAL_S
        while True:
            gevent.sleep(interval_s)
            trial = self._conductor.trial
            if trial is None:
                continue
            gauges = added(trial.gauges.values())
            text = line(time.monotonic() - self._started_s, gauges, self._stats)
            self._write(f"{_ERASE}{text}" if self._terminal else f"{text}\n")

    def _write(self, text: str) -> None:
        self._stream.write(text)
        self._stream.flush()
