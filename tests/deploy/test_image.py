"""The image: its Dockerfile linted, its files laid out as COPY says, every role really run from them."""

import fnmatch
import json
import os
import re
import socket
import subprocess
import sys
from pathlib import Path

import pytest

import results
from results.exit_codes import ExitCode
from tests.support.image import ROOT, Image, lay_out, stages

BUILD, FINAL = stages()
BUILD_TOOLS = re.compile(r"\b(pip|apt-get|apt|gcc|make|curl|git)\b")


@pytest.fixture
def image(tmp_path):
    """Nothing of this checkout but what the image has."""
    return lay_out(tmp_path)


@pytest.fixture
def run(image):
    """Start containers; whatever is left of them is killed."""
    started = []

    def start(*command, **environment):
        started.append(image.start(*command, **environment))
        return started[-1]

    yield start
    for container in started:
        container.kill()


@pytest.fixture
def ports():
    """Two that nobody uses."""
    with socket.socket() as one, socket.socket() as two:
        one.bind(("127.0.0.1", 0))
        two.bind(("127.0.0.1", 0))
        return one.getsockname()[1], two.getsockname()[1]


def files(folder):
    return {path: path.stat().st_mtime_ns for path in folder.rglob("*")}


def seals(image):
    return sorted(image.runs.glob("*/run.json"))


def test_the_dockerfile_is_linted():
    linter = Path(sys.prefix) / "bin" / "hadolint"
    done = subprocess.run([linter, ROOT / "Dockerfile"], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "")


def test_what_is_copied_exists_and_is_not_ignored():
    ignored = (ROOT / ".dockerignore").read_text().split()
    for sources, _target in BUILD.copies() + FINAL.copies():
        for source in sources:
            assert (ROOT / source).exists(), source
            assert not [rule for rule in ignored if fnmatch.fnmatch(source, rule)], source
            assert source.partition("/")[0] not in ignored


def test_the_final_image_has_what_the_build_made_and_no_build_tools():
    taken = [line.split() for line in FINAL.all("COPY") if line.startswith("--from=")]
    assert taken == [["--from=build", "/venv", "/venv"], ["--from=build", "/app", "/app"]]
    assert BUILD.all("WORKDIR") == ["/app"]
    assert not [line for line in FINAL.all("RUN") if BUILD_TOOLS.search(line)]
    assert "python -m venv --without-pip /venv" in BUILD.all("RUN")
    assert BUILD.all("FROM")[0].split()[0] == FINAL.all("FROM")[0], "the same interpreter in both"


def test_it_runs_as_an_ordinary_user_who_owns_the_results_folder():
    (user,) = FINAL.all("USER")
    assert int(user) > 0
    (made,) = FINAL.all("RUN")
    assert f"--uid {user} greenup" in made
    assert "install -d -o greenup /runs" in made
    assert FINAL.all("VOLUME") == [FINAL.env()["GREENUP_RUNS"]] == ["/runs"]


def test_standalone_runs_a_fleet_and_report_shows_it(image, run):
    before = files(image.app)
    container = run("standalone", "steady", "--stations", 5, "--spawn-rate", 5, "--duration", "6s")
    assert container.finish() in {ExitCode.PASS, ExitCode.UNTRUSTED}, container.said
    (seal,) = seals(image)
    calls = results.open(seal.parent).calls
    assert (calls["action"] == "BootNotification").sum() == 5
    (seal.parent / "report.html").unlink(missing_ok=True)
    report = run("report", seal.parent)
    assert report.finish() in {ExitCode.PASS, ExitCode.UNTRUSTED}, report.said
    assert "BootNotification" in report.said
    assert "<html" in (seal.parent / "report.html").read_text()
    assert files(image.app) == before, "the root file system may be read-only"


def test_master_workers_and_csms_find_one_another(image, run, ports):
    control, theirs = ports
    csms = run("csms", "--port", theirs, "--api-port", 0, "--database", image.runs / "csms.sqlite")
    csms.wait_until(lambda: "ready" in csms.said or str(theirs) in csms.said)
    master = run(
        *("master", "--headless", "--expect-workers", 2, "--master-bind-port", control),
        GREENUP_CSMS_URL=f"ws://127.0.0.1:{theirs}/ocpp",
        GREENUP_DURATION="6s",
        LOCUST_USERS="8",
        LOCUST_SPAWN_RATE="8",
    )
    workers = [run("worker", "--master-port", control, MASTER_HOST="127.0.0.1") for _ in range(2)]
    assert master.finish() in {ExitCode.PASS, ExitCode.UNTRUSTED}, master.said
    assert [worker.finish() for worker in workers] == [0, 0], workers[0].said + workers[1].said
    (seal,) = seals(image)
    assert json.loads(seal.read_text())["untrusted"] == []
    assert results.open(seal.parent).calls["worker"].nunique() == 2


def test_a_stopped_container_seals_its_run(image, run):
    container = run("standalone", "steady", "--stations", 2, "--spawn-rate", 2)
    container.wait_until(lambda: list(image.runs.glob("*/calls/*/*")))
    container.terminate()
    container.finish()
    (seal,) = seals(image)
    assert json.loads(seal.read_text())["status"] != "running", container.said


def test_a_worker_without_a_master_says_what_to_set(run):
    container = run("worker")
    assert container.finish() == ExitCode.INPUT
    assert "MASTER_HOST: set MASTER_HOST to the master" in container.said


def test_any_other_word_is_a_command_of_greenup(run):
    container = run("nonsense")
    assert container.finish() == ExitCode.INPUT
    assert "there is no command nonsense" in container.said


@pytest.mark.skipif(
    "GREENUP_IMAGE" not in os.environ,
    reason="set GREENUP_IMAGE=1: installs the image's packages anew, some minutes and 600 MB",
)
def test_the_build_steps_make_a_working_environment(tmp_path):
    """The RUN lines of the build stage in a folder, not a container; Python and the C compiler are ours."""
    laid_out, venv = lay_out(tmp_path), tmp_path / "venv"
    for line in BUILD.all("RUN"):
        if line.startswith("apt-get"):
            continue
        command = (
            line.replace("/venv", str(venv))
            .replace("/tools", str(tmp_path / "tools"))
            .replace("python -m venv", f"{sys.executable} -m venv")
        )
        command = command.replace("pip --python", f"{sys.executable} -m pip --python")
        subprocess.run(command, shell=True, cwd=laid_out.app, check=True)
    assert not list((venv / "bin").glob("pip*"))
    container = Image(tmp_path, programs=venv / "bin").start(
        *("standalone", "steady", "--stations", 5, "--spawn-rate", 5, "--duration", "6s")
    )
    assert container.finish() in {ExitCode.PASS, ExitCode.UNTRUSTED}, container.said
    (seal,) = seals(laid_out)
    assert json.loads(seal.read_text())["versions"]["hot path"] == "compiled"
