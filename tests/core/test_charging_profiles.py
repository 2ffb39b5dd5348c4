"""Charging profiles as a station obeys them (SC-*, CP-*, GC-*), down to the current the vehicle draws."""

from copy import deepcopy

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stations.core import supply
from stations.core.events import SetKey
from stations.core.limits import offered_a
from stations.core.plan import Personality
from stations.wire.types import parse_datetime
from tests.support.bench import EPOCH, bench
from tests.support.vehicle import SteadyCar

SPEC = Personality.SPEC


def profile(purpose, periods, *, number=1, level=0, kind="Relative", unit="A", **more):
    schedule = {
        "chargingRateUnit": unit,
        "chargingSchedulePeriod": [
            {"startPeriod": start, "limit": limit} for start, limit in sorted(periods.items())
        ],
    }
    for key in ("duration", "startSchedule"):
        if key in more:
            schedule[key] = more.pop(key)
    return {
        "chargingProfileId": number,
        "stackLevel": level,
        "chargingProfilePurpose": purpose,
        "chargingProfileKind": kind,
        "chargingSchedule": schedule,
        **more,
    }


def put(station, connector, made):
    answer = station.command("SetChargingProfile", connectorId=connector, csChargingProfiles=made)
    return answer["status"] if isinstance(answer, dict) else answer


def charging(station, connector=1, car=None):
    """A car that takes 32 A on three phases, under way."""
    station.plug(connector, car or SteadyCar(32.0)).swipe(f"TAG{connector}", connector).run(1)
    return station


def amps(station, connector=1):
    return station.station.connectors[connector].vehicle.reading(station.now).current_a[0]


def transaction_id(station, connector=1):
    return station.station.connectors[connector].transaction.transaction_id


def composite(station, connector, duration, **more):
    answer = station.command("GetCompositeSchedule", connectorId=connector, duration=duration, **more)
    if answer.get("status") != "Accepted":
        return answer
    schedule = answer["chargingSchedule"]
    assert schedule["duration"] == duration
    assert answer["connectorId"] == connector
    assert "startSchedule" not in schedule
    assert abs(parse_datetime(answer["scheduleStart"]) - EPOCH - station.now) < 1
    return {period["startPeriod"]: period["limit"] for period in schedule["chargingSchedulePeriod"]}


def step_clock(station, seconds):
    """The central system says that it is later, from now on."""
    station.answer["Heartbeat"] = lambda _action, _payload: {"currentTime": station.time(seconds)}
    station.command("TriggerMessage", requestedMessage="Heartbeat")
    assert "HB-2" in station.findings()  # the station noticed


# ---- obeying ----------------------------------------------------------------------------------------


def test_a_new_limit_reaches_the_vehicle_at_once_and_leaves_it_again():
    """SC-5, SC-13, CP-1, CP-3: both directions, without any other message."""
    station = charging(bench(personality=SPEC))
    assert amps(station) == 32
    assert put(station, 0, profile("TxDefaultProfile", {0: 10})) == "Accepted"
    assert amps(station) == 10
    assert put(station, 1, profile("TxProfile", {0: 20}, number=2)) == "Accepted"
    assert amps(station) == 20
    assert station.command("ClearChargingProfile", id=2) == {"status": "Accepted"}
    assert amps(station) == 10
    assert station.command("ClearChargingProfile") == {"status": "Accepted"}
    assert amps(station) == 32
    assert station.command("ClearChargingProfile") == {"status": "Unknown"}


def test_the_current_follows_every_boundary_by_itself():
    """SC-7, SC-12: periods of a relative profile, counted from the start of the transaction."""
    station = bench(personality=SPEC)
    put(station, 0, profile("TxDefaultProfile", {0: 16, 60: 8, 120: 24}, duration=180))
    charging(station)
    begun = station.station.connectors[1].transaction.started_at
    for after, expected in ((0.9, 16), (59, 16), (60.5, 8), (119, 8), (120.5, 24), (179, 24), (180.5, 32)):
        station.run(begun + after - station.now)
        assert amps(station) == expected
    assert len(station.sent("StartTransaction")) == 1


def test_below_six_ampere_the_station_stops_offering_and_goes_on_later():
    """SC-12: SuspendedEVSE, the transaction stays; then Charging again."""
    station = bench(personality=SPEC)
    put(station, 1, profile("TxDefaultProfile", {0: 16, 60: 5.9, 120: 0, 180: 6}))
    charging(station)
    assert station.status() == "Charging"
    for _ in range(2):
        station.run(60)
        assert (station.status(), amps(station)) == ("SuspendedEVSE", 0)
    station.run(60)
    assert (station.status(), amps(station)) == ("Charging", 6)
    assert station.sent("StopTransaction") == []


def test_an_absolute_profile_follows_the_wall_clock():
    """SC-6: also when the clock is set in the middle (HB-4)."""
    station = bench(personality=SPEC)
    made = profile("TxDefaultProfile", {0: 8}, kind="Absolute", startSchedule=station.time(3600))
    put(station, 1, made)
    charging(station)
    assert amps(station) == 32
    step_clock(station, 3600)
    assert amps(station) == 8


def test_a_daily_profile_comes_back_every_day():
    """SC-6: Recurring."""
    station = bench(personality=SPEC)
    start = station.time(100)
    made = profile(
        "TxDefaultProfile",
        {0: 8},
        kind="Recurring",
        recurrencyKind="Daily",
        duration=600,
        startSchedule=start,
    )
    put(station, 1, made)
    charging(station)
    seen = []
    for moment in (50, 150, 750, 86_450, 86_550, 87_150):
        station.run(moment - station.now)
        seen.append(amps(station))
    assert seen == [32, 8, 32, 32, 8, 32]


def test_validity_bounds_a_profile():
    """SC-6."""
    station = bench(personality=SPEC)
    made = profile("TxDefaultProfile", {0: 8}, validFrom=station.time(100), validTo=station.time(200))
    put(station, 1, made)
    charging(station)
    seen = []
    for moment in (50, 150, 250):
        station.run(moment - station.now)
        seen.append(amps(station))
    assert seen == [32, 8, 32]


def test_charge_point_max_is_shared_between_the_sides():
    """SC-10: equal shares; the first keeps what is too little for two; who ends gives back."""
    station = bench(personality=SPEC, connectors=2)
    charging(charging(station, 2), 1)
    put(station, 0, profile("ChargePointMaxProfile", {0: 20, 600: 10}))
    assert (amps(station, 1), amps(station, 2)) == (10, 10)
    station.run(601)
    assert (amps(station, 1), amps(station, 2)) == (0, 10)
    assert station.status(1) == "SuspendedEVSE"
    station.swipe("TAG2", 2).run(1)
    assert amps(station, 1) == 10
    assert station.status(1) == "Charging"


@pytest.mark.parametrize(
    ("key", "value", "expected"),
    [
        ("chargingStationMaxLimit", "14", 14),
        ("MaxCurrentInstallationRight", "13", 13),
        ("MaxCurrentCableRight", "20", 20),
        ("MaxCurrentInstallationLeft", "6", 32),
    ],
)
def test_the_limits_of_the_site_apply_at_once(key, value, expected):
    """SC-10: installation and cable of the side, total of the station."""
    station = charging(bench())
    station.feed(SetKey(key, value))
    assert amps(station) == expected
    assert composite(station, 1, 60) == {0: expected}  # GC-5


def test_the_station_s_limit_is_the_sum_of_both_sides():
    """SC-10: chargingStationMaxLimit by ChangeConfiguration."""
    station = charging(charging(bench(connectors=2), 1), 2)
    answer = station.command("ChangeConfiguration", key="chargingStationMaxLimit", value="30")
    assert answer == {"status": "Accepted"}
    assert (amps(station, 1), amps(station, 2)) == (15, 15)


def test_watts_limit_the_current_over_all_phases():
    """SC-11: 11,040 W are 16 A on three phases, also with one phase in use."""
    station = charging(bench(personality=SPEC), car=SteadyCar(32.0, phases=1))
    put(station, 1, profile("TxDefaultProfile", {0: 11_040}, unit="W"))
    assert amps(station) == 16


def test_a_profile_as_a_home_energy_manager_sends_it():
    """LG-7: ChargePointMax on connector 0, stack level 100, Relative, is Accepted and obeyed."""
    station = charging(bench())
    assert put(station, 0, profile("ChargePointMaxProfile", {0: 13.0}, number=8, level=100)) == "Accepted"
    assert amps(station) == 13


# ---- accepting --------------------------------------------------------------------------------------


def test_a_tx_profile_needs_its_transaction():
    """SC-2 (TC_058_1, TC_058_2)."""
    station = bench(personality=SPEC)
    assert put(station, 1, profile("TxProfile", {0: 8})) == "Rejected"
    charging(station)
    running = transaction_id(station)
    assert put(station, 1, profile("TxProfile", {0: 8}, transactionId=running + 1)) == "Rejected"
    assert put(station, 0, profile("TxProfile", {0: 8}, transactionId=running)) == "Rejected"
    assert put(station, 1, profile("TxProfile", {0: 8}, transactionId=running)) == "Accepted"


@pytest.mark.parametrize(
    ("connector", "made", "answer"),
    [
        (1, profile("ChargePointMaxProfile", {0: 8}), "Rejected"),
        (1, profile("TxDefaultProfile", {0: 8}, level=101), "Rejected"),
        (1, profile("TxDefaultProfile", {5: 8}), "Rejected"),
        (1, profile("TxDefaultProfile", dict.fromkeys(range(101), 8)), "Rejected"),
        (1, profile("TxDefaultProfile", {0: 8}, kind="Recurring"), "Rejected"),
        (2, profile("TxDefaultProfile", {0: 8}), "PropertyConstraintViolation"),
        (-1, profile("TxDefaultProfile", {0: 8}), "PropertyConstraintViolation"),
        (1, profile("TxDefaultProfile", {0: 8}, kind="Sometimes"), "PropertyConstraintViolation"),
        (1, profile("TxDefaultProfile", {0: 8.05}), "PropertyConstraintViolation"),
        (1, profile("TxDefaultProfile", {}), "OccurenceConstraintViolation"),
    ],
)
def test_bad_profiles_change_nothing(connector, made, answer):
    """SC-3, RPC-9, CMD-2."""
    station = charging(bench(personality=SPEC))
    assert put(station, connector, made) == answer
    assert amps(station) == 32


def test_a_limit_without_measure_is_no_limit():
    """SC-3, RPC-9: any number of the schema is answered; the hardware bounds it (GC-5)."""
    station = bench(personality=SPEC)
    assert put(station, 1, profile("TxDefaultProfile", {0: 1e308})) == "Accepted"
    assert composite(station, 1, 60) == {0: 32.0}


def test_the_unit_must_be_allowed():
    """SC-3, GC-3: ChargingScheduleAllowedChargingRateUnit."""
    station = bench(keys={"ChargingScheduleAllowedChargingRateUnit": "Current"})
    assert put(station, 1, profile("TxDefaultProfile", {0: 8000}, unit="W")) == "Rejected"
    assert composite(station, 1, 60, chargingRateUnit="W") == {"status": "Rejected"}
    assert composite(station, 1, 60, chargingRateUnit="A") == {0: 32}


def test_a_remote_start_brings_its_profile():
    """RS-5: it belongs to the transaction that starts, and dies with it (SC-4)."""
    station = bench(personality=SPEC).plug(1, SteadyCar(32.0))
    made = profile("TxProfile", {0: 9})
    start = {"connectorId": 1, "idTag": "TAG1", "chargingProfile": made}
    assert station.command("RemoteStartTransaction", **start) == {"status": "Accepted"}
    station.run(2)
    assert amps(station) == 9
    station.swipe("TAG1").run(2).swipe("TAG2").run(2)
    assert amps(station) == 32


# ---- keeping ----------------------------------------------------------------------------------------


def test_a_remote_start_whose_profile_finds_no_room_is_rejected():
    """RS-2, RS-5, SC-3: Accepted would mean a transaction without the limit that was asked for."""
    station = bench(personality=SPEC, keys={"MaxChargingProfilesInstalled": "1"}).plug()
    put(station, 0, profile("TxDefaultProfile", {0: 20}, number=1))
    asked = {"connectorId": 1, "idTag": "TAG1"}
    for number, status in ((2, "Rejected"), (1, "Accepted")):
        brought = profile("TxProfile", {0: 8}, number=number)
        answer = station.command("RemoteStartTransaction", **asked, chargingProfile=brought)
        assert answer == {"status": status}
    assert composite(station.run(5), 1, 10) == {0: 8}


def test_profiles_outlive_a_power_cut_except_the_transaction_s():
    """SC-4, E3.37, BOOT-11: and work offline (§3.13.6)."""
    station = charging(bench(personality=SPEC))
    put(station, 0, profile("TxDefaultProfile", {0: 11}, number=1))
    put(station, 1, profile("TxProfile", {0: 20}, number=2))
    assert amps(station) == 20
    station.power(on=False).run(60)
    station.power().run(60)
    assert len(station.station.profiles) == 1
    station.unplug().run(1)
    charging(station)
    assert amps(station) == 11


def test_a_reset_keeps_profiles():
    """RE-3, SC-4."""
    station = bench()
    put(station, 0, profile("TxDefaultProfile", {0: 11}))
    station.command("Reset", type="Soft")
    station.run(120)
    charging(station)
    assert amps(station) == 11


# ---- composite schedule -----------------------------------------------------------------------------


def test_tc_072_and_tc_066_through_the_wire():
    """SC-8, SC-9, GC-1: the worked examples."""
    station = bench(personality=SPEC)
    now = station.time()
    fixed = {"kind": "Absolute", "startSchedule": now}
    put(station, 1, profile("TxDefaultProfile", {0: 6, 100: 8, 200: 10}, number=1, duration=400, **fixed))
    put(station, 1, profile("TxDefaultProfile", {0: 7, 100: 9}, number=2, level=1, duration=150, **fixed))
    assert composite(station, 1, 400) == {0: 7, 100: 9, 150: 8, 200: 10}
    station.command("ClearChargingProfile")
    charging(station)
    fixed["startSchedule"] = station.time()
    rows = {0: 6, 60: 10, 120: 8, 180: 15, 260: 8}
    put(station, 0, profile("ChargePointMaxProfile", {0: 10}, number=1, **fixed))
    put(station, 1, profile("TxDefaultProfile", rows, number=2, duration=300, **fixed))
    rows = {0: 8, 50: 11, 140: 16, 200: 6, 240: 12}
    put(station, 1, profile("TxProfile", rows, number=3, duration=260, **fixed))
    assert composite(station, 1, 350) == {0: 8, 50: 10, 200: 6, 240: 10}


@pytest.mark.parametrize(
    ("unit", "expected"), [({}, 32), ({"chargingRateUnit": "A"}, 32), ({"chargingRateUnit": "W"}, 22_080)]
)
def test_without_profiles_the_schedule_is_the_local_limit(unit, expected):
    """GC-2, GC-5, GC-6: with and without a transaction; connector 0 is the sum, capped (GC-4)."""
    station = bench(connectors=2)
    assert composite(station, 1, 600, **unit) == {0: expected}
    assert composite(charging(station), 1, 600, **unit) == {0: expected}
    assert composite(station, 0, 600, **unit) == {0: 2 * expected}
    station.command("ChangeConfiguration", key="chargingStationMaxLimit", value="32")
    assert composite(station, 0, 600, **unit) == {0: expected}


def test_unknown_connectors_and_units_have_no_schedule():
    """GC-3, CMD-2, E3.24."""
    station = bench()
    for connector in (2, -1):
        assert station.command("GetCompositeSchedule", connectorId=connector, duration=60) == {
            "status": "Rejected"
        }
    answer = station.command("GetCompositeSchedule", connectorId=1, duration=60, chargingRateUnit="V")
    assert answer == "PropertyConstraintViolation"
    answer = station.command("GetCompositeSchedule", connectorId=1, duration=-1)
    assert answer == "PropertyConstraintViolation"


def test_the_schedule_has_no_more_periods_than_the_key_says():
    """GC-7."""
    station = bench(keys={"ChargingScheduleMaxPeriods": "3"})
    put(station, 0, profile("TxDefaultProfile", {0: 6, 10: 7, 20: 8}))
    put(station, 0, profile("ChargePointMaxProfile", {0: 30, 5: 6, 15: 30}, number=2))
    assert len(composite(station, 1, 600)) == 3


def test_a_relative_station_profile_keeps_counting_when_the_clock_is_set():
    """HB-4, SC-6: elapsed time is not moved by currentTime."""
    station = charging(bench(personality=SPEC))
    put(station, 0, profile("ChargePointMaxProfile", {0: 10, 400: 20}))
    station.run(300)
    step_clock(station, 3600)
    station.run(90)
    assert amps(station) == 10
    station.run(20)
    assert amps(station) == 20


# ---- any life -----------------------------------------------------------------------------------------

PURPOSES = st.sampled_from(["ChargePointMaxProfile", "TxDefaultProfile", "TxProfile"])


@st.composite
def orders(draw):
    """One thing that happens: a profile comes, profiles go, a car comes or goes, time passes."""
    what = draw(st.sampled_from(["put", "put", "put", "clear", "toggle", "toggle", "step", "limit"]))
    if what == "put":
        kind = draw(st.sampled_from(["Relative", "Absolute", "Recurring"]))
        starts = [0, *sorted(draw(st.sets(st.integers(1, 900), max_size=3)))]
        unit = draw(st.sampled_from("AW"))
        scale = 1 if unit == "A" else 690
        more = {} if kind == "Relative" else {"startSchedule": draw(st.integers(-90_000, 900))}
        if kind == "Recurring":
            more["recurrencyKind"] = draw(st.sampled_from(["Daily", "Weekly"]))
        if draw(st.booleans()):
            more["duration"] = draw(st.integers(0, 1200))
        if draw(st.booleans()):
            more["validTo"] = draw(st.integers(0, 2000))
        made = profile(
            draw(PURPOSES),
            {start: draw(st.integers(0, 40)) * scale for start in starts},
            number=draw(st.integers(1, 5)),
            level=draw(st.integers(0, 2)),
            kind=kind,
            unit=unit,
            **more,
        )
        return what, (draw(st.integers(0, 2)), made)
    return what, draw(st.integers(1, 2) if what == "toggle" else st.integers(0, 40))


def carry_out(station, what, value):
    if what == "put":
        connector, made = value
        for holder, key in ((made["chargingSchedule"], "startSchedule"), (made, "validTo")):
            if key in holder:
                holder[key] = station.time(holder[key])
        put(station, connector, made)
    elif what == "clear":
        station.command("ClearChargingProfile", stackLevel=value % 3)
    elif what == "limit":
        station.command("ChangeConfiguration", key="chargingStationMaxLimit", value=str(value))
    elif what == "step":
        station.answer["Heartbeat"] = lambda _action, _payload: {"currentTime": station.time(value * 60)}
        station.command("TriggerMessage", requestedMessage="Heartbeat")
    elif station.station.connectors[value].transaction is None:
        charging(station, value)
    else:
        station.swipe(f"TAG{value}", value).unplug(value)


@settings(max_examples=60)
@given(st.lists(st.tuples(orders(), st.sampled_from([0.0, 0.3, 7.0, 61.5, 400.0, 90_000.0])), max_size=14))
def test_what_is_offered_is_always_what_the_profiles_say(life):
    """SC-10, SC-12, SC-13, HB-4: at every moment, whatever came before, with one alarm for all boundaries."""
    station = bench(personality=SPEC, connectors=2, keys={"MeterValueSampleInterval": "0"})
    for (what, value), pause in life:
        carry_out(station, what, deepcopy(value))
        station.run(pause)
        core = station.station
        active = [side for side in core.connectors[1:] if side.transaction is not None]
        active.sort(key=lambda side: side.transaction.started_at)
        offers = {side.number: side.vehicle._limit_a for side in active}
        sides = [supply.side_of(core, side) for side in active]
        now_unix = core.now + core.wall_offset_s
        limits = supply.profiles(core).limits_a(now_unix, sides, supply.shared(core))
        for side, limit in zip(active, limits, strict=True):
            assert offers[side.number] == pytest.approx(offered_a(limit))
        assert sum(offers.values()) <= supply.shared(core).station_a + 1e-9
