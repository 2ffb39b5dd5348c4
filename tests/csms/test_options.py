"""The command line: what it accepts, and one clear line for what it does not."""

import pytest

from csms.__main__ import main
from csms.options import parse
from stations.errors import PlanError


def test_the_defaults_are_loopback_and_open_to_every_tag():
    settings = parse([]).settings
    assert (settings.host, settings.port, settings.api_host, settings.api_port) == (
        "127.0.0.1",
        9000,
        "127.0.0.1",
        9001,
    )
    assert not settings.restricted
    assert settings.passwords is None
    assert settings.boot.status == "Accepted"
    assert settings.behaviour.fault == []


def test_help_names_every_option_and_how_to_use_the_api(capsys):
    with pytest.raises(SystemExit) as caught:
        parse(["--help"])
    assert caught.value.code == 0
    text = capsys.readouterr().out
    for word in ("--ready-json", "--behaviour", "ws://HOST:PORT/ocpp/IDENTITY", "curl", "exit code 2"):
        assert word in text


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--port", "70000"], "not a port"),
        (["--port", "-1"], "not a port"),
        (["--interval", "-5"], "not a whole number"),
        (["--interval", "99999999999"], "more than 2147483647 seconds"),
        (["--boot", "Maybe"], "invalid choice"),
        (["--colour"], "unrecognized"),
        (["--res"], "unrecognized"),  # no abbreviations: options may be added
    ],
)
def test_a_wrong_option_is_one_line_and_code_2(capsys, arguments, message):
    with pytest.raises(SystemExit) as caught:
        parse(arguments)
    assert caught.value.code == 2
    said = capsys.readouterr().err
    assert message in said
    assert said.count("\n") == 1


@pytest.mark.parametrize(
    "option", ["--tags", "--auth", "--behaviour", "--api-token-file", "--tls-certificate"]
)
def test_a_file_that_cannot_be_read_is_one_line_and_code_2(capsys, tmp_path, option):
    path = tmp_path / "nowhere"
    assert main([option, str(path)]) == 2
    said = capsys.readouterr().err
    assert str(path) in said
    assert said.count("\n") == 1


@pytest.mark.parametrize("option", ["--tags", "--auth", "--behaviour", "--api-token-file"])
def test_a_file_that_is_no_text_is_one_line_and_code_2(capsys, tmp_path, option):
    path = tmp_path / "latin"
    path.write_bytes("caf\xe9:secret".encode("latin-1"))
    assert main([option, str(path)]) == 2
    said = capsys.readouterr().err
    assert str(path) in said
    assert "UTF-8" in said
    assert said.count("\n") == 1


@pytest.mark.parametrize(
    ("host", "words"),
    [("203.0.113.7", "is it an address of this machine?"), ("no-such-host.invalid", "address")],
)
def test_an_address_of_somebody_else_is_named(capsys, tmp_path, host, words):
    assert main(["--host", host, "--port", "0", "--database", str(tmp_path / "x.sqlite")]) == 2
    said = capsys.readouterr().err
    assert f"cannot listen on {host}:0 (" in said
    assert words in said
    assert said.count("\n") == 1


def test_a_broken_behaviour_file_is_named_with_its_line(capsys, tmp_path):
    path = tmp_path / "faults.toml"
    path.write_text("seed = 1\n[[fault]\n")
    assert main(["--behaviour", str(path)]) == 2
    assert "line 2" in capsys.readouterr().err


def test_an_api_that_others_can_reach_needs_a_token(tmp_path):
    with pytest.raises(PlanError, match="--api-token-file"):
        parse(["--api-host", "0.0.0.0"])
    token = tmp_path / "token"
    token.write_text("s3cret\n")
    settings = parse(["--api-host", "0.0.0.0", "--api-token-file", str(token)]).settings
    assert settings.api_token == "s3cret"
    token.write_text("two\nlines\n")
    with pytest.raises(PlanError, match="one line"):
        parse(["--api-token-file", str(token)])


def test_tls_options_belong_together(certificate):
    """SEC-2."""
    with pytest.raises(PlanError, match="need --tls-certificate"):
        parse(["--tls-key", "key.pem"])
    chain, key = certificate
    found = parse(["--tls-certificate", str(chain), "--tls-key", str(key), "--tls-client-ca", str(chain)])
    assert found.settings.tls is not None
    assert found.settings.tls.verify_mode.name == "CERT_REQUIRED"


def test_files_are_read_before_anything_is_started(tmp_path):
    tags = tmp_path / "tags.csv"
    tags.write_text("id_tag\nA\n")
    passwords = tmp_path / "passwords"
    passwords.write_text("*:secret\n")
    faults = tmp_path / "faults.toml"
    faults.write_text('[[fault]]\nname = "lost-stop"\n')
    settings = parse(
        [
            "--tags",
            str(tags),
            "--auth",
            str(passwords),
            "--behaviour",
            str(faults),
            "--database",
            str(tmp_path / "x"),
        ]
    ).settings
    assert [tag.id_tag for tag in settings.tags] == ["A"]
    assert settings.passwords is not None
    assert settings.behaviour.fault[0].name == "lost-stop"
    assert not (tmp_path / "x").exists()
