"""Whatever is wrong with a run is said in one line, exit code 2, before anything starts (C10)."""

import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.locust

STEADY = Path(__file__).parents[3] / "locustfiles" / "steady.py"

BROKEN_TOML = "[[groups]\nname = 1\n"


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


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--csms-url", "http://127.0.0.1:9000/ocpp"], "the scheme must be ws:// or wss://"),
        (["--csms-url", "ws://127.0.0.1:99999/ocpp"], "a port from 1 to 65535"),
        (["--csms-url", "ws://"], "not a URL with a host"),
        (["--csms-url", "ws://:9000/ocpp"], "not a URL with a host"),
        (["--csms-url", "ws://127.0.0.1:9000/oc pp"], "no # and no space"),
        (["--csms-url", "ws://127.0.0.1:9000/ocpp#here"], "no # and no space"),
        (["--csms-url", "ws://no-such-host.invalid/ocpp"], "cannot be reached"),
        (["--fleet", "nowhere"], "fleet nowhere: there is no such fleet"),
        (["--fleet", "missing.toml"], "missing.toml"),
        (["--fleet", "broken.toml"], "broken.toml"),
        (["--personality", "martian"], "invalid choice: 'martian'"),
        (["--seed", "-1"], "--seed -1: must be 0 or more"),
        (["-u", "-3"], "-u -3: the number of stations must be 0 or more"),
        (["-u", "10000000"], "hard limit"),
        (["--time-scale", "-2"], "--time-scale -2"),
        (["--time-scale", "nan"], "--time-scale nan"),
        (["--time-scale", "1e300"], "must be from 0 (as the fleet says) to 10,000"),
        (["--timestamps", "tomorrow"], "invalid choice: 'tomorrow'"),
        (["--duration", "soon"], "--duration soon: not a time span"),
        (["--duration", "5s", "-t", "5s"], "both end the test"),
        (["--source-address", "203.0.113.7"], "is it an address of this machine?"),
        (["--tls-ca", "nothing.pem"], "nothing.pem: no such file"),
        (["--client-cert", "a.pem"], "give both or neither"),
        (["--csms-url", "wss://127.0.0.1/", "--tls-ca", "file"], "--tls-ca file: cannot be used"),
        (
            ["--csms-url", "wss://127.0.0.1/", "--client-cert", "file", "--client-key", "file"],
            "--client-cert file with --client-key file: cannot be used",
        ),
        (["--runs", "file/inside"], "cannot write there"),
        (["--runs", ""], "--runs: is empty"),
        (
            ["--hardship", "nothing.toml"],
            "--hardship nothing.toml: cannot be read (No such file or directory)",
        ),
        (["--hardship", "latin.toml"], "--hardship latin.toml: is not UTF-8 text (byte 12)"),
        (["--slo", "latin.toml"], "latin.toml: is not UTF-8 text (byte 12)"),
        (["--slo", "phase.toml"], "phase.toml: slos.a: no phase 'stedy'; the run has ramp, steady, drain"),
        (["--html", "folder"], "--html folder: is a folder; name a file"),
        (["--json-file", "file/inside"], "--json-file file: cannot write there"),
        (["--csv", "file/inside"], "--csv file: cannot write there"),
        (["--master", "--worker"], "give one"),
        (["--processes", "2", "--master-bind-port", "99999"], "--master-bind-port 99999: is no port"),
        (["--csms-ur"], "expected one argument"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_a_mistake_is_one_line(tmp_path, monkeypatch, capsys, arguments, words):
    from locust.argument_parser import get_parser

    import engine.bridge  # noqa: F401 — teaches Locust's parser our arguments

    monkeypatch.chdir(tmp_path)
    Path("broken.toml").write_text(BROKEN_TOML)
    Path("latin.toml").write_bytes('title = "caf\xe9"'.encode("latin-1"))
    Path("phase.toml").write_text('version = 1\n[slos]\na = "max(response) < 1s during stedy"\n')
    Path("file").write_text("a file, not a folder")
    Path("folder").mkdir()
    with pytest.raises(SystemExit) as ended:
        get_parser().parse_args(["--headless", *arguments])
    assert ended.value.code == 2
    said = capsys.readouterr().err
    assert said.count("\n") == 1
    assert said.startswith("locust: error: ")
    assert words in said
    assert not list(tmp_path.glob("runs/*"))


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
