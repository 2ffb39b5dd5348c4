"""OCPPConf.xml: read, refused, written back; no file can hurt, and no secret is shown."""

import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from lxml import etree

from stations import ocppconf
from stations.errors import PlanError
from stations.ocppconf import (
    TAGS,
    Addressing,
    BadgeReaderOffline,
    BasicAuthentication,
    Cable,
    Conf,
    Connector,
    Secret,
    WebAccess,
    WiFi,
)
from stations.xmlfile import LARGEST_BYTES
from stations.xmlstruct import Leaf

DOCS = Path(__file__).parents[2] / "docs" / "ocppconf.md"

FULL = """<?xml version="1.0" encoding="UTF-8"?>
<!-- site: car park, level -1 -->
<OCPPConf>
  <ConnectorLeft><OCPP>0</OCPP><Cable> attached </Cable><MaxCurrent>16</MaxCurrent></ConnectorLeft>
  <HeartBeatInterval>120</HeartBeatInterval>
  <UID>GU-7</UID>
  <URI>
    wss://csms.example/ocpp   <!-- production -->
  </URI>
  <WiFi>
    <SSID> parking </SSID><WEPKey>hidden-key</WEPKey><DHCP>true</DHCP>
  </WiFi>
  <Ethernet><Address>10.0.0.7</Address><DNS2/></Ethernet>
  <BadgeReaderOffline>local</BadgeReaderOffline>
  <WebAccess><Login>admin</Login><Password>hidden-web</Password></WebAccess>
  <MeterValueSampleInterval>0</MeterValueSampleInterval>
  <ConnectionTimeOut>90</ConnectionTimeOut>
  <BasicAuthentication><Enabled>true</Enabled><Password>hidden-basic</Password></BasicAuthentication>
</OCPPConf>
"""

VALUES = Conf(
    uri="wss://csms.example/ocpp",
    uid="GU-7",
    ethernet=Addressing(address="10.0.0.7"),
    wifi=WiFi(ssid=" parking ", wep_key=Secret("hidden-key"), dhcp=True),
    badge_reader_offline=BadgeReaderOffline.LOCAL,
    web_access=WebAccess(login="admin", password=Secret("hidden-web")),
    meter_value_sample_interval_s=0,
    connection_time_out_s=90,
    heart_beat_interval_s=120,
    basic_authentication=BasicAuthentication(enabled=True, password=Secret("hidden-basic")),
    connector_left=Connector(max_current_a=16, cable=Cable.ATTACHED, ocpp=False),
)


def refused(data):
    with pytest.raises(PlanError) as caught:
        ocppconf.read(data if isinstance(data, bytes) else data.encode(), "site.xml")
    message = str(caught.value)
    assert "\n" not in message
    assert "; mend: " in message
    return message


def inside(text):
    return f"<OCPPConf>{text}</OCPPConf>"


# ---- reading ----------------------------------------------------------------------------------------


def test_a_file_in_any_order_says_what_it_says():
    """Element order, comments, spaces and empty elements are the writer's business."""
    document = ocppconf.read(FULL.encode())
    assert document.conf == VALUES
    assert document.warnings == []


def test_an_empty_file_says_nothing():
    assert ocppconf.read(b"<OCPPConf/>").conf == Conf()


@pytest.mark.parametrize("encoding", ["UTF-8", "UTF-16", "ISO-8859-1", "windows-1252"])
def test_encodings_are_read_and_kept(encoding):
    text = f'<?xml version="1.0" encoding="{encoding}"?><OCPPConf><UID>Dépôt</UID></OCPPConf>'
    document = ocppconf.read(text.encode(encoding))
    assert document.conf.uid == "Dépôt"
    written = document.written(Conf(uid="Forêt"))
    assert ocppconf.read(written).conf.uid == "Forêt"
    assert encoding.lower() in written[:120].decode("latin-1").replace("\0", "").lower()


def test_unknown_elements_and_attributes_are_kept_with_a_warning_that_has_a_place():
    text = (
        "<OCPPConf version='2'>\n  <UID>A</UID>\n  <Foo><Bar/></Foo>\n"
        " <Ethernet><MTU>9</MTU></Ethernet></OCPPConf>"
    )
    document = ocppconf.read(text.encode(), "site.xml")
    assert document.conf.uid == "A"
    assert document.warnings == [
        "site.xml, line 1, column 1: unknown attribute version of OCPPConf is kept, means nothing",
        "site.xml, line 3, column 3: unknown element Foo is kept and means nothing",
        "site.xml, line 4, column 12: unknown element MTU is kept and means nothing",
    ]
    written = document.written(Conf(uid="B")).decode()
    assert "<Foo><Bar/></Foo>" in written
    assert "<MTU>9</MTU>" in written
    assert "version='2'" in written.replace('"', "'")


def test_warnings_are_bounded():
    assert len(ocppconf.read(inside("<X/>" * 5000).encode()).warnings) == 50


def test_an_element_of_another_namespace_is_unknown():
    document = ocppconf.read(inside('<UID xmlns="urn:x">no</UID>').encode())
    assert document.conf == Conf()
    assert len(document.warnings) == 1


# ---- refusing ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "place", "words"),
    [
        ("", "line 1, column 1", "not well-formed XML: Document is empty"),
        ("<OCPPConf>\n <UID>a</UIDx>\n</OCPPConf>", "line 2, column 15", "tag mismatch"),
        ("<OCPPConf>", "line 1, column 11", "Premature end"),
        (inside("&amp"), "line 1, column 15", "EntityRef"),
        (inside("<UID>&nbsp;</UID>"), "line 1, column 22", "nbsp"),
        ("<Config/>", "line 1, column 1", "the root element is Config; mend: it is OCPPConf"),
        (inside("\n  <UID>a</UID> <UID>b</UID>"), "line 2, column 16", "UID is here twice; mend: keep one"),
        (inside("\nhello"), "line 1, column 1", "text between the elements of OCPPConf"),
        (inside("<Foo/>hello"), "line 1, column 1", "text between the elements of OCPPConf"),
        (inside("\n<Ethernet>x</Ethernet>"), "line 2, column 1", "text between the elements of Ethernet"),
        (inside("<UID><b/>x</UID>"), "line 1, column 11", "the value of UID is not allowed"),
        (
            inside("<!-- <HeartBeatInterval> -->\n <HeartBeatInterval\n>9</HeartBeatInterval>"),
            "line 2, column 2",
            "the value of HeartBeatInterval is not allowed; mend: write a whole number of seconds from 10",
        ),
        (inside("<HeartBeatInterval>86401</HeartBeatInterval>"), "line 1, column 11", "10 to 86400"),
        (
            inside("<MeterValueSampleInterval>9</MeterValueSampleInterval>"),
            "line 1, column 11",
            "0 or a whole",
        ),
        (inside("<ConnectionTimeOut>-1</ConnectionTimeOut>"), "line 1, column 11", "0 to 86400"),
        (inside("<BadgeReaderOffline>ALL</BadgeReaderOffline>"), "line 1, column 11", "all, local or none"),
        (inside("<URI>http://h/</URI>"), "line 1, column 11", "ws:// or wss://"),
        (inside("<URI>ws://h:99999/</URI>"), "line 1, column 11", "ws:// or wss://"),
        (inside("<URI>ws://h:nine/</URI>"), "line 1, column 11", "ws:// or wss://"),
        (inside("<URI>ws://[::1/</URI>"), "line 1, column 11", "ws:// or wss://"),
        (inside("<URI>ws://h{n}/</URI>"), "line 1, column 11", "ws:// or wss://"),
        (
            '<OCPPConf xmlns="urn:x"/>',
            "line 1, column 1",
            "the root element is {urn:x}OCPPConf; mend: remove its namespace",
        ),
        (inside("<UID>GU-{x}</UID>"), "line 1, column 11", "no braces but {n}"),
        (inside(f"<UID>{'x' * 49}</UID>"), "line 1, column 11", "at most 48 characters"),
        (
            inside("<Ethernet><Address>10.0.0.256</Address></Ethernet>"),
            "line 1, column 21",
            "an IPv4 address",
        ),
        (
            inside("<ConnectorRight><MaxCurrent>5</MaxCurrent></ConnectorRight>"),
            "line 1, column 27",
            "6 to 63",
        ),
        (inside("<ConnectorRight><Cable>fixed</Cable></ConnectorRight>"), "line 1, column 27", "attached"),
        (inside("<WiFi><DHCP>yes</DHCP></WiFi>"), "line 1, column 17", "true or false"),
    ],
)
def test_a_bad_file_is_refused_as_a_whole_with_its_place(text, place, words):
    """The guide: a file whose XML is not right is not taken into account."""
    message = refused(text)
    assert message.startswith(f"site.xml, {place}: ")
    assert words in message


def test_the_place_is_right_in_every_encoding_and_line_end():
    text = (
        "<?xml version='1.0' encoding='UTF-16'?>\r\n<!-- é <UID> -->\r\n"
        "  <OCPPConf a='>'>\r\n   <Cable/><UID/><WiFi>x</WiFi></OCPPConf>"
    )
    assert refused(text.encode("utf-16")).startswith(
        "site.xml, line 4, column 18: text between the elements of WiFi"
    )


def test_an_encoding_that_only_the_parser_knows_still_has_places():
    text = "<?xml version='1.0' encoding='UCS-4'?><OCPPConf><Foo/></OCPPConf>"
    document = ocppconf.read(text.encode("utf-32-be"), "site.xml")
    assert document.conf == Conf()
    assert document.warnings[0].startswith("site.xml, line 1, column ")
    document._file._places = []
    assert document._file.place(0) == "site.xml, line 1, column 1"


BILLION = (
    '<!DOCTYPE OCPPConf [<!ENTITY a "ha">'
    + "".join(f'<!ENTITY {chr(98 + n)} "{f"&{chr(97 + n)};" * 10}">' for n in range(9))
    + "]>"
)


@pytest.mark.parametrize(
    "text",
    [
        f"{BILLION}<OCPPConf><UID>&j;</UID></OCPPConf>",
        f"{BILLION}<OCPPConf x='&j;'/>",
        '<!DOCTYPE OCPPConf [<!ENTITY x SYSTEM "file:///etc/passwd">]><OCPPConf><UID>&x;</UID></OCPPConf>',
        '<!DOCTYPE OCPPConf SYSTEM "http://127.0.0.1:1/x.dtd"><OCPPConf/>',
        '<!DOCTYPE OCPPConf [<!ENTITY % p SYSTEM "http://127.0.0.1:1/x"> %p;]><OCPPConf/>',
        "\n <!-- <!DOCTYPE x> -->\n<!DOCTYPE OCPPConf><OCPPConf><UID>A</UID></OCPPConf>",
        "<a>" * 400 + "</a>" * 400,
        "<OCPPConf>" * 60_000,
        "<OCPPConf " + "a" * 300_000 + "='1'/>",
        inside(f"<UID>{'x' * LARGEST_BYTES}</UID>"),
    ],
    ids=[
        "laughs",
        "laughs-in-attribute",
        "file",
        "dtd",
        "parameter",
        "doctype",
        "deep",
        "open",
        "name",
        "large",
    ],
)
def test_hostile_files_are_refused_quickly(text):
    """No entities, no DTD, no network, no huge trees."""
    message = refused(text)
    assert len(message) < 500
    assert "root:" not in message


def test_an_xinclude_is_only_an_unknown_element():
    text = inside('<xi:include xmlns:xi="http://www.w3.org/2001/XInclude" href="/etc/passwd" parse="text"/>')
    document = ocppconf.read(text.encode())
    assert document.conf == Conf()
    assert "include" in document.warnings[0]


@given(st.binary(max_size=300) | st.text(max_size=300).map(str.encode))
def test_any_bytes_are_a_file_or_the_user_s_mistake(data):
    try:
        ocppconf.read(data)
    except PlanError as error:
        assert str(error).startswith("OCPPConf.xml")  # noqa: PT017 — both ends are fine


@given(st.data())
def test_any_damage_to_a_good_file_is_survived(data):
    good = FULL.encode()
    start = data.draw(st.integers(0, len(good)))
    end = data.draw(st.integers(start, min(len(good), start + 40)))
    damaged = good[:start] + data.draw(st.binary(max_size=10)) + good[end:]
    try:
        conf = ocppconf.read(damaged).conf
    except PlanError as error:
        assert re.search(r"line \d+, column \d+: ", str(error))  # noqa: PT017 — both ends are fine
        assert "hidden" not in str(error)  # noqa: PT017 — the same
    else:
        assert ocppconf.read(ocppconf.new(conf)).conf == conf


# ---- writing ----------------------------------------------------------------------------------------

printable = st.text(
    st.characters(blacklist_categories=["Cs", "Cc", "Cn"], blacklist_characters="{}"), min_size=1
)
words = st.text("abcé-&<>'\"]", min_size=1, max_size=20)
octets = st.integers(0, 255).map(str)
addresses = st.none() | st.tuples(octets, octets, octets, octets).map(".".join)
flags = st.none() | st.booleans()
secrets = st.none() | st.text(
    st.characters(blacklist_categories=["Cs", "Cc", "Cn"]), min_size=1, max_size=64
).map(Secret)
places = dict.fromkeys(("address", "netmask", "gateway", "dns1", "dns2"), addresses)
connectors = st.builds(
    Connector,
    max_current_a=st.none() | st.integers(6, 63),
    cable=st.none() | st.sampled_from(Cable),
    ocpp=flags,
)
confs = st.builds(
    Conf,
    uri=st.none() | words.map(lambda word: "ws://host/" + "".join(word.split())),
    uid=st.none() | words,
    ethernet=st.builds(Addressing, dhcp=flags, **places),
    wifi=st.builds(
        WiFi, dhcp=flags, ssid=st.none() | st.text("ab é", min_size=1, max_size=32), wep_key=secrets, **places
    ),
    badge_reader_offline=st.none() | st.sampled_from(BadgeReaderOffline),
    web_access=st.builds(WebAccess, login=st.none() | words, password=secrets),
    meter_value_sample_interval_s=st.none() | st.just(0) | st.integers(10, 86_400),
    connection_time_out_s=st.none() | st.integers(0, 86_400),
    heart_beat_interval_s=st.none() | st.integers(10, 86_400),
    basic_authentication=st.builds(BasicAuthentication, enabled=flags, password=secrets),
    connector_right=connectors,
    connector_left=connectors,
)


@given(confs)
def test_what_is_written_is_what_is_read(conf):
    document = ocppconf.read(ocppconf.new(conf))
    assert document.conf == conf
    basic = conf.basic_authentication
    assert len(document.warnings) == bool(basic.enabled and basic.password is None)


@given(confs, confs)
def test_a_file_takes_new_values_and_keeps_the_rest(old, new):
    """Round trip: comments and unknown elements of the site stay through any change of values."""
    root = etree.fromstring(ocppconf.new(old))
    for element in list(root.iter("*")):
        element.append(etree.Comment(" a note ")) if not len(element) else element.insert(
            0, etree.Element("Site")
        )
    before = etree.tostring(root)
    document = ocppconf.read(before)
    assert document.conf == old
    assert document.written(old).count(b"<Site/>") == before.count(b"<Site/>")
    written = document.written(new)
    assert ocppconf.read(written).conf == new
    assert written.count(b"<Site/>") == before.count(b"<Site/>")
    assert written.count(b"<!-- a note -->") == before.count(b"<!-- a note -->")


def test_an_unchanged_file_is_written_as_it_was():
    document = ocppconf.read(FULL.encode())
    written = document.written(document.conf).decode()
    assert written.partition("<OCPPConf>")[2].strip() == FULL.partition("<OCPPConf>")[2].strip()
    assert "<!-- site: car park, level -1 -->" in written


def test_a_new_value_leaves_its_neighbours_and_comments_alone():
    document = ocppconf.read(FULL.encode())
    changed = document.written(Conf(uri="ws://other/", uid="GU-7", heart_beat_interval_s=120)).decode()
    assert "<URI>ws://other/<!-- production --></URI>" in changed
    assert "<!-- site: car park, level -1 -->" in changed
    assert "hidden" not in changed
    assert "<SSID/>" in changed


def test_a_character_that_xml_cannot_hold_is_the_user_s_mistake():
    with pytest.raises(PlanError, match="UID: has a character that XML cannot hold"):
        ocppconf.new(Conf(uid="a\x00b"))


def test_a_file_that_is_not_there_is_the_user_s_mistake(tmp_path):
    with pytest.raises(PlanError, match=r"missing\.xml: cannot be read \(No such file"):
        ocppconf.load(tmp_path / "missing.xml")
    (tmp_path / "bad.xml").write_bytes(b"<OCPPConf")
    with pytest.raises(PlanError, match=r"bad\.xml, line 1, column"):
        ocppconf.load(tmp_path / "bad.xml")
    (tmp_path / "good.xml").write_text(FULL)
    assert ocppconf.load(tmp_path / "good.xml").conf == VALUES


# ---- secrets and documentation ----------------------------------------------------------------------


def test_secrets_are_never_shown():
    """GF-4, C11: not by repr, str, format, nor in the list of values."""
    told = f"{VALUES!r} {VALUES} {VALUES.wifi.wep_key} {ocppconf.shown(VALUES)}"
    assert "hidden" not in told
    assert ("WiFi/WEPKey", "•••") in ocppconf.shown(VALUES)
    assert ("UID", "GU-7") in ocppconf.shown(VALUES)
    assert VALUES.wifi.wep_key.reveal() == "hidden-key"
    assert Secret("a") != "a"
    assert len({Secret("a"), Secret("a"), Secret("b")}) == 2


@pytest.mark.parametrize("tag", ["BasicAuthentication", "WebAccess"])
def test_a_secret_that_is_wrong_is_not_quoted(tag):
    message = refused(inside(f"<{tag}><Password>{'hidden' * 20}</Password></{tag}>"))
    assert "hidden" not in message
    assert "hidden" not in refused(inside("<URI>ws://user:hidden@host/</URI>"))


def test_every_tag_is_in_the_schema_and_in_the_documentation():
    schema = etree.parse(str(ocppconf.SCHEMA))
    declared = set(schema.xpath("//xs:element/@name", namespaces={"xs": "http://www.w3.org/2001/XMLSchema"}))
    assert declared == {tag for table in TAGS.values() for tag in table} | {"OCPPConf"}
    text = DOCS.read_text()
    for table in TAGS.values():
        for tag, (_, how) in table.items():
            assert f"`{tag}`" in text
            assert not isinstance(how, Leaf) or how.expects
