"""The settings of misbehaviour: read, checked, and named where they are wrong."""

import typing

import pytest
from hypothesis import given
from hypothesis import strategies as st

from csms.behaviour import AnyFault, Behaviour, Fixed, Lognormal, LostStop, Uniform, convert, read_behaviour
from stations.errors import PlanError


def test_nothing_is_wrong_by_default():
    assert convert({}) == Behaviour(seed=0, latency={}, fault=[])


def test_a_file_is_read(tmp_path):
    path = tmp_path / "faults.toml"
    path.write_text(
        'seed = 7\n[latency]\n"*" = { kind = "fixed", ms = 20 }\n'
        'MeterValues = { kind = "lognormal", median_ms = 40, sigma = 1 }\n'
        '[[fault]]\nname = "lost-stop"\nshare = 0.25\nstations = "GU-*"\n'
    )
    behaviour = read_behaviour(path)
    assert behaviour.fault == [LostStop(share=0.25, stations="GU-*")]
    assert behaviour.latency["*"] == Fixed(20)


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("seed = \n", "line 1"),
        ('[[fault]]\nname = "lost-stop"\nshare = 2\n', r"\$.fault\[0\].share"),
        ('[[fault]]\nname = "lost-stops"\n', "lost-stops"),
        ('[[fault]]\nname = "lost-stop"\nshaer = 1\n', "shaer"),
        ('[[fault]]\nname = "callerror"\nactions = ["Hartbeat"]\n', "Hartbeat"),
        ('[[fault]]\nname = "refused-handshake"\nstatus = 200\n', "status 200"),
        ('[[fault]]\nname = "refused-handshake"\nstatus = 499\n', "499"),
        ('[latency]\nHartbeat = { kind = "fixed", ms = 1 }\n', "latency.Hartbeat"),
        ('[latency]\n"*" = { kind = "uniform", low_ms = 9, high_ms = 1 }\n', "high_ms"),
        ("sede = 1\n", "sede"),
    ],
)
def test_a_bad_file_is_named_with_the_place_in_it(tmp_path, text, place):
    path = tmp_path / "faults.toml"
    path.write_text(text)
    with pytest.raises(PlanError, match=place) as caught:
        read_behaviour(path)
    assert str(path) in str(caught.value)


def test_an_absent_file_is_bad_input(tmp_path):
    with pytest.raises(PlanError, match="cannot read"):
        read_behaviour(tmp_path / "nowhere.toml")


def test_every_fault_has_a_name_of_its_own_and_a_sentence():
    kinds = typing.get_args(AnyFault)
    assert len({kind().name for kind in kinds}) == len(kinds)
    assert all(kind.__doc__ for kind in kinds)


@given(st.floats(0, 1, exclude_max=True))
def test_delays_stay_within_what_was_asked_for(luck):
    assert Fixed(20).delay_s(luck) == 0.02
    assert 0.01 <= Uniform(10, 30).delay_s(luck) <= 0.03
    assert Lognormal(40, 1).delay_s(luck) > 0


def test_the_median_of_a_lognormal_delay_is_its_median():
    assert Lognormal(40, 1.5).delay_s(0.5) == pytest.approx(0.04)
    assert Lognormal(40, 0).delay_s(0.99) == pytest.approx(0.04)
