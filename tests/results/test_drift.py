"""Trends at like load, and what a long run says about leaks on either side."""

import numpy as np
import pytest

import results
from results.analysis.commands import COMMANDS
from results.analysis.drift import MEASURES, Outcome, judge
from results.analysis.report import report_html
from results.analysis.series import Series
from results.analysis.trend import FEWEST, rising
from results.csms_process import COLUMNS, CSMS_FILE, Sighting
from results.exit_codes import ExitCode
from results.run import create

T0_US = 1_790_000_000_000_000
BY_COLUMN = {measure.column: measure for measure in MEASURES}


@pytest.fixture(scope="module")
def simulation():
    from tests.results.conftest import load_script

    return load_script("drift")


# ---- the trend


def even(count, start=0.0):
    return np.arange(count) * 600.0 + start, np.full(count, 100.0)


def test_a_straight_line_is_found_whatever_single_windows_say():
    times, load = even(40)
    values = 10.0 + times / times[-1] * 5.0
    values[[3, 17, 31]] = [500.0, -200.0, 900.0]
    trend = rising(times, values, load)
    assert trend.growth == pytest.approx(5.0, rel=0.05)
    assert trend.start == pytest.approx(10.0, rel=0.05)
    assert trend.p < 1e-4
    assert rising(times, -values, load).p == 1.0, "what falls is no drift"


def test_windows_are_compared_with_windows_of_like_load_only():
    """The load doubles half-way, and what depends on it with it."""
    times, load = even(48)
    load = np.where(times < times[24], 100.0, 200.0) * (1 + 0.02 * np.sin(times))
    values = load / 10 + 0.1 * np.cos(times)
    assert rising(times, values, np.full(48, 100.0)).growth > 5
    assert abs(rising(times, values, load).growth) < 0.5


def test_too_few_windows_have_no_say():
    times, load = even(FEWEST - 1)
    assert rising(times, times, load).p == 1.0
    lonely = 2.0 ** np.arange(FEWEST + 10)  # every load is another one
    times, _ = even(FEWEST + 10)
    assert rising(times, times, lonely).windows == 0
    assert rising(np.zeros(0), np.zeros(0), np.zeros(0)).windows == 0


def test_windows_without_a_value_are_left_out():
    times, load = even(60)
    values = times.copy()
    values[::2] = np.nan
    assert rising(times, values, load).windows == 30


# ---- the verdict, on simulated runs (`benchmarks/drift.py` prints the whole table)


@pytest.mark.parametrize(("noise", "memory"), [(0.03, 0.0), (0.1, 0.5), (0.25, 0.5)])
def test_healthy_runs_on_noisy_machines_raise_no_alarm(simulation, noise, memory):
    luck = np.random.default_rng(7)
    assert simulation.found(luck, 40, 43, noise, memory, "alarms") <= 0.05


@pytest.mark.parametrize("name", ["CSMS leaks 5 MB/h", "we leak 5 MB/h", "queues grow", "response +50 %"])
def test_a_true_drift_is_found(simulation, name):
    luck = np.random.default_rng(8)
    assert simulation.found(luck, 20, 43, 0.05, 0.3, name) >= 0.9


def one(column, values):
    times, load = even(len(values))
    return judge(BY_COLUMN[column], Series(600, times, load, {column: np.asarray(values, float)}))


def test_memory_that_warms_up_and_stays_is_no_leak_but_one_that_goes_on_is():
    luck = np.random.default_rng(9)
    place, noise = np.linspace(0, 1, 43), 0.3 * luck.standard_normal(43)
    warm = one("csms_memory_mb", 300 * (1 - 0.5 * np.exp(-6 * place)) + noise)
    assert warm.exit_code is ExitCode.PASS
    leak = one("csms_memory_mb", 300 + 40 * place + noise)
    assert (leak.outcome, leak.exit_code) == (Outcome.DRIFTS, ExitCode.THRESHOLDS)
    assert leak.value.startswith("GROWS by 5.")
    assert leak.value.endswith("MB an hour, 300.1 to 340 MB in 7 h")


def test_our_own_leak_makes_the_run_untrusted():
    luck = np.random.default_rng(10)
    ours = one("memory_mb", 150 + 30 * np.linspace(0, 1, 43) + 0.2 * luck.standard_normal(43))
    assert ours.exit_code is ExitCode.UNTRUSTED


def test_what_grows_within_its_scatter_has_no_clear_trend_and_passes():
    luck = np.random.default_rng(11)
    values = 20 * np.exp(0.4 * luck.standard_normal(43)) + 8 * np.linspace(0, 1, 43)
    found = one("service_p95_ms", values)
    assert (found.outcome, found.exit_code) == (Outcome.UNCLEAR, ExitCode.PASS)
    assert found.value.startswith("no clear trend, ")


def test_a_drift_too_small_to_matter_is_none_however_certain():
    assert one("csms_memory_mb", 300 + 5 * np.linspace(0, 1, 43)).outcome is Outcome.STEADY
    assert one("service_p95_ms", 2 + 0.9 * np.linspace(0, 1, 43)).outcome is Outcome.STEADY


# ---- a whole run folder


def long_run(new_recorder, folder, *, leak_mb=0.0, slower=1.0, minutes=30, drift=True, memory=True):
    """Half an hour of one worker; times and memory grow by the end to what is asked for."""
    luck = np.random.default_rng(5)
    record = create(folder, "soak", arguments={}, seed=1, started_us=T0_US, workers=["00"])
    recorder = new_recorder(record.path)
    rows = [",".join(COLUMNS)]
    for second in range(minutes * 60):
        at_us, place = T0_US + second * 1_000_000, second / (minutes * 60)
        recorder.health(
            at_us + 999_999, loop_delay_p99_us=900, gen_lag_p99_us=800, cpu_percent=20.0, deadlines=50,
            dropped_deadlines=0, rss_bytes=150_000_000, open_files=140, connected=100, backlog=0,
        )  # fmt: skip
        for n in range(6):
            action, typical_us = ("MeterValues", 4_000.0) if n < 4 else ("Heartbeat", 2_000.0)
            service_us = int(typical_us * (1 + (slower - 1) * place) * np.exp(0.2 * luck.standard_normal()))
            recorder.call(
                n, 1, action, "out", "ok", "", at_us + n * 100_000, 0, 100, service_us, 90, 20, 0, False,
            )  # fmt: skip
        if second % 5 == 0:
            rss = int(200e6 + leak_mb * 1e6 * place + 1e5 * luck.standard_normal())
            rows.append(",".join(Sighting(at_us, rss, 120, None).row()))
    if memory:
        (record.path / CSMS_FILE).write_text("\n".join(rows) + "\n")
    record.mark(T0_US, "steady")
    if drift:
        record.record.scenario["drift"] = True
    record.finish([recorder.close()], ended_us=T0_US + minutes * 60_000_000)
    return results.open(record.path)


def code_of(run, command="summary"):
    import argparse

    parser = argparse.ArgumentParser()
    COMMANDS[command].add_arguments(parser)
    return COMMANDS[command].run(parser.parse_args([str(run.path)]))


def test_a_healthy_soak_passes_and_says_so(new_recorder, tmp_path, capsys):
    run = long_run(new_recorder, tmp_path)
    assert code_of(run) == ExitCode.PASS
    said = capsys.readouterr().out
    assert "drift: CSMS memory: steady, 200 to 200" in said
    assert "GROWS" not in said
    assert "no drift was seen" in report_html(run)
    assert code_of(run, "check") == ExitCode.PASS


def test_a_leaking_central_system_fails_the_run_everywhere(new_recorder, tmp_path, capsys):
    run = long_run(new_recorder, tmp_path, leak_mb=60.0)
    assert code_of(run) == ExitCode.THRESHOLDS
    assert "drift: CSMS memory: GROWS by" in capsys.readouterr().out
    assert code_of(run, "check") == ExitCode.THRESHOLDS
    assert "FAIL  CSMS memory: GROWS" in capsys.readouterr().out
    assert code_of(run, "drift") == ExitCode.THRESHOLDS
    assert "1 of 11 measures drift" in report_html(run)


def test_answers_that_become_slower_at_the_same_load_fail_the_run(new_recorder, tmp_path):
    run = long_run(new_recorder, tmp_path, slower=1.8)
    found = {drift.name.partition(" (")[0]: drift for drift in run.drift}
    assert found["response p50"].outcome is Outcome.DRIFTS
    assert found["response p50"].growth == pytest.approx(3.2 * 0.8, rel=0.3)
    assert code_of(run) == ExitCode.THRESHOLDS


def test_a_run_that_nobody_wants_judged_is_not_but_can_be(new_recorder, tmp_path, capsys):
    run = long_run(new_recorder, tmp_path, leak_mb=60.0, drift=False)
    assert code_of(run) == ExitCode.PASS
    assert "drift" not in capsys.readouterr().out
    assert code_of(run, "drift") == ExitCode.THRESHOLDS


def test_a_short_soak_passes_and_says_what_could_not_be_told(new_recorder, tmp_path, capsys):
    run = long_run(new_recorder, tmp_path, leak_mb=60.0, minutes=4, memory=False)
    assert code_of(run) == ExitCode.PASS
    said = " ".join(capsys.readouterr().out.split())
    assert "24 needed (13 min of steady load)" in said
    assert "not judged, not measured: CSMS memory" in said
