"""One profile over time (SC-6, SC-7, SC-11), stacks (SC-8), shares (SC-10), the 6 A minimum (SC-12)."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stations.core.limits import (
    DAY_S,
    WEEK_S,
    Limit,
    Profile,
    boundary_of,
    from_stack,
    limit_of,
    offered_a,
    shares_a,
    span_s,
)
from stations.wire.types import ChargingProfilePurposeType as Purpose

T0 = 1_800_000_000_000  # ms


def profile(**changes):
    fields = {
        "id": 1,
        "connector": 1,
        "purpose": Purpose.TX_DEFAULT_PROFILE,
        "stack_level": 0,
        "relative": False,
        "start_ms": T0,
        "recurrence_s": 0,
        "duration_s": None,
        "valid_from_ms": None,
        "valid_to_ms": None,
        "in_watts": False,
        "starts_s": (0, 100),
        "limits_tenths": (160, 81),
        "phases": (0, 0),
    }
    return Profile(**(fields | changes))


def amps(p, seconds, transaction_start_s=None, phases=3):
    start = None if transaction_start_s is None else T0 + round(transaction_start_s * 1000)
    limit = limit_of(p, T0 + round(seconds * 1000), start, phases)
    return None if limit is None else limit.amps


# ---- SC-6: validity and anchors ---------------------------------------------------------------------


def test_an_absolute_profile_counts_from_its_start_schedule():
    """SC-6, SC-7: nothing before the anchor; the last period lasts for ever without duration."""
    p = profile()
    assert [amps(p, s) for s in (-0.001, 0, 99.999, 100, 1e9)] == [None, 16.0, 16.0, 8.1, 8.1]


def test_validity_is_half_open():
    """SC-6: validFrom <= t < validTo."""
    p = profile(valid_from_ms=T0 + 10_000, valid_to_ms=T0 + 20_000)
    assert [amps(p, s) for s in (9.999, 10, 19.999, 20)] == [None, 16.0, 16.0, None]


def test_a_relative_profile_counts_from_the_transaction():
    """SC-6: without a transaction it says nothing."""
    p = profile(relative=True, start_ms=T0 + 999_999)
    assert amps(p, 500) is None
    assert [amps(p, s, 400.5) for s in (400, 400.5, 500.4, 500.5)] == [None, 16.0, 16.0, 8.1]


def test_a_relative_charge_point_max_counts_from_its_receipt():
    """SC-6, D."""
    p = profile(relative=True, purpose=Purpose.CHARGE_POINT_MAX_PROFILE, connector=0)
    assert [amps(p, s, 50) for s in (-1, 0, 100)] == [None, 16.0, 8.1]


@pytest.mark.parametrize("period_s", [DAY_S, WEEK_S])
def test_a_recurring_profile_starts_again_each_day_or_week(period_s):
    """SC-6, SC-7, E3.78: the schedule's duration ends each run, its next run begins on time."""
    p = profile(recurrence_s=period_s, duration_s=200)
    for k in (0, 1, 7, 100):
        base = k * period_s
        assert [amps(p, base + s) for s in (0, 100, 199.999, 200)] == [16.0, 8.1, 8.1, None]
    assert amps(p, -1) is None


def test_periods_beyond_duration_or_recurrence_are_never_executed():
    """SC-7, §5.16.4."""
    short = profile(starts_s=(0, 100), duration_s=100)
    assert [amps(short, s) for s in (99, 100)] == [16.0, None]
    daily = profile(starts_s=(0, DAY_S + 10), recurrence_s=DAY_S, duration_s=2 * DAY_S)
    assert [amps(daily, s) for s in (DAY_S - 1, DAY_S, DAY_S + 11)] == [16.0, 16.0, 16.0]
    assert span_s(daily) == DAY_S


def test_limits_are_exact_decimals():
    """SC-3: steps of 0.1 A come out as the nearest floats of the decimals, after the trip through tenths."""
    for tenths in range(640):
        assert limit_of(profile(limits_tenths=(tenths, 0)), T0, None, 3) == Limit(
            float(f"{tenths / 10:.1f}"), 0
        )


@pytest.mark.parametrize(
    ("watts", "stated", "usable", "expected"),
    [
        (11_040, 0, 3, 16.0),
        (11_040, 3, 3, 16.0),
        (3_680, 1, 3, 16.0),
        (7_360, 2, 3, 16.0),
        (7_360, 3, 1, 32.0),
    ],
)
def test_watts_are_divided_over_the_stated_phases(watts, stated, usable, expected):
    """SC-11: absent numberPhases means 3; more phases than usable: the limit stands on the usable ones."""
    p = profile(in_watts=True, starts_s=(0,), limits_tenths=(watts * 10,), phases=(stated,))
    assert limit_of(p, T0, None, usable) == Limit(expected, stated)


def test_amps_are_per_phase_whatever_the_phases():
    """SC-11, E3.34."""
    p = profile(phases=(3, 1))
    assert amps(p, 0, phases=1) == 16.0


# ---- SC-8 -------------------------------------------------------------------------------------------


def test_a_stack_falls_to_lower_levels_only_where_the_top_says_nothing():
    """SC-8, E3.43, E3.7."""
    top = profile(stack_level=2, duration_s=50, limits_tenths=(70, 70))
    bottom = profile(stack_level=1)
    for seconds, expected in ((-1, None), (0, 7.0), (49, 7.0), (50, 16.0), (100, 8.1)):
        limit = from_stack((top, bottom), T0 + seconds * 1000, None, 3)
        assert (None if limit is None else limit.amps) == expected
    endless = profile(stack_level=2, limits_tenths=(70, 70))
    assert from_stack((endless, bottom), T0 + 10**9, None, 3) == Limit(7.0)


# ---- boundaries -------------------------------------------------------------------------------------


def _profiles():
    small = st.integers(0, 300)

    @st.composite
    def build(draw):
        starts = (0, *sorted(draw(st.sets(st.integers(1, 250), max_size=4))))
        # A short "day" makes recurrence visible within the window of the test.
        recurrence = draw(st.sampled_from([0, 0, 97, 240]))
        return profile(
            purpose=draw(st.sampled_from([Purpose.TX_DEFAULT_PROFILE, Purpose.CHARGE_POINT_MAX_PROFILE])),
            relative=not recurrence and draw(st.booleans()),
            start_ms=T0 + draw(st.integers(-300_000, 300_000)),
            recurrence_s=recurrence,
            duration_s=draw(st.none() | small),
            valid_from_ms=draw(st.none() | st.integers(T0, T0 + 300_000)),
            valid_to_ms=draw(st.none() | st.integers(T0, T0 + 600_000)),
            in_watts=draw(st.booleans()),
            starts_s=starts,
            limits_tenths=tuple(draw(st.integers(0, 320)) for _ in starts),
            phases=tuple(draw(st.integers(0, 3)) for _ in starts),
        )

    return build()


@given(_profiles(), st.integers(-100_000, 500_000), st.none() | st.integers(-100_000, 300_000))
def test_the_limit_changes_only_at_boundaries(p, offset_ms, start_offset_ms):
    """SC-12: between t and the next boundary every second gives the same answer; boundaries move forward."""
    t = T0 + offset_ms
    start = None if start_offset_ms is None else T0 + start_offset_ms
    boundary = boundary_of(p, t, start)
    assert boundary is None or boundary > t
    end = t + 400_000 if boundary is None else min(boundary - 1, t + 400_000)
    answer = limit_of(p, t, start, 3)
    for moment in [*range(t, end, 1000), end]:
        assert limit_of(p, moment, start, 3) == answer


def test_a_profile_whose_validity_ended_has_no_boundary():
    assert boundary_of(profile(valid_to_ms=T0), T0, None) is None
    assert boundary_of(profile(starts_s=(0,), limits_tenths=(1,), phases=(0,)), T0, None) is None


# ---- SC-10, SC-12 -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("budget", "own", "shares"),
    [
        (64, [32, 32], [32, 32]),
        (32, [32, 32], [16, 16]),
        (32, [32, 10], [22, 10]),  # what one cannot use goes to the other
        (20, [16, 7, 32], [20 / 3, 20 / 3, 20 / 3]),
        (12, [32, 32], [6, 6]),
        (11.9, [32, 32], [11.9, 0]),  # never below 6 A: the later one is suspended
        (10, [32, 32, 32], [10, 0, 0]),
        (4, [32], [4]),
        (4, [32, 32], [2, 2]),
        (0, [32, 32], [0, 0]),
        (20, [3, 32], [3, 20]),  # below its own minimum it draws nothing and takes no share
        (2, [3, 32], [2, 2]),
        (20, [], []),
    ],
)
def test_the_station_s_current_is_shared(budget, own, shares):
    """SC-10, D."""
    assert shares_a(budget, own) == pytest.approx(shares)


@given(st.floats(0, 200), st.lists(st.floats(0, 64), max_size=4))
def test_shares_keep_to_budget_minimum_and_own_limit(budget, own):
    """SC-10: the sum that flows stays within the budget, nobody gets more than their own limit, or less than
    6 A unless suspended, and nothing is left over that somebody could use."""
    shares = shares_a(budget, own)
    flowing = [offered_a(share) for share in shares]
    assert sum(flowing) <= budget + 1e-9
    assert all(share <= limit + 1e-9 for share, limit in zip(shares, own, strict=True))
    assert all(current == 0 or current >= 6 for current in flowing)
    hungry = [limit for share, limit in zip(flowing, own, strict=True) if share and share < limit - 1e-9]
    if hungry:
        assert sum(flowing) == pytest.approx(budget)


@pytest.mark.parametrize(("limit", "offer"), [(0, 0), (5.9, 0), (6, 6), (32, 32)])
def test_less_than_six_ampere_cannot_be_offered(limit, offer):
    """SC-12."""
    assert offered_a(limit) == offer
