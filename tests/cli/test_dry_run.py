"""Forecast, sessions and curves from the command line."""

import pytest

from engine import cli


def test_sessions_of_a_profile_land_in_a_file(tmp_path, capsys):
    out = tmp_path / "s.csv"
    words = ["sessions", "--profile", "home-no", "--connectors", "10", "--days", "3", "--out", str(out)]
    assert cli.main(words) == 0
    assert out.read_text().startswith("plug_in,dwell_h,kwh,charge_h,pmax_kw,site,vehicle")
    assert "sessions" in capsys.readouterr().out


def test_a_forecast_prints_a_table_and_draws_a_picture(tmp_path, capsys):
    picture = tmp_path / "day.svg"
    assert cli.main(["forecast", "residential", "--stations", "5", "--picture", str(picture)]) == 0
    assert "highest quarter of an hour" in capsys.readouterr().out
    assert picture.read_text().startswith("<svg")


def test_curves_land_in_a_file(tmp_path):
    out = tmp_path / "c.csv"
    assert cli.main(["curves", "--profile", "work-fr", "--sessions", "2", "--out", str(out)]) == 0
    assert out.read_text().count("\n") > 10


@pytest.mark.parametrize("command", ["forecast", "sessions", "curves"])
def test_mistakes_are_one_line_and_exit_code_2(command, capsys):
    words = ["nix"] if command == "forecast" else ["--profile", "nix"]
    assert cli.main([command, *words]) == 2
    assert capsys.readouterr().err.count("\n") == 1


def test_what_is_odd_about_a_fleets_files_is_said_once(tmp_path, capsys):
    """An element that the template has and the product does not know."""
    (tmp_path / "site.xml").write_text("<OCPPConf>\n  <Installer>me</Installer>\n</OCPPConf>", "utf-8")
    fleet = tmp_path / "mine.toml"
    fleet.write_text(
        'title = "mine"\n[[groups]]\nname = "g"\ncount = 1\nproduct = "059014"\nsite = "work-fr"\n'
        'ocppconf = "site.xml"\n',
        "utf-8",
    )
    out = str(tmp_path / "c.csv")
    assert cli.main(["curves", "--fleet", str(fleet), "--sessions", "1", "--out", out]) == 0
    assert capsys.readouterr().err.count("unknown element Installer") == 1
