"""What a machine knows about its own processes, and what a worker makes of it (C5)."""

import subprocess
import sys
import time
from types import SimpleNamespace

import msgspec
import psutil
import pytest

from engine.bridge import processes
from engine.bridge.processes import Process
from engine.bridge.worker import MASTER_GONE_LOOKS, Worker

pytestmark = pytest.mark.locust


@pytest.fixture
def child():
    """A process that waits for the end of its standard input."""
    started = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    yield started
    started.kill()
    started.wait()


def process_of(child):
    return Process(processes.machine(), child.pid, psutil.Process(child.pid).create_time())


def test_this_process_is_here_and_alive():
    assert processes.is_near(processes.own())
    assert not processes.is_gone(processes.own())


def test_a_process_that_was_killed_is_gone(child):
    known = process_of(child)
    assert not processes.is_gone(known)
    child.kill()
    child.wait()
    assert processes.is_gone(known)


def test_a_process_that_nobody_waits_for_is_gone_too():
    parent = subprocess.Popen(["sh", "-c", "sleep 60 & echo $!; exec sleep 60"], stdout=subprocess.PIPE)
    try:
        zombie = psutil.Process(int(parent.stdout.readline()))
        known = Process(processes.machine(), zombie.pid, zombie.create_time())
        assert not processes.is_gone(known)
        # A shell may still collect its child; a sleep never does.
        while psutil.Process(parent.pid).name() != "sleep":
            time.sleep(0.01)
        zombie.kill()
        while zombie.status() != psutil.STATUS_ZOMBIE:
            time.sleep(0.01)
        assert processes.is_gone(known)
    finally:
        parent.kill()


def test_somebody_else_with_its_number_is_not_it(child):
    known = process_of(child)
    assert processes.is_gone(msgspec.structs.replace(known, started_s=known.started_s - 60))


def test_of_a_process_elsewhere_nothing_is_known():
    """The same name is not the same machine: containers may share it, and have other process ids."""
    elsewhere = msgspec.structs.replace(processes.own(), machine="elsewhere", pid=2**22)
    assert not processes.is_near(elsewhere)
    assert not processes.is_gone(elsewhere)


@pytest.fixture
def worker():
    """A worker in the middle of a test whose master was heard just now."""
    made = Worker.__new__(Worker)
    made._gone_looks = 0
    made._master = processes.own()
    made.cuts, made.quits = [], []
    made._stations = SimpleNamespace(cut=lambda: made.cuts.append(1))
    made._runner = SimpleNamespace(last_heartbeat_timestamp=time.time(), quit=lambda: made.quits.append(1))
    return made


def test_a_worker_that_slept_longer_than_its_lease_cuts_its_links_without_a_word(worker):
    """Its stations may run elsewhere by now: no StopTransaction of theirs may come from here."""
    worker._runner.last_heartbeat_timestamp = time.time() - 62  # Locust ends it in this second, gracefully
    worker._look_at_master()
    assert not worker.cuts
    worker._runner.last_heartbeat_timestamp = time.time() - 70
    worker._look_at_master()
    assert worker.cuts
    assert worker.master_is_lost


def test_a_worker_whose_master_is_gone_from_this_machine_ends_once(worker, child):
    worker._master = process_of(child)
    child.kill()
    child.wait()
    for _ in range(MASTER_GONE_LOOKS - 1):
        worker._look_at_master()
    assert not worker.master_is_lost, "it may be ending as it should"
    for _ in range(3):
        worker._look_at_master()
        time.sleep(0.01)  # the greenlet that ends the worker
    assert worker.master_is_lost
    assert worker.quits == [1]
