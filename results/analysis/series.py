"""A run's steady time cut into windows, with one value of everything that should not drift in each."""

from dataclasses import dataclass
from math import ceil
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import numpy.typing as npt
import pandas as pd

from results.analysis.latency import NOT_FAILURES, call_spreads
from results.csms_process import COLUMNS, CSMS_FILE

if TYPE_CHECKING:
    from results.analysis.run import Run

Floats = npt.NDArray[np.float64]
Frame = pd.DataFrame

WINDOWS: Final = 48  # enough for a trend, few enough that each holds many calls
SHORTEST_S: Final = 30
ENOUGH_CALLS: Final = 40  # of an action in a window: its p95 is more than its slowest call
_QUANTILES: Final = {"service_p50_ms": 0.5, "service_p95_ms": 0.95}
_STEADY: Final = "steady"
_SECOND_US: Final = 1_000_000


@dataclass(frozen=True, slots=True)
class Series:
    """Windows in order; NaN where a window knows nothing."""

    window_s: int
    times_s: Floats
    load: Floats  # calls a second
    values: dict[str, Floats]


def series(run: "Run", settling: float) -> Series:
    """Of the steady phase without its first share `settling`; of the whole run when no phase was marked."""
    health = _steady_health(run)
    seconds = health["at"].dt.floor("s").nunique()
    window_s = max(SHORTEST_S, ceil(seconds * (1 - settling) / WINDOWS))
    window_us = window_s * _SECOND_US
    # A row speaks of the second that ends at its time.
    health["window"] = (health["at"].astype("int64") - 1) // window_us
    covered = health.groupby("window")["at"].agg(lambda at: at.dt.floor("s").nunique())
    whole = covered[covered >= window_s / 2]
    whole = whole[(whole.cumsum() - whole) >= settling * whole.sum()]
    found = _calls(run, window_us, whole.index)
    load = found.pop("calls") / whole
    found |= _own(health) | _central(run, window_us)
    return Series(
        window_s,
        (whole.index.to_numpy(float) + 0.5) * window_s,
        load.to_numpy(float),
        {name: values.reindex(whole.index).to_numpy(float) for name, values in found.items()},
    )


def _steady_health(run: "Run") -> Frame:
    health = run.health
    if len(health) and _STEADY in {name for name, _, _ in run.phases}:
        health = health[run.phase_of(health["at"]) == _STEADY]
    return health.copy()


def _calls(run: "Run", window_us: int, windows: "pd.Index[Any]") -> dict[str, Any]:
    """Calls, share of failures, and service times at a mix of actions that is the same in all windows."""
    phase = _STEADY if _STEADY in {name for name, _, _ in run.phases} else None
    found = call_spreads(run, ["action", "outcome"], kind="service", window_us=window_us, phase=phase)
    rows = [
        (start // window_us, action, outcome in NOT_FAILURES, spread)
        for (start, action, outcome), spread in found.items()
    ]
    calls = pd.DataFrame(rows, columns=["window", "action", "well", "spread"])
    calls = calls[calls["window"].isin(windows)]
    calls["count"] = [spread.count for spread in calls["spread"]]
    count = calls.groupby("window")["count"].sum().reindex(windows, fill_value=0)
    failed = (
        calls[~calls["well"].astype(bool)].groupby("window")["count"].sum().reindex(windows, fill_value=0)
    )
    return {"calls": count, "failed_percent": 100 * failed / count} | _same_mix(calls)


def _same_mix(calls: Frame) -> dict[str, Any]:
    """Geometric means of each action's percentile, weighted by its share of all calls.

    Only actions that every window has enough of count, else a change of the mix would look like a drift.
    """
    enough = calls[calls["well"].astype(bool) & (calls["count"] >= ENOUGH_CALLS)]
    weights = enough.groupby("action")["count"].sum()[
        enough["action"].value_counts() == calls["window"].nunique()
    ]
    if not len(weights):
        return {}
    enough = enough[enough["action"].isin(weights.index)]
    share = enough["action"].map(weights / weights.sum()).astype(float)
    means = {}
    for name, quantile in _QUANTILES.items():
        logs = np.log([max(spread.quantile_us(quantile), 1) / 1000 for spread in enough["spread"]])
        means[name] = np.exp((share * logs).groupby(enough["window"]).sum())
    return means


def _own(health: Frame) -> dict[str, Any]:
    """Medians of each worker's seconds; then all workers together, or the worst of them."""
    numbers = pd.DataFrame(
        {
            "memory_mb": health["rss_bytes"].astype(float) / 1e6,
            "files": (health["open_files"] - health["connected"]).astype(float),
            "backlog": health["backlog"].astype(float),
            "loop_delay_ms": health["loop_delay_p99_us"].astype(float) / 1e3,
            "lag_ms": health["gen_lag_p99_us"].astype(float) / 1e3,
        }
    )
    by_worker = numbers.groupby([health["window"], health["worker"].astype(str)]).median()
    together = by_worker.groupby(level="window")
    sums, worst, workers = together.sum(min_count=1), together.max(), together.size()
    sums = sums[workers == workers.max()]  # where one is missing, the sum says nothing
    return {name: sums[name] for name in ("memory_mb", "files", "backlog")} | {
        name: worst[name] for name in ("loop_delay_ms", "lag_ms")
    }


def _central(run: "Run", window_us: int) -> dict[str, Any]:
    path = run.path / CSMS_FILE
    if not path.exists():
        return {}
    seen = pd.read_csv(path, names=list(COLUMNS), header=0, dtype=float)
    middle = seen.groupby((seen["at_us"] // window_us).astype("int64")).median()
    return {
        "csms_memory_mb": middle["rss_bytes"] / 1e6,
        "csms_files": middle["open_files"],
        "csms_cpu_percent": middle["cpu_percent"],
    }
