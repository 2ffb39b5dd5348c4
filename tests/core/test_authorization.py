"""Tags: who may start, who may stop, what is remembered."""

import pytest

from stations.core.events import ClearFault, Fault, PlugOutEv, SeedCache, Swipe
from stations.core.plan import Personality
from stations.errors import PlanError
from tests.support.bench import SILENT, bench

SPEC = Personality.SPEC


def cached(status="Accepted", **keys):
    station = bench(keys={"AuthorizationCacheEnabled": "true", **keys})
    return station.feed(SeedCache("TAG1", status))


def listed(*entries, **keys):
    station = bench(keys={"LocalAuthListEnabled": "true", **keys})
    sent = station.command(
        "SendLocalList",
        listVersion=1,
        updateType="Full",
        localAuthorizationList=[{"idTag": tag, "idTagInfo": {"status": status}} for tag, status in entries],
    )
    assert sent == {"status": "Accepted"}
    return station


def offline(station):
    return station.cut(stay_down=True)


def test_nothing_flows_before_authorization():
    """AUTH-1, LG-6: Authorize exists, though the French guide omits it."""
    station = bench()
    station.answer["Authorize"] = SILENT
    station.plug().swipe().run(15)
    assert station.station.power_w(1, station.now) == 0
    assert not station.sent("StartTransaction")


@pytest.mark.parametrize("make", [cached, lambda **keys: listed(("TAG1", "Accepted"), **keys)])
@pytest.mark.parametrize("pre", [True, False])
def test_a_known_valid_tag_starts_at_once_only_if_local_pre_authorize_says_so(make, pre):
    """AUTH-1, AUTH-2 (TC_007, TC_008)."""
    station = make(LocalPreAuthorize="true" if pre else "false")
    station.plug().swipe()
    assert ("Authorize" in station.actions()) is not pre
    assert station.status() == "Charging"


@pytest.mark.parametrize("status", ["Blocked", "Expired", "Invalid"])
def test_a_known_tag_that_is_not_valid_is_asked_for_online(status):
    """AUTH-3: the entry may be out of date."""
    station = cached(status, LocalPreAuthorize="true")
    station.plug().swipe()
    assert "Authorize" in station.actions()
    assert station.status() == "Charging"


def test_an_entry_past_its_expiry_date_is_not_valid_any_more():
    """AUTH-3, CACHE-2."""
    station = bench(keys={"AuthorizationCacheEnabled": "true", "LocalPreAuthorize": "true"})
    station.answer["Authorize"] = {"idTagInfo": {"status": "Accepted", "expiryDate": station.time(100)}}
    station.swipe().run(61)
    station.swipe().run(61)
    station.swipe()
    assert len(station.sent("Authorize")) == 2


OFFLINE = [
    # LocalAuthorizeOffline, AllowOfflineTxForUnknownId, status in the cache, may start
    ("true", "false", "Accepted", True),
    ("true", "false", None, False),
    ("true", "true", None, True),
    ("true", "true", "Blocked", False),
    ("false", "true", None, False),
    ("false", "true", "Accepted", False),
]


@pytest.mark.parametrize(("local", "unknown", "status", "starts"), OFFLINE)
def test_offline_the_keys_decide(local, unknown, status, starts):
    """AUTH-4."""
    keys = {"LocalAuthorizeOffline": local, "AllowOfflineTxForUnknownId": unknown}
    station = bench(keys={"AuthorizationCacheEnabled": "true", **keys})
    if status is not None:
        station.feed(SeedCache("TAG1", status))
    offline(station).plug().swipe()
    assert station.status() == ("Charging" if starts else "Preparing")


def test_the_list_has_priority_over_the_cache():
    """AUTH-5: and ids of the list are not added to the cache."""
    station = listed(("TAG1", "Blocked"), AuthorizationCacheEnabled="true", LocalAuthorizeOffline="true")
    station.feed(SeedCache("TAG1", "Accepted"))
    station.swipe().run(61)
    assert station.station.tokens.cache_length == 1
    offline(station).plug().swipe()
    assert station.status() == "Preparing"


@pytest.mark.parametrize("status", ["Blocked", "Expired", "Invalid", "ConcurrentTx"])
@pytest.mark.parametrize("plugged", [True, False])
def test_a_refused_tag_starts_nothing_and_the_status_returns(status, plugged):
    """AUTH-6, TX-4 (TC_023)."""
    station = bench()
    station.answer["Authorize"] = {"idTagInfo": {"status": status}}
    if plugged:
        station.plug()
    before = station.status()
    station.swipe()
    assert station.status() == before
    assert not station.sent("StartTransaction")


@pytest.mark.parametrize("reply", [SILENT, "InternalError", "NotImplemented", {"idTagInfo": {}}])
def test_no_answer_is_no_authorization(reply):
    """AUTH-7."""
    station = bench(keys={"LocalAuthorizeOffline": "true", "AllowOfflineTxForUnknownId": "true"})
    station.answer["Authorize"] = reply
    station.plug().swipe().run(30)
    assert station.status() == "Preparing"


def test_a_link_that_dies_before_the_answer_leaves_it_to_the_offline_rules():
    """AUTH-7."""
    for unknown, status in (("true", "Charging"), ("false", "Preparing")):
        station = bench(keys={"LocalAuthorizeOffline": "true", "AllowOfflineTxForUnknownId": unknown})
        station.answer["Authorize"] = SILENT
        station.plug().swipe().cut()
        assert station.status() == status


def test_the_same_tag_stops_without_being_asked_for():
    """AUTH-8, RPC-10: case does not matter, and what was received is echoed."""
    station = bench()
    station.plug().swipe("Tag1").run(10).swipe("TAG1")
    assert len(station.sent("Authorize")) == 1
    stop = station.sent("StopTransaction")[0].payload
    assert (stop["reason"], stop["idTag"]) == ("Local", "TAG1")


def with_parent(station, parent="FAMILY"):
    station.answer["Authorize"] = {"idTagInfo": {"status": "Accepted", "parentIdTag": parent}}
    return station.plug().swipe("TAG1")


def test_a_tag_of_the_same_parent_stops():
    """AUTH-8 (TC_069): the presented tag is in StopTransaction."""
    station = with_parent(bench()).run(10).swipe("SISTER")
    stop = station.sent("StopTransaction")[0].payload
    assert (stop["reason"], stop["idTag"]) == ("Local", "SISTER")
    assert len(station.sent("Authorize")) == 2


@pytest.mark.parametrize("parent", ["OTHERS", "TAG1", None])
def test_a_tag_of_another_parent_is_ignored(parent):
    """AUTH-8: parents are compared with parents, never with a tag."""
    station = with_parent(bench()).run(10)
    info = {"status": "Accepted"} if parent is None else {"status": "Accepted", "parentIdTag": parent}
    station.answer["Authorize"] = {"idTagInfo": info}
    station.swipe("FAMILY")
    assert not station.sent("StopTransaction")
    assert station.status() == "Charging"


def test_nobody_is_asked_when_the_running_transaction_has_no_parent():
    """AUTH-8 (TC_068)."""
    station = bench()
    station.plug().swipe().run(10).swipe("STRANGER")
    assert len(station.sent("Authorize")) == 1
    assert station.status() == "Charging"


def test_a_group_stop_works_offline_from_the_list():
    """AUTH-8."""
    station = bench(keys={"LocalAuthListEnabled": "true", "LocalAuthorizeOffline": "true"})
    entries = [
        {"idTag": tag, "idTagInfo": {"status": "Accepted", "parentIdTag": "FAMILY"}}
        for tag in ("TAG1", "SISTER")
    ]
    station.command("SendLocalList", listVersion=1, updateType="Full", localAuthorizationList=entries)
    offline(station).plug().swipe("TAG1").run(5).swipe("SISTER")
    assert station.status() == "Finishing"


def test_the_same_tag_again_before_the_cable_takes_the_authorization_back():
    """AUTH-9: B1."""
    station = bench()
    station.swipe().run(2).swipe()
    assert station.statuses(1) == ["Available", "Preparing", "Available"]
    station.plug().run(5)
    assert not station.sent("StartTransaction")


def test_a_second_swipe_before_the_answer_takes_it_back_too():
    """AUTH-9: it is Preparing without a cable already; the answer on its way finds nobody."""
    station = bench()
    station.answer["Authorize"] = SILENT
    station.swipe().swipe()
    asked = station.sent("Authorize")
    assert len(asked) == 1
    assert station.status() == "Available"
    station.reply(asked[0], {"idTagInfo": {"status": "Accepted"}})
    station.plug().run(5)
    assert not station.sent("StartTransaction")


def test_a_second_swipe_with_the_cable_in_changes_nothing():
    """AUTH-9: only before the cable."""
    station = bench()
    station.answer["Authorize"] = SILENT
    station.plug().swipe().swipe()
    station.reply(station.sent("Authorize")[0], {"idTagInfo": {"status": "Accepted"}})
    assert len(station.sent("StartTransaction")) == 1


def test_tags_are_any_text():
    """AUTH-10: no hexadecimal assumption."""
    station = bench()
    station.plug().swipe("é/Ü 0x__________ end")
    assert station.sent("StartTransaction")[0].payload["idTag"] == "é/Ü 0x__________ end"


def test_every_confirmation_feeds_the_cache():
    """CACHE-1: Authorize, StartTransaction and StopTransaction.conf, valid or not."""
    station = bench(keys={"AuthorizationCacheEnabled": "true"})
    station.answer["StartTransaction"] = {
        "transactionId": 1,
        "idTagInfo": {"status": "Accepted", "parentIdTag": "P"},
    }
    station.answer["StopTransaction"] = {"idTagInfo": {"status": "Blocked"}}
    look = lambda: station.station.tokens.look_up("tag1", 0, list_enabled=False, cache_enabled=True)  # noqa: E731
    station.swipe()
    assert (look().status, look().parent_id_tag) == ("Accepted", None)
    station.plug()
    assert look().parent_id_tag == "P"
    station.swipe()
    assert look().status == "Blocked"


def test_a_cache_that_is_switched_off_is_neither_filled_nor_consulted_but_can_be_cleared():
    """CACHE-3."""
    station = bench()
    station.swipe()
    assert station.station.tokens is None
    assert station.command("ClearCache") == {"status": "Accepted"}
    station = cached(LocalPreAuthorize="true")
    assert station.command("ClearCache") == {"status": "Accepted"}
    station.swipe()
    assert len(station.sent("Authorize")) == 1


def test_the_cache_survives_a_power_cut():
    """CACHE-2 (E3.4)."""
    station = cached(LocalPreAuthorize="true")
    station.power(on=False).power().plug().swipe()
    assert not station.sent("Authorize")
    assert station.status() == "Charging"


def test_a_confirmation_that_contradicts_the_list_is_reported():
    """LIST-1: connector 0, LocalListConflict, status unchanged; the list stays as it is."""
    station = listed(("TAG1", "Accepted"), LocalPreAuthorize="true")
    station.answer["StartTransaction"] = {"transactionId": 4, "idTagInfo": {"status": "Blocked"}}
    station.plug().swipe()
    conflict = [
        call.payload for call in station.sent("StatusNotification") if call.payload["connectorId"] == 0
    ][-1]
    assert (conflict["errorCode"], conflict["status"]) == ("LocalListConflict", "Available")
    assert station.command("GetLocalListVersion") == {"listVersion": 1}


def test_an_unknown_status_for_the_cache_is_the_callers_error():
    with pytest.raises(PlanError, match="Perhaps"):
        bench().feed(SeedCache("TAG1", "Perhaps"))


# ---- the reader and its sides


def test_a_tag_that_runs_on_one_side_starts_on_the_other_when_the_reader_knows_the_side():
    """TX-11, TX-4: the same tag twice is left to the central system."""
    station = bench(connectors=2)
    station.plug(1).swipe("TAG1", 1)
    station.plug(2).swipe("TAG1", 2)
    assert [call.payload["connectorId"] for call in station.sent("StartTransaction")] == [1, 2]


def test_a_reader_that_does_not_know_the_side_stops_what_that_tag_started():
    """TX-11."""
    station = bench(connectors=2)
    station.plug(1).swipe("TAG1", 1).plug(2).swipe("TAG1")
    assert station.status(1) == "Finishing"
    assert len(station.sent("StartTransaction")) == 1


def test_a_reader_that_does_not_know_the_side_serves_the_one_that_waits():
    """TX-11, ST-3: a plugged side first; a tag before the cable follows the cable."""
    station = bench(connectors=2)
    station.plug(2).swipe("A")
    assert station.status(2) == "Charging"
    station = bench(connectors=2)
    station.swipe("A")
    assert station.status(1) == "Preparing"
    station.plug(2)
    assert (station.status(1), station.status(2)) == ("Available", "Charging")


def test_a_tag_held_to_one_side_stays_with_it():
    station = bench(connectors=2)
    station.feed(Swipe("A", (1,))).plug(2).run(5)
    assert (station.status(1), station.status(2)) == ("Preparing", "Preparing")
    assert not station.sent("StartTransaction")


def test_a_tag_at_a_side_where_another_waits_is_ignored():
    station = bench()
    station.swipe("A").swipe("B").plug()
    assert station.sent("StartTransaction")[0].payload["idTag"] == "A"


def test_plug_and_charge_uses_the_default_tag_of_the_side():
    """Legrand oCPPPlugAndCharge: authorized like a presented tag; 2 sides, 2 tags."""
    station = bench(connectors=2, keys={"oCPPPlugAndCharge": "true", "defaultIdTag2": "HOUSE"})
    station.plug(1).plug(2)
    assert [call.payload["idTag"] for call in station.sent("Authorize")] == ["LEGRAND001", "HOUSE"]
    assert [call.payload["idTag"] for call in station.sent("StartTransaction")] == ["LEGRAND001", "HOUSE"]


def test_plug_and_charge_of_a_refused_default_tag_waits_for_a_badge():
    station = bench(keys={"OCPPplugandcharge": "true"})
    station.answer["Authorize"] = {"idTagInfo": {"status": "Invalid"}}
    station.plug()
    assert station.status() == "Preparing"


def test_the_owners_family_may_take_a_kept_cable():
    """TX-3 (E3.5): the same tag or the same parent releases it."""
    keys = {"UnlockConnectorOnEVSideDisconnect": "false", "LocalAuthListEnabled": "true"}
    station = bench(personality=SPEC, keys=keys)
    info = {"status": "Accepted", "parentIdTag": "FAMILY"}
    entries = [{"idTag": "SISTER", "idTagInfo": info}]
    station.command("SendLocalList", listVersion=1, updateType="Full", localAuthorizationList=entries)
    with_parent(station).run(10).feed(PlugOutEv(1)).unplug()
    assert station.station.connectors[1].plugged
    station.swipe("SISTER").unplug()
    assert station.status() == "Available"


def test_a_tag_of_the_owners_parent_is_asked_for_before_it_may_take_a_kept_cable():
    """TX-3 (E3.5): the answer names the parent; another parent and no parent take nothing."""
    station = bench(personality=SPEC, keys={"UnlockConnectorOnEVSideDisconnect": "false"})
    with_parent(station).run(10).feed(PlugOutEv(1)).unplug()
    parents = {"BROTHER": {"parentIdTag": "FAMILY"}, "THIEF": {"parentIdTag": "GANG"}, "STRANGER": {}}
    station.answer["Authorize"] = lambda _action, call: {
        "idTagInfo": {"status": "Accepted", **parents[call["idTag"]]}
    }
    for tag in ("THIEF", "STRANGER"):
        station.swipe(tag).unplug()
        assert station.station.connectors[1].plugged
    station.swipe("BROTHER").unplug()
    assert station.status() == "Available"
    assert len(station.sent("StartTransaction")) == 1


def test_a_kept_cable_serves_nobody_else():
    """TX-3 (E3.5), RS-2: Finishing until its owner comes, and no later transaction inherits the owner."""
    station = bench(personality=SPEC, keys={"StopTransactionOnInvalidId": "true"})
    station.answer["StartTransaction"] = {"transactionId": 7, "idTagInfo": {"status": "Blocked"}}
    station.plug().swipe("OWNER").run(5)
    assert station.sent("StopTransaction")[0].payload["reason"] == "DeAuthorized"
    del station.answer["StartTransaction"]
    station.swipe("OTHER").run(5)
    assert station.command("RemoteStartTransaction", idTag="OTHER") == {"status": "Rejected"}
    assert station.status() == "Finishing"
    assert station.command("RemoteStartTransaction", idTag="owner") == {"status": "Accepted"}
    assert station.status() == "Charging"
    station.swipe("STRANGER").swipe("OWNER", 1)
    assert station.sent("StopTransaction")[1].payload["reason"] == "Local"
    assert not station.station.connectors[1].locked


def test_a_refused_tag_at_a_cable_left_in_goes_back_to_finishing():
    """AUTH-6: the connector returns to its previous state, through B6."""
    station = bench(personality=SPEC)
    station.plug().swipe().run(5)
    station.swipe()
    count = len(station.calls)
    station.answer["Authorize"] = {"idTagInfo": {"status": "Expired"}}
    station.swipe("OTHER")
    assert station.statuses(1, count) == ["Preparing", "Finishing"]
    station.unplug()
    assert station.status() == "Available"


def test_a_reader_that_does_not_know_the_side_finds_the_group_on_any_of_them():
    """AUTH-8, TX-11: the answer's parent decides which transaction ends."""
    station = bench(connectors=2)
    for number, tag, parent in ((1, "A", "ONE"), (2, "B", "TWO")):
        station.answer["Authorize"] = {"idTagInfo": {"status": "Accepted", "parentIdTag": parent}}
        station.plug(number).swipe(tag, number)
    station.run(5)
    station.swipe("C")
    stops = station.sent("StopTransaction")
    assert [(stop.payload["idTag"], stop.payload["transactionId"]) for stop in stops] == [("C", 1002)]


def test_pulling_a_cable_that_is_not_there_forgets_no_tag():
    """ST-4: only the time-out, the same tag or a real unplugging takes the authorization back."""
    station = bench()
    station.swipe().unplug()
    assert station.status() == "Preparing"
    station.plug().run(5)
    assert station.status() == "Charging"


def test_plug_and_charge_starts_nothing_under_a_fault():
    """ST-9, AUTH-1: the default tag is presented like a badge, and a Faulted side takes none."""
    station = bench(keys={"oCPPPlugAndCharge": "true"})
    station.feed(Fault(1, "GroundFailure")).plug().run(5)
    assert not station.sent("Authorize")
    station.feed(ClearFault(1)).run(5)
    assert station.status() == "Preparing"
