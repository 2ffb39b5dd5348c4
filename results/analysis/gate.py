"""Thresholds over a run: every one gets a value, a margin and a status; too few samples never pass."""

import math
from collections.abc import Iterator
from typing import TYPE_CHECKING, Final

from msgspec import structs

from results.analysis.compare import against_baseline
from results.analysis.samples import Samples, samples_of
from results.analysis.slo import Slo, SloFile, check_phases
from results.analysis.slo_grammar import Measure, Threshold
from results.analysis.verdicts import Check, Status, Verdict, decide, drift_checks, trust_checks
from results.exit_codes import ExitCode
from results.run import ABORTED
from stations.errors import PlanError

if TYPE_CHECKING:
    from results.analysis.run import Run

_STEP_US: Final = 1_000_000
_SHARE_SAMPLES: Final = 100
_SUITES: Final = {
    "ledger": ("ledger", ExitCode.CORRECTNESS),
    "sessions": ("ledger", ExitCode.CORRECTNESS),
    "finding": ("conformance", ExitCode.CORRECTNESS),
}


def check(
    run: "Run", slos: SloFile, baseline: "list[Run] | None" = None, *, warn_untrusted: bool = False
) -> Verdict:
    """The verdict over a run: trust first, then every threshold of the file.

    PlanError when the file names a phase that the run cannot have; one it did not reach is not evaluated.
    """
    check_phases(slos, [*run.record.phases, *(mark.phase for mark in run.record.marks if mark.phase)])
    known: dict[tuple[str, object], Samples] = {}
    trust = trust_checks(run, slos.limits, warn_only=warn_untrusted)
    checks: list[Check] = []
    for slo in slos.slos:
        if slo.threshold.vs_baseline:
            checks.append(against_baseline(run, baseline or [], slo, slos.phase))
        else:
            checks.append(_evaluate(run, slo, slos.phase, known))
    if run.record.status == ABORTED:  # the brake is why there is too little to look at
        checks = [structs.replace(check, unknown=ExitCode.BRAKE) for check in checks]
    return decide(run.record.id, [*trust, *drift_checks(run), *checks])


def needed_samples(slo: Slo) -> int:
    """What the file asks for, and never fewer than the statistic needs to mean something.

    A percentile needs ten values above it: 1,000 for p99, 10,000 for p99.9.
    """
    quantile = slo.threshold.quantile
    floor = 1
    if quantile is not None:
        floor = math.ceil(round(10 / (1 - quantile), 6))
    elif slo.threshold.measure is Measure.SHARE and slo.threshold.stat == "rate":
        floor = _SHARE_SAMPLES
    elif slo.threshold.stat == "count":
        floor = 0
    return max(floor, slo.min_samples or 0) if floor else 0


def windows(threshold: Threshold, spans: list[tuple[int, int]]) -> Iterator[tuple[int, int]]:
    """The spans of time to look at: whole phases, consecutive windows (for) or sliding ones (over)."""
    length = threshold.window_us
    for start, end in spans:
        if length is None:
            yield start, end
            continue
        step = length if threshold.window == "for" else min(_STEP_US, length)
        yield from ((at, at + length) for at in range(start, end - length + 1, step))


def _evaluate(
    run: "Run", slo: Slo, default_phase: str | None, known: dict[tuple[str, object], Samples]
) -> Check:
    threshold = slo.threshold
    try:
        spans = _spans(
            run, threshold.phase or (None if threshold.measure is Measure.NUMBER else default_phase)
        )
    except PlanError as error:
        return _check(slo, Status.ERROR, "not evaluated", note=str(error))
    key = (threshold.metric, threshold.conditions)
    samples = known.get(key) or known.setdefault(key, samples_of(run, threshold))
    total = sum(samples.value(threshold, start, end)[1] for start, end in spans)
    needed = needed_samples(slo)
    if total < needed:
        note = f"{total:,} samples, {needed:,} needed"
        return _check(slo, Status.ERROR, "not evaluated", note=note)
    return _judge(slo, _values(threshold, spans, samples), total)


def _values(threshold: Threshold, spans: list[tuple[int, int]], samples: Samples) -> list[float]:
    # A phase that came several times is judged at its worst occurrence: percentiles cannot be averaged.
    found = (samples.value(threshold, start, end)[0] for start, end in windows(threshold, spans))
    return [value for value in found if value is not None]


def _judge(slo: Slo, values: list[float], total: int) -> Check:
    threshold = slo.threshold
    if not values:
        return _check(slo, Status.ERROR, "not evaluated", note="the phase is shorter than the window")
    worst = threshold.worst(values)
    status = Status.PASSED if threshold.holds(worst) else Status.FAILED
    note = f"{total:,} samples" if threshold.stat != "count" else ""
    if threshold.window and status is Status.FAILED:
        broken = sum(not threshold.holds(value) for value in values)
        note = f"{broken:,} of {len(values):,} windows broke it"
    return _check(slo, status, amount(worst, threshold), _margin(worst, threshold), note)


def _spans(run: "Run", phase: str | None) -> list[tuple[int, int]]:
    if phase is None:
        first, last = run.span_us
        return [(first // _STEP_US * _STEP_US, last + 1)]
    return [(start, end) for _, start, end in run.phase_spans(phase)]


def _check(slo: Slo, status: Status, value: str, margin: str = "", note: str = "") -> Check:
    suite, code = _SUITES.get(slo.threshold.metric, ("slo", ExitCode.THRESHOLDS))
    subject = next((c.among[0] for c in slo.threshold.conditions if c.key == "action" and not c.negated), "")
    return Check(
        suite=suite,
        name=slo.name,
        subject=subject,
        wanted=slo.threshold.text,
        value=value,
        status=status,
        margin=margin,
        code=code,
        note=note,
    )


def amount(value: float, threshold: Threshold) -> str:
    """A value with its unit, as people write it."""
    if threshold.unit == "us":
        return f"{value / 1e6:.3g} s" if value >= 1e6 else f"{value / 1e3:.3g} ms"
    if threshold.unit == "%":
        return f"{value * 100:.3g} %" if threshold.measure is Measure.SHARE else f"{value:.3g} %"
    return f"{value:,.6g}{threshold.unit}"


def _margin(value: float, threshold: Threshold) -> str:
    if threshold.limit == 0:
        return ""
    return f"{(value - threshold.limit) / abs(threshold.limit):+.0%} of the limit"
