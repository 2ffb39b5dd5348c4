"""The way in: commands, their mistakes, and every field of the spec."""

import asyncio
import json
import time

from tests.conformance.bench import Bench
from tests.conformance.story import story

MISTAKES = [
    "nonsense",
    "{}",
    "[]",
    "null",
    '"plug_in"',
    '{"op":"fly"}',
    '{"op":"plug_in"}',
    '{"op":"plug_in","connector":"1"}',
    '{"op":"plug_in","connector":0}',
    '{"op":"plug_in","connector":3}',
    '{"op":"plug_in","connector":1,"vehicle":"no-such-car"}',
    '{"op":"plug_in","connector":1,"colour":"red"}',
    '{"op":"swipe"}',
    '{"op":"swipe","id_tag":5}',
    '{"op":"swipe","id_tag":"A","connectors":[7]}',
    '{"op":"swipe","id_tag":"A","connectors":1}',
    '{"op":"fault","connector":1,"error_code":"Nonsense"}',
    '{"op":"fault","connector":1}',
    '{"op":"lock_failure","connector":1}',
    '{"op":"lock_failure","connector":1,"failing":"yes"}',
    '{"op":"set_key","key":"NoSuchKey","value":"1"}',
    '{"op":"set_key","key":"HeartbeatInterval","value":"x"}',
    '{"op":"seed_cache","id_tag":"A","status":"Fine"}',
    '{"op":"power_on","spec":{}}',
    '{"op":"PLUG_IN","connector":1}',
    '{"op":"plug_in","connector":1}}',
    "\u00ff\u00fe",
    "[" * 3000,
]


@story("CMD-3", quick=True)
async def mistakes_are_errors_and_change_nothing(t: Bench):
    await t.up()
    before = len(t.csms.calls)
    for mistake in MISTAKES:
        count = len(t.station.lines)
        t.station.text(mistake)
        line = await t.station.line("error", 5, count)
        assert set(line) == {"error"}, line
        assert isinstance(line["error"], str)
        assert line["error"], mistake
    await asyncio.sleep(0.3)
    assert len(t.csms.calls) == before
    t.plug_in()
    await t.csms.status(1, "Preparing")


@story("BOOT-1", quick=True)
async def specs_that_cannot_be(t: Bench):
    await t.prepare()
    good = t.spec
    for change in (
        {"connectors": 3},
        {"connectors": 0},
        {"security_profile": 4},
        {"personality": "other"},
        {"url": "http://127.0.0.1/"},
        {"keys": {"HeartbeatInterval": 5}},
        {"keys": {"HeartbeatInterval": "soon"}},
        {"colour": "red"},
        {"detachable_cable": "yes"},
        {"reboot_delay_s": "1"},
        {"charge_point_id": 7},
        {"state_dir": "/proc/nowhere"},
    ):
        count = len(t.station.lines)
        t.tell("power_on", spec={**good, **change})
        line = await t.station.line("error", 5, count)
        assert line["error"], change
    t.tell("power_off")
    await t.station.line("error", 5)
    assert not t.csms.paths
    t.power_on()
    await t.booted()
    count = len(t.station.lines)
    t.power_on()
    await t.station.line("error", 5, count)
    assert len(t.csms.links) == 1


@story("BOOT-1", quick=True)
async def the_end_of_input_ends_the_process(t: Bench):
    await t.up()
    assert t.station.child.stdin
    t.station.child.stdin.close()
    assert await asyncio.wait_for(t.station.child.wait(), 8) == 0


@story("BOOT-1", quick=True)
async def exit_ends_the_process(t: Bench):
    await t.up()
    t.tell("exit")
    assert await asyncio.wait_for(t.station.child.wait(), 8) == 0


@story("CMD-3", quick=True)
async def nobody_reads_what_the_station_says(t: Bench):
    await t.prepare()
    t.station.deaf()
    t.power_on()
    await t.booted()
    for _ in range(60):
        assert (await t.csms.call("GetConfiguration"))["configurationKey"]
    t.tell("exit")
    assert await asyncio.wait_for(t.station.child.wait(), 12) == 0


@story("BOOT-11", "MV-5", quick=True)
async def an_empty_folder_is_a_new_station(t: Bench):
    await t.up(keys={"LocalAuthListEnabled": "true"})
    assert await t.csms.configure("MeterValueSampleInterval", "33") == "Accepted"
    await t.charging()
    await asyncio.sleep(3)
    t.tell("power_off")
    await asyncio.sleep(0.3)
    t.tell("plug_out", connector=1)
    await asyncio.sleep(0.2)
    t.csms.forget()
    t.power_on(state_dir=str(t.folder / "another"))
    await t.booted()
    assert await t.csms.configured("MeterValueSampleInterval") != "33"
    await t.csms.none("StopTransaction", 0.5)
    t.plug_in()
    t.swipe()
    start = await t.csms.next("StartTransaction")
    assert start.payload["meterStart"] == 0


@story("BOOT-2", "SEC-1")
async def every_field_of_identity(t: Bench):
    await t.prepare(
        vendor="Maker",
        model="Model-9",
        serial="S/N é",
        firmware="9.8.7",
        connectors=1,
        keys={"NumberOfConnectors": "1"},
    )
    t.power_on()
    boot = await t.booted()
    assert boot.payload["chargePointVendor"] == "Maker"
    assert boot.payload["chargePointModel"] == "Model-9"
    assert boot.payload["chargeBoxSerialNumber"] == "S/N é"
    assert boot.payload["firmwareVersion"] == "9.8.7"


@story("WS-1")
async def power_cycles_leave_no_second_link(t: Bench):
    await t.up()
    for _ in range(5):
        t.tell("power_off")
        t.power_on()
    await t.booted()
    await asyncio.sleep(2)
    alive = [link for link in t.csms.links if link.state == 1]
    assert len(alive) == 1, f"{len(alive)} links"


@story("TX-10", "BOOT-11", "ST-5")
async def cables_move_while_the_power_is_off(t: Bench):
    await t.up()
    await t.charging()
    t.tell("power_off")
    await asyncio.sleep(0.2)
    t.plug_out()
    await asyncio.sleep(0.2)
    t.csms.forget()
    t.power_on()
    await t.csms.next("BootNotification")
    await t.csms.next("StopTransaction", reason="PowerLoss")
    await t.csms.status(1, "Available")
    t.tell("power_off")
    await asyncio.sleep(0.2)
    t.plug_in()
    await asyncio.sleep(0.2)
    t.power_on()
    await t.csms.status(1, "Preparing")


@story("CMD-3")
async def commands_return_at_once_without_a_network(t: Bench):
    await t.prepare()
    await t.csms.shut()
    t.power_on(url="ws://10.255.255.1:9/blackhole")
    began = time.monotonic()
    for _ in range(20):
        t.plug_in()
        t.plug_out()
    count = len(t.station.lines)
    t.station.text("are you there?")
    await t.station.line("error", 3, count)
    assert time.monotonic() - began < 3


@story("BOOT-11")
async def lines_are_json_objects(t: Bench):
    await t.up()
    await t.charging(tag="é\u2028\u0007")
    t.swipe("é\u2028\u0007")
    await t.csms.next("StopTransaction")
    await asyncio.sleep(0.3)
    assert all(isinstance(line, dict) for line in t.station.lines)
    assert json.dumps(t.station.lines)


@story("BOOT-4", "ST-2", "MV-5", quick=True)
async def a_cable_that_is_in_before_the_power_and_stays_in_without_it(t: Bench):
    await t.prepare(keys={"MeterValueSampleInterval": "1"})
    t.plug_in(1)
    t.power_on()
    await t.csms.status(1, "Preparing")
    t.swipe()
    await t.csms.status(1, "Charging")
    for _ in range(3):
        await t.csms.next("MeterValues")
    t.tell("power_off")
    t.csms.forget()
    t.power_on()
    stop = await t.csms.next("StopTransaction", reason="PowerLoss")
    await t.csms.status(1, "Finishing")
    t.swipe("TAG2")
    start = await t.csms.next("StartTransaction")
    lost_wh = start.payload["meterStart"] - stop.payload["meterStop"]
    assert 0 <= lost_wh <= 4, "counted once: between the last sample and the power cut"


@story("ST-15")
async def a_vehicle_where_the_station_has_no_side(t: Bench):
    await t.prepare(connectors=1)
    t.plug_in(2)
    t.power_on()
    line = await t.station.line("error", 5)
    assert "connector 2" in line["error"]
    t.plug_out(2)
    t.power_on()
    await t.booted()
