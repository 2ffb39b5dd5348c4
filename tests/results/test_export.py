"""Tables of a run as CSV, as the web page hands them out."""

import csv
import io

from results.analysis import export


def read(capsys):
    return list(csv.DictReader(io.StringIO(capsys.readouterr().out)))


def test_the_summary_has_a_line_per_action_and_one_for_all(sample_run, sample_path, capsys):
    assert export.main(["summary", str(sample_path)]) == 0
    rows = read(capsys)
    summary = sample_run.summary()
    assert [row["action"] for row in rows] == [*(line.action for line in summary.actions), "all"]
    assert int(rows[-1]["count"]) == summary.total.count
    assert float(rows[0]["p95_ms"]) == summary.actions[0].p95_ms


def test_findings_keep_their_counts(sample_run, sample_path, capsys):
    assert export.main(["findings", str(sample_path)]) == 0
    assert sum(int(row["count"]) for row in read(capsys)) == int(sample_run.findings["count"].sum())


def test_a_folder_that_is_no_run_is_one_line(tmp_path, capsys):
    assert export.main(["summary", str(tmp_path)]) == 2
    assert capsys.readouterr().err.count("\n") == 1
