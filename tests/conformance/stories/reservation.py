"""Reservations and the local list (section 10)."""

import asyncio

from tests.conformance.bench import Bench
from tests.conformance.centre import Refusal, now_text
from tests.conformance.stories.authorization import LISTED, entry, send_list
from tests.conformance.story import story

FAR = "2099-01-01T00:00:00Z"


async def reserve(t: Bench, number: int, connector: int = 1, tag: str = "R", until: str = FAR, **more) -> str:
    return await t.csms.ask(
        "ReserveNow", connectorId=connector, expiryDate=until, idTag=tag, reservationId=number, **more
    )


@story("RN-1", "RN-4", "RN-5", "TC_046", quick=True)
async def a_reservation_is_kept_and_used(t: Bench):
    await t.up()
    assert await reserve(t, 7) == "Accepted"
    await t.csms.status(1, "Reserved")
    t.swipe("OTHER")
    await t.csms.none("StartTransaction", 0.5)
    t.plug_in()
    t.swipe("OTHER")
    await t.csms.none("StartTransaction", 0.7)
    t.swipe("R")
    start = await t.csms.next("StartTransaction")
    assert start.payload["reservationId"] == 7
    assert start.payload["idTag"] == "R"
    t.swipe("R")
    t.plug_out()
    await t.csms.status(1, "Available")


@story("RN-3", "RN-5", "TC_047", quick=True)
async def a_reservation_expires(t: Bench):
    await t.up()
    assert await reserve(t, 7, until=now_text(3)) == "Accepted"
    reserved = await t.csms.status(1, "Reserved")
    available = await t.csms.status(1, "Available")
    assert 1 <= available.at - reserved.at <= 5
    assert await reserve(t, 8, until=now_text(-10)) == "Rejected"


@story("RN-1", "TC_048", quick=True)
async def reservations_that_cannot_be(t: Bench):
    await t.up()
    await t.charging(1)
    assert await reserve(t, 1, 1) == "Occupied"
    t.tell("fault", connector=2, error_code="GroundFailure")
    await t.csms.status(2, "Faulted")
    assert await reserve(t, 1, 2) == "Faulted"
    t.tell("clear_fault", connector=2)
    assert await t.csms.ask("ChangeAvailability", connectorId=2, type="Inoperative") == "Accepted"
    await t.csms.status(2, "Unavailable")
    assert await reserve(t, 1, 2) == "Unavailable"


@story("RN-1", "RN-6", "CR-1")
async def the_same_id_replaces(t: Bench):
    await t.up()
    assert await reserve(t, 0, 1, "A") == "Accepted"
    await t.csms.status(1, "Reserved")
    assert await reserve(t, 0, 2, "B") == "Accepted"
    await t.csms.status(2, "Reserved")
    await t.csms.status(1, "Available")
    assert await reserve(t, 5, 2, "C") == "Occupied"
    t.plug_in(2)
    t.swipe("B", 2)
    start = await t.csms.next("StartTransaction")
    assert start.payload["reservationId"] == 0


@story("CR-1", "TC_051", "TC_052", quick=True)
async def a_reservation_is_cancelled(t: Bench):
    await t.up()
    assert await t.csms.ask("CancelReservation", reservationId=7) == "Rejected"
    assert await reserve(t, 7) == "Accepted"
    await t.csms.status(1, "Reserved")
    assert await t.csms.ask("CancelReservation", reservationId=8) == "Rejected"
    assert await t.csms.ask("CancelReservation", reservationId=7) == "Accepted"
    await t.csms.status(1, "Available")
    t.plug_in()
    t.swipe("R")
    start = await t.csms.next("StartTransaction")
    assert "reservationId" not in start.payload


@story("RN-2", "TC_050", quick=True)
async def connector_zero_keeps_one_side_free(t: Bench):
    await t.up()
    assert await reserve(t, 3, 0) == "Accepted"
    await t.charging(1, "X")
    t.plug_in(2)
    t.swipe("Y", 2)
    await t.csms.none("StartTransaction", 0.7, connectorId=2)
    t.swipe("R", 2)
    start = await t.csms.next("StartTransaction", connectorId=2)
    assert start.payload["reservationId"] == 3
    assert await reserve(t, 4, 0) == "Occupied"


@story("RN-2", "TC_049")
async def connector_zero_of_a_one_sided_station(t: Bench):
    await t.up(connectors=1)
    assert await reserve(t, 3, 0) == "Accepted"
    await t.csms.status(1, "Reserved")
    t.plug_in()
    t.swipe("R")
    start = await t.csms.next("StartTransaction")
    assert start.payload["reservationId"] == 3


@story("RN-2")
async def connector_zero_may_be_unsupported(t: Bench):
    await t.up(keys={"ReserveConnectorZeroSupported": "false"})
    assert await reserve(t, 3, 0) == "Rejected"


@story("RN-4", "TC_053", quick=True)
async def a_parent_may_use_the_reservation(t: Bench):
    t.csms.tags = {
        "CHILD": {"status": "Accepted", "parentIdTag": "P"},
        "STRANGER": {"status": "Accepted", "parentIdTag": "Q"},
    }
    await t.up()
    assert await reserve(t, 7, parentIdTag="P") == "Accepted"
    await t.csms.status(1, "Reserved")
    t.plug_in()
    t.swipe("STRANGER")
    await t.csms.next("Authorize", idTag="STRANGER")
    await t.csms.none("StartTransaction", 0.7)
    t.swipe("CHILD")
    await t.csms.next("Authorize", idTag="CHILD")
    start = await t.csms.next("StartTransaction")
    assert start.payload["reservationId"] == 7
    assert start.payload["idTag"] == "CHILD"


@story("RN-5", "BOOT-11", "RE-3")
async def a_reservation_survives_power_loss(t: Bench):
    await t.up()
    assert await reserve(t, 7) == "Accepted"
    await t.csms.status(1, "Reserved")
    await t.replace()
    t.power_on()
    await t.csms.next("BootNotification")
    await t.csms.status(1, "Reserved")
    assert await t.csms.ask("CancelReservation", reservationId=7) == "Accepted"


@story("RN-5", "CA-4")
async def faults_and_unavailability_end_reservations(t: Bench):
    await t.up()
    assert await reserve(t, 7, 1) == "Accepted"
    await t.csms.status(1, "Reserved")
    t.tell("fault", connector=1, error_code="GroundFailure")
    await t.csms.status(1, "Faulted")
    t.tell("clear_fault", connector=1)
    await t.csms.status(1, "Available")
    assert await t.csms.ask("CancelReservation", reservationId=7) == "Rejected"
    assert await reserve(t, 8, 2) == "Accepted"
    assert await t.csms.ask("ChangeAvailability", connectorId=2, type="Inoperative") == "Accepted"
    await t.csms.status(2, "Unavailable")
    assert await t.csms.ask("CancelReservation", reservationId=8) == "Rejected"


@story("LV-1", "LL-1", "LL-2", "TC_042", "TC_043_1", "TC_043_2", quick=True)
async def the_local_list(t: Bench):
    async def version() -> int:
        return (await t.csms.call("GetLocalListVersion"))["listVersion"]

    await t.up(keys={**LISTED, "LocalPreAuthorize": "true"})
    assert await version() == 0
    assert await send_list(t, 5, entry("A"), entry("B")) == "Accepted"
    assert await version() == 5
    assert await send_list(t, 4, entry("C"), kind="Differential") == "VersionMismatch"
    assert await send_list(t, 5, entry("C"), kind="Differential") == "VersionMismatch"
    assert await version() == 5
    assert await send_list(t, 6, entry("C"), entry("A", None), kind="Differential") == "Accepted"
    assert await version() == 6
    for tag, asked in (("A", True), ("B", False), ("C", False)):
        t.csms.forget()
        t.plug_in()
        t.swipe(tag)
        await t.csms.next("StartTransaction", idTag=tag)
        assert bool(t.csms._untold("Authorize", {"idTag": tag})) is asked, tag
        t.plug_out()
        await t.csms.status(1, "Available")
    assert await send_list(t, 2, entry("Z")) == "Accepted", "LL-2: Full may go down"
    assert await version() == 2
    assert await t.csms.ask("SendLocalList", listVersion=3, updateType="Full") == "Accepted"
    assert await version() == 0


@story("LL-3", "LL-4")
async def lists_that_cannot_be(t: Bench):
    await t.up(keys={**LISTED, "SendLocalListMaxLength": "3", "LocalAuthListMaxLength": "4"})
    assert await send_list(t, 1, entry("A"), entry("B")) == "Accepted"
    for version, entries, kind in (
        (2, [entry("C", None)], "Full"),
        (2, [entry("C"), entry("c")], "Full"),
        (2, [entry(f"N{n}") for n in range(4)], "Full"),
        (2, [entry(f"N{n}") for n in range(3)], "Differential"),
        (-1, [entry("C")], "Full"),
        (0, [entry("C")], "Full"),
    ):
        assert await send_list(t, version, *entries, kind=kind) == "Failed", (version, entries, kind)
        assert (await t.csms.call("GetLocalListVersion"))["listVersion"] == 1
    assert await send_list(t, 2, kind="Differential") == "Accepted"
    assert (await t.csms.call("GetLocalListVersion"))["listVersion"] == 2


@story("LV-1", "LL-5", "TC_042_1", quick=True)
async def a_disabled_list(t: Bench):
    await t.up(keys={"LocalAuthListEnabled": "false"})
    answer = await t.csms.call("GetLocalListVersion")
    assert (isinstance(answer, Refusal) and answer.code == "NotSupported") or answer == {"listVersion": -1}
    assert await send_list(t, 1, entry("A")) == "NotSupported"


@story("LL-6", "BOOT-11")
async def the_list_survives_a_kill(t: Bench):
    await t.up(keys={**LISTED, "LocalPreAuthorize": "true"})
    assert await send_list(t, 9, entry("A")) == "Accepted"
    await t.replace()
    t.power_on()
    await t.booted()
    assert (await t.csms.call("GetLocalListVersion"))["listVersion"] == 9
    t.plug_in()
    t.swipe("A")
    await t.csms.next("StartTransaction")
    assert not t.csms.all("Authorize")


@story("LL-6", "LL-1")
async def a_new_list_does_not_touch_a_transaction(t: Bench):
    await t.up(keys=LISTED)
    assert await send_list(t, 1, entry("A")) == "Accepted"
    await t.charging(tag="A")
    assert await send_list(t, 2, entry("A", "Blocked")) == "Accepted"
    await t.csms.none("StopTransaction", 1)
    await asyncio.sleep(0)
