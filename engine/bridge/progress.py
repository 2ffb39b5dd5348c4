"""One line that lives while a headless run goes on: rewritten on a terminal, repeated in a log."""

import logging
import shutil
import sys
import textwrap
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
_TO_THE_END: Final = "\x1b[J"  # of the screen, from the cursor on
_LOGGERS: Final = ("", "locust.stats_logger")  # those of Locust's that have handlers of their own


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
    # Who was accepted stays so without a link.
    up = min(gauges["registrations.Accepted"], gauges["links.open"])
    refusals = f"  {gauges['refusals']:,.0f} attempts to connect failed" if gauges["refusals"] else ""
    return (
        f"{int(elapsed_s) // 60:02d}:{int(elapsed_s) % 60:02d}"
        f"  {up:,.0f}/{known:,.0f} stations up"
        f"  {gauges['sessions']:,.0f} charging, {gauges['power_w'] / 1000:,.0f} kW"
        f"  {calls_per_s:,.0f} calls/s  p95 {p95_ms:,.0f} ms  {stats.num_failures:,} failed"
        f"  {gauges['reconnects']:,.0f} reconnects{refusals}  {gauges['backlog']:,.0f} queued"
        f"  own lag p99 {gauges['gen_lag_p99_us'] / 1000:,.1f} ms"
    )


class _Terminal:
    """Rows that are rewritten where they stand; what is logged meanwhile goes above them."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._rows = 0
        for name in _LOGGERS:
            for handler in logging.getLogger(name).handlers:
                handler.addFilter(self._make_way)

    def show(self, text: str) -> None:
        """Instead of what was shown before; folded, because a row that wraps cannot be rewritten."""
        rows = textwrap.wrap(text, max(20, shutil.get_terminal_size().columns - 1))
        self._write(self._back() + "\n".join(rows))
        self._rows = len(rows)

    def erase(self) -> None:
        """Leave the terminal as it was found."""
        if self._rows:
            self._write(self._back())
            self._rows = 0

    def _back(self) -> str:
        up = f"\x1b[{self._rows - 1}A" if self._rows > 1 else ""
        return f"\r{up}{_TO_THE_END}"

    def _make_way(self, _record: logging.LogRecord) -> bool:
        self.erase()
        return True

    def _write(self, text: str) -> None:
        self._stream.write(text)
        self._stream.flush()


class _Log:
    """One line after the other."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def show(self, text: str) -> None:
        """As a line of its own."""
        self._stream.write(f"{text}\n")
        self._stream.flush()

    def erase(self) -> None:
        """A log keeps what was said."""


class Progress:
    """Prints the line of the conductor's current test until it is stopped."""

    def __init__(self, conductor: "Conductor", stats: RequestStats, stream: TextIO | None = None) -> None:
        self._conductor = conductor
        self._stats = stats
        shown = stream or sys.stdout
        self._interval_s = TERMINAL_INTERVAL_S if shown.isatty() else LOG_INTERVAL_S
        self._out = _Terminal(shown) if shown.isatty() else _Log(shown)
        self._greenlet = gevent.spawn(self._run)

    def stop(self) -> None:
        """Leave the terminal as it was found."""
        self._greenlet.kill(block=False)
        self._out.erase()

    def _run(self) -> None:
        before = 0.0
        while True:
            gevent.sleep(self._interval_s)
            trial = self._conductor.trial
            if trial is None:
                before = 0.0
                continue
            gauges = added(trial.gauges.values())
            calls_per_s, before = max(0.0, gauges["calls"] - before) / self._interval_s, gauges["calls"]
            self._out.show(line(time.monotonic() - trial.began_s, gauges, calls_per_s, self._stats))
