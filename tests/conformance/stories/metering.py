"""Section 8: what the meter says, and whether it adds up."""

import asyncio
from itertools import pairwise

from tests.conformance.bench import Bench
from tests.conformance.centre import Call, unix
from tests.conformance.story import story

MANY = (
    "Energy.Active.Import.Register,Energy.Active.Import.Interval,Power.Active.Import,"
    "Current.Import,Voltage,Current.Offered"
)


def sampled(call: Call, measurand: str = "Energy.Active.Import.Register") -> list[dict]:
    return [
        value
        for meter_value in call.payload["meterValue"]
        for value in meter_value["sampledValue"]
        if value.get("measurand", "Energy.Active.Import.Register") == measurand
    ]


def reading(call: Call, measurand: str) -> float:
    return max(float(value["value"]) for value in sampled(call, measurand))


@story("MV-1", "MV-3", "MV-4", quick=True)
async def sampled_values_come_on_time(t: Bench):
    await t.up(
        keys={
            "MeterValueSampleInterval": "2",
            "MeterValuesSampledData": "Energy.Active.Import.Register,Power.Active.Import",
        }
    )
    transaction = await t.charging()
    calls = [await t.csms.next("MeterValues") for _ in range(3)]
    start = unix(t.csms.all("StartTransaction")[0].payload["timestamp"])
    for number, call in enumerate(calls, start=1):
        assert call.payload["transactionId"] == transaction
        assert call.payload["connectorId"] == 1
        taken = unix(call.payload["meterValue"][0]["timestamp"])
        assert abs(taken - start - 2 * number) < 0.5, (taken - start, number)
        values = call.payload["meterValue"][0]["sampledValue"]
        assert {value.get("context", "Sample.Periodic") for value in values} == {"Sample.Periodic"}
        assert all(isinstance(value["value"], str) and value.get("unit") for value in values)
        assert sampled(call), "register"
        assert sampled(call, "Power.Active.Import"), "power"


@story("MV-1", "CC-3", quick=True)
async def a_changed_sample_interval_takes_effect_in_the_transaction(t: Bench):
    await t.up(keys={"MeterValueSampleInterval": "0"})
    await t.charging()
    await t.csms.none("MeterValues", 1.5)
    assert await t.csms.configure("MeterValueSampleInterval", "1") == "Accepted"
    await t.csms.next("MeterValues", 3)
    await t.csms.next("MeterValues", 3)
    assert await t.csms.configure("MeterValueSampleInterval", "0") == "Accepted"
    await asyncio.sleep(0.3)
    t.csms.forget()
    await t.csms.none("MeterValues", 2.5)


@story("MV-2", "MV-3", "CC-3", quick=True)
async def clock_aligned_values_of_every_connector(t: Bench):
    keys = {
        "ClockAlignedDataInterval": "2",
        "MeterValueSampleInterval": "0",
        "MeterValuesAlignedData": "Energy.Active.Import.Register",
    }
    await t.up(keys=keys)
    transaction = await t.charging()
    await asyncio.sleep(0.5)
    t.csms.forget()
    busy = await t.csms.next("MeterValues", connectorId=1)
    idle = await t.csms.next("MeterValues", connectorId=2)
    assert busy.payload["transactionId"] == transaction
    assert "transactionId" not in idle.payload
    for call in (busy, idle):
        moment = unix(call.payload["meterValue"][0]["timestamp"])
        assert abs(moment / 2 - round(moment / 2)) < 0.26, moment
        assert sampled(call)[0]["context"] == "Sample.Clock"
    whole = t.csms.all("MeterValues", connectorId=0)
    assert all("transactionId" not in call.payload for call in whole)


@story("MV-2")
async def aligned_moments_are_multiples_of_the_interval(t: Bench):
    await t.up(keys={"ClockAlignedDataInterval": "0"})
    assert await t.csms.configure("ClockAlignedDataInterval", "3") == "Accepted"
    for _ in range(3):
        call = await t.csms.next("MeterValues", connectorId=1)
        moment = unix(call.payload["meterValue"][0]["timestamp"])
        assert abs(moment - round(moment / 3) * 3) < 0.3, moment
    assert await t.csms.configure("ClockAlignedDataInterval", "0") == "Accepted"
    await asyncio.sleep(0.3)
    t.csms.forget()
    await t.csms.none("MeterValues", 4)


@story("MV-5", "MV-9", "MV-6", quick=True)
async def power_current_and_energy_agree(t: Bench):
    await t.up(keys={"MeterValueSampleInterval": "1", "MeterValuesSampledData": MANY})
    await t.charging()
    await asyncio.sleep(7)
    calls = [call for call in t.csms.all("MeterValues") if call.payload.get("transactionId") is not None]
    registers = [reading(call, "Energy.Active.Import.Register") for call in calls]
    intervals = [reading(call, "Energy.Active.Import.Interval") for call in calls]
    powers = [reading(call, "Power.Active.Import") for call in calls]
    assert registers == sorted(registers)
    assert abs(sum(intervals) - (registers[-1] - 0)) <= 1.5, (intervals, registers)
    assert powers[-1] > 3000, powers
    last = calls[-1]
    amps = reading(last, "Current.Import")
    volts = reading(last, "Voltage")
    offered = reading(last, "Current.Offered")
    assert offered + 0.01 >= amps > 10
    assert 200 <= volts <= 250
    assert abs(powers[-1] - volts * amps) < 0.12 * powers[-1], (powers[-1], volts, amps)
    grown = registers[-1] - registers[-3]
    assert abs(grown - sum(powers[-2:]) / 3600) < 2.2
    t.tell("ev_pause", connector=1)
    await t.csms.status(1, "SuspendedEV")
    await asyncio.sleep(0.3)
    t.csms.forget()
    quiet = await t.csms.next("MeterValues")
    assert reading(quiet, "Current.Import") == 0
    assert reading(quiet, "Power.Active.Import") == 0


@story("MV-9", "SC-13", "SC-12", quick=True)
async def a_limit_shows_in_the_readings(t: Bench):
    await t.up(keys={"MeterValueSampleInterval": "1", "MeterValuesSampledData": MANY})
    await t.charging()
    for limit in (10.0, 16.0, 7.0):
        profile = {
            "chargingProfileId": 1,
            "stackLevel": 0,
            "chargingProfilePurpose": "TxProfile",
            "chargingProfileKind": "Relative",
            "chargingSchedule": {
                "chargingRateUnit": "A",
                "chargingSchedulePeriod": [{"startPeriod": 0, "limit": limit}],
            },
        }
        assert await t.csms.ask("SetChargingProfile", connectorId=1, csChargingProfiles=profile) == "Accepted"
        await asyncio.sleep(5.5)
        t.csms.forget()
        call = await t.csms.next("MeterValues")
        amps = reading(call, "Current.Import")
        assert limit * 0.8 <= amps <= limit + 0.01, (amps, limit)
        assert abs(reading(call, "Current.Offered") - limit) < 0.01


@story("MV-7", quick=True)
async def the_stop_carries_its_data(t: Bench):
    keys = {
        "MeterValueSampleInterval": "1",
        "StopTxnSampledData": "Energy.Active.Import.Register",
        "ClockAlignedDataInterval": "2",
        "StopTxnAlignedData": "Energy.Active.Import.Register",
    }
    await t.up(keys=keys)
    await t.charging()
    await asyncio.sleep(4)
    t.swipe()
    stop = await t.csms.next("StopTransaction")
    values = [value for one in stop.payload["transactionData"] for value in one["sampledValue"]]
    contexts = [value.get("context", "Sample.Periodic") for value in values]
    assert contexts[0] == "Transaction.Begin"
    assert contexts[-1] == "Transaction.End"
    assert contexts.count("Sample.Periodic") >= 3
    assert contexts.count("Sample.Clock") >= 1
    times = [unix(one["timestamp"]) for one in stop.payload["transactionData"]]
    assert times == sorted(times)
    assert abs(float(values[-1]["value"]) - stop.payload["meterStop"]) <= 1


@story("MV-7")
async def no_lists_no_data(t: Bench):
    await t.up(keys={"StopTxnSampledData": "", "StopTxnAlignedData": "", "MeterValueSampleInterval": "1"})
    await t.charging()
    await asyncio.sleep(1.5)
    t.swipe()
    stop = await t.csms.next("StopTransaction")
    assert "transactionData" not in stop.payload


@story("MV-8", quick=True)
async def measurand_lists_are_checked(t: Bench):
    await t.up()
    for key in (
        "MeterValuesSampledData",
        "MeterValuesAlignedData",
        "StopTxnSampledData",
        "StopTxnAlignedData",
    ):
        before = await t.csms.configured(key)
        assert await t.csms.configure(key, "Energy.Active.Import.Register,Love.Peace") == "Rejected", key
        assert await t.csms.configured(key) == before
        assert await t.csms.configure(key, "Voltage, Current.Import") == "Accepted"
        assert await t.csms.configured(key) == "Voltage, Current.Import"
        assert await t.csms.configure(key, "") == "Accepted"
        assert await t.csms.configured(key) == ""


@story("MV-6", "MV-8")
async def a_phase_may_be_asked_for(t: Bench):
    await t.up(keys={"MeterValueSampleInterval": "1"})
    status = await t.csms.configure("MeterValuesSampledData", "Voltage.L1-N,Current.Import.L1")
    other = await t.csms.configure("MeterValuesSampledData", "Voltage.L1,Current.Import.L1")
    assert "Accepted" in {status, other}
    await t.charging()
    call = await t.csms.next("MeterValues")
    assert {value.get("phase") for value in sampled(call, "Current.Import")} == {"L1"}


@story("MV-1", "MV-3")
async def an_empty_list_sends_nothing(t: Bench):
    await t.up(keys={"MeterValueSampleInterval": "1", "MeterValuesSampledData": ""})
    await t.charging()
    await t.csms.none("MeterValues", 2.5)


@story("MV-5", "TX-10")
async def the_register_survives_everything(t: Bench):
    await t.up(keys={"MeterValueSampleInterval": "1"})
    await t.charging()
    await asyncio.sleep(4)
    t.swipe()
    stop = await t.csms.next("StopTransaction")
    await asyncio.sleep(0.3)
    await t.replace()
    t.power_on()
    await t.booted()
    t.plug_in()
    t.swipe("X")
    start = await t.csms.next("StartTransaction", idTag="X")
    assert start.payload["meterStart"] == stop.payload["meterStop"]


async def _metered_session(t: Bench, context: str, interval_s: int, measurands: str) -> list[Call]:
    """A remote session of three MeterValues at their interval, each with the list and the context."""
    t.plug_in()
    await t.csms.status(1, "Preparing")
    assert await t.csms.ask("RemoteStartTransaction", idTag="R", connectorId=1) == "Accepted"
    await t.csms.next("Authorize", idTag="R")
    await t.csms.next("StartTransaction", idTag="R")
    transaction = t.csms.next_transaction - 1
    await t.csms.status(1, "Charging")
    calls = [await t.csms.next("MeterValues", 3.0 * interval_s + 9, connectorId=1) for _ in range(3)]
    moments = [unix(call.payload["meterValue"][0]["timestamp"]) for call in calls]
    assert all(abs(after - before - interval_s) <= 1 for before, after in pairwise(moments)), moments
    for call in calls:
        assert call.payload["transactionId"] == transaction
        values = [value for entry in call.payload["meterValue"] for value in entry["sampledValue"]]
        assert {value.get("measurand") for value in values} == set(measurands.split(","))
        assert {value.get("context", "Sample.Periodic") for value in values} == {context}
    assert await t.csms.ask("RemoteStopTransaction", transactionId=transaction) == "Accepted"
    await t.csms.next("StopTransaction", transactionId=transaction, reason="Remote")
    await t.csms.status(1, "Finishing")
    return calls


@story("MV-1", "MV-3", "CC-3", "RT-1", "TC_070", quick=True)
async def sampled_meter_values(t: Bench):
    measurands = "Energy.Active.Import.Register,Current.Import"
    await t.up(connectors=1)
    assert await t.csms.configure("MeterValueSampleInterval", "3") == "Accepted"
    assert await t.csms.configure("ClockAlignedDataInterval", "0") == "Accepted"
    assert await t.csms.configure("MeterValuesSampledData", measurands) == "Accepted"
    calls = await _metered_session(t, "Sample.Periodic", 3, measurands)
    started = unix(t.csms.all("StartTransaction")[0].payload["timestamp"])
    first = unix(calls[0].payload["meterValue"][0]["timestamp"])
    assert abs(first - started - 3) <= 1, "the interval counts from the start"
    await t.csms.none("MeterValues", 4)


@story("MV-2", "MV-3", "CC-3", "RT-1", "TC_071", quick=True)
async def clock_aligned_meter_values(t: Bench):
    measurands = "Energy.Active.Import.Register,Power.Active.Import"
    await t.up(connectors=1)
    assert await t.csms.configure("MeterValueSampleInterval", "0") == "Accepted"
    assert await t.csms.configure("MeterValuesAlignedData", measurands) == "Accepted"
    assert await t.csms.configure("ClockAlignedDataInterval", "5") == "Accepted"
    await t.csms.next("MeterValues", 14, connectorId=1)  # idle: no transaction yet
    calls = await _metered_session(t, "Sample.Clock", 5, measurands)
    moments = [unix(call.payload["meterValue"][0]["timestamp"]) for call in calls]
    assert all(moment % 5 == 0 for moment in moments), "on the clock's own fives"
    after = await t.csms.next("MeterValues", 14, connectorId=1)
    assert "transactionId" not in after.payload
