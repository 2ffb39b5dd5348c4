"""The numbers behind a threshold, so cut that any window of time can be asked for its value."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final, Protocol

import msgspec
import numpy as np
import numpy.typing as npt
import pandas as pd

from results.analysis.latency import NOT_FAILURES, call_spreads
from results.analysis.slo_grammar import OF_CALLS, Condition, Measure, Threshold
from results.catalogue import severity_of
from results.histogram import Histogram, exact_quantile
from stations.errors import PlanError

if TYPE_CHECKING:
    from results.analysis.run import Run

RECONCILED_FILE: Final = "reconcile.json"

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]
_SECOND_US: Final = 1_000_000
_STATISTICS: Final[dict[str, Callable[[Floats], float]]] = {
    "min": lambda values: float(values.min()),
    "max": lambda values: float(values.max()),
    "mean": lambda values: float(values.mean()),
}


class Samples(Protocol):
    """Values over time; `value` is None where nothing was recorded. Times in µs since 1970."""

    def value(self, threshold: Threshold, start_us: int, end_us: int) -> tuple[float | None, int]:
        """The statistic over a span of time, and the number of samples it rests on."""


class CallTimes:
    """Durations of calls as sparse histograms by second: memory grows with time, not with calls.

    A second counts when it begins inside the span, so that a phase does not see the tail of the one before.
    """

    def __init__(self, run: "Run", threshold: Threshold) -> None:
        where, direction = call_filter(threshold.conditions)
        found = call_spreads(
            run, [], kind=threshold.metric, direction=direction, window_us=_SECOND_US, where=where
        )
        seconds = sorted(found)
        spreads = [found[second] for second in seconds]
        self._starts = np.array([second[0] for second in seconds], dtype=np.int64)
        self._borders = np.cumsum([0, *(len(spread.bins) for spread in spreads)])
        self._bins = np.concatenate([np.zeros(0, np.int64), *(spread.bins for spread in spreads)])
        self._counts = np.concatenate([np.zeros(0, np.int64), *(spread.counts for spread in spreads)])
        self._largest = np.array([spread.largest for spread in spreads], dtype=np.int64)
        self._totals = np.array([spread.total for spread in spreads], dtype=np.int64)

    def value(self, threshold: Threshold, start_us: int, end_us: int) -> tuple[float | None, int]:
        """Percentiles within 0.39 %, mean and maximum exact."""
        first, last = np.searchsorted(self._starts, [start_us, end_us])
        rows = slice(self._borders[first], self._borders[last])
        count = int(self._counts[rows].sum())
        if not count:
            return None, 0
        largest = int(self._largest[first:last].max())
        if threshold.quantile is None:
            return (largest if threshold.stat == "max" else self._totals[first:last].sum() / count), count
        found = Histogram.from_sparse(self._bins[rows], self._counts[rows]).quantile_us(threshold.quantile)
        assert found is not None
        return min(found, largest), count


class CallCounts:
    """How many calls, and how many failed, by second."""

    def __init__(self, run: "Run", threshold: Threshold) -> None:
        where, direction = call_filter(threshold.conditions)
        chosen = call_spreads(run, ["outcome"], direction=direction, window_us=_SECOND_US, where=where)
        rows = [
            (second, spread.count, outcome not in NOT_FAILURES)
            for (second, outcome), spread in chosen.items()
        ]
        rows.sort()
        self._starts = np.array([row[0] for row in rows], dtype=np.int64)
        self._counts = np.array([row[1] for row in rows], dtype=np.int64)
        self._failed = np.array([row[2] for row in rows], dtype=bool)

    def value(self, threshold: Threshold, start_us: int, end_us: int) -> tuple[float | None, int]:
        """Share that failed, calls a second, or a count."""
        first, last = np.searchsorted(self._starts, [start_us, end_us])
        total = int(self._counts[first:last].sum())
        failed = int(self._counts[first:last][self._failed[first:last]].sum())
        chosen = failed if threshold.metric == "failed" else total
        if threshold.stat == "count":
            return chosen, total
        if threshold.measure is Measure.FLOW:
            return total * _SECOND_US / (end_us - start_us), total
        return (failed / total if total else None), total


class Points:
    """Values with a moment each: levels by second, times of links, rows to count."""

    def __init__(self, at_us: Any, values: Any) -> None:
        moments = np.asarray(at_us, dtype=np.int64)
        order = np.argsort(moments, kind="stable")
        self._at = moments[order]
        self._values = np.asarray(values, dtype=np.float64)[order]

    def value(self, threshold: Threshold, start_us: int, end_us: int) -> tuple[float | None, int]:
        """The statistic over the points in a span; a count is the sum of the values."""
        first, last = np.searchsorted(self._at, [start_us, end_us])
        values = self._values[first:last]
        if threshold.stat == "count":
            return float(values.sum()), len(values)
        if not len(values):
            return None, 0
        if threshold.quantile is not None:
            return exact_quantile(values.astype(np.int64), threshold.quantile), len(values)
        return _STATISTICS[threshold.stat](values), len(values)


def samples_of(run: "Run", threshold: Threshold) -> Samples:
    """The samples of a threshold's metric, its filter applied."""
    metric, measure = threshold.metric, threshold.measure
    if metric in OF_CALLS:
        return CallTimes(run, threshold) if measure is Measure.TIME else CallCounts(run, threshold)
    if metric == "time_to_accepted":
        return Points(*time_to_accepted(run))
    if measure is Measure.NUMBER:
        return _NUMBERS[metric](run, threshold.conditions)
    return _level(run, metric)


def call_filter(conditions: tuple[Condition, ...]) -> tuple[list[tuple[str, str, Any]] | None, str]:
    """The filter on stored columns and the direction, which is `out` unless it is asked for."""
    direction = next((c.among[0] for c in conditions if c.key == "direction"), "out")
    where = [
        (c.key, "not in" if c.negated else "in", list(c.among)) for c in conditions if c.key != "direction"
    ]
    return where or None, direction


def time_to_accepted(run: "Run") -> tuple[Ints, Ints]:
    """(moment, µs) of each acceptance: from the station's deployment, or from the loss of its last link.

    A station that was accepted does not boot anew on a new link (WS-7): there `opened` ends the wait.
    Where hardship of ours took the link, the wait begins when that is over.
    """
    links = run.connections.sort_values(["worker", "station", "at"], kind="stable")
    deployed = run.stations.groupby("station")["at"].min()
    moments, waits = [], []
    lost_at: dict[Any, int] = {}
    waiting: set[Any] = set(deployed.index)
    at_us = links["at"].astype("int64").to_numpy()
    begun = {station: int(at.value // 1_000) for station, at in deployed.items()}
    boots: set[Any] = set()  # lost their power: a link alone does not end their wait
    columns = links["station"], links["kind"], links["detail"].astype(str), at_us.tolist()
    for station, kind, detail, at in zip(*columns, strict=True):
        since = lost_at.get(station, begun.get(station))
        if kind in {"closed", "lost", "cut"} or (kind == "calm" and station in waiting):
            lost_at[station] = at
            waiting.add(station)
        elif kind == "hardship" and detail.startswith(("power_off", "reboot")):
            boots.add(station)
        elif kind == "accepted" or (kind == "opened" and station in lost_at and station not in boots):
            boots.discard(station)
            if station not in waiting or since is None:
                continue
            waiting.discard(station)
            moments.append(at)
            waits.append(at - since)
    return np.array(moments, dtype=np.int64), np.array(waits, dtype=np.int64)


def _level(run: "Run", metric: str) -> Points:
    """One number per second over all workers: sums of stations, the worst of delays and CPU."""
    column, worst = {"loop_delay": ("loop_delay_p99_us", True), "cpu": ("cpu_percent", True)}.get(
        metric, (metric, False)
    )
    health = run.health
    second = health["at"].astype("int64") // _SECOND_US
    wide = health.assign(second=second).pivot_table(
        index="second", columns="worker", values=column, aggfunc="last", observed=True
    )
    # A worker that reports a moment later has not lost its stations: its last word holds for three seconds.
    wide = wide.astype("float64").ffill(limit=3)
    found = wide.max(axis=1) if worst else wide.sum(axis=1, min_count=1)
    found = found.dropna()
    return Points(found.index.to_numpy() * _SECOND_US, found.to_numpy())


def _findings(run: "Run", conditions: tuple[Condition, ...]) -> Points:
    rows = run.findings
    rows = rows.assign(severity=[str(severity_of(str(rule))) for rule in rows["rule"]])
    rows = rows[_chosen(rows, conditions)]
    return Points(rows["at"].astype("int64"), rows["count"].astype("float64"))


def _sessions(run: "Run", conditions: tuple[Condition, ...]) -> Points:
    rows = run.transactions
    rows = rows.assign(offline=rows["offline"].map({True: "true", False: "false"}))
    rows = rows[_chosen(rows, conditions)]
    return Points(rows["at"].astype("int64"), np.ones(len(rows)))


def _links(run: "Run", conditions: tuple[Condition, ...]) -> Points:
    rows = run.connections[_chosen(run.connections, conditions)]
    return Points(rows["at"].astype("int64"), np.ones(len(rows)))


def _ledger(run: "Run", conditions: tuple[Condition, ...]) -> Points:
    """Counts of the last `greenup reconcile` of this run; it must have been made before."""
    path = run.path / RECONCILED_FILE
    try:
        counts: dict[str, int] = msgspec.json.decode(path.read_bytes())["counts"]
    except OSError as error:
        raise PlanError(f"{path}: missing; run greenup reconcile {run.path} --source … first") from error
    rows = pd.DataFrame({"verdict": list(counts), "count": list(counts.values())})
    rows = rows[_chosen(rows, conditions)]
    return Points(np.full(len(rows), run.span_us[0]), rows["count"])


_NUMBERS: Final = {"finding": _findings, "sessions": _sessions, "links": _links, "ledger": _ledger}


def _chosen(rows: pd.DataFrame, conditions: tuple[Condition, ...]) -> "pd.Series[bool]":
    chosen = pd.Series(True, index=rows.index)
    for condition in conditions:
        chosen &= rows[condition.key].astype(str).isin(condition.among) != condition.negated
    return chosen
