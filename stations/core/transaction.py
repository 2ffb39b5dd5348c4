"""The transaction machine (TX-*): start when tag and cable are there, run, stop for a reason, settle.

started → acknowledged → stopped → settled; a message given up makes it abandoned (Q-3, TX-8).
"""

from typing import TYPE_CHECKING

from stations.core import backlog, booking, meter, supply, tags, wall
from stations.core.alarms import Alarm
from stations.core.connector import HANDSHAKE_S, Connector, settle
from stations.core.dispatch import ends, rings
from stations.core.events import Outcome
from stations.core.keys import (
    MAX_ENERGY_ON_INVALID_ID,
    STOP_TRANSACTION_ON_INVALID_ID,
)
from stations.core.outgoing import Outgoing
from stations.core.plan import Personality
from stations.core.product_faults import DUPLICATE_START
from stations.core.transaction_record import UNKNOWN_ID, Transaction
from stations.wire.messages import (
    Confirmation,
    StartTransaction,
    StartTransactionConf,
    StopTransaction,
    StopTransactionConf,
)
from stations.wire.types import Action, AuthorizationStatus, ChargePointErrorCode, Reason

if TYPE_CHECKING:
    from stations.core.station import Station


def start_if_ready(station: "Station", connector: Connector) -> None:
    """TX-1: authorized, plugged, operative, no fault."""
    presented = connector.presented
    if presented is None or not presented.granted or connector.vehicle is None or connector.transaction:
        return
    if station.resetting is not None:
        return  # RE-1: what waits now is forgotten by the restart
    if connector.faulted or station.connectors[0].faulted or not station.is_operative(connector):
        return  # ST-9: no new transaction under a fault
    if connector.lock_failing and station.is_detachable(connector):
        connector.presented = None
        connector.error_code = ChargePointErrorCode.CONNECTOR_LOCK_FAILURE  # ST-12
        settle(station, connector)
        return
    _start(station, connector)


def _start(station: "Station", connector: Connector) -> None:
    presented = connector.presented
    assert presented is not None  # start_if_ready looked
    station.sequence += 1
    register_wh = connector.energy_wh(station.now)
    running = Transaction(
        station.sequence,
        connector.number,
        presented.id_tag,
        int(register_wh),
        _start_time(station),
        station.now,
        offline=not station.serving,
        parent_id_tag=presented.parent_id_tag,
        reservation_id=booking.consume(station, connector, presented.id_tag, presented.parent_id_tag),
        interval_wh=register_wh,
        aligned_wh=register_wh,
        last_wh=int(register_wh),
    )
    running.last_s = running.started_s
    connector.transaction = running
    connector.presented = None
    connector.locked, connector.owner = station.is_detachable(connector), None
    connector.handshake_until = station.now + HANDSHAKE_S
    station.alarms.drop(Alarm.CONNECTION, connector.number)
    meter.begin(station, connector, running)
    _queue_start(station, running)
    if presented.profile is not None:
        supply.install_for_start(station, connector, presented.profile)
    supply.apply(station)
    settle(station, connector)


def _start_time(station: "Station") -> float:
    """Strictly increasing as printed, so that (connector, tag, start) names one transaction for ever.

    A clock that was set back is believed (HB-4): what it showed before is no reason for a wrong time now.
    """
    resolution_s = 1.0 if wall.whole_seconds(station.plan.product, station.firmware) else 0.001
    unix_s = wall.unix_s(station)
    if station.last_start_s < unix_s + wall.WRONG_CLOCK_S:
        unix_s = max(unix_s, station.last_start_s + resolution_s)
    unix_s = round(unix_s, 3)
    station.last_start_s = unix_s
    return unix_s


def _queue_start(station: "Station", running: Transaction) -> None:
    reservation_id = running.reservation_id
    if reservation_id is None and station.plan.product.personality is Personality.GREENUP:
        reservation_id = 0  # TX-1 L, LG-4: the guide sends 0 for none
    request = StartTransaction(
        connector_id=running.connector,
        id_tag=running.id_tag,
        meter_start=running.meter_start_wh,
        reservation_id=reservation_id,
        timestamp=wall.stamp(station, running.started_s),
    )
    _queue(station, request, running)
    if DUPLICATE_START in station.plan.product.faults:
        _queue(station, request, running)
    backlog.journal(station, running, "started")


def _queue(station: "Station", request: StartTransaction | StopTransaction, running: Transaction) -> None:
    action = type(request).__name__
    backlog.add(station, Outgoing(action, request, station.due, running.connector, running))


@ends(Action.START_TRANSACTION)
def _acknowledged(
    station: "Station", outgoing: Outgoing, outcome: Outcome, confirmation: Confirmation | None
) -> None:
    running = outgoing.transaction
    assert running is not None  # every StartTransaction has one
    if not backlog.processed(station, outgoing, outcome) or not isinstance(
        confirmation, StartTransactionConf
    ):
        return
    info = confirmation.id_tag_info
    running.transaction_id = confirmation.transaction_id
    running.authorization = info.status.value
    if info.parent_id_tag is not None:
        running.parent_id_tag = info.parent_id_tag
    _look_at(station, running)
    tags.learn(station, running.id_tag, info)
    backlog.journal(station, running, "acknowledged" if running.stopped_s is None else "stopped")
    connector = station.connectors[running.connector]
    if connector.transaction is not running:
        return
    if info.status is not AuthorizationStatus.ACCEPTED:
        refuse(station, connector, running)


def _look_at(station: "Station", running: Transaction) -> None:
    """What the central system's answer breaks in our sight (C8)."""
    transaction_id = running.transaction_id
    if transaction_id == 0 and running.authorization == AuthorizationStatus.ACCEPTED:
        station.find("TX-2", "transactionId 0 with Accepted")
    for side in station.connectors:
        other = side.transaction
        if other is not None and other is not running and other.transaction_id == transaction_id:
            station.find("TX-11", f"transactionId {transaction_id} is running on connector {side.number} too")


def refuse(station: "Station", connector: Connector, running: Transaction) -> None:
    """TX-3, TX-4: the central system does not accept a running transaction, for whatever reason."""
    running.refused = True
    _watch_cap(station, connector.number, station.now)


@rings(Alarm.CAP)
def _watch_cap(station: "Station", number: int, _at: float) -> None:
    """TX-3: energy up to MaxEnergyOnInvalidId; looked at when no power the hardware allows has used it up."""
    connector = station.connectors[number]
    running = connector.transaction
    if running is None or not running.refused:
        return
    cap_wh = running.meter_start_wh + station.configuration[MAX_ENERGY_ON_INVALID_ID]
    left_wh = cap_wh - connector.energy_wh(station.now)
    if left_wh > 0:
        most_w = supply.hardware_a(station, connector) * 230 * station.plan.product.phases
        station.alarms.set(Alarm.CAP, station.now + max(left_wh * 3600 / max(most_w, 100.0), 0.5), number)
        return
    _no_more_energy(station, connector, running)


def _no_more_energy(station: "Station", connector: Connector, running: Transaction) -> None:
    """TX-3: stop, or only withhold the energy, as StopTransactionOnInvalidId says."""
    running.withheld = True
    if station.configuration[STOP_TRANSACTION_ON_INVALID_ID]:
        stop(station, connector, Reason.DE_AUTHORIZED, keep_locked=True)
    else:
        supply.apply(station)
        settle(station, connector)


def stop(
    station: "Station",
    connector: Connector,
    reason: Reason,
    *,
    id_tag: str | None = None,
    keep_locked: bool = False,
) -> None:
    """TX-5, TX-6: the transaction ends now; the cable is unlocked unless its owner must come back (E3.5)."""
    running = connector.transaction
    if running is None:
        return
    data = meter.finish(station, connector, running)
    running.meter_stop_wh = max(int(connector.energy_wh(station.now)), running.meter_start_wh)
    running.stopped_s = max(wall.unix_s(station), running.started_s)
    connector.transaction = None
    connector.finishing = connector.plugged
    if keep_locked and connector.locked:
        connector.owner = (running.id_tag, running.parent_id_tag)
    else:
        connector.locked = False
    queue_stop(station, running, reason, id_tag, data)
    supply.release(station, connector)
    settle(station, connector)
    if station.update is not None:
        station.alarms.set(Alarm.FIRMWARE, station.now)  # UF-2: it may wait for the last transaction


def queue_stop(
    station: "Station", running: Transaction, reason: Reason, id_tag: str | None, data: list[str] | None
) -> None:
    """Queue StopTransaction from what the transaction says about its end."""
    assert running.meter_stop_wh is not None and running.stopped_s is not None  # noqa: PT018 — one fact
    running.reason = reason.value
    request = StopTransaction(
        id_tag=id_tag,
        meter_stop=running.meter_stop_wh,
        timestamp=wall.stamp(station, running.stopped_s),
        transaction_id=UNKNOWN_ID if running.transaction_id is None else running.transaction_id,
        reason=reason,
        transaction_data=meter.transaction_data(data),
    )
    _queue(station, request, running)
    backlog.journal(station, running, "stopped")


@ends(Action.STOP_TRANSACTION)
def _settled(
    station: "Station", outgoing: Outgoing, outcome: Outcome, confirmation: Confirmation | None
) -> None:
    running = outgoing.transaction
    assert running is not None  # every StopTransaction has one
    if not backlog.processed(station, outgoing, outcome):
        return
    backlog.journal(station, running, "settled")
    info = confirmation.id_tag_info if isinstance(confirmation, StopTransactionConf) else None
    if info is not None:  # TX-7: it only feeds the cache
        id_tag = outgoing.payload.id_tag if isinstance(outgoing.payload, StopTransaction) else None
        tags.learn(station, id_tag or running.id_tag, info)


@ends(Action.METER_VALUES)
def _metered(
    station: "Station", outgoing: Outgoing, outcome: Outcome, _confirmation: Confirmation | None
) -> None:
    if outgoing.about is None:  # triggered ones are not members of the queue
        backlog.processed(station, outgoing, outcome)
