"""The paper plan follows from the measured figures, and the manifests from the plan."""

import re
import sys

import pytest
import yaml

from tests.support.image import ROOT

sys.path.insert(0, str(ROOT / "benchmarks"))
import plan

MEASURED = {
    "roundtrip": {
        "at_five_per_second.cpu_us_per_roundtrip": 50.0,
        "at_one_per_second.cpu_us_per_roundtrip": 120.0,
    },
    "memory": {
        "kb_per_idle_station": 8.0,
        "kb_per_charging_station": 18.0,
        "mb_at_1000_idle_stations": 107.8125,
    },
    "tls": {
        "ws.kb_per_idle_station": 8.0,
        "wss.kb_per_idle_station": 48.0,
        "ws.cpu_ms_per_boot": 0.5,
        "wss.cpu_ms_per_boot": 2.0,
    },
    "recorder": {"bytes_per_call": 10.0},
}


def test_the_arithmetic():
    made = plan.Plan(MEASURED)
    assert made.calls_per_s == pytest.approx(18_333.3, abs=0.1)
    assert made.workers == 63
    assert made.cores == pytest.approx(2.2)
    assert made.worker_mb == 100.0
    assert made.memory_mb(1_024) == pytest.approx(100 + 9 + 5)
    assert made.memory_mb(1_024, tls=True) == pytest.approx(100 + 9 + 5 + 40)
    needs = {what: need for what, need, _ in made.rows()}
    assert needs["source addresses"] == "36"
    assert needs["boot, ws"] == "8 s"
    assert needs["boot, wss"] == "32 s"
    assert needs["results"] == "0.66 GB an hour"
    assert "the master" not in needs
    with_master = plan.Plan(MEASURED | {"master": {"us_per_worker_s": 1_000.0}})
    assert {what: need for what, need, _ in with_master.rows()}["the master"] == "6% of a core"


def test_twice_the_stations_need_twice_the_workers():
    assert plan.Plan(MEASURED, 2_000_000).workers == 125
    assert plan.Plan(MEASURED, 2_000_000).cores == pytest.approx(4.4)


def test_the_page_is_in_step_with_the_figures():
    """Mend: python benchmarks/plan.py --save."""
    page = plan.PAGE.read_text()
    assert plan.written(page, plan.pages(plan.figures())) == page


def test_a_worker_asks_kubernetes_for_what_its_stations_need():
    run = ROOT / "deploy" / "kubernetes" / "run"
    workers = yaml.safe_load((run / "workers.yaml").read_text())["spec"]
    (container,) = workers["template"]["spec"]["containers"]
    stations = (
        int(re.search(r"LOCUST_USERS=(\d+)", (run / "run.env").read_text())[1]) // workers["completions"]
    )
    assert f"what {stations:,} stations need" in (run / "workers.yaml").read_text()
    needed_mb = plan.Plan(plan.figures()).memory_mb(stations, tls=True)
    requested_mb = _mb(container["resources"]["requests"]["memory"])
    assert needed_mb < requested_mb < 3 * needed_mb
    assert _mb(container["resources"]["limits"]["memory"]) > 1.5 * needed_mb


def _mb(text):
    return int(text[:-2]) * {"Mi": 1, "Gi": 1024}[text[-2:]]
