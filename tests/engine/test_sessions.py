"""Sessions out of stations, cars and drivers on the virtual edge, as a table."""

import csv
from argparse import ArgumentParser
from datetime import datetime
from itertools import pairwise

import pytest

from engine import sessions
from stations.errors import PlanError


@pytest.fixture(scope="module")
def fortnight():
    return sessions.of_profile("public-nl", 40, days=14, seed=7, mix="as-measured")


def test_sessions_begin_within_the_days_asked_for(fortnight):
    assert len(fortnight) > 200
    assert all(4 * 3600 <= row.plug_in_s < 4 * 3600 + 14 * 86_400 for row in fortnight)


def test_no_two_cars_stand_at_one_connector(fortnight):
    at = {}
    for row in fortnight:
        at.setdefault((row.station, row.connector), []).append(row)
    for rows in at.values():
        for first, second in pairwise(rows):
            assert first.plug_in_s + 3600 * first.dwell_h <= second.plug_in_s


def test_energy_power_and_time_agree(fortnight):
    for row in fortnight:
        assert row.charge_h <= row.dwell_h
        assert row.pmax_kw <= 22.5
        if row.charge_h > 1.0:
            assert row.kwh <= row.pmax_kw * row.charge_h * 1.1


def test_some_attempts_fail_and_most_do_not(fortnight):
    empty = sum(row.kwh == 0.0 for row in fortnight)
    assert 0.02 * len(fortnight) < empty < 0.2 * len(fortnight)


def test_the_same_seed_gives_the_same_table(fortnight):
    assert sessions.of_profile("public-nl", 40, days=14, seed=7, mix="as-measured") == fortnight
    assert sessions.of_profile("public-nl", 4, days=2, seed=8, mix="as-measured") != fortnight


def arguments(*words):
    parser = ArgumentParser()
    sessions.add_arguments(parser)
    return parser.parse_args(words)


def test_the_file_has_the_promised_columns(tmp_path):
    out = tmp_path / "s.csv"
    rows = sessions.run(
        arguments("--profile", "work-fr", "--connectors", "18", "--days", "3", "--out", str(out))
    )
    table = list(csv.DictReader(out.open()))
    assert list(table[0])[:7] == ["plug_in", "dwell_h", "kwh", "charge_h", "pmax_kw", "site", "vehicle"]
    assert len(table) == len(rows) > 10
    assert datetime.fromisoformat(table[0]["plug_in"]).weekday() == 0
    assert {row["site"] for row in table} == {"work-fr"}


def test_a_fleet_file_works_as_well_as_a_profile(tmp_path):
    out = tmp_path / "s.csv"
    rows = sessions.run(
        arguments("--fleet", "residential", "--stations", "60", "--days", "2", "--out", str(out))
    )
    assert {row.site for row in rows} == {"home-fr", "home-night", "apartment-block"}


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["--profile", "nix"], "there is no such profile"),
        (["--profile", "work-fr", "--vehicles", "x"], "vehicle mix x: not in the table"),
    ],
)
def test_bad_arguments_are_one_line(words, says):
    with pytest.raises(PlanError, match=says) as caught:
        sessions.run(arguments(*words))
    assert "mend" in str(caught.value)
    assert "\n" not in str(caught.value)
