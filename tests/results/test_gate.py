import json
import subprocess
import sys

import numpy as np
import pytest
from lxml import etree

import results
from results.analysis.ci import ANNOTATIONS, MARKDOWN_LIMIT, annotations, junit, markdown
from results.analysis.gate import check, needed_samples, windows
from results.analysis.samples import Points, time_to_accepted
from results.analysis.slo import from_mapping
from results.analysis.slo_grammar import parse
from results.analysis.verdicts import Check, Status, decide
from results.exit_codes import ExitCode
from results.run import create
from stations.errors import PlanError

NOW_US = 1_790_000_000_000_000


def slos(defaults=None, **named):
    return from_mapping({"version": 1, "slos": named, "defaults": defaults or {}}, "slo.toml")


def evaluate(run, text, defaults=None, **more):
    verdict = check(run, slos(defaults, mine={"check": text, **more}))
    return next(c for c in verdict.checks if c.name == "mine")


@pytest.fixture(scope="module")
def frozen_path(sample, tmp_path_factory):
    """60 s, 30,000 calls; the central system stands still for 3 s in the middle."""
    what = sample.Sample(calls=30_000, seconds=60, stations=50, freeze_s=3.0)
    return sample.write(tmp_path_factory.mktemp("runs"), what)


@pytest.fixture
def frozen(frozen_path):
    return results.open(frozen_path)


@pytest.mark.parametrize(
    ("text", "status"),
    [
        ("p99(response) < 10s", "passed"),
        ("p99(response) < 1ms", "failed"),
        ("p50(response{action=MeterValues}) < 50ms during steady", "passed"),
        ("rate(failed) < 5%", "passed"),
        ("rate(failed) < 0.001%", "failed"),
        ("count(failed{outcome=timeout}) > 5", "passed"),
        ("rate(calls) > 100/s", "passed"),
        ("rate(calls{action=Heartbeat}) > 5000/s", "failed"),
        ("min(connected) >= 50 during steady", "passed"),
        ("min(connected) >= 51 during steady", "failed"),
        ("max(cpu) < 85%", "passed"),
        ("max(loop_delay) < 20ms", "passed"),
        ("max(time_to_accepted) < 10s", "passed"),
        ("count(sessions{state=settled}) == 100", "passed"),
        ("count(links{kind=refused}) == 0", "failed"),
        ("count(finding{severity=error}) == 0", "failed"),
        ("count(finding{rule=RPC-11}) == 0", "passed"),
        ("mean(gen_lag) < 1ms", "passed"),
    ],
)
def test_every_kind_of_metric_is_evaluated(frozen, text, status):
    assert evaluate(frozen, text).status == status


def test_a_freeze_that_the_whole_run_hides_is_seen_by_windows(frozen):
    assert evaluate(frozen, "p90(response) < 1s").status is Status.PASSED
    assert evaluate(frozen, "p90(response) < 1s over 5s").status is Status.FAILED
    broken = evaluate(frozen, "p90(response) < 1s for 5s")
    assert broken.status is Status.FAILED
    assert "windows broke it" in broken.note


def test_a_percentile_of_a_gate_is_the_percentile_of_the_calls(frozen):
    found = evaluate(frozen, "p99(response{action=MeterValues}) < 1us")
    exact = frozen.latency("action").loc["MeterValues", "p99_us"]
    value = float(found.value.split()[0]) * (1e6 if found.value.endswith(" s") else 1e3)
    assert value == pytest.approx(exact, rel=0.01)


def test_too_few_samples_never_pass(frozen):
    few = evaluate(frozen, "p99.9(response{action=Authorize}) < 1h")
    assert few.status is Status.ERROR
    assert "10,000 needed" in few.note
    assert few.exit_code is ExitCode.UNTRUSTED
    none = evaluate(frozen, "rate(failed{action=DataTransfer}) < 50%")
    assert none.status is Status.ERROR
    asked = evaluate(frozen, "max(response) < 1h", min_samples=1_000_000)
    assert asked.status is Status.ERROR


def test_a_phase_never_reached_and_a_window_longer_than_the_phase_never_pass(new_recorder, tmp_path, frozen):
    folder = create(
        tmp_path, "unlucky", arguments={}, seed=1, started_us=NOW_US, phases=["steady", "evening"]
    )
    folder.mark(NOW_US, "steady")
    folder.finish([], ended_us=NOW_US + 1)
    never = evaluate(results.open(folder.path), "rate(failed) < 50% during evening")
    assert (never.status, never.exit_code) == (Status.ERROR, ExitCode.UNTRUSTED)
    assert "no phase 'evening'" in never.note
    assert evaluate(frozen, "rate(failed) < 50% for 2h").status is Status.ERROR


@pytest.mark.parametrize(
    ("defaults", "text", "place"),
    [
        ({}, "rate(failed) < 50% during stedy", "slos.mine"),
        ({}, "p99(response) vs baseline < +10% during stedy", "slos.mine"),
        ({"phase": "stedy"}, "rate(failed) < 50%", "[defaults]"),
    ],
)
def test_a_phase_that_the_run_cannot_have_is_an_input_error(frozen, defaults, text, place):
    with pytest.raises(PlanError) as refused:
        check(frozen, slos(defaults, mine=text))
    assert f"slo.toml: {place}: no phase 'stedy'; the run has ramp, steady, drain" in str(refused.value)


def test_the_default_phase_holds_for_calls_and_not_for_rows_to_count(frozen):
    defaults = {"phase": "steady"}
    assert evaluate(frozen, "count(calls) < 25000", defaults).status is Status.PASSED
    assert evaluate(frozen, "count(calls) < 25000").status is Status.FAILED
    assert evaluate(frozen, "count(finding) > 0", defaults).status is Status.PASSED


def test_findings_and_sessions_are_correctness(frozen):
    assert evaluate(frozen, "count(finding) == 0").exit_code is ExitCode.CORRECTNESS
    assert check(frozen, slos(a="count(finding) == 0", b="rate(failed) < 0.001%")).exit_code == 4


def test_own_limits_of_the_file_decide_trust(frozen):
    strict = from_mapping(
        {"version": 1, "slos": {"a": "max(cpu) < 99%"}, "generator": {"cpu": "5%"}}, "slo.toml"
    )
    assert check(frozen, strict).exit_code == ExitCode.UNTRUSTED
    assert check(frozen, strict, warn_untrusted=True).passed


def test_a_ledger_threshold_needs_a_reconciliation(frozen, frozen_path):
    (frozen_path / "reconcile.json").unlink(missing_ok=True)
    with pytest.raises(PlanError, match="greenup reconcile"):
        evaluate(frozen, "count(ledger{verdict=lost}) == 0")
    (frozen_path / "reconcile.json").write_text('{"counts": {"exact": 90, "lost": 2}}')
    assert evaluate(frozen, "count(ledger{verdict=lost}) == 0").value == "2"
    assert evaluate(frozen, "count(ledger{verdict=orphan}) == 0").status is Status.PASSED


def test_a_baseline_threshold_needs_runs_that_can_tell(frozen):
    assert evaluate(frozen, "p99(response) vs baseline < +10%").note == "no baseline was given"
    one = check(frozen, slos(mine="p99(response) vs baseline < +10%"), [frozen]).checks[-1]
    assert one.status is Status.ERROR
    assert "give more runs" in one.note


@pytest.mark.parametrize(
    ("text", "needed"),
    [
        ("p50(response) < 1s", 20),
        ("p99(response) < 1s", 1_000),
        ("p99.9(response) < 1s", 10_000),
        ("rate(failed) < 1%", 100),
        ("count(failed) == 0", 0),
        ("max(response) < 1s", 1),
    ],
)
def test_samples_needed_follow_the_statistic(text, needed):
    (slo,) = slos(mine=text).slos
    assert needed_samples(slo) == needed


def test_windows_follow_each_other_or_slide():
    whole = [(0, 10_000_000)]
    assert list(windows(parse("max(cpu) < 1%", ""), whole)) == whole
    assert len(list(windows(parse("max(cpu) < 1% for 5s", ""), whole))) == 2
    assert len(list(windows(parse("max(cpu) < 1% over 5s", ""), whole))) == 6
    assert list(windows(parse("max(cpu) < 1% over 11s", ""), whole)) == []


def test_points_count_what_lies_inside():
    points = Points([5, 1, 3], np.array([50.0, 10.0, 30.0]))
    assert points.value(parse("max(connected) > 1", ""), 1, 4) == (30.0, 2)
    assert points.value(parse("min(connected) > 1", ""), 6, 9) == (None, 0)
    assert points.value(parse("count(links) > 1", ""), 0, 9) == (90.0, 3)
    assert points.value(parse("p50(time_to_accepted) > 1s", ""), 0, 9) == (30, 3)


def test_time_to_accepted_is_from_deployment_and_from_each_loss(new_recorder, tmp_path):
    run = create(tmp_path, "t", arguments={}, seed=1, started_us=NOW_US, workers=["00"])
    recorder = new_recorder(run.path)
    recorder.station(1, "GU-1", "059004", "greenup", NOW_US)
    events = [
        (2, "refused"),
        (5, "opened"),
        (6, "accepted"),
        (20, "lost"),
        (21, "refused"),
        (27, "opened"),
        (90, "opened"),
    ]
    for at, kind in events:
        recorder.connection(1, NOW_US + at, kind)
    run.finish([recorder.close()], ended_us=NOW_US + 100)
    moments, waits = time_to_accepted(results.open(run.path))
    assert waits.tolist() == [6, 7]
    assert (moments - NOW_US).tolist() == [6, 27]


def verdict_of(count, status=Status.FAILED):
    checks = [
        Check(suite="slo", name=f"n{n}", subject="Authorize", wanted="< 1%", value="2 %", status=status)
        for n in range(count)
    ]
    return decide("run", checks)


def test_junit_has_a_suite_per_kind_and_repeats_the_value_in_the_text(frozen):
    verdict = check(frozen, slos(a="rate(failed) < 0.001%", b="count(finding) == 0", c="p99.9(queue) < 1s"))
    root = etree.fromstring(junit(verdict, 60.0))
    assert [suite.get("name") for suite in root] == ["generator", "slo", "conformance"]
    (failure,) = root.xpath("//testsuite[@name='slo']/testcase/failure")
    assert "wanted rate(failed) < 0.001%" in failure.text
    assert root.xpath("//testcase/@classname")[0] == "generator"


def test_markdown_says_the_verdict_first_and_stays_small(frozen):
    text = markdown(verdict_of(3), frozen.summary())
    assert text.startswith("## ❌ a threshold failed")
    assert "| failed | n0 |" in text
    assert len(markdown(verdict_of(9_000), frozen.summary())) <= MARKDOWN_LIMIT
    assert markdown(verdict_of(1, Status.PASSED), frozen.summary()).startswith("## ✅")


def test_annotations_are_few_and_escaped():
    lines = list(annotations(verdict_of(50)))
    assert len(lines) == ANNOTATIONS
    assert lines[0] == "::error title=n0: < 1%25::2 %25, wanted < 1%25"


def run_check(*arguments):
    command = [sys.executable, "-m", "results.analysis", "check", *map(str, arguments)]
    return subprocess.run(command, check=False, capture_output=True, text=True, timeout=120)


def test_the_command_writes_everything_and_ends_with_the_code(sample, tmp_path):
    path = sample.write(tmp_path, sample.Sample(calls=4_000, seconds=10, stations=10))
    file = tmp_path / "slo.toml"
    file.write_text('version = 1\n[slos]\nbad = "rate(failed) < 0.001%"\n')
    extra = ("--slo", file, "--junit", tmp_path / "j.xml", "--markdown", tmp_path / "s.md", "--annotations")
    done = run_check(path, *extra)
    assert done.returncode == 1, done.stderr
    assert "FAIL  bad" in done.stdout
    assert "::error" in done.stdout
    assert json.loads((path / "verdict.json").read_text())["exit_code"] == 1
    assert (tmp_path / "j.xml").exists()
    assert (tmp_path / "s.md").read_text().startswith("## ❌")
    assert run_check(path).returncode == 0
    file.write_text('version = 1\n[slos]\nbad = "rate(failled) < 1%"\n')
    typo = run_check(path, "--slo", file)
    assert typo.returncode == 2
    assert typo.stderr.count("\n") == 1
