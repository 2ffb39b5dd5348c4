"""Section 1: the WebSocket under it all."""

import asyncio
import random
import time
from itertools import pairwise

from tests.conformance.bench import Bench
from tests.conformance.centre import SILENCE
from tests.conformance.story import story


@story("WS-1", "WS-2", "SEC-1", quick=True)
async def the_url_is_used_as_it_stands(t: Bench):
    await t.prepare()
    path = "/a/b%20c/RDAM%20123?tenant=7"
    t.power_on(url=f"ws://127.0.0.1:{t.csms.port}{path}", charge_point_id="RDAM 123")
    await t.booted()
    assert t.csms.paths == [path]
    assert t.csms.headers[0]["sec-websocket-protocol"] == "ocpp1.6"
    assert "authorization" not in t.csms.headers[0]


@story("WS-2", quick=True)
async def no_subprotocol_no_ocpp(t: Bench):
    t.csms.subprotocols = None
    await t.prepare()
    t.power_on()
    await t.csms.until(lambda: len(t.csms.paths) >= 2, "a second try")
    assert not t.csms.calls


@story("WS-2")
async def a_foreign_subprotocol_no_ocpp(t: Bench):
    t.csms.subprotocols = ["ocpp2.0.1"]
    await t.prepare()
    t.power_on()
    await t.csms.until(lambda: len(t.csms.paths) >= 2, "a second try")
    assert not t.csms.calls


@story("WS-3", quick=True)
async def refusals_are_retried_with_growing_and_jittered_delays(t: Bench):
    t.csms.doors = [404, 401, 503]
    await t.prepare()
    t.power_on()
    await t.csms.next("BootNotification", within_s=40)
    waits = [b - a for a, b in pairwise(t.csms.door_times)]
    assert all(0.9 <= wait <= 11 for wait in waits), waits
    assert len({round(wait, 3) for wait in waits}) == len(waits), f"no jitter: {waits}"


@story("WS-3")
async def every_refusal_is_one(t: Bench):
    t.csms.doors = [403, 400, 500, 302, 200]
    await t.prepare()
    t.power_on()
    await t.csms.next("BootNotification", within_s=60)


@story("WS-3")
async def a_closed_port_is_tried_for_ever(t: Bench):
    await t.prepare()
    await t.csms.shut()
    t.power_on()
    await asyncio.sleep(3)
    await t.csms.open()
    await t.csms.next("BootNotification", within_s=15)


@story("WS-3")
async def an_unknown_host_is_tried_again(t: Bench):
    await t.prepare()
    t.power_on(url="ws://no-such-host.invalid:80/x")
    for _ in range(2):
        count = len(t.station.lines)
        await t.station.line("failure", 10, count)


@story("WS-4", "RPC-3", quick=True)
async def pings_are_answered_while_a_call_is_open(t: Bench):
    await t.up()
    t.csms.policies["Authorize"] = lambda _: SILENCE
    t.plug_in()
    t.swipe()
    await t.csms.next("Authorize")
    waiter = await t.csms.link.ping(b"there?")
    await asyncio.wait_for(waiter, 2)
    answer = await t.csms.call("GetConfiguration", key=["HeartbeatInterval"])
    assert answer["configurationKey"], "RPC-3: the other direction goes on"


@story("WS-4", quick=True)
async def close_frames_are_echoed_and_the_station_comes_back_without_boot(t: Bench):
    await t.up()
    began = time.monotonic()
    await t.csms.link.close(1000)
    assert t.csms.links[0].close_code == 1000, "WS-4: echoed"
    assert time.monotonic() - began < 1, "the handshake was not waited out"
    await t.csms.until(lambda: len(t.csms.links) == 2, "a reconnect")
    await t.csms.none("BootNotification", 1.5)
    await t.csms.none("StatusNotification", 0)


@story("WS-4")
async def every_close_code_leads_to_a_reconnect(t: Bench):
    await t.up()
    for count, code in enumerate((1001, 1008, 1011, 1012, 4000), start=2):
        await t.csms.link.close(code)
        assert t.csms.links[-1].close_code == code
        await t.csms.until(lambda count=count: len(t.csms.links) == count, "a reconnect", 40)
    assert len(t.csms.all("BootNotification")) == 1


@story("WS-5")
async def client_pings_find_a_half_open_link(t: Bench):
    await t.up(relayed=True, keys={"WebSocketPingInterval": "1"})
    assert t.relay
    t.relay.hold()
    for _ in range(60):
        if any(line.get("event") == "link" and line.get("state") != "up" for line in t.station.lines):
            break
        await asyncio.sleep(0.2)
    else:
        raise AssertionError(f"half-open for ever: {t.station.lines[-3:]}")
    t.relay.cut()
    t.relay.mend()
    await t.csms.until(lambda: len(t.csms.links) >= 2, "a reconnect", 15)
    await t.csms.none("BootNotification", 0.5)


@story("WS-5", "CC-1")
async def a_negative_ping_interval_is_rejected(t: Bench):
    await t.up(keys={"WebSocketPingInterval": "30"})
    assert await t.csms.configure("WebSocketPingInterval", "-1") == "Rejected"
    assert await t.csms.configured("WebSocketPingInterval") == "30"
    assert await t.csms.configure("WebSocketPingInterval", "0") == "Accepted"


@story("WS-7", "ST-14", quick=True)
async def after_a_network_cut_only_what_changed_is_told(t: Bench):
    await t.up(relayed=True)
    assert t.relay
    t.relay.cut()
    await asyncio.sleep(0.3)
    t.plug_in(1)
    await asyncio.sleep(0.3)
    t.plug_out(1)
    t.plug_in(2)
    await asyncio.sleep(0.3)
    t.csms.forget()
    t.relay.mend()
    await t.csms.status(2, "Preparing", 15)
    await t.csms.none("StatusNotification", 1, connectorId=1)
    assert not t.csms._untold("StatusNotification", {"connectorId": 0})
    assert not t.csms._untold("BootNotification", {})


@story("WS-8", "Q-5", quick=True)
async def an_open_start_goes_out_again_on_the_new_link(t: Bench):
    await t.up()
    t.csms.policies["StartTransaction"] = lambda _: SILENCE
    t.plug_in()
    t.swipe()
    first = await t.csms.next("StartTransaction")
    del t.csms.policies["StartTransaction"]
    t.csms.link.transport.abort()
    again = await t.csms.next("StartTransaction", 15)
    assert again.payload == first.payload
    assert again.link == 1
    await t.csms.none("StartTransaction", 1)


@story("WS-8")
async def a_call_on_the_old_link_is_not_answered_on_the_new(t: Bench):
    await t.up()
    old = t.csms.link
    await old.send('[2,"old-1","GetConfiguration",{"key":["HeartbeatInterval"]}]')
    old.transport.abort()
    await t.csms.until(lambda: len(t.csms.links) == 2, "a reconnect")
    await asyncio.sleep(1)
    assert not any("answer to nothing" in fault for fault in t.csms.faults)


@story("WS-8", "AUTH-7")
async def an_open_authorize_dies_with_its_link(t: Bench):
    await t.up()
    t.csms.policies["Authorize"] = lambda _: SILENCE
    t.plug_in()
    t.swipe()
    await t.csms.next("Authorize")
    del t.csms.policies["Authorize"]
    t.csms.link.transport.abort()
    await t.csms.until(lambda: len(t.csms.links) == 2, "a reconnect")
    await t.csms.none("StartTransaction", 2)


@story("WS-3", "WS-7")
async def a_long_absence_of_the_central_system_is_survived(t: Bench):
    await t.up()
    await t.csms.shut()
    await asyncio.sleep(6)
    await t.csms.open()
    await t.csms.until(lambda: len(t.csms.links) >= 2, "a reconnect", 25)
    assert len(t.csms.all("BootNotification")) == 1
    assert await t.csms.configured("HeartbeatInterval")


@story("WS-4", "RPC-6")
async def fragmented_and_empty_messages_are_borne(t: Bench):
    await t.up()
    frame = '[2,"frag-1","GetConfiguration",{"key":["HeartbeatInterval"]}]'
    t.csms._sent["frag-1"] = "GetConfiguration"
    middle = random.Random(7).randrange(5, len(frame) - 5)
    await t.csms.link.send([frame[:middle], frame[middle:]])
    await t.csms.until(lambda: "frag-1" in t.csms.answers, "an answer to a fragmented message", 3)
    await t.csms.raw("")
    assert await t.csms.configured("HeartbeatInterval")
