"""Reservations as a station keeps them (RN-1 … RN-6, CR-1, RS-6)."""

import pytest

from stations.core.events import ClearFault, Fault, PowerOn
from stations.core.plan import Personality
from stations.wire.types import format_datetime
from tests.support.bench import EPOCH, SILENT, bench


def reserve(station, number=1, connector=1, tag="OWNER", *, in_s=600, **more):
    return station.command(
        "ReserveNow",
        connectorId=connector,
        expiryDate=station.time(in_s),
        idTag=tag,
        reservationId=number,
        **more,
    )["status"]


def cancel(station, number=1):
    return station.command("CancelReservation", reservationId=number)["status"]


def starts(station):
    return [call.payload for call in station.sent("StartTransaction")]


def test_an_accepted_reservation_shows_and_is_cancelled():
    """RN-1, CR-1 (TC_051, TC_052): Reserved, then Available; an unknown id is Rejected."""
    station = bench(connectors=2)
    assert reserve(station, 7, 2) == "Accepted"
    assert station.statuses(2)[-1] == "Reserved"
    assert cancel(station, 8) == "Rejected"
    assert cancel(station, 7) == "Accepted"
    assert station.statuses(2)[-1] == "Available"
    assert cancel(station, 7) == "Rejected"


def test_the_answer_says_why_not():
    """RN-1: Occupied, Faulted, Unavailable."""
    station = bench(connectors=2)
    station.plug(1)
    assert reserve(station, 1, 1) == "Occupied"
    station.feed(Fault(2, "GroundFailure"))
    assert reserve(station, 1, 2) == "Faulted"
    station.feed(ClearFault(2))
    station.command("ChangeAvailability", connectorId=2, type="Inoperative")
    assert reserve(station, 1, 2) == "Unavailable"
    assert reserve(station, 1, 3) == "Rejected"
    assert reserve(station, 1, 2, in_s=-5) == "Rejected"


def test_a_reservation_ends_at_its_expiry():
    """RN-3 (TC_047): Available again, and anybody may start."""
    station = bench()
    reserve(station, in_s=60)
    assert station.run(59).status() == "Reserved"
    assert station.run(2).status() == "Available"
    assert station.statuses(1)[-1] == "Available"


def test_only_the_owner_starts_and_consumes_it():
    """RN-4, RN-5, RN-6: others are refused and it stays Reserved; reservationId 0 is an id."""
    station = bench(personality=Personality.SPEC)
    reserve(station, 0)
    station.swipe("STRANGER").plug().swipe("STRANGER").run(1)
    assert starts(station) == []
    station.swipe("owner").run(1)
    assert [start["reservationId"] for start in starts(station)] == [0]
    assert cancel(station, 0) == "Rejected"


def test_a_later_start_names_no_reservation():
    """CR-1, TX-1."""
    station = bench(personality=Personality.SPEC)
    reserve(station)
    cancel(station)
    station.plug().swipe("OWNER").run(1)
    assert "reservationId" not in starts(station)[0]


def test_a_tag_of_the_same_parent_may_start():
    """RN-4 (TC_053): the parent is asked for by Authorize when nobody here knows it."""
    station = bench(personality=Personality.SPEC, keys={"LocalPreAuthorize": "false"})
    parents = {"MEMBER": "GROUP", "OTHER": "ELSE"}
    station.answer["Authorize"] = lambda _action, payload: {
        "idTagInfo": {"status": "Accepted", "parentIdTag": parents[payload["idTag"]]}
    }
    reserve(station, 5, parentIdTag="GROUP")
    station.plug().swipe("OTHER").run(1)
    assert starts(station) == []
    station.swipe("MEMBER").run(1)
    assert [start["reservationId"] for start in starts(station)] == [5]


def test_a_remote_start_with_the_reserved_tag_consumes_it():
    """RS-2, RS-6."""
    station = bench(personality=Personality.SPEC)
    reserve(station, 3)
    assert station.command("RemoteStartTransaction", connectorId=1, idTag="STRANGER") == {
        "status": "Rejected"
    }
    assert station.command("RemoteStartTransaction", connectorId=1, idTag="OWNER") == {"status": "Accepted"}
    station.run(1).plug().run(1)
    assert [start["reservationId"] for start in starts(station)] == [3]


def test_connector_zero_keeps_one_side_free():
    """RN-2 (TC_050)."""
    station = bench(connectors=2, personality=Personality.SPEC)
    assert reserve(station, 4, 0) == "Accepted"
    station.plug(1).swipe("STRANGER", 1).run(1)
    assert len(starts(station)) == 1
    station.plug(2).swipe("STRANGER2", 2).run(1)
    assert len(starts(station)) == 1
    station.swipe("OWNER", 2).run(1)
    assert [start.get("reservationId") for start in starts(station)] == [None, 4]
    assert reserve(station, 5, 0) == "Occupied"


def test_connector_zero_of_a_one_sided_station_shows():
    """RN-2, D (TC_049)."""
    station = bench()
    assert reserve(station, 4, 0) == "Accepted"
    assert station.status(1) == "Reserved"
    assert station.status(0) == "Available"


def test_connector_zero_needs_its_key():
    """RN-2."""
    assert reserve(bench(keys={"ReserveConnectorZeroSupported": "false"}), 1, 0) == "Rejected"


@pytest.mark.parametrize("connector", [0, 1])
def test_a_fault_ends_the_reservation(connector):
    """RN-5: also that of connector 0 when no side is left."""
    station = bench()
    reserve(station, 1, connector)
    station.feed(Fault(1, "GroundFailure")).feed(ClearFault(1))
    assert station.status(1) == "Available"
    assert cancel(station) == "Rejected"


def test_inoperative_ends_the_reservation():
    """RN-5, CA-4."""
    station = bench(connectors=2)
    reserve(station, 1, 1)
    reserve(station, 2, 0)
    station.command("ChangeAvailability", connectorId=1, type="Inoperative")
    assert cancel(station, 1) == "Rejected"
    assert cancel(station, 2) == "Accepted"


def test_a_reservation_survives_a_reset_and_expires_on_time():
    """RN-5, BOOT-11, RE-3."""
    station = bench()
    reserve(station, in_s=300)
    station.command("Reset", type="Hard")
    station.run(120)
    assert station.status() == "Reserved"
    assert station.run(181).status() == "Available"


def test_a_reservation_ends_offline_too():
    """RN-3, ST-14: the status is told after the reconnect."""
    station = bench()
    reserve(station, in_s=60)
    station.cut(stay_down=True).run(100)
    assert station.status() == "Available"
    told = len(station.calls)
    station.mend().run(700)
    assert station.statuses(1, told) == ["Available"]


def test_a_clock_that_steps_moves_the_expiry():
    """RN-3, HB-4: expiryDate is wall time."""
    station = bench()
    reserve(station, in_s=3600)
    station.answer["Heartbeat"] = lambda _action, _payload: {"currentTime": station.time(3600)}
    station.run(301)
    assert station.status() == "Available"


def test_a_silent_authorize_leaves_the_reservation_in_place():
    """AUTH-7, RN-4."""
    station = bench(personality=Personality.SPEC)
    station.answer["Authorize"] = SILENT
    reserve(station)
    station.swipe("OWNER").run(60)
    assert station.status() == "Reserved"


def test_an_expiry_is_a_moment_of_the_clock_in_the_timestamps():
    """RN-3, C9: ten minutes by a clock that shows real time last ten hours of a station at scale 60."""
    station = bench(power=False)
    station.answer["Heartbeat"] = lambda *_: {"currentTime": format_datetime(EPOCH + station.now / 60)}
    station.feed(PowerOn(EPOCH, 1 / 60)).run(1)
    expiry = format_datetime(EPOCH + 600)
    reserved = station.command("ReserveNow", connectorId=1, expiryDate=expiry, idTag="A", reservationId=1)
    assert reserved == {"status": "Accepted"}
    station.run(35_900)
    assert station.status() == "Reserved"
    station.run(200)
    assert station.status() == "Available"
