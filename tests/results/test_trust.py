import msgspec
import pandas as pd
import pytest

import results
from results.analysis.trust import bad_seconds
from results.limits import Limits
from results.receipt import Receipt
from results.run import create

NOW_US = 1_790_000_000_000_000


def run_with_health(new_recorder, tmp_path, seconds, **options):
    run = create(tmp_path, "t", arguments={}, seed=1, started_us=NOW_US, workers=["00"])
    recorder = new_recorder(run.path)
    for number, values in enumerate(seconds):
        recorder.health(NOW_US + number * 1_000_000, **values)
    for at, phase in options.get("marks", ()):
        run.mark(NOW_US + at * 1_000_000, phase)
    run.finish([recorder.close()], ended_us=NOW_US + len(seconds) * 1_000_000)
    return results.open(run.path)


GOOD = {
    "loop_delay_p99_us": 500,
    "gen_lag_p99_us": 400,
    "cpu_percent": 50.0,
    "deadlines": 100,
    "dropped_deadlines": 0,
}


def test_a_generator_that_kept_time_is_trusted(new_recorder, tmp_path):
    assert run_with_health(new_recorder, tmp_path, [GOOD] * 100).trust.trusted


@pytest.mark.parametrize(
    ("bad", "reason"),
    [
        ({"gen_lag_p99_us": 30_000}, "did not keep time in 5 of 100 seconds (gen_lag_p99_us up to 30 ms)"),
        ({"loop_delay_p99_us": 70_000}, "loop_delay_p99_us up to 70 ms"),
        ({"cpu_percent": 99.0}, "cpu_percent up to 99 %"),
        ({"canary_p99_us": 30_000}, "canary_p99_us up to 30 ms"),
        ({"dropped_deadlines": 3}, "15 of 10000 deadlines more than a period late"),
    ],
)
def test_too_many_bad_seconds_make_a_run_untrusted_and_say_which_limit(new_recorder, tmp_path, bad, reason):
    run = run_with_health(new_recorder, tmp_path, [GOOD | bad] * 5 + [GOOD] * 95)
    assert reason in str(run.trust)
    assert not run.trust


def test_a_clock_that_is_off_by_more_than_a_second_makes_a_run_untrusted(new_recorder, tmp_path):
    run = create(tmp_path, "t", arguments={}, seed=1, started_us=NOW_US, workers=["00"])
    recorder = new_recorder(run.path)
    recorder.health(NOW_US, **GOOD, clock_offset_us=-1_500_000)
    run.record.clock["offsets_us"] = {"00": -1_500_000, "01": 900_000}
    run.finish([recorder.close()], ended_us=NOW_US + 1_000_000)
    opened = results.open(run.path)
    assert opened.trust.reasons == ("the clock of worker 00 is -1.5 s off the master's",)
    assert opened.judged(Limits(clock_offset_us=2_000_000))


def test_one_hiccup_in_a_short_run_is_forgiven(new_recorder, tmp_path):
    assert run_with_health(
        new_recorder, tmp_path, [GOOD | {"gen_lag_p99_us": 90_000}] * 2 + [GOOD] * 20
    ).trust


def test_a_worker_that_stood_still_makes_a_run_untrusted(new_recorder, tmp_path):
    run = create(tmp_path, "t", arguments={}, seed=1, started_us=NOW_US, workers=["00"])
    recorder = new_recorder(run.path)
    for second in [*range(20), *range(26, 60)]:
        recorder.health(NOW_US + second * 1_000_000, **GOOD)
    run.finish([recorder.close()], ended_us=NOW_US + 60 * 1_000_000)
    assert str(results.open(run.path).trust).endswith("worker 00 stood still for 7 s")


def test_a_killed_master_is_told_with_who_did_not_close_its_files(new_recorder, tmp_path):
    run = create(tmp_path, "t", arguments={}, seed=1, started_us=NOW_US, workers=["00", "01"])
    recorder = new_recorder(run.path)
    recorder.health(NOW_US, **GOOD)
    recorder.close()  # its receipt is in the folder, and nobody is left to put it into run.json
    assert results.open(run.path).trust.reasons == (
        "the run has not ended, or its master was killed",
        "worker 01 gave no receipt",
    )


def test_a_standstill_that_the_worker_told_is_not_told_again(new_recorder, tmp_path):
    run = create(tmp_path, "t", arguments={}, seed=1, started_us=NOW_US, workers=["00"])
    recorder = new_recorder(run.path)
    recorder.health(NOW_US, **GOOD | {"loop_delay_max_us": 6_000_000})
    run.finish([recorder.close()], ended_us=NOW_US + 1, standstills_s={"00": 6.0})
    assert results.open(run.path).trust.reasons == ("worker 00 stood still for 6 s",)


def test_only_the_steady_seconds_count_when_they_are_marked(new_recorder, tmp_path):
    slow = GOOD | {"gen_lag_p99_us": 90_000}
    run = run_with_health(
        new_recorder, tmp_path, [slow] * 10 + [GOOD] * 20, marks=[(0, "ramp"), (10, "steady")]
    )
    assert run.trust


def test_seconds_between_two_steady_phases_are_no_standstill(new_recorder, tmp_path):
    marks = [(0, "ramp"), (10, "steady"), (20, "storm"), (50, "steady")]
    assert run_with_health(new_recorder, tmp_path, [GOOD] * 60, marks=marks).trust


def test_limits_are_the_callers_choice(new_recorder, tmp_path):
    run = run_with_health(new_recorder, tmp_path, [GOOD] * 30)
    assert not run.judged(Limits(cpu_percent=40))


def test_a_missing_measurement_breaks_no_limit():
    health = pd.DataFrame({name: [None] for name in ("loop_delay_p99_us", "gen_lag_p99_us", "canary_p99_us")})
    health["cpu_percent"] = [None]
    assert not bad_seconds(health).any(axis=None)


def test_nobody_watching_is_a_reason(new_recorder, tmp_path):
    assert "no health rows" in str(run_with_health(new_recorder, tmp_path, []).trust)


def test_rows_that_are_not_there_make_a_run_untrusted(sample, tmp_path):
    path = sample.write(tmp_path, sample.Sample(calls=400, seconds=4, stations=4))
    (path / "calls" / "worker=01" / "part-00000.parquet").unlink()
    assert "worker 01 wrote 200 rows of calls, 0 are there" in str(results.open(path).trust)


def test_a_lost_worker_makes_a_run_untrusted(sample, tmp_path):
    path = sample.write(tmp_path, sample.Sample(calls=400, seconds=4, stations=4, lost_worker=True))
    assert results.open(path).trust.reasons == ("worker 01 was lost",)


def test_a_run_still_running_says_so_and_does_not_ask_for_receipts(new_recorder, tmp_path):
    run = create(tmp_path, "t", arguments={}, seed=1, started_us=NOW_US, workers=["00"])
    recorder = new_recorder(run.path)
    recorder.health(NOW_US, **GOOD)
    recorder.close()
    (reason,) = results.open(run.path).trust.reasons
    assert "has not ended" in reason


def test_receipts_travel_as_plain_data():
    receipt = Receipt("00", {})
    assert msgspec.convert(msgspec.to_builtins(receipt), Receipt) == receipt
