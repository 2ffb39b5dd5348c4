import csv
import io
import math
import subprocess
import sys

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from lxml import html

import results
from results.analysis import student
from results.analysis.compare import Design, Outcome, compare, holm, judge
from results.analysis.compare_text import cells, comparison_markdown, comparison_text, drift_csv
from results.analysis.gate import check
from results.analysis.run_figures import Figure, failure_figure
from results.analysis.slo import from_mapping
from results.analysis.verdicts import Status
from stations.errors import PlanError

NOW_US = 1_790_000_000_000_000
SECOND = 1_000_000


@pytest.mark.parametrize(
    ("freedom", "probability", "t"),
    [
        (1, 0.975, 12.706),
        (2, 0.99, 6.965),
        (6, 0.99, 3.143),
        (10, 0.975, 2.228),
        (30, 0.95, 1.697),
        (100, 0.99, 2.364),
    ],
)
def test_student_agrees_with_the_printed_tables(freedom, probability, t):
    assert student.quantile(probability, freedom) == pytest.approx(t, abs=5e-4)
    assert student.survival(t, freedom) == pytest.approx(1 - probability, abs=5e-5)


@given(st.floats(-50, 50), st.integers(1, 200))
def test_student_is_symmetric_and_a_probability(t, freedom):
    tail = student.survival(t, freedom)
    assert 0 <= tail <= 1
    assert tail + student.survival(-t, freedom) == pytest.approx(1)


def test_student_at_the_ends():
    assert student.survival(math.inf, 3) == 0
    assert student.survival(-math.inf, 3) == 1
    assert student.survival(0, 3) == 0.5


def test_holm_multiplies_by_what_is_left_and_never_falls():
    assert holm([0.01, None, 0.04, 0.03]) == pytest.approx([0.03, None, 0.06, 0.06], nan_ok=False)
    assert holm([]) == []
    assert holm([0.9, 0.8]) == [1.0, 1.0]


def arm(*values):
    return [Figure("p99", math.log(v), v) for v in values]


def test_a_clear_change_is_a_regression_and_its_mirror_is_no_worse():
    slower = judge([(arm(100, 101, 99, 100), arm(112, 113, 111, 112))])[0]
    assert slower.outcome is Outcome.REGRESSED
    assert slower.ratio == pytest.approx(1.12, rel=0.01)
    assert slower.ratio_low < slower.ratio < slower.ratio_high
    assert judge([(arm(112, 113, 111, 112), arm(100, 101, 99, 100))])[0].outcome is Outcome.NO_WORSE


def test_a_change_below_the_smallest_effect_is_not_told():
    line = judge([(arm(100, 100.1, 99.9, 100), arm(103, 103.1, 102.9, 103))])[0]
    assert line.outcome is Outcome.NO_WORSE
    assert line.p_value < 0.01


def test_noise_is_inconclusive_and_says_how_many_runs_would_decide():
    line = judge([(arm(100, 120, 80), arm(105, 90, 130))])[0]
    assert line.outcome is Outcome.INCONCLUSIVE
    assert line.more_runs > 20
    assert "more runs per side would decide" in line.words()


def test_one_run_against_one_is_never_decided():
    line = judge([(arm(100), arm(300))])[0]
    assert line.outcome is Outcome.INCONCLUSIVE
    assert line.p_value is None
    assert line.ratio == pytest.approx(3)


def test_equal_runs_are_no_worse():
    assert judge([(arm(100, 100), arm(100, 100))])[0].outcome is Outcome.NO_WORSE


def test_false_alarms_stay_at_one_per_cent_and_a_real_change_is_found():
    """The full table is benchmarks/compare_power.py; here a small sample with a fixed seed."""
    luck = np.random.default_rng(5)

    def regressed(effect):
        base = np.exp(luck.normal(0, 0.02, 4))
        return (
            judge([(arm(*base), arm(*np.exp(luck.normal(effect, 0.02, 4))))])[0].outcome is Outcome.REGRESSED
        )

    assert sum(regressed(0.0) for _ in range(300)) <= 9
    assert sum(regressed(math.log(1.1)) for _ in range(100)) >= 85


def test_a_share_of_failures_compares_as_odds():
    figure = failure_figure("failed", 10, 1_000)
    assert figure.shown == 0.01
    none = failure_figure("failed", 0, 1_000)
    assert none.log < figure.log
    (line,) = judge([([none, none, none], [none, none, figure])])
    assert line.base == 0, "what people read is the share itself"
    assert line.candidate == pytest.approx(0.01 / 3)


@pytest.mark.parametrize(("before", "after"), [(1_000, 400), (400, 1_000)])
def test_no_failures_are_no_failures_however_many_calls_there_were(before, after):
    """Fewer calls leave larger smoothed odds of nothing: that is no regression, nor a ratio to show."""
    base, candidate = (
        [failure_figure("failed", 0, total + n) for n in range(3)] for total in (before, after)
    )
    (line,) = judge([(base, candidate)])
    assert (line.base, line.candidate, line.ratio, line.outcome) == (0, 0, 1, Outcome.NO_WORSE)


@pytest.fixture(scope="module")
def runs(sample, tmp_path_factory):
    """Six interleaved runs, three of them 40 % slower."""
    root = tmp_path_factory.mktemp("runs")
    paths = [
        sample.write(
            root,
            sample.Sample(
                calls=6_000, seconds=10, stations=20, seed=seed, slower=1 + 0.4 * (seed % 2),
                start_us=NOW_US + seed * 20 * SECOND,
            ),
        )
        for seed in range(6)
    ]  # fmt: skip
    opened = [results.open(path) for path in paths]
    return opened[::2], opened[1::2]


def test_slower_runs_are_found_by_quantile_and_action(runs):
    found = compare(*runs)
    by_name = {line.metric: line for line in found.lines}
    assert found.design is Design.INTERLEAVED
    assert by_name["p50 response ms"].outcome is Outcome.REGRESSED
    assert by_name["p50 response ms"].ratio == pytest.approx(1.38, rel=0.1)
    assert by_name["p95 response ms"].outcome is Outcome.REGRESSED
    assert "p99 response ms MeterValues" in by_name
    assert by_name["calls per s"].outcome is Outcome.NO_WORSE
    assert found.exit_code == 3
    assert found.warnings == []


def test_equal_runs_do_not_regress(runs):
    base, _ = runs
    found = compare(base[:2], base[1:])
    assert found.exit_code == 0


def test_sides_that_ran_one_after_the_other_are_warned_about(runs):
    base, candidate = runs
    assert "one after the other" in " ".join(compare(base[:2], candidate[2:]).warnings)
    assert "tells nothing" in " ".join(compare(base[:1], candidate[:1]).warnings)


def test_history_is_weak_and_says_so(runs):
    base, candidate = runs
    found = compare(base, candidate, history=True)
    assert found.design is Design.HISTORY
    assert "weak" in " ".join(found.warnings)
    assert "history has 3 runs, 10 are wanted" in found.warnings


def test_an_untrusted_run_is_not_compared(runs, sample, tmp_path):
    lost = results.open(
        sample.write(tmp_path, sample.Sample(calls=2_000, seconds=4, stations=4, lost_worker=True))
    )
    with pytest.raises(PlanError, match="compare trusted runs only"):
        compare(runs[0], [lost])
    with pytest.raises(PlanError, match="at least one run"):
        compare(runs[0], [])


def test_runs_with_other_arguments_are_told(runs):
    base, candidate = runs
    own = candidate[0].record.arguments
    before = own.copy()
    own |= {"stations": 21, "runs": "runs/bench/candidate"}  # where results lie is no difference of the load
    try:
        assert "the runs differ in stations" in compare(base, candidate).warnings
    finally:
        own.clear()
        own.update(before)


def test_text_markdown_and_csv(runs):
    found = compare(*runs)
    assert "regressed" in comparison_text(found)
    assert "| p50 response ms |" in comparison_markdown(found)
    rows = list(csv.DictReader(io.StringIO(drift_csv([*runs[0], *runs[1]], None))))
    assert len(rows) == 6
    assert float(rows[0]["p50 response ms"]) > 1


@pytest.mark.parametrize(
    ("value", "shown"),
    [(12_345.6, "12,346"), (1_000, "1,000"), (999.96, "1000"), (0.012345, "0.01235"), (0, "0")],
)
def test_values_are_written_without_powers_of_ten(runs, value, shown):
    line = msgspec.structs.replace(compare(*runs).lines[0], base=value, candidate=value)
    assert cells(line)[1:3] == [shown, shown]


def test_a_gate_compares_with_the_baseline(runs):
    base, candidate = runs
    slos = from_mapping({"version": 1, "slos": {"mine": "p50(response) vs baseline < +10%"}}, "slo.toml")
    assert check(candidate[0], slos, base).checks[-1].status is Status.FAILED
    assert check(candidate[0], slos, base).exit_code == 3


def run_compare(*arguments):
    command = [sys.executable, "-m", "results.analysis", "compare", *map(str, arguments)]
    return subprocess.run(command, check=False, capture_output=True, text=True, timeout=120)


def test_the_command_takes_halves_or_a_named_baseline(runs, tmp_path):
    base, candidate = ([run.path for run in arm] for arm in runs)
    done = run_compare(*base, *candidate, "--csv", tmp_path / "drift.csv", "--html", tmp_path / "page.html")
    assert done.returncode == 3, done.stderr
    assert "regressed" in done.stdout
    page = html.parse(str(tmp_path / "page.html"))
    assert "regressed" in page.findtext(".//span")
    assert len(page.findall(".//svg")) == 3, "intervals, distributions, p99 over time"
    assert "baseline and 3 candidate runs, interleaved" in page.getroot().text_content()
    assert len((tmp_path / "drift.csv").read_text().splitlines()) == 7
    assert run_compare(*base[1:], "--base", *base[:2]).returncode == 0
    odd = run_compare(*base)
    assert odd.returncode == 2
    assert "as many candidate as baseline runs" in odd.stderr


def test_runs_that_are_not_trusted_are_not_compared_and_say_so_by_their_code(runs, sample, tmp_path):
    base, candidate = ([run.path for run in arm] for arm in runs)
    lost = sample.write(tmp_path, sample.Sample(calls=600, seconds=5, stations=5, lost_worker=True))
    done = run_compare(*candidate, lost, "--base", *base)
    assert done.returncode == 5
    assert f"{lost}: NOT TRUSTED" in done.stdout
    assert "not compared" in done.stdout
