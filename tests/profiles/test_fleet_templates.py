"""An OCPPConf.xml as the template of a group: its values, its UIDs, and what is wrong, at load time."""

import pytest

from profiles import fleets
from stations.errors import PlanError

CONF = """<OCPPConf>
  <URI>wss://not.used.in.a.test/</URI>
  <UID>SITE-{n:04d}</UID>
  <HeartBeatInterval>120</HeartBeatInterval>
  <MeterValueSampleInterval>20</MeterValueSampleInterval>
  <Ethernet><Address>10.0.{high}.{low}</Address></Ethernet>
  <ConnectorRight><Cable>attached</Cable></ConnectorRight>
  <Installer>me</Installer>
</OCPPConf>
"""

FLEET = """
title = "with a template"
[[groups]]
name = "site"
count = 3
product = "059004"
site = "demo"
ocppconf = "site.xml"
keys = { MeterValueSampleInterval = "10" }
[[groups]]
name = "plain"
count = 1
product = "059004"
site = "demo"
"""


@pytest.fixture
def fleet(tmp_path):
    def write(conf=CONF):
        (tmp_path / "site.xml").write_text(conf)
        (tmp_path / "fleet.toml").write_text(FLEET)
        return fleets.load(tmp_path / "fleet.toml")

    return write


def stations(fleet, group="site"):
    deployment = fleet.deploy(8, url_base="ws://127.0.0.1:9/ocpp")
    deployed = [(index, deployment.station(index)) for index in range(8)]
    assert all(deployment.identity(index) == one.plan.identity for index, one in deployed)
    return [(index, one.plan) for index, one in deployed if one.group == group]


def test_every_station_of_the_group_follows_the_file(fleet):
    found = stations(fleet())
    assert len(found) == 6
    for index, plan in found:
        assert plan.identity == f"SITE-{index + 1:04d}"
        assert plan.url == f"ws://127.0.0.1:9/ocpp/{plan.identity}"
        assert plan.product.keys["HeartbeatInterval"] == "120"
        assert plan.product.keys["networkEthernetAddress"] == f"10.0.0.{index + 1}"
        assert plan.product.attached_connectors == {1}


def test_the_fleet_s_own_keys_go_before_the_file_s(fleet):
    assert stations(fleet())[0][1].product.keys["MeterValueSampleInterval"] == "10"


def test_other_groups_are_as_before(fleet):
    for index, plan in stations(fleet(), "plain"):
        assert plan.identity == f"GU-{index + 1:06d}"
        assert "HeartbeatInterval" not in plan.product.keys


def test_stations_whose_file_is_the_same_share_a_product(fleet):
    plans = [plan for _, plan in stations(fleet(CONF.replace("10.0.{high}.{low}", "10.0.0.1")))]
    assert all(plan.product is plans[0].product for plan in plans)


def test_what_is_odd_about_a_file_is_told(fleet):
    warnings = fleet().warnings
    assert len(warnings) == 1
    assert "site.xml, line 8, column 3: unknown element Installer" in warnings[0]


@pytest.mark.parametrize(
    ("conf", "words"),
    [
        ("<OCPPConf><UID>", "line 1, column"),
        ("<OCPPConf><UID>ONE</UID></OCPPConf>", "3 stations would share it"),
        ("<OCPPConf><HeartBeatInterval>1</HeartBeatInterval></OCPPConf>", "HeartBeatInterval is not allowed"),
    ],
)
def test_a_bad_template_is_found_when_the_fleet_is_loaded(fleet, conf, words):
    with pytest.raises(PlanError, match=words) as caught:
        fleet(conf)
    assert str(caught.value).startswith("fleet fleet.toml, $.groups[0].ocppconf: ")


def test_a_template_that_is_missing_is_found_too(tmp_path):
    (tmp_path / "fleet.toml").write_text(FLEET)
    with pytest.raises(PlanError, match=r"site\.xml: cannot be read"):
        fleets.load(tmp_path / "fleet.toml")
