"""Follows a scenario's course from the master.

It says when hardship begins, restarts the central system, gives the fleet its commands, names the phases of
the run, and writes down how long the fleet took to come back and to obey. One greenlet per test.

The stations' part of the hardship is theirs (`engine.ordeal`): all they need to be told is the moment from
which its times count, which is when the whole fleet has been started.
"""

import contextlib
import logging
import time
from collections.abc import Callable
from heapq import merge
from math import ceil, inf
from typing import Any, Final

import gevent

from engine.bridge.csms_api import Api, Refused
from engine.bridge.messages import NOTICES
from engine.bridge.progress import added
from engine.bridge.trial import Trial
from engine.campaign import Campaign
from engine.scenario import Course, Order
from profiles import hardship as hardships
from profiles.hardship import Verb, Window
from results.run import RECOVERY
from stations.wire.types import format_datetime

log = logging.getLogger(NOTICES)

TICK_S: Final = 0.1
RECOVERY_MAX_S: Final = 600.0  # real; a fleet that is not back by then is called so
WINDOWS_TOLD: Final = 100  # of a plan that goes on for ever
BACK_SHARE: Final = 0.999


class Director:
    """One test's. `settled()` says whether all stations wanted have been told to boot."""

    def __init__(
        self,
        trial: Trial,
        course: Course,
        scale: float,
        *,
        settled: Callable[[], bool],
        go: Callable[[], None],
        finish: Callable[[], None],
    ) -> None:
        """`go` tells the workers that hardship's clock runs; `finish` ends the test. `scale`: time_scale."""
        self._trial = trial
        self._course = course
        self._scale = scale
        self._settled, self._go, self._finish = settled, go, finish
        self._api = Api(trial.csms.api_url) if trial.csms else None
        self._windows = merge(*hardships.windows(course.hardship), key=lambda window: window.begin_s)
        self._next = next(self._windows, None)
        self._active: list[Window] = []
        self._orders = sorted(course.commands, key=lambda order: order.at_s)
        self._campaigns: list[Campaign] = []
        self._recovery: _Recovery | None = None
        self._told = 0
        if course.drift:
            trial.story["drift"] = True

    def run(self) -> None:
        """To the end of the course."""
        while not self._settled():
            gevent.sleep(TICK_S)
        self._trial.go_s = time.monotonic()
        self._go()
        end_s = self._course.ends_s
        while self._now() < end_s:
            self._step(self._now())
            gevent.sleep(TICK_S)
        self._finish()

    def close(self) -> None:
        """The test ends: what is known by now is written down."""
        for campaign in self._campaigns:
            self._trial.story.setdefault("campaigns", []).append(campaign.record())
            self._trial.say(campaign.line())
        if self._recovery is not None and not self._active:
            self._told_recovery(self._recovery)

    def _now(self) -> float:
        """Station seconds since the whole fleet was started."""
        assert self._trial.go_s is not None
        return (time.monotonic() - self._trial.go_s) * self._scale

    def _step(self, now_s: float) -> None:
        while self._next is not None and self._next.begin_s <= now_s:
            self._begin(self._next)
            self._next = next(self._windows, None)
        over = [window for window in self._active if window.end_s <= now_s]
        for window in over:
            self._active.remove(window)
            self._over()
        while self._orders and self._orders[0].at_s <= now_s:
            self._command(self._orders.pop(0))
        gauges = added(self._trial.gauges.values())
        for campaign in self._campaigns:
            with contextlib.suppress(Refused):  # it may be away for the moment
                campaign.look(time.monotonic(), gauges, self._api)
        if self._recovery is not None and not self._active:
            self._recover(self._recovery, gauges)

    # Hardship.

    def _begin(self, window: Window) -> None:
        if self._recovery is None:
            gauges = added(self._trial.gauges.values())
            self._recovery = _Recovery(window.hardship.phase, gauges)
        self._active.append(window)
        self._trial.enter_fault(window.hardship.phase)
        if window.hardship.verb is Verb.RESTART_CSMS:
            self._restart(window)

    def _over(self) -> None:
        if self._active:
            self._trial.enter_fault(self._active[-1].hardship.phase)
            return
        assert self._recovery is not None
        self._recovery.over(time.monotonic())
        self._trial.enter_fault(RECOVERY)

    def _restart(self, window: Window) -> None:
        entry = window.hardship
        down_s = (entry.lasting_s or 0.0) / self._scale
        if self._api is None:
            log.warning("restart your central system now: the scenario watches for %g s", down_s)
            return
        with contextlib.suppress(Refused):  # it may die before it answers
            self._api.post("/restart", {"down_s": down_s, "code": entry.close_code})

    def _recover(self, recovery: "_Recovery", gauges: dict[str, float]) -> None:
        if recovery.look(time.monotonic(), gauges):
            self._recovery = None
            self._trial.leave_fault()
            self._told_recovery(recovery)

    def _told_recovery(self, recovery: "_Recovery") -> None:
        self._told += 1
        if self._told <= WINDOWS_TOLD:
            self._trial.story.setdefault("recoveries", []).append(recovery.record())
            self._trial.say(recovery.line())

    # Commands.

    def _command(self, order: Order) -> None:
        if self._api is None:
            log.warning("give the fleet %s in your central system now: the scenario watches", order.action)
            return
        payload = {name: _filled(value) for name, value in order.payload.items()}
        asked = {"action": order.action, "payload": payload, "stations": order.stations, "wait": False}
        if order.rate_per_s is not None:
            asked["rate_per_s"] = order.rate_per_s
        try:
            job = self._api.post("/commands", asked)
        except Refused as error:
            log.error("%s was not sent: %s", order.action, error)  # noqa: TRY400 — one line says it all
            return
        self._campaigns.append(
            Campaign(order, int(job["id"]), time.monotonic(), time.time(), added(self._trial.gauges.values()))
        )


class _Recovery:
    """From the end of a hardship to a fleet as it was before."""

    def __init__(self, phase: str, gauges: dict[str, float]) -> None:
        self.phase = phase
        self._before = gauges["links.open"]
        self._over_s = inf
        self._back_s: float | None = None
        self._flushed_s: float | None = None
        self._backlog = 0.0
        self._open = 0.0

    def over(self, now_s: float) -> None:
        """The hardship has ended."""
        self._over_s = now_s

    def look(self, now_s: float, gauges: dict[str, float]) -> bool:
        """Whether everything is as it was, or nobody waits for that any longer."""
        since_s = now_s - self._over_s
        wanted = min(self._before, gauges["stations"])
        self._open = gauges["links.open"]
        self._backlog = gauges["backlog"]
        up = min(self._open, gauges["registrations.Accepted"])
        if self._back_s is None and up >= ceil(wanted * BACK_SHARE):
            self._back_s = since_s
        if self._back_s is not None and self._flushed_s is None and not self._backlog:
            self._flushed_s = since_s
        return self._flushed_s is not None or since_s > RECOVERY_MAX_S

    def record(self) -> dict[str, Any]:
        """For run.json; seconds are real, after the end of the hardship, None for never."""
        return {
            "phase": self.phase,
            "stations_before": int(self._before),
            "stations_now": int(self._open),
            "back_s": _rounded(self._back_s),
            "flushed_s": _rounded(self._flushed_s),
        }

    def line(self) -> str:
        """For the summary."""
        if self._back_s is None:
            return (
                f"after {self.phase}: {self._open:,.0f} of {self._before:,.0f} stations were back at the end"
            )
        flushed = (
            f"{self._backlog:,.0f} messages still queued"
            if self._flushed_s is None
            else f"queues empty after {self._flushed_s:,.0f} s"
        )
        return f"after {self.phase}: {self._before:,.0f} stations back after {self._back_s:,.0f} s, {flushed}"


def _rounded(seconds: float | None) -> float | None:
    return None if seconds is None else round(seconds, 1)


def _filled(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _filled(inner) for name, inner in value.items()}
    if isinstance(value, list):
        return [_filled(inner) for inner in value]
    return format_datetime(time.time()) if value == "now" else value
