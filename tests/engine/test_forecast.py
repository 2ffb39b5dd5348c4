"""The forecast's day is the day that the virtual edge plays in full; the storm is everybody coming back."""

from argparse import ArgumentParser
from xml.etree import ElementTree as ET

import numpy as np
import pytest
from msgspec import structs

from engine import forecast, forecast_svg
from engine.central import YesCentral
from engine.quiet import prompt
from engine.virtual import MONDAY_UNIX_S, World
from profiles import fleets
from profiles.network import Network
from stations.errors import PlanError

STATIONS = 40


@pytest.fixture(scope="module")
def fleet():
    return fleets.load("workplace")


@pytest.fixture(scope="module")
def told(fleet):
    return forecast.forecast(fleet, STATIONS, seed=2, heartbeat_s=600)


def test_the_arithmetic_agrees_with_a_day_in_which_every_message_is_sent(fleet, told):
    day, _ = told
    deployment = fleet.deploy(STATIONS, url_base="ws://x/", seed=2, start="00:00")
    start_unix_s = MONDAY_UNIX_S + deployment.start_local_s
    central = YesCentral(start_unix_s, heartbeat_s=600)
    world = World(
        [deployment.station(n) for n in range(STATIONS)], central, seed=2, start_unix_s=start_unix_s
    )
    world.start(per_s=10.0)
    world.run(600.0)
    before = central.calls.copy()
    world.run(600.0 + 86_400.0)
    played = central.calls - before
    for action, rates in day.calls_per_s.items():
        expected = float(rates.sum() * forecast.BIN_S)
        if played[action] > 50:
            assert expected == pytest.approx(played[action], rel=0.05), action


def test_lines_lose_no_time_in_a_forecast_but_break_as_often(fleet):
    station = fleet.deploy(1, url_base="ws://x/").station(0)
    line = Network(latency_ms=50, jitter_ms=9, bandwidth_kbit_s=8, cuts_per_day=3, half_open=0.5)
    poor = structs.replace(station, network=line)
    assert prompt(poor) == structs.replace(station, network=Network(cuts_per_day=3, half_open=0.5))
    assert prompt(prompt(poor)) == prompt(poor)


def test_a_working_day_has_its_shape(told):
    day, _ = told
    night, morning = day.sessions[8:16].mean(), day.sessions[36:44].mean()
    assert morning > 5 * max(night, 0.5)
    assert day.transactions > STATIONS
    assert day.energy_kwh == pytest.approx(day.power_kw.sum() / 4)


def test_after_the_power_cut_every_station_boots_once_and_soon(told):
    _, storm = told
    assert storm.boots == STATIONS
    assert storm.connects.sum() >= STATIONS
    assert 5 < storm.back_s[50] <= storm.back_s[90] <= storm.back_s[99] < 120


def test_the_same_seed_forecasts_the_same_day(fleet, told):
    again = forecast.day_of(
        fleet.deploy(STATIONS, url_base="ws://x/", seed=2, start="00:00"), heartbeat_s=600, seed=2
    )
    assert np.array_equal(again.power_kw, told[0].power_kw)


def test_the_picture_is_well_formed_and_the_table_has_every_hour(told, tmp_path):
    path = tmp_path / "day.svg"
    forecast_svg.write(*told, "Offices & <more>", path)
    assert ET.parse(path).getroot().tag.endswith("svg")
    lines = forecast.table(*told).splitlines()
    assert len(lines) == 2 + 24 + 2
    assert [line[:5] for line in lines[2:26]] == [f"{hour:02d}:10" for hour in range(24)]
    assert "power cut at 18:00" in lines[-1]


def test_the_command_reads_its_arguments_and_refuses_bad_ones(tmp_path):
    parser = ArgumentParser()
    forecast.add_arguments(parser)
    picture = str(tmp_path / "p.svg")
    text = forecast.run(parser.parse_args(["residential", "--stations", "3", "--picture", picture]))
    assert text.startswith("3 stations")
    with pytest.raises(PlanError, match="no such fleet"):
        forecast.run(parser.parse_args(["nix"]))
