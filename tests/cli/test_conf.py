"""`greenup conf new|check|show FILE`."""

import pytest

from engine.cli import main


@pytest.fixture
def file(tmp_path):
    return tmp_path / "site.xml"


def test_a_new_file_is_valid_and_shows_what_it_says(file, capsys):
    assert (
        main(["conf", "new", str(file), "--uri", "wss://csms/ocpp", "--uid", "A-{n}", "--product", "059014"])
        == 0
    )
    assert main(["conf", "check", str(file)]) == 0
    assert f"{file}: valid" in capsys.readouterr().out
    assert main(["conf", "show", str(file)]) == 0
    shown = dict(line.split(maxsplit=1) for line in capsys.readouterr().out.splitlines())
    assert (shown["URI"], shown["UID"]) == ("wss://csms/ocpp", "A-{n}")
    assert shown["ConnectorLeft/MaxCurrent"] == "32"


def test_nothing_is_overwritten(file, capsys):
    assert main(["conf", "new", str(file)]) == 0
    before = file.read_bytes()
    assert main(["conf", "new", str(file), "--uid", "OTHER"]) == 2
    assert "exists already; mend:" in capsys.readouterr().err
    assert file.read_bytes() == before


@pytest.mark.parametrize(
    "options", [["--product", "1"], ["--uri", "http://x"], ["--uid", "{x}"], ["--uri", "ws://u:pw@h/"]]
)
def test_bad_options_write_nothing(file, capsys, options):
    assert main(["conf", "new", str(file), *options]) == 2
    assert "; mend: " in capsys.readouterr().err
    assert not file.exists()


def test_a_bad_file_is_told_with_its_place(file, capsys):
    file.write_text("<OCPPConf>\n  <HeartBeatInterval>3</HeartBeatInterval>\n</OCPPConf>")
    for word in ("check", "show"):
        assert main(["conf", word, str(file)]) == 2
        assert f"greenup conf: {file}, line 2, column 3: " in capsys.readouterr().err


def test_warnings_and_secrets(file, capsys):
    file.write_text("<OCPPConf><Foo/><WiFi><WEPKey>hidden</WEPKey></WiFi></OCPPConf>")
    assert main(["conf", "show", str(file)]) == 0
    out, err = capsys.readouterr()
    assert "unknown element Foo" in err
    assert out == "WiFi/WEPKey  •••\n"


def test_basic_authentication_without_a_password_is_told_with_its_place(file, capsys):
    """SEC-1."""
    basic = "  <BasicAuthentication>\n    <Enabled>true</Enabled>{}\n  </BasicAuthentication>\n"
    file.write_text(f"<OCPPConf>\n{basic.format('')}</OCPPConf>")
    assert main(["conf", "check", str(file)]) == 0
    said = capsys.readouterr().err
    assert said.startswith(
        f"warning: {file}, line 2, column 3: BasicAuthentication is enabled without a Password"
    )
    file.write_text(f"<OCPPConf>\n{basic.format('<Password>secret</Password>')}</OCPPConf>")
    assert main(["conf", "check", str(file)]) == 0
    assert capsys.readouterr().err == ""


def test_a_folder_that_is_not_there_and_a_missing_file(tmp_path, capsys):
    assert main(["conf", "new", str(tmp_path / "no" / "site.xml")]) == 2
    assert main(["conf", "check", str(tmp_path / "missing.xml")]) == 2
    assert capsys.readouterr().err.count("mend: check the path") == 2
