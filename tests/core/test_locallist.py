"""ClearCache, SendLocalList and GetLocalListVersion as a station answers them; what it remembers of tags."""

import pytest

from stations.core.events import SeedCache
from stations.core.plan import Personality
from stations.errors import PlanError
from tests.support.bench import bench

LISTED = {"LocalAuthListEnabled": "true", "LocalPreAuthorize": "true"}
CACHED = {"AuthorizationCacheEnabled": "true", "LocalPreAuthorize": "true"}


def entry(tag, status="Accepted", **info):
    return {"idTag": tag, "idTagInfo": {"status": status, **info}}


def send(station, version, entries=None, kind="Full"):
    lists = {} if entries is None else {"localAuthorizationList": entries}
    return station.command("SendLocalList", listVersion=version, updateType=kind, **lists)["status"]


def version(station):
    return station.command("GetLocalListVersion")["listVersion"]


def test_while_disabled_the_list_is_not_supported():
    """LL-5, LV-1: -1 and NotSupported until LocalAuthListEnabled is true; then 0 for an empty list."""
    station = bench()
    assert version(station) == -1
    assert send(station, 1, [entry("A")]) == "NotSupported"
    assert station.command("ChangeConfiguration", key="LocalAuthListEnabled", value="true") == {
        "status": "Accepted"
    }
    assert version(station) == 0


def test_full_and_differential_updates():
    """LL-1, LL-2, LV-1 (TC_043)."""
    station = bench(keys=LISTED)
    assert send(station, 5, [entry("A"), entry("B")]) == "Accepted"
    assert send(station, 4, [entry("C")], "Differential") == "VersionMismatch"
    assert version(station) == 5
    assert send(station, 6, [{"idTag": "A"}], "Differential") == "Accepted"
    assert version(station) == 6
    assert send(station, 7) == "Accepted"
    assert version(station) == 0


@pytest.mark.parametrize(
    ("listed", "entries"),
    [
        ({"SendLocalListMaxLength": "1"}, [entry("A"), entry("B")]),
        ({"LocalAuthListMaxLength": "1"}, [entry("A"), entry("B")]),
        ({}, [entry("A"), entry("a")]),
        ({}, [{"idTag": "A"}]),
    ],
)
def test_a_bad_list_fails_as_a_whole(listed, entries):
    """LL-3, LL-4: the keys bound it, duplicates and missing idTagInfo fail, versions must be positive."""
    station = bench(keys=LISTED | listed)
    assert send(station, 1, entries) == "Failed"
    assert send(station, -1, [entry("A")]) == "Failed"
    assert version(station) == 0


def test_a_listed_tag_starts_without_being_asked_about():
    """AUTH-1, AUTH-2 (TC_008): LocalPreAuthorize and a valid entry of the list."""
    station = bench(keys=LISTED)
    send(station, 1, [entry("GOOD"), entry("BAD", "Blocked")])
    station.plug().swipe("good")
    assert station.sent("Authorize") == []
    assert len(station.sent("StartTransaction")) == 1


def test_a_listed_tag_that_is_not_valid_is_asked_about():
    """AUTH-3: the list may be out of date."""
    station = bench(keys=LISTED)
    send(station, 1, [entry("BAD", "Blocked")])
    station.plug().swipe("BAD")
    assert len(station.sent("Authorize")) == 1


def test_offline_the_list_decides():
    """AUTH-4, AUTH-5: valid entries start, refused ones do not though unknown tags may."""
    keys = LISTED | {"LocalAuthorizeOffline": "true", "AllowOfflineTxForUnknownId": "true"}
    station = bench(keys=keys)
    send(station, 1, [entry("GOOD"), entry("BAD", "Invalid"), entry("OLD", expiryDate=station.time(-1))])
    station.cut(stay_down=True).plug()
    for tag in ("BAD", "OLD"):
        station.swipe(tag)
        assert station.station.connectors[1].transaction is None
    station.swipe("GOOD")
    assert station.station.connectors[1].transaction is not None


def test_what_the_central_system_says_is_remembered():
    """CACHE-1, AUTH-2 (TC_007): the second time nobody is asked."""
    station = bench(keys=CACHED)
    station.plug().swipe("T").swipe("T").run(5)
    asked = len(station.sent("Authorize"))
    station.unplug().run(5)
    station.plug().swipe("t").run(5)
    assert len(station.sent("Authorize")) == asked == 1
    assert len(station.sent("StartTransaction")) == 2


def test_the_cache_outlives_a_reset_and_clear_cache_empties_it():
    """CACHE-2, CACHE-3, RE-3."""
    station = bench(keys=CACHED)
    station.feed(SeedCache("SEEDED", "Accepted"))
    station.command("Reset", type="Hard")
    station.run(120)
    assert station.station.tokens.cache_length == 1
    assert station.command("ClearCache") == {"status": "Accepted"}
    assert station.station.tokens.cache_length == 0
    station.plug().swipe("SEEDED")
    assert len(station.sent("Authorize")) == 1


def test_clear_cache_is_accepted_while_the_cache_is_off():
    """CACHE-3, D."""
    assert bench().command("ClearCache") == {"status": "Accepted"}


def test_a_seeded_status_must_exist():
    with pytest.raises(PlanError, match="unknown idTagInfo status 'Maybe'"):
        bench().feed(SeedCache("T", "Maybe"))


def test_a_refusal_of_a_listed_tag_is_a_conflict():
    """LIST-1: StatusNotification for connector 0, LocalListConflict, status unchanged; the list stays."""
    station = bench(keys=LISTED, personality=Personality.SPEC)
    send(station, 3, [entry("GOOD")])
    station.answer["StartTransaction"] = {"transactionId": 1, "idTagInfo": {"status": "Invalid"}}
    station.plug().swipe("GOOD").run(1)
    told = [call.payload for call in station.sent("StatusNotification") if call.payload["connectorId"] == 0]
    assert (told[-1]["errorCode"], told[-1]["status"]) == ("LocalListConflict", "Available")
    assert version(station) == 3


def test_the_list_survives_a_power_cut_and_touches_no_running_transaction():
    """LL-6, BOOT-11."""
    station = bench(keys=LISTED)
    station.plug().swipe("A").run(5)
    send(station, 9, [entry("A", "Blocked")])
    assert station.station.connectors[1].transaction is not None
    kept = station.station.snapshot()
    fresh = bench(keys=LISTED, power=False)
    fresh.station.restore(kept)
    fresh.power()
    assert version(fresh) == 9
