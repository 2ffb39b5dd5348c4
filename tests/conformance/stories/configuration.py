"""Configuration keys, availability, triggers, data transfer (sections 10 and 12)."""

import asyncio

from tests.conformance.bench import Bench
from tests.conformance.centre import Refusal
from tests.conformance.story import story

REQUIRED = [
    "AllowOfflineTxForUnknownId",
    "AuthorizationCacheEnabled",
    "AuthorizeRemoteTxRequests",
    "ClockAlignedDataInterval",
    "ConnectionTimeOut",
    "ConnectorPhaseRotation",
    "GetConfigurationMaxKeys",
    "HeartbeatInterval",
    "LocalAuthorizeOffline",
    "LocalPreAuthorize",
    "MeterValuesAlignedData",
    "MeterValuesSampledData",
    "MeterValueSampleInterval",
    "NumberOfConnectors",
    "ResetRetries",
    "StopTransactionOnEVSideDisconnect",
    "StopTransactionOnInvalidId",
    "StopTxnAlignedData",
    "StopTxnSampledData",
    "SupportedFeatureProfiles",
    "TransactionMessageAttempts",
    "TransactionMessageRetryInterval",
    "UnlockConnectorOnEVSideDisconnect",
    "LocalAuthListEnabled",
    "LocalAuthListMaxLength",
    "SendLocalListMaxLength",
    "ChargeProfileMaxStackLevel",
    "ChargingScheduleAllowedChargingRateUnit",
    "ChargingScheduleMaxPeriods",
    "MaxChargingProfilesInstalled",
    "WebSocketPingInterval",
    "MinimumStatusDuration",
    "ReserveConnectorZeroSupported",
]
READ_ONLY = [
    "NumberOfConnectors",
    "SupportedFeatureProfiles",
    "GetConfigurationMaxKeys",
    "LocalAuthListMaxLength",
    "SendLocalListMaxLength",
    "ChargeProfileMaxStackLevel",
    "ChargingScheduleAllowedChargingRateUnit",
    "ChargingScheduleMaxPeriods",
    "MaxChargingProfilesInstalled",
    "ReserveConnectorZeroSupported",
]


@story("GF-1", "GF-2", "GF-4", "TC_019", quick=True)
async def all_keys_are_told(t: Bench):
    await t.up(basic_auth_key="000102030405060708090a0b0c0d0e0f", security_profile=1)
    for payload in ({}, {"key": []}):
        answer = await t.csms.call("GetConfiguration", **payload)
        keys = {one["key"]: one for one in answer["configurationKey"]}
        missing = set(REQUIRED) - set(keys)
        assert not missing, missing
        assert "AuthorizationKey" not in keys
        assert not answer.get("unknownKey")
    assert {name for name in READ_ONLY if not keys[name]["readonly"]} == set()
    assert keys["NumberOfConnectors"]["value"] == "2"
    assert all(len(one.get("value", "")) <= 500 for one in keys.values())


@story("CC-1", "CC-2", "TC_040", "TC_021", quick=True)
async def bad_values_are_rejected(t: Bench):
    await t.up()
    assert await t.csms.configure("NoSuchKey", "1") == "NotSupported"
    for key in READ_ONLY:
        assert await t.csms.configure(key, "1") == "Rejected", key
    for key, value in (
        ("MeterValueSampleInterval", "-1"),
        ("MeterValueSampleInterval", "abc"),
        ("MeterValueSampleInterval", "1.5"),
        ("MeterValueSampleInterval", ""),
        ("HeartbeatInterval", "-5"),
        ("ConnectionTimeOut", "x"),
        ("LocalPreAuthorize", "yes"),
        ("LocalPreAuthorize", "1"),
        ("TransactionMessageAttempts", "-1"),
    ):
        before = await t.csms.configured(key)
        assert await t.csms.configure(key, value) == "Rejected", (key, value)
        assert await t.csms.configured(key) == before
    assert await t.csms.configure("LocalPreAuthorize", "TRUE") == "Accepted"
    assert await t.csms.configure("LocalPreAuthorize", "false") == "Accepted"


@story("CC-5", "RPC-9")
async def long_keys_and_values_break_the_schema(t: Bench):
    await t.up()
    assert await t.csms.configure("k" * 51, "1") == "PropertyConstraintViolation"
    assert await t.csms.configure("HeartbeatInterval", "1" * 501) == "PropertyConstraintViolation"
    answer = await t.csms.call("GetConfiguration", key=["k" * 51])
    assert isinstance(answer, Refusal)
    assert answer.code == "PropertyConstraintViolation"


@story("CC-3", "BOOT-11", "RE-3", quick=True)
async def configuration_survives_everything(t: Bench):
    await t.up()
    assert await t.csms.configure("MeterValueSampleInterval", "17") == "Accepted"
    assert await t.csms.configure("LocalPreAuthorize", "true") == "Accepted"
    assert await t.csms.ask("Reset", type="Soft") == "Accepted"
    await t.booted()
    assert await t.csms.configured("MeterValueSampleInterval") == "17"
    await t.replace()
    t.power_on()
    await t.booted()
    assert await t.csms.configured("MeterValueSampleInterval") == "17"
    assert await t.csms.configured("LocalPreAuthorize") == "true"


@story("GF-3")
async def more_keys_than_the_station_tells(t: Bench):
    await t.up(keys={"GetConfigurationMaxKeys": "3"})
    answer = await t.csms.call("GetConfiguration", key=["HeartbeatInterval"] + [f"K{n}" for n in range(5)])
    if isinstance(answer, Refusal):
        assert answer.code == "OccurenceConstraintViolation"
    else:
        assert len(answer.get("configurationKey", [])) + len(answer.get("unknownKey", [])) == 3


@story("CC-1", "GF-1")
async def presets_are_the_configuration_read_only_ones_too(t: Bench):
    await t.up(keys={"NumberOfConnectors": "2", "LocalAuthListMaxLength": "2", "HeartbeatInterval": "5"})
    assert await t.csms.configured("LocalAuthListMaxLength") == "2"
    t.tell("set_key", key="SendLocalListMaxLength", value="1")
    await asyncio.sleep(0.3)
    assert await t.csms.configured("SendLocalListMaxLength") == "1"
    assert await t.csms.configure("SendLocalListMaxLength", "9") == "Rejected"


@story("CA-1", "CA-3", "TC_040", quick=True)
async def availability_of_an_idle_connector(t: Bench):
    await t.up()
    assert await t.csms.ask("ChangeAvailability", connectorId=1, type="Inoperative") == "Accepted"
    await t.csms.status(1, "Unavailable")
    assert await t.csms.ask("ChangeAvailability", connectorId=1, type="Inoperative") == "Accepted"
    await t.csms.none("StatusNotification", 0.5)
    t.plug_in()
    t.swipe()
    await t.csms.none("StartTransaction", 0.7)
    assert await t.csms.ask("RemoteStartTransaction", idTag="A", connectorId=1) == "Rejected"
    t.plug_out()
    await asyncio.sleep(0.2)
    t.csms.forget()
    assert await t.csms.ask("ChangeAvailability", connectorId=1, type="Operative") == "Accepted"
    await t.csms.status(1, "Available")


@story("CA-3", "CA-7", quick=True)
async def availability_of_the_whole_station(t: Bench):
    await t.up()
    assert await t.csms.ask("ChangeAvailability", connectorId=0, type="Inoperative") == "Accepted"
    for connector in (0, 1, 2):
        await t.csms.status(connector, "Unavailable")
    assert await t.csms.ask("ChangeAvailability", connectorId=0, type="Operative") == "Accepted"
    for connector in (0, 1, 2):
        await t.csms.status(connector, "Available")


@story("CA-2", "CA-5", quick=True)
async def availability_waits_for_a_transaction(t: Bench):
    await t.up()
    await t.charging()
    assert await t.csms.ask("ChangeAvailability", connectorId=1, type="Inoperative") == "Scheduled"
    assert await t.csms.ask("ChangeAvailability", connectorId=1, type="Operative") == "Accepted"
    assert await t.csms.ask("ChangeAvailability", connectorId=1, type="Inoperative") == "Scheduled"
    await t.csms.none("StatusNotification", 0.5)
    t.swipe()
    await t.csms.next("StopTransaction")
    t.plug_out()
    await t.csms.status(1, "Unavailable")
    shown = [call.payload["status"] for call in t.csms.all("StatusNotification", connectorId=1)]
    assert "Available" not in shown[1:]


@story("CA-2")
async def the_whole_station_waits_where_a_transaction_runs(t: Bench):
    await t.up()
    await t.charging(1)
    assert await t.csms.ask("ChangeAvailability", connectorId=0, type="Inoperative") == "Scheduled"
    await t.csms.status(2, "Unavailable")
    t.swipe()
    t.plug_out()
    await t.csms.status(1, "Unavailable")
    await t.csms.status(0, "Unavailable")


@story("CA-4", "ST-13", "TC_034", quick=True)
async def availability_survives_power_loss(t: Bench):
    await t.up()
    assert await t.csms.ask("ChangeAvailability", connectorId=2, type="Inoperative") == "Accepted"
    await t.csms.status(2, "Unavailable")
    t.tell("power_off")
    await asyncio.sleep(0.3)
    t.power_on()
    await t.csms.next("BootNotification")
    await t.csms.status(2, "Unavailable")
    await t.csms.status(1, "Available")
    assert await t.csms.ask("Reset", type="Hard") == "Accepted"
    await t.csms.next("BootNotification")
    await t.csms.status(2, "Unavailable")


@story("CA-4")
async def preparing_is_no_transaction(t: Bench):
    await t.up()
    t.swipe()
    await t.csms.status(1, "Preparing")
    assert await t.csms.ask("ChangeAvailability", connectorId=1, type="Inoperative") == "Accepted"
    shown = [call.payload["status"] for call in t.csms.all("StatusNotification", connectorId=1)]
    await asyncio.sleep(0.5)
    shown = [call.payload["status"] for call in t.csms.all("StatusNotification", connectorId=1)]
    assert shown[-1] == "Unavailable", shown
    t.plug_in()
    await t.csms.none("StartTransaction", 0.5)


@story("CA-6")
async def an_unknown_connector_has_no_availability(t: Bench):
    await t.up(connectors=1)
    for kind in ("Operative", "Inoperative"):
        assert await t.csms.ask("ChangeAvailability", connectorId=2, type=kind) == "Rejected"


@story("TM-1", "TM-2", "TC_054", quick=True)
async def triggers_answer_first(t: Bench):
    await t.up()
    for message, action in (
        ("Heartbeat", "Heartbeat"),
        ("StatusNotification", "StatusNotification"),
        ("MeterValues", "MeterValues"),
        ("DiagnosticsStatusNotification", "DiagnosticsStatusNotification"),
        ("FirmwareStatusNotification", "FirmwareStatusNotification"),
    ):
        t.csms.forget()
        before = len(t.csms.answers)
        assert await t.csms.ask("TriggerMessage", requestedMessage=message, connectorId=1) == "Accepted"
        call = await t.csms.next(action)
        assert call.answers_before == before + 1, "TM-1: the answer comes first"
        if action.endswith("StatusNotification") and action != "StatusNotification":
            assert call.payload["status"] == "Idle"
        if action == "MeterValues":
            contexts = {one["context"] for one in call.payload["meterValue"][0]["sampledValue"]}
            assert contexts == {"Trigger"}
            assert "transactionId" not in call.payload


@story("TM-2", "TM-3")
async def triggers_without_a_connector_tell_of_all(t: Bench):
    await t.up()
    assert await t.csms.ask("TriggerMessage", requestedMessage="StatusNotification") == "Accepted"
    for connector in (0, 1, 2):
        await t.csms.status(connector, "Available")
    assert (
        await t.csms.ask("TriggerMessage", requestedMessage="StatusNotification", connectorId=0) == "Accepted"
    )
    await t.csms.status(0, "Available")
    await t.csms.none("StatusNotification", 0.5)
    transaction = await t.charging()
    assert await t.csms.ask("TriggerMessage", requestedMessage="MeterValues") == "Accepted"
    await t.csms.next("MeterValues", connectorId=1, transactionId=transaction)
    await t.csms.next("MeterValues", connectorId=2)


@story("TM-3", "TM-4", "TC_055", quick=True)
async def triggers_for_a_connector_that_is_not_there(t: Bench):
    await t.up()
    for message in ("StatusNotification", "MeterValues"):
        assert await t.csms.ask("TriggerMessage", requestedMessage=message, connectorId=9) == "Rejected"
    assert await t.csms.ask("TriggerMessage", requestedMessage="Heartbeat", connectorId=9) == "Accepted"
    await t.csms.next("Heartbeat")
    assert await t.csms.ask("TriggerMessage", requestedMessage="Nothing") == "PropertyConstraintViolation"


@story("DT-2", "DT-1", "TC_062", quick=True)
async def unknown_vendors_are_unknown(t: Bench):
    await t.up()
    for payload in ({"vendorId": "x"}, {"vendorId": "com.vendor", "messageId": "m", "data": "d" * 2000}):
        answer = await t.csms.call("DataTransfer", **payload)
        assert answer == {"status": "UnknownVendorId"}


@story("CMD-3", quick=True)
async def commands_are_answered_within_a_second_under_load(t: Bench):
    await t.up(keys={"MeterValueSampleInterval": "1", "ClockAlignedDataInterval": "1"})
    await t.charging(1, "A")
    await t.charging(2, "B")
    loop = asyncio.get_running_loop()
    for _ in range(60):
        began = loop.time()
        assert (await t.csms.call("GetConfiguration"))["configurationKey"]
        assert loop.time() - began < 2.5  # the rule says 1 s; the machine under the suite may be busy
