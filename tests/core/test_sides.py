"""What OCPPConf.xml makes of a side: a cable that acts as if it were attached, OCPP switched off."""

from stations.core.events import PlugOutEv
from stations.core.plan import Personality
from tests.support.bench import bench

ATTACHED = {"connectors": 2, "attached_connectors": frozenset({1}), "personality": Personality.SPEC}
LOCAL = {"connectors": 2, "local_connectors": frozenset({2})}


def test_an_attached_cable_is_not_unlocked_and_the_transaction_goes_on():
    """UC-2 (TC_017_2, TC_018_2): per side; the other side's cable comes off (UC-1)."""
    station = bench(**ATTACHED)
    station.plug(1).swipe("TAG1", 1).run(2)
    assert station.command("UnlockConnector", connectorId=1) == {"status": "NotSupported"}
    assert station.status(1) == "Charging"
    assert station.command("UnlockConnector", connectorId=2) == {"status": "Unlocked"}


def test_an_attached_cable_leaves_with_the_vehicle_s_end():
    """ST-5, ST-7: nothing stays in the station to be unlocked."""
    station = bench(**ATTACHED)
    station.plug(1).swipe("TAG1", 1).run(2)
    station.feed(PlugOutEv(1)).run(1)
    assert [call.payload["reason"] for call in station.sent("StopTransaction")] == ["EVDisconnected"]
    assert station.status(1) == "Available"


def test_a_side_without_ocpp_is_unavailable_and_stays_so():
    """CA-7, ST-15: the numbering has no gap, the side cannot be opened from outside, the other serves."""
    station = bench(**LOCAL)
    assert station.statuses(2) == ["Unavailable"]
    answer = station.command("ChangeAvailability", connectorId=2, type="Operative")
    assert answer == {"status": "Rejected"}
    assert station.command("ChangeAvailability", connectorId=0, type="Operative") == {"status": "Accepted"}
    assert station.status(2) == "Unavailable"
    assert station.command("RemoteStartTransaction", connectorId=2, idTag="T") == {"status": "Rejected"}
    station.plug(2).swipe("TAG2", 2).run(5)
    assert station.sent("StartTransaction") == []
    station.plug(1).swipe("TAG1", 1).run(5)
    assert len(station.sent("StartTransaction")) == 1
