"""Reservations at work: ReserveNow, CancelReservation, expiry, and who may start where (RN-*, CR-1)."""

from typing import TYPE_CHECKING

from stations.core import tags, wall
from stations.core.alarms import Alarm
from stations.core.dispatch import answers, rings
from stations.core.keys import RESERVE_CONNECTOR_ZERO_SUPPORTED
from stations.core.reservation import Admission, Reservations, Statuses
from stations.wire.messages import CancelReservation, CancelReservationConf, ReserveNow, ReserveNowConf
from stations.wire.types import CancelReservationStatus, ReservationStatus

if TYPE_CHECKING:
    from stations.core.connector import Connector
    from stations.core.station import Station


def shown(station: "Station", connector: "Connector") -> bool:
    """Whether a free side shows Reserved."""
    reservations = station.reservations
    return reservations is not None and reservations.shown(connector.number, len(station.connectors) - 1)


def statuses(station: "Station") -> Statuses:
    """What each side shows."""
    return {connector.number: connector.status for connector in station.connectors[1:]}


def admission(
    station: "Station", connector: "Connector", id_tag: str, parent_id_tag: str | None, *, parent_known: bool
) -> Admission:
    """RN-4: whether a tag may start here as far as reservations go."""
    if station.reservations is None:
        return Admission.FREE
    return station.reservations.admits(
        connector.number,
        id_tag,
        parent_id_tag,
        _before_preparing(station, connector),
        parent_known=parent_known,
    )[0]


def excludes(station: "Station", connector: "Connector", id_tag: str) -> bool:
    """Whether a reservation keeps this tag out for certain, asking nobody (RN-4, RS-2)."""
    if station.reservations is None:
        return False
    entry = tags.known(station, id_tag)
    parent = None if entry is None else entry.parent_id_tag
    admitted = admission(station, connector, id_tag, parent, parent_known=entry is not None)
    return admitted is Admission.REFUSED


def consume(station: "Station", connector: "Connector", id_tag: str, parent_id_tag: str | None) -> int | None:
    """RN-5: the start ends the reservation that it uses; its id goes into StartTransaction."""
    reservations = station.reservations
    if reservations is None:
        return None
    admitted, reservation = reservations.admits(
        connector.number, id_tag, parent_id_tag, _before_preparing(station, connector), parent_known=True
    )
    if admitted is not Admission.HOLDER or reservation is None:
        return None
    reservations.cancel(reservation.id)
    return reservation.id


def _before_preparing(station: "Station", connector: "Connector") -> Statuses:
    return {number: status for number, status in statuses(station).items() if number != connector.number}


def drop(station: "Station", connector: "Connector") -> None:
    """RN-5: Faulted and Unavailable end a side's reservation, and the last free side that of connector 0."""
    reservations = station.reservations
    if reservations is None:
        return
    ended = reservations.drop(connector.number) is not None
    if not any(_may_serve(station, side) for side in station.connectors[1:] if side is not connector):
        ended = reservations.drop(0) is not None or ended
    if ended:
        _changed(station)


def _may_serve(station: "Station", side: "Connector") -> bool:
    return station.is_operative(side) and not side.faulted and not station.connectors[0].faulted


def _changed(station: "Station") -> None:
    """Reservations are non-volatile and show; the next expiry is an alarm (RN-3)."""
    station.changed = True
    arm(station)
    for connector in station.connectors[1:]:
        station.settle(connector)


def arm(station: "Station") -> None:
    """RN-3: wake up when the next reservation expires."""
    expiry = None if station.reservations is None else station.reservations.next_expiry()
    if expiry is None:
        station.alarms.drop(Alarm.RESERVATION)
    else:
        station.alarms.set(Alarm.RESERVATION, station.now + max(wall.wait_s(station, expiry), 0.001))


@rings(Alarm.RESERVATION)
def _expired(station: "Station", _connector: int, at: float) -> None:
    station.due = at
    if station.reservations is not None:
        station.reservations.expire(wall.unix_s(station))
        _changed(station)


@answers(ReserveNow)
def _reserve(station: "Station", request: ReserveNow) -> ReserveNowConf:
    """§5.13: RN-1 … RN-6."""
    if station.reservations is None:
        station.reservations = Reservations()
    number = request.connector_id
    whole = station.connectors[0]
    if number in {0, *range(1, len(station.connectors))}:
        side = station.connectors[number]
        if whole.faulted or side.faulted:
            return ReserveNowConf(ReservationStatus.FAULTED)
    status = station.reservations.reserve(
        request,
        wall.unix_s(station),
        statuses(station),
        zero_supported=station.configuration[RESERVE_CONNECTOR_ZERO_SUPPORTED],
    )
    if status is ReservationStatus.ACCEPTED:
        _changed(station)
    return ReserveNowConf(status)


@answers(CancelReservation)
def _cancel(station: "Station", request: CancelReservation) -> CancelReservationConf:
    """§5.1, CR-1."""
    reservations = station.reservations
    if reservations is None or reservations.cancel(request.reservation_id) is None:
        return CancelReservationConf(CancelReservationStatus.REJECTED)
    _changed(station)
    return CancelReservationConf(CancelReservationStatus.ACCEPTED)
