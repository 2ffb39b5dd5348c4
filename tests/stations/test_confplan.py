"""What an OCPPConf.xml does to a station, and to a group of stations."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stations import ocppconf, products
from stations.confplan import Template, expanded, model, numbered, planned
from stations.core import keys
from stations.core.keys import KEYS
from stations.core.plan import Plan
from stations.errors import PlanError
from stations.ocppconf import (
    Addressing,
    BadgeReaderOffline,
    BasicAuthentication,
    Cable,
    Conf,
    Connector,
    Secret,
    WiFi,
)

ONE, TWO = products.product("059004"), products.product("059014")
PLAN = Plan("GU-000001", "ws://host:9000/ocpp/GU-000001", TWO)


def test_a_file_that_says_nothing_changes_nothing():
    assert planned(Conf(), PLAN) == PLAN


@pytest.mark.parametrize(
    ("conf", "server", "url"),
    [
        (Conf(uri="wss://csms/x/", uid="RDAM 123"), None, "wss://csms/x/RDAM%20123"),
        (Conf(uri="wss://csms/x"), None, "wss://csms/x/GU-000001"),
        (Conf(uid="B"), None, "ws://host:9000/ocpp/B"),
        (Conf(uri="wss://csms/x", uid="B"), "ws://127.0.0.1:1/test", "ws://127.0.0.1:1/test/B"),
    ],
)
def test_uri_and_uid_make_the_url(conf, server, url):
    """WS-1: URL + UID; the user's own target goes before the file's."""
    result = planned(conf, PLAN, server=server)
    assert result.url == url
    assert result.identity == (conf.uid or "GU-000001")


@pytest.mark.parametrize(
    ("uri", "basic", "key", "profile"),
    [
        ("ws://h", BasicAuthentication(enabled=True, password=Secret("pw")), "pw", 1),
        ("wss://h", BasicAuthentication(enabled=True, password=Secret("pw")), "pw", 2),
        ("ws://h", BasicAuthentication(enabled=False, password=Secret("pw")), None, 0),
        ("ws://h", BasicAuthentication(password=Secret("pw")), "old", 1),
        ("ws://h", BasicAuthentication(enabled=True), "old", 1),
    ],
)
def test_basic_authentication_makes_the_security_profile(uri, basic, key, profile):
    """SEC-1, SEC-2."""
    plan = Plan("A", "ws://h/A", ONE, basic_auth_key="old", security_profile=1)
    result = planned(Conf(uri=uri, basic_authentication=basic), plan)
    assert (result.basic_auth_key, result.security_profile) == (key, profile)


def test_basic_authentication_needs_a_password():
    """SEC-1."""
    with pytest.raises(PlanError, match="enabled without a password; mend: add its Password"):
        planned(Conf(basic_authentication=BasicAuthentication(enabled=True)), PLAN)


@pytest.mark.parametrize(
    ("reader", "offline", "unknown"),
    [
        (BadgeReaderOffline.ALL, "true", "true"),
        (BadgeReaderOffline.LOCAL, "true", "false"),
        (BadgeReaderOffline.NONE, "false", "false"),
    ],
)
def test_the_badge_reader_offline_is_two_keys(reader, offline, unknown):
    """AUTH-4, section 12 (D)."""
    made = planned(Conf(badge_reader_offline=reader), PLAN).product.keys
    assert made == {"LocalAuthorizeOffline": offline, "AllowOfflineTxForUnknownId": unknown}


def test_values_become_the_keys_that_carry_them():
    """ST-4, MV-1, HB-1, SC-10: every preset is a known key and a value its rule reads."""
    conf = Conf(
        meter_value_sample_interval_s=0,
        connection_time_out_s=90,
        heart_beat_interval_s=120,
        ethernet=Addressing(address="10.0.0.1", netmask="255.0.0.0", gateway="10.0.0.254", dns1="10.0.0.2"),
        wifi=WiFi(address="10.1.0.1", netmask="255.0.0.0", gateway="10.1.0.254"),
        connector_right=Connector(max_current_a=16),
        connector_left=Connector(max_current_a=20),
    )
    made = planned(conf, PLAN).product.keys
    assert made["MeterValueSampleInterval"] == "0"
    assert (made["ConnectionTimeOut"], made["HeartbeatInterval"]) == ("90", "120")
    assert (made["MaxCurrentInstallationRight"], made["MaxCurrentInstallationLeft"]) == ("16", "20")
    assert made["networkWiFiGateway"] == "10.1.0.254"
    for name, value in made.items():
        KEYS[name.lower()].rule.check(value)


def test_presets_of_the_group_stay_where_the_file_is_silent():
    from msgspec import structs

    product = structs.replace(TWO, keys={"HeartbeatInterval": "300", "BlinkRepeat": "5"})
    plan = structs.replace(PLAN, product=product)
    made = planned(Conf(heart_beat_interval_s=60), plan).product.keys
    assert made == {"HeartbeatInterval": "60", "BlinkRepeat": "5"}


def test_cables_and_ocpp_are_per_side():
    """UC-1, UC-2, ST-15: Right is connector 1, Left is 2."""
    conf = Conf(
        connector_right=Connector(cable=Cable.DETACHABLE, ocpp=True),
        connector_left=Connector(cable=Cable.ATTACHED, ocpp=False),
    )
    made = planned(conf, PLAN).product
    assert (made.attached_connectors, made.local_connectors) == ({2}, {2})
    back = planned(Conf(connector_left=Connector(cable=Cable.DETACHABLE, ocpp=True)), planned(conf, PLAN))
    assert (back.product.attached_connectors, back.product.local_connectors) == (set(), set())


def test_a_station_without_ocpp_on_any_side_is_a_mistake():
    off = Connector(ocpp=False)
    with pytest.raises(PlanError, match="OCPP is off on every side"):
        planned(Conf(connector_right=off, connector_left=off), PLAN)
    with pytest.raises(PlanError, match="OCPP is off on every side"):
        planned(Conf(connector_right=off), Plan("A", "ws://h/A", ONE))


# ---- templates --------------------------------------------------------------------------------------

TEMPLATE = Conf(uri="ws://h/o", uid="P-{n:05d}", heart_beat_interval_s=30)


@pytest.mark.parametrize(
    ("pattern", "number", "text"),
    [
        ("GU-{n}", 7, "GU-7"),
        ("GU-{n:06d}", 7, "GU-000007"),
        ("{n:3d}", 7, "  7"),
        ("10.{high}.{low}.1", 1, "10.0.1.1"),
        ("10.{high}.{low}.1", 254, "10.0.254.1"),
        ("10.{high}.{low}.1", 255, "10.1.1.1"),
        ("{number}{}", 1, "{number}{}"),
    ],
)
def test_placeholders_are_filled_in(pattern, number, text):
    assert expanded(pattern, number) == text


@given(st.integers(1, 64_516))
def test_patterned_addresses_are_addresses(number):
    conf = numbered(Conf(ethernet=Addressing(address="10.7.{high}.{low}", gateway="10.7.0.1")), number)
    data = ocppconf.new(conf)
    assert ocppconf.read(data).conf == conf


def test_stations_of_a_template_differ_and_share_what_is_the_same():
    """C2: one Product for a group, however many stations."""
    template = Template(TEMPLATE, 3)
    plans = [template.planned(n, PLAN) for n in (1, 2, 3)]
    assert [plan.identity for plan in plans] == ["P-00001", "P-00002", "P-00003"]
    assert plans[2].url == "ws://h/o/P-00003"
    assert plans[0].product is plans[1].product is plans[2].product
    assert template.uid(2) == "P-00002"
    other = template.planned(1, Plan("A", "ws://h/A", ONE))
    assert other.product.model == "059004"
    assert template.planned(2, PLAN, server="ws://mine").url == "ws://mine/P-00002"


def test_the_group_s_own_keys_go_before_the_file_s():
    template = Template(TEMPLATE, 2, {"HeartbeatInterval": "77"})
    assert template.planned(1, PLAN).product.keys == {"HeartbeatInterval": "77"}


def test_patterned_addresses_make_products_of_their_own():
    conf = Conf(
        uid="{n}", ethernet=Addressing(address="10.0.{high}.{low}"), wifi=WiFi(gateway="10.1.{low}.1")
    )
    template = Template(conf, 2)
    made = template.planned(2, PLAN).product.keys
    assert made[keys.NETWORK_ETHERNET_ADDRESS.name] == "10.0.0.2"
    assert made[keys.NETWORK_WIFI_GATEWAY.name] == "10.1.2.1"


@pytest.mark.parametrize(
    ("uid", "stations", "words"),
    [("GU", 2, "2 stations would share it; mend: put {n} in it"), ("x" * 45 + "{n}", 5000, "longer than 48")],
)
def test_a_template_that_cannot_work_is_found_before_the_run(uid, stations, words):
    with pytest.raises(PlanError, match=words.replace("{", r"\{").replace("}", r"\}")):
        Template(Conf(uid=uid), stations)


def test_one_station_may_have_a_plain_uid_and_none_may_keep_the_fleet_s():
    assert Template(Conf(uid="GU"), 1).planned(1, PLAN).identity == "GU"
    assert Template(Conf(), 9).planned(5, PLAN).identity == "GU-000001"


@pytest.mark.parametrize("product", [ONE, TWO])
def test_the_model_file_is_valid_and_changes_nothing_but_the_address(product):
    """`greenup conf new`: the factory's values, ready to be edited."""
    conf = model(product, "ws://csms/ocpp", "GU-1")
    assert ocppconf.read(ocppconf.new(conf)).conf == conf
    plan = planned(conf, Plan("A", "ws://h/A", product))
    assert plan.url == "ws://csms/ocpp/GU-1"
    for name, value in plan.product.keys.items():
        if not name.startswith("network"):
            assert KEYS[name.lower()].rule.read(value) == KEYS[name.lower()].default
