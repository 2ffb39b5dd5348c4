"""A plan of hardship: who is struck and when, and what is wrong with a plan."""

from itertools import islice, pairwise
from math import inf

import pytest
from hypothesis import given
from hypothesis import strategies as st

from profiles import fleets
from profiles.hardship import (
    Hardship,
    Verb,
    check,
    ends_s,
    parse,
    read,
    spells,
    weak_spots,
    windows,
)
from profiles.network import Network
from stations.errors import PlanError

FLEET = [f"GU-{number:06d}" for number in range(1, 1001)]
BLACKOUT = Hardship(Verb.POWER_OFF, at_s=60, lasting_s=300, share=0.3, spread_s=5, return_spread_s=20)


def struck(plan, seed=1, fleet=FLEET, group=""):
    return {identity: list(spells(plan, seed, identity, group)) for identity in fleet}


def first(plan, identity, seed=1):
    (each,) = spells(plan, seed, identity, "")
    return next(each)


def test_a_share_of_the_fleet_is_struck_within_the_spread_and_back_within_the_return_spread():
    hit = [next(each[0]) for each in struck([BLACKOUT]).values() if each]
    assert 250 < len(hit) < 350
    assert all(60 <= spell.begin_s <= 65 for spell in hit)
    assert all(365 <= spell.end_s <= 385 for spell in hit)
    assert len({spell.end_s for spell in hit}) > 200


def test_the_same_seed_strikes_the_same_and_another_seed_others():
    def hit(seed):
        return [identity for identity, each in struck([BLACKOUT], seed).items() if each]

    assert hit(1) == hit(1)
    assert hit(1) != hit(2)


@given(st.integers(0, 2**32), st.integers(0, 999))
def test_nobody_else_changes_a_stations_luck(seed, index):
    alone = first([Hardship(Verb.CUT, spread_s=100, lasting_s=1)], FLEET[index], seed)
    within = struck([Hardship(Verb.CUT, spread_s=100, lasting_s=1)], seed, FLEET[index : index + 3])
    assert next(within[FLEET[index]][0]) == alone


def test_a_glob_and_a_group_choose_who_can_be_struck():
    plan = [Hardship(Verb.REBOOT, stations="GU-0000*", group="north")]
    assert sum(bool(each) for each in struck(plan, group="north").values()) == 99
    assert not any(struck(plan, group="south").values())


def test_what_comes_again_strikes_others_each_time():
    plan = [Hardship(Verb.LOSE, at_s=10, every_s=60, times=4, share=0.5)]
    beginnings = {
        identity: tuple(spell.begin_s for spell in each[0]) for identity, each in struck(plan).items()
    }
    assert {moment for each in beginnings.values() for moment in each} == {10, 70, 130, 190}
    assert len(set(beginnings.values())) == 16
    assert ends_s(plan) == 190


def test_without_times_it_comes_for_ever_and_without_length_it_stays():
    plan = [Hardship(Verb.LOSE, every_s=1.0)]
    assert [spell.begin_s for spell in islice(spells(plan, 1, "x", "")[0], 1000)][-1] == 999
    assert ends_s(plan) == inf
    assert first([Hardship(Verb.SLOW, latency_ms=5)], "x").end_s == inf


def test_windows_reach_from_the_first_beginning_to_the_last_end():
    (of_blackout, of_restart) = windows([BLACKOUT, Hardship(Verb.RESTART_CSMS, at_s=9, lasting_s=2)])
    assert [(window.begin_s, window.end_s) for window in of_blackout] == [(60, 385)]
    assert [(window.begin_s, window.end_s) for window in of_restart] == [(9, 11)]
    assert BLACKOUT.phase == "power_off"
    assert Hardship(Verb.CUT, name="storm").phase == "storm"


def test_a_restart_of_the_central_system_strikes_no_station_by_itself():
    assert not any(struck([Hardship(Verb.RESTART_CSMS, lasting_s=2)]).values())


def test_a_poor_line_is_cut_as_often_and_as_long_as_it_says():
    network = Network(cuts_per_day=24, cut_s=120, half_open=0.25)
    cuts = list(islice(weak_spots(network, 3, "GU-1"), 4000))
    days = cuts[-1].end_s / 86_400
    assert 4000 / days == pytest.approx(24, rel=0.1)
    assert sum(cut.end_s - cut.begin_s for cut in cuts) / 4000 == pytest.approx(120, rel=0.1)
    assert sum(cut.hardship.verb is Verb.HOLD for cut in cuts) / 4000 == pytest.approx(0.25, abs=0.03)
    assert all(one.end_s <= other.begin_s for one, other in pairwise(cuts))
    assert list(weak_spots(Network(latency_ms=50), 3, "GU-1")) == []


@pytest.mark.parametrize(
    ("entry", "words"),
    [
        ({"verb": "explode"}, "'explode'"),
        ({"verb": "cut", "share": 1.5}, "share"),
        ({"verb": "cut", "at_s": -1}, "at_s"),
        ({"verb": "cut", "lasts_s": 1}, "lasts_s"),
        ({"verb": "cut", "name": "two words"}, "name"),
        ({"verb": "lose", "lasting_s": 5}, "lasts no time; mend: leave lasting_s out"),
        ({"verb": "restart_csms"}, "does not say how long; mend: add lasting_s"),
        ({"verb": "slow"}, "does not say how slow; mend: add latency_ms"),
        ({"verb": "cut", "lasting_s": 30, "every_s": 10}, "mend: make every_s at least 30"),
        ({"verb": "cut", "every_s": 10}, "before it has ended"),
        ({"verb": "lose", "times": 3}, "times means nothing by itself; mend: add every_s"),
    ],
)
def test_a_plan_that_makes_no_sense_is_refused_in_one_line(entry, words):
    with pytest.raises(PlanError) as refused:
        read([{"verb": "reboot"}, entry], "scenario")
    assert words in str(refused.value)
    assert str(refused.value).startswith("scenario")
    assert "\n" not in str(refused.value)


def test_a_plan_is_written_in_toml():
    text = '[[hardship]]\nverb = "cut"\nlasting_s = 30\nshare = 0.1\n[[hardship]]\nverb = "reboot"\n'
    assert parse(text, "plan.toml") == [Hardship(Verb.CUT, lasting_s=30, share=0.1), Hardship(Verb.REBOOT)]
    assert parse('hardship = [{verb = "reboot"}]', "--hardship") == [Hardship(Verb.REBOOT)]
    with pytest.raises(PlanError, match=r"plan.toml, \$.hardship\[0\].verb: is missing"):
        parse("[[hardship]]\nshare = 1\n", "plan.toml")
    with pytest.raises(PlanError, match=r"--hardship, \$.hardship\[0\] \(slow\): does not say how slow"):
        parse('hardship = [{verb = "slow"}]', "--hardship")


def test_a_fleet_file_may_bring_hardship_of_its_own(tmp_path):
    file = tmp_path / "rough.toml"
    ready = (fleets.FOLDER / "demo.toml").read_text()
    file.write_text(ready + '\n[[hardship]]\nverb = "hold"\nlasting_s = 20\nshare = 0.2\n')
    assert fleets.load(file).file.hardship == [Hardship(Verb.HOLD, lasting_s=20, share=0.2)]
    file.write_text(ready + '\n[[hardship]]\nverb = "slow"\n')
    with pytest.raises(PlanError, match=r"rough.toml, \$.hardship\[0\] \(slow\)"):
        fleets.load(file)


def test_a_correct_plan_passes():
    check([BLACKOUT, Hardship(Verb.DEAF, lasting_s=1), Hardship(Verb.OVERSIZE)], "plan")
