"""A worker's clock against its master's."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.bridge.timepiece import KEPT, Timepiece

pytestmark = pytest.mark.locust

DELAYS_US = st.integers(0, 2_000_000)


@given(st.integers(-(10**9), 10**9), st.lists(st.tuples(DELAYS_US, DELAYS_US), min_size=1, max_size=KEPT))
def test_the_offset_is_wrong_by_at_most_half_the_quickest_round_trip(offset_us, delays):
    piece, found, master_us = Timepiece(), 0, 1_700_000_000_000_000
    for out_us, back_us in delays:
        master_us += 1_000_000
        sent_us = master_us + offset_us - out_us
        found = piece.told(sent_us, master_us, master_us + offset_us + back_us)
    quickest_us = min(out_us + back_us for out_us, back_us in delays)
    assert abs(found - offset_us) <= quickest_us / 2 + 1


def test_what_was_long_ago_is_forgotten_so_that_a_drift_is_seen():
    piece = Timepiece()
    assert piece.told(0, 0, 10) == 5
    for _ in range(KEPT):
        found = piece.told(1_000, 0, 1_100)
    assert found == 1_050
