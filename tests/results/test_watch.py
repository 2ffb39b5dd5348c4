import time

import pytest

from results.analysis.slo import from_mapping
from results.analysis.watch import brakes, broken, watch
from results.exit_codes import ExitCode
from results.run import create
from stations.errors import PlanError


def slos(check, **more):
    return from_mapping({"version": 1, "slos": {"brake": {"check": check, "abort": True} | more}}, "slo.toml")


@pytest.fixture
def running(new_recorder, tmp_path):
    """A run that started a minute ago and goes on: fine until 20 s ago, then every second call fails."""
    now_us = time.time_ns() // 1_000
    run = create(tmp_path, "t", arguments={}, seed=1, started_us=now_us - 60_000_000, workers=["00"])
    recorder = new_recorder(run.path)
    for number in range(1_200):
        at = now_us - 60_000_000 + number * 50_000
        outcome = "timeout" if number % 2 and number > 800 else "ok"
        recorder.call(1, 1, "Heartbeat", "out", outcome, "", at, 0, 0, 5_000, 1, 1, 0, False)
    recorder.drain()
    time.sleep(1.4)  # the writer flushes once a second
    return run


def lines(run, check, now_us=None, **more):
    return list(broken(run.path, brakes(slos(check, **more)), now_us or time.time_ns() // 1_000))


def test_a_brake_sees_what_broke_in_its_window_while_the_run_goes_on(running):
    (line,) = lines(running, "rate(failed) < 20% over 15s")
    assert line.startswith("brake: ")
    assert "over 15 s, wanted rate(failed) < 20% over 15s" in line
    assert lines(running, "rate(failed) < 60% over 15s") == []
    assert lines(running, "p99(response) < 1s over 15s") == []


def test_an_older_failure_is_not_seen_by_a_short_window(running):
    later_us = time.time_ns() // 1_000 + 60_000_000
    assert lines(running, "rate(failed) < 20% over 15s", later_us) == []


def test_a_brake_waits_for_its_grace_and_for_enough_samples(running):
    assert lines(running, "rate(failed) < 20% over 15s", grace="10m") == []
    assert lines(running, "rate(failed) < 20% over 15s", min_samples=100_000) == []


def test_watching_ends_with_the_brake_or_with_the_run(running):
    told = []
    assert watch(running.path, slos("rate(failed) < 20% over 15s"), told.append) is ExitCode.BRAKE
    assert len(told) == 1

    def end(_seconds):
        running.finish([], ended_us=0)

    assert watch(running.path, slos("rate(failed) < 99% over 15s"), told.append, sleep=end) is ExitCode.PASS


def test_a_file_without_a_brake_is_an_input_error():
    plain = from_mapping({"version": 1, "slos": {"a": "rate(failed) < 1%"}}, "slo.toml")
    with pytest.raises(PlanError, match="no threshold has abort = true"):
        brakes(plain)
