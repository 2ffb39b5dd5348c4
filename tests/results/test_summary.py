import json
import subprocess
import sys

import pytest

import results
from results.analysis.render import milliseconds, summary_html, summary_markdown, summary_text
from results.run import create

NOW_US = 1_790_000_000_000_000


@pytest.fixture
def small_run(new_recorder, tmp_path):
    """Four calls out, one cancelled; two commands in; one session; links; findings."""
    run = create(tmp_path, "t", arguments={}, seed=1, started_us=NOW_US, workers=["00"])
    recorder = new_recorder(run.path)
    recorder.station(1, "GU-1", "059004", "greenup", NOW_US)
    for outcome, service in (("ok", 1_000), ("ok", 2_000), ("timeout", 30_000_000), ("cancelled", 9_000_000)):
        recorder.call(1, 1, "Heartbeat", "out", outcome, "", NOW_US, 500, 20, service, 10, 10, 0, False)
    recorder.call(1, 0, "Reset", "in", "ok", "Accepted", NOW_US, 0, 0, 700, 10, 10, 0, False)
    recorder.call(1, 0, "Reset", "in", "callerror", "", NOW_US, 0, 0, 900, 10, 10, 0, False)
    recorder.transaction(
        1, at_us=NOW_US, sequence=1, state="settled", connector=1, id_tag="T", transaction_id=5,
        meter_start_wh=0, started_us=NOW_US, meter_stop_wh=2_500, stopped_us=NOW_US, offline=True,
    )  # fmt: skip
    recorder.connection(1, NOW_US, "opened", connect_us=900)
    recorder.connection(1, NOW_US, "closed", duration_us=5, close_code=1012)
    recorder.connection(1, NOW_US, "refused")
    for number in range(25):
        recorder.finding(1, "RPC-5", f"answer to unknown id {number}", b"[3]", NOW_US)
    recorder.health(NOW_US, cpu_percent=12.0, loop_delay_max_us=1_500, rss_bytes=50_000_000)
    run.finish([recorder.close()], ended_us=NOW_US + 10_000_000)
    return results.open(run.path)


def test_a_summary_counts_failures_and_leaves_cancelled_calls_out_of_them(small_run):
    summary = small_run.summary()
    (line,) = summary.actions
    assert (line.action, line.count, line.failures, line.cancelled) == ("Heartbeat", 4, 1, 1)
    assert line.per_s == pytest.approx(0.4)
    assert line.outcomes == {"ok": 2, "timeout": 1, "cancelled": 1}
    assert (line.p50_ms, line.max_ms, line.service_p95_ms) == (2.52, 30_000.52, 30_000.0)


def test_a_summary_tells_commands_sessions_links_findings_and_own_health(small_run):
    summary = small_run.summary()
    (command,) = summary.commands
    assert (command.action, command.count, command.answers) == ("Reset", 2, {"Accepted": 1, "callerror": 1})
    assert (summary.sessions.started, summary.sessions.settled, summary.sessions.offline) == (1, 1, 1)
    assert summary.sessions.energy_kwh == 2.5
    assert summary.links.ended == {"closed 1012": 1}
    assert summary.links.failed == {"refused": 1}
    (finding,) = summary.findings
    assert (finding.rule, finding.kind, finding.count) == ("RPC-5", "answer to unknown id #", 25)
    assert finding.example == "answer to unknown id 0"
    assert summary.health.gen_lag_max_ms == 0.02
    assert summary.health.cpu_percent_max == 12.0
    assert summary.health.loop_delay_max_ms == 1.5


def test_the_text_is_readable_in_a_ci_log(small_run, sample_run):
    for run in (small_run, sample_run):
        text = summary_text(run.summary())
        assert max(len(line) for line in text.splitlines() if str(run.path) not in line) <= 100
        assert text.isprintable() or "\n" in text
        assert "\x1b" not in text
    assert "TRUSTED" in text
    assert f"folder: {sample_run.path}" in text
    assert f'import results; run = results.open("{sample_run.path}")' in text


def test_markdown_and_html_say_the_same(small_run):
    summary = small_run.summary()
    markdown = summary_markdown(summary)
    assert markdown.startswith("### TRUSTED")
    assert "| Heartbeat | 4 | 1 |" in markdown
    assert "<td>Heartbeat</td><td>4</td><td>1</td>" in summary_html(summary)


def test_a_run_without_calls_says_so(new_recorder, tmp_path):
    run = create(tmp_path, "t", arguments={}, seed=1, started_us=NOW_US, workers=["00"])
    run.finish([new_recorder(run.path).close()], ended_us=NOW_US + 1)
    summary = results.open(run.path).summary()
    assert summary.total.count == 0
    assert summary.total.p50_ms is None
    assert "no calls were recorded" in summary_text(summary)


def test_one_phase_can_be_summarised_alone(sample_run):
    steady = sample_run.summary("steady")
    whole = sample_run.summary()
    assert 0 < steady.total.count < whole.total.count
    assert steady.duration_s < whole.duration_s


def test_percentiles_say_whether_they_are_exact(sample_run):
    from results.analysis.summary import summarise

    assert summarise(sample_run).percentiles == "exact"
    rough = summarise(sample_run, exact_calls=10)
    assert rough.percentiles == "within 0.39 %"
    assert rough.total.p99_ms == pytest.approx(summarise(sample_run).total.p99_ms, rel=1 / 256)


@pytest.mark.parametrize(
    ("value", "text"),
    [(None, "-"), (0.0, "0"), (0.034, "0.03"), (1.234, "1.23"), (45.67, "45.7"), (12_345.6, "12,346")],
)
def test_milliseconds_have_three_digits(value, text):
    assert milliseconds(value) == text


def command(*arguments):
    return subprocess.run(
        [sys.executable, "-m", "results.analysis", *map(str, arguments)],
        check=False,
        capture_output=True,
        text=True,
        timeout=60,
    )


def test_the_command_prints_text_json_and_markdown(sample_path):
    assert "MeterValues" in command("summary", sample_path).stdout
    told = json.loads(command("summary", sample_path, "--format", "json").stdout)
    assert told["total"]["count"] > 0
    assert command("summary", sample_path, "--format", "markdown").stdout.startswith("### TRUSTED")


def test_a_bad_path_is_one_line_and_exit_code_2(tmp_path):
    done = command("summary", tmp_path)
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1
    assert "not a run folder" in done.stderr
