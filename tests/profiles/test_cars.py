"""A plugged car: exact energy, answers to limits, tapers, pauses and ends, in closed form."""

import sys
from math import exp, inf

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import structs

from profiles.cars import RESPONSE_DEAD_S, Car
from profiles.supply import supply_of
from profiles.wish import Window, Wish

PLAIN = Wish(15.9)


def supply(name="GU-1"):
    return supply_of(1, "site", name)


def car(wish=PLAIN, phases=3, name="GU-1"):
    return Car(wish, supply(name), phases=phases, noise=99)


def plugged(wish=PLAIN, limit=32.0, **more):
    made = car(wish, **more)
    made.offer(0.0, limit)
    return made


def power(reading):
    return sum(reading.power_w)


wishes = st.builds(
    Wish,
    current_a=st.floats(6, 31),
    need_wh=st.one_of(st.just(inf), st.floats(0, 30_000)),
    taper_s=st.sampled_from([0.0, 5.0, 300.0, 1500.0]),
    cut=st.floats(0.05, 0.3),
    wake_s=st.floats(0.5, 60),
    lag_s=st.floats(0.5, 4),
    grip=st.floats(0.94, 0.998),
    minimum_a=st.sampled_from([6.0, 8.0]),
    sip_a=st.sampled_from([0.0, 0.43]),
    reactive_var=st.floats(-1200, 120),
    window=st.one_of(
        st.none(),
        st.builds(
            Window,
            from_s=st.floats(0, 3000),
            lasts_s=st.floats(10, 3000),
            level=st.sampled_from([0.0, 0.01, 0.5]),
            every_s=st.sampled_from([0.0, 800.0]),
        ),
    ),
    tail=st.sampled_from([(), ((0.0, 300.0), (0.14, 120.0)), ((0.43, 300.0), (0.14, 900.0))]),
)
acts = st.lists(
    st.tuples(
        st.floats(0.01, 4000),
        st.sampled_from(["offer", "pause", "resume"]),
        st.sampled_from([0, 6, 7, 10, 16, 32]),
    ),
    max_size=8,
)


def act(subject, now, what, limit):
    if what == "offer":
        subject.offer(now, float(limit))
    else:
        subject.pause(now, paused=what == "pause")


@given(wishes, acts, st.lists(st.floats(0, 1), max_size=12))
def test_looking_more_often_changes_nothing(wish, story, looks):
    """C9: the state is a function of what happened, not of who read the meter when."""
    watched, alone = plugged(wish), plugged(wish)
    now = 0.0
    for wait, what, limit in story:
        for share in sorted(looks):
            watched.reading(now + share * wait)
            watched.next_change(now + share * wait)
        now += wait
        act(watched, now, what, limit)
        act(alone, now, what, limit)
    end = now + 5000.0
    one, other = watched.reading(end), alone.reading(end)
    assert one.energy_wh == pytest.approx(other.energy_wh, rel=1e-9, abs=1e-6)
    assert one.current_a == pytest.approx(other.current_a)
    assert watched.drawn_s(end) == pytest.approx(alone.drawn_s(end))


@given(wishes, acts)
def test_measurands_agree_and_energy_never_decreases(wish, story):
    """MV-5, MV-9: the register is monotone, P = U I cos(phi), no current without a contactor."""
    subject = plugged(wish)
    now, before = 0.0, 0.0
    for wait, what, limit in story:
        now += wait
        reading = subject.reading(now)
        assert reading.energy_wh >= before
        before = reading.energy_wh
        for volts, amperes, watts, var in zip(
            reading.voltage_v, reading.current_a, reading.power_w, reading.reactive_var, strict=True
        ):
            assert 200 < volts < 260
            assert (volts * amperes) ** 2 == pytest.approx(watts**2 + var**2, abs=1e-3)
        assert subject.drawing(now) == any(reading.current_a)
        act(subject, now, what, limit)
        if what == "offer" and limit == 0:
            assert subject.reading(now).current_a == (0.0, 0.0, 0.0)


@settings(max_examples=15)
@given(wishes, st.sampled_from([1, 3]))
def test_the_energy_is_the_integral_of_the_power(wish, phases):
    """MV-9: the sum of power times time is the register, to the meter's jitter."""
    subject = plugged(wish, phases=phases)
    seconds = np.arange(0.0, 4000.0, 0.5)
    watts = [power(subject.reading(float(at))) for at in seconds]
    summed_wh = float(np.trapezoid(watts, seconds)) / 3600
    energy_wh = subject.reading(float(seconds[-1])).energy_wh
    # Half a step of 15 kW at each sudden start and end is what the sum may be wrong by.
    assert energy_wh == pytest.approx(summed_wh, rel=2e-3, abs=2.2)


@given(wishes, acts)
def test_a_station_is_told_in_time_when_drawing_changes(wish, story):
    """ST-2: between now and next_change the car neither starts nor stops drawing."""
    subject = plugged(wish)
    now = 0.0
    for wait, what, limit in [*story, (9000.0, "offer", 32)]:
        change = subject.next_change(now)
        until = now + wait if change is None else min(change, now + wait)
        drawing = subject.drawing(now)
        twin = subject.twin()
        for share in (0.01, 0.3, 0.7, 0.99):
            assert twin.drawing(now + share * (until - now) - 1e-9 * (until - now)) == drawing
        now += wait
        act(subject, now, what, limit)


def test_current_begins_after_the_car_woke_up_and_settles_within_a_minute():
    subject = plugged(structs.replace(PLAIN, wake_s=6.0))
    assert not subject.drawing(5.9)
    assert subject.drawing(6.1)
    ninety = next(
        t for t in range(60) if power(subject.reading(float(t))) > 0.9 * power(subject.reading(60.0))
    )
    assert 8 <= ninety <= 20


@pytest.mark.parametrize("limit", [6.0, 10.0, 16.0, 25.0])
def test_a_lower_limit_is_obeyed_within_seconds(limit):
    """SC-13, MV-9: Current.Import stays at or below Current.Offered."""
    subject = plugged(Wish(31.0, lag_s=3.0))
    subject.offer(600.0, limit)
    before = subject.reading(600.0 + RESPONSE_DEAD_S - 0.1).current_a[0]
    assert before > 30
    assert subject.reading(620.0).current_a[0] <= limit
    assert subject.reading(620.0).current_a[0] >= 0.9 * limit


def test_below_its_minimum_a_car_stops_and_comes_back_when_it_gets_more():
    subject = plugged(structs.replace(PLAIN, minimum_a=8.0))
    subject.offer(600.0, 7.0)
    assert not subject.drawing(620.0)
    subject.offer(900.0, 16.0)
    assert subject.drawing(930.0)


def test_a_zoe_like_car_below_its_minimum_takes_next_to_nothing_at_a_poor_power_factor():
    subject = plugged(Wish(30.6, minimum_a=8.0, sip_a=0.43, reactive_var=-1200.0))
    subject.offer(600.0, 6.0)
    reading = subject.reading(640.0)
    assert 200 < power(reading) < 400
    factor = reading.power_w[0] / (reading.voltage_v[0] * reading.current_a[0])
    assert factor < 0.12
    assert reading.current_a[0] <= 6.0


@pytest.mark.parametrize("taper_s", [0.0, 300.0, 1200.0])
@pytest.mark.parametrize("limit", [8.0, 16.0, 32.0])
def test_a_car_ends_with_the_energy_it_needed_whatever_the_limit(taper_s, limit):
    subject = plugged(Wish(15.9, need_wh=9000.0, taper_s=taper_s, cut=0.1), limit)
    end = subject.next_change(100.0)
    while subject.drawing(end):
        end = subject.next_change(end)
    assert subject.reading(end).energy_wh == pytest.approx(9000.0, rel=0.01)
    assert subject.next_change(end) is None
    assert power(subject.reading(end + 10)) == 0.0


def test_the_taper_is_exponential_and_begins_later_under_a_lower_limit():
    wish = Wish(15.9, need_wh=9000.0, taper_s=900.0, cut=0.1, grip=0.998)
    full, low = plugged(wish), plugged(wish, 8.0)

    def knee_wh(subject):
        level = subject.reading(200.0).current_a[0]
        at = 200.0
        while subject.reading(at).current_a[0] > 0.97 * level:
            at += 5.0
        return subject.reading(at).energy_wh, at

    early, at = knee_wh(full)
    assert knee_wh(low)[0] > early + 500
    ratio = power(full.reading(at + 1000.0)) / power(full.reading(at + 100.0))
    assert ratio == pytest.approx(exp(-1.0), rel=0.03)


def test_pauses_and_dips_come_and_go():
    pausing = plugged(structs.replace(PLAIN, window=Window(600.0, 300.0)))
    states = [pausing.drawing(at) for at in (500.0, 700.0, 1000.0)]
    assert states == [True, False, True]
    halved = plugged(structs.replace(PLAIN, window=Window(600.0, 300.0, 0.5)))
    levels = [halved.reading(at).current_a[0] for at in (500.0, 700.0, 1000.0)]
    assert levels[1] == pytest.approx(levels[0] / 2, rel=0.02)
    assert levels[2] == pytest.approx(levels[0], rel=0.01)
    dipping = plugged(structs.replace(PLAIN, window=Window(100.0, 20.0, 0.01, 800.0)))
    low = [at for at in range(0, 3600, 4) if power(dipping.reading(float(at))) < 5000 and at > 30]
    assert 4 * 3 <= len(low) <= 4 * 8
    assert all(dipping.drawing(float(at)) for at in range(3600, 7200, 7))


def test_afterglow_follows_the_end():
    subject = plugged(Wish(15.8, need_wh=2000.0, tail=((0.0, 300.0), (0.14, 600.0))), phases=1)
    end = subject.next_change(30.0)
    assert not subject.drawing(end + 1)
    assert 400 < power(subject.reading(end + 400)) < 600
    assert not subject.drawing(end + 901)


def test_the_driver_can_pause_and_resume():
    """EvPause, EvResume: the car stops and starts drawing while the offer stays."""
    subject = plugged()
    subject.pause(100.0, paused=True)
    assert not subject.drawing(101.0)
    subject.pause(200.0, paused=True)
    subject.pause(300.0, paused=False)
    assert subject.drawing(320.0)


def test_the_plateau_looks_like_measured_ones():
    """Power follows voltage at constant current; voltage drops with current; power factor near one."""
    for name in map(str, range(12)):
        subject = plugged(Wish(15.9, reactive_var=-150.0), name=name)
        idle_v = car(name=name).reading(0.0).voltage_v[0]
        minutes = [[subject.reading(60.0 * m + s) for s in range(0, 60, 5)] for m in range(10, 130)]
        watts = np.array([np.mean([power(r) for r in minute]) for minute in minutes])
        volts = np.array([np.mean([r.voltage_v[0] for r in minute]) for minute in minutes])
        amperes = np.array([np.mean([r.current_a[0] for r in minute]) for minute in minutes])
        assert 0.001 < watts.std() / watts.mean() < 0.012
        assert amperes.std() / amperes.mean() < 0.5 * watts.std() / watts.mean()
        assert np.corrcoef(watts, volts)[0, 1] > 0.7
        assert volts.mean() < idle_v + 3
        reading = minutes[0][0]
        assert 0.99 < reading.power_w[0] / (reading.voltage_v[0] * reading.current_a[0]) < 1.0


def test_three_phase_currents_are_nearly_equal_and_one_phase_cars_use_l1():
    """MV-6."""
    three = plugged().reading(100.0).current_a
    assert max(three) / min(three) < 1.02
    assert plugged(phases=1).reading(100.0).current_a[1:] == (0.0, 0.0)


@pytest.mark.interpreted
def test_a_car_weighs_less_than_a_kilobyte():
    subject = plugged(structs.replace(PLAIN, need_wh=5000.0))
    subject.reading(100.0)
    parts = [getattr(subject, name) for name in Car.__slots__]
    numbers = sum(sys.getsizeof(part) for part in parts if isinstance(part, float | int))
    wish = sys.getsizeof(subject.wish) + 24 * len(Wish.__struct_fields__)
    assert sys.getsizeof(subject) + numbers < 1024
    assert wish < 1024


def test_the_supply_is_the_same_whenever_it_is_built_and_differs_between_stations():
    swing = supply("a").swing(1000.0)
    assert supply("a").swing(1000.0) == swing
    assert supply("b").swing(1000.0) != swing
