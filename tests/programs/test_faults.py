"""Workers and masters that die, stall, come late or come back: the central system sees no station twice (C5).

The central system of these tests is a process of its own that knows which process is behind each connection.
Locust gives a worker up after four seconds here, not after eleven.
"""

import json
import os
import signal
import subprocess
import sys
import time
from collections import defaultdict
from pathlib import Path

import psutil
import pytest

import results
from results.writer import FLUSH_S
from tests.support.programs import STEADY

pytestmark = pytest.mark.realnet

WATCHFUL_CSMS = Path(__file__).parents[1] / "support" / "watchful_csms.py"
IMPATIENT = """
from locust import runners
from engine.bridge import conductor
runners.HEARTBEAT_LIVENESS = 3
conductor.LAST_WORDS_S = {last_words_s}
"""
GIVEN_UP = "failed to send heartbeat, setting state to missing"
STATIONS = 8


class Watch:
    """What the watchful central system has seen."""

    def __init__(self, journal, port):
        self._journal = journal
        self.url = f"ws://127.0.0.1:{port}/ocpp"

    def events(self, what):
        lines = map(json.loads, self._journal.read_text().splitlines())
        return [line for line in lines if line["what"] == what]

    def live(self):
        """Which stations are connected by which process, now."""
        held = defaultdict(set)
        for line in map(json.loads, self._journal.read_text().splitlines()):
            (held[line["pid"]].discard if line["what"] == "closed" else held[line["pid"]].add)(line["uid"])
        return {pid: uids for pid, uids in held.items() if uids}

    def connected(self):
        return sum(map(len, self.live().values()))


@pytest.fixture
def watch(tmp_path):
    journal = tmp_path / "journal.jsonl"
    process = subprocess.Popen(
        [sys.executable, str(WATCHFUL_CSMS), str(journal)], stdout=subprocess.PIPE, text=True
    )
    yield Watch(journal, int(process.stdout.readline()))
    process.kill()
    process.wait()


@pytest.fixture
def fleet(locust, tmp_path, port, watch):
    """Start a master, or a worker, of one run against the watchful central system."""

    def start(*arguments, last_words_s="conductor.LAST_WORDS_S"):
        impatient = tmp_path / f"impatient_{'worker' if '--worker' in arguments else 'master'}.py"
        impatient.write_text(IMPATIENT.format(last_words_s=last_words_s))
        where = ("--master-bind-port", port, "--master-port", port)
        files = ("-f", f"{impatient},{STEADY}", "--csms-url", watch.url)
        if "--worker" in arguments:
            return locust(*arguments, *files[:2], *where)
        size = ("--headless", "-u", STATIONS, "-r", STATIONS, "--enable-rebalancing")
        return locust(*arguments, *size, *files, *where)

    return start


def rows_on_disk(program):
    """Wait until what has happened so far is written: SIGKILL costs the last second."""
    time.sleep(2 * FLUSH_S)
    program.wait_for_calls()


def connections_agree(program, watch):
    """Whether the run folder tells of the same connections as the central system, by station."""
    run = results.open(program.run_folders()[-1].parent)
    opened = run.connections[run.connections["kind"] == "opened"]
    opened = opened.merge(run.stations.drop_duplicates("station")[["station", "uid"]], on="station")
    told = opened.groupby("uid", observed=True).size().to_dict()
    seen = defaultdict(int)
    for event in watch.events("opened"):
        seen[event["uid"]] += 1
    return told == dict(seen)


def test_the_central_system_of_these_tests_notices_a_station_that_runs_twice(watch):
    connect = "import sys\nfrom websockets.sync.client import connect\n"
    connect += "with connect(sys.argv[1], subprotocols=['ocpp1.6']): input()"
    twice = [
        subprocess.Popen([sys.executable, "-c", connect, f"{watch.url}/GU-1"], stdin=subprocess.PIPE)
        for _ in range(2)
    ]
    give_up = time.monotonic() + 20
    while watch.connected() < 2 and time.monotonic() < give_up:
        time.sleep(0.1)
    assert [event["uid"] for event in watch.events("clash")] == ["GU-1"]
    for process in twice:
        process.communicate()


@pytest.mark.parametrize(
    "last_words_s", [1.0, 60.0], ids=["the master sees it first", "Locust sees it first"]
)
def test_workers_that_die_join_and_come_back_run_the_same_stations_one_after_the_other(
    fleet, watch, last_words_s
):
    master = fleet("--master", "--expect-workers", 2, "--duration", "120s", last_words_s=last_words_s)
    first, second = fleet("--worker"), fleet("--worker")
    master.wait_until(lambda: watch.connected() == STATIONS)
    everybody = set().union(*watch.live().values())
    kept = watch.live()[second.process.pid]
    rows_on_disk(master)
    os.kill(first.process.pid, signal.SIGKILL)
    master.wait_until(lambda: watch.live() == {second.process.pid: everybody}, what="the survivor has all")
    assert not [event for event in watch.events("closed") if event["uid"] in kept], "and kept its own"
    again = fleet("--worker")  # on the same machine, but for Locust somebody new
    master.wait_until("(index 2) reported as ready")
    assert watch.live() == {second.process.pid: everybody}, "who comes late takes nothing from others"
    rows_on_disk(master)
    os.kill(second.process.pid, signal.SIGKILL)
    master.wait_until(lambda: watch.live() == {again.process.pid: everybody}, what="it takes over")
    assert not watch.events("clash")
    master.process.terminate()
    assert master.finish() == 5
    assert again.finish() == 0
    record = master.record()
    assert record["lost_workers"] == ["00", "01"]
    assert sorted(record["receipts"]) == ["02"]
    assert connections_agree(master, watch)


def test_a_worker_that_stalls_until_it_is_given_up_comes_back_to_its_own_stations(fleet, watch):
    """Others must not run the stations of a process that is only quiet."""
    master = fleet("--processes", 2, "--duration", "120s")
    master.wait_until(lambda: watch.connected() == STATIONS)
    stalled = master.workers()[0]
    before = watch.live()[stalled]
    os.kill(stalled, signal.SIGSTOP)
    try:
        master.wait_until(GIVEN_UP)
        master.wait_until(lambda: watch.connected() == STATIONS + len(before))
    finally:
        os.kill(stalled, signal.SIGCONT)
    master.wait_until("self-healed")
    master.wait_until(lambda: watch.connected() == STATIONS)
    assert watch.live()[stalled] <= before
    assert not watch.events("clash")
    master.process.terminate()
    assert master.finish() == 5
    record = master.record()
    assert len(record["lost_workers"]) == 1
    assert sorted(record["receipts"]) == ["00", "01"], "who came back has reported too"
    assert max(record["standstills_s"].values()) > 3.0
    assert any("stood still for" in reason for reason in record["untrusted"])
    assert connections_agree(master, watch)


def test_a_stall_that_locust_does_not_notice_is_untrusted_in_any_phase(locust, port):
    """Even before the steady phase, whose seconds alone the analysis judges."""
    program = locust(
        *("--headless", "-u", 40, "-r", 2, "--duration", "12s", "--processes", 2),
        *("--master-bind-port", port, "--master-port", port),
    )
    program.wait_for_calls()
    stalled = program.workers()[0]
    os.kill(stalled, signal.SIGSTOP)
    try:
        time.sleep(5.0)
    finally:
        os.kill(stalled, signal.SIGCONT)
    assert program.finish() == 5
    assert not program.saw(GIVEN_UP)
    record = program.record()
    assert record["lost_workers"] == []
    assert any("stood still for" in reason for reason in record["untrusted"])
    assert "steady" not in {mark["phase"] for mark in record["marks"]}


def test_workers_outlive_a_killed_master_just_long_enough_to_close_their_files(fleet, watch):
    master = fleet("--processes", 2, "--duration", "60s")
    master.wait_until(lambda: watch.connected() == STATIONS)
    master.wait_for_calls()
    workers = [psutil.Process(pid) for pid in master.workers()]
    os.kill(master.process.pid, signal.SIGKILL)
    _, left = psutil.wait_procs(workers, timeout=30)
    assert not left, "no worker is left behind"
    assert watch.connected() == 0
    assert master.saw("the master is gone")
    assert not master.saw("Traceback")
    run = results.open(master.run_folders()[-1].parent)
    assert run.record.status == "running"
    assert sorted(run.record.receipts) == ["00", "01"], "written by the workers themselves"
    assert "its master was killed" in str(run.trust)
    assert not run.trust
    ends = run.connections["kind"].value_counts()
    assert ends["opened"] == ends["closed"] == STATIONS
    assert connections_agree(master, watch)
