"""Commands of the central system: remote control, configuration, availability, triggers, lists."""

import pytest

from stations.core.events import Fault, LockFailure, PlugOut, SetKey, Swipe
from stations.core.plan import Personality
from tests.support.bench import SILENT, bench, revived

SPEC = Personality.SPEC
ACCEPTED, REJECTED = {"status": "Accepted"}, {"status": "Rejected"}


def start(station, id_tag="REMOTE", **more):
    return station.command("RemoteStartTransaction", idTag=id_tag, **more)


# ---- RemoteStartTransaction


@pytest.mark.parametrize("ask", ["true", "false"])
def test_a_remote_start_is_authorized_if_the_key_says_so(ask):
    """RS-1, RS-4: plugged in, it starts at once."""
    station = bench(keys={"AuthorizeRemoteTxRequests": ask})
    station.plug()
    assert start(station) == ACCEPTED
    assert ("Authorize" in station.actions()) is (ask == "true")
    assert station.sent("StartTransaction")[0].payload["idTag"] == "REMOTE"


def test_a_remote_start_waits_for_the_cable_as_long_as_the_time_out_says():
    """RS-4, ST-4 (TC_011_2)."""
    station = bench()
    start(station)
    station.run(59)
    assert station.status() == "Preparing"
    station.run(1)
    assert station.statuses(1) == ["Available", "Preparing", "Available"]


def test_a_remote_start_on_a_cable_left_in_starts_at_once():
    """RS-4: from Finishing through Preparing (F2)."""
    station = bench()
    station.plug().swipe().run(5).swipe()
    start(station)
    assert station.statuses(1)[-3:] == ["Finishing", "Preparing", "Charging"]


@pytest.mark.parametrize("connector", [0, 3, -1])
def test_a_remote_start_on_no_connector_is_rejected(connector):
    """RS-2, CMD-2 (TC_027)."""
    assert start(bench(connectors=2), connectorId=connector) == REJECTED


def test_a_remote_start_on_a_connector_that_cannot_serve_is_rejected():
    """RS-2 (TC_026): running, unavailable, faulted, reserved for another."""
    station = bench(connectors=2)
    station.plug(1).feed(Swipe("A", (1,)))
    assert start(station, connectorId=1) == REJECTED
    station.command("ChangeAvailability", connectorId=2, type="Inoperative")
    assert start(station, connectorId=2) == REJECTED
    assert start(station) == REJECTED
    station.command("ChangeAvailability", connectorId=2, type="Operative")
    station.feed(Fault(2, "GroundFailure"))
    assert start(station, connectorId=2) == REJECTED
    reserved = bench()
    reserved.command("ReserveNow", connectorId=1, reservationId=5, idTag="X", expiryDate=reserved.time(600))
    assert start(reserved) == REJECTED


def test_the_station_chooses_the_side_that_waits():
    """RS-3."""
    station = bench(connectors=2)
    station.plug(2)
    start(station)
    assert station.status(2) == "Charging"
    assert start(station) == ACCEPTED
    assert station.status(1) == "Preparing"
    assert start(station) == REJECTED


def test_a_remote_start_brings_a_profile_only_for_its_own_transaction():
    """RS-5 (TC_059, TC_060)."""
    profile = {
        "chargingProfileId": 1,
        "stackLevel": 0,
        "chargingProfilePurpose": "TxProfile",
        "chargingProfileKind": "Relative",
        "chargingSchedule": {
            "chargingRateUnit": "A",
            "chargingSchedulePeriod": [{"startPeriod": 0, "limit": 8.0}],
        },
    }
    station = bench()
    station.plug()
    assert (
        start(station, chargingProfile={**profile, "chargingProfilePurpose": "TxDefaultProfile"}) == REJECTED
    )
    assert start(station, chargingProfile={**profile, "transactionId": 3}) == REJECTED
    assert start(station, chargingProfile=profile) == ACCEPTED
    assert station.station.limit_a(1) == 8.0
    station.command("RemoteStopTransaction", transactionId=1001)
    station.swipe()
    assert station.station.limit_a(1) == 32.0


def test_a_failed_remote_start_drops_its_profile():
    """RS-5."""
    station = bench()
    station.answer["Authorize"] = {"idTagInfo": {"status": "Invalid"}}
    station.plug()
    start(station)
    assert station.station.connectors[1].presented is None
    assert station.station.profiles is None


def test_a_reserved_tag_consumes_its_reservation():
    """RS-6, RN-5."""
    station = bench(personality=SPEC)
    station.command("ReserveNow", connectorId=1, reservationId=0, idTag="X", expiryDate=station.time(600))
    station.plug()
    assert start(station, "x") == ACCEPTED
    assert station.sent("StartTransaction")[0].payload["reservationId"] == 0
    station.swipe("x").unplug()
    assert station.status() == "Available"


# ---- RemoteStopTransaction, UnlockConnector, DataTransfer


def test_a_remote_stop_needs_an_id_that_runs():
    """RT-1, RT-2 (TC_028): unknown, ended, or not known yet."""
    station = bench()
    station.answer["StartTransaction"] = SILENT
    station.plug().swipe()
    for unknown in (1001, -1, 0):
        assert station.command("RemoteStopTransaction", transactionId=unknown) == REJECTED
    station.reply(
        station.sent("StartTransaction")[0], {"transactionId": 1, "idTagInfo": {"status": "Accepted"}}
    )
    assert station.command("RemoteStopTransaction", transactionId=1) == ACCEPTED
    assert station.status() == "Finishing"
    assert not station.station.connectors[1].locked
    assert station.command("RemoteStopTransaction", transactionId=1) == REJECTED


def test_minus_one_is_nobodys_id_unless_the_central_system_gave_it():
    """RT-2, TX-2, TX-8: what stands for a start that was given up cannot be stopped remotely."""
    station = bench(keys={"TransactionMessageAttempts": "1"})
    station.answer["StartTransaction"] = "InternalError"
    station.plug().swipe().run(5)
    assert station.journal()[-1].state == "abandoned"
    assert station.command("RemoteStopTransaction", transactionId=-1) == REJECTED
    station.swipe()
    station.answer["StartTransaction"] = {"transactionId": -1, "idTagInfo": {"status": "Accepted"}}
    station.swipe().run(5)
    assert station.command("RemoteStopTransaction", transactionId=-1) == ACCEPTED


def test_unlocking_a_detachable_cable():
    """UC-1 (TC_017_1, TC_018_1)."""
    station = bench()
    assert station.command("UnlockConnector", connectorId=1) == {"status": "Unlocked"}
    station.plug().swipe().run(5)
    assert station.command("UnlockConnector", connectorId=1) == {"status": "Unlocked"}
    assert station.status() == "Finishing"
    assert station.sent("StopTransaction")[0].payload["reason"] == "UnlockCommand"
    station.unplug()
    assert station.status() == "Available"


def test_an_attached_cable_and_an_unknown_connector_cannot_be_unlocked():
    """UC-2 (E3.85): the transaction continues."""
    station = bench(detachable_cable=False)
    station.plug().swipe().run(5)
    assert station.command("UnlockConnector", connectorId=1) == {"status": "NotSupported"}
    assert station.status() == "Charging"
    for unknown in (0, 2):
        assert bench().command("UnlockConnector", connectorId=unknown) == {"status": "NotSupported"}


def test_a_blocked_lock_fails_to_unlock():
    """UC-3 (TC_030)."""
    station = bench()
    station.plug().swipe().run(5).feed(LockFailure(1, True))
    assert station.command("UnlockConnector", connectorId=1) == {"status": "UnlockFailed"}
    told = station.sent("StatusNotification")[-1].payload
    assert (told["status"], told["errorCode"]) == ("Faulted", "ConnectorLockFailure")
    station.feed(PlugOut(1))
    assert station.station.connectors[1].plugged


def test_data_transfer_is_never_sent_and_answered_with_unknown_vendor():
    """DT-1, DT-2 (TC_062)."""
    station = bench()
    assert station.command("DataTransfer", vendorId="com.example", data="x") == {"status": "UnknownVendorId"}
    station.plug().swipe().run(1000).swipe().run(1000)
    assert "DataTransfer" not in station.actions()


# ---- ChangeAvailability


def test_an_idle_connector_changes_at_once_and_the_same_again_is_no_news():
    """CA-1, CA-3."""
    station = bench(connectors=2)
    count = len(station.calls)
    assert station.command("ChangeAvailability", connectorId=1, type="Inoperative") == ACCEPTED
    assert station.statuses(1, count) == ["Unavailable"]
    assert station.command("ChangeAvailability", connectorId=1, type="Inoperative") == ACCEPTED
    assert station.command("ChangeAvailability", connectorId=1, type="Operative") == ACCEPTED
    assert [call.payload["status"] for call in station.sent("StatusNotification", count)] == [
        "Unavailable",
        "Available",
    ]
    assert station.command("ChangeAvailability", connectorId=3, type="Operative") == REJECTED  # CA-6


def test_a_running_transaction_ends_first():
    """CA-2: Scheduled; Unavailable once the cable is out; idle sides at once; CA-7: flag of the station."""
    station = bench(connectors=2)
    station.plug(1).feed(Swipe("A", (1,))).run(5)
    count = len(station.calls)
    answer = station.command("ChangeAvailability", connectorId=0, type="Inoperative")
    assert answer == {"status": "Scheduled"}
    assert station.statuses(2, count) == ["Unavailable"]
    assert station.statuses(0, count) == []  # the station as a whole waits for its last transaction
    assert station.status(1) == "Charging"
    station.feed(Swipe("A", (1,)))
    assert station.status(1) == "Finishing"
    station.swipe("B", 1)
    assert station.status(1) == "Finishing"
    assert station.statuses(0, count) == []
    station.unplug(1)
    assert station.statuses(1)[-1] == "Unavailable"
    assert station.statuses(0, count) == ["Unavailable"]


def test_what_was_scheduled_holds_at_once_when_the_cable_left_without_power():
    """CA-2, CA-4: a cable that comes back after the restart finds the side Unavailable."""
    station = bench(connectors=2)
    station.plug(1).swipe("A", 1).run(5)
    assert station.command("ChangeAvailability", connectorId=0, type="Inoperative") == {"status": "Scheduled"}
    again = revived(station).power().plug(1).run(1)
    assert again.statuses() == ["Unavailable"] * 3


def test_a_cable_torn_out_of_a_scheduled_side_leaves_it_unavailable():
    """CA-2: C8 through F8."""
    station = bench()
    station.plug().swipe().run(5)
    assert station.command("ChangeAvailability", connectorId=1, type="Inoperative") == {"status": "Scheduled"}
    station.unplug()
    assert station.status() == "Unavailable"


def test_a_later_operative_cancels_what_was_scheduled():
    """CA-5."""
    station = bench()
    station.plug().swipe().run(5)
    station.command("ChangeAvailability", connectorId=1, type="Inoperative")
    assert station.command("ChangeAvailability", connectorId=1, type="Operative") == ACCEPTED
    station.swipe().unplug()
    assert station.status() == "Available"


def test_inoperative_cancels_preparations_and_reservations_and_survives_a_power_cut():
    """CA-4, ST-13 (TC_034): Preparing is no transaction, so it is not scheduled."""
    station = bench(connectors=2)
    station.swipe("A", 1)
    station.command("ReserveNow", connectorId=2, reservationId=5, idTag="X", expiryDate=station.time(900))
    assert station.status(2) == "Reserved"
    for number in (1, 2):
        assert station.command("ChangeAvailability", connectorId=number, type="Inoperative") == ACCEPTED
        assert station.status(number) == "Unavailable"
    assert station.command("CancelReservation", reservationId=5) == REJECTED
    station.power(on=False).power()
    assert station.statuses()[-3:] == ["Available", "Unavailable", "Unavailable"]
    station.plug(1).run(5)
    assert station.status(1) == "Unavailable"


def test_the_stations_flag_and_a_connectors_are_two_and_operative_0_sets_all():
    """CA-7."""
    station = bench(connectors=2)
    station.command("ChangeAvailability", connectorId=0, type="Inoperative")
    assert [station.status(number) for number in (0, 1, 2)] == ["Unavailable"] * 3
    station.command("ChangeAvailability", connectorId=1, type="Operative")
    assert station.status(1) == "Unavailable"
    station.command("ChangeAvailability", connectorId=2, type="Inoperative")
    station.command("ChangeAvailability", connectorId=0, type="Operative")
    assert [station.status(number) for number in (0, 1, 2)] == ["Available"] * 3


def test_a_plugged_side_that_becomes_operative_again_prepares():
    """CA-3: H2."""
    station = bench()
    station.command("ChangeAvailability", connectorId=1, type="Inoperative")
    station.plug()
    station.command("ChangeAvailability", connectorId=1, type="Operative")
    assert station.statuses(1)[-2:] == ["Unavailable", "Preparing"]


# ---- GetConfiguration, ChangeConfiguration


def test_configuration_is_read_wholly_or_by_name():
    """GF-1, GF-2, CC-4, RPC-10: names in any case, echoed as they were spelt."""
    station = bench()
    for everything in (station.command("GetConfiguration"), station.command("GetConfiguration", key=[])):
        assert "unknownKey" not in everything
        assert len(everything["configurationKey"]) > 60
    answer = station.command("GetConfiguration", key=["heartbeatINTERVAL", "Kolour", "NumberOfConnectors"])
    assert answer == {
        "configurationKey": [
            {"key": "heartbeatINTERVAL", "readonly": False, "value": "300"},
            {"key": "NumberOfConnectors", "readonly": True, "value": "1"},
        ],
        "unknownKey": ["Kolour"],
    }


def test_more_keys_than_allowed_are_cut():
    """GF-3: the first ones are answered."""
    station = bench(keys={"GetConfigurationMaxKeys": "2"})
    answer = station.command("GetConfiguration", key=["UID", "URI", "MeterType"])
    assert [entry["key"] for entry in answer["configurationKey"]] == ["UID", "URI"]


def test_secrets_never_leave():
    """GF-4: neither by name nor in the whole list."""
    station = bench(personality=SPEC, keys={"AuthorizationKey": "0" * 32})
    assert station.command("GetConfiguration", key=["AuthorizationKey"]) == {
        "unknownKey": ["AuthorizationKey"]
    }
    names = [entry["key"] for entry in station.command("GetConfiguration")["configurationKey"]]
    assert "AuthorizationKey" not in names
    assert "SecurityProfile" in names


def test_what_the_station_knows_better_is_told_as_it_is():
    """CC-6: identity, address, and the plugged cable."""
    station = bench()
    names = ["UID", "URI", "MaxCurrentCableRight"]

    def read():
        return [one["value"] for one in station.command("GetConfiguration", key=names)["configurationKey"]]

    assert read() == ["GU-000001", "ws://localhost:9000/ocpp", "0"]
    station.plug()
    assert read()[2] == "32"
    station = bench(detachable_cable=False)
    assert read()[2] == "32"  # it hangs there always


@pytest.mark.parametrize(
    ("key", "value", "status"),
    [
        ("Colour", "red", "NotSupported"),
        ("NumberOfConnectors", "4", "Rejected"),
        ("ConnectorPhaseRotation", "0.RST", "NotSupported"),
        ("HeartbeatInterval", "-1", "Rejected"),
        ("HeartbeatInterval", "soon", "Rejected"),
        ("localpreauthorize", "True", "Accepted"),
        ("UID", "x" * 500, "Rejected"),
        ("URI", "ws://h/" + "w" * 493, "Accepted"),
        ("URI", "w" * 500, "Rejected"),
    ],
)
def test_a_change_is_answered_by_key_and_value(key, value, status):
    """CC-1, CC-2, CC-4, CC-5 (TC_040)."""
    assert bench().command("ChangeConfiguration", key=key, value=value) == {"status": status}


def test_a_change_survives_a_restart():
    """CC-3, BOOT-11, RE-3."""
    station = bench()
    station.command("ChangeConfiguration", key="ConnectionTimeOut", value="99")
    station.power(on=False).power()
    answer = station.command("GetConfiguration", key=["ConnectionTimeOut"])
    assert answer["configurationKey"][0]["value"] == "99"


def test_a_preset_is_written_behind_ocpps_back():
    """Read-only keys too, and effective at once."""
    station = bench()
    station.feed(SetKey("ChargeProfileMaxStackLevel", "1")).feed(SetKey("HeartbeatInterval", "3")).run(3)
    assert station.sent("Heartbeat")[0].at == 3


# ---- TriggerMessage


def test_each_message_can_be_triggered():
    """TM-1, TM-2, TM-3, DIAG-1, FW-1: Idle where nothing is going on."""
    station = bench(connectors=2)
    for message, connector, expected in [
        ("Heartbeat", 9, [("Heartbeat", {})]),
        ("FirmwareStatusNotification", None, [("FirmwareStatusNotification", {"status": "Idle"})]),
        ("DiagnosticsStatusNotification", None, [("DiagnosticsStatusNotification", {"status": "Idle"})]),
    ]:
        count = len(station.calls)
        where = {} if connector is None else {"connectorId": connector}
        assert station.command("TriggerMessage", requestedMessage=message, **where) == ACCEPTED
        assert [(call.action, call.payload) for call in station.calls[count:]] == expected
    for connector, told in ((None, [0, 1, 2]), (0, [0]), (2, [2])):
        count = len(station.calls)
        where = {} if connector is None else {"connectorId": connector}
        station.command("TriggerMessage", requestedMessage="StatusNotification", **where)
        assert [call.payload["connectorId"] for call in station.sent("StatusNotification", count)] == told


@pytest.mark.parametrize(
    ("message", "connector"), [("StatusNotification", 3), ("MeterValues", 3), ("MeterValues", 0)]
)
def test_a_trigger_for_an_unknown_connector_is_rejected(message, connector):
    """TM-3 (TC_055)."""
    answer = bench().command("TriggerMessage", requestedMessage=message, connectorId=connector)
    assert answer == REJECTED


def test_an_unknown_message_cannot_be_triggered():
    """TM-4: the schema knows six."""
    station = bench()
    assert station.command("TriggerMessage", requestedMessage="Authorize") == "PropertyConstraintViolation"


# ---- local list


def send_list(station, version, update="Full", *entries):
    made = [
        {"idTag": tag} if status is None else {"idTag": tag, "idTagInfo": {"status": status}}
        for tag, status in entries
    ]
    more = {"localAuthorizationList": made} if made else {}
    return station.command("SendLocalList", listVersion=version, updateType=update, **more)["status"]


def test_the_local_list_is_kept_only_when_it_is_enabled():
    """LV-1, LL-5 (TC_042_1)."""
    station = bench()
    assert send_list(station, 1, "Full", ("A", "Accepted")) == "NotSupported"
    assert station.command("GetLocalListVersion") == {"listVersion": -1}
    station.command("ChangeConfiguration", key="LocalAuthListEnabled", value="true")
    assert station.command("GetLocalListVersion") == {"listVersion": 0}
    assert send_list(station, 5, "Full", ("A", "Accepted")) == "Accepted"
    assert station.command("GetLocalListVersion") == {"listVersion": 5}


def test_full_and_differential_updates_by_the_rules():
    """LL-1 … LL-4 at work, LL-6: a running transaction goes on, the list survives."""
    station = bench(keys={"LocalAuthListEnabled": "true", "LocalPreAuthorize": "true"})
    station.plug().swipe("A")
    assert send_list(station, 5, "Full", ("A", "Accepted"), ("B", "Accepted")) == "Accepted"
    assert send_list(station, 4, "Differential", ("C", "Accepted")) == "VersionMismatch"
    assert send_list(station, 6, "Differential", ("A", None), ("C", "Accepted")) == "Accepted"
    assert send_list(station, 7, "Full", ("D", None)) == "Failed"
    assert station.status() == "Charging"
    station.power(on=False).power()
    assert station.command("GetLocalListVersion") == {"listVersion": 6}
    assert send_list(station, 0) == "Accepted"
    assert station.command("GetLocalListVersion") == {"listVersion": 0}


def test_an_unasked_remote_start_at_a_group_reservation_asks_for_the_parent():
    """RN-4 (TC_053), RS-6: AuthorizeRemoteTxRequests=false knows no parent, so Authorize.req finds it."""
    for parent, status in (("FAMILY", "Charging"), ("OTHERS", "Preparing")):
        station = bench(keys={"AuthorizeRemoteTxRequests": "false"})
        station.command(
            "ReserveNow",
            connectorId=1,
            reservationId=5,
            idTag="X",
            parentIdTag="FAMILY",
            expiryDate=station.time(600),
        )
        station.answer["Authorize"] = {"idTagInfo": {"status": "Accepted", "parentIdTag": parent}}
        station.plug()
        assert start(station) == ACCEPTED
        assert len(station.sent("Authorize")) == 1
        assert station.status() == status
