"""A threshold in a line: `stat(metric{filter}) [vs baseline] op value unit [for|over time] [during phase]`.

    p99(response{action=Authorize}) < 1s
    rate(failed{action!=Heartbeat}) < 0.1% over 30s
    min(connected) >= 10000 for 10m during steady
    p99(response) vs baseline < +10%

Units are compulsory where there is one. `for 10m`: every window of 10 minutes satisfies it; `over 30s`: every
sliding window of 30 seconds does. Without a window the phase counts as a whole.
"""

import difflib
import re
from collections.abc import Iterable
from enum import StrEnum
from typing import Final

from msgspec import Struct

from results.analysis.matching import Match
from results.catalogue import CATALOGUE, Severity
from stations.core.events import LinkFailure, Outcome
from stations.errors import PlanError
from stations.wire.messages import OPERATIONS


class Measure(StrEnum):
    """What a metric's values are, and so which units and statistics it takes."""

    TIME = "time"  # µs per call, link or second
    SHARE = "share"  # of calls, with rate(); a number with count()
    FLOW = "flow"  # per second with rate(), a number with count()
    LEVEL = "level"  # one number per second
    NUMBER = "number"  # how many rows


METRICS: Final[dict[str, Measure]] = {
    "response": Measure.TIME,
    "service": Measure.TIME,
    "queue": Measure.TIME,
    "gen_lag": Measure.TIME,
    "time_to_accepted": Measure.TIME,  # attempt to connect → BootNotification or link accepted again
    "loop_delay": Measure.TIME,  # worst of a worker and second
    "failed": Measure.SHARE,
    "calls": Measure.FLOW,
    "connected": Measure.LEVEL,
    "accepted": Measure.LEVEL,
    "charging": Measure.LEVEL,
    "backlog": Measure.LEVEL,
    "stations": Measure.LEVEL,
    "cpu": Measure.LEVEL,  # % of a core, worst worker
    "finding": Measure.NUMBER,
    "sessions": Measure.NUMBER,
    "links": Measure.NUMBER,
    "ledger": Measure.NUMBER,  # verdicts of `greenup reconcile`
}

OF_CALLS: Final = frozenset({"response", "service", "queue", "gen_lag", "failed", "calls"})
FILTERS: Final[dict[str, frozenset[str]]] = {
    **dict.fromkeys(OF_CALLS, frozenset({"action", "outcome", "worker", "direction", "result"})),
    "finding": frozenset({"severity", "rule"}),
    "sessions": frozenset({"state", "reason", "offline"}),
    "links": frozenset({"kind"}),
    "ledger": frozenset({"verdict"}),
}

# Values that a filter may name; other filters take any.
VALUES: Final[dict[str, frozenset[str]]] = {
    "action": frozenset(OPERATIONS),
    "direction": frozenset({"out", "in"}),
    "outcome": frozenset(Outcome),
    "severity": frozenset(Severity),
    "rule": frozenset(CATALOGUE),
    "state": frozenset({"started", "acknowledged", "stopped", "settled", "abandoned"}),
    "offline": frozenset({"true", "false"}),
    "kind": frozenset(
        {"opened", "accepted", "closed", "lost", "cut", "barred", "hardship", "calm", *LinkFailure}
    ),
    "verdict": frozenset(Match),
}

_STATS: Final = {
    Measure.TIME: "pNN, mean or max",
    Measure.SHARE: "rate or count",
    Measure.FLOW: "rate or count",
    Measure.LEVEL: "min, mean or max",
    Measure.NUMBER: "count",
}
_TIME_US: Final = {
    "us": 1,
    "µs": 1,
    "ms": 1_000,
    "s": 1_000_000,
    "min": 60_000_000,
    "m": 60_000_000,
    "h": 3_600_000_000,
}
_EXPRESSION: Final = re.compile(
    r"(?P<stat>p\d{1,2}(?:\.\d+)?|min|max|mean|rate|count)"
    r"\(\s*(?P<metric>\w+)\s*(?:\{(?P<filter>[^}]*)\})?\s*\)"
    r"(?P<baseline>\s+vs\s+baseline)?"
    r"\s*(?P<op><=|>=|==|<|>)\s*"
    r"(?P<number>[+-]?\d+(?:\.\d+)?)\s*(?P<unit>%|/s|us|µs|ms|s|min|m|h)?"
    r"(?:\s+(?P<window>for|over)\s+(?P<length>\d+(?:\.\d+)?)\s*(?P<length_unit>ms|s|min|m|h))?"
    r"(?:\s+during\s+(?P<phase>[\w-]+))?"
)
_FILTER: Final = re.compile(r"\s*(?P<key>\w+)\s*(?P<op>!=|=)\s*(?P<values>[^,]+?)\s*")


class Condition(Struct, frozen=True):
    """One part of a filter: the column is (or is not) one of the values."""

    key: str
    among: tuple[str, ...]
    negated: bool = False


class Threshold(Struct, frozen=True, kw_only=True):
    """One parsed expression. `limit` is µs, a share, per second or a plain number, by `unit`."""

    text: str
    stat: str
    metric: str
    conditions: tuple[Condition, ...] = ()
    vs_baseline: bool = False
    op: str
    limit: float
    unit: str
    window: str | None = None  # "for" or "over"
    window_us: int | None = None
    phase: str | None = None

    @property
    def measure(self) -> Measure:
        """What the values are."""
        return METRICS[self.metric]

    @property
    def quantile(self) -> float | None:
        """0.99 for p99; None for other statistics."""
        return round(float(self.stat[1:]) / 100, 9) if self.stat.startswith("p") else None

    def holds(self, value: float) -> bool:
        """Whether a value satisfies the threshold."""
        return {
            "<": value < self.limit,
            "<=": value <= self.limit,
            ">": value > self.limit,
            ">=": value >= self.limit,
            "==": value == self.limit,
        }[self.op]

    def worst(self, values: list[float]) -> float:
        """Of several windows' values, the one that has it hardest to satisfy the threshold."""
        if self.op == "==":
            return max(values, key=lambda value: abs(value - self.limit))
        return max(values) if self.op.startswith("<") else min(values)


def parse(text: str, where: str) -> Threshold:
    """The threshold that `text` writes down; PlanError names `where` it stands and what is wrong."""
    match = _EXPRESSION.fullmatch(text.strip())
    if match is None:
        form = "stat(metric{filter}) [vs baseline] < value unit [for|over time] [during phase]"
        raise PlanError(f"{where}: {text!r} is no threshold; write {form}")
    metric = match["metric"]
    if metric not in METRICS:
        raise PlanError(f"{where}: no metric {metric!r}; there are {', '.join(METRICS)}")
    _check_stat(match["stat"], metric, where)
    vs_baseline = match["baseline"] is not None
    limit, unit = _limit(match, METRICS[metric], where, vs_baseline=vs_baseline)
    length = match["length"]
    return Threshold(
        text=" ".join(text.split()),
        stat=match["stat"],
        metric=metric,
        conditions=_conditions(match["filter"], metric, where),
        vs_baseline=vs_baseline,
        op=match["op"],
        limit=limit,
        unit=unit,
        window=match["window"],
        window_us=round(float(length) * _TIME_US[match["length_unit"]]) if length else None,
        phase=match["phase"],
    )


def duration_us(text: str, where: str) -> int:
    """A time such as 20ms or 1.5s in µs; PlanError without a unit."""
    match = re.fullmatch(r"(\d+(?:\.\d+)?)\s*(us|µs|ms|s|min|m|h)", text.strip())
    if match is None:
        raise PlanError(f"{where}: {text!r} is no time with a unit; write 20ms, 1.5s or 10m")
    return round(float(match[1]) * _TIME_US[match[2]])


def _check_stat(stat: str, metric: str, where: str) -> None:
    measure = METRICS[metric]
    allowed = {
        Measure.TIME: {"mean", "max"},
        Measure.LEVEL: {"min", "mean", "max"},
        Measure.NUMBER: {"count"},
    }.get(measure, {"rate", "count"})
    is_percentile = stat.startswith("p") and measure is Measure.TIME and 0 < float(stat[1:]) < 100
    if stat not in allowed and not is_percentile:
        raise PlanError(f"{where}: {stat}({metric}) makes no sense; {metric} takes {_STATS[measure]}")


def _limit(match: re.Match[str], measure: Measure, where: str, *, vs_baseline: bool) -> tuple[float, str]:
    number, unit = float(match["number"]), match["unit"] or ""
    if vs_baseline:
        if unit != "%":
            raise PlanError(f"{where}: against a baseline the unit is %; write < +10%")
        return number / 100, "%"
    if number < 0:
        raise PlanError(f"{where}: {match['metric']} is never below 0; {match['number']} cannot be its limit")
    wanted = "time" if measure is Measure.TIME else _unit_of(match["stat"], measure, match["metric"])
    given = "time" if unit in _TIME_US else unit
    if wanted != given:
        example = {"time": "250ms", "%": "0.1%", "/s": "1000/s", "": "a plain number"}[wanted]
        raise PlanError(
            f"{where}: {match['stat']}({match['metric']}) needs {example}, not {match['number']}{unit}"
        )
    if given == "time":
        return number * _TIME_US[unit], "us"
    return (number / 100 if measure is Measure.SHARE and unit == "%" else number), unit


def _unit_of(stat: str, measure: Measure, metric: str) -> str:
    if stat == "rate":
        return "%" if measure is Measure.SHARE else "/s"
    return "%" if metric == "cpu" else ""


def _conditions(text: str | None, metric: str, where: str) -> tuple[Condition, ...]:
    if not text or not text.strip():
        return ()
    return tuple(_condition(part, metric, where) for part in text.split(","))


def _condition(text: str, metric: str, where: str) -> Condition:
    match = _FILTER.fullmatch(text)
    if match is None:
        raise PlanError(
            f"{where}: {text.strip()!r} is no filter; write action=Authorize or outcome!=ok|timeout"
        )
    allowed = FILTERS.get(metric, frozenset())
    if match["key"] not in allowed:
        known = f"it takes {', '.join(sorted(allowed))}" if allowed else "it takes none"
        raise PlanError(f"{where}: {metric} has no filter {match['key']!r}; {known}")
    values = tuple(value.strip() for value in match["values"].split("|"))
    for value in values:
        possible = VALUES.get(match["key"])
        if possible is not None and value not in possible:
            raise PlanError(f"{where}: {match['key']} {value!r} does not exist; {_nearest(value, possible)}")
    return Condition(match["key"], values, match["op"] == "!=")


def _nearest(value: str, possible: Iterable[str]) -> str:
    """The likely meant name, or all of them."""
    close = difflib.get_close_matches(value, possible, 1)
    return f"did you mean {close[0]}?" if close else f"it is one of {', '.join(sorted(possible))}"
