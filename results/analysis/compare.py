"""Is the candidate worse than the baseline? The unit of replication is the run, never the call.

More calls in one run only make it surer of that run's own luck: "p99 is 10 % higher than yesterday" cries
wolf in 12 to 34 % of comparisons of equal systems. Here each run gives one logarithm per metric; the arms are
compared by a pooled t test, one-sided, with Holm's correction over the metrics, and a smallest effect worth
telling. Runs of the two arms should alternate in one session: then A/A alarms stay at 1 %
(benchmarks/compare_power.py). What cannot be decided is inconclusive, with the number of runs that would do.
"""

import math
from collections.abc import Sequence
from enum import StrEnum
from statistics import fmean, geometric_mean
from typing import TYPE_CHECKING, Final

import msgspec
from msgspec import Struct

from results.analysis import student
from results.analysis.run_figures import Figure, figures, threshold_figure
from results.analysis.verdicts import Check, Status
from results.exit_codes import ExitCode
from stations.errors import PlanError

if TYPE_CHECKING:
    from results.analysis.run import Run
    from results.analysis.slo import Slo

ALPHA: Final = 0.01  # false alarms over all metrics of one comparison
MIN_EFFECT: Final = 0.05  # a smaller change is not told as a regression
ALLOWED: Final = 0.10  # "no worse" means surely not worse than this
HISTORY_RUNS: Final = 10
_POWER_Z: Final = 2.33 + 0.84  # one-sided 1 % and 80 % power


class Outcome(StrEnum):
    """What a comparison says about one metric."""

    REGRESSED = "regressed"
    NO_WORSE = "no worse"
    INCONCLUSIVE = "inconclusive"


class Design(StrEnum):
    """How the runs of the two arms lie in time; only interleaved ones share the machine's mood."""

    INTERLEAVED = "interleaved"
    SEPARATE = "separate"
    HISTORY = "history"


class Line(Struct, frozen=True, kw_only=True):
    """One metric. `ratio` above 1 is worse, whatever the metric; the interval has 98 % confidence."""

    metric: str
    base: float
    candidate: float
    ratio: float
    ratio_low: float | None
    ratio_high: float | None
    p_value: float | None
    outcome: Outcome
    more_runs: int | None = None  # per arm, that would decide at the present noise

    def words(self) -> str:
        """The outcome with what would decide it."""
        more = f", {self.more_runs} more runs per side would decide" if self.more_runs else ""
        return f"{self.outcome}{more}"


class Comparison(Struct, frozen=True, kw_only=True):
    """All metrics of two arms."""

    base: list[str]
    candidate: list[str]
    design: Design
    lines: list[Line]
    warnings: list[str]

    @property
    def exit_code(self) -> ExitCode:
        """REGRESSION when anything regressed."""
        regressed = any(line.outcome is Outcome.REGRESSED for line in self.lines)
        return ExitCode.REGRESSION if regressed else ExitCode.PASS

    def json(self) -> str:
        """The same as a JSON document."""
        return msgspec.json.format(msgspec.json.encode(self)).decode()


def compare(
    base: "Sequence[Run]",
    candidate: "Sequence[Run]",
    *,
    phase: str | None = None,
    history: bool = False,
    min_effect: float = MIN_EFFECT,
    allowed: float = ALLOWED,
) -> Comparison:
    """Compare two arms of runs. `phase` defaults to steady where every run has it.

    With `history` the candidate's runs are averaged to one point against past sessions: weak, and said so.
    """
    runs = [*base, *candidate]
    _check(base, candidate)
    chosen = phase or _common_phase(runs)
    base_figures = [figures(run, chosen) for run in base]
    candidate_figures = [figures(run, chosen) for run in candidate]
    if history:
        candidate_figures = [_averaged(candidate_figures)]
    design = Design.HISTORY if history else _design(base, candidate)
    shared = [
        name
        for name in base_figures[0]
        if all(name in found for found in [*base_figures[1:], *candidate_figures])
    ]
    arms = [([f[name] for f in base_figures], [f[name] for f in candidate_figures]) for name in shared]
    lines = judge(arms, min_effect=min_effect, allowed=allowed)
    return Comparison(
        base=[run.record.id for run in base],
        candidate=[run.record.id for run in candidate],
        design=design,
        lines=lines,
        warnings=_warnings(base, candidate, design),
    )


def judge(
    arms: Sequence[tuple[Sequence[Figure], Sequence[Figure]]],
    *,
    min_effect: float = MIN_EFFECT,
    allowed: float = ALLOWED,
) -> list[Line]:
    """One line per metric, p values corrected over all of them (Holm)."""
    tests = [_test(*_logs(base, candidate)) for base, candidate in arms]
    corrected = holm([test.p_value for test in tests])
    return [
        _line(base, candidate, test, p, min_effect=min_effect, allowed=allowed)
        for (base, candidate), test, p in zip(arms, tests, corrected, strict=True)
    ]


def holm(p_values: Sequence[float | None]) -> list[float | None]:
    """Holm's step-down correction; None stays None and counts for nothing."""
    known = sorted((p, place) for place, p in enumerate(p_values) if p is not None)
    corrected: list[float | None] = [None] * len(p_values)
    highest = 0.0
    for rank, (p, place) in enumerate(known):
        highest = max(highest, min(1.0, p * (len(known) - rank)))
        corrected[place] = highest
    return corrected


def against_baseline(run: "Run", baseline: "Sequence[Run]", slo: "Slo", phase: str | None) -> Check:
    """A `vs baseline` threshold of a gate: fails when surely worse, passes when surely not."""
    threshold = slo.threshold
    if not baseline:
        return _baseline_check(slo, Status.ERROR, "not evaluated", "no baseline was given")
    chosen = threshold.phase or phase
    arms = [[threshold_figure(r, threshold, chosen) for r in runs] for runs in (baseline, [run])]
    if any(figure is None for arm in arms for figure in arm):
        return _baseline_check(slo, Status.ERROR, "not evaluated", "no such calls in one of the runs")
    base, candidate = ([figure for figure in arm if figure is not None] for arm in arms)
    (line,) = judge([(base, candidate)], allowed=threshold.limit)
    value = f"{line.ratio - 1:+.1%}"
    if line.ratio_low is None or line.ratio_high is None:
        return _baseline_check(slo, Status.ERROR, value, "one run against one cannot tell; give more runs")
    note = f"98 % interval {line.ratio_low - 1:+.1%} to {line.ratio_high - 1:+.1%}"
    status = {Outcome.REGRESSED: Status.FAILED, Outcome.NO_WORSE: Status.PASSED}.get(
        line.outcome, Status.ERROR
    )
    return _baseline_check(slo, status, value, f"{line.words()}; {note}")


def _logs(base: Sequence[Figure], candidate: Sequence[Figure]) -> tuple[list[float], list[float]]:
    """What is tested. Where no run has anything to show, the logarithms only tell how many calls it had."""
    if not any(figure.shown for figure in [*base, *candidate]):
        return [0.0] * len(base), [0.0] * len(candidate)
    return [figure.log for figure in base], [figure.log for figure in candidate]


class _Test(Struct, frozen=True):
    difference: float
    deviation: float | None
    error: float | None
    freedom: int
    p_value: float | None


def _test(base: Sequence[float], candidate: Sequence[float]) -> _Test:
    """Pooled t over the logarithms: the arms share their noise, because they share machine and load."""
    n, m = len(base), len(candidate)
    difference = fmean(candidate) - fmean(base)
    freedom = n + m - 2
    if freedom < 1:
        return _Test(difference, None, None, freedom, None)
    squares = sum((v - fmean(arm)) ** 2 for arm in (base, candidate) for v in arm)
    deviation = math.sqrt(squares / freedom)
    error = deviation * math.sqrt(1 / n + 1 / m)
    t = difference / error if error else math.copysign(math.inf, difference) if difference else 0.0
    return _Test(difference, deviation, error, freedom, student.survival(t, freedom))


def _line(
    base: Sequence[Figure],
    candidate: Sequence[Figure],
    test: _Test,
    p_value: float | None,
    *,
    min_effect: float,
    allowed: float,
) -> Line:
    low = high = None
    outcome, more = Outcome.INCONCLUSIVE, None
    if test.error is not None and p_value is not None:
        reach = student.quantile(1 - ALPHA, test.freedom) * test.error
        low, high = test.difference - reach, test.difference + reach
        if p_value < ALPHA and test.difference > math.log1p(min_effect):
            outcome = Outcome.REGRESSED
        elif high < math.log1p(allowed):
            outcome = Outcome.NO_WORSE
        else:
            more = _more_runs(test.deviation or 0.0, min(len(base), len(candidate)), allowed)
    return Line(
        metric=base[0].name,
        base=_middle([f.shown for f in base]),
        candidate=_middle([f.shown for f in candidate]),
        ratio=math.exp(test.difference),
        ratio_low=None if low is None else math.exp(low),
        ratio_high=None if high is None else math.exp(high),
        p_value=p_value,
        outcome=outcome,
        more_runs=more,
    )


def _middle(values: Sequence[float]) -> float:
    """The geometric mean, as the ratio is one of logarithms; the plain one where a run has 0."""
    return geometric_mean(values) if all(value > 0 for value in values) else fmean(values)


def _more_runs(deviation: float, have: int, effect: float) -> int:
    """Per arm, for 80 % power at `effect`; two more because few runs estimate their own noise badly."""
    needed = math.ceil(2 * (_POWER_Z * deviation / math.log1p(effect)) ** 2) + 2
    return max(needed - have, 1)


def _averaged(found: Sequence[dict[str, Figure]]) -> dict[str, Figure]:
    shared = [name for name in found[0] if all(name in figures_of for figures_of in found)]
    return {
        name: Figure(name, fmean(f[name].log for f in found), _middle([f[name].shown for f in found]))
        for name in shared
    }


def _check(base: "Sequence[Run]", candidate: "Sequence[Run]") -> None:
    if not base or not candidate:
        raise PlanError("compare needs at least one run on each side")
    for run in [*base, *candidate]:
        if not run.trust:
            raise PlanError(f"{run.path}: {run.trust}; compare trusted runs only")


def _common_phase(runs: "Sequence[Run]") -> str | None:
    everywhere = all("steady" in {name for name, _, _ in run.phases} for run in runs)
    return "steady" if everywhere else None


def _design(base: "Sequence[Run]", candidate: "Sequence[Run]") -> Design:
    """Interleaved when neither arm was finished before the other began."""
    spans = [[run.record.started_us for run in arm] for arm in (base, candidate)]
    first, second = sorted(spans, key=min)
    return Design.INTERLEAVED if min(second) < max(first) else Design.SEPARATE


def _warnings(base: "Sequence[Run]", candidate: "Sequence[Run]", design: Design) -> list[str]:
    warnings = []
    if len(base) + len(candidate) < 3:
        warnings.append("one run against one tells nothing; only the ratio is shown")
    if design is Design.SEPARATE and len(base) + len(candidate) > 2:
        warnings.append(
            "the sides ran one after the other, not in turns: false alarms are far more frequent than 1 %"
        )
    if design is Design.HISTORY:
        warnings.append("against history: weak, a second build in the same job decides better")
        if len(base) < HISTORY_RUNS:
            warnings.append(f"history has {len(base)} runs, {HISTORY_RUNS} are wanted")
    different = _differing_arguments([*base, *candidate])
    if different:
        warnings.append(f"the runs differ in {', '.join(different)}")
    return warnings


def _differing_arguments(runs: "Sequence[Run]") -> list[str]:
    """Arguments that are not the same in all runs; the target may be what is compared, so it is only told.

    Where the results lie is none: `bench` gives each side a folder of its own.
    """
    names = dict.fromkeys(name for run in runs for name in run.record.arguments if name != "runs")
    told = [[run.record.arguments.get(name) for run in runs] for name in names]
    return [name for name, values in zip(names, told, strict=True) if any(v != values[0] for v in values)]


def _baseline_check(slo: "Slo", status: Status, value: str, note: str) -> Check:
    return Check(
        suite="regression",
        name=slo.name,
        wanted=slo.threshold.text,
        value=value,
        status=status,
        code=ExitCode.REGRESSION,
        note=note,
    )
