"""Mistakes that only a whole program meets: one line, exit code 2, nothing started (C10)."""

import subprocess
import sys

import pytest

from tests.support.programs import refused

pytestmark = pytest.mark.realnet


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["Nobody"], "Nobody: the locustfile has no such user class; use GreenUp"),
        (
            ["--tags", "night"],
            "--tags night: leaves GreenUp no task; choose stations by the name of their class",
        ),
        (["--worker", "Nobody"], "Nobody: the locustfile has no such user class; use GreenUp"),
    ],
)
def test_a_choice_of_classes_that_leaves_nothing_is_one_line(tmp_path, arguments, words):
    assert refused(tmp_path, *arguments).endswith(words)


@pytest.mark.parametrize(
    "locustfile",
    [
        "from locust import HttpUser\nclass Browser(HttpUser): pass\n",
        "from engine.bridge import StationUser\n",
    ],
)
def test_a_locustfile_without_stations_is_one_line(tmp_path, locustfile):
    (tmp_path / "theirs.py").write_text(locustfile)
    done = subprocess.run(
        [sys.executable, "-c", "from engine.cli import main; main()", "run", "theirs.py", "--stations", "5"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 2
    assert done.stderr == (
        "greenup run: theirs.py: has no stations; derive a class from engine.bridge.StationUser, "
        "or start it with locust itself\n"
    )


def test_an_unreachable_csms_is_noticed_before_the_processes_fork(tmp_path, port):
    said = refused(tmp_path, "--csms-url", f"ws://127.0.0.1:{port}/ocpp", "--processes", 2)
    assert "cannot be reached (Connection refused); is it running?" in said


def test_a_taken_control_port_is_named(tmp_path, taken_port):
    said = refused(tmp_path, "--processes", 2, "--master-bind-port", taken_port, "--master-port", taken_port)
    assert f"--master-bind-port {taken_port}: Address already in use" in said


def test_a_secret_is_not_repeated(tmp_path, port):
    said = refused(tmp_path, "--csms-url", f"ws://127.0.0.1:{port}/", "--basic-auth-key", "hush-hush")
    assert "hush-hush" not in said
    said = refused(tmp_path, "--csms-url", f"ws://me:hush-hush@127.0.0.1:{port}/")
    assert "give --basic-auth-key" in said
    assert "hush-hush" not in said


def test_a_csms_that_accepts_and_never_answers_is_no_pass(locust, tmp_path, taken_port):
    """It is not seen before the start; attempts that fail are no failed calls, and nothing was measured."""
    url = f"ws://127.0.0.1:{taken_port}/ocpp"
    program = locust("--headless", "--csms-url", url, "-u", 3, "-r", 3, "--duration", "3s")
    assert program.finish() == 5
    assert program.record()["untrusted"] == [
        "no call was recorded: no station has spoken with the central system"
    ]
