"""Whatever is wrong with a run is said in one line, exit code 2, before anything starts (C10)."""

from pathlib import Path

import pytest

pytestmark = pytest.mark.locust

STEADY = Path(__file__).parents[3] / "locustfiles" / "steady.py"

BROKEN_TOML = "[[groups]\nname = 1\n"


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
