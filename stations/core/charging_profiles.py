"""SetChargingProfile, ClearChargingProfile, GetCompositeSchedule (§5.5, §5.7, §5.16)."""

from typing import TYPE_CHECKING

from stations.core import supply, wall
from stations.core.composite import composite_schedule, schedule_start
from stations.core.dispatch import Refused, answers
from stations.core.keys import CHARGING_SCHEDULE_MAX_PERIODS
from stations.core.smartcharging import Running
from stations.wire.errors import ErrorCode
from stations.wire.messages import (
    ClearChargingProfile,
    ClearChargingProfileConf,
    GetCompositeSchedule,
    GetCompositeScheduleConf,
    SetChargingProfile,
    SetChargingProfileConf,
)
from stations.wire.types import ClearChargingProfileStatus, GetCompositeScheduleStatus

if TYPE_CHECKING:
    from stations.core.station import Station


@answers(SetChargingProfile)
def _set_profile(station: "Station", request: SetChargingProfile) -> SetChargingProfileConf:
    """SC-1 … SC-5; effective at once (SC-13)."""
    number = request.connector_id
    if not 0 <= number < len(station.connectors):
        raise Refused(ErrorCode.PROPERTY_CONSTRAINT_VIOLATION, f"no connector {number}")  # E3.39
    running = station.connectors[number].transaction
    status, _why = supply.profiles(station).accept(
        request.cs_charging_profiles,
        number,
        wall.unix_s(station),
        running=None if running is None else Running(running.transaction_id),
        rules=supply.rules(station),
    )
    station.changed = True
    supply.apply(station)
    return SetChargingProfileConf(status)


@answers(ClearChargingProfile)
def _clear_profile(station: "Station", request: ClearChargingProfile) -> ClearChargingProfileConf:
    """CP-1 … CP-3."""
    if station.profiles is None:
        return ClearChargingProfileConf(ClearChargingProfileStatus.UNKNOWN)
    status = station.profiles.clear(request)
    station.changed = True
    supply.apply(station)
    return ClearChargingProfileConf(status)


@answers(GetCompositeSchedule)
def _composite(station: "Station", request: GetCompositeSchedule) -> GetCompositeScheduleConf:
    """GC-1 … GC-7."""
    number, unit = request.connector_id, request.charging_rate_unit
    if request.duration < 0:
        raise Refused(ErrorCode.PROPERTY_CONSTRAINT_VIOLATION, "a negative duration")  # RPC-9
    unknown = not 0 <= number < len(station.connectors)
    if unknown or (unit is not None and unit not in supply.rules(station).units):
        return GetCompositeScheduleConf(GetCompositeScheduleStatus.REJECTED)
    now_unix = wall.unix_s(station)
    schedule = composite_schedule(
        supply.profiles(station),
        now_unix,
        request.duration,
        supply.taking_part(station, number),
        supply.shared(station),
        connector=number,
        unit=unit,
        max_periods=station.configuration[CHARGING_SCHEDULE_MAX_PERIODS],
    )
    return GetCompositeScheduleConf(
        GetCompositeScheduleStatus.ACCEPTED,
        number,
        wall.stamp(station, schedule_start(now_unix)),
        schedule,
    )
