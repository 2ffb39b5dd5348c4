"""What happens at the socket and inside the cabinet: cables, vehicles, locks, faults (ST-3 … ST-12).

These are facts, so they are taken note of even without power; what follows from them waits until the station
runs. A detachable cable is locked in the station from the start of a transaction until it is released.
"""

from typing import TYPE_CHECKING, Final

from stations.core import authorization, booking, supply, transaction
from stations.core.alarms import Alarm
from stations.core.authorization import Presented
from stations.core.connector import Connector, settle
from stations.core.dispatch import on, rings
from stations.core.events import (
    ClearFault,
    EvPause,
    EvResume,
    Fault,
    LockFailure,
    PlugIn,
    PlugOut,
    PlugOutEv,
)
from stations.core.keys import (
    DEFAULT_ID_TAG_1,
    DEFAULT_ID_TAG_2,
    PLUG_AND_CHARGE,
    STOP_TRANSACTION_ON_EV_SIDE_DISCONNECT,
    UNLOCK_CONNECTOR_ON_EV_SIDE_DISCONNECT,
)
from stations.errors import PlanError
from stations.wire.types import ChargePointErrorCode, Reason

if TYPE_CHECKING:
    from stations.core.station import Station

UNSAFE: Final = frozenset(
    {
        ChargePointErrorCode.GROUND_FAILURE,
        ChargePointErrorCode.OVER_CURRENT_FAILURE,
        ChargePointErrorCode.OVER_VOLTAGE,
        ChargePointErrorCode.POWER_SWITCH_FAILURE,
        ChargePointErrorCode.INTERNAL_ERROR,
    }
)
"""Faults under which charging must end (ST-11); the others suspend it."""

EMERGENCY_STOP: Final = "EmergencyStop"  # vendorErrorCode of the button (ST-11)


@on(PlugIn)
def _plug_in(station: "Station", event: PlugIn) -> None:
    connector = station.side(event.connector)
    if connector.vehicle is not None:
        return  # one socket, one vehicle
    connector.vehicle = event.vehicle
    connector.register_wh -= event.vehicle.reading(station.now).energy_wh  # what it has had before (MV-5)
    connector.ev_out = False
    if not station.running:
        return
    if connector.transaction is not None:  # ST-8: the vehicle is back
        supply.apply(station)
        return
    connector.finishing = False
    _take_tag_along(station, connector)
    if connector.presented is not None:
        transaction.start_if_ready(station, connector)
    elif station.configuration[PLUG_AND_CHARGE]:
        _present_default_tag(station, connector)
    settle(station, connector)


def _take_tag_along(station: "Station", connector: Connector) -> None:
    """A tag shown to a reader that does not know the side belongs to the side that is plugged in next."""
    if connector.presented is not None:
        return
    for other in station.connectors[1:]:
        presented = other.presented
        if presented is not None and not presented.side_known and not other.plugged:
            other.presented, connector.presented = None, presented
            settle(station, other)
            return


def _present_default_tag(station: "Station", connector: Connector) -> None:
    """Legrand plug and charge: the side's default tag, authorized like a presented one."""
    id_tag = station.configuration[DEFAULT_ID_TAG_1 if connector.number == 1 else DEFAULT_ID_TAG_2]
    if authorization.can_start(station, connector, id_tag):
        authorization.present(station, connector, Presented(id_tag))


@on(PlugOut)
def _plug_out(station: "Station", event: PlugOut) -> None:
    """Both ends: the vehicle's first, then the station's as soon as the lock lets go (ST-5)."""
    connector = station.side(event.connector)
    if not connector.plugged:
        return
    if connector.vehicle is not None:
        _vehicle_leaves(station, connector)
    held = connector.transaction is not None or (connector.locked and connector.ev_out)
    if held and station.running:
        return  # the same tag or UnlockConnector releases it; without power the lock holds nothing
    connector.ev_out = connector.locked = False
    connector.owner = connector.presented = None  # B1: who unplugs before the start goes without charging
    _emptied(station, connector)


def _emptied(station: "Station", connector: Connector) -> None:
    """No cable any more: nothing to finish, and what was scheduled holds now (CA-2, F8)."""
    scheduled = connector.scheduled
    connector.finishing = connector.scheduled = False
    if station.running:
        settle(station, connector)
        if scheduled:
            settle(station, station.connectors[0])


@on(PlugOutEv)
def _plug_out_ev(station: "Station", event: PlugOutEv) -> None:
    connector = station.side(event.connector)
    if connector.vehicle is None:
        return
    _vehicle_leaves(station, connector)
    if not station.is_detachable(connector) and connector.transaction is None:
        _emptied(station, connector)
    elif station.running:
        settle(station, connector)


def _vehicle_leaves(station: "Station", connector: Connector) -> None:
    """ST-7, ST-8: the cable is pulled at the vehicle; its energy stays in the register."""
    vehicle = connector.vehicle
    assert vehicle is not None  # both callers looked
    running = connector.transaction
    vehicle.offer(station.now, 0.0)
    connector.register_wh += vehicle.reading(station.now).energy_wh
    connector.vehicle = None
    connector.ev_out = True
    station.alarms.drop(Alarm.VEHICLE, connector.number)
    if running is not None and station.running:
        if station.configuration[STOP_TRANSACTION_ON_EV_SIDE_DISCONNECT]:
            unlock = station.configuration[UNLOCK_CONNECTOR_ON_EV_SIDE_DISCONNECT]
            transaction.stop(station, connector, Reason.EV_DISCONNECTED, keep_locked=not unlock)
        else:
            supply.apply(station)
    connector.ev_out = station.is_detachable(connector)  # an attached cable hangs at the station, unplugged


@on(EvPause)
def _ev_pause(station: "Station", event: EvPause) -> None:
    _pause(station, event.connector, paused=True)


@on(EvResume)
def _ev_resume(station: "Station", event: EvResume) -> None:
    _pause(station, event.connector, paused=False)


def _pause(station: "Station", number: int, *, paused: bool) -> None:
    connector = station.side(number)
    if connector.vehicle is None:
        return
    connector.vehicle.pause(station.now, paused=paused)
    if paused:
        connector.handshake_until = station.now
    if station.running:
        supply.watch(station, connector)
        settle(station, connector)


@on(LockFailure)
def _lock(station: "Station", event: LockFailure) -> None:
    """ST-12, UC-3: seen when the lock is wanted; a lock that works again clears its fault."""
    connector = station.side(event.connector)
    connector.lock_failing = event.failing
    if not event.failing and connector.error_code is ChargePointErrorCode.CONNECTOR_LOCK_FAILURE:
        clear_fault(station, connector)


@on(Fault)
def _fault(station: "Station", event: Fault) -> None:
    """ST-9 … ST-11, RN-5."""
    try:
        error_code = ChargePointErrorCode(event.error_code)
    except ValueError:
        raise PlanError(f"unknown errorCode {event.error_code!r}") from None
    connector = station.side(event.connector, zero=True)
    connector.error_code, connector.vendor_error_code = error_code, event.vendor_error_code
    if not station.running:
        return
    if connector.faulted:
        affected = station.connectors[1:] if connector.number == 0 else (connector,)
        for side in affected:
            _cut_off(station, side, event)
    supply.apply(station)
    settle(station, connector)


def _cut_off(station: "Station", connector: Connector, event: Fault) -> None:
    """RN-5, ST-11; a tag that waits goes on waiting, as long as ConnectionTimeOut lets it."""
    booking.drop(station, connector)
    if event.vendor_error_code == EMERGENCY_STOP:
        transaction.stop(station, connector, Reason.EMERGENCY_STOP)
    elif event.error_code in UNSAFE:
        transaction.stop(station, connector, Reason.OTHER)
    settle(station, connector)


@on(ClearFault)
def _clear_fault(station: "Station", event: ClearFault) -> None:
    clear_fault(station, station.side(event.connector, zero=True))


def clear_fault(station: "Station", connector: Connector) -> None:
    """ST-11: the status below shows again, with NoError; what has waited for nothing else starts."""
    connector.error_code = ChargePointErrorCode.NO_ERROR
    connector.vendor_error_code = ""
    if station.running:
        supply.apply(station)
        settle(station, connector)
        for side in station.connectors[1:] if connector.number == 0 else (connector,):
            transaction.start_if_ready(station, side)


@rings(Alarm.CONNECTION)
def _connection_timed_out(station: "Station", number: int, at: float) -> None:
    """ST-4: tag without cable → Available; cable without tag → Finishing (B6, E3.20)."""
    station.due = at
    connector = station.connectors[number]
    connector.presented = None
    connector.finishing = connector.plugged
    settle(station, connector)


def stays(station: "Station", former: "Station") -> None:
    """The same cabinet under new software, before PowerOn: power off and on mends and moves nothing in it.

    Vehicles are plugged in by the edge, which owns them.
    """
    for connector, before in zip(station.connectors, former.connectors, strict=True):
        connector.ev_out, connector.locked = before.ev_out, before.locked
        connector.lock_failing = before.lock_failing
        connector.error_code, connector.vendor_error_code = before.error_code, before.vendor_error_code
