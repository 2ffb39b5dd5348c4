"""The current each side may draw: hardware, configuration and charging profiles, offered to the vehicle.

Called after every fact that can change a limit; the vehicle learns of a new offer at once (SC-12, SC-13).
"""

from math import inf
from typing import TYPE_CHECKING, Final

from stations.core import wall
from stations.core.alarms import Alarm
from stations.core.connector import HANDSHAKE_S, Connector, settle
from stations.core.dispatch import changes, rings
from stations.core.key_rules import items
from stations.core.keys import (
    CHARGE_PROFILE_MAX_STACK_LEVEL,
    CHARGING_SCHEDULE_ALLOWED_CHARGING_RATE_UNIT,
    CHARGING_SCHEDULE_MAX_PERIODS,
    CHARGING_STATION_MAX_LIMIT,
    MAX_CHARGING_PROFILES_INSTALLED,
    MAX_CURRENT_CABLE_LEFT,
    MAX_CURRENT_CABLE_RIGHT,
    MAX_CURRENT_INSTALLATION_LEFT,
    MAX_CURRENT_INSTALLATION_RIGHT,
)
from stations.core.limits import offered_a, shares_a
from stations.core.product_faults import STUCK_A, STUCK_AT_16_A
from stations.core.smartcharging import (
    ChargingProfiles,
    Rules,
    Running,
    Side,
    Supply,
    remote_start_refusal,
)
from stations.wire.messages import ChargingProfile
from stations.wire.types import ChargingRateUnitType

if TYPE_CHECKING:
    from stations.core.station import Station

_UNITS: Final = {"Current": ChargingRateUnitType.A, "Power": ChargingRateUnitType.W}  # E3.86
SOONEST_S: Final = 0.001  # a boundary within the same millisecond must not ring for ever


def hardware_a(station: "Station", connector: Connector) -> float:
    """Product, installation and cable, the least, in A per phase (SC-10)."""
    configuration = station.configuration
    right = connector.number == 1
    installation = MAX_CURRENT_INSTALLATION_RIGHT if right else MAX_CURRENT_INSTALLATION_LEFT
    limit_a = min(station.plan.product.max_current_a, configuration[installation])
    if station.is_detachable(connector):
        limit_a = min(limit_a, configuration[MAX_CURRENT_CABLE_RIGHT if right else MAX_CURRENT_CABLE_LEFT])
    return float(limit_a)


def shared(station: "Station") -> Supply:
    """What all sides share."""
    return Supply(float(station.configuration[CHARGING_STATION_MAX_LIMIT]), station.plan.product.phases)


def side_of(station: "Station", connector: Connector) -> Side:
    """A connector as the limits see it; without a transaction as if one started now (GC-6)."""
    running = connector.transaction
    start = station.now if running is None else running.started_at
    return Side(connector.number, hardware_a(station, connector), wall.unix_s(station, start))


def apply(station: "Station") -> None:
    """Recompute what every transaction may draw, and offer it."""
    active = [connector for connector in station.connectors[1:] if connector.transaction is not None]
    if not active:
        station.alarms.drop(Alarm.LIMIT)
        return
    active.sort(key=_started_at)  # SC-10: where there is not enough for all, the first keeps it
    sides = [side_of(station, connector) for connector in active]
    limits_a = _limits_a(station, sides)
    if STUCK_AT_16_A in station.plan.product.faults:
        limits_a = [min(side.hardware_a, STUCK_A) for side in sides]
    for connector, limit_a in zip(active, limits_a, strict=True):
        _offer(station, connector, offered_a(limit_a) if _may_draw(station, connector) else 0.0)
    _arm(station, sides)


def taking_part(station: "Station", number: int) -> list[Side]:
    """GC-4, GC-6: who shares the supply with connector `number` (0: all), first come first."""
    sides = [
        connector
        for connector in station.connectors[1:]
        if number in {0, connector.number} or connector.transaction is not None
    ]
    return [side_of(station, connector) for connector in sorted(sides, key=_started_at)]


def _started_at(connector: Connector) -> float:
    running = connector.transaction
    return inf if running is None else running.started_at


def _limits_a(station: "Station", sides: list[Side]) -> list[float]:
    supply = shared(station)
    if station.profiles is None:
        return shares_a(supply.station_a, [side.hardware_a for side in sides])
    return station.profiles.limits_a(wall.unix_s(station), sides, supply)


def _may_draw(station: "Station", connector: Connector) -> bool:
    running = connector.transaction
    refused = running is not None and running.withheld  # TX-3
    return not (refused or connector.faulted or station.connectors[0].faulted)  # ST-11


def _offer(station: "Station", connector: Connector, limit_a: float) -> None:
    resumes = connector.limit_a <= 0 < limit_a
    connector.limit_a = limit_a
    vehicle = connector.vehicle
    if vehicle is not None:
        vehicle.offer(station.now, limit_a)
        change = vehicle.next_change(station.now) if resumes else None
        if change is not None and change <= station.now + HANDSHAKE_S:
            connector.handshake_until = station.now + HANDSHAKE_S  # SC-12: it will draw, no SuspendedEV
    watch(station, connector)
    settle(station, connector)


def release(station: "Station", connector: Connector) -> None:
    """The transaction is over: contactor open, its profiles gone (SC-4), its share to the others."""
    station.alarms.drop(Alarm.VEHICLE, connector.number)
    station.alarms.drop(Alarm.CAP, connector.number)
    if connector.vehicle is not None:
        connector.vehicle.offer(station.now, 0.0)
    if station.profiles is not None:
        station.profiles.forget_transaction(connector.number)
    apply(station)


def _arm(station: "Station", sides: list[Side]) -> None:
    """SC-12: wake up at the next boundary of a profile."""
    station.alarms.drop(Alarm.LIMIT)
    if station.profiles is None:
        return
    boundary = station.profiles.next_boundary(wall.unix_s(station), sides)
    if boundary is not None:
        station.alarms.set(Alarm.LIMIT, station.now + max(wall.wait_s(station, boundary), SOONEST_S))


@rings(Alarm.LIMIT)
def _boundary(station: "Station", _connector: int, _at: float) -> None:
    apply(station)


@changes(
    CHARGING_STATION_MAX_LIMIT,
    MAX_CURRENT_INSTALLATION_RIGHT,
    MAX_CURRENT_INSTALLATION_LEFT,
    MAX_CURRENT_CABLE_RIGHT,
    MAX_CURRENT_CABLE_LEFT,
)
def _limit_changed(station: "Station") -> None:
    apply(station)


def watch(station: "Station", connector: Connector) -> None:
    """Wake up when the vehicle starts or stops drawing, or has had its time to start."""
    vehicle, running = connector.vehicle, connector.transaction
    moments = []
    if running is not None and vehicle is not None:
        change = vehicle.next_change(station.now)
        if change is not None:
            moments.append(max(change, station.now + SOONEST_S))
    if running is not None and connector.handshake_until > station.now:
        moments.append(connector.handshake_until)
    if moments:
        station.alarms.set(Alarm.VEHICLE, min(moments), connector.number)
    else:
        station.alarms.drop(Alarm.VEHICLE, connector.number)


@rings(Alarm.VEHICLE)
def _vehicle_changed(station: "Station", number: int, at: float) -> None:
    station.due = at
    connector = station.connectors[number]
    watch(station, connector)
    settle(station, connector)


def profiles(station: "Station") -> ChargingProfiles:
    """The station's profiles, made when first needed."""
    if station.profiles is None:
        station.profiles = ChargingProfiles()
    return station.profiles


def rules(station: "Station") -> Rules:
    """SC-3: what the configuration lets a profile be."""
    configuration = station.configuration
    units = items(configuration[CHARGING_SCHEDULE_ALLOWED_CHARGING_RATE_UNIT])
    return Rules(
        configuration[CHARGE_PROFILE_MAX_STACK_LEVEL],
        configuration[CHARGING_SCHEDULE_MAX_PERIODS],
        configuration[MAX_CHARGING_PROFILES_INSTALLED],
        frozenset(_UNITS[unit] for unit in units if unit in _UNITS),
    )


def refusal_for_start(station: "Station", connector: Connector, profile: ChargingProfile) -> str:
    """Why a remote start may not bring this profile to this side, "" if it may (RS-2, RS-5)."""
    allowed = rules(station)
    reason = remote_start_refusal(profile, allowed)
    if reason or station.profiles is None:
        return reason
    return station.profiles.no_room(profile, connector.number, allowed)


def install_for_start(station: "Station", connector: Connector, profile: ChargingProfile) -> None:
    """RS-5: the profile that came with RemoteStartTransaction belongs to the transaction that starts."""
    profiles(station).accept(
        profile, connector.number, wall.unix_s(station), running=Running(None), rules=rules(station)
    )
