"""Load shapes of profiles.pacing as Locust's own LoadTestShape.

A locustfile derives from one of these and sets its numbers. -u is the most stations there will be, -r how
fast they boot; what else can be asked for is the scenario's `shape`.
"""

import logging
from typing import Any, ClassVar

import msgspec
from locust import LoadTestShape

from engine.bridge.messages import NOTICES
from engine.bridge.progress import added
from profiles import pacing

log = logging.getLogger(NOTICES)


class _Shape(LoadTestShape):
    """What the command line or the form say about size and rate."""

    abstract = True
    use_common_options = True

    @property
    def _environment(self) -> Any:
        assert self.runner is not None
        return self.runner.environment

    @property
    def most(self) -> int:
        """Stations asked for."""
        parsed = self._environment.parsed_options
        return int(getattr(parsed, "users", None) or parsed.num_users or 1)

    @property
    def rate_per_s(self) -> float:
        """Boots per second asked for."""
        return float(self._environment.parsed_options.spawn_rate or 1.0)


class Tide(_Shape):
    """All stations, and in the last `low_s` of every `period_s` only the share `low`."""

    abstract = True

    def tick(self) -> tuple[int, float] | None:
        """What Locust asks once a second."""
        parsed = self._environment.parsed_options
        return pacing.tide(
            self.get_run_time(),
            self.most,
            self.rate_per_s,
            period_s=parsed.period_s,
            low_s=parsed.low_s,
            low=parsed.low,
        )


class Knee(_Shape):
    """Up in steps until the central system breaks a limit; run.json gets the highest load that passed."""

    abstract = True
    steps: ClassVar[int] = 10  # to the most stations asked for

    def __init__(self) -> None:
        super().__init__()
        self._search: pacing.Knee | None = None
        self._run = ""
        self._calls = self._failed = 0

    def tick(self) -> tuple[int, float] | None:
        """What Locust asks once a second."""
        trial = self._environment.conductor.trial
        if trial is None:  # Locust asks before it starts
            return self._first, self.rate_per_s
        if self._run != trial.run:
            self._begin(trial.run)
        assert self._search is not None
        told = len(self._search.steps)
        wanted = self._search.look(self._sight(trial))
        for step in self._search.steps[told:]:
            verdict = "passed" if step.passed else f"failed: {step.why}"
            log.info("%d stations %s (p95 %.0f ms)", step.stations, verdict, step.p95_ms)
        if wanted is None:
            self._report(trial)
            return None
        return wanted, self.rate_per_s

    @property
    def _first(self) -> int:
        return max(1, round(self.most / self.steps))

    def _begin(self, run: str) -> None:
        parsed, step = self._environment.parsed_options, self._first
        limits = pacing.Limits(p95_ms=parsed.p95_ms, failed=parsed.failed_share)
        self._search = pacing.Knee(step, step, self.most, limits=limits, look_s=parsed.look_s)
        self._run = run
        self._calls = self._failed = 0

    def _sight(self, trial: Any) -> pacing.Sight:
        total = self._environment.stats.total
        gauges = added(trial.gauges.values())
        calls, failed = total.num_requests - self._calls, total.num_failures - self._failed
        self._calls, self._failed = total.num_requests, total.num_failures
        return pacing.Sight(
            elapsed_s=self.get_run_time(),
            up=int(gauges["registrations.Accepted"]),
            p95_ms=float(total.get_current_response_time_percentile(0.95) or 0.0),
            calls=calls,
            failed=failed,
            own_lag_ms=gauges["gen_lag_p99_us"] / 1000.0,
        )

    def _report(self, trial: Any) -> None:
        search = self._search
        assert search is not None
        assert search.end is not None
        trial.story["knee"] = {
            "highest": search.highest,
            "end": search.end.value,
            "steps": msgspec.to_builtins(search.steps),
        }
        trial.say(f"highest load that passed: {search.highest:,} stations ({search.end.value})")
