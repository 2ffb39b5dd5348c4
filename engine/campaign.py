"""A command to the whole fleet, watched: how fast the fleet answers, and how fast it obeys."""

import json
from typing import Any, Final, Protocol

from engine.scenario import Order

LOOK_S: Final = 2.0
PAGE: Final = 10_000
SETTLED: Final = 0.1  # power within this share of its last value has settled


class Asks(Protocol):
    """The central system's API."""

    def get(self, path: str) -> dict[str, Any]:
        """What is there."""


class Campaign:
    """One order from the moment it was given. Moments are real seconds."""

    def __init__(
        self, order: Order, job: int, begun_s: float, begun_unix_s: float, gauges: dict[str, float]
    ) -> None:
        self.order = order
        self._job = job
        self._begun_s = begun_s
        self._begun_unix_s = begun_unix_s
        self._next_s = begun_s
        self._asked = 0
        self._took_s: list[float] = []
        self._statuses: dict[str, int] = {}
        self._answered = False
        self._obeyed_s: dict[str, float] = {}
        self._per_session_w = [(0.0, _per_session_w(gauges))]

    def look(self, now_s: float, gauges: dict[str, float], api: Asks | None) -> None:
        """Once in a while: who has answered, who has obeyed."""
        if now_s < self._next_s or api is None:
            return
        self._next_s = now_s + LOOK_S
        if not self._answered:
            self._read_answers(api.get(f"/commands/{self._job}"))
        if self.order.obeyed == "installed":
            self._read_notifications(api)
        elif self.order.obeyed == "limited":
            self._per_session_w.append((now_s - self._begun_s, _per_session_w(gauges)))

    def _read_answers(self, job: dict[str, Any]) -> None:
        results = job.get("results", [])
        self._asked = int(job["stations"])
        self._took_s = sorted(each["took_ms"] / 1000.0 for each in results if each["outcome"] == "ok")
        self._statuses = {}
        for each in results:
            told = (each.get("payload") or {}).get("status", "") or each["outcome"]
            self._statuses[told] = self._statuses.get(told, 0) + 1
        self._answered = len(results) >= self._asked

    def _read_notifications(self, api: Asks) -> None:
        """Newest first: a page holds what has come since the last look."""
        path = f"/notifications?action=FirmwareStatusNotification&limit={PAGE}"
        for row in api.get(path).get("notifications", []):
            payload = row["payload"] if isinstance(row["payload"], dict) else json.loads(row["payload"])
            if payload.get("status") == "Installed" and row["received_s"] >= self._begun_unix_s:
                self._obeyed_s.setdefault(row["station"], row["received_s"] - self._begun_unix_s)

    @property
    def _settled_s(self) -> float | None:
        """When the power of a session came within reach of where it stayed."""
        if len(self._per_session_w) < 3:
            return None
        last_w = self._per_session_w[-1][1]
        unsettled = [at for at, watts in self._per_session_w if abs(watts - last_w) > SETTLED * last_w]
        return max(unsettled, default=0.0)

    def record(self) -> dict[str, Any]:
        """For run.json; seconds are real, after the order."""
        obeyed = sorted(self._obeyed_s.values())
        return {
            "action": self.order.action,
            "asked": self._asked,
            "answers": self._statuses,
            "answer_p50_s": _quantile(self._took_s, 0.5),
            "answer_p95_s": _quantile(self._took_s, 0.95),
            "answer_max_s": _quantile(self._took_s, 1.0),
            "obeyed": len(obeyed) if self.order.obeyed == "installed" else None,
            "obeyed_p50_s": _quantile(obeyed, 0.5),
            "obeyed_p95_s": _quantile(obeyed, 0.95),
            "obeyed_max_s": _quantile(obeyed, 1.0),
            "session_before_w": round(self._per_session_w[0][1]),
            "session_after_w": round(self._per_session_w[-1][1]) if self.order.obeyed == "limited" else None,
            "settled_s": self._settled_s if self.order.obeyed == "limited" else None,
        }

    def line(self) -> str:
        """For the summary."""
        told = self.record()
        line = f"{self.order.action}: {len(self._took_s):,} of {self._asked:,} stations answered"
        if self._took_s:
            line += f", p95 {told['answer_p95_s']:.2f} s, last {told['answer_max_s']:.2f} s"
        if self.order.obeyed == "installed":
            line += f"; {len(self._obeyed_s):,} installed"
            line += f", p95 after {told['obeyed_p95_s']:,.0f} s" if self._obeyed_s else ""
        elif self.order.obeyed == "limited":
            line += f"; {told['session_before_w'] / 1000:.1f} kW a session before"
            line += f", {told['session_after_w'] / 1000:.1f} kW after"
            line += "" if self._settled_s is None else f", settled within {self._settled_s:.0f} s"
        return line


def _per_session_w(gauges: dict[str, float]) -> float:
    return gauges["power_w"] / gauges["sessions"] if gauges["sessions"] else 0.0


def _quantile(ascending: list[float], share: float) -> float | None:
    if not ascending:
        return None
    return round(ascending[min(len(ascending) - 1, int(share * len(ascending)))], 3)
