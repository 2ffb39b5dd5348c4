import json

import pytest

import results
from results.analysis.verdicts import Check, Status, decide, trust_checks, verdict_text, write
from results.exit_codes import MEANING, PRECEDENCE, ExitCode, decisive


def check(status, code=ExitCode.THRESHOLDS, name="p99"):
    return Check(
        suite="slo", name=name, wanted="< 1 s", value="2 s", status=status, margin="+100 %", code=code
    )


def test_exit_codes_are_those_of_the_design():
    """C10: 0 pass, 1 thresholds, 2 input, 3 regression, 4 correctness, 5 untrusted, 6 brake, 70, 130."""
    assert [int(code) for code in ExitCode] == [0, 1, 2, 3, 4, 5, 6, 70, 130]
    assert set(MEANING) == set(PRECEDENCE) == set(ExitCode)


@pytest.mark.parametrize(
    ("codes", "wins"),
    [
        ([1, 3], 1),
        ([4, 1], 4),
        ([5, 4, 1, 3], 5),
        ([2, 5], 2),
        ([6, 1], 6),
        ([70, 2], 70),
        ([], 0),
        ([0, 3], 3),
    ],
)
def test_the_highest_precedence_wins(codes, wins):
    """C10: precedence 2, 5, 4, 1, 3."""
    assert decisive(map(ExitCode, codes)) == wins


def test_a_check_that_could_not_be_evaluated_never_passes():
    assert decide("r", [check(Status.ERROR), check(Status.PASSED)]).exit_code == ExitCode.UNTRUSTED
    assert decide("r", [check(Status.PASSED)]).passed
    assert decide("r", [check(Status.FAILED, ExitCode.REGRESSION)]).exit_code == 3


def test_all_reasons_are_in_verdict_json_and_the_worst_come_first(tmp_path):
    verdict = decide(
        "r", [check(Status.PASSED, name="fine"), check(Status.FAILED), check(Status.ERROR, name="few")]
    )
    told = json.loads(write(verdict, tmp_path).read_text())
    assert told["exit_code"] == 5
    assert [c["status"] for c in told["checks"]] == ["passed", "failed", "error"]
    lines = list(verdict_text(verdict))
    assert [line[:4].strip() for line in lines[:3]] == ["ERR", "FAIL", "ok"]
    assert "exit code 5" in lines[-1]
    assert "2 s, wanted < 1 s  (+100 %)" in lines[1]


def test_trust_is_a_check_with_its_reasons(sample, sample_run, tmp_path):
    assert decide("r", trust_checks(sample_run)).passed
    path = sample.write(tmp_path, sample.Sample(calls=400, seconds=4, stations=4, lost_worker=True))
    lost = results.open(path)
    assert decide("r", trust_checks(lost)).exit_code == 5
    forgiven = trust_checks(lost, warn_only=True)
    assert decide("r", forgiven).passed
    assert "worker 01 was lost" in forgiven[0].note


def test_a_run_stopped_by_a_brake_has_a_code_of_its_own(sample_run):
    sample_run.record.status = "aborted"
    assert decide("r", trust_checks(sample_run)).exit_code == ExitCode.BRAKE
