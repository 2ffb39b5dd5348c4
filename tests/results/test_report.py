import re
import subprocess
import sys

import numpy as np
import pytest
from lxml import html

import results
from results.analysis.charts import CHARTS, bad_spans
from results.analysis.compare import compare
from results.analysis.drawing import svg
from results.analysis.report import report_html, write_report
from results.analysis.report_many import comparison_html
from results.analysis.run_figures import figures
from results.analysis.timeline import WINDOWS, Timeline
from results.run import create

NOW_US = 1_790_000_000_000_000


@pytest.fixture(scope="module")
def report(sample_path):
    return report_html(results.open(sample_path))


@pytest.mark.parametrize("name", CHARTS)
def test_every_chart_draws_a_sample_run_as_svg_with_a_text(sample_path, name):
    figure = CHARTS[name](Timeline(results.open(sample_path)))
    drawn = svg(figure, 'what "it" shows')
    assert drawn.startswith("<svg role=")
    assert 'aria-label="what &quot;it&quot; shows"' in drawn
    assert "currentColor" in drawn
    assert "#010203" not in drawn


def test_the_report_stands_alone_and_runs_nothing(report):
    page = html.fromstring(report)
    assert not page.xpath("//script | //link | //iframe | //object")
    references = page.xpath("//@src | //@href | //*[local-name()='image']/@*[local-name()='href']")
    assert all(r.startswith(("#", "data:")) for r in references)
    assert "@import" not in report
    # Namespaces are names, not addresses to fetch.
    assert not re.findall(r"url\((?!#)", report)


def test_the_report_says_the_verdict_first_and_names_everything(report, sample_path):
    page = html.fromstring(report)
    headings = page.xpath("//h1/text() | //h2/text()")
    assert headings[0] == "sample"
    assert {"Calls", "Pictures", "Findings", "How to repeat it"} <= set(headings)
    assert report.index("trusted") < report.index("Calls")
    assert "answer to unknown id 77" in report
    assert "prefers-color-scheme: dark" in report
    assert len(report) < 2_000_000
    assert len(page.xpath("//figure")) == len(CHARTS)


def test_thresholds_and_ledger_appear_when_they_were_checked(sample, tmp_path):
    path = sample.write(tmp_path, sample.Sample(calls=2_000, seconds=10, stations=5))
    (path / "slo.toml").write_text('version = 1\n[slos]\nmine = "rate(failed) < 0.0001%"\n')
    done = subprocess.run(
        [sys.executable, "-m", "results.analysis", "check", str(path), "--slo", str(path / "slo.toml")],
        check=False, capture_output=True, timeout=60,
    )  # fmt: skip
    assert done.returncode == 1
    (path / "reconcile.json").write_text(
        '{"counts": {"exact": 3, "lost": 1}, "source": "db", '
        '"energy_sent_kwh": 1.0, "energy_recorded_kwh": 0.5}'
    )
    text = write_report(results.open(path)).read_text()
    assert "a threshold failed" in text
    assert "1 sessions or records are wrong" in text
    assert (path / "report.html").exists()


def test_hardship_of_ours_is_no_failed_attempt_to_connect(new_recorder, tmp_path):
    run = create(tmp_path, "storm", arguments={}, seed=1, started_us=NOW_US, workers=["00"])
    recorder = new_recorder(run.path)
    for second, kind in enumerate(("opened", "accepted", "hardship", "cut", "calm", "refused", "lost")):
        recorder.connection(0, NOW_US + second * 1_000_000, kind)
    run.finish([recorder.close()], ended_us=NOW_US + 10_000_000)
    axes = CHARTS["recovery"](Timeline(results.open(run.path))).axes[0]
    counted = {line.get_label(): line.get_ydata().sum() for line in axes.get_lines()}
    assert {name: counted[name] for name in ("opened", "ended", "failed attempts")} == {
        "opened": 1, "ended": 2, "failed attempts": 1,
    }  # fmt: skip
    assert results.open(run.path).summary().links.failed == {"refused": 1}


def test_a_run_without_anything_still_has_a_report(new_recorder, tmp_path):
    run = create(tmp_path, "<b>empty</b>", arguments={}, seed=1, started_us=NOW_US, workers=["00"])
    run.finish([new_recorder(run.path).close()], ended_us=NOW_US + 1)
    text = report_html(results.open(run.path))
    assert "not trusted" in text
    assert "<b>empty" not in text


def test_several_runs_are_shown_on_one_page(sample, sample_path, tmp_path):
    other = sample.write(tmp_path, sample.Sample(calls=2_000, seconds=10, stations=5, seed=9))
    text = comparison_html([results.open(sample_path), results.open(other)])
    assert text.count("<svg") == 2
    assert "greenup compare" in text


def test_a_small_share_of_failures_is_not_shown_as_none(sample, tmp_path):
    paths = [
        sample.write(tmp_path, sample.Sample(calls=2_000, seconds=10, stations=5, seed=n)) for n in (1, 2)
    ]
    runs = [results.open(path) for path in paths]
    shares = [figures(run, None)["failed share"].shown for run in runs]
    assert 0 < shares[0] < 0.1
    text = comparison_html(runs)
    assert all(f">{share:.2g}<" in text for share in shares)


def test_a_comparison_that_decides_nothing_is_not_shown_as_good(sample, sample_path, tmp_path):
    other = sample.write(tmp_path, sample.Sample(calls=2_000, seconds=10, stations=5, seed=9))
    runs = [results.open(sample_path), results.open(other)]
    text = comparison_html(runs, compare(runs[:1], runs[1:]))
    assert 'class="badge open">? ' in text
    assert "inconclusive" in text


def test_a_timeline_has_few_windows_of_readable_length_whatever_the_run(sample_run):
    timeline = Timeline(sample_run)
    assert timeline.window_us == 1_000_000
    sample_run.record.started_us -= 40 * 3_600_000_000
    later = Timeline(results.open(sample_run.path))
    assert later.window_us == 1_000_000
    long = Timeline(sample_run)
    sample_run.__dict__.pop("span_us", None)
    assert len(long.starts_us) <= WINDOWS + 2
    assert long.window_us == 600_000_000


def test_the_windows_hold_every_call_once(sample_run):
    timeline = Timeline(sample_run)
    assert timeline.whole().count == sample_run.latency(())["count"].sum()
    per_s = timeline.outcomes.mul(timeline.covered_s, axis=0).sum().sum()
    assert per_s == pytest.approx(timeline.whole().count, rel=0.02)


def test_rows_that_come_after_the_length_was_read_belong_to_no_window(sample_path):
    timeline = Timeline(results.open(sample_path))
    timeline.starts_us = timeline.starts_us[:-3]
    for drawn in (timeline.service_ms(0.99), timeline.response_ms(0.5), timeline.largest):
        assert len(drawn) == len(timeline.starts_us)
    assert len(timeline.outcomes) <= len(timeline.starts_us)


def test_seconds_in_which_we_did_not_keep_time_are_shaded_together(new_recorder, tmp_path):
    run = create(tmp_path, "t", arguments={}, seed=1, started_us=NOW_US, workers=["00"])
    recorder = new_recorder(run.path)
    for second in range(1, 11):
        recorder.health(NOW_US + second * 1_000_000, cpu_percent=99.0 if second in {3, 4, 8} else 1.0)
    run.finish([recorder.close()], ended_us=NOW_US + 10_000_000)
    assert bad_spans(Timeline(results.open(run.path))) == [(2.0, 4.0), (7.0, 8.0)]


def test_plots_are_found_by_name(sample_run):
    assert "heat_map" in dir(sample_run.plot)
    assert np.isfinite(sample_run.plot.load().get_size_inches()).all()
    with pytest.raises(AttributeError, match="no chart 'pie'"):
        sample_run.plot.pie()
