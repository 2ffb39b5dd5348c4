"""Latency by anything: percentiles per action, outcome, worker, station or window of time."""

from collections.abc import Iterator, Sequence
from operator import itemgetter
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa

from results.analysis.files import Where, expression
from results.analysis.quantiles import EXACT_CALLS, Group, Spread, spreads
from results.schema import CALLS
from stations.errors import PlanError

if TYPE_CHECKING:
    from results.analysis.run import Run

# Which stored durations make up each kind of latency (C6).
KINDS: Final = {
    "response": ("queue_us", "gen_lag_us", "service_us"),
    "service": ("service_us",),
    "queue": ("queue_us",),
    "gen_lag": ("gen_lag_us",),
}
USUAL: Final = (0.5, 0.95, 0.99)
NOT_FAILURES: Final = frozenset({"ok", "cancelled"})  # outcomes; cancelled: our own doing


def latency(
    run: "Run",
    by: str | Sequence[str] = "action",
    *,
    window: str | None = None,
    kind: str = "response",
    quantiles: Sequence[float] = USUAL,
    direction: str = "out",
    where: Where = None,
    phase: str | None = None,
    exact_calls: int = EXACT_CALLS,
) -> pd.DataFrame:
    """One row per group: count, mean, percentiles and maximum in µs.

    `by` are columns of the calls; `window` ("10s") puts the start of the window of time before them.
    Calls that were never answered count with the time they took; cancelled ones, our own doing, do not.
    Percentiles are nearest rank, exact up to `exact_calls` calls and within 0.39 % above.
    """
    columns = (by,) if isinstance(by, str) else tuple(by)
    found = call_spreads(
        run,
        columns,
        kind=kind,
        direction=direction,
        window_us=_microseconds(window),
        quantiles=quantiles,
        where=where,
        phase=phase,
        exact_calls=exact_calls,
    )
    return _frame(found, (("window", *columns) if window else columns), quantiles)


def call_spreads(
    run: "Run",
    by: Sequence[str],
    *,
    kind: str = "response",
    direction: str = "out",
    window_us: int | None = None,
    quantiles: Sequence[float] = (),
    where: Where = None,
    phase: str | None = None,
    exact_calls: int = EXACT_CALLS,
) -> dict[Group, Spread]:
    """What `latency` shows, as spreads by group; with a window the first member is its start in µs."""
    if kind not in KINDS:
        raise PlanError(f"no latency of kind {kind!r}; there are {', '.join(KINDS)}")
    parts = KINDS[kind]
    needed = [*dict.fromkeys((*by, *parts, *(["done"] if window_us else [])))]
    wanted = _counted(direction) if where is None else _both(where, direction)

    def batches() -> Iterator[pa.RecordBatch]:
        for batch in run.scan_calls(needed, wanted, phase):
            yield batch if window_us is None else _with_window(batch, window_us)

    def values(batch: pa.RecordBatch) -> npt.NDArray[np.int64]:
        total = np.zeros(batch.num_rows, dtype=np.int64)
        for part in parts:
            total += batch.column(part).to_numpy()
        return total

    return spreads(batches, ("window", *by) if window_us else by, values, quantiles, exact_calls)


def label(quantile: float) -> str:
    """Column name of a quantile: 0.5 → p50_us, 0.999 → p99.9_us."""
    return f"p{quantile * 100:.6g}_us"


def _counted(direction: str) -> list[tuple[str, str, Any]]:
    return [("direction", "==", direction), ("outcome", "!=", "cancelled")]


def _both(where: Where, direction: str) -> Where:
    both: Where = expression(where, CALLS) & expression(_counted(direction), CALLS)
    return both


def _with_window(batch: pa.RecordBatch, window_us: int) -> pa.RecordBatch:
    done = batch.column("done").cast(pa.int64()).to_numpy()
    return batch.append_column("window", pa.array(done // window_us * window_us))


def _microseconds(window: str | None) -> int | None:
    if window is None:
        return None
    try:
        length = pd.Timedelta(window)
    except ValueError as error:
        raise PlanError(f"window {window!r} is no duration; write 10s, 1min or 500ms") from error
    if length <= pd.Timedelta(0):
        raise PlanError(f"window {window!r} must be longer than nothing")
    return int(length / pd.Timedelta(1, "us"))


def _frame(found: dict[Group, Spread], names: Sequence[str], quantiles: Sequence[float]) -> pd.DataFrame:
    rows = {
        group: {
            "count": spread.count,
            "mean_us": spread.mean_us,
            **{label(q): spread.quantile_us(q) for q in quantiles},
            "max_us": spread.largest,
        }
        for group, spread in sorted(found.items(), key=itemgetter(0))
    }
    columns = ["count", "mean_us", *map(label, quantiles), "max_us"]
    groups = list(rows)
    if names[:1] == ("window",):
        moments = pd.to_datetime([g[0] for g in groups], unit="us", utc=True)
        groups = [(moment, *group[1:]) for moment, group in zip(moments, groups, strict=True)]
    frame = pd.DataFrame(list(rows.values()), columns=columns)
    for place, name in enumerate(names):
        frame.insert(place, name, [group[place] for group in groups])
    return frame.set_index(list(names)) if names else frame
