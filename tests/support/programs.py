"""Real Locust programs on loopback, as a user starts them; each in a folder of its own. A pytest plug-in."""

import contextlib
import json
import os
import random
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

STEADY = Path(__file__).parents[2] / "locustfiles" / "steady.py"


@pytest.fixture
def port():
    """A port that nobody uses, and that the kernel gives to no connection meanwhile."""
    for number in random.sample(range(20_000, 32_000), 100):
        with socket.socket() as found, contextlib.suppress(OSError):
            found.bind(("127.0.0.1", number))
            return number
    pytest.fail("no free port found")


@pytest.fixture
def taken_port():
    """A port that somebody listens on."""
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        held.listen()
        yield held.getsockname()[1]


class Program:
    """One Locust process; `finish` ends the story with its exit code and words."""

    def __init__(self, folder, arguments, **environ):
        self.folder = folder
        self.log = folder / f"log-{time.monotonic_ns()}.txt"
        self._file = self.log.open("w")
        self.process = subprocess.Popen(
            [sys.executable, "-m", "locust", "-f", str(STEADY), *map(str, arguments)],
            cwd=folder,
            stdout=self._file,
            stderr=subprocess.STDOUT,
            env={**os.environ, **environ},
            start_new_session=True,
        )

    @property
    def said(self):
        return self.log.read_text()

    def saw(self, words):
        return words in self.said

    def wait_until(self, happened, timeout_s=30.0, what=""):
        """Wait for words in the log, or for anything that is true; `what` says for the latter what it is."""
        give_up = time.monotonic() + timeout_s
        while not (self.saw(happened) if isinstance(happened, str) else happened()):
            assert time.monotonic() < give_up, f"{what or happened} did not come\n{self.said}"
            time.sleep(0.1)

    def wait_for_calls(self):
        """Wait until the first seconds are on disk."""
        self.wait_until(lambda: list(self.folder.glob("runs/*/calls/*/*")))

    def workers(self):
        """Process ids of forked workers."""
        task = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children")
        children = [int(pid) for pid in task.read_text().split()]
        return [pid for pid in children if b"-f" in Path(f"/proc/{pid}/cmdline").read_bytes()]

    def interrupt(self, *, everybody=False):
        (os.killpg if everybody else os.kill)(self.process.pid, signal.SIGINT)

    def finish(self, timeout_s=60.0):
        code = self.process.wait(timeout_s)
        self._file.close()
        return code

    def kill(self):
        if self.process.poll() is None:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()
        self._file.close()

    def run_folders(self):
        return sorted((self.folder / "runs").glob("*/run.json"))

    def record(self):
        """run.json of the latest test."""
        return json.loads(self.run_folders()[-1].read_text())

    def passed(self, code):
        """Exit code 0; or 5 for no other reason than that this machine was too busy to keep time."""
        reasons = [why for why in self.record().get("untrusted", []) if "stood still" not in why]
        return code == 0 or (code == 5 and not reasons)

    def left(self):
        """Processes of this program that still run: its workers and its central system work in its folder."""
        found = []
        for process in psutil.process_iter():
            with contextlib.suppress(psutil.Error):
                if process.cwd() == str(self.folder) and process.status() != psutil.STATUS_ZOMBIE:
                    found.append(process)
        return found


@pytest.fixture
def locust(tmp_path):
    """Start Locust programs; whatever is left of them is killed."""
    started = []

    def start(*arguments, folder=tmp_path, **environ):
        started.append(Program(folder, arguments, **environ))
        return started[-1]

    yield start
    for program in started:
        program.kill()


@pytest.fixture
def central_system(tmp_path):
    """A central system that is not the run's own."""
    from csms.launch import start_embedded

    with start_embedded(tmp_path / "their.sqlite") as running:
        yield running


def refused(folder, *arguments):
    """The line that a whole Locust program says; nothing else may have happened."""
    done = subprocess.run(
        [sys.executable, "-m", "locust", "-f", str(STEADY), "--headless", *map(str, arguments)],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 2, done.stderr
    assert not list(folder.glob("runs/*"))
    lines = done.stderr.strip().splitlines()
    assert len(lines) == 1, done.stderr
    return lines[0]
