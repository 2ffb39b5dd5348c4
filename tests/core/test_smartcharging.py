"""Acceptance, storage and combination of charging profiles (SC-1 … SC-5, SC-8 … SC-13, CP-1 … CP-3, RS-5)."""

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stations.core.smartcharging import (
    ChargingProfiles,
    Rules,
    Running,
    Side,
    Supply,
    remote_start_refusal,
)
from stations.wire.messages import (
    ChargingProfile,
    ChargingSchedule,
    ChargingSchedulePeriod,
    ClearChargingProfile,
)
from stations.wire.types import (
    ChargingProfileKindType,
    ChargingProfileStatus,
    ChargingRateUnitType,
    ClearChargingProfileStatus,
    RecurrencyKindType,
    format_datetime,
    parse_datetime,
)
from stations.wire.types import ChargingProfilePurposeType as Purpose

T0 = 1_800_000_000.0
ACCEPTED, REJECTED = ChargingProfileStatus.ACCEPTED, ChargingProfileStatus.REJECTED
MAX, DEFAULT, TX = Purpose.CHARGE_POINT_MAX_PROFILE, Purpose.TX_DEFAULT_PROFILE, Purpose.TX_PROFILE
ABSOLUTE, RECURRING, RELATIVE = (
    ChargingProfileKindType.ABSOLUTE,
    ChargingProfileKindType.RECURRING,
    ChargingProfileKindType.RELATIVE,
)
SUPPLY = Supply(station_a=64.0, phases=3)
NUMBER = iter(range(1, 10**9))


def made(purpose=DEFAULT, level=0, periods=((0, 16.0),), *, kind=ABSOLUTE, number=None, **fields):
    schedule = ChargingSchedule(
        charging_rate_unit=fields.pop("unit", ChargingRateUnitType.A),
        charging_schedule_period=[
            ChargingSchedulePeriod(start_period=start, limit=limit) for start, limit in periods
        ],
        duration=fields.pop("duration", None),
        start_schedule=fields.pop("start", None if kind is RELATIVE else format_datetime(T0)),
    )
    return ChargingProfile(
        charging_profile_id=next(NUMBER) if number is None else number,
        stack_level=level,
        charging_profile_purpose=purpose,
        charging_profile_kind=kind,
        charging_schedule=schedule,
        **fields,
    )


def put(profiles, profile, connector, *, running=None, now=T0, rules=None):
    return profiles.accept(profile, connector, now, running=running, rules=rules or Rules())


def limit(profiles, t, connector=1, start=T0, hardware=32.0):
    return profiles.limits_a(t, [Side(connector, hardware, start)], SUPPLY)[0]


# ---- acceptance -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("purpose", "connector", "running", "transaction_id", "status"),
    [
        (MAX, 0, None, None, ACCEPTED),
        (MAX, 1, None, None, REJECTED),
        (DEFAULT, 0, None, None, ACCEPTED),
        (DEFAULT, 1, None, None, ACCEPTED),
        (TX, 0, Running(7), 7, REJECTED),
        (TX, 1, None, None, REJECTED),
        (TX, 1, Running(7), 7, ACCEPTED),
        (TX, 1, Running(7), 8, REJECTED),
        (TX, 1, Running(7), None, ACCEPTED),  # D
        (TX, 1, Running(None), 7, REJECTED),
        (TX, 1, Running(0), 0, ACCEPTED),
    ],
)
def test_each_purpose_has_its_place(purpose, connector, running, transaction_id, status):
    """SC-2 (TC_058_1, TC_058_2)."""
    profiles = ChargingProfiles()
    answer, reason = put(profiles, made(purpose, transaction_id=transaction_id), connector, running=running)
    assert answer is status
    assert (len(profiles), reason == "") == ((1, True) if status is ACCEPTED else (0, False))


@pytest.mark.parametrize(
    "profile",
    [
        made(level=101),
        made(level=-1),
        made(periods=[(n, 6.0) for n in range(101)]),
        made(unit=ChargingRateUnitType.W),
        made(periods=((1, 6.0),)),
        made(periods=((0, 6.0), (10, 7.0), (10, 8.0))),
        made(periods=((0, 6.0), (10, 7.0), (5, 8.0))),
        made(periods=((0, -1.0),)),
        made(duration=-1),
        made(kind=RECURRING),
        made(kind=RECURRING, recurrency_kind=RecurrencyKindType.DAILY, start=None),
        made(valid_from=format_datetime(T0 + 1), valid_to=format_datetime(T0 + 1)),
        made(valid_from=format_datetime(T0 + 1), valid_to=format_datetime(T0)),
    ],
)
def test_a_bad_profile_is_rejected_with_a_reason_and_nothing_changes(profile):
    """SC-3."""
    profiles = ChargingProfiles()
    put(profiles, made(number=1), 1)
    rules = Rules(units=frozenset({ChargingRateUnitType.A}))
    status, reason = put(profiles, profile, 1, rules=rules)
    assert status is REJECTED
    assert reason
    assert limit(profiles, T0) == 16.0


def test_number_of_phases_must_exist():
    """SC-3, SC-11."""
    profile = made()
    profile.charging_schedule.charging_schedule_period[0].number_phases = 4
    assert put(ChargingProfiles(), profile, 1)[0] is REJECTED


def test_an_absolute_profile_without_start_begins_at_receipt_and_stray_recurrency_is_tolerated():
    """SC-3, D."""
    profiles = ChargingProfiles()
    profile = made(start=None, periods=((0, 10.0), (60, 8.0)), recurrency_kind=RecurrencyKindType.DAILY)
    assert put(profiles, profile, 1, now=T0 + 5)[0] is ACCEPTED
    assert [limit(profiles, T0 + s) for s in (4, 5, 65, 65 + 86_400)] == [32.0, 10.0, 8.0, 8.0]


def test_no_more_profiles_than_allowed_but_replacing_is_always_possible():
    """SC-3, SC-1."""
    profiles = ChargingProfiles()
    rules = Rules(max_installed=2)
    for number in (1, 2):
        assert put(profiles, made(level=number, number=number), 1, rules=rules)[0] is ACCEPTED
    assert put(profiles, made(level=3, number=3), 1, rules=rules)[0] is REJECTED
    assert put(profiles, made(level=3, number=2), 1, rules=rules)[0] is ACCEPTED
    assert len(profiles) == 2


def test_a_profile_replaces_the_same_id_anywhere_and_the_same_place():
    """SC-1."""
    profiles = ChargingProfiles()
    put(profiles, made(number=1, level=1), 1)
    put(profiles, made(number=1, level=5, periods=((0, 20.0),)), 0)  # same id, another connector
    assert len(profiles) == 1
    put(profiles, made(number=2, level=5), 1)
    put(profiles, made(number=3, level=5, periods=((0, 9.0),)), 1)  # same purpose, level and connector
    put(profiles, made(MAX, number=4, level=5, periods=((0, 30.0),)), 0)  # another purpose: added
    assert len(profiles) == 3
    assert limit(profiles, T0) == 9.0
    assert limit(profiles, T0, connector=2) == 20.0


def test_a_replacement_valid_later_leaves_a_gap_at_default_behaviour():
    """SC-1, §3.13.2."""
    profiles = ChargingProfiles()
    put(profiles, made(), 1)
    put(profiles, made(periods=((0, 10.0),), valid_from=format_datetime(T0 + 100)), 1)
    assert [limit(profiles, T0 + s) for s in (50, 100)] == [32.0, 10.0]


@pytest.mark.parametrize(
    ("profile", "fine"),
    [
        (made(TX), True),
        (made(TX, transaction_id=3), False),
        (made(DEFAULT), False),
        (made(TX, level=500), False),
    ],
)
def test_a_remote_start_brings_a_tx_profile_without_transaction_id(profile, fine):
    """RS-5 (TC_059, TC_060)."""
    assert (remote_start_refusal(profile, Rules()) == "") is fine


# ---- clearing ---------------------------------------------------------------------------------------


def stocked():
    profiles = ChargingProfiles()
    put(profiles, made(MAX, 1, number=1), 0)
    put(profiles, made(DEFAULT, 1, number=2), 0)
    put(profiles, made(DEFAULT, 2, number=3), 1)
    put(profiles, made(TX, 2, number=4), 1, running=Running(9))
    return profiles


@pytest.mark.parametrize(
    ("request_", "left"),
    [
        (ClearChargingProfile(), 0),
        (ClearChargingProfile(id=3), 3),
        (ClearChargingProfile(id=2, connector_id=1, stack_level=77), 3),  # other fields are ignored
        (ClearChargingProfile(connector_id=0), 2),  # those stored on 0 only
        (ClearChargingProfile(connector_id=1), 2),
        (ClearChargingProfile(charging_profile_purpose=DEFAULT), 2),
        (ClearChargingProfile(charging_profile_purpose=DEFAULT, stack_level=2), 3),
        (ClearChargingProfile(charging_profile_purpose=TX), 3),  # CP-3
        (ClearChargingProfile(id=99), 4),
        (ClearChargingProfile(connector_id=2), 4),
        (ClearChargingProfile(connector_id=0, stack_level=2), 4),
    ],
)
def test_clearing_takes_what_the_fields_name(request_, left):
    """CP-1, CP-2, CP-3, E3.25, E3.26."""
    profiles = stocked()
    status = profiles.clear(request_)
    assert len(profiles) == left
    expected = ClearChargingProfileStatus.UNKNOWN if left == 4 else ClearChargingProfileStatus.ACCEPTED
    assert status is expected


# ---- combination ------------------------------------------------------------------------------------


def test_tx_profile_overrules_tx_default_also_when_it_has_run_out():
    """SC-9 (TC_066)."""
    profiles = ChargingProfiles()
    put(profiles, made(DEFAULT, periods=((0, 10.0),)), 1)
    put(profiles, made(TX, periods=((0, 20.0),), duration=100), 1, running=Running(1))
    assert [limit(profiles, T0 + s) for s in (0, 99, 100, 1000)] == [20.0, 20.0, 32.0, 32.0]
    profiles.forget_transaction(1)
    assert limit(profiles, T0 + 1000) == 10.0


def test_a_tx_profile_dies_with_its_own_transaction_only():
    """SC-4."""
    profiles = ChargingProfiles()
    profiles.forget_transaction(1)
    put(profiles, made(TX, periods=((0, 20.0),)), 1, running=Running(1))
    put(profiles, made(TX, periods=((0, 25.0),)), 2, running=Running(2))
    profiles.forget_transaction(1)
    assert (limit(profiles, T0), limit(profiles, T0, connector=2)) == (32.0, 25.0)


def test_the_connector_s_own_tx_default_goes_before_that_of_the_station():
    """SC-2, SC-9: also at a lower stack level; where it says nothing, the station's counts."""
    profiles = ChargingProfiles()
    put(profiles, made(DEFAULT, 9, periods=((0, 20.0),)), 0)
    put(profiles, made(DEFAULT, 0, periods=((0, 12.0),), duration=60), 1)
    assert [limit(profiles, T0 + s) for s in (0, 60)] == [12.0, 20.0]
    assert limit(profiles, T0, connector=2) == 20.0


def test_a_new_tx_default_applies_at_once_and_its_removal_too():
    """SC-5, SC-13, E3.8: a running transaction's limit is a question about now, in both directions."""
    profiles = ChargingProfiles()
    assert limit(profiles, T0 + 50) == 32.0
    put(profiles, made(DEFAULT, periods=((0, 6.0),)), 0)
    assert limit(profiles, T0 + 50) == 6.0
    profiles.clear(ClearChargingProfile())
    assert limit(profiles, T0 + 50) == 32.0


def test_the_lowest_of_transaction_station_and_hardware_wins():
    """SC-10: MaxCurrentInstallation and MaxCurrentCable per side, chargingStationMaxLimit for all."""
    profiles = ChargingProfiles()
    put(profiles, made(MAX, periods=((0, 20.0),)), 0)
    put(profiles, made(DEFAULT, periods=((0, 25.0),)), 1)
    assert limit(profiles, T0) == 20.0
    assert limit(profiles, T0, hardware=13.0) == 13.0
    assert profiles.limits_a(T0, [Side(1, 32.0, T0)], Supply(10.0, 3)) == [10.0]
    put(profiles, made(MAX, periods=((0, 60.0),)), 0)
    assert limit(profiles, T0) == 25.0


def test_charge_point_max_is_shared_between_the_sides():
    """SC-10: equal shares, what is not used goes over, nobody below 6 A."""
    profiles = ChargingProfiles()
    put(profiles, made(MAX, periods=((0, 20.0), (60, 10.0), (120, 3.0))), 0)
    sides = [Side(2, 32.0, T0), Side(1, 32.0, T0 + 1)]
    assert profiles.limits_a(T0, sides, SUPPLY) == [10.0, 10.0]
    assert profiles.limits_a(T0, [sides[0], Side(1, 6.5, T0)], SUPPLY) == [13.5, 6.5]
    assert profiles.limits_a(T0 + 60, sides, SUPPLY) == [10.0, 0.0]
    assert profiles.limits_a(T0 + 120, sides, SUPPLY) == [1.5, 1.5]
    assert profiles.limits_a(T0, [], SUPPLY) == []


def test_the_station_limit_is_shared_without_any_profile():
    """SC-10: chargingStationMaxLimit is the total of the station."""
    sides = [Side(1, 32.0, T0), Side(2, 32.0, T0)]
    assert ChargingProfiles().limits_a(T0, sides, Supply(40.0, 3)) == [20.0, 20.0]
    assert ChargingProfiles().limits_a(T0, sides, SUPPLY) == [32.0, 32.0]


def test_without_profiles_there_is_nothing_to_wait_for():
    """SC-12: the station sets no alarm."""
    assert ChargingProfiles().next_boundary(T0, [Side(1, 32.0, T0)]) is None


def test_one_alarm_is_enough_for_all_profiles_of_both_sides():
    """SC-12: relative schedules of both transactions, absolute ones and validity."""
    profiles = ChargingProfiles()
    put(profiles, made(DEFAULT, periods=((0, 16.0), (100, 8.0)), kind=RELATIVE), 0)
    put(profiles, made(MAX, periods=((0, 30.0), (250, 20.0)), valid_to=format_datetime(T0 + 400)), 0)
    sides = [Side(1, 32.0, T0), Side(2, 32.0, T0 + 33.5)]
    t, boundaries = T0, []
    while (t := profiles.next_boundary(t, sides)) is not None:
        boundaries.append(t - T0)
    assert boundaries == pytest.approx([33.5, 100, 133.5, 250, 400])


def test_a_step_of_the_clock_moves_absolute_schedules_and_not_elapsed_time():
    """HB-4: the wall clock goes forward by an hour in the middle of everything."""
    profiles = ChargingProfiles()
    put(profiles, made(MAX, periods=((0, 30.0), (100, 20.0)), kind=RELATIVE), 0)
    put(profiles, made(DEFAULT, periods=((0, 16.0), (3600, 8.0))), 1)
    step = 3600.0
    assert limit(profiles, T0 + 50) == 16.0
    profiles.clock_stepped(step)
    # 50 s after receipt the station's maximum is still in its first period; the absolute one is an hour on.
    assert limit(profiles, T0 + step + 50, start=T0 + step) == 8.0
    profiles.clear(ClearChargingProfile(charging_profile_purpose=DEFAULT))
    assert limit(profiles, T0 + step + 99, start=T0 + step) == 30.0
    assert limit(profiles, T0 + step + 100, start=T0 + step) == 20.0


def test_profiles_survive_a_restart_except_tx_profiles():
    """SC-4, E3.37, BOOT-11: through the bytes of a store."""
    profiles = stocked()
    restored = ChargingProfiles()
    restored.restore(msgspec.json.decode(msgspec.json.encode(profiles.snapshot())))
    assert len(restored) == 3
    profiles.forget_transaction(1)
    assert restored.snapshot() == profiles.snapshot()
    assert limit(restored, T0) == limit(profiles, T0)
    assert ChargingProfiles().snapshot() is None
    restored.restore(None)
    assert len(restored) == 0


# ---- against a second reading of the specification ---------------------------------------------------


def oracle(installed, second, connector, start):
    """The limit at one second by walking the text of §3.13 with no index, no boundary and no sorting."""

    def says(profile):
        schedule = profile.charging_schedule
        begin = schedule.start_schedule and parse_datetime(schedule.start_schedule)
        anchor = start if profile.charging_profile_kind is RELATIVE else begin
        if profile.charging_profile_kind is RELATIVE and profile.charging_profile_purpose is MAX:
            anchor = T0  # received then
        for text, late in ((profile.valid_from, False), (profile.valid_to, True)):
            if text is not None and (second >= parse_datetime(text)) is late:
                return None
        if profile.charging_profile_kind is RECURRING:
            day = 86_400 if profile.recurrency_kind is RecurrencyKindType.DAILY else 7 * 86_400
            while anchor + day <= second:
                anchor += day
        elapsed = second - anchor
        if elapsed < 0 or (schedule.duration is not None and elapsed >= schedule.duration):
            return None
        found = None
        for period in schedule.charging_schedule_period:
            if period.start_period <= elapsed:
                found = period.limit
        if schedule.charging_rate_unit is ChargingRateUnitType.W:
            found /= 690
        return found

    def stack(purpose, place):
        answers = {
            profile.stack_level: says(profile)
            for at, profile in installed
            if profile.charging_profile_purpose is purpose and at == place
        }
        said = [answers[level] for level in sorted(answers, reverse=True) if answers[level] is not None]
        return (said[0] if said else None), bool(answers)

    limits = [32.0, 64.0, stack(MAX, 0)[0]]
    own, has_tx_profile = stack(TX, connector)
    if not has_tx_profile:
        own = stack(DEFAULT, connector)[0]
        if own is None:
            own = stack(DEFAULT, 0)[0]
    return min(value for value in [*limits, own] if value is not None)


@st.composite
def placed_profiles(draw):
    purpose = draw(st.sampled_from([MAX, DEFAULT, TX]))
    kind = draw(st.sampled_from([ABSOLUTE, RECURRING, RELATIVE]))
    starts = (0, *sorted(draw(st.sets(st.integers(1, 200), max_size=3))))
    window = draw(st.none() | st.tuples(st.integers(0, 150), st.integers(1, 200)))
    day = draw(st.sampled_from([0, -1, -3])) * 86_400
    unit = draw(st.sampled_from(ChargingRateUnitType))
    scale = 690 if unit is ChargingRateUnitType.W else 1
    profile = made(
        purpose,
        draw(st.integers(0, 2)),
        [(start, draw(st.integers(0, 400)) / 10 * scale // 0.1 / 10) for start in starts],
        kind=kind,
        unit=unit,
        duration=draw(st.none() | st.integers(0, 250)),
        start=None if kind is RELATIVE else format_datetime(T0 + day + draw(st.integers(-100, 100))),
        recurrency_kind=draw(st.sampled_from(RecurrencyKindType)) if kind is RECURRING else None,
        valid_from=None if window is None else format_datetime(T0 + window[0]),
        valid_to=None if window is None else format_datetime(T0 + sum(window)),
    )
    connector = {MAX: 0, TX: 1}.get(purpose, draw(st.sampled_from([0, 1])))
    return connector, profile


@settings(max_examples=60)
@given(st.lists(placed_profiles(), max_size=6), st.integers(-60, 60))
def test_every_second_agrees_with_the_text_of_the_specification(placed, start):
    """SC-6 … SC-11: each second of five minutes, and the answer stands still between boundaries."""
    profiles, installed = ChargingProfiles(), []
    for connector, profile in placed:
        assert put(profiles, profile, connector, running=Running(1)) == (ACCEPTED, "")
        installed = [
            (at, old)
            for at, old in installed
            if (at, old.charging_profile_purpose, old.stack_level)
            != (connector, profile.charging_profile_purpose, profile.stack_level)
        ]
        installed.append((connector, profile))
    side = Side(1, 32.0, T0 + start)
    boundary, held = T0, None
    for second in range(int(T0), int(T0) + 300):
        answer = profiles.limits_a(second, [side], SUPPLY)[0]
        assert answer == pytest.approx(oracle(installed, second, 1, T0 + start))
        if boundary is not None and second >= boundary:
            held, boundary = answer, profiles.next_boundary(second, [side])
        assert answer == held
