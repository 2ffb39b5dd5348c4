"""/metrics on Locust's web server: the aggregates of the Fleet page in Prometheus' text format.

Sums over workers and figures per worker, never anything per station, so that a scrape is as small at 30,000
stations as at 30. Counters begin anew with each test. With --web-login a scraper gives the login's name and
password as Basic authentication.
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final, NamedTuple

import numpy as np
from flask import Blueprint, Response, request

from engine.bridge.pulse import Pulse, middle_ms, upper_bound_us
from engine.bridge.web import guard, login
from engine.bridge.web.live import Live, Picture
from engine.bridge.web.verdict import TRUSTED

CONTENT_TYPE: Final = "text/plain; version=0.0.4; charset=utf-8"
# Bins are a sixteenth of an octave: a call counts as below a bound when its whole bin is.
BOUNDS_S: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)

Labels = Mapping[str, str]
Sample = tuple[str, Labels, float]  # suffix of the name, labels, value


class Family(NamedTuple):
    """One metric: its type and what it is."""

    kind: str
    help: str


FAMILIES: Final[dict[str, Family]] = {
    "greenup_running": Family("gauge", "1 while a test is on"),
    "greenup_run_info": Family("gauge", "always 1; the labels name the run folder and the phase"),
    "greenup_trusted": Family("gauge", "1 while the limits on our own health hold, by results/limits.py"),
    "greenup_stations": Family("gauge", "stations running"),
    "greenup_stations_waiting": Family("gauge", "stations leased and not yet booted"),
    "greenup_links": Family("gauge", "stations by state of their WebSocket"),
    "greenup_registrations": Family("gauge", "stations by registration; none: not told yet"),
    "greenup_connectors": Family("gauge", "connectors by ChargePointStatus"),
    "greenup_sessions": Family("gauge", "transactions running"),
    "greenup_power_watts": Family("gauge", "drawn by all cars"),
    "greenup_backlog_messages": Family("gauge", "transaction messages waiting for a link or a turn"),
    "greenup_connects_total": Family("counter", "WebSockets opened"),
    "greenup_reconnects_total": Family("counter", "WebSockets opened that were not a station's first"),
    "greenup_refusals_total": Family("counter", "attempts to connect that failed"),
    "greenup_findings_total": Family("counter", "rules broken by the central system"),
    "greenup_calls_total": Family("counter", "calls ended, by side that asked (OCPP: station) and action"),
    "greenup_calls_failed_total": Family("counter", "those of them that failed"),
    "greenup_response_seconds": Family("histogram", "due to answered, of the stations' calls, by action"),
    "greenup_worker_gen_lag_p99_seconds": Family("gauge", "own lag of a worker's calls, last second"),
    "greenup_worker_loop_delay_p99_seconds": Family("gauge", "delay of a worker's loop, last second"),
    "greenup_worker_canary_p99_seconds": Family("gauge", "floor of what a worker measures, last second"),
    "greenup_worker_clock_offset_seconds": Family("gauge", "a worker's clock minus the master's"),
    "greenup_worker_cpu_ratio": Family("gauge", "CPU of a worker's process, 1 is one core"),
    "greenup_worker_dropped_rows_total": Family("counter", "rows that a worker could not record"),
}
_SUMS: Final = {
    "greenup_stations": "stations",
    "greenup_stations_waiting": "waiting",
    "greenup_sessions": "sessions",
    "greenup_power_watts": "power_w",
    "greenup_backlog_messages": "backlog",
    "greenup_connects_total": "connects",
    "greenup_reconnects_total": "reconnects",
    "greenup_refusals_total": "refusals",
}
_COUNTS: Final = {
    "greenup_links": ("links", "state"),
    "greenup_registrations": ("registrations", "status"),
    "greenup_connectors": ("connectors", "status"),
    "greenup_findings_total": ("rules", "rule"),
}
_WORKERS: Final = {
    "greenup_worker_gen_lag_p99_seconds": ("gen_lag_p99_us", 1e-6),
    "greenup_worker_loop_delay_p99_seconds": ("loop_delay_p99_us", 1e-6),
    "greenup_worker_canary_p99_seconds": ("canary_p99_us", 1e-6),
    "greenup_worker_clock_offset_seconds": ("clock_offset_us", 1e-6),
    "greenup_worker_cpu_ratio": ("cpu_percent", 1e-2),
    "greenup_worker_dropped_rows_total": ("dropped_rows", 1.0),
}


def install(web_ui: Any, live: Live) -> None:
    """Hang the route into Locust's application."""
    base = (web_ui.environment.parsed_options.web_base_path or "").rstrip("/")
    blueprint = Blueprint("greenup_metrics", __name__)

    @blueprint.get(f"{base}/metrics")
    def metrics() -> Any:
        given = request.authorization
        if web_ui.web_login and not (given and login.is_right(given.username or "", given.password or "")):
            if given:
                login.pause()
            return Response(status=401, headers={"WWW-Authenticate": 'Basic realm="greenup"'})
        return guard.strict(Response(exposition(live.picture), content_type=CONTENT_TYPE))

    web_ui.app.register_blueprint(blueprint)


def exposition(picture: Picture | None) -> str:
    """Everything, as text."""
    found: dict[str, list[Sample]] = {"greenup_running": [("", {}, float(_is_on(picture)))]}
    if picture is not None:
        found |= {name: list(samples) for name, samples in _of_fleet(picture)}
        found |= {name: list(_of_workers(picture, *what)) for name, what in _WORKERS.items()}
        found |= _of_calls(picture.totals)
    return "".join(line for name, samples in found.items() for line in _lines(name, samples))


def _is_on(picture: Picture | None) -> bool:
    return picture is not None and picture.ended_s is None


def _of_fleet(picture: Picture) -> Iterator[tuple[str, Iterable[Sample]]]:
    yield "greenup_run_info", [("", {"run": picture.trial.run, "phase": picture.trial.phase}, 1.0)]
    state, _ = picture.watchman.verdict(ended=not _is_on(picture))
    yield "greenup_trusted", [("", {}, float(state == TRUSTED))]
    for name, key in _SUMS.items():
        yield name, [("", {}, picture.sums.get(key, 0.0))]
    for name, (key, label) in _COUNTS.items():
        yield name, [("", {label: value or "none"}, count) for value, count in picture.counts(key).items()]


def _of_workers(picture: Picture, key: str, scale: float) -> Iterator[Sample]:
    trial = picture.trial
    for client, gauges in trial.gauges.items():
        if key in gauges:
            yield "", {"worker": trial.names[client]}, gauges[key] * scale


def _of_calls(totals: Mapping[str, Pulse]) -> dict[str, list[Sample]]:
    calls: list[Sample] = []
    failed: list[Sample] = []
    times: list[Sample] = []
    for name, pulse in sorted(totals.items()):
        side, _, action = name.partition(" ")
        labels = {"side": side, "action": action}
        calls.append(("", labels, pulse.count))
        failed.append(("", labels, pulse.failed))
        if pulse.times.any():
            times += _histogram({"action": action}, pulse)
    return {
        "greenup_calls_total": calls,
        "greenup_calls_failed_total": failed,
        "greenup_response_seconds": times,
    }


def _histogram(labels: Labels, pulse: Pulse) -> Iterator[Sample]:
    bins = np.arange(len(pulse.times))
    cumulative = np.cumsum(pulse.times)
    below = np.searchsorted(upper_bound_us(bins), np.array(BOUNDS_S) * 1e6, side="right")
    for bound_s, whole_bins in zip(BOUNDS_S, below.tolist(), strict=True):
        count = int(cumulative[whole_bins - 1]) if whole_bins else 0
        yield "_bucket", {**labels, "le": f"{bound_s:g}"}, count
    yield "_bucket", {**labels, "le": "+Inf"}, int(cumulative[-1])
    yield "_sum", labels, float(pulse.times @ middle_ms(bins)) / 1_000
    yield "_count", labels, int(cumulative[-1])


def _lines(name: str, samples: Iterable[Sample]) -> Iterator[str]:
    family = FAMILIES[name]
    yield f"# HELP {name} {family.help}\n# TYPE {name} {family.kind}\n"
    for suffix, labels, value in samples:
        told = ",".join(f'{label}="{_escaped(text)}"' for label, text in labels.items())
        yield f"{name}{suffix}{{{told}}} {value:.10g}\n" if told else f"{name}{suffix} {value:.10g}\n"


def _escaped(text: str) -> str:
    return text.replace("\\", r"\\").replace('"', r"\"").replace("\n", r"\n")
