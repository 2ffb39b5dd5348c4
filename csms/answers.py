"""The central system's answer to each operation of a station (chapter 4 of OCPP 1.6)."""

import time
from collections.abc import Callable
from functools import lru_cache, partial
from typing import Final, TypeVar, cast

import msgspec
from msgspec import Raw

from csms import rows
from csms.behaviour import (
    AlteredEnergy,
    DoubledStart,
    DuplicateTransactionId,
    Fault,
    LostMeterValues,
    LostStart,
    LostStop,
    MergedTransactions,
    MissingTransactionId,
    ZeroTransactionId,
)
from csms.session import Exchange, Handler
from csms.tags import Place
from stations.wire.errors import ErrorCode, PeerError
from stations.wire.messages import (
    Authorize,
    AuthorizeConf,
    BootNotification,
    BootNotificationConf,
    Confirmation,
    DataTransfer,
    DataTransferConf,
    DiagnosticsStatusNotification,
    DiagnosticsStatusNotificationConf,
    FirmwareStatusNotification,
    FirmwareStatusNotificationConf,
    Heartbeat,
    HeartbeatConf,
    IdTagInfo,
    MeterValues,
    MeterValuesConf,
    Payload,
    Request,
    StartTransaction,
    StartTransactionConf,
    StatusNotification,
    StatusNotificationConf,
    StopTransaction,
    StopTransactionConf,
)
from stations.wire.types import DataTransferStatus, Reason, format_datetime, parse_datetime

HANDLERS: Final[dict[str, Handler]] = {}

_R = TypeVar("_R", bound=Request)
_json: Final = msgspec.json.Encoder()
_unix_s: Final = lru_cache(maxsize=1024)(parse_datetime)
DEFAULT_REASON: Final = Reason.LOCAL.value  # §6.49: what an absent reason means


def _answers(
    request_type: type[_R],
) -> Callable[[Callable[[Exchange, _R], Confirmation | None]], Callable[[Exchange, _R], Confirmation | None]]:
    """Enter the function into HANDLERS under its operation."""

    def enter(
        function: Callable[[Exchange, _R], Confirmation | None],
    ) -> Callable[[Exchange, _R], Confirmation | None]:
        HANDLERS[request_type.__name__] = cast("Handler", function)
        return function

    return enter


def _current_time(exchange: Exchange) -> str:
    """currentTime, off when fault `wrong-clock` has this station (HB-1)."""
    misdeeds, station = exchange.session.central.misdeeds, exchange.session.station
    now_s = time.time()
    if misdeeds.active and (fault := misdeeds.wrong_clock(station)) is not None:
        misdeeds.commit(fault, now_s, station, action=exchange.action)
        now_s += fault.offset_s
    return format_datetime(now_s)


def _json_text(value: object) -> str:
    return _json.encode(value).decode()


@_answers(BootNotification)
def boot_notification(exchange: Exchange, request: BootNotification) -> None:
    """§4.2: by the boot policy; nothing else is answered before Accepted (BOOT-1, BOOT-5 … BOOT-7).

    Answered after the commit: a station that was Accepted does not boot again when we are restarted (WS-7).
    """
    session = exchange.session
    rule = session.central.boot.decide(session.station)
    row = rows.Boot(
        session.station,
        exchange.received_s,
        request.charge_point_vendor,
        request.charge_point_model,
        request.charge_box_serial_number or request.charge_point_serial_number,
        request.firmware_version,
        rule.status.value,
        exchange.received_s,
    )

    def committed(kept: int | None) -> None:
        if kept is None:
            exchange.refuse(ErrorCode.INTERNAL_ERROR, "the registration could not be recorded")
            return
        session.registration = session.central.registered[session.station] = rule.status
        session.triggered.clear()
        exchange.answer(BootNotificationConf(_current_time(exchange), rule.interval_s, rule.status))

    session.central.ledger.append_awaited(row, committed)


@_answers(Heartbeat)
def heartbeat(exchange: Exchange, _request: Heartbeat) -> HeartbeatConf:
    """§4.6."""
    return HeartbeatConf(_current_time(exchange))


@_answers(Authorize)
def authorize(exchange: Exchange, request: Authorize) -> AuthorizeConf:
    """§4.1."""
    return AuthorizeConf(exchange.session.central.tags.authorize(request.id_tag, exchange.received_s))


@_answers(StatusNotification)
def status_notification(exchange: Exchange, request: StatusNotification) -> StatusNotificationConf:
    """§4.9."""
    exchange.session.central.ledger.append(
        rows.Status(
            exchange.session.station,
            request.connector_id,
            request.status.value,
            request.error_code.value,
            request.info,
            request.vendor_id,
            request.vendor_error_code,
            request.timestamp,
            exchange.received_s,
        )
    )
    return StatusNotificationConf()


@_answers(MeterValues)
def meter_values(exchange: Exchange, request: MeterValues) -> MeterValuesConf | None:
    """§4.7: also without a transaction, and of one nobody knows."""
    session = exchange.session
    misdeeds, ledger = session.central.misdeeds, session.central.ledger
    if misdeeds.active and (fault := misdeeds.strike(LostMeterValues, session.station)) is not None:
        misdeeds.commit(
            fault,
            exchange.received_s,
            session.station,
            action=exchange.action,
            transaction_id=request.transaction_id,
        )
        return MeterValuesConf()
    *earlier, last = (
        rows.MeterValues(
            session.station,
            request.connector_id,
            request.transaction_id,
            meter_value.timestamp,
            _unix_s(meter_value.timestamp),
            _json_text(meter_value.sampled_value),
            exchange.received_s,
        )
        for meter_value in request.meter_value
    )
    for row in earlier:
        ledger.append(row)
    if ledger.behind:  # the station waits: it has no second CALL to send meanwhile (RPC-3)
        ledger.append_awaited(last, partial(_answer_meter_values, exchange))
        return None
    ledger.append(last)
    return MeterValuesConf()


def _answer_meter_values(exchange: Exchange, kept: int | None) -> None:
    if kept is None:
        exchange.refuse(ErrorCode.INTERNAL_ERROR, "the meter values could not be recorded")
    else:
        exchange.answer(MeterValuesConf())


@_answers(StartTransaction)
def start_transaction(exchange: Exchange, request: StartTransaction) -> None:
    """§4.8: recorded whatever the tag's status (energy may have flowed), answered after the commit (TX-2)."""
    if request.connector_id < 1:
        raise PeerError(ErrorCode.PROPERTY_CONSTRAINT_VIOLATION, "connectorId of a transaction is above 0")
    session = exchange.session
    place = Place(session.station, request.connector_id)
    info = session.central.tags.authorize_start(request.id_tag, place, exchange.received_s)
    row = rows.Start(
        session.central.ledger.new_transaction_id(),
        session.station,
        request.connector_id,
        request.id_tag,
        request.timestamp,
        _unix_s(request.timestamp),
        request.meter_start,
        request.reservation_id,
        info.status.value,
        exchange.received_s,
    )
    if not (session.central.misdeeds.active and _start_goes_wrong(exchange, row, info)):
        _record_start(exchange, row, info)


def _record_start(exchange: Exchange, row: rows.Start, info: IdTagInfo) -> None:
    central = exchange.session.central

    def committed(transaction_id: int | None) -> None:
        if transaction_id is None:
            exchange.refuse(ErrorCode.INTERNAL_ERROR, "the transaction could not be recorded")
            return
        if transaction_id == row.transaction_id:  # another id: the same session, sent again
            central.opened(row)
        exchange.answer(_told(exchange, info, transaction_id))

    central.ledger.append_awaited(row, committed)


def _start_goes_wrong(exchange: Exchange, row: rows.Start, info: IdTagInfo) -> bool:
    """The faults that change what is recorded; True when the row is dealt with."""
    session, misdeeds = exchange.session, exchange.session.central.misdeeds
    merged_with = session.central.other_transaction(row.station, row.connector)
    if merged_with is not None:
        merged = misdeeds.strike(MergedTransactions, row.station)
        if merged is not None:
            detail = f"connector {row.connector} told the id of another connector"
            _commit(exchange, merged, merged_with, detail)
            exchange.answer(StartTransactionConf(info, merged_with))
            return True
    lost = misdeeds.strike(LostStart, row.station)
    if lost is not None:
        _commit(exchange, lost, row.transaction_id, f"connector {row.connector} started {row.started}")
        exchange.answer(StartTransactionConf(info, row.transaction_id))
        return True
    doubled = misdeeds.strike(DoubledStart, row.station)
    if doubled is not None:
        _record_twice(exchange, row, doubled)
    return False


def _record_twice(exchange: Exchange, row: rows.Start, fault: DoubledStart) -> None:
    ledger = exchange.session.central.ledger
    twin = msgspec.structs.replace(row, transaction_id=ledger.new_transaction_id(), copy=1)

    def committed(kept: int | None) -> None:
        if kept == twin.transaction_id:  # a start sent again has its twin already
            _commit(exchange, fault, row.transaction_id, f"recorded again as {twin.transaction_id}")

    ledger.append_awaited(twin, committed)


def _told(exchange: Exchange, info: IdTagInfo, transaction_id: int) -> Payload | Raw:
    """What the station is told; the ledger holds `transaction_id` whatever that is."""
    misdeeds, station = exchange.session.central.misdeeds, exchange.session.station
    if misdeeds.active:
        foreign = exchange.session.central.foreign_transaction(station)
        if foreign is not None and (copied := misdeeds.strike(DuplicateTransactionId, station)) is not None:
            _commit(exchange, copied, transaction_id, f"told {foreign}, another station's")
            return StartTransactionConf(info, foreign)
        if (zero := misdeeds.strike(ZeroTransactionId, station)) is not None:
            _commit(exchange, zero, transaction_id, "told 0")
            return StartTransactionConf(info, 0)
        if (missing := misdeeds.strike(MissingTransactionId, station)) is not None:
            _commit(exchange, missing, transaction_id, "told none")
            return Raw(b'{"idTagInfo":' + _json.encode(info) + b"}")
    return StartTransactionConf(info, transaction_id)


@_answers(StopTransaction)
def stop_transaction(exchange: Exchange, request: StopTransaction) -> None:
    """§4.10: never refused (TX-7), also of unknown ids and of -1 (TX-8); answered after the commit."""
    session = exchange.session
    central, tag = session.central, request.id_tag
    info = None if tag is None else central.tags.authorize(tag, exchange.received_s)
    data = request.transaction_data
    row = rows.Stop(
        session.station,
        request.transaction_id,
        request.timestamp,
        _unix_s(request.timestamp),
        request.meter_stop,
        tag,
        DEFAULT_REASON if request.reason is None else request.reason.value,
        None if data is None else _json_text(data),
        exchange.received_s,
    )
    if central.misdeeds.active and _stop_goes_wrong(exchange, row):
        central.ended(row.station, row.transaction_id)
        exchange.answer(StopTransactionConf(info))
        return

    def committed(kept: int | None) -> None:
        if kept is None:
            exchange.refuse(ErrorCode.INTERNAL_ERROR, "the end of the transaction could not be recorded")
            return
        central.ended(row.station, row.transaction_id)
        exchange.answer(StopTransactionConf(info))

    central.ledger.append_awaited(row, committed)


def _stop_goes_wrong(exchange: Exchange, row: rows.Stop) -> bool:
    """True when the stop is to be forgotten; the energy may have been altered."""
    misdeeds = exchange.session.central.misdeeds
    lost = misdeeds.strike(LostStop, row.station)
    if lost is not None:
        _commit(exchange, lost, row.transaction_id, f"meterStop {row.meter_stop_wh} at {row.stopped}")
        return True
    altered = misdeeds.strike(AlteredEnergy, row.station)
    if altered is not None:
        detail = f"sent {row.meter_stop_wh} Wh, recorded {row.meter_stop_wh + altered.offset_wh} Wh"
        _commit(exchange, altered, row.transaction_id, detail)
        row.meter_stop_wh += altered.offset_wh
    return False


def _commit(exchange: Exchange, fault: Fault, transaction_id: int, detail: str) -> None:
    exchange.session.central.misdeeds.commit(
        fault,
        exchange.received_s,
        exchange.session.station,
        action=exchange.action,
        transaction_id=transaction_id,
        detail=detail,
    )


def _note(exchange: Exchange, request: Request) -> None:
    exchange.session.central.ledger.append(
        rows.Notification(exchange.session.station, exchange.action, _json_text(request), exchange.received_s)
    )


@_answers(DiagnosticsStatusNotification)
def diagnostics_status(
    exchange: Exchange, request: DiagnosticsStatusNotification
) -> DiagnosticsStatusNotificationConf:
    """§4.4."""
    _note(exchange, request)
    return DiagnosticsStatusNotificationConf()


@_answers(FirmwareStatusNotification)
def firmware_status(
    exchange: Exchange, request: FirmwareStatusNotification
) -> FirmwareStatusNotificationConf:
    """§4.5."""
    _note(exchange, request)
    return FirmwareStatusNotificationConf()


@_answers(DataTransfer)
def data_transfer(exchange: Exchange, request: DataTransfer) -> DataTransferConf:
    """§4.3: kept for whoever reads the ledger; no vendor's extension is implemented here."""
    _note(exchange, request)
    return DataTransferConf(DataTransferStatus.UNKNOWN_VENDOR_ID)
