"""Remote control: starts, stops, unlocking, vendor data (§5.6, §5.11, §5.12, §5.18)."""

from typing import TYPE_CHECKING

from stations.core import authorization, supply, transaction
from stations.core.authorization import Presented
from stations.core.connector import Connector, unlock
from stations.core.dispatch import answers
from stations.core.keys import AUTHORIZE_REMOTE_TX_REQUESTS
from stations.wire.messages import (
    DataTransfer,
    DataTransferConf,
    RemoteStartTransaction,
    RemoteStartTransactionConf,
    RemoteStopTransaction,
    RemoteStopTransactionConf,
    UnlockConnector,
    UnlockConnectorConf,
)
from stations.wire.types import (
    ChargePointErrorCode,
    DataTransferStatus,
    Reason,
    RegistrationStatus,
    RemoteStartStopStatus,
    UnlockStatus,
)

if TYPE_CHECKING:
    from stations.core.station import Station


@answers(RemoteStartTransaction)
def _remote_start(station: "Station", request: RemoteStartTransaction) -> RemoteStartTransactionConf:
    """RS-1 … RS-6: Accepted means that the station will try."""
    connector = _for_start(station, request)
    profile = request.charging_profile
    if connector and profile and supply.refusal_for_start(station, connector, profile):
        connector = None  # RS-5
    if connector is None or _forbidden(station, "RemoteStartTransaction"):
        return RemoteStartTransactionConf(RemoteStartStopStatus.REJECTED)
    ask = station.configuration[AUTHORIZE_REMOTE_TX_REQUESTS]
    presented = Presented(request.id_tag, remote=True, granted=not ask, profile=profile)
    authorization.present(station, connector, presented)
    return RemoteStartTransactionConf(RemoteStartStopStatus.ACCEPTED)


def _forbidden(station: "Station", action: str) -> bool:
    """BOOT-7: remote starts and stops belong to accepted stations; a restarting one starts nothing."""
    if station.registration is RegistrationStatus.ACCEPTED:
        return station.resetting is not None
    station.find("BOOT-7", f"{action} to a station that is not accepted")
    return True


def _for_start(station: "Station", request: RemoteStartTransaction) -> Connector | None:
    """RS-2, RS-3: the side named, or the one that waits for a tag, or a free one."""
    if request.connector_id is None:
        sides = list(station.connectors[1:])
    elif 0 < request.connector_id < len(station.connectors):
        sides = [station.connectors[request.connector_id]]
    else:
        return None
    startable = [side for side in sides if authorization.can_start(station, side, request.id_tag)]
    return min(startable, key=lambda side: (not side.plugged, side.number), default=None)


@answers(RemoteStopTransaction)
def _remote_stop(station: "Station", request: RemoteStopTransaction) -> RemoteStopTransactionConf:
    """RT-1, RT-2: only an id that is known and running."""
    if _forbidden(station, "RemoteStopTransaction"):
        return RemoteStopTransactionConf(RemoteStartStopStatus.REJECTED)
    for connector in station.connectors[1:]:
        running = connector.transaction
        if running is None or not running.authorization:
            continue  # never answered, whatever stands for its id (TX-8)
        if running.transaction_id == request.transaction_id:
            transaction.stop(station, connector, Reason.REMOTE)
            return RemoteStopTransactionConf(RemoteStartStopStatus.ACCEPTED)
    return RemoteStopTransactionConf(RemoteStartStopStatus.REJECTED)


@answers(UnlockConnector)
def _unlock(station: "Station", request: UnlockConnector) -> UnlockConnectorConf:
    """UC-1 … UC-3."""
    number = request.connector_id
    connector = station.connectors[number] if 0 < number < len(station.connectors) else None
    if connector is None or not station.is_detachable(connector):
        return UnlockConnectorConf(UnlockStatus.NOT_SUPPORTED)  # UC-2: a transaction goes on
    transaction.stop(station, connector, Reason.UNLOCK_COMMAND, keep_locked=True)
    if connector.lock_failing:
        connector.error_code = ChargePointErrorCode.CONNECTOR_LOCK_FAILURE
        station.settle(connector)
        return UnlockConnectorConf(UnlockStatus.UNLOCK_FAILED)
    unlock(station, connector)
    return UnlockConnectorConf(UnlockStatus.UNLOCKED)


@answers(DataTransfer)
def _data_transfer(_station: "Station", _request: DataTransfer) -> DataTransferConf:
    """DT-2: the product knows no vendor's messages."""
    return DataTransferConf(DataTransferStatus.UNKNOWN_VENDOR_ID)
