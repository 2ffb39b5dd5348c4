"""Within-session series for tables and pictures."""

import csv
from argparse import ArgumentParser

import numpy as np
import pytest

from engine import curves
from profiles import fleets
from stations.errors import PlanError


def arguments(*words):
    parser = ArgumentParser()
    curves.add_arguments(parser)
    return parser.parse_args(words)


@pytest.mark.parametrize("what", [("--profile", "work-fr"), ("--fleet", "mixed-city"), ("--fleet", "demo")])
def test_series_have_the_promised_columns_and_a_register_that_never_falls(what, tmp_path):
    out = tmp_path / "c.csv"
    step = "5" if "demo" in what else "60"
    assert curves.run(arguments(*what, "--sessions", "5", "--step", step, "--out", str(out))) == 5
    rows = list(csv.DictReader(out.open()))
    assert tuple(rows[0]) == curves.COLUMNS
    for number in range(1, 6):
        energy = [float(row["energy_wh"]) for row in rows if row["session"] == str(number)]
        assert energy == sorted(energy)
        assert len(energy) > 2


@pytest.mark.parametrize("profile", ["public-nl", "home-fr"])
def test_every_session_draws_energy_and_drops_the_voltage(profile):
    deployment = fleets.of_site(profile, 120).deploy(url_base="ws://x/", seed=4)
    made = list(curves.curves(deployment, 60, 60.0, 6 * 3600.0))
    assert len(made) == 60
    for curve in made:
        assert curve.samples[-1].energy_wh > 0
        amperes = [sample.current_a for sample in curve.samples]
        slope_ohm, _ = np.polyfit(amperes, [sample.voltage_v for sample in curve.samples], 1)
        assert slope_ohm < 0.0, (curve.vehicle, max(amperes))
    assert {curve.finished for curve in made} == {True, False}


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("--profile", "nix"), "no such profile"),
        (("--profile", "work-fr", "--sessions", "1", "--step", "0.01"), "--step 0.01: too short"),
    ],
)
def test_bad_arguments_are_one_line(words, says):
    with pytest.raises(PlanError, match=says):
        curves.run(arguments(*words))
