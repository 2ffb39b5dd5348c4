"""TriggerMessage (§5.17, TM-1 … TM-5): the answer first, then the message asked for."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from stations.core import boot, calls, maintenance, meter, status
from stations.core.connector import Connector
from stations.core.dispatch import answers
from stations.core.key_rules import items
from stations.core.keys import METER_VALUES_SAMPLED_DATA
from stations.wire.messages import (
    DiagnosticsStatusNotification,
    FirmwareStatusNotification,
    Heartbeat,
    TriggerMessage,
    TriggerMessageConf,
)
from stations.wire.types import MessageTrigger, RegistrationStatus, TriggerMessageStatus

if TYPE_CHECKING:
    from stations.core.station import Station


@answers(TriggerMessage)
def _trigger(station: "Station", request: TriggerMessage) -> TriggerMessageConf:
    return TriggerMessageConf(_SENDERS[request.requested_message](station, request.connector_id))


def _boot(station: "Station", _connector: int | None) -> TriggerMessageStatus:
    """BOOT-10: while Pending; an accepted station has nothing to boot for."""
    if station.registration is RegistrationStatus.ACCEPTED:
        return TriggerMessageStatus.REJECTED
    boot.notify(station, triggered=True)
    return TriggerMessageStatus.ACCEPTED


def _heartbeat(station: "Station", _connector: int | None) -> TriggerMessageStatus:
    calls.place(station, Heartbeat(), triggered=True)
    return TriggerMessageStatus.ACCEPTED


def _firmware(station: "Station", _connector: int | None) -> TriggerMessageStatus:
    request = FirmwareStatusNotification(maintenance.firmware_status(station))
    calls.place(station, request, triggered=True)
    return TriggerMessageStatus.ACCEPTED


def _diagnostics(station: "Station", _connector: int | None) -> TriggerMessageStatus:
    request = DiagnosticsStatusNotification(maintenance.diagnostics_status(station))
    calls.place(station, request, triggered=True)
    return TriggerMessageStatus.ACCEPTED


def _status(station: "Station", number: int | None) -> TriggerMessageStatus:
    return _each(station, number, 0, lambda side: status.report(station, side, triggered=True))


def _meter_values(station: "Station", number: int | None) -> TriggerMessageStatus:
    """TM-1: without a measurand there is no message that could follow the answer."""
    if not items(station.configuration[METER_VALUES_SAMPLED_DATA]):
        return TriggerMessageStatus.REJECTED
    first = meter.metered(station)[0].number
    return _each(station, number, first, lambda side: meter.trigger(station, side))


def _each(
    station: "Station", number: int | None, first: int, send: Callable[[Connector], None]
) -> TriggerMessageStatus:
    """TM-2: the connector named, or all from `first` on; TM-3: an unknown one is Rejected."""
    if number is None:
        chosen = list(station.connectors[first:])
    elif first <= number < len(station.connectors):
        chosen = [station.connectors[number]]
    else:
        return TriggerMessageStatus.REJECTED
    for connector in chosen:
        send(connector)
    return TriggerMessageStatus.ACCEPTED


_SENDERS: Final[dict[MessageTrigger, Callable[["Station", int | None], TriggerMessageStatus]]] = {
    MessageTrigger.BOOT_NOTIFICATION: _boot,
    MessageTrigger.DIAGNOSTICS_STATUS_NOTIFICATION: _diagnostics,
    MessageTrigger.FIRMWARE_STATUS_NOTIFICATION: _firmware,
    MessageTrigger.HEARTBEAT: _heartbeat,
    MessageTrigger.STATUS_NOTIFICATION: _status,
    MessageTrigger.METER_VALUES: _meter_values,
}
