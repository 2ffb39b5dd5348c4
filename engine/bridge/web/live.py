"""What the Fleet page shows, kept by the master: sums over workers, never anything per station.

Workers report gauges and a pulse each second. Once a second they are added up to a point. The last ten
minutes are kept second by second, the whole run in a bounded number of points: when they are full, of two
neighbours the one with the higher p99 stays, so that no bad moment disappears from the picture.
"""

import time
from collections import deque
from collections.abc import Iterable, Iterator
from typing import Any, Final

import gevent
import msgspec
from msgspec import Struct

from engine.bridge import analysis
from engine.bridge.conductor import Conductor
from engine.bridge.messages import PULSE, Beat
from engine.bridge.progress import added
from engine.bridge.pulse import Pulse
from engine.bridge.trial import Trial
from engine.bridge.web.verdict import Watchman
from results.exit_codes import ExitCode
from stations.errors import PlanError

QUANTILES: Final = (0.5, 0.95, 0.99)
RECENT_S: Final = 600
WHOLE_POINTS: Final = 600
TABLE_WINDOW_S: Final = 10
CHART_WINDOW_S: Final = 5
RATE_WINDOW_S: Final = 3  # workers report in their own rhythm: one second may hold two of their reports
_MOMENTARY: Final = ("stations", "waiting", "sessions", "power_w", "backlog")
OUT: Final = "OCPP "  # asked by stations; only those have response times


class Point(Struct):
    """One second of the whole fleet."""

    t_s: float
    stations: int
    links: dict[str, int]
    charging: int
    power_kw: float
    backlog: int
    calls_per_s: float
    failed_per_s: float
    reconnects_per_s: float
    all_ms: list[float | None]  # p50, p95, p99 of every call of a station
    by_action: dict[str, list[float | None]]  # calls/s, p50, p95, p99
    lag_ms: float
    delay_ms: float
    cpu_percent: float

    @property
    def badness(self) -> float:
        """What makes a moment worth keeping."""
        return self.all_ms[-1] or 0.0


class History:
    """A run of any length in a bounded number of points."""

    def __init__(self, most: int = WHOLE_POINTS) -> None:
        self._most = most
        self._step = 1
        self._pending: list[Point] = []
        self.points: list[Point] = []

    def add(self, point: Point) -> None:
        """One more second."""
        self._pending.append(point)
        if len(self._pending) < self._step:
            return
        self.points.append(max(self._pending, key=_badness))
        self._pending = []
        if len(self.points) >= self._most:
            pairs = zip(self.points[::2], self.points[1::2], strict=True)
            self.points = [max(pair, key=_badness) for pair in pairs]
            self._step *= 2


def _badness(point: Point) -> float:
    return point.badness


class Picture:
    """One test, from its beginning to as long as somebody looks at it."""

    def __init__(self, trial: Trial) -> None:
        self.trial = trial
        self.watchman = Watchman()
        self.recent: deque[tuple[int, Point]] = deque(maxlen=RECENT_S)
        self.whole = History()
        self.totals: dict[str, Pulse] = {}
        self.number = 0  # of the last point
        self.ended_s: float | None = None
        self.gate: dict[str, Any] | None = None  # verdict.json, once the run has ended and was checked
        self.gate_mistake = ""
        self._now: dict[str, Pulse] = {}
        self._seconds: deque[dict[str, Pulse]] = deque(maxlen=TABLE_WINDOW_S)
        self._reconnects: deque[float] = deque([0.0], maxlen=RATE_WINDOW_S + 1)
        self.sums: dict[str, float] = added([])

    def beat(self, beat: Beat) -> None:
        """A worker has told a second of calls."""
        for action, told in beat.actions.items():
            for pulses in (self._now, self.totals):
                pulses.setdefault(action, Pulse()).add(told)

    def sample(self, now_s: float) -> None:
        """A second is over; `now_s` is monotonic."""
        trial = self.trial
        reports = {trial.names[client]: gauges for client, gauges in trial.gauges.items()}
        self.watchman.look(reports, now_s, phase=trial.phase, lost=trial.faltered)
        self.sums = added(trial.gauges.values())
        self._seconds.append(self._now)
        self._now = {}
        self._reconnects.append(max(self._reconnects[-1], self.sums["reconnects"]))
        point = self._point(now_s - trial.began_s)
        self.number += 1
        self.recent.append((self.number, point))
        self.whole.add(point)

    def end(self, now_s: float) -> None:
        """Everybody has left: workers do not report that."""
        self.ended_s = now_s
        self.sums |= dict.fromkeys(_MOMENTARY, 0.0)
        for gauges in self.trial.gauges.values():
            gauges |= {"links": {}, "connectors": {}, "registrations": {}}

    def _point(self, t_s: float) -> Point:
        sums, workers = self.sums, list(self.trial.gauges.values())
        rates = self._joined(RATE_WINDOW_S)
        times = self._joined(CHART_WINDOW_S)
        seconds = min(len(self._seconds), RATE_WINDOW_S)
        return Point(
            t_s=round(t_s, 1),
            stations=int(sums["stations"]),
            links=self.counts("links"),
            charging=int(sums["sessions"]),
            power_kw=round(sums["power_w"] / 1000, 1),
            backlog=int(sums["backlog"]),
            calls_per_s=_rate(rates.values(), "count", seconds),
            failed_per_s=_rate(rates.values(), "failed", seconds),
            reconnects_per_s=_share(self._reconnects[-1] - self._reconnects[0], len(self._reconnects) - 1),
            all_ms=_all(times).percentiles_ms(QUANTILES),
            by_action={
                name: [_share(pulse.count, seconds), *_of(times.get(name)).percentiles_ms(QUANTILES)]
                for name, pulse in rates.items()
            },
            lag_ms=_most(workers, "gen_lag_p99_us") / 1000,
            delay_ms=_most(workers, "loop_delay_p99_us") / 1000,
            cpu_percent=_most(workers, "cpu_percent"),
        )

    def counts(self, name: str) -> dict[str, int]:
        """Counts by name over all workers: `links`, `connectors`, `registrations`, `rules`."""
        found: dict[str, int] = {}
        for gauges in self.trial.gauges.values():
            for key, count in gauges.get(name, {}).items():
                found[key] = found.get(key, 0) + count
        return found

    def actions(self) -> Iterator[dict[str, Any]]:
        """The table: each action since the start, and the last seconds of it."""
        window = self._joined(TABLE_WINDOW_S)
        seconds = max(1, len(self._seconds))
        for name, total in sorted(self.totals.items(), key=lambda item: -item[1].count):
            last = _of(window.get(name))
            yield {
                "action": name,
                "count": total.count,
                "failed": total.failed,
                "per_s": _share(last.count, seconds),
                "ms": last.percentiles_ms(QUANTILES) if name.startswith(OUT) else None,
            }

    def _joined(self, seconds: int) -> dict[str, Pulse]:
        joined: dict[str, Pulse] = {}
        for second in list(self._seconds)[-seconds:]:
            for name, pulse in second.items():
                joined.setdefault(name, Pulse()).join(pulse)
        return joined


def _of(pulse: Pulse | None) -> Pulse:
    return Pulse() if pulse is None else pulse


def _all(pulses: dict[str, Pulse]) -> Pulse:
    everything = Pulse()
    for name, pulse in pulses.items():
        if name.startswith(OUT):
            everything.join(pulse)
    return everything


def _rate(pulses: Iterable[Pulse], what: str, seconds: int) -> float:
    return _share(sum(getattr(pulse, what) for pulse in pulses), seconds)


def _share(count: float, seconds: int) -> float:
    return round(count / max(1, seconds), 2)


def _most(workers: list[dict[str, Any]], name: str) -> float:
    return max((float(gauges.get(name) or 0.0) for gauges in workers), default=0.0)


class Live:
    """The picture of the test that is on, or of the last one."""

    def __init__(self, conductor: Conductor, runner: Any) -> None:
        self._conductor = conductor
        self.picture: Picture | None = None
        runner.register_message(PULSE, self._on_beat)
        gevent.spawn(self._run)

    def _current(self) -> Picture | None:
        trial = self._conductor.trial
        if trial is not None and (self.picture is None or self.picture.trial is not trial):
            self.picture = Picture(trial)
        return self.picture

    def _on_beat(self, msg: Any, **_event: Any) -> None:
        picture = self._current()
        if picture is not None and msg.data["run"] == picture.trial.run:
            picture.beat(msgspec.convert(msg.data, Beat))

    def _run(self) -> None:
        while True:
            gevent.sleep(1.0)
            picture = self._current()
            if picture is None or picture.ended_s is not None:
                continue
            picture.sample(time.monotonic())
            if self._conductor.trial is None:
                picture.end(time.monotonic())
                if picture.trial.settings.slo:
                    gevent.spawn(self._check, picture)

    def _check(self, picture: Picture) -> None:
        """The thresholds of a run that has ended, as a headless run has them printed."""
        run = picture.trial.folder
        self._conductor.wait_until_sealed()
        try:
            picture.gate = analysis.verdict(run.path, picture.trial.settings.slo)
            self._conductor.codes.add(ExitCode(picture.gate["exit_code"]))
        except PlanError as mistake:
            picture.gate_mistake = str(mistake)
