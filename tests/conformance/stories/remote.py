"""Remote start and stop, unlock, reset (section 10)."""

import asyncio

from tests.conformance.bench import Bench
from tests.conformance.centre import SILENCE, Refusal
from tests.conformance.story import story

DENIED = {"Rejected", "PropertyConstraintViolation"}


@story("RS-1", "RS-4", "RT-1", "TC_010", "TC_012", quick=True)
async def a_remote_start_with_the_cable_in(t: Bench):
    await t.up()
    t.plug_in()
    await t.csms.status(1, "Preparing")
    assert await t.csms.ask("RemoteStartTransaction", idTag="R", connectorId=1) == "Accepted"
    await t.csms.next("Authorize", idTag="R")
    start = await t.csms.next("StartTransaction")
    assert start.payload["idTag"] == "R"
    await t.csms.status(1, "Charging")
    transaction = t.csms.next_transaction - 1
    assert await t.csms.ask("RemoteStopTransaction", transactionId=transaction) == "Accepted"
    stop = await t.csms.next("StopTransaction")
    assert stop.payload["reason"] == "Remote"
    await t.csms.status(1, "Finishing")
    t.plug_out()
    await t.csms.status(1, "Available")


@story("RS-1", "RS-4", "TC_011_1", quick=True)
async def a_remote_start_before_the_cable(t: Bench):
    await t.up(keys={"AuthorizeRemoteTxRequests": "false"})
    assert await t.csms.ask("RemoteStartTransaction", idTag="R", connectorId=2) == "Accepted"
    await t.csms.status(2, "Preparing")
    t.plug_in(2)
    start = await t.csms.next("StartTransaction")
    assert start.payload["connectorId"] == 2
    assert not t.csms.all("Authorize")


@story("RS-4", "ST-4", "TC_011_2", quick=True)
async def a_remote_start_times_out(t: Bench):
    await t.up(keys={"ConnectionTimeOut": "2"})
    assert await t.csms.ask("RemoteStartTransaction", idTag="R", connectorId=1) == "Accepted"
    await t.csms.status(1, "Preparing")
    await t.csms.status(1, "Available")
    t.plug_in()
    await t.csms.none("StartTransaction", 0.7)


@story("RS-1", "AUTH-6")
async def a_remote_start_of_a_refused_badge(t: Bench):
    await t.up(keys={"AuthorizeRemoteTxRequests": "true"})
    t.csms.tags["R"] = {"status": "Blocked"}
    t.plug_in()
    assert await t.csms.ask("RemoteStartTransaction", idTag="R", connectorId=1) == "Accepted"
    await t.csms.next("Authorize")
    await t.csms.none("StartTransaction", 0.7)


@story("RS-2", "TC_026", "TC_027", quick=True)
async def remote_starts_that_cannot_be(t: Bench):
    await t.up()
    for connector in (0, 9):
        assert await t.csms.ask("RemoteStartTransaction", idTag="R", connectorId=connector) in DENIED
    await t.charging(1)
    assert await t.csms.ask("RemoteStartTransaction", idTag="R", connectorId=1) == "Rejected"
    assert (
        await t.csms.ask(
            "ReserveNow", connectorId=2, expiryDate="2099-01-01T00:00:00Z", idTag="Z", reservationId=1
        )
        == "Accepted"
    )
    assert await t.csms.ask("RemoteStartTransaction", idTag="R", connectorId=2) == "Rejected"


@story("RS-3")
async def a_remote_start_without_a_connector(t: Bench):
    await t.up(keys={"AuthorizeRemoteTxRequests": "false"})
    t.plug_in(2)
    await t.csms.status(2, "Preparing")
    assert await t.csms.ask("RemoteStartTransaction", idTag="R") == "Accepted"
    start = await t.csms.next("StartTransaction")
    assert start.payload["connectorId"] == 2
    assert await t.csms.ask("RemoteStartTransaction", idTag="S") == "Accepted"
    await t.csms.status(1, "Preparing")
    assert await t.csms.ask("RemoteStartTransaction", idTag="T") == "Rejected"


@story("RS-6", "RN-5", "TC_046", quick=True)
async def a_remote_start_uses_its_reservation(t: Bench):
    await t.up()
    reserve = {"connectorId": 1, "expiryDate": "2099-01-01T00:00:00Z", "idTag": "R", "reservationId": 42}
    assert await t.csms.ask("ReserveNow", **reserve) == "Accepted"
    await t.csms.status(1, "Reserved")
    assert await t.csms.ask("RemoteStartTransaction", idTag="R", connectorId=1) == "Accepted"
    t.plug_in()
    start = await t.csms.next("StartTransaction")
    assert start.payload["reservationId"] == 42


@story("RT-1", "RT-2", "TC_028", quick=True)
async def remote_stops_that_cannot_be(t: Bench):
    await t.up()
    assert await t.csms.ask("RemoteStopTransaction", transactionId=1) == "Rejected"
    t.csms.policies["StartTransaction"] = lambda _: SILENCE
    t.plug_in()
    t.swipe()
    await t.csms.next("StartTransaction")
    for number in (-1, 0, 999):
        assert await t.csms.ask("RemoteStopTransaction", transactionId=number) == "Rejected"


@story("UC-1", "TC_017_1", "TC_018_1", quick=True)
async def a_detachable_cable_is_unlocked(t: Bench):
    await t.up()
    assert await t.csms.ask("UnlockConnector", connectorId=1) == "Unlocked"
    await t.charging()
    assert await t.csms.ask("UnlockConnector", connectorId=1) == "Unlocked"
    stop = await t.csms.next("StopTransaction")
    assert stop.payload["reason"] == "UnlockCommand"
    await t.csms.status(1, "Finishing")
    t.plug_out()
    await t.csms.status(1, "Available")


@story("UC-2", "TC_017_2", "TC_018_2", "TC_031", quick=True)
async def an_attached_cable_has_no_lock(t: Bench):
    await t.up(detachable_cable=False)
    assert await t.csms.ask("UnlockConnector", connectorId=1) == "NotSupported"
    await t.charging()
    assert await t.csms.ask("UnlockConnector", connectorId=1) == "NotSupported"
    await t.csms.none("StopTransaction", 0.7)
    assert await t.csms.ask("UnlockConnector", connectorId=9) == "NotSupported"
    answer = await t.csms.ask("UnlockConnector", connectorId=0)
    assert answer in {"NotSupported", "PropertyConstraintViolation"}


@story("UC-3", "TC_030", quick=True)
async def a_jammed_lock_fails(t: Bench):
    await t.up()
    t.plug_in()
    t.swipe()
    await t.csms.status(1, "Charging")
    t.tell("lock_failure", connector=1, failing=True)
    await asyncio.sleep(0.2)
    assert await t.csms.ask("UnlockConnector", connectorId=1) == "UnlockFailed"
    await t.csms.next("StatusNotification", connectorId=1, errorCode="ConnectorLockFailure")


@story("RE-1", "RE-2", "BOOT-1", "TC_014", quick=True)
async def a_soft_reset_without_transaction(t: Bench):
    await t.up()
    assert await t.csms.ask("Reset", type="Soft") == "Accepted"
    boot = await t.booted()
    assert boot.link == 1, "RE-1: the software restarts, so does the link"


@story("RE-1", "RE-2", "RE-3", "ST-13", "TC_013", quick=True)
async def a_hard_reset_without_transaction(t: Bench):
    await t.up()
    assert await t.csms.ask("ChangeAvailability", connectorId=1, type="Inoperative") == "Accepted"
    await t.csms.status(1, "Unavailable")
    assert await t.csms.ask("Reset", type="Hard") == "Accepted"
    boot = await t.csms.next("BootNotification")
    assert boot.link == 1
    for connector, status in ((0, "Available"), (1, "Unavailable"), (2, "Available")):
        await t.csms.status(connector, status)


@story("RE-4", quick=True)
async def a_reset_that_fails_is_tried_again_and_then_given_up(t: Bench):
    await t.up(keys={"ResetRetries": "2"}, reboot_delay_s=1)
    t.tell("fault", connector=0, error_code="ResetFailure")
    await t.csms.status(0, "Faulted", errorCode="ResetFailure")
    asked = asyncio.get_running_loop().time()
    assert await t.csms.ask("Reset", type="Hard") == "Accepted"
    told = await t.csms.next("StatusNotification", connectorId=0, errorCode="ResetFailure")
    assert told.at - asked >= 2.5, "three attempts, each as long as a reboot"
    assert len(t.csms.links) == len(t.csms.all("BootNotification")) == 1
    t.tell("clear_fault", connector=0)
    await t.csms.status(0, "Available")
    assert await t.csms.ask("Reset", type="Hard") == "Accepted"
    await t.csms.next("BootNotification")


@story("RE-1", "RE-2", "RE-4", "TC_016", quick=True)
async def a_soft_reset_ends_transactions_first(t: Bench):
    await t.up()
    await t.charging(1, "A")
    await t.charging(2, "B")
    order = len(t.csms.calls)
    assert await t.csms.ask("Reset", type="Soft") == "Accepted"
    stops = [await t.csms.next("StopTransaction") for _ in range(2)]
    assert {stop.payload["reason"] for stop in stops} == {"SoftReset"}
    assert {stop.link for stop in stops} == {0}, "before the restart"
    await t.csms.next("BootNotification")
    assert t.csms.calls[order:]
    for connector in (1, 2):
        told = await t.csms.until(
            lambda connector=connector: [
                call for call in t.csms.all("StatusNotification", connectorId=connector) if call.link == 1
            ],
            "a status after the restart",
        )
        assert told[0].payload["status"] in {"Finishing", "Preparing"}
    await t.csms.none("StartTransaction", 1)


@story("RE-1", "TX-6", "TC_015", quick=True)
async def a_hard_reset_ends_transactions_too(t: Bench):
    await t.up()
    transaction = await t.charging()
    assert await t.csms.ask("Reset", type="Hard") == "Accepted"
    stop = await t.csms.next("StopTransaction")
    assert stop.payload["reason"] == "HardReset"
    assert stop.payload["transactionId"] == transaction
    await t.csms.next("BootNotification")
    await t.csms.none("StopTransaction", 1)


@story("RE-1", "Q-5")
async def a_soft_reset_does_not_wait_for_ever(t: Bench):
    t.csms.call_timeout_s = 1.5
    await t.up(keys={"confBasicTime": "2", "TransactionMessageRetryInterval": "1"})
    transaction = await t.charging()
    t.csms.policies["StopTransaction"] = lambda _: SILENCE
    assert await t.csms.ask("Reset", type="Soft") == "Accepted"
    await t.csms.next("StopTransaction", reason="SoftReset")
    await t.csms.next("BootNotification", 40)
    t.csms.policies.clear()
    t.csms.forget()
    stop = await t.csms.next("StopTransaction", 40)
    assert stop.payload["reason"] == "SoftReset"
    assert stop.payload["transactionId"] == transaction


@story("RE-1")
async def a_reset_in_mid_reset(t: Bench):
    await t.up(reboot_delay_s=2)
    assert await t.csms.ask("Reset", type="Hard") == "Accepted"
    t.plug_in()
    t.swipe()
    await t.csms.next("BootNotification", 15)
    await t.csms.status(1, "Preparing")
    await t.csms.none("StartTransaction", 0.5)


@story("RE-2", "BOOT-1")
async def the_restart_takes_its_time(t: Bench):
    await t.up(reboot_delay_s=3)
    loop = asyncio.get_running_loop()
    assert await t.csms.ask("Reset", type="Hard") == "Accepted"
    began = loop.time()
    boot = await t.csms.next("BootNotification", 15)
    assert 2.5 <= boot.at - began <= 8


@story("CMD-1", "RS-1")
async def answers_come_before_the_acts(t: Bench):
    await t.up()
    t.plug_in()
    await t.csms.status(1, "Preparing")
    seen: list[int] = []
    t.csms.policies["Authorize"] = lambda _: seen.append(len(t.csms.answers)) or Refusal("GenericError")
    before = len(t.csms.answers)
    assert await t.csms.ask("RemoteStartTransaction", idTag="R", connectorId=1) == "Accepted"
    await t.csms.next("Authorize")
    assert seen == [before + 1]
