"""Whether a run's numbers count: everything recorded, and the load generator itself kept time (C6)."""

from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import pandas as pd

from results.analysis.files import row_counts
from results.limits import DEFAULT_LIMITS, Limits
from results.run import RUNNING, RunRecord, doubts
from results.schema import TABLES

_PER_SECOND: Final = ("loop_delay_p99_us", "gen_lag_p99_us", "canary_p99_us", "cpu_percent")


@dataclass(frozen=True, slots=True)
class Trust:
    """Trusted, or the reasons why not."""

    reasons: tuple[str, ...]

    def __bool__(self) -> bool:
        return not self.reasons

    @property
    def trusted(self) -> bool:
        """Whether the numbers may be used."""
        return not self.reasons

    def __str__(self) -> str:
        return "trusted" if self.trusted else "NOT TRUSTED: " + "; ".join(self.reasons)


def judge(
    path: Path,
    record: RunRecord,
    health: pd.DataFrame,
    counted: "pd.Series[bool]",
    limits: Limits = DEFAULT_LIMITS,
) -> Trust:
    """All reasons against trusting the run; `counted`: which rows of `health` count (steady, if known)."""
    reasons = _ending(record) + _missing_rows(path, record) + _wrong_clocks(record, limits)
    if health.empty:
        reasons.append("no health rows: nobody watched the load generator")
    silent = health.sort_values("at").groupby("worker", observed=True)["at"].diff()  # before each row
    for worker, rows in health[counted].groupby("worker", observed=True):
        if (
            record.standstills_s.get(str(worker), 0.0) <= DEFAULT_LIMITS.bad_seconds
        ):  # else it is said already
            reasons += _standstill(str(worker), rows, silent[rows.index], limits)
        reasons += _bad_seconds(str(worker), rows, limits) + _dropped_deadlines(str(worker), rows, limits)
    return Trust(tuple(reasons))


def bad_seconds(health: pd.DataFrame, limits: Limits = DEFAULT_LIMITS) -> pd.DataFrame:
    """One boolean column per limit: which seconds broke it. A missing measurement breaks nothing."""
    broken = {name: health[name].fillna(0).to_numpy(float) > getattr(limits, name) for name in _PER_SECOND}
    return pd.DataFrame(broken, index=health.index)


def _ending(record: RunRecord) -> list[str]:
    reasons = [*record.untrusted]
    if record.status == RUNNING and record.receipts:
        reasons += ["the run has not ended, or its master was killed", *doubts(record)]
    elif record.status == RUNNING:
        reasons.append("the run has not ended, or was killed: the last seconds may be missing")
        reasons += [reason for reason in doubts(record) if "receipt" not in reason]
    return reasons


def _missing_rows(path: Path, record: RunRecord) -> list[str]:
    reasons = []
    for table in TABLES.values():
        on_disk = row_counts(path, table)
        for worker, receipt in sorted(record.receipts.items()):
            told = receipt.tables[table.name].rows if table.name in receipt.tables else 0
            there = on_disk.get(worker, 0)
            if told != there:
                reasons.append(f"worker {worker} wrote {told} rows of {table.name}, {there} are there")
    return reasons


def _wrong_clocks(record: RunRecord, limits: Limits) -> list[str]:
    offsets_us: dict[str, int] = record.clock.get("offsets_us", {})
    return [
        f"the clock of worker {worker} is {offset_us / 1e6:+.1f} s off the master's"
        for worker, offset_us in sorted(offsets_us.items())
        if abs(offset_us) > limits.clock_offset_us
    ]


def _bad_seconds(worker: str, rows: pd.DataFrame, limits: Limits) -> list[str]:
    broken = bad_seconds(rows, limits)
    bad = int(np.count_nonzero(broken.any(axis=1)))
    if bad < limits.bad_seconds or bad <= limits.bad_seconds_share * len(rows):
        return []
    worst = ", ".join(
        f"{name} up to {_amount(name, rows[name].max())}" for name in _PER_SECOND if broken[name].any()
    )
    return [f"worker {worker} did not keep time in {bad} of {len(rows)} seconds ({worst})"]


def _standstill(
    worker: str, rows: pd.DataFrame, silent: "pd.Series[pd.Timedelta]", limits: Limits
) -> list[str]:
    """One row says that it stood still for many seconds, or rows are missing: one second is written each."""
    delay_s = rows["loop_delay_max_us"].fillna(0).max() / 1e6
    gap_s = silent.max() / pd.Timedelta(seconds=1)  # not a number for a single row
    stood_s = max(delay_s, gap_s) if gap_s > 1 else delay_s
    if stood_s <= limits.bad_seconds:
        return []
    return [f"worker {worker} stood still for {stood_s:.0f} s"]


def _amount(name: str, value: float) -> str:
    return f"{value / 1000:.0f} ms" if name.endswith("_us") else f"{value:.0f} %"


def _dropped_deadlines(worker: str, rows: pd.DataFrame, limits: Limits) -> list[str]:
    dropped, served = rows["dropped_deadlines"].sum(), rows["deadlines"].sum()
    if dropped <= limits.dropped_deadlines_share * max(served, 1):
        return []
    return [f"worker {worker} served {dropped} of {served} deadlines more than a period late"]
