"""Whole runs with the real Locust, on real sockets, in every form that Locust has."""

import csv
import os
import signal
import sqlite3
import time
from collections import Counter

import pytest

import results
from tests.support.programs import STEADY

pytestmark = pytest.mark.realnet

SMALL = ("--headless", "-u", 6, "-r", 6)


def run_of(program):
    return results.open(program.run_folders()[-1].parent)


def booted(program):
    """How often each identity connected, by the ledger of the run's own central system."""
    database = program.run_folders()[-1].parent / "csms.sqlite"
    with sqlite3.connect(database) as ledger:
        return Counter(
            row[0] for row in ledger.execute("SELECT station FROM connections WHERE event = 'opened'")
        )


def test_one_process_runs_a_fleet_on_the_embedded_csms(locust):
    program = locust(*SMALL, "--duration", "6s")
    assert program.passed(program.finish())
    record = program.record()
    assert record["status"] == "finished"
    assert record["workers"] == ["00"]
    assert record["receipts"]["00"]["complete"] is True
    assert [mark["phase"] for mark in record["marks"]] == ["ramp", "steady", "drain"]
    assert program.saw("no --csms-url: the embedded CSMS runs at ws://127.0.0.1:")
    assert sorted(booted(program)) == [f"GU-{number:06}" for number in range(1, 7)]
    calls = run_of(program).calls
    assert (calls["action"] == "BootNotification").sum() == 6
    ended = run_of(program).connections["kind"].value_counts()
    assert ended["opened"] == ended["closed"] == 6


def test_two_processes_share_a_fleet_and_the_tail_is_counted(locust, port):
    """Stock `-t` loses the calls of the last seconds; here Locust's totals are those of the run folder."""
    program = locust(
        *("--headless", "-u", 8, "-r", 8, "-t", "8s", "--processes", 2),
        *("--csv", "out", "--html", "out.html"),
        *("--master-bind-port", port, "--master-port", port),
    )
    assert program.passed(program.finish())
    assert sorted(program.record()["receipts"]) == ["00", "01"]
    assert max(booted(program).values()) == 1
    stations = run_of(program).stations
    assert sorted(stations["uid"]) == [f"GU-{number:06}" for number in range(1, 9)]
    assert stations.groupby("worker", observed=True).size().to_dict() == {"00": 4, "01": 4}
    with (program.folder / "out_stats.csv").open() as file:
        counted = {(row["Type"], row["Name"]): int(row["Request Count"]) for row in csv.DictReader(file)}
    calls = run_of(program).calls
    calls = calls[(calls["direction"] == "out") & (calls["outcome"] != "cancelled")]
    recorded = calls["action"].value_counts()
    assert {name: n for (kind, name), n in counted.items() if kind == "OCPP"} == recorded[
        recorded > 0
    ].to_dict()
    assert "GreenUp" in (program.folder / "out.html").read_text()
    health = run_of(program).health
    assert (health.groupby("worker", observed=True)["canary_p99_us"].count() >= 5).all()
    assert (health["canary_p99_us"].dropna() > 0).all()
    offsets_us = program.record()["clock"]["offsets_us"]
    assert sorted(offsets_us) == ["00", "01"], "both clocks were compared with the master's"
    assert all(abs(offset_us) < 1_000_000 for offset_us in offsets_us.values()), "it is the same clock"
    assert health["clock_offset_us"].notna().sum() >= 8


def test_a_master_and_a_worker_run_against_somebody_elses_csms(locust, central_system, port):
    master = locust(
        *SMALL,
        *("--duration", "5s", "--master", "--master-bind-port", port, "--expect-workers", 1),
        *("--csms-url", central_system.url, "--json"),
    )
    worker = locust("--worker", "--master-port", port)
    assert master.passed(master.finish())
    assert worker.finish() == 0
    assert not (master.run_folders()[-1].parent / "csms.sqlite").exists()
    assert (run_of(master).calls["action"] == "BootNotification").sum() == 6


def test_a_killed_worker_makes_the_run_untrusted_and_tears_nobody_down(locust, port):
    program = locust(
        *("--headless", "-u", 10, "-r", 10, "--duration", "14s", "--processes", 2),
        *("--master-bind-port", port, "--master-port", port),
    )
    program.wait_until("All users spawned")
    program.wait_for_calls()
    os.kill(program.workers()[0], signal.SIGKILL)
    program.wait_until("is lost: the run goes on and is untrusted")
    assert program.finish() == 5
    record = program.record()
    (lost,) = record["lost_workers"]
    (survivor,) = record["receipts"]
    assert {lost, survivor} == {"00", "01"}
    assert record["untrusted"] == [f"worker {lost} was lost"]
    ends = run_of(program).connections
    ends = ends[(ends["worker"] == survivor) & ends["kind"].isin(["closed", "lost"])]
    drain_us = next(mark["at_us"] for mark in record["marks"] if mark["phase"] == "drain")
    assert len(ends) == 5
    assert (ends["at"].astype("int64") >= drain_us).all(), "survivors stay up to the end"


def test_a_stalled_worker_comes_back_and_no_station_ever_ran_twice(locust, port):
    program = locust(
        *("--headless", "-u", 10, "-r", 10, "--duration", "20s", "--processes", 2),
        *("--master-bind-port", port, "--master-port", port),
    )
    program.wait_until("All users spawned")
    program.wait_for_calls()
    time.sleep(3.0)  # well into the steady state: only its seconds are judged
    stalled = program.workers()[0]
    os.kill(stalled, signal.SIGSTOP)
    try:
        time.sleep(6.0)  # longer than Locust waits for a heartbeat
    finally:
        os.kill(stalled, signal.SIGCONT)
    program.finish()
    assert "stood still for" in str(run_of(program).trust)
    stations = run_of(program).stations
    links = run_of(program).connections
    opened = links[links["kind"] == "opened"].merge(stations[["station", "worker", "uid"]])
    assert opened.groupby("uid", observed=True)["worker"].nunique().max() == 1


@pytest.mark.parametrize("everybody", [False, True], ids=["the master alone", "the whole terminal"])
def test_ctrl_c_stops_gracefully_with_130(locust, port, everybody):
    program = locust(
        *SMALL, "--processes", 2, "--master-bind-port", port, "--master-port", port, "--duration", "60s"
    )
    program.wait_until("All users spawned")
    program.interrupt(everybody=everybody)
    assert program.finish() == 130
    record = program.record()
    assert record["status"] == "stopped"
    assert sorted(record["receipts"]) == ["00", "01"]
    assert not program.saw("Traceback")


def test_failed_calls_are_counted_and_the_run_goes_on_when_the_csms_dies(locust, central_system):
    program = locust(*SMALL, "--duration", "10s", "--csms-url", central_system.url)
    program.wait_until("All users spawned")
    program.wait_for_calls()
    central_system.process.kill()
    assert program.passed(program.finish()), (
        "failures of the central system are results, not errors of the run"
    )
    kinds = set(run_of(program).connections["kind"])
    assert {"opened", "lost"} <= kinds


def test_every_call_is_fired_when_a_plug_in_listens(locust, tmp_path):
    plugin = tmp_path / "plugin.py"
    plugin.write_text(
        "from locust import events\n"
        "@events.request.add_listener\n"
        "def note(**call):\n"
        "    open('fired.txt', 'a').write(call['name'] + '\\n')\n"
    )
    program = locust(*SMALL, "--duration", "4s", "-f", f"{tmp_path}/plugin.py,{STEADY}")
    assert program.passed(program.finish())
    assert Counter((tmp_path / "fired.txt").read_text().split())["BootNotification"] == 6


SLOW_TO_BEGIN = """
import gevent
from engine.bridge import embedded

start = embedded.start


def late(*arguments):
    gevent.sleep(20)
    return start(*arguments)


embedded.start = late
"""


def test_a_test_that_is_over_before_it_has_begun_ends(locust, tmp_path):
    """Locust kills the greenlet that begins a test when its time is up; the end must not wait for it."""
    late = tmp_path / "late.py"
    late.write_text(SLOW_TO_BEGIN)
    program = locust(*SMALL, "-t", "1s", "-f", f"{STEADY},{late}")
    assert program.finish(timeout_s=120) == 0, program.said
    assert program.saw("--run-time limit reached")
    assert not program.saw("the embedded CSMS runs at")
    assert not program.saw("Traceback")
