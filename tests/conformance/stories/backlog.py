"""Section 7.1: the queue of transaction messages."""

import asyncio
from itertools import pairwise

from tests.conformance.bench import Bench
from tests.conformance.centre import SILENCE, Refusal, unix
from tests.conformance.stories.transactions import OFFLINE
from tests.conformance.story import story


@story("Q-3", "Q-4", quick=True)
async def attempts_wait_longer_each_time(t: Bench):
    await t.up(keys={"TransactionMessageAttempts": "3", "TransactionMessageRetryInterval": "1"})
    await t.charging()
    t.csms.policies["StopTransaction"] = lambda _: Refusal("InternalError", "down")
    t.swipe()
    tries = [await t.csms.next("StopTransaction") for _ in range(3)]
    await t.csms.none("StopTransaction", 4.5)
    waits = [b.at - a.at for a, b in pairwise(tries)]
    assert 0.8 <= waits[0] <= 1.8, waits
    assert 1.8 <= waits[1] <= 2.9, waits
    assert len({call.message_id for call in tries}) == 3
    assert all(call.payload == tries[0].payload for call in tries)


@story("Q-3")
async def one_attempt_is_one_transmission(t: Bench):
    for attempts in ("0", "1"):
        t.spec = {}
        if attempts == "0":
            await t.up(keys={"TransactionMessageAttempts": attempts, "TransactionMessageRetryInterval": "1"})
        else:
            assert await t.csms.configure("TransactionMessageAttempts", attempts) == "Accepted"
        t.csms.policies["StopTransaction"] = lambda _: Refusal("InternalError", "down")
        await t.charging()
        t.swipe()
        await t.csms.next("StopTransaction")
        await t.csms.none("StopTransaction", 2.5)
        t.plug_out()
        await t.csms.status(1, "Available")


@story("Q-3", "Q-4", "RPC-4")
async def timeouts_are_failures_too(t: Bench):
    t.csms.call_timeout_s = 0.9
    keys = {"confBasicTime": "1", "TransactionMessageAttempts": "2", "TransactionMessageRetryInterval": "1"}
    await t.up(keys=keys)
    await t.charging()
    t.csms.policies["StopTransaction"] = lambda _: SILENCE
    t.swipe()
    first = await t.csms.next("StopTransaction")
    second = await t.csms.next("StopTransaction")
    assert 1.7 <= second.at - first.at <= 3.5
    await t.csms.none("StopTransaction", 4)


@story("Q-1", "Q-4")
async def nothing_overtakes_in_the_queue_but_other_traffic_goes_on(t: Bench):
    await t.up(keys={"TransactionMessageAttempts": "3", "TransactionMessageRetryInterval": "2"})
    t.csms.policies["StartTransaction"] = lambda _: Refusal("InternalError", "down")
    t.plug_in(1)
    t.swipe("A", 1)
    await t.csms.next("StartTransaction", connectorId=1)
    t.plug_in(2)
    await t.csms.status(2, "Preparing")
    t.swipe("B", 2)
    await t.csms.next("Authorize", idTag="B")
    await t.csms.status(2, "Charging")
    assert not t.csms.all("StartTransaction", connectorId=2)
    del t.csms.policies["StartTransaction"]
    await t.csms.next("StartTransaction", connectorId=1)
    await t.csms.next("StartTransaction", connectorId=2)
    order = [call.payload["connectorId"] for call in t.csms.all("StartTransaction")]
    assert order == [1, 1, 2], order


@story("Q-2", "TX-9", "TC_036")
async def a_link_lost_in_a_transaction(t: Bench):
    await t.up(relayed=True, keys={"MeterValueSampleInterval": "1"})
    assert t.relay
    transaction = await t.charging()
    await asyncio.sleep(0.3)
    t.relay.cut()
    await asyncio.sleep(3.2)
    t.csms.forget()
    t.relay.mend()
    await t.csms.until(lambda: len(t.csms.links) >= 2, "back", 15)
    stopping = await t.csms.next("MeterValues")
    assert stopping.payload["transactionId"] == transaction
    await asyncio.sleep(2)
    times = [unix(call.payload["meterValue"][0]["timestamp"]) for call in t.csms.all("MeterValues")]
    assert times == sorted(times)
    assert all(b - a < 1.8 for a, b in pairwise(times)), "a sample was lost"
    await t.csms.none("StatusNotification", 0)
    assert len(t.csms.all("StartTransaction")) == 1


@story("Q-5", "TX-9", "BOOT-11", quick=True)
async def a_queue_survives_a_kill(t: Bench):
    await t.up(relayed=True, keys={**OFFLINE, "MeterValueSampleInterval": "1"})
    assert t.relay
    t.relay.cut()
    t.plug_in()
    t.swipe("OFF")
    await asyncio.sleep(2.5)
    t.swipe("OFF")
    await asyncio.sleep(0.3)
    await t.replace()
    t.relay.mend()
    t.csms.forget()
    t.power_on()
    await t.csms.next("BootNotification", 20)
    start = await t.csms.next("StartTransaction")
    stop = await t.csms.next("StopTransaction")
    assert start.payload["idTag"] == "OFF"
    assert stop.payload.get("reason", "Local") == "Local"
    assert stop.payload["transactionId"] == t.csms.next_transaction - 1


@story("Q-5", "WS-8")
async def a_link_that_dies_often_uses_up_no_attempts(t: Bench):
    await t.up(keys={"TransactionMessageAttempts": "1"})
    await t.charging()
    t.csms.policies["StopTransaction"] = lambda _: SILENCE
    t.swipe()
    for _ in range(3):
        await t.csms.next("StopTransaction", 20)
        t.csms.link.transport.abort()
    t.csms.policies.clear()
    await t.csms.next("StopTransaction", 30)
    assert len({str(call.payload) for call in t.csms.all("StopTransaction")}) == 1


@story("Q-2", "MV-1")
async def triggered_values_are_not_queued(t: Bench):
    await t.up(relayed=True, keys={"MeterValueSampleInterval": "0"})
    assert t.relay
    await t.charging()
    assert await t.csms.ask("TriggerMessage", requestedMessage="MeterValues", connectorId=1) == "Accepted"
    told = await t.csms.next("MeterValues")
    assert told.payload["meterValue"][0]["sampledValue"][0]["context"] == "Trigger"
    t.relay.cut()
    await asyncio.sleep(1)
    t.relay.mend()
    await t.csms.until(lambda: len(t.csms.links) >= 2, "back", 15)
    await t.csms.none("MeterValues", 1)
