"""Every payload of OCPP 1.6 as a typed Struct: `X` is the request, `XConf` its confirmation.

Limits are those of the official JSON schemas, plus the specification's cardinality 1..* where the schema
files forget it (§7.13, §7.33). Field order is the order on the wire; where the Green'Up guide prints a
message it is the guide's order (LG-1). Absent optional fields are None and never sent (RPC-11).
"""

from typing import Annotated, Final

from msgspec import Meta, Struct

from stations.wire.types import (
    Action,
    AuthorizationStatus,
    AvailabilityStatus,
    AvailabilityType,
    CancelReservationStatus,
    ChargePointErrorCode,
    ChargePointStatus,
    ChargingProfileKindType,
    ChargingProfilePurposeType,
    ChargingProfileStatus,
    ChargingRateUnitType,
    CiString20,
    CiString25,
    CiString50,
    CiString255,
    CiString500,
    ClearCacheStatus,
    ClearChargingProfileStatus,
    ConfigurationStatus,
    DataTransferStatus,
    DateTime,
    DiagnosticsStatus,
    FeatureProfile,
    FirmwareStatus,
    GetCompositeScheduleStatus,
    IdToken,
    Integer,
    Location,
    Measurand,
    MessageTrigger,
    Phase,
    ReadingContext,
    Reason,
    RecurrencyKindType,
    RegistrationStatus,
    RemoteStartStopStatus,
    ReservationStatus,
    ResetStatus,
    ResetType,
    TriggerMessageStatus,
    UnitOfMeasure,
    UnlockStatus,
    UpdateStatus,
    UpdateType,
    ValueFormat,
)

_AT_LEAST_ONE: Final = Meta(min_length=1)


class Part(Struct, rename="camel", omit_defaults=True, forbid_unknown_fields=True, gc=False):
    """Anything inside a payload."""


class Payload(Part):
    """A whole payload: what stands in a CALL or a CALLRESULT."""


class Request(Payload):
    """The payload of a CALL."""


class Confirmation(Payload):
    """The payload of a CALLRESULT."""


# ---- types used by several messages (chapter 7)


class IdTagInfo(Part):
    """§7.27."""

    status: AuthorizationStatus
    expiry_date: DateTime | None = None
    parent_id_tag: IdToken | None = None


class AuthorizationData(Part):
    """§7.1: one entry of the local list; without `id_tag_info` it asks for a deletion (LL-1)."""

    id_tag: IdToken
    id_tag_info: IdTagInfo | None = None


class KeyValue(Part):
    """§7.29."""

    key: CiString50
    readonly: bool
    value: CiString500 | None = None


class SampledValue(Part):
    """§7.43: `value` is a string (MV-4)."""

    value: str
    context: ReadingContext | None = None
    format: ValueFormat | None = None
    measurand: Measurand | None = None
    phase: Phase | None = None
    location: Location | None = None
    unit: UnitOfMeasure | None = None


class MeterValue(Part):
    """§7.33: what the meter showed at one moment."""

    timestamp: DateTime
    sampled_value: Annotated[list[SampledValue], _AT_LEAST_ONE]


def _one_decimal(name: str, value: float) -> None:
    """Hold `value` to multipleOf 0.1, compared as decimals: the float next to 8.1 passes (SC-3)."""
    if round(value, 1) != value:
        raise ValueError(f"`{name}` has more than one decimal: {value}")


class ChargingSchedulePeriod(Part):
    """§7.14: from `start_period` seconds on, at most `limit` A per phase or W."""

    start_period: Integer
    limit: float
    number_phases: Integer | None = None

    def __post_init__(self) -> None:
        _one_decimal("limit", self.limit)


class ChargingSchedule(Part):
    """§7.13."""

    charging_rate_unit: ChargingRateUnitType
    charging_schedule_period: Annotated[list[ChargingSchedulePeriod], _AT_LEAST_ONE]
    duration: Integer | None = None
    start_schedule: DateTime | None = None
    min_charging_rate: float | None = None

    def __post_init__(self) -> None:
        if self.min_charging_rate is not None:
            _one_decimal("minChargingRate", self.min_charging_rate)


class ChargingProfile(Part):
    """§7.8."""

    charging_profile_id: Integer
    stack_level: Integer
    charging_profile_purpose: ChargingProfilePurposeType
    charging_profile_kind: ChargingProfileKindType
    charging_schedule: ChargingSchedule
    transaction_id: Integer | None = None
    recurrency_kind: RecurrencyKindType | None = None
    valid_from: DateTime | None = None
    valid_to: DateTime | None = None


# ---- station → central system (chapter 4)


class Authorize(Request):
    """§6.1."""

    id_tag: IdToken


class AuthorizeConf(Confirmation):
    """§6.2."""

    id_tag_info: IdTagInfo


class BootNotification(Request, kw_only=True):
    """§6.3."""

    charge_box_serial_number: CiString25 | None = None
    charge_point_model: CiString20
    charge_point_serial_number: CiString25 | None = None
    charge_point_vendor: CiString20
    firmware_version: CiString50 | None = None
    iccid: CiString20 | None = None
    imsi: CiString20 | None = None
    meter_serial_number: CiString25 | None = None
    meter_type: CiString25 | None = None


class BootNotificationConf(Confirmation):
    """§6.4: `interval` in seconds (BOOT-3, BOOT-5)."""

    current_time: DateTime
    interval: Integer
    status: RegistrationStatus


class DataTransfer(Request):
    """§6.15, both directions."""

    vendor_id: CiString255
    message_id: CiString50 | None = None
    data: str | None = None


class DataTransferConf(Confirmation):
    """§6.16."""

    status: DataTransferStatus
    data: str | None = None


class DiagnosticsStatusNotification(Request):
    """§6.17."""

    status: DiagnosticsStatus


class DiagnosticsStatusNotificationConf(Confirmation):
    """§6.18."""


class FirmwareStatusNotification(Request):
    """§6.19."""

    status: FirmwareStatus


class FirmwareStatusNotificationConf(Confirmation):
    """§6.20."""


class Heartbeat(Request):
    """§6.29."""


class HeartbeatConf(Confirmation):
    """§6.30."""

    current_time: DateTime


class MeterValues(Request, kw_only=True):
    """§6.31."""

    connector_id: Integer
    transaction_id: Integer | None = None
    meter_value: Annotated[list[MeterValue], _AT_LEAST_ONE]


class MeterValuesConf(Confirmation):
    """§6.32."""


class StartTransaction(Request, kw_only=True):
    """§6.45: `meter_start` in Wh (TX-1)."""

    connector_id: Integer
    id_tag: IdToken
    meter_start: Integer
    reservation_id: Integer | None = None
    timestamp: DateTime


class StartTransactionConf(Confirmation):
    """§6.46."""

    id_tag_info: IdTagInfo
    transaction_id: Integer


class StatusNotification(Request, kw_only=True):
    """§6.47."""

    connector_id: Integer
    error_code: ChargePointErrorCode
    info: CiString50 | None = None
    status: ChargePointStatus
    timestamp: DateTime | None = None
    vendor_id: CiString255 | None = None
    vendor_error_code: CiString50 | None = None


class StatusNotificationConf(Confirmation):
    """§6.48."""


class StopTransaction(Request, kw_only=True):
    """§6.49: `meter_stop` in Wh (TX-5)."""

    id_tag: IdToken | None = None
    meter_stop: Integer
    timestamp: DateTime
    transaction_id: Integer
    reason: Reason | None = None
    transaction_data: list[MeterValue] | None = None

    def __post_init__(self) -> None:
        for meter_value in self.transaction_data or ():
            if any(sample.unit is UnitOfMeasure.HERTZ for sample in meter_value.sampled_value):
                raise ValueError("Invalid enum value 'Hertz' in transactionData")  # MV-4


class StopTransactionConf(Confirmation):
    """§6.50."""

    id_tag_info: IdTagInfo | None = None


# ---- central system → station (chapter 5)


class CancelReservation(Request):
    """§6.5."""

    reservation_id: Integer


class CancelReservationConf(Confirmation):
    """§6.6."""

    status: CancelReservationStatus


class ChangeAvailability(Request):
    """§6.7."""

    connector_id: Integer
    type: AvailabilityType


class ChangeAvailabilityConf(Confirmation):
    """§6.8."""

    status: AvailabilityStatus


class ChangeConfiguration(Request):
    """§6.9."""

    key: CiString50
    value: CiString500


class ChangeConfigurationConf(Confirmation):
    """§6.10."""

    status: ConfigurationStatus


class ClearCache(Request):
    """§6.11."""


class ClearCacheConf(Confirmation):
    """§6.12."""

    status: ClearCacheStatus


class ClearChargingProfile(Request):
    """§6.13."""

    id: Integer | None = None
    connector_id: Integer | None = None
    charging_profile_purpose: ChargingProfilePurposeType | None = None
    stack_level: Integer | None = None


class ClearChargingProfileConf(Confirmation):
    """§6.14."""

    status: ClearChargingProfileStatus


class GetCompositeSchedule(Request):
    """§6.21: `duration` in seconds."""

    connector_id: Integer
    duration: Integer
    charging_rate_unit: ChargingRateUnitType | None = None


class GetCompositeScheduleConf(Confirmation):
    """§6.22."""

    status: GetCompositeScheduleStatus
    connector_id: Integer | None = None
    schedule_start: DateTime | None = None
    charging_schedule: ChargingSchedule | None = None


class GetConfiguration(Request):
    """§6.23."""

    key: list[CiString50] | None = None


class GetConfigurationConf(Confirmation):
    """§6.24."""

    configuration_key: list[KeyValue] | None = None
    unknown_key: list[CiString50] | None = None


class GetDiagnostics(Request):
    """§6.25: `retry_interval` in seconds."""

    location: str
    retries: Integer | None = None
    retry_interval: Integer | None = None
    start_time: DateTime | None = None
    stop_time: DateTime | None = None


class GetDiagnosticsConf(Confirmation):
    """§6.26."""

    file_name: CiString255 | None = None


class GetLocalListVersion(Request):
    """§6.27."""


class GetLocalListVersionConf(Confirmation):
    """§6.28."""

    list_version: Integer


class RemoteStartTransaction(Request):
    """§6.33."""

    id_tag: IdToken
    connector_id: Integer | None = None
    charging_profile: ChargingProfile | None = None


class RemoteStartTransactionConf(Confirmation):
    """§6.34."""

    status: RemoteStartStopStatus


class RemoteStopTransaction(Request):
    """§6.35."""

    transaction_id: Integer


class RemoteStopTransactionConf(Confirmation):
    """§6.36."""

    status: RemoteStartStopStatus


class ReserveNow(Request, kw_only=True):
    """§6.37."""

    connector_id: Integer
    expiry_date: DateTime
    id_tag: IdToken
    parent_id_tag: IdToken | None = None
    reservation_id: Integer


class ReserveNowConf(Confirmation):
    """§6.38."""

    status: ReservationStatus


class Reset(Request):
    """§6.39."""

    type: ResetType


class ResetConf(Confirmation):
    """§6.40."""

    status: ResetStatus


class SendLocalList(Request, kw_only=True):
    """§6.41."""

    list_version: Integer
    local_authorization_list: list[AuthorizationData] | None = None
    update_type: UpdateType


class SendLocalListConf(Confirmation):
    """§6.42."""

    status: UpdateStatus


class SetChargingProfile(Request):
    """§6.43."""

    connector_id: Integer
    cs_charging_profiles: ChargingProfile


class SetChargingProfileConf(Confirmation):
    """§6.44."""

    status: ChargingProfileStatus


class TriggerMessage(Request):
    """§6.51."""

    requested_message: MessageTrigger
    connector_id: Integer | None = None


class TriggerMessageConf(Confirmation):
    """§6.52."""

    status: TriggerMessageStatus


class UnlockConnector(Request):
    """§6.53."""

    connector_id: Integer


class UnlockConnectorConf(Confirmation):
    """§6.54."""

    status: UnlockStatus


class UpdateFirmware(Request):
    """§6.55: `retry_interval` in seconds."""

    location: str
    retrieve_date: DateTime
    retries: Integer | None = None
    retry_interval: Integer | None = None


class UpdateFirmwareConf(Confirmation):
    """§6.56."""


# ---- the table


class Operation(Struct, frozen=True):
    """One operation: its payloads, who may call it, and the feature profile it belongs to (§3.4)."""

    action: Action
    request: type[Request]
    confirmation: type[Confirmation]
    profile: FeatureProfile
    from_station: bool
    from_central: bool


def _up(profile: FeatureProfile, request: type[Request], confirmation: type[Confirmation]) -> Operation:
    return Operation(Action(request.__name__), request, confirmation, profile, True, False)


def _down(profile: FeatureProfile, request: type[Request], confirmation: type[Confirmation]) -> Operation:
    return Operation(Action(request.__name__), request, confirmation, profile, False, True)


def _both(profile: FeatureProfile, request: type[Request], confirmation: type[Confirmation]) -> Operation:
    return Operation(Action(request.__name__), request, confirmation, profile, True, True)


OPERATIONS: Final[dict[str, Operation]] = {
    operation.action.value: operation
    for operation in (
        _up(FeatureProfile.CORE, Authorize, AuthorizeConf),
        _up(FeatureProfile.CORE, BootNotification, BootNotificationConf),
        _both(FeatureProfile.CORE, DataTransfer, DataTransferConf),
        _up(FeatureProfile.CORE, Heartbeat, HeartbeatConf),
        _up(FeatureProfile.CORE, MeterValues, MeterValuesConf),
        _up(FeatureProfile.CORE, StartTransaction, StartTransactionConf),
        _up(FeatureProfile.CORE, StatusNotification, StatusNotificationConf),
        _up(FeatureProfile.CORE, StopTransaction, StopTransactionConf),
        _down(FeatureProfile.CORE, ChangeAvailability, ChangeAvailabilityConf),
        _down(FeatureProfile.CORE, ChangeConfiguration, ChangeConfigurationConf),
        _down(FeatureProfile.CORE, ClearCache, ClearCacheConf),
        _down(FeatureProfile.CORE, GetConfiguration, GetConfigurationConf),
        _down(FeatureProfile.CORE, RemoteStartTransaction, RemoteStartTransactionConf),
        _down(FeatureProfile.CORE, RemoteStopTransaction, RemoteStopTransactionConf),
        _down(FeatureProfile.CORE, Reset, ResetConf),
        _down(FeatureProfile.CORE, UnlockConnector, UnlockConnectorConf),
        _up(
            FeatureProfile.FIRMWARE_MANAGEMENT,
            DiagnosticsStatusNotification,
            DiagnosticsStatusNotificationConf,
        ),
        _up(FeatureProfile.FIRMWARE_MANAGEMENT, FirmwareStatusNotification, FirmwareStatusNotificationConf),
        _down(FeatureProfile.FIRMWARE_MANAGEMENT, GetDiagnostics, GetDiagnosticsConf),
        _down(FeatureProfile.FIRMWARE_MANAGEMENT, UpdateFirmware, UpdateFirmwareConf),
        _down(FeatureProfile.LOCAL_AUTH_LIST_MANAGEMENT, GetLocalListVersion, GetLocalListVersionConf),
        _down(FeatureProfile.LOCAL_AUTH_LIST_MANAGEMENT, SendLocalList, SendLocalListConf),
        _down(FeatureProfile.REMOTE_TRIGGER, TriggerMessage, TriggerMessageConf),
        _down(FeatureProfile.RESERVATION, CancelReservation, CancelReservationConf),
        _down(FeatureProfile.RESERVATION, ReserveNow, ReserveNowConf),
        _down(FeatureProfile.SMART_CHARGING, ClearChargingProfile, ClearChargingProfileConf),
        _down(FeatureProfile.SMART_CHARGING, GetCompositeSchedule, GetCompositeScheduleConf),
        _down(FeatureProfile.SMART_CHARGING, SetChargingProfile, SetChargingProfileConf),
    )
}
"""Action name → operation."""

SECURITY_ACTIONS: Final = frozenset(
    {
        *("CertificateSigned", "DeleteCertificate", "ExtendedTriggerMessage", "GetInstalledCertificateIds"),
        *("GetLog", "InstallCertificate", "SignedUpdateFirmware"),
    }
)
"""CALLs of the security whitepaper (edition 2): not of OCPP 1.6, and not invented either (SEC-4)."""
