"""ChangeAvailability (§5.2, CA-1 … CA-7): which sides may serve, over restarts too."""

from typing import TYPE_CHECKING

from stations.core import booking
from stations.core.connector import Connector, settle
from stations.core.dispatch import answers
from stations.wire.messages import ChangeAvailability, ChangeAvailabilityConf
from stations.wire.types import AvailabilityStatus, AvailabilityType

if TYPE_CHECKING:
    from stations.core.station import Station


@answers(ChangeAvailability)
def _change(station: "Station", request: ChangeAvailability) -> ChangeAvailabilityConf:
    """CA-6: an unknown connector is Rejected; CA-7: 0 speaks for the station and all its sides."""
    if not 0 <= request.connector_id < len(station.connectors):
        return ChangeAvailabilityConf(AvailabilityStatus.REJECTED)
    operative = request.type is AvailabilityType.OPERATIVE
    if operative and request.connector_id in station.plan.product.local_connectors:
        return ChangeAvailabilityConf(AvailabilityStatus.REJECTED)  # OCPP is off on this side (OCPPConf.xml)
    addressed = [station.connectors[request.connector_id]]
    if request.connector_id == 0 and operative:
        addressed = list(station.connectors)
    for connector in addressed:
        connector.operative = operative
        connector.scheduled = False  # CA-5: a later Operative cancels what was scheduled
    sides = station.connectors[1:] if request.connector_id == 0 else addressed
    waits = [side for side in sides if not operative and _waits(side)]
    for connector in sides:
        if not operative and connector not in waits:
            _close(station, connector)
    for connector in {side.number: side for side in (*addressed, *sides)}.values():
        settle(station, connector)
    station.changed = True
    return ChangeAvailabilityConf(AvailabilityStatus.SCHEDULED if waits else AvailabilityStatus.ACCEPTED)


def _waits(connector: Connector) -> bool:
    """CA-2: a running transaction ends first, and its cable leaves."""
    if connector.transaction is not None:
        connector.scheduled = True
    return connector.transaction is not None


def _close(station: "Station", connector: Connector) -> None:
    """CA-4: Inoperative cancels reservations and preparations; a preparation is no transaction."""
    booking.drop(station, connector)
    connector.presented = None
    connector.finishing = False
