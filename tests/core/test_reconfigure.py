"""An OCPPConf.xml stored through the web page: keys hold at once, the address at the next attempt."""

import pytest
from msgspec import structs

from stations.core import events as ev
from stations.core import keys, link
from stations.core.plan import Personality
from stations.errors import PlanError
from stations.wire.types import ChargePointStatus
from tests.support.bench import bench
from tests.support.vehicle import SteadyCar


def moved(plan, **changes):
    return structs.replace(plan, **changes)


def test_keys_hold_at_once_whatever_the_central_system_set():
    """CC-5: a heartbeat interval of the file re-arms the timer."""
    desk = bench()
    desk.run(1)
    station = desk.station
    desk.feed(ev.SetKey("HeartbeatInterval", "600"))
    desk.feed(ev.Reconfigure(station.plan, {"HeartbeatInterval": "30"}))
    assert station.configuration[keys.HEARTBEAT_INTERVAL] == 30
    before = len([call for call in desk.calls if call.action == "Heartbeat"])
    desk.run(61)
    assert len([call for call in desk.calls if call.action == "Heartbeat"]) >= before + 2


def test_another_address_waits_for_the_next_connection():
    """WS-1: URL + UID of the file, and what was configured over OCPP before yields to it."""
    desk = bench()
    desk.run(1)
    station = desk.station
    desk.feed(ev.SetKey("URI", "ws://elsewhere/x"))
    plan = moved(station.plan, identity="NEW", url="ws://new/ocpp/NEW")
    desk.feed(ev.Reconfigure(plan, {}, connection=True))
    assert station.online
    assert len(desk.dialled) == 1
    desk.feed(ev.Activate(active=False))
    desk.feed(ev.Activate(active=True))
    assert desk.dialled[-1][1].url == "ws://new/ocpp/NEW"
    assert link.identity(station) == "NEW"


def test_the_identity_stays_while_a_transaction_runs():
    desk = bench()
    desk.run(1)
    station = desk.station
    desk.feed(ev.PlugIn(1, SteadyCar()))
    desk.feed(ev.Swipe("TAG1", (1,)))
    desk.run(5)
    assert station.connectors[1].transaction is not None
    old = station.plan
    with pytest.raises(PlanError, match="not delivered yet; mend"):
        desk.feed(ev.Reconfigure(moved(old, identity="NEW"), {"HeartbeatInterval": "30"}, connection=True))
    assert station.plan is old
    assert station.configuration[keys.HEARTBEAT_INTERVAL] != 30


def test_a_side_whose_ocpp_is_switched_off_shows_unavailable():
    desk = bench(connectors=2)
    desk.run(1)
    plan = desk.station.plan
    off = moved(plan, product=structs.replace(plan.product, local_connectors=frozenset({2})))
    desk.feed(ev.Reconfigure(off))
    assert desk.station.connectors[2].status is ChargePointStatus.UNAVAILABLE
    desk.feed(ev.Reconfigure(plan))
    assert desk.station.connectors[2].status is ChargePointStatus.AVAILABLE


def test_a_password_of_the_file_goes_before_one_set_over_ocpp():
    """SEC-1, SEC-3: the next connection uses the file's."""
    desk = bench(personality=Personality.SPEC)
    desk.run(1)
    desk.feed(
        ev.Reconfigure(moved(desk.station.plan, identity="GU-1", basic_auth_key="one"), connection=True)
    )
    desk.feed(ev.SetKey("AuthorizationKey", "two"))
    desk.feed(ev.Reconfigure(moved(desk.station.plan, basic_auth_key="three"), connection=True))
    assert link.authorization(desk.station) == "Basic R1UtMTp0aHJlZQ=="


def test_a_key_that_cannot_be_changes_nothing():
    desk = bench()
    desk.run(1)
    with pytest.raises(PlanError, match="unknown configuration key"):
        desk.feed(ev.Reconfigure(desk.station.plan, {"HeartbeatInterval": "30", "NoSuchKey": "1"}))
    assert desk.station.configuration[keys.HEARTBEAT_INTERVAL] != 30
