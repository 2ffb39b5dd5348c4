"""The key table of section 12, its values and its page."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stations.core import keys
from stations.core.configuration import Configuration, read_preset
from stations.core.keys import KEYS
from stations.core.keys_page import render_keys
from stations.core.plan import Personality, Product
from stations.errors import PlanError
from stations.wire.types import ConfigurationStatus as Status
from tests.support.bench import bench

GREENUP = Product(model="059004", connectors=2, max_current_a=16)
SPEC = Product(model="059004", connectors=2, personality=Personality.SPEC)

# Key tables of the guide: name, answer to a good value, default as GetConfiguration shows it.
GUIDE = """
AllowOfflineTxForUnknownId Accepted false
AuthorizationCacheEnabled Accepted false
AuthorizeRemoteTxRequests Accepted true
BlinkRepeat Accepted 60
ClockAlignedDataInterval Accepted 0
ConnectionTimeOut Accepted 60
GetConfigurationMaxKeys Rejected 255
HeartbeatInterval Accepted 60
LightIntensity Rejected 100
LocalAuthorizeOffline Accepted false
LocalPreAuthorize Accepted false
MaxEnergyOnInvalidId Rejected 0
MeterValuesAlignedDataMaxLength Rejected 50
MeterValuesSampledDataMaxLength Rejected 50
MeterValueSampleInterval Accepted 30
MinimumStatusDuration Accepted 0
NumberOfConnectors Rejected 2
ResetRetries Accepted 1
ConnectorPhaseRotation NotSupported Unknown
ConnectorPhaseRotationMaxLength Rejected 1
StopTransactionOnEVSideDisconnect Accepted true
StopTransactionOnInvalidId Accepted false
StopTxnAlignedDataMaxLength Rejected 10
StopTxnSampledDataMaxLength Rejected 10
SupportedFeatureProfilesMaxLength Rejected 6
TransactionMessageAttempts Accepted 3
TransactionMessageRetryInterval Accepted 10
UnlockConnectorOnEVSideDisconnect Accepted true
WebSocketPingInterval Accepted 300
LocalAuthListEnabled Accepted false
LocalAuthListMaxLength Rejected 500
SendLocalListMaxLength Rejected 500
ReserveConnectorZeroSupported Rejected true
ChargeProfileMaxStackLevel Rejected 100
ChargingScheduleAllowedChargingRateUnit Rejected Current,Power
ChargingScheduleMaxPeriods Rejected 100
ConnectorSwitch3to1PhaseSupported Rejected false
MaxChargingProfilesInstalled Rejected 100
chargingStationMaxLimit Accepted 64
confBasicTime Accepted 10
confAuthorizeTime Accepted 20
confBottNotificationTime Accepted 30
defaultIdTag1 Accepted LEGRAND001
defaultIdTag2 Accepted LEGRAND002
MaxCurrentInstallationRight Rejected 16
MeterType Rejected Internal
oCPPPlugAndCharge Accepted false
serverReconnectionTime Accepted 30
UID Accepted Null
URI Accepted Null
"""
ROWS = [line.split() for line in GUIDE.split("\n") if line]


@pytest.mark.parametrize(("name", "answer", "default"), ROWS, ids=[row[0] for row in ROWS])
def test_a_key_of_the_guide_answers_as_the_guide_says(name, answer, default):
    """CC-6: default and answer to ChangeConfiguration of each row."""
    configuration = Configuration(GREENUP)
    key = configuration.known(name)
    assert configuration.text(key) == default
    assert configuration.change(key, default) == answer


def test_the_page_of_keys_is_fresh():
    page = Path(__file__).parents[2] / "docs" / "keys.md"
    assert page.read_text() == render_keys(), "python -m stations.core.keys_page > docs/keys.md"


@pytest.mark.parametrize("personality", Personality)
@pytest.mark.parametrize("key", KEYS.values(), ids=lambda key: key.name)
def test_every_default_survives_its_own_rule(key, personality):
    default = key.default_for(personality)
    read = key.rule_for(personality).read
    assert read(str(default).lower() if isinstance(default, bool) else str(default)) == default


@pytest.mark.parametrize(
    ("name", "value", "greenup", "spec"),
    [
        ("HeartbeatInterval", "9", Status.REJECTED, Status.ACCEPTED),
        ("HeartbeatInterval", "10", Status.ACCEPTED, Status.ACCEPTED),
        ("HeartbeatInterval", "86401", Status.REJECTED, Status.ACCEPTED),
        ("MeterValueSampleInterval", "0", Status.ACCEPTED, Status.ACCEPTED),
        ("MeterValueSampleInterval", "2", Status.REJECTED, Status.ACCEPTED),
        ("MeterValueSampleInterval", "-1", Status.REJECTED, Status.REJECTED),
        ("MeterValueSampleInterval", "ten", Status.REJECTED, Status.REJECTED),
        ("WebSocketPingInterval", "-5", Status.REJECTED, Status.REJECTED),
        ("LocalPreAuthorize", "TRUE", Status.ACCEPTED, Status.ACCEPTED),
        ("LocalPreAuthorize", "yes", Status.REJECTED, Status.REJECTED),
        ("ConnectorPhaseRotation", "0.RST,1.RTS", Status.NOT_SUPPORTED, Status.ACCEPTED),
        ("ConnectorPhaseRotation", "0.XYZ", Status.NOT_SUPPORTED, Status.REJECTED),
        ("SupportedFileTransferProtocols", "HTTP", Status.ACCEPTED, Status.REJECTED),
        ("SupportedFileTransferProtocols", "GOPHER", Status.REJECTED, Status.REJECTED),
        ("defaultIdTag1", "X" * 21, Status.REJECTED, Status.REJECTED),
        ("URI", "wss://csms.example:443/ocpp", Status.ACCEPTED, Status.ACCEPTED),
        ("URI", "ws://[::1]:9000/ocpp/", Status.ACCEPTED, Status.ACCEPTED),
        ("URI", "", Status.ACCEPTED, Status.ACCEPTED),
        ("URI", "Null", Status.ACCEPTED, Status.ACCEPTED),
        ("URI", "csms.example", Status.REJECTED, Status.REJECTED),
        ("URI", "http://csms.example/ocpp", Status.REJECTED, Status.REJECTED),
        ("URI", "ws://csms.example:99999/ocpp", Status.REJECTED, Status.REJECTED),
        ("URI", "ws://[::1/ocpp", Status.REJECTED, Status.REJECTED),
        ("URI", "ws:///ocpp", Status.REJECTED, Status.REJECTED),
        ("URI", "ws://user:secret@csms.example/", Status.REJECTED, Status.REJECTED),
        ("URI", "ws://csms example/", Status.REJECTED, Status.REJECTED),
        ("URI", "ws://csms.example/" + "x" * 500, Status.REJECTED, Status.REJECTED),
        ("serverReconnectionTime", "0", Status.REJECTED, Status.REJECTED),
        ("MeterValuesSampledData", "", Status.ACCEPTED, Status.ACCEPTED),
        ("MeterValuesSampledData", "Voltage.L1, Current.Import", Status.ACCEPTED, Status.ACCEPTED),
        ("MeterValuesSampledData", "Voltage,Temperature", Status.REJECTED, Status.REJECTED),
        ("MeterValuesSampledData", "Voltage.L2-N,Current.Offered.L3", Status.ACCEPTED, Status.ACCEPTED),
        ("MeterValuesSampledData", "Voltage.L1-L2", Status.REJECTED, Status.REJECTED),
        ("MeterValuesSampledData", "Current.Import.N", Status.REJECTED, Status.REJECTED),
        ("MeterValuesSampledData", "Current.Import.L1-N", Status.REJECTED, Status.REJECTED),
        (
            "MeterValuesSampledData",
            "Energy.Active.Import.Register.L2",
            Status.REJECTED,
            Status.REJECTED,
        ),
        ("MeterValuesSampledData", ",".join(["Voltage"] * 51), Status.REJECTED, Status.REJECTED),
        ("StopTxnSampledData", ",".join(["Voltage"] * 11), Status.REJECTED, Status.REJECTED),
    ],
)
def test_values_are_checked(name, value, greenup, spec):
    """CC-1, CC-2, MV-8: type, range and lists; a refused value changes nothing."""
    for product, answer in ((GREENUP, greenup), (SPEC, spec)):
        configuration = Configuration(product)
        key = configuration.known(name)
        before = configuration.text(key)
        assert configuration.change(key, value) == answer
        if answer is not Status.ACCEPTED:
            assert configuration.text(key) == before


def test_a_no_action_key_is_stored_but_not_obeyed_by_greenup():
    """Section 15, 1: two personalities."""
    greenup, spec = Configuration(GREENUP), Configuration(SPEC)
    for configuration in (greenup, spec):
        assert configuration.change(keys.CLOCK_ALIGNED_DATA_INTERVAL, "900") is Status.ACCEPTED
        assert configuration.text(keys.CLOCK_ALIGNED_DATA_INTERVAL) == "900"
    assert greenup[keys.CLOCK_ALIGNED_DATA_INTERVAL] == 0
    assert spec[keys.CLOCK_ALIGNED_DATA_INTERVAL] == 900


def test_keys_are_found_in_any_case_and_secrets_only_by_spec():
    """CC-4, SEC-4."""
    assert Configuration(GREENUP).known("heartbeatINTERVAL") is keys.HEARTBEAT_INTERVAL
    assert Configuration(GREENUP).known("AuthorizationKey") is None
    assert Configuration(SPEC).known("AuthorizationKey") is keys.AUTHORIZATION_KEY
    assert Configuration(SPEC).change(keys.AUTHORIZATION_KEY, "short") is Status.REJECTED
    assert Configuration(SPEC).change(keys.AUTHORIZATION_KEY, "0" * 32) is Status.ACCEPTED


def test_one_phase_has_no_other_phases():
    """MV-6, MV-8."""
    configuration = Configuration(Product(model="059002", connectors=1, phases=1))
    assert configuration.change(keys.METER_VALUES_SAMPLED_DATA, "Voltage.L1") is Status.ACCEPTED
    assert configuration.change(keys.METER_VALUES_SAMPLED_DATA, "Voltage.L3") is Status.REJECTED


@pytest.mark.parametrize("name", ["MeterValuesSampledData", "supportedMeterValuesSampledData"])
@pytest.mark.parametrize("item", ["SoC", "Warmth", "Power.Offered.L1"])
def test_no_preset_makes_the_meter_show_what_it_does_not_know(name, item):
    """MV-8: such a station would fail at its first sample."""
    with pytest.raises(PlanError, match=f"{name}: the meter has no '{item}'"):
        Configuration(Product(model="X", connectors=1, keys={name: f"Voltage,{item}"}))


def test_presets_pass_access_and_range_but_not_type():
    configuration = Configuration(GREENUP)
    configuration.preset("heartbeatinterval", "2")
    configuration.preset("NumberOfConnectors", "2")
    assert configuration[keys.HEARTBEAT_INTERVAL] == 2
    with pytest.raises(PlanError, match="HeartbeatInterval: not a decimal"):
        configuration.preset("HeartbeatInterval", "soon")
    with pytest.raises(PlanError, match="unknown configuration key 'Colour'"):
        read_preset(Personality.SPEC, "Colour", "red")


def test_product_presets_are_shared_and_overrides_survive_a_round_trip():
    """BOOT-11, CC-3."""
    product = Product(model="059004", connectors=1, keys={"ConnectionTimeOut": "90"})
    first, second = Configuration(product), Configuration(product)
    assert first[keys.CONNECTION_TIME_OUT] == 90
    first.change(keys.CONNECTION_TIME_OUT, "45")
    first.change(keys.LOCAL_PRE_AUTHORIZE, "true")
    assert second[keys.CONNECTION_TIME_OUT] == 90
    second.restore(first.overrides())
    assert second[keys.CONNECTION_TIME_OUT] == 45
    assert second[keys.LOCAL_PRE_AUTHORIZE] is True
    first.change(keys.CONNECTION_TIME_OUT, "90")
    assert first.overrides() == {"LocalPreAuthorize": "true"}


@given(st.sampled_from(sorted(KEYS)), st.text(max_size=40), st.sampled_from(Personality))
def test_any_text_is_answered_and_an_accepted_one_reads_back(name, text, personality):
    configuration = Configuration(Product(model="X", connectors=1, personality=personality))
    key = configuration.known(name)
    if key is not None and configuration.change(key, text) is Status.ACCEPTED:
        again = Configuration(Product(model="X", connectors=1, personality=personality))
        again.restore(configuration.overrides())
        assert again.stored(key) == configuration.stored(key)


@pytest.mark.parametrize(
    ("amps", "cable", "station"), [(16, 20, 64), (10.5, 13, 64), (32, 32, 64), (80, 80, 80)]
)
def test_no_default_is_below_what_the_product_can_give(amps, cable, station):
    """SC-10: installation, cable and station limits start at the product's rating or above."""
    configuration = Configuration(Product(model="X", connectors=1, max_current_a=amps))
    assert configuration[keys.MAX_CURRENT_INSTALLATION_RIGHT] >= amps
    assert configuration[keys.MAX_CURRENT_CABLE_LEFT] == cable
    assert configuration[keys.CHARGING_STATION_MAX_LIMIT] == station
    assert bench(max_current_a=amps).station.limit_a(1) == amps
