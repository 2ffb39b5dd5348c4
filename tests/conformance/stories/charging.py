"""Section 11: charging profiles and what they add up to."""

import asyncio

from tests.conformance.bench import Bench
from tests.conformance.centre import Refusal, now_text
from tests.conformance.story import story

NO = {"Rejected", "PropertyConstraintViolation"}


def profile(
    number: int, purpose: str, *periods: tuple, level: int = 0, kind: str = "Absolute", **more
) -> dict:
    schedule: dict = {
        "chargingRateUnit": more.pop("unit", "A"),
        "chargingSchedulePeriod": [
            {"startPeriod": start, "limit": limit, **({"numberPhases": rest[0]} if rest else {})}
            for start, limit, *rest in periods
        ],
    }
    if kind == "Absolute" or "start" in more:
        schedule["startSchedule"] = more.pop("start", None) or now_text()
    if "duration" in more:
        schedule["duration"] = more.pop("duration")
    return {
        "chargingProfileId": number,
        "stackLevel": level,
        "chargingProfilePurpose": purpose,
        "chargingProfileKind": kind,
        "chargingSchedule": schedule,
        **more,
    }


async def install(t: Bench, connector: int, **kwargs) -> str:
    return await t.csms.ask("SetChargingProfile", connectorId=connector, csChargingProfiles=kwargs["it"])


async def composite(t: Bench, connector: int, duration: int = 400, unit: str | None = "A") -> list:
    more = {} if unit is None else {"chargingRateUnit": unit}
    answer = await t.csms.call("GetCompositeSchedule", connectorId=connector, duration=duration, **more)
    assert not isinstance(answer, Refusal), answer
    assert answer["status"] == "Accepted", answer
    assert answer["connectorId"] == connector
    schedule = answer["chargingSchedule"]
    assert schedule["duration"] == duration
    return [(one["startPeriod"], one["limit"]) for one in schedule["chargingSchedulePeriod"]]


def like(found: list, wanted: list, slack_s: int = 3) -> None:
    assert len(found) == len(wanted), (found, wanted)
    for (start, limit), (wanted_start, wanted_limit) in zip(found, wanted, strict=True):
        assert abs(start - wanted_start) <= slack_s, (found, wanted)
        assert abs(limit - wanted_limit) < 0.05, (found, wanted)


@story("GC-1", "GC-5", "GC-2", "GC-6", quick=True)
async def without_profiles_the_limit_is_the_products(t: Bench):
    await t.up(default_limit_a=20.0)
    assert await composite(t, 1) == [(0, 20.0)]
    assert await composite(t, 1, unit=None) == [(0, 20.0)]
    watts = await composite(t, 1, unit="W")
    assert watts[0][1] in {20.0 * 230, 20.0 * 230 * 3}, watts


@story("GC-3", "TC_072", quick=True)
async def composite_schedules_that_cannot_be(t: Bench):
    await t.up()
    answer = await t.csms.call("GetCompositeSchedule", connectorId=9, duration=60)
    assert answer == {"status": "Rejected"} or answer.code == "PropertyConstraintViolation"
    answer = await t.csms.call("GetCompositeSchedule", connectorId=1, duration=60, chargingRateUnit="VA")
    assert answer.code == "PropertyConstraintViolation"


@story("GC-3")
async def a_unit_that_is_not_allowed(t: Bench):
    await t.up(keys={"ChargingScheduleAllowedChargingRateUnit": "Current"})
    assert (
        await t.csms.ask("GetCompositeSchedule", connectorId=1, duration=60, chargingRateUnit="W")
        == "Rejected"
    )
    it = profile(1, "TxDefaultProfile", (0, 3000.0), unit="W")
    assert await install(t, 1, it=it) == "Rejected"


@story("SC-2", "SC-8", "SC-9", "GC-1", "TC_072", quick=True)
async def two_levels_of_defaults(t: Bench):
    await t.up()
    low = profile(1, "TxDefaultProfile", (0, 6.0), (100, 8.0), (200, 10.0), duration=400)
    high = profile(2, "TxDefaultProfile", (0, 7.0), (100, 9.0), level=1, duration=150)
    assert await install(t, 1, it=low) == "Accepted"
    assert await install(t, 1, it=high) == "Accepted"
    like(await composite(t, 1, 350), [(0, 7), (100, 9), (150, 8), (200, 10)])


@story("SC-2", "SC-9", "SC-10", "TC_066", "TC_056", "TC_057", quick=True)
async def three_purposes_at_once(t: Bench):
    await t.up()
    await t.charging()
    assert await install(t, 0, it=profile(1, "ChargePointMaxProfile", (0, 10.0))) == "Accepted"
    default = profile(
        2, "TxDefaultProfile", (0, 6.0), (60, 10.0), (120, 8.0), (180, 15.0), (260, 8.0), duration=300
    )
    assert await install(t, 1, it=default) == "Accepted"
    ours = profile(3, "TxProfile", (0, 8.0), (50, 11.0), (140, 16.0), (200, 6.0), (240, 12.0), duration=260)
    assert await install(t, 1, it=ours) == "Accepted"
    found = await composite(t, 1, 400)
    like(found, [(0, 8), (50, 10), (200, 6), (240, 10)])


@story("GC-2", "SC-11", quick=True)
async def amperes_and_watts(t: Bench):
    await t.up()
    it = profile(1, "TxDefaultProfile", (0, 10.0, 1), (100, 10.0, 3), (200, 10.0))
    assert await install(t, 1, it=it) == "Accepted"
    like(await composite(t, 1, 300, "W"), [(0, 2300), (100, 6900)])
    it = profile(1, "TxDefaultProfile", (0, 6900.0), (100, 2300.0, 1), unit="W")
    assert await install(t, 1, it=it) == "Accepted"
    like(await composite(t, 1, 300, "A"), [(0, 10), (100, 10)])  # on three phases, then on one


@story("SC-2", "SC-3", "TC_058_1", "TC_058_2", "TC_059", quick=True)
async def profiles_that_cannot_be(t: Bench):
    await t.up(
        keys={
            "ChargeProfileMaxStackLevel": "5",
            "ChargingScheduleMaxPeriods": "3",
            "MaxChargingProfilesInstalled": "4",
        }
    )
    flat = (0, 10.0)
    wrong = [
        (1, profile(1, "ChargePointMaxProfile", flat)),
        (0, profile(1, "TxProfile", flat)),
        (1, profile(1, "TxProfile", flat)),
        (9, profile(1, "TxDefaultProfile", flat)),
        (1, profile(1, "TxDefaultProfile", flat, level=6)),
        (1, profile(1, "TxDefaultProfile", (0, 1.0), (1, 2.0), (2, 3.0), (3, 4.0))),
        (1, profile(1, "TxDefaultProfile", (5, 10.0))),
        (1, profile(1, "TxDefaultProfile", (0, 10.0), (9, 8.0), (5, 7.0))),
        (1, profile(1, "TxDefaultProfile", flat, kind="Recurring")),
        (1, profile(1, "TxDefaultProfile", flat, kind="Recurring", start=now_text())),
        (1, profile(1, "TxDefaultProfile", flat, validFrom=now_text(60), validTo=now_text(30))),
    ]
    for connector, it in wrong:
        assert await install(t, connector, it=it) in NO, it
    assert await t.csms.ask("ClearChargingProfile") == "Unknown", "nothing was stored"
    transaction = await t.charging()
    it = profile(1, "TxProfile", flat, transactionId=transaction + 1)
    assert await install(t, 1, it=it) == "Rejected"
    it = profile(1, "TxProfile", flat, transactionId=transaction)
    assert await install(t, 1, it=it) == "Accepted"
    for number in (2, 3, 4):
        assert await install(t, 1, it=profile(number, "TxDefaultProfile", flat, level=number)) == "Accepted"
    assert await install(t, 1, it=profile(9, "TxDefaultProfile", flat, level=1)) == "Rejected"
    assert await install(t, 1, it=profile(4, "TxDefaultProfile", flat, level=4)) == "Accepted", (
        "SC-1: replaces"
    )


@story("SC-3")
async def limits_have_one_decimal(t: Bench):
    await t.up()
    for limit in (0.1, 0.3, 6.7, 16.1, 1.1, 32.3, 8.2):
        assert await install(t, 1, it=profile(1, "TxDefaultProfile", (0, limit))) == "Accepted", limit
    assert await install(t, 1, it=profile(1, "TxDefaultProfile", (0, 6.75))) == "PropertyConstraintViolation"


@story("SC-1", "CP-1", "CP-2", quick=True)
async def profiles_replace_and_are_cleared(t: Bench):
    await t.up()
    clear = "ClearChargingProfile"
    assert await install(t, 1, it=profile(1, "TxDefaultProfile", (0, 6.0))) == "Accepted"
    assert await install(t, 1, it=profile(2, "TxDefaultProfile", (0, 7.0))) == "Accepted"
    assert await composite(t, 1) == [(0, 7.0)]
    assert await t.csms.ask(clear, id=1) == "Unknown"
    assert await install(t, 2, it=profile(2, "TxDefaultProfile", (0, 8.0))) == "Accepted"
    assert await composite(t, 1) == [(0, 32.0)]
    assert await composite(t, 2) == [(0, 8.0)]
    assert await t.csms.ask(clear, id=2, connectorId=1, stackLevel=77) == "Accepted"
    assert await install(t, 0, it=profile(3, "ChargePointMaxProfile", (0, 9.0), level=1)) == "Accepted"
    assert await install(t, 0, it=profile(4, "TxDefaultProfile", (0, 9.0), level=1)) == "Accepted"
    assert await install(t, 2, it=profile(5, "TxDefaultProfile", (0, 9.0), level=2)) == "Accepted"
    assert await t.csms.ask(clear, stackLevel=1, chargingProfilePurpose="TxProfile") == "Unknown"
    assert await t.csms.ask(clear, connectorId=0, chargingProfilePurpose="TxDefaultProfile") == "Accepted"
    assert await t.csms.ask(clear, connectorId=0, chargingProfilePurpose="TxDefaultProfile") == "Unknown"
    assert await t.csms.ask(clear) == "Accepted"
    assert await t.csms.ask(clear) == "Unknown"
    assert await composite(t, 2) == [(0, 32.0)]


@story("SC-12", "SC-7", "SC-13", quick=True)
async def the_current_follows_every_boundary(t: Bench):
    await t.up()
    await t.charging()
    it = profile(1, "TxProfile", (0, 16.0), (3, 0.0), (6, 5.0), (9, 10.0))
    assert await install(t, 1, it=it) == "Accepted"
    suspended = await t.csms.status(1, "SuspendedEVSE")
    charging = await t.csms.status(1, "Charging", 20)
    assert 3.5 <= charging.at - suspended.at <= 12, "below 6 A nothing is offered"
    await t.csms.none("StopTransaction", 0)


@story("SC-5", "SC-9", "CP-3")
async def defaults_come_and_go_in_a_transaction(t: Bench):
    await t.up(keys={"MeterValueSampleInterval": "1", "MeterValuesSampledData": "Current.Offered"})
    await t.charging()

    async def offered() -> float:
        await asyncio.sleep(0.3)
        t.csms.forget()
        call = await t.csms.next("MeterValues")
        return float(call.payload["meterValue"][0]["sampledValue"][0]["value"])

    assert await offered() == 32
    assert await install(t, 0, it=profile(1, "TxDefaultProfile", (0, 12.0))) == "Accepted"
    assert await offered() == 12
    assert await install(t, 1, it=profile(2, "TxDefaultProfile", (0, 14.0))) == "Accepted"
    assert await offered() == 14
    assert await install(t, 1, it=profile(3, "TxProfile", (0, 20.0))) == "Accepted"
    assert await offered() == 20
    assert await t.csms.ask("ClearChargingProfile", id=3) == "Accepted"
    assert await offered() == 14
    assert await t.csms.ask("ClearChargingProfile") == "Accepted"
    assert await offered() == 32


@story("SC-9", "SC-7")
async def a_tx_profile_that_has_run_out_does_not_fall_back(t: Bench):
    await t.up()
    await t.charging()
    assert await install(t, 1, it=profile(1, "TxDefaultProfile", (0, 8.0))) == "Accepted"
    assert await install(t, 1, it=profile(2, "TxProfile", (0, 12.0), duration=100)) == "Accepted"
    like(await composite(t, 1, 200), [(0, 12), (100, 32)])


@story("SC-10", "GC-4", quick=True)
async def the_sum_keeps_below_the_stations_maximum(t: Bench):
    await t.up(keys={"MeterValueSampleInterval": "1", "MeterValuesSampledData": "Current.Offered"})
    await t.charging(1, "A")
    await t.charging(2, "B")
    assert await install(t, 0, it=profile(1, "ChargePointMaxProfile", (0, 20.0))) == "Accepted"
    await asyncio.sleep(0.5)
    t.csms.forget()
    shares = []
    for connector in (1, 2):
        call = await t.csms.next("MeterValues", connectorId=connector)
        shares.append(float(call.payload["meterValue"][0]["sampledValue"][0]["value"]))
    assert sum(shares) <= 20.01, shares
    assert min(shares) >= 6
    like(await composite(t, 0, 100), [(0, 20)])


@story("SC-4", "SC-6", "BOOT-11", quick=True)
async def profiles_survive_but_tx_profiles_die(t: Bench):
    await t.up()
    await t.charging()
    assert await install(t, 0, it=profile(1, "ChargePointMaxProfile", (0, 25.0))) == "Accepted"
    assert await install(t, 1, it=profile(2, "TxDefaultProfile", (0, 13.0))) == "Accepted"
    assert await install(t, 1, it=profile(3, "TxProfile", (0, 11.0))) == "Accepted"
    assert await composite(t, 1) == [(0, 11.0)]
    t.swipe()
    await t.csms.next("StopTransaction")
    assert await composite(t, 1) == [(0, 13.0)]
    await t.replace()
    t.power_on()
    await t.booted()
    assert await composite(t, 1) == [(0, 13.0)]
    assert await composite(t, 2) == [(0, 25.0)]


@story("SC-6", "SC-7", "SC-8", quick=True)
async def recurring_and_not_yet_valid(t: Bench):
    await t.up()
    yesterday = now_text(-86400 + 60)
    daily = profile(
        1,
        "TxDefaultProfile",
        (0, 9.0),
        (100, 11.0),
        kind="Recurring",
        recurrencyKind="Daily",
        start=yesterday,
        duration=600,
    )
    assert await install(t, 1, it=daily) == "Accepted"
    like(await composite(t, 1, 400), [(0, 32), (60, 9), (160, 11)])
    later = profile(2, "TxDefaultProfile", (0, 7.0), level=3, validFrom=now_text(200), validTo=now_text(300))
    assert await install(t, 1, it=later) == "Accepted"
    like(await composite(t, 1, 400), [(0, 32), (60, 9), (160, 11), (200, 7), (300, 11)])
    weekly = profile(
        3,
        "TxDefaultProfile",
        (0, 8.0),
        level=4,
        kind="Recurring",
        recurrencyKind="Weekly",
        start=now_text(-7 * 86400 + 350),
        duration=20,
    )
    assert await install(t, 1, it=weekly) == "Accepted"
    like(await composite(t, 1, 400), [(0, 32), (60, 9), (160, 11), (200, 7), (300, 11), (350, 8), (370, 11)])


@story("SC-6", "GC-6")
async def relative_profiles_count_from_the_start(t: Bench):
    await t.up()
    it = profile(1, "TxDefaultProfile", (0, 10.0), (60, 20.0), kind="Relative")
    assert await install(t, 1, it=it) == "Accepted"
    like(await composite(t, 1, 100), [(0, 10), (60, 20)])
    await t.charging()
    await asyncio.sleep(4)
    found = await composite(t, 1, 100)
    assert found[1][0] < 58, found


@story("RS-5", "TC_059", "TC_060", quick=True)
async def a_profile_comes_with_a_remote_start(t: Bench):
    await t.up()
    t.plug_in()
    await t.csms.status(1, "Preparing")
    bad = profile(1, "TxDefaultProfile", (0, 10.0), kind="Relative")
    assert await t.csms.ask("RemoteStartTransaction", idTag="R", connectorId=1, chargingProfile=bad) in NO
    named = profile(1, "TxProfile", (0, 10.0), kind="Relative", transactionId=5)
    assert await t.csms.ask("RemoteStartTransaction", idTag="R", connectorId=1, chargingProfile=named) in NO
    await t.csms.none("StartTransaction", 0.5)
    good = profile(1, "TxProfile", (0, 10.0), kind="Relative")
    assert (
        await t.csms.ask("RemoteStartTransaction", idTag="R", connectorId=1, chargingProfile=good)
        == "Accepted"
    )
    await t.csms.next("StartTransaction")
    await asyncio.sleep(0.3)
    assert await composite(t, 1, 100) == [(0, 10.0)]
    t.swipe("R")
    await t.csms.next("StopTransaction")
    assert await composite(t, 1, 100) == [(0, 32.0)]


@story("GC-7", "CMD-3")
async def long_schedules_are_cut_and_quick(t: Bench):
    await t.up(keys={"ChargingScheduleMaxPeriods": "50"})
    many = [(number * 10, 6.0 + number % 9) for number in range(50)]
    assert await install(t, 1, it=profile(1, "TxDefaultProfile", *many)) == "Accepted"
    daily = profile(
        2,
        "ChargePointMaxProfile",
        *many,
        kind="Recurring",
        recurrencyKind="Daily",
        start=now_text(-100),
        duration=500,
    )
    assert await install(t, 0, it=daily) == "Accepted"
    for duration in (86400 * 30, 2147483647):
        answer = await t.csms.call("GetCompositeSchedule", connectorId=1, duration=duration)
        assert len(answer["chargingSchedule"]["chargingSchedulePeriod"]) <= 50


@story("SC-12", "SC-4")
async def schedules_go_on_offline(t: Bench):
    await t.up(relayed=True)
    assert t.relay
    await t.charging()
    it = profile(1, "TxProfile", (0, 16.0), (3, 0.0))
    assert await install(t, 1, it=it) == "Accepted"
    t.relay.cut()
    await asyncio.sleep(4)
    t.relay.mend()
    await t.csms.status(1, "SuspendedEVSE", 20)
