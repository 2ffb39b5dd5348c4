"""Core time, real time and wall time."""

import time
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.clock import Clock, clock_of, monotonic, wall_offset
from profiles.fleetfile import Timestamps
from stations.core.events import PowerOn


def test_at_scale_one_core_time_is_the_monotonic_clock():
    clock = Clock()
    before = monotonic()
    assert before <= clock.now() <= monotonic()
    assert clock.real_s(12.5) == 12.5
    assert clock.us_per_s == 1e6
    assert abs(wall_offset() + monotonic() - time.time()) < 0.1


@given(st.floats(0.1, 3600.0), st.floats(0.0, 1e5))
def test_real_and_core_time_are_each_others_inverse(scale, elapsed):
    clock = Clock(scale, origin_s=1_000.0, unix_s=1_700_000_000.0)
    assert clock.real_s(clock.core_s(1_000.0 + elapsed)) == pytest.approx(1_000.0 + elapsed)
    assert clock.core_s(1_000.0) == 1_000.0


def test_a_compressed_clock_keeps_recorded_moments_and_durations_real():
    """C9: a scaled day, real latencies, real timestamps in the run folder."""
    clock = Clock(60.0, origin_s=1_000.0, unix_s=1_700_000_000.0)
    hour_later = 1_000.0 + 3_600.0
    assert clock.real_s(hour_later) == 1_060.0
    assert clock.unix_us(hour_later) == 1_700_000_060_000_000
    assert 6.0 * clock.us_per_s == 100_000.0  # six core seconds are a tenth of a real one
    assert clock.wall_offset_s + 1_000.0 == 1_700_000_000.0


def shown(power_on, core_s):
    return core_s * power_on.wall_rate + power_on.wall_offset_s


def test_real_timestamps_of_compressed_time_follow_the_real_clock():
    """C9: a session of an hour at scale 60 lasts a minute in the central system's books."""
    clock = Clock(60.0, origin_s=1_000.0, unix_s=1_700_000_000.0)
    power_on = clock.power_on()
    assert power_on.wall_told
    assert shown(power_on, 1_000.0) == pytest.approx(1_700_000_000.0)
    assert shown(power_on, 1_000.0 + 3600.0) == pytest.approx(1_700_000_060.0)


def test_simulated_timestamps_go_as_fast_as_the_station_and_nobody_sets_them():
    """C9: a session of an hour is an hour in the central system's books; what is recorded stays real."""
    clock = Clock(60.0, origin_s=1_000.0, unix_s=1_700_000_000.0, simulated_from_unix_s=1_600_000_000.0)
    power_on = clock.power_on()
    assert not power_on.wall_told
    assert shown(power_on, 1_000.0 + 3600.0) == 1_600_003_600.0
    assert clock.unix_us(1_000.0 + 3600.0) == 1_700_000_060_000_000


def test_simulated_time_begins_at_the_last_such_hour_of_the_week(monkeypatch):
    now = datetime(2026, 3, 31, 12, 0, tzinfo=UTC).timestamp()  # a Tuesday, two days into summer time
    monkeypatch.setattr(time, "time", lambda: now)
    tuesday_7, sunday_1 = 86_400 + 7 * 3600, 6 * 86_400 + 3600
    for start_local_s, begin in (
        (tuesday_7, datetime(2026, 3, 31, 5, 0, tzinfo=UTC)),
        (tuesday_7 + 6 * 3600, datetime(2026, 3, 31, 11, 0, tzinfo=UTC)),
        (tuesday_7 + 8 * 3600, datetime(2026, 3, 24, 14, 0, tzinfo=UTC)),  # not yet today; winter time
        (sunday_1, datetime(2026, 3, 29, 0, 0, tzinfo=UTC)),  # an hour before the clocks change
        (7 * 86_400 + tuesday_7, datetime(2026, 3, 31, 5, 0, tzinfo=UTC)),
    ):
        clock = clock_of(60.0, Timestamps.SIMULATED, start_local_s)
        assert shown(clock.power_on(), clock.core_s(monotonic())) == pytest.approx(begin.timestamp(), abs=60)
    assert clock_of(60.0, Timestamps.SIMULATED, None).power_on().wall_told is False


@pytest.mark.parametrize("timestamps", list(Timestamps))
def test_at_scale_one_nothing_changes(timestamps):
    """C9: whatever is chosen, a station's clock is right and the central system may set it."""
    clock = clock_of(1.0, timestamps, 0.0)
    assert clock.power_on() == PowerOn(clock.wall_offset_s)
