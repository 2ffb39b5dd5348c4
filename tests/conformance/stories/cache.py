"""Section 5: the authorization cache."""

import asyncio

from tests.conformance.bench import Bench
from tests.conformance.centre import now_text
from tests.conformance.stories.authorization import CACHED
from tests.conformance.story import story


@story("CACHE-1", "CACHE-3", quick=True)
async def answers_fill_the_cache_and_clear_cache_empties_it(t: Bench):
    await t.up(keys={**CACHED, "LocalPreAuthorize": "true"})
    for round_number in range(3):
        if round_number == 2:
            assert await t.csms.ask("ClearCache") == "Accepted"
        t.plug_in()
        t.swipe("NEW")
        await t.csms.next("StartTransaction")
        t.swipe("NEW")
        await t.csms.next("StopTransaction")
        t.plug_out()
        await t.csms.status(1, "Available")
    assert len(t.csms.all("Authorize")) == 2, "asked at first and after ClearCache"


@story("CACHE-1")
async def a_refused_start_is_remembered(t: Bench):
    await t.up(keys={**CACHED, "LocalPreAuthorize": "true", "StopTransactionOnInvalidId": "true"})
    t.tell("seed_cache", id_tag="X", status="Accepted")
    t.csms.tags["X"] = {"status": "Blocked"}
    t.plug_in()
    t.swipe("X")
    await t.csms.next("StopTransaction", reason="DeAuthorized")
    assert not t.csms.all("Authorize")
    t.swipe("X")
    t.plug_out()
    await t.csms.status(1, "Available")
    t.plug_in()
    t.swipe("X")
    await t.csms.next("Authorize")


@story("CACHE-1")
async def a_stop_answer_is_remembered(t: Bench):
    await t.up(keys={**CACHED, "LocalPreAuthorize": "true"})
    await t.charging(tag="X")
    t.csms.policies["StopTransaction"] = lambda _: {"idTagInfo": {"status": "Blocked"}}
    t.swipe("X")
    await t.csms.next("StopTransaction")
    t.plug_out()
    await t.csms.status(1, "Available")
    t.csms.forget()
    t.plug_in()
    t.swipe("X")
    await t.csms.next("Authorize")


@story("CACHE-3", "CACHE-1")
async def a_disabled_cache_is_neither_asked_nor_filled(t: Bench):
    await t.up(keys={"AuthorizationCacheEnabled": "false", "LocalPreAuthorize": "true"})
    t.tell("seed_cache", id_tag="X", status="Accepted")
    for _ in range(2):
        t.plug_in()
        t.swipe("X")
        await t.csms.next("Authorize")
        await t.csms.next("StartTransaction")
        t.plug_out()
        await t.csms.status(1, "Available")
    assert await t.csms.ask("ClearCache") in {"Accepted", "Rejected"}


@story("CACHE-2", "BOOT-11", "RE-3")
async def the_cache_survives_reset_and_power_cut(t: Bench):
    await t.up(keys={**CACHED, "LocalPreAuthorize": "true"})
    t.tell("seed_cache", id_tag="X", status="Accepted")
    assert await t.csms.ask("Reset", type="Hard") == "Accepted"
    await t.booted()
    t.tell("power_off")
    await asyncio.sleep(0.3)
    t.power_on()
    await t.booted()
    t.plug_in()
    t.swipe("X")
    await t.csms.next("StartTransaction")
    assert not t.csms.all("Authorize")


@story("CACHE-2")
async def a_cache_entry_expires(t: Bench):
    await t.up(keys={**CACHED, "LocalPreAuthorize": "true"})
    t.csms.tags["X"] = {"status": "Accepted", "expiryDate": now_text(4)}
    await t.charging(tag="X")
    t.swipe("X")
    await t.csms.next("StopTransaction")
    t.plug_out()
    await t.csms.status(1, "Available")
    await asyncio.sleep(4.5)
    count = len(t.csms.all("Authorize"))
    t.plug_in()
    t.swipe("X")
    await t.csms.next("StartTransaction", within_s=8)
    assert len(t.csms.all("Authorize")) == count + 1
