"""Locust's `--otel` with the real SDK and its OTLP exporter, against a collector on loopback."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

import results

pytestmark = pytest.mark.realnet


@pytest.fixture
def collector(tmp_path):
    """(URL, file of data points) of a running one."""
    program, said = Path(__file__).parents[1] / "support" / "otlp_collector.py", tmp_path / "points.txt"
    with said.open("w") as out:
        process = subprocess.Popen([sys.executable, str(program)], stdout=out, text=True)
    try:
        while not said.read_text().endswith("\n"):
            assert process.poll() is None
        yield f"http://127.0.0.1:{int(said.read_text())}", said
    finally:
        process.kill()
        process.wait()


def test_the_exporter_sends_every_call_of_the_run(locust, collector):
    url, said = collector
    program = locust(
        *("--headless", "-u", 10, "-r", 10, "--duration", "5s", "--time-scale", 10, "--otel"),
        OTEL_EXPORTER_OTLP_ENDPOINT=url,
        OTEL_EXPORTER_OTLP_PROTOCOL="http/protobuf",
        OTEL_TRACES_EXPORTER="none",
        OTEL_LOGS_EXPORTER="none",
        OTEL_METRIC_EXPORT_INTERVAL="1000",
    )
    assert program.passed(program.finish()), program.said
    calls = results.open(program.run_folders()[-1].parent).calls
    calls = calls[(calls["direction"] == "out") & (calls["outcome"] != "cancelled")]
    points = [json.loads(line) for line in said.read_text().splitlines()[1:]]
    # Sums since the start: the last of each series has everything.
    durations = {tuple(sorted(labels.items())): (unit, count, total)
                 for name, unit, labels, count, total in
                 (point for point in points if point[0] == "locust.client.duration")}  # fmt: skip
    by_action = calls.groupby("action", observed=True)["response_us"].agg(["size", "sum"])
    assert len(by_action) >= 4
    assert {dict(labels)["name"] for labels in durations} == set(by_action.index)
    for action, (count, total_us) in by_action.iterrows():
        series = [value for labels, value in durations.items() if dict(labels)["name"] == action]
        assert {unit for unit, _, _ in series} == {"s"}
        assert sum(n for _, n, _ in series) == count, action
        assert sum(seconds for _, _, seconds in series) == pytest.approx(total_us / 1e6, rel=1e-6)
    users = [value for name, _, labels, value, *_ in points if name == "locust.users.count"]
    assert max(users) == 10
