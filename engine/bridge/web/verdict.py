"""Whether the numbers of a run under way can be trusted, by the limits of the analysis after it."""

from collections.abc import Collection, Mapping
from typing import Any, Final, NamedTuple

from results.limits import DEFAULT_LIMITS, Limits

SILENT_S: Final = 5.0
_PER_SECOND: Final = ("loop_delay_p99_us", "gen_lag_p99_us", "canary_p99_us", "cpu_percent")

WAITING: Final = "waiting"
TRUSTED: Final = "trusted"
UNTRUSTED: Final = "untrusted"


class Reason(NamedTuple):
    """A sentence of `engine.bridge.web.words`, with what stands in its gaps."""

    word: str
    gaps: dict[str, Any]


class Seconds:
    """How one worker has kept time."""

    def __init__(self) -> None:
        self.seen = 0
        self.bad = 0
        self.worst: dict[str, float] = {}
        self.heard_s = 0.0
        self.last: dict[str, Any] = {}


class Watchman:
    """Looks at every worker's report once a second."""

    def __init__(self, limits: Limits = DEFAULT_LIMITS) -> None:
        self._limits = limits
        self._phase = ""
        self.workers: dict[str, Seconds] = {}
        self._now_s = 0.0
        self._lost: Collection[str] = ()

    def look(
        self, reports: Mapping[str, dict[str, Any]], now_s: float, *, phase: str, lost: Collection[str]
    ) -> None:
        """Reports by worker. As in the analysis, seconds before the steady phase count until it begins."""
        self._now_s, self._lost = now_s, lost
        if phase == "steady" and self._phase != phase:
            for seconds in self.workers.values():
                seconds.seen, seconds.bad, seconds.worst = 0, 0, {}
        if phase != "drain":
            self._phase = phase
        for name, report in reports.items():
            self._count(self.workers.setdefault(name, Seconds()), report, counted=phase != "drain")

    def _count(self, seconds: Seconds, report: dict[str, Any], *, counted: bool) -> None:
        if report is seconds.last:
            return  # nothing new: the worker has not reported since
        seconds.last, seconds.heard_s = report, self._now_s
        broken = [name for name in _PER_SECOND if (report.get(name) or 0.0) > getattr(self._limits, name)]
        if not counted:
            return
        seconds.seen += 1
        seconds.bad += bool(broken)
        for name in broken:
            seconds.worst[name] = max(seconds.worst.get(name, 0.0), report[name])

    def verdict(self, *, ended: bool = False) -> tuple[str, list[Reason]]:
        """`trusted`, `untrusted` with reasons, or `waiting` while nobody has reported."""
        if not self.workers:
            return WAITING, []
        reasons = [Reason("worker_lost", {"worker": name}) for name in sorted(self._lost)]
        for name, seconds in sorted(self.workers.items()):
            reasons += self._reasons(name, seconds, ended=ended)
        return (UNTRUSTED if reasons else TRUSTED), reasons

    def _reasons(self, name: str, seconds: Seconds, *, ended: bool) -> list[Reason]:
        limits, found = self._limits, []
        silent_s = self._now_s - seconds.heard_s
        if silent_s > SILENT_S and not ended and name not in self._lost:
            found.append(Reason("worker_silent", {"worker": name, "seconds": round(silent_s)}))
        if seconds.bad >= limits.bad_seconds and seconds.bad > limits.bad_seconds_share * seconds.seen:
            gaps = {"worker": name, "bad": seconds.bad, "seen": seconds.seen, "worst": dict(seconds.worst)}
            found.append(Reason("worker_late", gaps))
        if seconds.last.get("dropped_rows"):
            found.append(Reason("rows_dropped", {"worker": name, "rows": seconds.last["dropped_rows"]}))
        if seconds.last.get("bugs"):
            found.append(Reason("own_bugs", {"worker": name, "bugs": seconds.last["bugs"]}))
        return found
