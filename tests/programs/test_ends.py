"""Every way to end a run with worker processes: soon, once, whole, and nobody is left behind."""

import json
import os
import signal
import time
import urllib.request

import pytest

pytestmark = pytest.mark.realnet

RAMP = ("--headless", "-u", 60, "-r", 3, "--duration", "100s")
STEADY = ("--headless", "-u", 6, "-r", 6, "--duration", "100s")
SHORT = ("--headless", "-u", 6, "-r", 6, "--duration", "6s")


@pytest.fixture
def run(locust, port):
    """Start a run of two workers whose test has begun."""

    def start(*arguments):
        ports = ("--master-bind-port", port, "--master-port", port)
        program = locust(*arguments, "--processes", 2, *ports)
        program.wait_for_calls()
        return program

    return start


def interrupt(program):
    os.kill(program.process.pid, signal.SIGINT)


def ended_well(program, *, status):
    """Sealed with the receipts of both workers, whole, and no process of it is left."""
    record = program.record()
    assert record["status"] == status
    assert sorted(record["receipts"]) == ["00", "01"]
    assert all(receipt["complete"] for receipt in record["receipts"].values())
    assert [why for why in record["untrusted"] if "stood still" not in why] == []
    assert not program.saw("Traceback")
    program.wait_until(lambda: not program.left(), what="the end of all its processes")
    return True


def test_ctrl_c_while_stations_still_come(run):
    program = run(*RAMP)
    interrupt(program)
    assert program.finish() == 130
    assert ended_well(program, status="stopped")
    assert "steady" not in {mark["phase"] for mark in program.record()["marks"]}


@pytest.mark.parametrize("pause_s", [0.3, 1.5])
def test_ctrl_c_twice(run, pause_s):
    program = run(*STEADY)
    program.wait_until("All users spawned")
    interrupt(program)
    time.sleep(pause_s)
    interrupt(program)
    assert program.finish() == 130
    assert not program.saw("Traceback")
    program.wait_until(lambda: not program.left(), what="the end of all its processes")
    record = program.record()
    assert record["status"] == "stopped"
    assert record["ended_us"]
    whole = {name for name, receipt in record["receipts"].items() if receipt["complete"]}
    assert whole == {"00", "01"} or record["untrusted"], "who does not wait for the receipts is told so"


def test_ctrl_c_while_the_stations_leave_after_the_duration(run):
    program = run(*SHORT)
    program.wait_until("--duration is over")
    interrupt(program)
    assert program.finish() == 130
    program.wait_until(lambda: not program.left(), what="the end of all its processes")
    assert program.record()["status"] in {"stopped", "finished"}
    assert program.record()["ended_us"]


def test_sigterm_twice(run):
    program = run(*STEADY)
    program.wait_until("All users spawned")
    program.process.terminate()
    time.sleep(0.3)
    program.process.terminate()
    assert program.passed(program.finish())
    assert ended_well(program, status="finished")


def test_the_pages_stop_button_twice_and_then_ctrl_c(run, port):
    def stop():
        with urllib.request.urlopen(f"http://127.0.0.1:{web}/stop", data=b"", timeout=90) as answer:
            return json.loads(answer.read())["success"]

    web = port + 1
    program = run("--autostart", "--web-port", web, "-u", 6, "-r", 6)
    program.wait_until("All users spawned")
    assert stop()
    assert stop()
    program.wait_until(lambda: program.record()["status"] == "stopped")
    interrupt(program)
    assert program.passed(program.finish())
    assert ended_well(program, status="stopped")
