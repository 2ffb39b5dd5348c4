"""One number per run and metric, as comparisons need it: a logarithm in which more is worse."""

import math
from typing import TYPE_CHECKING, Final

from msgspec import Struct

from results.analysis.latency import NOT_FAILURES, call_spreads
from results.analysis.quantiles import Spread
from results.analysis.samples import call_filter
from results.analysis.slo_grammar import Measure, Threshold
from stations.errors import PlanError

if TYPE_CHECKING:
    from results.analysis.run import Run

QUANTILES: Final = (0.5, 0.95, 0.99)
_FEWEST: Final = 1_000  # an action with fewer calls has no p99 worth comparing


class Figure(Struct, frozen=True):
    """`log` is compared, more is worse; `shown` is what people read."""

    name: str
    log: float
    shown: float


def figures(run: "Run", phase: str | None) -> dict[str, Figure]:
    """Response p50, p95 and p99 of all calls, p99 by action, failures and throughput."""
    found: dict[str, Figure] = {}
    everything = call_spreads(run, [], quantiles=QUANTILES, phase=phase).get(())
    if everything is None:
        raise PlanError(f"{run.path}: no calls to compare")
    for quantile in QUANTILES:
        _put(found, _time(f"p{quantile * 100:g} response ms", everything, quantile))
    for (action,), spread in sorted(call_spreads(run, ["action"], quantiles=(0.99,), phase=phase).items()):
        if spread.count >= _FEWEST:
            _put(found, _time(f"p99 response ms {action}", spread, 0.99))
    outcomes = call_spreads(run, ["outcome"], phase=phase)
    failed = sum(spread.count for (outcome,), spread in outcomes.items() if outcome not in NOT_FAILURES)
    _put(found, failure_figure("failed share", failed, everything.count))
    per_s = everything.count / max(run.seconds_in(phase), 1e-6)
    _put(found, Figure("calls per s", -math.log(per_s), per_s))
    return found


def threshold_figure(run: "Run", threshold: Threshold, phase: str | None) -> Figure | None:
    """The figure of a `vs baseline` threshold; None when the run has no such calls."""
    where, direction = call_filter(threshold.conditions)
    if threshold.measure is Measure.TIME and threshold.quantile is not None:
        found = call_spreads(
            run,
            [],
            kind=threshold.metric,
            direction=direction,
            quantiles=(threshold.quantile,),
            where=where,
            phase=phase,
        ).get(())
        return None if found is None else _time(threshold.text, found, threshold.quantile)
    if threshold.metric == "failed":
        outcomes = call_spreads(run, ["outcome"], direction=direction, where=where, phase=phase)
        failed = sum(s.count for (outcome,), s in outcomes.items() if outcome not in NOT_FAILURES)
        total = sum(s.count for s in outcomes.values())
        return failure_figure(threshold.text, failed, total) if total else None
    raise PlanError(f"{threshold.text!r}: only percentiles of times and rate(failed) compare with a baseline")


def failure_figure(name: str, failed: int, total: int) -> Figure:
    """A share as a log of odds, so that differences near zero count for what they are."""
    odds = (failed + 0.5) / (total - failed + 0.5)
    return Figure(name, math.log(odds), failed / total)


def _time(name: str, spread: Spread, quantile: float) -> Figure:
    value_ms = max(spread.quantile_us(quantile), 1) / 1000
    return Figure(name, math.log(value_ms), value_ms)


def _put(found: dict[str, Figure], figure: Figure) -> None:
    found[figure.name] = figure
