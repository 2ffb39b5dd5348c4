"""One line that lives while a headless run goes on: rewritten on a terminal, repeated in a log."""

import sys
import time
from collections import defaultdict
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, Final, TextIO

import gevent
from locust.stats import RequestStats

if TYPE_CHECKING:
    from engine.bridge.conductor import Conductor

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


def line(elapsed_s: float, gauges: dict[str, float], calls_per_s: float, stats: Any) -> str:
    """What the run is doing, in about a hundred characters."""
    p95_ms = stats.total.get_current_response_time_percentile(0.95) or 0
    known = gauges["stations"] + gauges["waiting"]
    return (
        f"{int(elapsed_s) // 60:02d}:{int(elapsed_s) % 60:02d}"
        f"  {gauges['registrations.Accepted']:,.0f}/{known:,.0f} stations up"
        f"  {gauges['sessions']:,.0f} charging, {gauges['power_w'] / 1000:,.0f} kW"
        f"  {calls_per_s:,.0f} calls/s  p95 {p95_ms:,.0f} ms  {stats.num_failures:,} failed"
        f"  {gauges['reconnects']:,.0f} reconnects  {gauges['backlog']:,.0f} queued"
        f"  own lag p99 {gauges['gen_lag_p99_us'] / 1000:,.1f} ms"
    )


class Progress:
    """Prints the line of the conductor's current test until it is stopped."""

    def __init__(self, conductor: "Conductor", stats: RequestStats, stream: TextIO | None = None) -> None:
        self._conductor = conductor
        self._stats = stats
        self._stream = stream or sys.stdout
        self._terminal = self._stream.isatty()
        self._greenlet = gevent.spawn(self._run)

    def stop(self) -> None:
        """Leave the terminal as it was found."""
        self._greenlet.kill(block=False)
        if self._terminal:
            self._write(_ERASE)

    def _run(self) -> None:
        interval_s = TERMINAL_INTERVAL_S if self._terminal else LOG_INTERVAL_S
        before = 0.0
        while True:
            gevent.sleep(interval_s)
            trial = self._conductor.trial
            if trial is None:
                before = 0.0
                continue
            gauges = added(trial.gauges.values())
            calls_per_s, before = max(0.0, gauges["calls"] - before) / interval_s, gauges["calls"]
            text = line(time.monotonic() - trial.began_s, gauges, calls_per_s, self._stats)
            self._write(f"{_ERASE}{text}" if self._terminal else f"{text}\n")

    def _write(self, text: str) -> None:
        self._stream.write(text)
        self._stream.flush()
