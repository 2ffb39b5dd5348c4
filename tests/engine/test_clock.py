"""Core time, real time and wall time."""

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.clock import Clock, monotonic, wall_offset


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
