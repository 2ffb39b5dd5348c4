"""Scenarios with the real Locust on real sockets, small and short."""

import sqlite3

import pytest

import results
from profiles import fleets
from tests.support.stage import LOCUSTFILES

pytestmark = pytest.mark.realnet


@pytest.fixture
def quick_fleet(tmp_path):
    """The demonstration, with stations that do not wait half a minute before they connect again."""
    text = (fleets.FOLDER / "demo.toml").read_text()
    file = tmp_path / "quick.toml"
    file.write_text(text.replace("[groups.keys]\n", '[groups.keys]\nserverReconnectionTime = "1"\n'))
    return file


def play(locust, name, fleet, *arguments, stations=12):
    program = locust(
        *("-f", LOCUSTFILES / f"{name}.py", "--headless", "-u", stations, "-r", stations),
        *("--fleet", fleet, *arguments),
    )
    assert program.passed(program.finish(120)), program.said
    return program, results.open(program.run_folders()[-1].parent)


def test_blackout_marks_its_phases_and_says_how_long_the_fleet_took(locust, quick_fleet):
    program, run = play(
        *(locust, "blackout", quick_fleet, "--calm-s", 2, "--lasting-s", 3, "--watch-s", 15),
        *("--share", 0.6, "--power-share", 0),
    )
    phases = [name for name, _, _ in run.phases]
    assert phases[:3] == ["ramp", "steady", "blackout"]
    assert phases[3:] == ["recovery", "steady", "drain"]
    (recovery,) = program.record()["scenario"]["recoveries"]
    assert recovery["stations_before"] == 12
    assert recovery["back_s"] is not None
    assert program.saw("scenario: after blackout: 12 stations back after")
    kinds = run.connections["kind"].value_counts()
    assert kinds["hardship"] == kinds["calm"] == kinds["cut"] > 2
    assert "lost" not in {kind for kind, count in kinds.items() if count}
    calls = run.calls
    assert set(calls.loc[calls["direction"] == "out", "outcome"]) <= {"ok", "cancelled"}
    database = run.path / "csms.sqlite"
    with sqlite3.connect(database) as ledger:
        starts = ledger.execute("SELECT station, connector, started FROM starts").fetchall()
    assert len(starts) == len(set(starts))


def test_csms_restart_brings_everybody_back(locust, quick_fleet):
    program, run = play(*(locust, "csms_restart", quick_fleet, "--calm-s", 2, "--down-s", 2, "--watch-s", 15))
    assert "restart_csms" in [name for name, _, _ in run.phases]
    (recovery,) = program.record()["scenario"]["recoveries"]
    assert recovery["back_s"] is not None
    kinds = run.connections["kind"].value_counts()
    assert kinds["lost"] == 12, "the central system went away: its doing, not ours"
    assert kinds["refused"] > 0
    assert kinds["opened"] == 24


def test_smart_charging_broadcast_is_answered_by_all_and_measured(locust, quick_fleet):
    program, run = play(
        *(locust, "smart_charging_broadcast", quick_fleet, "--calm-s", 3, "--watch-s", 9, "--limit-a", 6)
    )
    (campaign,) = program.record()["scenario"]["campaigns"]
    assert campaign["asked"] == 12
    assert campaign["answers"] == {"Accepted": 12}
    assert 0 < campaign["answer_p95_s"] < 10
    calls = run.calls
    assert (calls["action"] == "SetChargingProfile").sum() == 12
    assert program.saw("scenario: SetChargingProfile: 12 of 12 stations answered")


def test_a_mistake_in_a_scenarios_number_is_one_line_and_nothing_starts(locust):
    program = locust("-f", LOCUSTFILES / "blackout.py", "--headless", "-u", 5, "--share", 3)
    assert program.finish() == 2
    assert program.saw("--share 3: must be")
    assert not program.run_folders()


def test_hardship_can_be_given_by_hand(locust, quick_fleet):
    program, run = play(
        *(locust, "steady", quick_fleet, "--duration", "8s"),
        *("--hardship", 'hardship = [{verb = "lose", at_s = 2, name = "mine"}]'),
    )
    assert (run.connections["kind"] == "cut").sum() == 12
    assert program.record()["arguments"]["hardship"] == [{"verb": "lose", "at_s": 2.0, "name": "mine"}]
    assert "mine" in [name for name, _, _ in run.phases]
