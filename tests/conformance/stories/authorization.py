"""Section 5: badges, lists, caches."""

import asyncio

from tests.conformance.bench import Bench
from tests.conformance.centre import SILENCE, Refusal, now_text
from tests.conformance.story import story

OFFLINE = {"LocalAuthorizeOffline": "true"}
LISTED = {"LocalAuthListEnabled": "true"}
CACHED = {"AuthorizationCacheEnabled": "true"}


async def send_list(t: Bench, version: int, *entries: dict, kind: str = "Full") -> str:
    return await t.csms.ask(
        "SendLocalList", listVersion=version, updateType=kind, localAuthorizationList=list(entries)
    )


def entry(tag: str, status: str | None = "Accepted", **info) -> dict:
    if status is None:
        return {"idTag": tag}
    return {"idTag": tag, "idTagInfo": {"status": status, **info}}


@story("AUTH-1", "ST-3", "TX-1", "TC_003", quick=True)
async def plug_first(t: Bench):
    await t.up()
    t.plug_in()
    await t.csms.status(1, "Preparing")
    await t.csms.none("Authorize", 0.5)
    t.swipe("TAG1")
    authorize = await t.csms.next("Authorize")
    assert authorize.payload == {"idTag": "TAG1"}
    start = await t.csms.next("StartTransaction")
    assert start.payload["connectorId"] == 1
    assert start.payload["idTag"] == "TAG1"
    assert "reservationId" not in start.payload
    await t.csms.status(1, "Charging")
    t.swipe("TAG1")
    stop = await t.csms.next("StopTransaction")
    assert stop.payload["idTag"] == "TAG1"
    assert stop.payload.get("reason", "Local") == "Local"
    await t.csms.status(1, "Finishing")
    t.plug_out()
    await t.csms.status(1, "Available")
    shown = [call.payload["status"] for call in t.csms.all("StatusNotification", connectorId=1)]
    assert shown == ["Available", "Preparing", "Charging", "Finishing", "Available"]
    assert len(t.csms.all("Authorize")) == 1


@story("AUTH-1", "ST-3", "TC_004_1", quick=True)
async def badge_first(t: Bench):
    await t.up()
    t.swipe()
    await t.csms.next("Authorize")
    await t.csms.status(1, "Preparing")
    await t.csms.none("StartTransaction", 0.5)
    t.plug_in()
    await t.csms.next("StartTransaction")
    await t.csms.status(1, "Charging")
    assert len(t.csms.all("StatusNotification", connectorId=1, status="Preparing")) == 1


@story("AUTH-6", "TC_023", quick=True)
async def a_refused_badge_starts_nothing(t: Bench):
    await t.up()
    t.plug_in()
    await t.csms.status(1, "Preparing")
    for status in ("Blocked", "Expired", "Invalid", "ConcurrentTx"):
        t.csms.tags["BAD"] = {"status": status}
        t.swipe("BAD")
        await t.csms.next("Authorize")
        await t.csms.none("StartTransaction", 0.4)
    t.swipe("BAD", 2)
    await t.csms.next("Authorize")
    await asyncio.sleep(0.3)
    last = {call.payload["connectorId"]: call.payload["status"] for call in t.csms.all("StatusNotification")}
    assert last == {0: "Available", 1: "Preparing", 2: "Available"}
    t.swipe("GOOD", 1)
    await t.csms.next("StartTransaction")


@story("AUTH-7", "RPC-4")
async def no_answer_or_an_error_is_no_authorization(t: Bench):
    await t.up(keys={"confAuthorizeTime": "1"})
    t.csms.call_timeout_s = 0.9
    t.plug_in()
    t.csms.policies["Authorize"] = lambda _: Refusal("InternalError")
    t.swipe()
    await t.csms.next("Authorize")
    await t.csms.none("StartTransaction", 0.5)
    t.csms.policies["Authorize"] = lambda _: SILENCE
    t.swipe()
    await t.csms.next("Authorize")
    await t.csms.none("StartTransaction", 2.5)
    t.csms.policies.clear()
    t.swipe()
    await t.csms.next("StartTransaction")


@story("AUTH-2", "CACHE-1", "TC_007", quick=True)
async def a_cached_badge_starts_without_asking(t: Bench):
    await t.up(keys={**CACHED, "LocalPreAuthorize": "true"})
    t.tell("seed_cache", id_tag="KNOWN", status="Accepted")
    t.plug_in()
    t.swipe("known")
    await t.csms.next("StartTransaction")
    assert not t.csms.all("Authorize")


@story("AUTH-2")
async def without_preauthorization_the_centre_is_always_asked(t: Bench):
    await t.up(keys={**CACHED, **LISTED, "LocalPreAuthorize": "false"})
    assert await send_list(t, 1, entry("KNOWN")) == "Accepted"
    t.plug_in()
    t.swipe("KNOWN")
    await t.csms.next("Authorize")
    await t.csms.next("StartTransaction")


@story("AUTH-2", "TC_008", quick=True)
async def a_listed_badge_starts_without_asking(t: Bench):
    await t.up(keys={**LISTED, "LocalPreAuthorize": "true"})
    assert await send_list(t, 1, entry("KNOWN")) == "Accepted"
    t.plug_in()
    t.swipe("KNOWN")
    await t.csms.next("StartTransaction")
    assert not t.csms.all("Authorize")


@story("AUTH-3", "CACHE-2")
async def entries_that_are_not_valid_are_asked_about(t: Bench):
    await t.up(keys={**LISTED, **CACHED, "LocalPreAuthorize": "true"})
    past = now_text(-60)
    entries = (entry("B", "Blocked"), entry("E", "Accepted", expiryDate=past))
    assert await send_list(t, 1, *entries) == "Accepted"
    t.tell("seed_cache", id_tag="C", status="Expired")
    for tag in ("B", "E", "C"):
        t.plug_in()
        t.swipe(tag)
        authorize = await t.csms.next("Authorize")
        assert authorize.payload["idTag"] == tag
        await t.csms.next("StartTransaction")
        t.plug_out()
        await t.csms.status(1, "Available")


@story("AUTH-5", "LIST-1")
async def the_list_is_stronger_than_the_cache(t: Bench):
    await t.up(keys={**LISTED, **CACHED, "LocalPreAuthorize": "true"})
    t.tell("seed_cache", id_tag="X", status="Accepted")
    assert await send_list(t, 1, entry("X", "Blocked")) == "Accepted"
    t.csms.tags["X"] = {"status": "Invalid"}
    t.plug_in()
    t.swipe("X")
    await t.csms.next("Authorize")
    await t.csms.none("StartTransaction", 0.5)


@story("LIST-1", quick=True)
async def a_contradicted_list_is_reported(t: Bench):
    await t.up(keys={**LISTED, "LocalPreAuthorize": "true"})
    assert await send_list(t, 1, entry("X")) == "Accepted"
    t.csms.tags["X"] = {"status": "Blocked"}
    t.plug_in()
    t.swipe("X")
    await t.csms.next("StartTransaction")
    await t.csms.status(0, "Available", errorCode="LocalListConflict")


@story("AUTH-4", "TX-9", "TC_037", quick=True)
async def offline_unknown_badges_need_their_key(t: Bench):
    await t.up(relayed=True, keys=OFFLINE)
    assert t.relay
    t.relay.cut()
    t.plug_in()
    t.swipe("UNKNOWN")
    await asyncio.sleep(1)
    t.relay.mend()
    await t.csms.until(lambda: len(t.csms.links) >= 2, "back", 15)
    await t.csms.none("StartTransaction", 1)
    assert await t.csms.configure("AllowOfflineTxForUnknownId", "true") == "Accepted"
    t.relay.cut()
    await asyncio.sleep(0.3)
    t.swipe("UNKNOWN")
    await asyncio.sleep(0.3)
    t.relay.mend()
    start = await t.csms.next("StartTransaction", 20)
    assert start.payload["idTag"] == "UNKNOWN"


@story("AUTH-4")
async def offline_rules_for_listed_and_cached_badges(t: Bench):
    keys = {**OFFLINE, **LISTED, **CACHED, "AllowOfflineTxForUnknownId": "true"}
    await t.up(relayed=True, keys=keys)
    assert t.relay
    past = now_text(-5)
    listed = (entry("L-BAD", "Blocked"), entry("L-OLD", expiryDate=past), entry("L-OK"))
    assert await send_list(t, 3, *listed) == "Accepted"
    t.tell("seed_cache", id_tag="C-BAD", status="Blocked")
    t.relay.cut()
    await asyncio.sleep(0.3)
    t.plug_in()
    for tag in ("L-BAD", "L-OLD", "C-BAD", "L-OK"):
        t.swipe(tag)
        await asyncio.sleep(0.3)
    t.relay.mend()
    start = await t.csms.next("StartTransaction", 20)
    assert start.payload["idTag"] == "L-OK"


@story("AUTH-4")
async def offline_nobody_starts_when_local_authorization_is_off(t: Bench):
    keys = {"LocalAuthorizeOffline": "false", **CACHED, "AllowOfflineTxForUnknownId": "true"}
    await t.up(relayed=True, keys=keys)
    assert t.relay
    t.tell("seed_cache", id_tag="C-OK", status="Accepted")
    t.relay.cut()
    await asyncio.sleep(0.3)
    t.plug_in()
    for tag in ("C-OK", "UNKNOWN"):
        t.swipe(tag)
        await asyncio.sleep(0.2)
    t.relay.mend()
    await t.csms.status(1, "Preparing", 20)
    await t.csms.none("StartTransaction", 1)


@story("AUTH-8", "TC_068", quick=True)
async def a_foreign_badge_stops_nothing(t: Bench):
    await t.up()
    await t.charging(tag="MINE")
    count = len(t.csms.all("Authorize"))
    t.swipe("OTHER")
    await t.csms.none("StopTransaction", 1)
    assert len(t.csms.all("Authorize")) == count
    t.swipe("MINE")
    await t.csms.next("StopTransaction")
    assert len(t.csms.all("Authorize")) == count


@story("AUTH-8", "TX-5", "TC_069", quick=True)
async def the_same_group_stops(t: Bench):
    t.csms.tags = {
        "MINE": {"status": "Accepted", "parentIdTag": "GROUP"},
        "OURS": {"status": "Accepted", "parentIdTag": "GROUP"},
        "THEIRS": {"status": "Accepted", "parentIdTag": "ELSE"},
        "LOST": {"status": "Blocked", "parentIdTag": "GROUP"},
    }
    await t.up()
    await t.charging(tag="MINE")
    t.csms.forget()
    for tag in ("THEIRS", "GROUP"):
        t.swipe(tag)
        await t.csms.next("Authorize", idTag=tag)
        await t.csms.none("StopTransaction", 0.5)
    t.swipe("OURS")
    await t.csms.next("Authorize", idTag="OURS")
    stop = await t.csms.next("StopTransaction")
    assert stop.payload["idTag"] == "OURS"


@story("AUTH-8")
async def a_group_in_the_local_list_stops_offline(t: Bench):
    keys = {**LISTED, **OFFLINE, "LocalPreAuthorize": "true"}
    await t.up(relayed=True, keys=keys)
    assert t.relay
    listed = (entry("A", parentIdTag="G"), entry("B", parentIdTag="G"))
    assert await send_list(t, 1, *listed) == "Accepted"
    t.csms.tags["A"] = {"status": "Accepted", "parentIdTag": "G"}
    await t.charging(tag="A")
    t.relay.cut()
    await asyncio.sleep(0.3)
    t.swipe("B")
    await asyncio.sleep(0.3)
    t.relay.mend()
    stop = await t.csms.next("StopTransaction", 20)
    assert stop.payload["idTag"] == "B"


@story("AUTH-9", quick=True)
async def the_same_badge_again_takes_it_back(t: Bench):
    await t.up()
    t.swipe()
    await t.csms.status(1, "Preparing")
    t.swipe()
    await t.csms.status(1, "Available")
    t.plug_in()
    await t.csms.status(1, "Preparing")
    await t.csms.none("StartTransaction", 0.7)


@story("AUTH-10")
async def a_badge_may_say_anything(t: Bench):
    await t.up()
    for tag in ('é€"\\/ ü', "x" * 20, "0", "{}"):
        t.plug_in()
        t.swipe(tag)
        start = await t.csms.next("StartTransaction", idTag=tag)
        t.swipe(tag)
        await t.csms.next("StopTransaction", transactionId=t.csms.next_transaction - 1)
        t.plug_out()
        await t.csms.status(1, "Available")
        assert start.payload["idTag"] == tag


@story("AUTH-1", "TX-11")
async def a_reader_that_does_not_know_the_side(t: Bench):
    await t.up()
    t.plug_in(2)
    await t.csms.status(2, "Preparing")
    t.swipe("A", None)
    start = await t.csms.next("StartTransaction")
    assert start.payload["connectorId"] == 2
    t.swipe("A", None)
    await t.csms.next("StopTransaction")


@story("TX-11", quick=True)
async def one_badge_on_both_sides(t: Bench):
    await t.up()
    await t.charging(1, "A")
    await t.charging(2, "A")
    assert not t.csms.all("StopTransaction")
    t.swipe("A", 2)
    stop = await t.csms.next("StopTransaction")
    assert stop.payload["transactionId"] == t.csms.next_transaction - 1
