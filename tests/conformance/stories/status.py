"""Section 6: what a connector shows."""

import asyncio

from tests.conformance.bench import Bench
from tests.conformance.story import story


def shown(t: Bench, connector: int = 1) -> list[str]:
    return [call.payload["status"] for call in t.csms.all("StatusNotification", connectorId=connector)]


@story("ST-4", "TC_004_2", "TC_061", quick=True)
async def a_badge_without_cable_times_out(t: Bench):
    await t.up(keys={"ConnectionTimeOut": "2"})
    t.swipe()
    preparing = await t.csms.status(1, "Preparing")
    available = await t.csms.status(1, "Available")
    assert 1.5 <= available.at - preparing.at <= 4
    t.plug_in()
    await t.csms.status(1, "Preparing")
    await t.csms.none("StartTransaction", 0.7)


@story("ST-4", quick=True)
async def a_cable_without_badge_ends_in_finishing(t: Bench):
    await t.up(keys={"ConnectionTimeOut": "2"})
    t.plug_in()
    await t.csms.status(1, "Preparing")
    await t.csms.status(1, "Finishing")
    await t.csms.none("StatusNotification", 2)
    t.plug_out()
    await t.csms.status(1, "Available")


@story("ST-4", "ST-5")
async def a_badge_in_finishing_prepares_and_starts(t: Bench):
    await t.up(keys={"ConnectionTimeOut": "2"})
    t.plug_in()
    await t.csms.status(1, "Finishing")
    t.swipe()
    await t.csms.next("StartTransaction")
    await t.csms.status(1, "Charging")
    assert shown(t)[-3:] == ["Finishing", "Preparing", "Charging"]


@story("ST-4")
async def no_time_out_with_zero(t: Bench):
    await t.up(keys={"ConnectionTimeOut": "0"})
    t.swipe()
    await t.csms.status(1, "Preparing")
    await t.csms.none("StatusNotification", 3)


@story("ST-4", "CC-3")
async def a_changed_connection_time_out_counts_for_the_next(t: Bench):
    await t.up()
    assert await t.csms.configure("ConnectionTimeOut", "1") == "Accepted"
    t.swipe()
    await t.csms.status(1, "Preparing")
    await t.csms.status(1, "Available", 5)


@story("ST-5", "TX-6", quick=True)
async def the_whole_cable_pulled_ends_the_transaction(t: Bench):
    await t.up()
    await t.charging()
    t.plug_out()
    stop = await t.csms.next("StopTransaction")
    assert stop.payload["reason"] == "EVDisconnected"
    await t.csms.status(1, "Available")
    assert "SuspendedEV" not in shown(t)


@story("ST-5", "TX-7")
async def after_the_end_a_new_badge_starts_again_without_unplugging(t: Bench):
    await t.up()
    await t.charging()
    t.swipe()
    await t.csms.status(1, "Finishing")
    t.swipe("TAG2")
    start = await t.csms.next("StartTransaction")
    assert start.payload["idTag"] == "TAG2"
    assert "Preparing" in shown(t)[-2:]


@story("ST-7", "TC_005_1", quick=True)
async def the_vehicle_end_pulled_stops_and_unlocks(t: Bench):
    keys = {"StopTransactionOnEVSideDisconnect": "true", "UnlockConnectorOnEVSideDisconnect": "true"}
    await t.up(keys=keys)
    await t.charging()
    t.tell("plug_out_ev", connector=1)
    stop = await t.csms.next("StopTransaction")
    assert stop.payload["reason"] == "EVDisconnected"
    finishing = await t.csms.status(1, "Finishing")
    assert finishing.payload.get("info") == "EV side disconnected"
    t.plug_out()
    await t.csms.status(1, "Available")


@story("ST-7", "TC_005_2", quick=True)
async def the_vehicle_end_pulled_stops_but_stays_locked(t: Bench):
    keys = {"StopTransactionOnEVSideDisconnect": "true", "UnlockConnectorOnEVSideDisconnect": "false"}
    await t.up(keys=keys)
    await t.charging()
    t.tell("plug_out_ev", connector=1)
    stop = await t.csms.next("StopTransaction")
    assert stop.payload["reason"] == "EVDisconnected"
    await t.csms.status(1, "Finishing")
    t.plug_out()
    await t.csms.none("StatusNotification", 1)
    assert await t.csms.ask("UnlockConnector", connectorId=1) == "Unlocked"
    t.plug_out()
    await t.csms.status(1, "Available")


@story("ST-8", "TC_005_3", quick=True)
async def the_vehicle_end_pulled_may_suspend(t: Bench):
    keys = {"StopTransactionOnEVSideDisconnect": "false", "UnlockConnectorOnEVSideDisconnect": "true"}
    await t.up(keys=keys)
    transaction = await t.charging()
    t.tell("plug_out_ev", connector=1)
    suspended = await t.csms.status(1, "SuspendedEV")
    assert suspended.payload["errorCode"] == "NoError"
    assert suspended.payload.get("info") == "EV side disconnected"
    await t.csms.none("StopTransaction", 0.5)
    t.plug_in()
    await t.csms.status(1, "Charging")
    t.tell("plug_out_ev", connector=1)
    await t.csms.status(1, "SuspendedEV")
    assert await t.csms.ask("RemoteStopTransaction", transactionId=transaction) == "Accepted"
    stop = await t.csms.next("StopTransaction")
    assert stop.payload["reason"] == "Remote"


@story("ST-2", "MV-9", quick=True)
async def a_pausing_vehicle_is_suspended_ev(t: Bench):
    await t.up()
    await t.charging()
    t.tell("ev_pause", connector=1)
    await t.csms.status(1, "SuspendedEV")
    t.tell("ev_resume", connector=1)
    await t.csms.status(1, "Charging")


@story("ST-6", quick=True)
async def short_statuses_are_skipped(t: Bench):
    await t.up(keys={"MinimumStatusDuration": "2"})
    t.plug_in()
    await asyncio.sleep(0.3)
    t.plug_out()
    await t.csms.none("StatusNotification", 3)
    t.plug_in()
    preparing = await t.csms.status(1, "Preparing")
    t.swipe()
    start = await t.csms.next("StartTransaction")
    charging = await t.csms.status(1, "Charging")
    assert charging.at - start.at >= 1.5
    assert preparing.payload["connectorId"] == 1


@story("ST-9", "TC_041", quick=True)
async def a_faulted_connector_starts_nothing(t: Bench):
    await t.up()
    t.tell("fault", connector=1, error_code="GroundFailure")
    fault = await t.csms.status(1, "Faulted")
    assert fault.payload["errorCode"] == "GroundFailure"
    t.plug_in()
    t.swipe()
    await t.csms.none("StartTransaction", 0.7)
    assert await t.csms.ask("RemoteStartTransaction", idTag="A", connectorId=1) == "Rejected"
    t.plug_out()
    t.tell("clear_fault", connector=1)
    cleared = await t.csms.status(1, "Available")
    assert cleared.payload["errorCode"] == "NoError"


@story("ST-9")
async def every_error_code_is_told(t: Bench):
    await t.up(connectors=1)
    codes = (
        "ConnectorLockFailure", "GroundFailure", "HighTemperature", "InternalError", "OverCurrentFailure",
        "OverVoltage", "PowerMeterFailure", "PowerSwitchFailure", "ReaderFailure", "ResetFailure",
        "UnderVoltage", "WeakSignal",
    )  # fmt: skip
    for code in codes:
        t.tell("fault", connector=1, error_code=code)
        await t.csms.next("StatusNotification", connectorId=1, errorCode=code)
        t.tell("clear_fault", connector=1)
        await t.csms.next("StatusNotification", connectorId=1, errorCode="NoError", status="Available")
    t.tell("fault", connector=1, error_code="OtherError", vendor_error_code="V-42")
    told = await t.csms.next("StatusNotification", connectorId=1, errorCode="OtherError")
    assert told.payload["vendorErrorCode"] == "V-42"


@story("ST-10")
async def ev_communication_errors_are_never_faulted(t: Bench):
    await t.up()
    t.plug_in()
    await t.csms.status(1, "Preparing")
    t.tell("fault", connector=1, error_code="EVCommunicationError")
    told = await t.csms.next("StatusNotification", connectorId=1, errorCode="EVCommunicationError")
    assert told.payload["status"] == "Preparing"


@story("ST-11", "TX-6", quick=True)
async def an_unsafe_fault_ends_the_transaction(t: Bench):
    await t.up()
    await t.charging()
    t.tell("fault", connector=1, error_code="GroundFailure")
    stop = await t.csms.next("StopTransaction")
    assert stop.payload["reason"] == "Other"
    await t.csms.status(1, "Faulted")
    t.tell("clear_fault", connector=1)
    cleared = await t.csms.next("StatusNotification", connectorId=1, errorCode="NoError")
    assert cleared.payload["status"] == "Finishing"


@story("ST-12", "TC_024", quick=True)
async def a_lock_that_fails_starts_nothing(t: Bench):
    await t.up()
    t.tell("lock_failure", connector=1, failing=True)
    t.plug_in()
    t.swipe()
    told = await t.csms.status(1, "Faulted")
    assert told.payload["errorCode"] == "ConnectorLockFailure"
    await t.csms.none("StartTransaction", 0.7)


@story("ST-14", "ST-1")
async def a_fault_of_the_station_shows_on_zero(t: Bench):
    await t.up()
    t.tell("fault", connector=0, error_code="InternalError")
    told = await t.csms.status(0, "Faulted")
    assert told.payload["errorCode"] == "InternalError"
    t.tell("clear_fault", connector=0)
    await t.csms.status(0, "Available")


@story("ST-15", "CMD-2")
async def connectors_count_from_one(t: Bench):
    await t.up()
    assert await t.csms.ask("UnlockConnector", connectorId=3) in {
        "NotSupported",
        "PropertyConstraintViolation",
    }
    assert await t.csms.ask("ChangeAvailability", connectorId=3, type="Operative") in {
        "Rejected",
        "PropertyConstraintViolation",
    }
    assert await t.csms.ask("ClearChargingProfile", connectorId=9) in {
        "Unknown",
        "PropertyConstraintViolation",
    }
    assert await t.csms.ask(
        "ReserveNow", connectorId=7, expiryDate="2099-01-01T00:00:00Z", idTag="A", reservationId=1
    ) in {
        "Rejected",
        "PropertyConstraintViolation",
    }


@story("AUTH-6", "ST-5", quick=True)
async def a_refused_badge_at_a_cable_left_in_leaves_finishing(t: Bench):
    t.csms.tags["BAD"] = {"status": "Blocked"}
    await t.up()
    await t.charging()
    t.swipe()
    await t.csms.status(1, "Finishing")
    t.swipe("BAD")
    await t.csms.next("Authorize", idTag="BAD")
    await t.csms.status(1, "Finishing")
    assert shown(t)[-3:] == ["Finishing", "Preparing", "Finishing"]


@story("TX-3", "AUTH-8", "RS-2")
async def a_kept_cable_waits_for_its_owner_or_the_family(t: Bench):
    t.csms.tags = {
        "OWNER": {"status": "Accepted", "parentIdTag": "FAMILY"},
        "SISTER": {"status": "Accepted", "parentIdTag": "FAMILY"},
        "OTHER": {"status": "Accepted"},
    }
    t.csms.policies["StartTransaction"] = lambda _: {
        "transactionId": 7,
        "idTagInfo": {"status": "Blocked", "parentIdTag": "FAMILY"},
    }
    await t.up(keys={"StopTransactionOnInvalidId": "true"})
    t.plug_in()
    t.swipe("OWNER")
    await t.csms.next("StopTransaction", reason="DeAuthorized")
    await t.csms.status(1, "Finishing")
    t.swipe("OTHER")
    t.plug_out()
    await t.csms.none("StartTransaction", 1, idTag="OTHER")
    assert await t.csms.ask("RemoteStartTransaction", idTag="OTHER", connectorId=1) == "Rejected"
    t.swipe("SISTER")
    await t.csms.next("Authorize", idTag="SISTER")
    await asyncio.sleep(0.3)
    t.plug_out()
    await t.csms.status(1, "Available")


@story("ST-11", "SC-12")
async def a_fault_that_is_gone_shows_the_status_before_it(t: Bench):
    await t.up()
    await t.charging()
    t.tell("fault", connector=1, error_code="HighTemperature")
    await t.csms.status(1, "Faulted")
    t.tell("clear_fault", connector=1)
    cleared = await t.csms.next("StatusNotification", connectorId=1)
    assert cleared.payload["status"] == "Charging"
    assert not t.csms.all("StopTransaction")
