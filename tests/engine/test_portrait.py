"""What the page of one station shows and does, in the loop's thread; no socket needed."""

import pytest

from engine import byhand, portrait
from engine.clock import Clock
from engine.portrait import FRAMES, WATCHED_AT_ONCE, Gallery
from engine.tally import Tally
from engine.unit import Unit
from engine.virtual import Listener
from stations import ocppconf, products
from stations.core.plan import Plan
from stations.core.station import Station
from stations.errors import PlanError
from stations.ocppconf import Conf


class Line:
    deadline = float("inf")

    def __init__(self):
        self.sent = []
        self.closed = False

    def send(self, data):
        self.sent.append(data)

    def close(self, code, reason):
        self.closed = True

    def drop(self):
        self.closed = True


class Edge:
    def __init__(self):
        self.clock = Clock()
        self.journal = Listener(None)
        self.tally = Tally()
        self.dialled = []

    def open_link(self, unit, url, authorization):
        self.dialled.append((url, authorization))
        return Line()

    def arrived(self, unit):
        unit.read()

    def arm(self, unit, deadline_s):
        pass

    def gone(self, unit, bug):
        assert not bug, bug

    def persist(self, unit):
        pass


class Desk:
    """One station with its link up, and a person at its page."""

    def __init__(self, reference="059014", *, index=0, gallery=None, **plan):
        self.edge = Edge()
        identity = f"GU-{index + 1:06d}"
        made = Plan(identity, f"ws://csms:9000/ocpp/{identity}", products.product(reference), **plan)
        self.unit = Unit(index, Station(made, 1), None, made.product.connectors, self.edge)
        self.gallery = gallery or Gallery()
        self.unit.power_on()
        self.unit.link_up("ocpp1.6")

    def look(self):
        return self.gallery.look(self.unit, self.edge.clock)

    def do(self, name, **arguments):
        byhand.deed(name, arguments)(self.unit, self.edge.clock)

    def file(self):
        return self.gallery.file(self.unit, self.edge.clock)

    def store(self, text):
        return self.gallery.store(ocppconf.read(text.encode()))(self.unit, self.edge.clock)


def test_statuses_are_0_or_1_as_on_the_product():
    desk = Desk()
    seen = desk.look()
    assert (seen["active"], seen["connected"], seen["uid"]) == (1, 1, "GU-000001")
    desk.do("disconnect")
    desk.unit.link_down(1000, "")
    seen = desk.look()
    assert (seen["active"], seen["connected"], seen["link"]) == (0, 0, "off")
    desk.do("connect")
    assert desk.look()["link"] == "connecting"


def test_data_in_force_name_url_identity_network_and_intervals():
    data = dict(Desk().look()["data"])
    assert data["URI"] == "ws://csms:9000/ocpp"
    assert data["UID"] == "GU-000001"
    assert data["Ethernet/Address"] == "192.168.1.200"
    assert data["HeartBeatInterval"].isdigit()
    assert data["ConnectorLeft/MaxCurrent"]


def test_frames_are_kept_only_while_somebody_looks(monkeypatch):
    desk = Desk()
    desk.unit.received(b"[4]")
    assert desk.look()["frames"] == []
    for number in range(FRAMES + 5):
        desk.unit.received(f"[{number}]".encode())
    frames = desk.look()["frames"]
    assert len(frames) == FRAMES
    assert frames[-1][1:] == ["in", f"[{FRAMES + 4}]"]
    long_ago = portrait.monotonic() + portrait.WATCHED_FOR_S + 1
    monkeypatch.setattr(portrait, "monotonic", lambda: long_ago)
    desk.unit.received(b"[late]")
    assert desk.unit.watch is None
    assert desk.look()["frames"] == [], "a new look begins with nothing, not with old frames"


def test_our_own_frames_are_kept_too():
    desk = Desk("059004")
    desk.look()
    desk.unit.received(b'[2,"7","GetConfiguration",{"key":["HeartbeatInterval"]}]')
    directions = [(direction, text[:5]) for _, direction, text in desk.look()["frames"]]
    assert directions == [("in", '[2,"7'), ("out", '[3,"7')]


def test_only_so_many_stations_are_watched_at_once():
    gallery = Gallery()
    desks = [Desk("059004", index=index, gallery=gallery) for index in range(WATCHED_AT_ONCE + 1)]
    for desk in desks:
        desk.look()
        desk.unit.received(b"[1]")
    desks[0].unit.received(b"[2]")
    assert desks[0].unit.watch is None
    assert desks[1].unit.watch is not None


def test_nothing_shown_holds_a_secret():
    """C11: the frame that sets a key, the URL, the file and the passwords stored by hand."""
    desk = Desk("059004", basic_auth_key="hush-hush", security_profile=1)
    desk.look()
    desk.unit.received(b'[2,"1","ChangeConfiguration",{"key":"AuthorizationKey","value":"hush-hush"}]')
    desk.store(
        "<OCPPConf><WiFi><SSID>site</SSID><WEPKey>hush-hush</WEPKey></WiFi>"
        "<WebAccess><Login>admin</Login><Password>hush-hush</Password></WebAccess>"
        "<BasicAuthentication><Enabled>true</Enabled><Password>hush-hush</Password></BasicAuthentication>"
        "</OCPPConf>"
    )
    shown = desk.look()
    assert "hush-hush" not in repr(shown)
    assert b"hush-hush" not in desk.file()
    data = dict(shown["data"])
    assert (data["WiFi/SSID"], data["WebAccess/Login"]) == ("site", "admin")
    assert data["BasicAuthentication/Enabled"] == "true"


def test_a_stored_file_comes_back_with_its_comments_and_holds():
    desk = Desk()
    warnings = desk.store(
        "<OCPPConf><!-- ours --><UID>NEW-7</UID><Brand>x</Brand><HeartBeatInterval>45</HeartBeatInterval>"
        "<ConnectorRight><MaxCurrent>16</MaxCurrent></ConnectorRight></OCPPConf>"
    )
    assert len(warnings) == 1
    assert "Brand" in warnings[0]
    data = dict(desk.look()["data"])
    assert (data["UID"], data["HeartBeatInterval"], data["ConnectorRight/MaxCurrent"]) == (
        "NEW-7",
        "45",
        "16",
    )
    file = desk.file()
    assert b"<!-- ours -->" in file
    assert b"<Brand>x</Brand>" in file
    assert ocppconf.read(file).conf.uid == "NEW-7"
    desk.do("disconnect")
    desk.unit.link_down(1000, "")
    desk.do("connect")
    assert desk.edge.dialled[-1][0] == "ws://csms:9000/ocpp/NEW-7"


def test_a_downloaded_file_stored_again_changes_nothing():
    desk = Desk(basic_auth_key="hush-hush", security_profile=1)
    before = desk.look()["data"]
    desk.store(desk.file().decode())
    assert desk.look()["data"] == before
    assert desk.unit.station.plan.basic_auth_key == "hush-hush"


def test_a_file_that_cannot_be_changes_nothing():
    desk = Desk()
    before = desk.look()["data"]
    off = (
        "<ConnectorRight><OCPP>false</OCPP></ConnectorRight><ConnectorLeft><OCPP>false</OCPP></ConnectorLeft>"
    )
    with pytest.raises(PlanError, match="never connect"):
        desk.store(f"<OCPPConf><UID>NEW</UID>{off}</OCPPConf>")
    assert desk.look()["data"] == before


def test_a_session_by_hand_sends_the_drivers_away():
    desk = Desk("059004")
    accepted = b'[3,"%s",{"status":"Accepted","currentTime":"2026-01-01T00:00:00Z","interval":300}]'
    ident = desk.unit.station.open_call.id.encode()
    desk.unit.received(accepted % ident)
    desk.do("plug", connector=1)
    assert desk.look()["connectors"][0]["status"] == "Preparing"
    assert desk.look()["drivers"] is False
    with pytest.raises(PlanError, match="plugged in already"):
        desk.do("plug", connector=1, vehicle="phev-16a")
    desk.do("unplug", connector=1)
    assert desk.look()["connectors"][0]["plugged"] is False


def test_faults_and_power_by_hand():
    desk = Desk()
    desk.do("fault", connector=2, error_code="GroundFailure")
    side = desk.look()["connectors"][1]
    assert (side["side"], side["status"], side["error"]) == ("left", "Faulted", "GroundFailure")
    desk.do("clear", connector=2)
    assert desk.look()["connectors"][1]["status"] == "Available"
    desk.do("power_off")
    assert desk.look()["powered"] is False
    desk.do("power_on")
    assert desk.look()["powered"] is True


@pytest.mark.parametrize(
    ("name", "arguments", "words"),
    [
        ("explode", {}, "use one of"),
        ("plug", {"connector": 3}, "has no connector 3"),
        ("plug", {"connector": "1"}, "not a number"),
        ("plug", {"connector": 1, "vehicle": "bicycle"}, "not in the table"),
        ("swipe", {"connector": 1, "id_tag": "x" * 21}, "1 to 20 characters"),
        ("fault", {"connector": 1, "error_code": "Boredom"}, "unknown errorCode"),
    ],
)
def test_a_mistake_is_named_and_changes_nothing(name, arguments, words):
    desk = Desk()
    before = desk.look()["connectors"]
    with pytest.raises(PlanError, match=words):
        desk.do(name, **arguments)
    assert desk.look()["connectors"] == before


def test_an_empty_file_is_what_the_station_is():
    desk = Desk()
    assert desk.store("<OCPPConf/>") == []
    assert portrait.conf_of(desk.unit.station) != Conf()
