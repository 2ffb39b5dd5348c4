"""THE configuration keys of a Green'Up: name, default, type, range, access, answer, effect; one line each.

Columns of the Legrand guide, completed by OCPP 1.6 chapter 9 for the `spec` personality (design C1).
docs/keys.md is generated from this table; a test fails when it is stale. Values live in `configuration.py`.
"""

from typing import Any, Final, Generic, TypeVar

from msgspec import Struct

from stations.core.key_rules import (
    BOOLEAN,
    MEASURANDS,
    METERED,
    PHASE_ROTATION,
    PROTOCOLS,
    SECRET,
    SERVER,
    UNSET,
    Rule,
    integer,
    one_of,
    text_of,
)
from stations.core.plan import Personality
from stations.wire.types import ConfigurationStatus

T = TypeVar("T")

ACCEPTED: Final = ConfigurationStatus.ACCEPTED
REJECTED: Final = ConfigurationStatus.REJECTED
NOT_SUPPORTED: Final = ConfigurationStatus.NOT_SUPPORTED


class Key(Struct, Generic[T], frozen=True, eq=False):
    """One key. `spec_…` is what the `spec` personality has instead; None means the same."""

    name: str
    default: T
    rule: Rule[T]
    effect: str  # what it does, with rule ids, for docs/keys.md
    answer: ConfigurationStatus = ACCEPTED  # to ChangeConfiguration with a good value
    spec_default: T | None = None
    spec_rule: Rule[T] | None = None
    spec_answer: ConfigurationStatus | None = None
    acts_as: T | None = None  # greenup: stored only, the station behaves as if it held this («no action»)
    spec_only: bool = False  # the product does not know the key (SEC-4)
    readable: bool = True  # GF-4: secrets never leave
    supported_by: "Key[str] | None" = None  # the key that lists the items allowed here (MV-8)
    limited_by: "Key[int] | None" = None  # the key that holds the number of items allowed here (MV-8)

    def default_for(self, personality: Personality) -> T:
        """The factory value."""
        if personality is Personality.SPEC and self.spec_default is not None:
            return self.spec_default
        return self.default

    def rule_for(self, personality: Personality) -> Rule[T]:
        """Type and range."""
        if personality is Personality.SPEC and self.spec_rule is not None:
            return self.spec_rule
        return self.rule

    def answer_for(self, personality: Personality) -> ConfigurationStatus:
        """The answer to ChangeConfiguration with a value that passes the rule."""
        if personality is Personality.SPEC and self.spec_answer is not None:
            return self.spec_answer
        return self.answer

    def known_to(self, personality: Personality) -> bool:
        """Whether the key exists at all."""
        return not self.spec_only or personality is Personality.SPEC


KEYS: Final[dict[str, Key[Any]]] = {}  # by lower-case name: look-up is case-insensitive (CC-4)


def _key(name: str, default: T, rule: Rule[T], effect: str, **more: Any) -> Key[T]:
    key = Key(name, default, rule, effect, **more)
    KEYS[name.lower()] = key
    return key


_NATURAL: Final = integer()
_TEXT: Final = text_of()
_AMPERES: Final = integer(0, 1000)
_METER: Final = ",".join(METERED)
_LG3: Final = "Current.Import,Energy.Active.Import.Interval,Power.Active.Export"  # as the guide prints them
_LG4: Final = "Current.Import,Energy.Active.Import.Interval"
_REGISTER: Final = "Energy.Active.Import.Register"

# ---- Core profile
ALLOW_OFFLINE_TX_FOR_UNKNOWN_ID: Final = _key(
    "AllowOfflineTxForUnknownId", False, BOOLEAN, "AUTH-4: offline, unknown tags start too"
)
AUTHORIZATION_CACHE_ENABLED: Final = _key(
    "AuthorizationCacheEnabled", False, BOOLEAN, "CACHE-1..3, AUTH-2: the cache is filled and consulted"
)
AUTHORIZE_REMOTE_TX_REQUESTS: Final = _key(
    "AuthorizeRemoteTxRequests", True, BOOLEAN, "RS-1: a remote start is authorized like a presented tag"
)
BLINK_REPEAT: Final = _key("BlinkRepeat", 60, _NATURAL, "stored only")
CLOCK_ALIGNED_DATA_INTERVAL: Final = _key(
    "ClockAlignedDataInterval", 0, _NATURAL, "MV-2: clock-aligned meter values, s", acts_as=0
)
CONNECTION_TIME_OUT: Final = _key(
    "ConnectionTimeOut", 60, _NATURAL, "ST-4: from Preparing to the missing tag or cable, s; 0 never"
)
GET_CONFIGURATION_MAX_KEYS: Final = _key(
    "GetConfigurationMaxKeys", 255, _NATURAL, "GF-3: keys in one GetConfiguration", answer=REJECTED
)
HEARTBEAT_INTERVAL: Final = _key(
    "HeartbeatInterval",
    60,
    integer(10, 86_400),
    "HB-1..3: period of Heartbeat, s; BootNotification.conf sets it (BOOT-3)",
    spec_rule=_NATURAL,
)
LIGHT_INTENSITY: Final = _key(
    "LightIntensity", 100, integer(0, 100), "none", answer=REJECTED, spec_answer=ACCEPTED
)
LOCAL_AUTHORIZE_OFFLINE: Final = _key(
    "LocalAuthorizeOffline",
    False,
    BOOLEAN,
    "AUTH-4: offline, tags of the list and the cache start",
)
LOCAL_PRE_AUTHORIZE: Final = _key(
    "LocalPreAuthorize", False, BOOLEAN, "AUTH-2: online, tags of the list and the cache start at once"
)
MAX_ENERGY_ON_INVALID_ID: Final = _key(
    "MaxEnergyOnInvalidId",
    0,
    _NATURAL,
    "TX-3: Wh still delivered after a refusal",
    answer=REJECTED,
    spec_answer=ACCEPTED,
)
METER_VALUE_SAMPLE_INTERVAL: Final = _key(
    "MeterValueSampleInterval",
    30,
    integer(10, or_zero=True),
    "MV-1: sampled meter values during a transaction, s; 0 none",
    spec_rule=_NATURAL,
)
MINIMUM_STATUS_DURATION: Final = _key(
    "MinimumStatusDuration", 0, _NATURAL, "ST-6: a status is reported once stable, s"
)
NUMBER_OF_CONNECTORS: Final = _key(
    "NumberOfConnectors", 1, _NATURAL, "sides of the product (§3.8)", answer=REJECTED
)
RESET_RETRIES: Final = _key("ResetRetries", 1, _NATURAL, "RE-4: further attempts when a reset fails")
CONNECTOR_PHASE_ROTATION: Final = _key(
    "ConnectorPhaseRotation",
    "Unknown",
    PHASE_ROTATION,
    "stored only",
    answer=NOT_SUPPORTED,
    spec_default="0.RST,1.RST",
    spec_answer=ACCEPTED,
)
CONNECTOR_PHASE_ROTATION_MAX_LENGTH: Final = _key(
    "ConnectorPhaseRotationMaxLength", 1, _NATURAL, "none", answer=REJECTED, spec_default=3
)
STOP_TRANSACTION_ON_EV_SIDE_DISCONNECT: Final = _key(
    "StopTransactionOnEVSideDisconnect",
    True,
    BOOLEAN,
    "ST-7, ST-8: the cable pulled at the vehicle ends the transaction",
    acts_as=True,
)
STOP_TRANSACTION_ON_INVALID_ID: Final = _key(
    "StopTransactionOnInvalidId",
    False,
    BOOLEAN,
    "TX-3: a refusal in StartTransaction.conf ends the transaction",
)
STOP_TRANSACTION_MAX_METER_VALUES: Final = _key(
    "StopTransactionMaxMeterValues",
    100,
    integer(2),
    "MV-7 (E3.89): entries of transactionData, intermediate ones are dropped first",
    spec_only=True,
)
SUPPORTED_FEATURE_PROFILES: Final = _key(
    "SupportedFeatureProfiles",
    "Core,FirmwareManagement,LocalAuthListManagement,RemoteTrigger,Reservation,SmartCharging",
    _TEXT,
    "RPC-7: feature profiles",
    answer=REJECTED,
)
SUPPORTED_FEATURE_PROFILES_MAX_LENGTH: Final = _key(
    "SupportedFeatureProfilesMaxLength", 6, _NATURAL, "none", answer=REJECTED
)
TRANSACTION_MESSAGE_ATTEMPTS: Final = _key(
    "TransactionMessageAttempts", 3, _NATURAL, "Q-3: transmissions of a transaction message in all"
)
TRANSACTION_MESSAGE_RETRY_INTERVAL: Final = _key(
    "TransactionMessageRetryInterval", 10, _NATURAL, "Q-3: pause times transmissions so far, s"
)
UNLOCK_CONNECTOR_ON_EV_SIDE_DISCONNECT: Final = _key(
    "UnlockConnectorOnEVSideDisconnect",
    True,
    BOOLEAN,
    "ST-7: the cable pulled at the vehicle is unlocked",
    acts_as=True,
)
WEB_SOCKET_PING_INTERVAL: Final = _key(
    "WebSocketPingInterval", 300, _NATURAL, "WS-5: pings of the station, s; 0 none", acts_as=0
)
SUPPORTED_FILE_TRANSFER_PROTOCOLS: Final = _key(
    "SupportedFileTransferProtocols",
    "FTP,SFTP,FTPS,HTTP,HTTPS",
    PROTOCOLS,
    "GD-1, UF-1: accepted locations",
    spec_answer=REJECTED,
)

# ---- what the meter reports: each list with the items and the number of items it may hold (MV-8)
SUPPORTED_METER_VALUES_ALIGNED_DATA: Final = _key(
    "supportedMeterValuesAlignedData",
    _METER,
    MEASURANDS,
    "MV-8: what MeterValuesAlignedData may list",
    answer=REJECTED,
)
METER_VALUES_ALIGNED_DATA_MAX_LENGTH: Final = _key(
    "MeterValuesAlignedDataMaxLength", 50, _NATURAL, "MV-8: items of MeterValuesAlignedData", answer=REJECTED
)
METER_VALUES_ALIGNED_DATA: Final = _key(
    "MeterValuesAlignedData",
    _REGISTER,
    MEASURANDS,
    "MV-2: measurands",
    supported_by=SUPPORTED_METER_VALUES_ALIGNED_DATA,
    limited_by=METER_VALUES_ALIGNED_DATA_MAX_LENGTH,
)
SUPPORTED_METER_VALUES_SAMPLED_DATA: Final = _key(
    "supportedMeterValuesSampledData",
    _METER,
    MEASURANDS,
    "MV-8: what MeterValuesSampledData may list",
    answer=REJECTED,
)
METER_VALUES_SAMPLED_DATA_MAX_LENGTH: Final = _key(
    "MeterValuesSampledDataMaxLength", 50, _NATURAL, "MV-8: items of MeterValuesSampledData", answer=REJECTED
)
METER_VALUES_SAMPLED_DATA: Final = _key(
    "MeterValuesSampledData",
    _LG3,
    MEASURANDS,
    "MV-1, LG-3: measurands",
    spec_default=_REGISTER,
    supported_by=SUPPORTED_METER_VALUES_SAMPLED_DATA,
    limited_by=METER_VALUES_SAMPLED_DATA_MAX_LENGTH,
)
SUPPORTED_STOP_TXN_ALIGNED_DATA: Final = _key(
    "supportedStopTxnAlignedData",
    _METER,
    MEASURANDS,
    "MV-8: what StopTxnAlignedData may list",
    answer=REJECTED,
)
STOP_TXN_ALIGNED_DATA_MAX_LENGTH: Final = _key(
    "StopTxnAlignedDataMaxLength", 10, _NATURAL, "MV-8: items of StopTxnAlignedData", answer=REJECTED
)
STOP_TXN_ALIGNED_DATA: Final = _key(
    "StopTxnAlignedData",
    "",
    MEASURANDS,
    "MV-7: measurands of transactionData",
    supported_by=SUPPORTED_STOP_TXN_ALIGNED_DATA,
    limited_by=STOP_TXN_ALIGNED_DATA_MAX_LENGTH,
)
SUPPORTED_STOP_TXN_SAMPLED_DATA: Final = _key(
    "supportedStopTxnSampledData",
    _METER,
    MEASURANDS,
    "MV-8: what StopTxnSampledData may list",
    answer=REJECTED,
)
STOP_TXN_SAMPLED_DATA_MAX_LENGTH: Final = _key(
    "StopTxnSampledDataMaxLength", 10, _NATURAL, "MV-8: items of StopTxnSampledData", answer=REJECTED
)
STOP_TXN_SAMPLED_DATA: Final = _key(
    "StopTxnSampledData",
    _LG4,
    MEASURANDS,
    "MV-7, LG-4: measurands of transactionData",
    spec_default="",
    supported_by=SUPPORTED_STOP_TXN_SAMPLED_DATA,
    limited_by=STOP_TXN_SAMPLED_DATA_MAX_LENGTH,
)

# ---- Local Auth List Management, Reservation, Smart Charging
LOCAL_AUTH_LIST_ENABLED: Final = _key(
    "LocalAuthListEnabled", False, BOOLEAN, "AUTH-1, LV-1, LL-5: the list is kept and consulted"
)
LOCAL_AUTH_LIST_MAX_LENGTH: Final = _key(
    "LocalAuthListMaxLength", 500, _NATURAL, "LL-4: entries in the list", answer=REJECTED
)
SEND_LOCAL_LIST_MAX_LENGTH: Final = _key(
    "SendLocalListMaxLength", 500, _NATURAL, "LL-4: entries in one SendLocalList", answer=REJECTED
)
RESERVE_CONNECTOR_ZERO_SUPPORTED: Final = _key(
    "ReserveConnectorZeroSupported", True, BOOLEAN, "RN-2: connector 0 can be reserved", answer=REJECTED
)
CHARGE_PROFILE_MAX_STACK_LEVEL: Final = _key(
    "ChargeProfileMaxStackLevel", 100, _NATURAL, "SC-3", answer=REJECTED
)
CHARGING_SCHEDULE_ALLOWED_CHARGING_RATE_UNIT: Final = _key(
    "ChargingScheduleAllowedChargingRateUnit", "Current,Power", _TEXT, "SC-3, GC-3", answer=REJECTED
)
CHARGING_SCHEDULE_MAX_PERIODS: Final = _key(
    "ChargingScheduleMaxPeriods", 100, _NATURAL, "SC-3, GC-7", answer=REJECTED
)
CONNECTOR_SWITCH_3_TO_1_PHASE_SUPPORTED: Final = _key(
    "ConnectorSwitch3to1PhaseSupported", False, BOOLEAN, "SC-11: never within a transaction", answer=REJECTED
)
MAX_CHARGING_PROFILES_INSTALLED: Final = _key(
    "MaxChargingProfilesInstalled", 100, _NATURAL, "SC-3", answer=REJECTED
)

# ---- Legrand profile
CHARGING_STATION_MAX_LIMIT: Final = _key(
    "chargingStationMaxLimit", 64, _AMPERES, "SC-10: current of the whole station, A per phase"
)
CONF_BASIC_TIME: Final = _key("confBasicTime", 10, integer(1), "RPC-4: time-out of a CALL, s")
CONF_AUTHORIZE_TIME: Final = _key("confAuthorizeTime", 20, integer(1), "RPC-4: time-out of Authorize, s")
CONF_BOTT_NOTIFICATION_TIME: Final = _key(
    "confBottNotificationTime", 30, integer(1), "RPC-4, BOOT-8: time-out of BootNotification, s (sic)"
)
DEFAULT_ID_TAG_1: Final = _key(
    "defaultIdTag1", "LEGRAND001", text_of(20), "tag of connector 1 in plug and charge"
)
DEFAULT_ID_TAG_2: Final = _key(
    "defaultIdTag2", "LEGRAND002", text_of(20), "tag of connector 2 in plug and charge"
)
MAX_CURRENT_INSTALLATION_RIGHT: Final = _key(
    "MaxCurrentInstallationRight", 32, _AMPERES, "SC-10: limit of connector 1, A", answer=REJECTED
)
MAX_CURRENT_INSTALLATION_LEFT: Final = _key(
    "MaxCurrentInstallationLeft", 32, _AMPERES, "SC-10: limit of connector 2, A", answer=REJECTED
)
MAX_CURRENT_CABLE_RIGHT: Final = _key(
    "MaxCurrentCableRight", 32, _AMPERES, "SC-10: cable plugged into connector 1, A; 0 none", answer=REJECTED
)
MAX_CURRENT_CABLE_LEFT: Final = _key(
    "MaxCurrentCableLeft", 32, _AMPERES, "SC-10: cable plugged into connector 2, A; 0 none", answer=REJECTED
)
METER_TYPE: Final = _key("MeterType", "Internal", one_of("Internal", "External"), "none", answer=REJECTED)
NETWORK_ETHERNET_ADDRESS: Final = _key(
    "networkEthernetAddress", "192.168.1.200", _TEXT, "none", answer=REJECTED
)
NETWORK_ETHERNET_NETMASK: Final = _key(
    "networkEthernetNetmask", "255.255.255.0", _TEXT, "none", answer=REJECTED
)
NETWORK_ETHERNET_GATEWAY: Final = _key("networkEthernetGateway", "", _TEXT, "none", answer=REJECTED)
NETWORK_WIFI_ADDRESS: Final = _key("networkWiFiAddress", "", _TEXT, "none", answer=REJECTED)
NETWORK_WIFI_NETMASK: Final = _key("networkWiFiNetmask", "", _TEXT, "none", answer=REJECTED)
NETWORK_WIFI_GATEWAY: Final = _key("networkWiFiGateway", "", _TEXT, "none", answer=REJECTED)
PLUG_AND_CHARGE: Final = _key(
    "oCPPPlugAndCharge", False, BOOLEAN, "plugging presents defaultIdTagN without a badge"
)
SERVER_RECONNECTION_TIME: Final = _key(
    "serverReconnectionTime", 30, integer(1), "WS-3: base of the pause between connection attempts, s"
)
UID: Final = _key("UID", UNSET, text_of(48), "identity, from the next connection on (WS-1)")
URI: Final = _key("URI", UNSET, SERVER, "URL of the central system, from the next connection on (WS-1)")

# ---- Errata
MESSAGE_TIMEOUT: Final = _key(
    "MessageTimeout",
    0,
    _NATURAL,
    "RPC-4 (E3.82): time-out of every CALL, s; 0 leaves it to confBasicTime and its like",
    spec_only=True,
)

# ---- Security whitepaper: the product knows none of it (SEC-4)
AUTHORIZATION_KEY: Final = _key(
    "AuthorizationKey",
    "",
    SECRET,
    "SEC-1, SEC-3: Basic password, from the next connection on",
    spec_only=True,
    readable=False,
)
SECURITY_PROFILE: Final = _key(
    "SecurityProfile", 0, integer(0, 3), "SEC-2: security profile in force", spec_only=True
)
