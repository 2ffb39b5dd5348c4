"""GetCompositeSchedule (GC-1 … GC-7) and the worked examples TC_072 and TC_066."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stations.core.composite import composite_schedule, schedule_start
from stations.core.smartcharging import ChargingProfiles, Rules, Running, Side, Supply
from stations.wire.messages import ChargingProfile, ChargingSchedule, ChargingSchedulePeriod
from stations.wire.types import ChargingProfileKindType as Kind
from stations.wire.types import ChargingProfilePurposeType as Purpose
from stations.wire.types import ChargingRateUnitType as Unit
from stations.wire.types import RecurrencyKindType, format_datetime

T0 = 1_800_000_000.0
MAX, DEFAULT, TX = Purpose.CHARGE_POINT_MAX_PROFILE, Purpose.TX_DEFAULT_PROFILE, Purpose.TX_PROFILE
SUPPLY = Supply(64.0, 3)


def installed(*rows, kind=Kind.ABSOLUTE, unit=Unit.A):
    """rows: purpose, connector, level, duration, {startPeriod: limit or (limit, phases)}."""
    profiles = ChargingProfiles()
    for number, (purpose, connector, level, duration, periods) in enumerate(rows):
        pairs = {
            start: limit if isinstance(limit, tuple) else (limit, None) for start, limit in periods.items()
        }
        profile = ChargingProfile(
            charging_profile_id=number,
            stack_level=level,
            charging_profile_purpose=purpose,
            charging_profile_kind=kind,
            recurrency_kind=RecurrencyKindType.DAILY if kind is Kind.RECURRING else None,
            charging_schedule=ChargingSchedule(
                charging_rate_unit=unit,
                start_schedule=None if kind is Kind.RELATIVE else format_datetime(T0),
                duration=duration,
                charging_schedule_period=[
                    ChargingSchedulePeriod(start_period=start, limit=float(limit), number_phases=phases)
                    for start, (limit, phases) in pairs.items()
                ],
            ),
        )
        status, reason = profiles.accept(profile, connector, T0, running=Running(1), rules=Rules())
        assert reason == "", status
    return profiles


def composite(profiles, duration, *, now=T0, sides=None, supply=SUPPLY, connector=1, unit=None, most=100):
    schedule = composite_schedule(
        profiles,
        now,
        duration,
        sides or [Side(1, 32.0, T0)],
        supply,
        connector=connector,
        unit=unit,
        max_periods=most,
    )
    assert schedule.duration == duration
    assert schedule.start_schedule is None  # E3.57
    return {period.start_period: period.limit for period in schedule.charging_schedule_period}


def test_tc_072_stacked_tx_defaults():
    """SC-8, GC-1: the worked example of two stack levels."""
    profiles = installed(
        (DEFAULT, 1, 0, 400, {0: 6, 100: 8, 200: 10}),
        (DEFAULT, 1, 1, 150, {0: 7, 100: 9}),
    )
    assert composite(profiles, 400) == {0: 7, 100: 9, 150: 8, 200: 10}
    assert composite(profiles, 500) == {0: 7, 100: 9, 150: 8, 200: 10, 400: 32}


def test_tc_066_three_purposes():
    """SC-9, SC-10, GC-1: the worked example of ChargePointMax, TxDefault and TxProfile; no fall-back."""
    profiles = installed(
        (MAX, 0, 0, None, {0: 10}),
        (DEFAULT, 1, 0, 300, {0: 6, 60: 10, 120: 8, 180: 15, 260: 8}),
        (TX, 1, 0, 260, {0: 8, 50: 11, 140: 16, 200: 6, 240: 12}),
    )
    assert composite(profiles, 350) == {0: 8, 50: 10, 200: 6, 240: 10}


def test_it_starts_now_with_period_zero():
    """GC-1: scheduleStart is now, in whole seconds; periods that began earlier start at 0."""
    profiles = installed((DEFAULT, 0, 0, None, {0: 6, 100: 8, 200: 10}))
    assert schedule_start(T0 + 130.7) == T0 + 130
    assert composite(profiles, 300, now=T0 + 130.7) == {0: 8, 70: 10}
    assert composite(profiles, 70, now=T0 + 130.7) == {0: 8}


def test_a_boundary_within_the_first_second_counts_from_the_start():
    """GC-1: startPeriod is a whole second."""
    profiles = installed((DEFAULT, 0, 0, None, {0: 6, 100: 8}))
    assert composite(profiles, 60, now=T0 + 99.8) == {0: 6, 1: 8}
    relative = installed((DEFAULT, 0, 0, None, {0: 6, 100: 8}), kind=Kind.RELATIVE)
    assert composite(relative, 60, now=T0 + 100.2, sides=[Side(1, 32.0, T0 + 0.3)]) == {0: 8}


def test_equal_neighbours_are_merged():
    """GC-1."""
    profiles = installed((DEFAULT, 0, 0, None, {0: 40, 50: 45, 100: 10, 150: 10, 200: 12}))
    assert composite(profiles, 300) == {0: 32, 100: 10, 200: 12}


@pytest.mark.parametrize(
    ("unit", "supply", "expected"),
    [
        (None, SUPPLY, {0: 16, 60: 10.7}),
        (Unit.A, SUPPLY, {0: 16, 60: 10.7}),
        (Unit.W, SUPPLY, {0: 11_040, 60: 7_400}),
        (Unit.W, Supply(64.0, 1), {0: 7_360}),
    ],
)
def test_units_convert_over_230_volt_and_the_phases(unit, supply, expected):
    """GC-2, SC-11: no unit means A; absent numberPhases means 3, never more than the station has."""
    profiles = installed((DEFAULT, 0, 0, None, {0: 11_040, 60: 7_400}), unit=Unit.W)
    if supply.phases == 1:
        expected = {0: 7_360}  # the connector's 32 A on its one phase
    assert composite(profiles, 120, unit=unit, supply=supply) == expected


def test_stated_phases_are_reported_and_used():
    """GC-2, SC-11; GC-1: no numberPhases is 3, so the third period is the second's neighbour and equal."""
    profiles = installed((DEFAULT, 0, 0, None, {0: (16, 1), 60: (16, 3), 90: 16}))
    schedule = composite_schedule(
        profiles, T0, 120, [Side(1, 32.0, T0)], SUPPLY, connector=1, unit=Unit.W, max_periods=100
    )
    found = [(p.start_period, p.limit, p.number_phases) for p in schedule.charging_schedule_period]
    assert found == [(0, 3_680, 1), (60, 11_040, 3)]


def test_without_profiles_the_local_limits_answer():
    """GC-5."""
    assert composite(ChargingProfiles(), 600) == {0: 32}
    assert composite(ChargingProfiles(), 600, supply=Supply(20.0, 3)) == {0: 20}
    assert composite(ChargingProfiles(), 600, unit=Unit.W, sides=[Side(1, 13.0, T0)]) == {0: 8_970}


def test_connector_zero_is_the_whole_station():
    """GC-4: the sum over the connectors, capped by ChargePointMax and chargingStationMaxLimit."""
    sides = [Side(1, 32.0, T0), Side(2, 20.0, T0)]
    assert composite(ChargingProfiles(), 60, sides=sides, connector=0) == {0: 52}
    profiles = installed((MAX, 0, 0, None, {0: 40, 30: 9}), (DEFAULT, 1, 0, None, {0: 16}))
    assert composite(profiles, 60, sides=sides, connector=0) == {0: 36, 30: 9}
    assert composite(profiles, 60, sides=sides, connector=0, unit=Unit.W) == {0: 24_840, 30: 6_210}


def test_without_a_transaction_it_is_as_if_one_started_now():
    """GC-6, D: a relative TxDefault begins at the moment of the question."""
    profiles = installed((DEFAULT, 0, 0, None, {0: 6, 100: 8}), kind=Kind.RELATIVE)
    assert composite(profiles, 200, now=T0 + 5000, sides=[Side(1, 32.0, T0 + 5000)]) == {0: 6, 100: 8}


def test_the_other_side_s_transaction_takes_its_share():
    """GC-6, SC-10."""
    profiles = installed((MAX, 0, 0, None, {0: 20}))
    assert composite(profiles, 60, sides=[Side(2, 32.0, T0), Side(1, 32.0, T0)]) == {0: 10}


def test_no_more_periods_than_allowed():
    """GC-7."""
    profiles = installed((DEFAULT, 0, 0, None, {n * 10: 6 + n for n in range(20)}))
    assert composite(profiles, 1000, most=5) == {0: 6, 10: 7, 20: 8, 30: 9, 40: 10}


def test_a_recurring_profile_fills_a_week_and_a_century_ends():
    """GC-1, GC-7: recurrence is unrolled; a window of decades comes back all the same."""
    profiles = installed((DEFAULT, 0, 0, None, {0: 16, 28_800: 8}), kind=Kind.RECURRING)
    week = composite(profiles, 7 * 86_400)
    assert week == {
        day * 86_400 + start: limit for day in range(7) for start, limit in ((0, 16), (28_800, 8))
    }
    flat = installed((DEFAULT, 0, 0, None, {0: 16, 28_800: 16}), kind=Kind.RECURRING)
    assert composite(flat, 2**31 - 1) == {0: 16}


@given(
    st.dictionaries(st.integers(1, 250), st.integers(0, 32), max_size=6), st.integers(0, 300), st.booleans()
)
def test_the_schedule_read_back_is_the_limit_second_by_second(periods, duration, relative):
    """GC-1: what it promises for each second is what the station will allow then."""
    kind = Kind.RELATIVE if relative else Kind.ABSOLUTE
    rows = {0: 7, **dict(sorted(periods.items()))}
    profiles = installed((DEFAULT, 1, 3, duration or None, rows), (MAX, 0, 0, None, {0: 20}), kind=kind)
    promised = composite(profiles, 300)
    for second in range(300):
        told = promised[max(start for start in promised if start <= second)]
        assert told == profiles.limits_a(T0 + second, [Side(1, 32.0, T0)], SUPPLY)[0]
