"""A run folder opened: tables as pandas frames, the record, and whether to trust it."""

from collections.abc import Iterator, Sequence
from functools import cached_property
from glob import glob
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from results.analysis import files
from results.analysis.drift import Drift, drifts
from results.analysis.files import Where
from results.analysis.latency import latency
from results.analysis.render import summary_html
from results.analysis.summary import Summary, summarise
from results.analysis.trust import Trust, judge
from results.limits import DEFAULT_LIMITS, Limits
from results.run import RunRecord, read_record
from results.schema import (
    CALLS,
    CONNECTIONS,
    FINDINGS,
    HEALTH,
    HISTOGRAMS,
    STATIONS,
    TABLES,
    TRANSACTIONS,
    Table,
)
from stations.errors import PlanError

if TYPE_CHECKING:
    from results.analysis.plots import Plots

RESPONSE_PARTS: Final = ("queue_us", "gen_lag_us", "service_us")
LEDGER_KEY: Final = ["worker", "station", "deployment", "sequence"]
WHOLE_RUN: Final = "whole run"  # the phase of a run in which nobody marked phases


class Run:
    """One run. Frames are read when asked for and kept; `read_calls` reads only what is needed."""

    def __init__(self, path: Path | str) -> None:
        self.path = Path(path)
        self.record: RunRecord = read_record(self.path)

    def __repr__(self) -> str:
        return f"<Run {self.record.id}: {self.record.status}, {self.trust}>"

    def summary(self, phase: str | None = None) -> Summary:
        """Counts, failures, percentiles per action, sessions, links, findings, own health."""
        return summarise(self, phase)

    def latency(self, by: str | Sequence[str] = "action", **options: Any) -> pd.DataFrame:
        """Percentiles in µs by columns and windows of time; options as in `results.analysis.latency`."""
        return latency(self, by, **options)

    @property
    def plot(self) -> "Plots":
        """Figures by name: `run.plot.load()`, `run.plot.heat_map()` …; needs the `report` extra."""
        from results.analysis.plots import Plots  # noqa: PLC0415 — matplotlib only when somebody draws

        return Plots(self)

    def _repr_html_(self) -> str:
        """What Jupyter shows: the summary."""
        return summary_html(self.summary())

    @property
    def calls(self) -> pd.DataFrame:
        """Every call, with `response_us` and `phase`. Large runs: use `read_calls` or `latency`."""
        return self._calls

    @cached_property
    def _calls(self) -> pd.DataFrame:
        return self.read_calls()

    def read_calls(
        self,
        columns: Sequence[str] | None = None,
        where: Where = None,
        phase: str | None = None,
    ) -> pd.DataFrame:
        """Some columns of the calls that pass a filter, read from disk without the rest.

        `where` is pandas' list of (column, operator, value) or an Arrow expression over stored columns;
        `phase` keeps the calls that ended in it. `response_us` and `phase` are made when asked for.
        """
        wanted = (
            list(columns)
            if columns is not None
            else [*CALLS.schema().names, "worker", "response_us", "phase"]
        )
        stored = [name for name in wanted if name not in {"response_us", "phase"}]
        files.check(stored, CALLS)
        needed = set(stored)
        needed |= set(RESPONSE_PARTS) if "response_us" in wanted else set()
        needed |= {"done"} if "phase" in wanted else set()
        frame = _frame(files.read(self.path, CALLS, _ordered(needed), self.and_phase(where, phase)))
        if "response_us" in wanted:
            frame["response_us"] = sum(frame[part].astype("int64") for part in RESPONSE_PARTS)
        if "phase" in wanted:
            frame["phase"] = self.phase_of(frame["done"])
        return frame[wanted]

    def scan_calls(
        self, columns: Sequence[str], where: Where = None, phase: str | None = None
    ) -> Iterator[pa.RecordBatch]:
        """The same as Arrow record batches, for runs that do not fit into memory."""
        return files.scan(self.path, CALLS, columns, self.and_phase(where, phase))

    @cached_property
    def journal(self) -> pd.DataFrame:
        """Every change of every transaction, as it was written down."""
        return _frame(files.read(self.path, TRANSACTIONS), nullable=True)

    @cached_property
    def transactions(self) -> pd.DataFrame:
        """The ledger: the last known state of each transaction, with `uid` and `energy_wh`."""
        last = self.journal.drop_duplicates(LEDGER_KEY, keep="last").reset_index(drop=True)
        last["energy_wh"] = last["meter_stop_wh"] - last["meter_start_wh"]
        uids = self.stations.drop_duplicates("station")[["station", "uid"]]
        return last.merge(uids, on="station", how="left")

    @cached_property
    def connections(self) -> pd.DataFrame:
        """Links opened, accepted, ended and attempts that failed."""
        return _frame(files.read(self.path, CONNECTIONS), nullable=True)

    @cached_property
    def findings(self) -> pd.DataFrame:
        """Rules the central system broke: examples with frames, and counting rows; sum `count`."""
        return _frame(files.read(self.path, FINDINGS), nullable=True)

    @cached_property
    def health(self) -> pd.DataFrame:
        """The load generator's own second-by-second health per worker."""
        return _frame(files.read(self.path, HEALTH), nullable=True)

    @cached_property
    def histograms(self) -> pd.DataFrame:
        """Sparse one-second histograms; see results.histogram."""
        return _frame(files.read(self.path, HISTOGRAMS))

    @cached_property
    def stations(self) -> pd.DataFrame:
        """Who the station numbers are, one row per deployment."""
        return _frame(files.read(self.path, STATIONS), nullable=True)

    @cached_property
    def span_us(self) -> tuple[int, int]:
        """First and last moment with a record, µs since 1970; the planned ones when nothing was recorded."""
        spans = [
            (t.first_us, t.last_us)
            for receipt in self.record.receipts.values()
            for name, t in receipt.tables.items()
            if t.first_us is not None and t.last_us is not None and name != HISTOGRAMS.name
        ]
        if len(self.record.receipts) < len(self.record.workers) or not spans:
            spans += [span for table in TABLES.values() if (span := self._span_of(table))]
        first = min((first for first, _ in spans), default=self.record.started_us)
        last = max((last for _, last in spans), default=self.record.ended_us or self.record.started_us)
        return min(first, self.record.started_us), max(last, self.record.ended_us or 0)

    @property
    def duration_s(self) -> float:
        """Length of the run in seconds."""
        first, last = self.span_us
        return (last - first) / 1e6

    @cached_property
    def phases(self) -> list[tuple[str, int, int]]:
        """(phase, from, to) in µs since 1970, in order; one whole-run phase when none was marked."""
        first, last = self.span_us
        marks = [(m.phase, m.at_us) for m in self.record.marks if m.phase]
        if not marks:
            return [(WHOLE_RUN, first, last + 1)]
        ends = [at for _, at in marks[1:]] + [last + 1]
        return [(phase, at, max(at, end)) for (phase, at), end in zip(marks, ends, strict=True)]

    def phase_of(self, moments: "pd.Series[Any]") -> "pd.Categorical[str]":
        """The phase in which each moment lies; missing before the first mark."""
        names = list(dict.fromkeys(name for name, _, _ in self.phases))
        starts = np.array([start for _, start, _ in self.phases])
        times = moments.astype("int64").to_numpy()
        numbers = np.array([-1, *(names.index(name) for name, _, _ in self.phases)])
        codes = numbers[np.searchsorted(starts, times, side="right")]
        return pd.Categorical.from_codes(codes, pd.Index(names))

    def seconds_in(self, phase: str | None) -> float:
        """How long a phase lasted in all; the whole run for None."""
        if phase is None:
            return self.duration_s
        return sum(end - start for _, start, end in self.phase_spans(phase)) / 1e6

    def and_phase(self, where: Where, phase: str | None) -> Where:
        """The filter, narrowed to the moments of a phase."""
        if phase is None:
            return where
        field = pc.field("done")
        inside: Any = pc.scalar(False)
        for _, start, end in self.phase_spans(phase):
            inside |= (field >= _moment(start)) & (field < _moment(end))
        if where is None:
            everything: pc.Expression = inside
            return everything
        narrowed: pc.Expression = inside & files.expression(where, CALLS)
        return narrowed

    def judged(self, limits: Limits = DEFAULT_LIMITS) -> Trust:
        """Whether the run counts under given limits; seconds of the steady phase, all when none is marked."""
        health = self.health
        counted = pd.Series(data=True, index=health.index)
        if "steady" in {name for name, _, _ in self.phases} and not health.empty:
            counted &= self.phase_of(health["at"]) == "steady"
        return judge(self.path, self.record, health, counted, limits)

    @cached_property
    def trust(self) -> Trust:
        """Whether the run counts, and if not why."""
        return self.judged()

    @cached_property
    def drift(self) -> list[Drift]:
        """What drifts or leaks while the load stays the same, on either side."""
        return drifts(self)

    def phase_spans(self, name: str) -> list[tuple[str, int, int]]:
        """Every occurrence of a phase; PlanError when the run has none."""
        found = [phase for phase in self.phases if phase[0] == name]
        if not found:
            known = ", ".join(dict.fromkeys(name for name, _, _ in self.phases))
            raise PlanError(f"{self.record.id} has no phase {name!r}; it has {known}")
        return found

    def _span_of(self, table: Table) -> tuple[int, int] | None:
        column = table.columns[0].name
        times = files.read(self.path, table, [column]).column(0)
        if table is HISTOGRAMS or not len(times):
            return None
        moments = times.cast(pa.int64()).to_numpy()
        return int(moments.min()), int(moments.max())


def open_run(path: Path | str) -> Run:
    """Open a run folder; PlanError in one line when the path is none."""
    return Run(path)


def open_many(pattern: str) -> list[Run]:
    """Open every run folder that matches a glob pattern, oldest first."""
    found = [Run(path) for path in sorted(glob(pattern)) if (Path(path) / "run.json").exists()]  # noqa: PTH207 — patterns may be absolute
    if not found:
        raise PlanError(f"{pattern}: no run folder matches; name folders that hold run.json")
    return sorted(found, key=lambda run: run.record.started_us)


def _frame(table: pa.Table, *, nullable: bool = False) -> pd.DataFrame:
    """Arrow to pandas: small numpy types, and types that know missing values where some may be."""
    mapping: dict[Any, Any] = {
        pa.int64(): pd.Int64Dtype(),
        pa.uint32(): pd.UInt32Dtype(),
        pa.uint16(): pd.UInt16Dtype(),
        pa.float64(): pd.Float64Dtype(),
    }
    return table.to_pandas(types_mapper=mapping.get if nullable else None)


def _ordered(names: set[str]) -> list[str]:
    return [name for name in [*CALLS.schema().names, "worker"] if name in names]


def _moment(time_us: int) -> "pa.Scalar[Any]":
    return pa.scalar(time_us, pa.timestamp("us", "UTC"))
