"""Section 7: transactions and their queue."""

import asyncio
from datetime import UTC, datetime
from itertools import pairwise

from tests.conformance.bench import Bench
from tests.conformance.centre import Refusal, unix
from tests.conformance.story import story

OFFLINE = {"LocalAuthorizeOffline": "true", "AllowOfflineTxForUnknownId": "true"}
TRANSACTIONAL = {"StartTransaction", "StopTransaction", "MeterValues"}


def soon(payload: dict, delay_s: float):
    async def answer(_call):
        await asyncio.sleep(delay_s)
        return payload

    return answer


@story("TX-2", "RT-1", quick=True)
async def transaction_ids_may_be_zero_or_negative(t: Bench):
    await t.up(keys={"MeterValueSampleInterval": "1"})
    for number in (0, -1, -2147483648, 2147483647):
        t.csms.policies["StartTransaction"] = lambda _, number=number: {
            "transactionId": number,
            "idTagInfo": {"status": "Accepted"},
        }
        t.plug_in()
        t.swipe()
        await t.csms.next("StartTransaction")
        await t.csms.next("MeterValues", transactionId=number)
        assert await t.csms.ask("RemoteStopTransaction", transactionId=number) == "Accepted"
        await t.csms.next("StopTransaction", transactionId=number)
        t.plug_out()
        await t.csms.status(1, "Available")


@story("TX-2", "TX-8")
async def energy_flows_before_the_answer(t: Bench):
    t.csms.policies["StartTransaction"] = soon({"transactionId": 55, "idTagInfo": {"status": "Accepted"}}, 3)
    await t.up(keys={"MeterValueSampleInterval": "1"})
    t.plug_in()
    t.swipe()
    await t.csms.next("StartTransaction")
    await t.csms.none("MeterValues", 2)
    first = await t.csms.next("MeterValues")
    assert first.payload["transactionId"] == 55
    assert datetime.now(UTC).timestamp() - unix(first.payload["meterValue"][0]["timestamp"]) > 0.5


@story("TX-3", "TC_023", quick=True)
async def a_refused_start_stops_when_told_to(t: Bench):
    await t.up(keys={"StopTransactionOnInvalidId": "true"})
    t.csms.policies["StartTransaction"] = lambda _: {
        "transactionId": 7,
        "idTagInfo": {"status": "ConcurrentTx"},
    }
    t.plug_in()
    t.swipe()
    stop = await t.csms.next("StopTransaction")
    assert stop.payload["reason"] == "DeAuthorized"
    assert stop.payload["transactionId"] == 7
    await t.csms.status(1, "Finishing")


@story("TX-3", quick=True)
async def a_refused_start_goes_on_without_energy_otherwise(t: Bench):
    await t.up(keys={"StopTransactionOnInvalidId": "false", "MeterValueSampleInterval": "1"})
    t.csms.policies["StartTransaction"] = lambda _: {
        "transactionId": 7,
        "idTagInfo": {"status": "Blocked"},
    }
    t.plug_in()
    t.swipe()
    await t.csms.next("StartTransaction")
    await t.csms.status(1, "SuspendedEVSE")
    await t.csms.next("MeterValues", transactionId=7)
    await t.csms.none("StopTransaction", 1)
    assert await t.csms.ask("RemoteStopTransaction", transactionId=7) == "Accepted"
    await t.csms.next("StopTransaction", reason="Remote")


@story("TX-3")
async def some_energy_on_an_invalid_id(t: Bench):
    keys = {
        "StopTransactionOnInvalidId": "true",
        "MaxEnergyOnInvalidId": "8",
        "MeterValueSampleInterval": "1",
    }
    await t.up(keys=keys)
    t.csms.policies["StartTransaction"] = lambda _: {
        "transactionId": 7,
        "idTagInfo": {"status": "Blocked"},
    }
    t.plug_in()
    t.swipe()
    start = await t.csms.next("StartTransaction")
    stop = await t.csms.next("StopTransaction", 30)
    energy = stop.payload["meterStop"] - start.payload["meterStart"]
    assert 8 <= energy <= 12, energy


@story("TX-3", "TX-9")
async def an_offline_start_refused_later_stops(t: Bench):
    await t.up(relayed=True, keys={**OFFLINE, "StopTransactionOnInvalidId": "true"})
    assert t.relay
    t.csms.tags["OFF"] = {"status": "Invalid"}
    t.relay.cut()
    t.plug_in()
    t.swipe("OFF")
    await asyncio.sleep(1)
    t.relay.mend()
    await t.csms.next("StartTransaction", 20)
    stop = await t.csms.next("StopTransaction")
    assert stop.payload["reason"] == "DeAuthorized"


@story("TX-5", "MV-5", quick=True)
async def meter_readings_are_whole_and_grow(t: Bench):
    await t.up()
    await t.charging()
    await asyncio.sleep(3)
    t.swipe()
    stop = await t.csms.next("StopTransaction")
    start = t.csms.all("StartTransaction")[0]
    assert isinstance(start.payload["meterStart"], int)
    assert start.payload["meterStart"] == 0, "factory-new"
    assert isinstance(stop.payload["meterStop"], int)
    assert 1 <= stop.payload["meterStop"] <= 15
    t.plug_out()
    await t.csms.status(1, "Available")
    await t.charging()
    again = t.csms.all("StartTransaction")[1]
    assert again.payload["meterStart"] == stop.payload["meterStop"], "MV-5: a life register"


@story("TX-8", "Q-3", quick=True)
async def a_start_that_never_got_through_leaves_minus_one(t: Bench):
    keys = {
        "TransactionMessageAttempts": "2",
        "TransactionMessageRetryInterval": "1",
        "MeterValueSampleInterval": "1",
    }
    await t.up(keys=keys)
    t.csms.policies["StartTransaction"] = lambda _: Refusal("InternalError", "down")
    t.plug_in()
    t.swipe()
    first = await t.csms.next("StartTransaction")
    second = await t.csms.next("StartTransaction")
    assert 0.8 <= second.at - first.at <= 2.2
    meter = await t.csms.next("MeterValues")
    assert meter.payload["transactionId"] == -1
    t.swipe()
    stop = await t.csms.next("StopTransaction")
    assert stop.payload["transactionId"] == -1
    await t.csms.none("StartTransaction", 1)


@story("TX-9", "Q-1", "Q-2", "TC_039", quick=True)
async def a_whole_transaction_offline(t: Bench):
    await t.up(relayed=True, keys={**OFFLINE, "MeterValueSampleInterval": "1"})
    assert t.relay
    t.relay.cut()
    await asyncio.sleep(0.3)
    began = datetime.now(UTC).timestamp()
    t.plug_in()
    t.swipe("OFF")
    await asyncio.sleep(4.5)
    t.swipe("OFF")
    await asyncio.sleep(0.3)
    t.plug_out()
    ended = datetime.now(UTC).timestamp()
    await asyncio.sleep(1)
    t.csms.forget()
    t.relay.mend()
    start = await t.csms.next("StartTransaction", 25)
    stop = await t.csms.next("StopTransaction")
    assert began - 0.5 <= unix(start.payload["timestamp"]) <= began + 2
    assert ended - 2 <= unix(stop.payload["timestamp"]) <= ended + 0.5
    queue = [call for call in t.csms.calls if call.action in TRANSACTIONAL and call.at >= start.at]
    assert [call.action for call in queue] == [
        "StartTransaction",
        *["MeterValues"] * (len(queue) - 2),
        "StopTransaction",
    ]
    assert 3 <= len(queue) - 2 <= 5
    times = [unix(call.payload["meterValue"][0]["timestamp"]) for call in queue[1:-1]]
    assert times == sorted(times)
    assert all(0.6 <= b - a <= 1.4 for a, b in pairwise(times))
    assert {call.payload["transactionId"] for call in queue[1:]} == {t.csms.next_transaction - 1}
    await t.csms.none("StatusNotification", 1, connectorId=1)


@story("TX-9", "TC_038")
async def stopped_offline_told_later(t: Bench):
    await t.up(relayed=True)
    assert t.relay
    transaction = await t.charging()
    t.relay.cut()
    await asyncio.sleep(0.5)
    t.swipe()
    await asyncio.sleep(0.5)
    stopped = datetime.now(UTC).timestamp()
    await asyncio.sleep(2)
    t.csms.forget()
    t.relay.mend()
    stop = await t.csms.next("StopTransaction", 20)
    assert stop.payload["transactionId"] == transaction
    assert abs(unix(stop.payload["timestamp"]) - stopped) < 1.2
    await t.csms.status(1, "Finishing")


@story("TX-10", "TX-6", "MV-5", "TC_032", quick=True)
async def power_lost_in_a_transaction(t: Bench):
    await t.up(keys={"MeterValueSampleInterval": "1"})
    transaction = await t.charging()
    await asyncio.sleep(3.5)
    t.tell("power_off")
    lost = datetime.now(UTC).timestamp()
    await asyncio.sleep(1.5)
    t.csms.forget()
    t.power_on()
    await t.csms.next("BootNotification")
    stop = await t.csms.next("StopTransaction")
    assert stop.payload["reason"] == "PowerLoss"
    assert stop.payload["transactionId"] == transaction
    assert lost - 2 <= unix(stop.payload["timestamp"]) <= lost + 0.2
    assert stop.payload["meterStop"] > 0
    shown = [call.payload["status"] for call in t.csms.all("StatusNotification", connectorId=1)]
    assert shown[-1] in {"Finishing", "Preparing"}, shown
    await t.csms.none("StartTransaction", 1)
    assert t.csms.links[0].close_code == 1006, "no close handshake at a power cut"


@story("TX-10", "BOOT-11", "Q-5", quick=True)
async def killed_in_a_transaction(t: Bench):
    await t.up(keys={"MeterValueSampleInterval": "1"})
    transaction = await t.charging()
    meter = (await t.csms.next("MeterValues")).payload
    await asyncio.sleep(1.5)
    await t.replace()
    t.csms.forget()
    t.power_on()
    await t.csms.next("BootNotification")
    stop = await t.csms.next("StopTransaction")
    assert stop.payload["reason"] == "PowerLoss"
    assert stop.payload["transactionId"] == transaction
    register = next(
        float(value["value"]) for value in meter["meterValue"][0]["sampledValue"] if value.get("unit") == "Wh"
    )
    assert stop.payload["meterStop"] >= int(register) - 1
    t.plug_in()
    t.swipe()
    again = await t.csms.next("StartTransaction")
    assert again.payload["meterStart"] >= stop.payload["meterStop"]


@story("TX-11", "Q-1")
async def two_sides_side_by_side(t: Bench):
    await t.up(keys={"MeterValueSampleInterval": "1"})
    first = await t.charging(1, "A")
    second = await t.charging(2, "B")
    t.csms.forget()
    await t.csms.next("MeterValues", connectorId=1, transactionId=first)
    await t.csms.next("MeterValues", connectorId=2, transactionId=second)
    t.swipe("B", 2)
    stop = await t.csms.next("StopTransaction")
    assert stop.payload["transactionId"] == second
    assert await t.csms.ask("RemoteStopTransaction", transactionId=first) == "Accepted"
