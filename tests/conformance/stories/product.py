"""Sections 12 and 14: what only the real product does (`greenup`)."""

import asyncio
import re

from tests.conformance.bench import Bench
from tests.conformance.centre import unix
from tests.conformance.story import story

GREENUP = {"personality": "greenup"}


@story("LG-1", "RPC-2", "BOOT-2", quick=True)
async def the_product_boots(t: Bench):
    boot = await t.up(**GREENUP)
    assert re.fullmatch(r"\d{20}", boot.message_id)
    assert boot.payload["meterType"] == "internal"
    assert not {"chargePointSerialNumber", "iccid", "imsi"} & set(boot.payload)
    for call in t.csms.all("StatusNotification"):
        assert call.payload["info"] == "No failure"
        assert call.payload["vendorId"] == "Legrand"


@story("LG-3", "LG-4", "TX-1", "MV-1", quick=True)
async def the_product_charges(t: Bench):
    await t.up(**GREENUP, keys={"MeterValueSampleInterval": "10"})
    t.plug_in()
    t.swipe()
    start = await t.csms.next("StartTransaction")
    assert start.payload["reservationId"] == 0
    assert abs(unix(start.payload["timestamp"]) - unix("2026-01-01T00:00:00Z")) > 0
    meter = await t.csms.next("MeterValues", 15)
    values = meter.payload["meterValue"][0]["sampledValue"]
    assert {value["context"] for value in values} == {"Sample.Clock"}
    assert {value["format"] for value in values} == {"Raw"}
    assert all("mesurand" not in value for value in values)
    t.swipe()
    stop = await t.csms.next("StopTransaction")
    assert stop.payload["idTag"] == "TAG1"
    assert stop.payload["reason"] == "Local"
    contexts = {v["context"] for one in stop.payload.get("transactionData", []) for v in one["sampledValue"]}
    assert contexts <= {"Interruption.Begin", "Interruption.End", "Sample.Clock"}
    assert "Interruption.End" in contexts or not contexts


@story("CC-6", "CC-1", quick=True)
async def the_product_keeps_its_ranges(t: Bench):
    await t.up(**GREENUP)
    table = [
        ("HeartbeatInterval", "9", "Rejected"),
        ("HeartbeatInterval", "10", "Accepted"),
        ("HeartbeatInterval", "86400", "Accepted"),
        ("HeartbeatInterval", "86401", "Rejected"),
        ("MeterValueSampleInterval", "5", "Rejected"),
        ("MeterValueSampleInterval", "10", "Accepted"),
        ("MeterValueSampleInterval", "0", "Accepted"),
        ("ConnectorPhaseRotation", "0.RST", "NotSupported"),
        ("LightIntensity", "50", "Rejected"),
        ("BlinkRepeat", "3", "Accepted"),
        ("MaxEnergyOnInvalidId", "3", "Rejected"),
        ("chargingStationMaxLimit", "40", "Accepted"),
        ("defaultIdTag1", "X" * 21, "Rejected"),
        ("defaultIdTag1", "X", "Accepted"),
        ("WebSocketPingInterval", "-1", "Rejected"),
        ("WebSocketPingInterval", "20", "Accepted"),
        ("serverReconnectionTime", "0", "Rejected"),
        ("ClockAlignedDataInterval", "900", "Accepted"),
        ("StopTransactionOnEVSideDisconnect", "false", "Accepted"),
        ("GetConfigurationMaxKeys", "3", "Rejected"),
        ("SupportedFileTransferProtocols", "HTTP", "Accepted"),
    ]
    wrong = []
    for key, value, wanted in table:
        got = await t.csms.configure(key, value)
        if got != wanted:
            wrong.append((key, value, got, wanted))
    assert not wrong, wrong


@story("MV-2", "ST-7", "CC-6")
async def keys_without_action(t: Bench):
    keys = {"ClockAlignedDataInterval": "1", "StopTransactionOnEVSideDisconnect": "false"}
    await t.up(**GREENUP, keys=keys)
    await t.csms.none("MeterValues", 2.5)
    await t.charging()
    t.tell("plug_out_ev", connector=1)
    stop = await t.csms.next("StopTransaction")
    assert stop.payload["reason"] == "EVDisconnected"


@story("CC-6", "AUTH-1")
async def plug_and_charge(t: Bench):
    await t.up(**GREENUP, keys={"oCPPPlugAndCharge": "true", "defaultIdTag2": "SIDE-2"})
    t.plug_in(2)
    start = await t.csms.next("StartTransaction")
    assert start.payload["idTag"] == "SIDE-2"
    t.plug_in(1)
    start = await t.csms.next("StartTransaction")
    assert start.payload["idTag"] == "LEGRAND001"
    await asyncio.sleep(0)


@story("LG-1", "LG-3", "ST-1")
async def all_frames_of_the_product_fit_the_schemas(t: Bench):
    keys = {
        "MeterValueSampleInterval": "10",
        "MeterValuesSampledData": "Current.Import,Energy.Active.Import.Interval,Power.Active.Import",
    }
    await t.up(**GREENUP, keys=keys)
    await t.charging()
    t.tell("fault", connector=1, error_code="OverVoltage")
    await t.csms.next("StatusNotification", connectorId=1, errorCode="OverVoltage")
    t.tell("clear_fault", connector=1)
    assert await t.csms.ask("TriggerMessage", requestedMessage="MeterValues") == "Accepted"
    await t.csms.next("MeterValues")
    assert (await t.csms.call("GetConfiguration"))["configurationKey"]
    assert await t.csms.ask("Reset", type="Hard") == "Accepted"
    await t.csms.next("BootNotification", 40)
