"""The product fault `status-flood`: a unit that tells its status again and again."""

from typing import TYPE_CHECKING, Final

from stations.core import status
from stations.core.alarms import Alarm
from stations.core.dispatch import rings
from stations.core.product_faults import FLOOD

if TYPE_CHECKING:
    from stations.core.station import Station

EVERY_S: Final = 1.0


def arm(station: "Station") -> None:
    """Begin to flood, if this unit does; an ordinary one never notices."""
    if FLOOD in station.plan.product.faults and station.serving:
        station.alarms.set(Alarm.FLOOD, station.now + EVERY_S)


@rings(Alarm.FLOOD)
def _flood(station: "Station", _connector: int, at: float) -> None:
    station.due = at
    if not station.outbox:  # it waits for answers all the same (RPC-3)
        for connector in station.connectors:
            status.report(station, connector)
    arm(station)
