"""Sections 3 and 4: registration, heartbeat, clock."""

import asyncio
from datetime import UTC, datetime, timedelta
from itertools import pairwise

from tests.conformance.bench import Bench
from tests.conformance.centre import SILENCE, Call, Refusal, now_text, unix
from tests.conformance.story import story


def standing(status: str, interval: int):
    return lambda _: {"status": status, "currentTime": now_text(), "interval": interval}


@story("BOOT-1", "BOOT-2", "BOOT-3", "BOOT-4", "HB-1", "TC_001", quick=True)
async def cold_boot(t: Bench):
    t.csms.interval_s = 2
    boot = await t.up()
    assert t.csms.calls[0] is boot
    payload = boot.payload
    assert payload["chargePointVendor"] == "Legrand"
    assert payload["chargePointModel"] == "059004"
    assert payload["chargeBoxSerialNumber"] == "SN-0001"
    assert payload["firmwareVersion"] == "V01.01.65/V01.01.08"
    assert [call.payload["connectorId"] for call in t.csms.all("StatusNotification")] == [0, 1, 2]
    assert {call.payload["status"] for call in t.csms.all("StatusNotification")} == {"Available"}
    beats = [await t.csms.next("Heartbeat") for _ in range(3)]
    assert all(1.4 <= b.at - a.at <= 2.8 for a, b in pairwise(beats))
    assert await t.csms.configured("HeartbeatInterval") == "2"


@story("BOOT-1", "BOOT-4")
async def nothing_before_the_answer_to_boot(t: Bench):
    t.csms.policies["BootNotification"] = lambda _: SILENCE
    await t.prepare(keys={"confBottNotificationTime": "30", "AllowOfflineTxForUnknownId": "true"})
    t.power_on()
    t.plug_in()
    t.swipe()
    await t.csms.next("BootNotification")
    await asyncio.sleep(3)
    assert [call.action for call in t.csms.calls] == ["BootNotification"]


@story("BOOT-4")
async def one_sided_station_tells_of_one_connector(t: Bench):
    await t.up(connectors=1)
    assert [call.payload["connectorId"] for call in t.csms.all("StatusNotification")] == [0, 1]
    assert await t.csms.configured("NumberOfConnectors") == "1"


@story("BOOT-5", "BOOT-7", "BOOT-10", "TM-5", "TC_002", quick=True)
async def pending_answers_but_calls_nothing(t: Bench):
    t.csms.policies["BootNotification"] = standing("Pending", 4)
    await t.prepare()
    t.power_on()
    first = await t.csms.next("BootNotification")
    t.plug_in()
    assert await t.csms.configure("MeterValueSampleInterval", "9") == "Accepted"
    assert await t.csms.configured("MeterValueSampleInterval") == "9"
    assert await t.csms.ask("RemoteStartTransaction", idTag="A", connectorId=1) == "Rejected"
    assert await t.csms.ask("RemoteStopTransaction", transactionId=1) == "Rejected"
    assert (
        await t.csms.ask("TriggerMessage", requestedMessage="StatusNotification", connectorId=1) == "Accepted"
    )
    await t.csms.status(1, "Preparing")
    t.csms.policies["BootNotification"] = standing("Accepted", 300)
    second = await t.csms.next("BootNotification")
    assert 3.6 <= second.at - first.at <= 7
    between = [call.action for call in t.csms.calls[1 : t.csms.calls.index(second)]]
    assert between == ["StatusNotification"]
    await t.csms.status(1, "Preparing")
    assert await t.csms.configured("MeterValueSampleInterval") == "9"


@story("BOOT-10")
async def pending_boots_at_once_when_triggered(t: Bench):
    t.csms.policies["BootNotification"] = standing("Pending", 60)
    await t.prepare()
    t.power_on()
    await t.csms.next("BootNotification")
    t.csms.policies["BootNotification"] = standing("Accepted", 60)
    assert await t.csms.ask("TriggerMessage", requestedMessage="BootNotification") == "Accepted"
    await t.csms.next("BootNotification", 3)
    await t.csms.status(0, "Available")
    assert await t.csms.ask("TriggerMessage", requestedMessage="BootNotification") == "Rejected"


@story("BOOT-5", "BOOT-6", "HB-3", "TC_002", quick=True)
async def rejected_is_silent_until_the_interval_is_over(t: Bench):
    t.csms.policies["BootNotification"] = standing("Rejected", 4)
    await t.prepare()
    t.power_on()
    first = await t.csms.next("BootNotification")
    await asyncio.sleep(0.3)
    if len(t.csms.links) == 1:
        await t.csms.raw('[2,"silent","GetConfiguration",{}]')
    t.plug_in()
    t.swipe()
    t.csms.policies["BootNotification"] = standing("Accepted", 300)
    second = await t.csms.next("BootNotification")
    assert 3.6 <= second.at - first.at <= 7
    assert "silent" not in t.csms.answers
    assert t.csms.calls.index(second) == 1
    await t.csms.status(1, "Preparing")


@story("BOOT-5")
async def interval_zero_with_rejected_does_not_flood(t: Bench):
    t.csms.policies["BootNotification"] = standing("Rejected", 0)
    await t.prepare()
    t.power_on()
    await t.csms.next("BootNotification")
    await t.csms.none("BootNotification", 15)


@story("BOOT-8", "RPC-4")
async def a_refused_boot_is_tried_again_later(t: Bench):
    t.csms.policies["BootNotification"] = lambda _: Refusal("InternalError", "not now")
    await t.prepare()
    t.power_on()
    first = await t.csms.next("BootNotification")
    await t.csms.none("BootNotification", 5)
    t.csms.policies.clear()
    second = await t.csms.next("BootNotification", 70)
    assert second.at - first.at >= 25
    await t.csms.status(0, "Available")
    assert {call.action for call in t.csms.calls[:2]} == {"BootNotification"}


@story("BOOT-8")
async def an_unanswered_boot_is_tried_again_after_its_timeout(t: Bench):
    t.csms.policies["BootNotification"] = lambda _: SILENCE
    await t.prepare(keys={"confBottNotificationTime": "2"})
    t.power_on()
    await t.csms.next("BootNotification")
    t.csms.policies.clear()
    await t.csms.next("BootNotification", 75)
    await t.csms.status(0, "Available")


@story("BOOT-8", "WS-7", quick=True)
async def a_lost_link_restarts_an_unfinished_boot(t: Bench):
    t.csms.policies["BootNotification"] = lambda _: SILENCE
    await t.prepare()
    t.power_on()
    await t.csms.next("BootNotification")
    t.csms.policies.clear()
    t.csms.link.transport.abort()
    await t.csms.next("BootNotification", 10)
    await t.csms.status(0, "Available")


@story("WS-7", "BOOT-5")
async def a_pending_station_boots_again_after_a_reconnect(t: Bench):
    t.csms.policies["BootNotification"] = standing("Pending", 120)
    await t.prepare()
    t.power_on()
    await t.csms.next("BootNotification")
    await asyncio.sleep(0.3)
    t.csms.policies.clear()
    await t.csms.link.close()
    await t.csms.until(lambda: len(t.csms.links) == 2, "a reconnect", 15)


@story("BOOT-9", "TX-9")
async def never_accepted_never_charges(t: Bench):
    await t.prepare(keys={"AllowOfflineTxForUnknownId": "true", "LocalAuthorizeOffline": "true"})
    await t.csms.shut()
    t.power_on()
    t.plug_in()
    t.swipe()
    await asyncio.sleep(1.5)
    await t.csms.open()
    await t.booted()
    await t.csms.none("StartTransaction", 1)


@story("BOOT-9", "BOOT-11", "TX-9", "AUTH-4", quick=True)
async def accepted_once_it_charges_after_a_restart_without_centre(t: Bench):
    await t.up(keys={"AllowOfflineTxForUnknownId": "true", "LocalAuthorizeOffline": "true"})
    t.tell("power_off")
    await asyncio.sleep(0.3)
    await t.csms.shut()
    t.csms.forget()
    t.power_on()
    t.plug_in()
    t.swipe("OFFLINE")
    await asyncio.sleep(2)
    await t.csms.open()
    await t.csms.next("BootNotification", 15)
    start = await t.csms.next("StartTransaction")
    assert start.payload["idTag"] == "OFFLINE"
    assert unix(start.payload["timestamp"]) < datetime.now(UTC).timestamp() - 0.2


@story("BOOT-3")
async def interval_zero_with_accepted_keeps_the_configured_heartbeat(t: Bench):
    t.csms.interval_s = 0
    await t.up(keys={"HeartbeatInterval": "2"})
    await t.csms.next("Heartbeat", 5)
    assert await t.csms.configured("HeartbeatInterval") == "2"


@story("HB-3", "CC-3", quick=True)
async def a_changed_heartbeat_interval_takes_effect_now(t: Bench):
    t.csms.interval_s = 3600
    await t.up()
    assert await t.csms.configure("HeartbeatInterval", "1") == "Accepted"
    first = await t.csms.next("Heartbeat", 4)
    second = await t.csms.next("Heartbeat", 4)
    assert 0.7 <= second.at - first.at <= 1.8
    assert first.payload == {}
    assert await t.csms.configure("HeartbeatInterval", "0") == "Accepted"
    await asyncio.sleep(0.3)
    t.csms.forget()
    await t.csms.none("Heartbeat", 3)


@story("HB-3")
async def missed_beats_are_not_made_up_for(t: Bench):
    t.csms.interval_s = 1
    await t.up(relayed=True)
    assert t.relay
    await t.csms.next("Heartbeat")
    t.relay.cut()
    await asyncio.sleep(4)
    t.relay.mend()
    await t.csms.until(lambda: len(t.csms.links) >= 2, "back", 15)
    back = t.csms.door_times[-1]
    await asyncio.sleep(2.2)
    assert len([call for call in t.csms.all("Heartbeat") if call.at > back]) <= 4


@story("HB-1", "HB-4", "MV-1")
async def the_centres_time_moves_timestamps_not_durations(t: Bench):
    def ahead(call: Call):
        later = (datetime.now(UTC) + timedelta(days=400)).isoformat()
        return {"status": "Accepted", "currentTime": later, "interval": 300}

    t.csms.policies["BootNotification"] = ahead
    await t.up(keys={"MeterValueSampleInterval": "1"})
    await t.charging()
    start = t.csms.all("StartTransaction")[0]
    assert unix(start.payload["timestamp"]) > datetime.now(UTC).timestamp() + 399 * 86400
    t.csms.policies["Heartbeat"] = lambda _: {"currentTime": now_text()}
    assert await t.csms.ask("TriggerMessage", requestedMessage="Heartbeat") == "Accepted"
    await t.csms.next("Heartbeat")
    await asyncio.sleep(0.3)
    t.csms.forget()
    first = await t.csms.next("MeterValues")
    second = await t.csms.next("MeterValues")
    assert 0.6 <= second.at - first.at <= 1.6
    taken = unix(second.payload["meterValue"][0]["timestamp"])
    assert abs(taken - datetime.now(UTC).timestamp()) < 3
