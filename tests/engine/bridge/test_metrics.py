"""Live export: Prometheus' text format, the dashboard that queries it, and who may scrape."""

import json
import math
import re
import sys
from pathlib import Path
from types import SimpleNamespace
from urllib.request import urlopen

import pytest

pytestmark = pytest.mark.locust

from locust import User, task  # noqa: E402 — Locust patches the process: not while collecting
from locust.argument_parser import get_parser  # noqa: E402
from locust.env import Environment  # noqa: E402

from engine.bridge import statistics  # noqa: E402
from engine.bridge.messages import Beat  # noqa: E402
from engine.bridge.pulse import by_action  # noqa: E402
from engine.bridge.web import guard, login, metrics  # noqa: E402
from engine.bridge.web.live import Picture  # noqa: E402
from results.recorder import Recorder  # noqa: E402

ROOT = Path(__file__).parents[3]
HERE = "http://127.0.0.1:8089"
PASSWORD = "correct horse"
SAMPLE = re.compile(r'([a-z_0-9]+)(?:\{((?:[a-z]+="(?:[^"\\]|\\.)*",?)*)\})? (\S+)')
HEALTH = {
    "gen_lag_p99_us": 1_500, "loop_delay_p99_us": 900, "canary_p99_us": 400, "cpu_percent": 40.0,
    "clock_offset_us": -250, "dropped_rows": 0,
}  # fmt: skip
GAUGES = {
    "stations": 5, "waiting": 1, "sessions": 2, "power_w": 14_000.0, "backlog": 3,
    "connects": 6, "reconnects": 1, "refusals": 0,
    "links": {"open": 4, "down": 1}, "registrations": {"Accepted": 4, "": 1},
    "connectors": {"Charging": 2}, "rules": {"RPC-5": 3}, **HEALTH,
}  # fmt: skip


class Someone(User):
    @task
    def wait(self):
        """Nothing."""


@pytest.fixture
def picture(tmp_path):
    """Two workers, each with 9 quick heartbeats, a slow one, and one that failed."""
    recorder = Recorder(tmp_path, "00", start_new_thread=lambda *_: None, sleep=lambda _s: None)
    for service_us, outcome in [(2_000, "ok")] * 9 + [(700_000, "ok"), (3_000_000, "timeout")]:
        recorder.call(1, 0, "Heartbeat", "out", outcome, "", 10**15, 0, 0, service_us, 1, 1, 0, False)
    recorder.call(1, 0, "Reset", "in", "ok", "", 10**15, 0, 0, 100, 1, 1, 0, False)
    pulse = by_action(recorder.drain())
    trial = SimpleNamespace(
        run='2026-"run"\n', phase="steady", began_s=0.0, faltered=set(), settings=SimpleNamespace(slo=""),
        names={"a": "00", "b": "01"}, gauges={"a": dict(GAUGES), "b": dict(GAUGES)},
    )  # fmt: skip
    found = Picture(trial)
    for _worker in trial.names:
        found.beat(Beat(trial.run, pulse))
    found.sample(1.0)
    return found


def parsed(text):
    """Samples by name and labels; every line must be one, or a family's help or type."""
    samples, families = {}, {}
    for line in text.splitlines():
        if line.startswith("# TYPE "):
            _, _, name, kind = line.split()
            families[name] = kind
        elif not line.startswith("# HELP "):
            name, labels, value = SAMPLE.fullmatch(line).groups()
            family = re.sub(r"_(bucket|sum|count)$", "", name)
            assert family in families, "a sample stands below its family"
            assert (name, labels) not in samples
            samples[name, labels or ""] = float(value)
    return samples, families


def test_everything_that_is_exported_is_declared_and_everything_declared_is_exported(picture):
    samples, families = parsed(metrics.exposition(picture))
    assert families == {name: family.kind for name, family in metrics.FAMILIES.items()}
    assert {re.sub(r"_(bucket|sum|count)$", "", name) for name, _ in samples} == families.keys()
    for name, family in metrics.FAMILIES.items():
        assert name.endswith("_total") == (family.kind == "counter")


def test_workers_are_added_up_and_stand_by_themselves(picture):
    samples, _ = parsed(metrics.exposition(picture))
    assert samples["greenup_stations", ""] == 10
    assert samples["greenup_links", 'state="open"'] == 8
    assert samples["greenup_registrations", 'status="none"'] == 2
    assert samples["greenup_findings_total", 'rule="RPC-5"'] == 6
    assert samples["greenup_calls_total", 'side="OCPP",action="Heartbeat"'] == 22
    assert samples["greenup_calls_failed_total", 'side="OCPP",action="Heartbeat"'] == 2
    assert samples["greenup_calls_total", 'side="CSMS",action="Reset"'] == 2
    assert samples["greenup_worker_canary_p99_seconds", 'worker="01"'] == 0.0004
    assert samples["greenup_worker_clock_offset_seconds", 'worker="00"'] == -0.00025
    assert samples["greenup_trusted", ""] == samples["greenup_running", ""] == 1
    assert ("greenup_run_info", r'run="2026-\"run\"\n",phase="steady"') in samples


def test_response_times_are_a_cumulative_histogram(picture):
    samples, _ = parsed(metrics.exposition(picture))
    buckets = {
        float(labels.rpartition('le="')[2][:-1]): value
        for (name, labels), value in samples.items()
        if name == "greenup_response_seconds_bucket"
    }
    assert [*buckets] == sorted(buckets)
    assert [*buckets.values()] == sorted(buckets.values())
    assert (buckets[0.001], buckets[0.0025], buckets[0.5], buckets[1.0]) == (0, 18, 18, 20)
    assert buckets[math.inf] == samples["greenup_response_seconds_count", 'action="Heartbeat"'] == 22
    exact_s = 2 * (9 * 0.002 + 0.7 + 3.0)
    assert samples["greenup_response_seconds_sum", 'action="Heartbeat"'] == pytest.approx(exact_s, rel=0.04)


def test_a_real_run_is_scraped_while_it_goes_on(locust, port):
    program = locust("--autostart", "--autoquit", 0, "-u", 4, "-r", 4, "--duration", "8s", "--web-port", port)

    def scraped():
        try:
            with urlopen(f"http://127.0.0.1:{port}/metrics", timeout=5) as answer:
                samples, families = parsed(answer.read().decode())
        except OSError:
            return False
        boots = samples.get(("greenup_calls_total", 'side="OCPP",action="BootNotification"'))
        known = {name for name, labels in samples if labels == 'worker="00"'}
        return boots == 4 and "greenup_worker_canary_p99_seconds" in known and len(families) > 20

    program.wait_until(scraped)
    assert program.passed(program.finish()), program.said


def test_before_the_first_test_there_is_only_that(picture):
    samples, _ = parsed(metrics.exposition(None))
    assert samples == {("greenup_running", ""): 0.0}
    picture.ended_s = 2.0
    assert parsed(metrics.exposition(picture))[0]["greenup_running", ""] == 0


@pytest.fixture
def site(monkeypatch, picture):
    monkeypatch.setattr(sys, "argv", ["locust"])
    monkeypatch.setenv(login.PASSWORD, PASSWORD)
    monkeypatch.setattr(login, "PAUSE_S", 0.0)

    def make(*, web_login):
        environment = Environment(user_classes=[Someone])
        environment.parsed_options = get_parser().parse_args([])
        environment.create_local_runner()
        ui = environment.create_web_ui("127.0.0.1", 8089, web_login=web_login, delayed_start=True)
        guard.install(ui)
        metrics.install(ui, SimpleNamespace(picture=picture))
        return ui.app.test_client()

    return make


def test_a_scrape_is_text_of_the_right_version_and_for_this_host_only(site):
    client = site(web_login=False)
    answer = client.get("/metrics", base_url=HERE)
    assert (answer.status_code, answer.content_type) == (200, metrics.CONTENT_TYPE)
    assert parsed(answer.text)[0]["greenup_stations", ""] == 10
    assert client.get("/metrics", base_url="http://evil.example").status_code == 403


def test_with_web_login_a_scraper_needs_the_password(site):
    client = site(web_login=True)
    refused = client.get("/metrics", base_url=HERE)
    assert (refused.status_code, refused.headers["WWW-Authenticate"]) == (401, 'Basic realm="greenup"')
    assert client.get("/metrics", base_url=HERE, auth=("greenup", "wrong")).status_code == 401
    assert client.get("/metrics", base_url=HERE, auth=("greenup", PASSWORD)).status_code == 200


def test_the_dashboard_asks_for_nothing_that_is_not_exported(picture):
    dashboard = json.loads((ROOT / "deploy/grafana/dashboard.json").read_text())
    samples, _ = parsed(metrics.exposition(picture))
    labels = {}
    for name, text in samples:
        labels.setdefault(name, {"job"}).update(re.findall(r'([a-z]+)="', text))
    asked = set()
    for panel in dashboard["panels"]:
        assert panel["datasource"]["uid"] == "${datasource}"
        for target in panel["targets"]:
            expression, legend = target["expr"], target["legendFormat"]
            names = set(re.findall(r"\bgreenup_\w+", expression))
            assert names
            assert names <= labels.keys(), panel["title"]
            known = set.intersection(*(labels[name] for name in names))
            by = {label for group in re.findall(r"by \(([^)]*)\)", expression) for label in group.split(", ")}
            assert by | set(re.findall(r"\{\{(\w+)\}\}", legend)) <= known, panel["title"]
            assert expression.count("(") == expression.count(")")
            for name in names:
                assert ("rate(" in expression) or not name.endswith(("_bucket", "_sum", "_count"))
            asked |= {re.sub(r"_(bucket|sum|count)$", "", name) for name in names}
    assert asked == metrics.FAMILIES.keys(), "and everything that is exported is shown"


def test_the_dashboards_panels_are_distinct_and_lie_side_by_side():
    panels = json.loads((ROOT / "deploy/grafana/dashboard.json").read_text())["panels"]
    assert len({panel["id"] for panel in panels}) == len(panels)
    taken = set()
    for panel in panels:
        at = panel["gridPos"]
        cells = {(at["x"] + x, at["y"] + y) for x in range(at["w"]) for y in range(at["h"])}
        assert at["x"] + at["w"] <= 24
        assert not cells & taken
        taken |= cells


def test_opentelemetry_of_locust_hears_every_call(tmp_path):
    """`--otel` adds a listener to `request`; the batch is then fired call by call."""
    heard = []
    listener = {"heard": heard, "__name__": "locust.opentelemetry"}
    source = (
        "def on_request(name, response_time, exception, **_): heard.append((name, response_time, exception))"
    )
    exec(source, listener)
    environment = Environment(user_classes=[Someone])
    environment.create_local_runner()
    assert not statistics.somebody_else_listens(environment)
    environment.events.request.add_listener(listener["on_request"])
    assert statistics.somebody_else_listens(environment)
    recorder = Recorder(tmp_path, "00", start_new_thread=lambda *_: None, sleep=lambda _s: None)
    recorder.call(1, 0, "Heartbeat", "out", "ok", "", 10**15, 0, 0, 2_000, 1, 1, 0, False)
    recorder.call(1, 0, "Authorize", "out", "timeout", "", 10**15, 0, 0, 5_000, 1, 1, 0, False)
    statistics.count(environment, recorder.drain())
    by_name = {name: (response_ms, exception) for name, response_ms, exception in heard}
    assert by_name["Heartbeat"] == (2.0, None)
    assert by_name["Authorize"][0] == 5.0
    assert type(by_name["Authorize"][1]).__name__ == "CallFailed"
    assert environment.stats.total.num_requests == 2, "and Locust counts each once"
