"""GetCompositeSchedule (§5.7, GC-1 to GC-7): the limits to come, walked from boundary to boundary."""

from collections.abc import Sequence
from math import floor
from typing import Final

from stations.core.limits import VOLTAGE_V, Limit, phases_for
from stations.core.smartcharging import ChargingProfiles, Side, Supply
from stations.wire.messages import ChargingSchedule, ChargingSchedulePeriod
from stations.wire.types import ChargingRateUnitType

# A century of a daily profile has more boundaries than anybody wants to wait for: the walk ends here and the
# last period stands for the rest, as it does when ChargingScheduleMaxPeriods is reached (GC-7).
_MAX_STEPS: Final = 1_000


def composite_schedule(
    profiles: ChargingProfiles,
    now_unix: float,
    duration_s: int,
    sides: Sequence[Side],
    supply: Supply,
    *,
    connector: int,
    unit: ChargingRateUnitType | None,
    max_periods: int,
) -> ChargingSchedule:
    """What the station expects to allow from `schedule_start(now_unix)` on.

    `sides` are the connectors that take part: those with a transaction and the one asked for; for connector 0
    (the whole station, GC-4) all of them. Units default to A (GC-2).
    """
    unit = unit or ChargingRateUnitType.A
    start = schedule_start(now_unix)
    periods: list[ChargingSchedulePeriod] = []
    t: float | None = now_unix
    for _ in range(_MAX_STEPS):
        if t is None or (periods and t >= start + duration_s):
            break
        value, phases = _value_at(profiles, t, sides, supply, connector=connector, unit=unit)
        period = ChargingSchedulePeriod(
            start_period=round(t - start) if periods else 0,
            limit=round(value, 1),
            number_phases=phases or None,
        )
        if not _add(periods, period, max_periods):
            break
        t = profiles.next_boundary(t, sides)
    return ChargingSchedule(charging_rate_unit=unit, charging_schedule_period=periods, duration=duration_s)


def schedule_start(now_unix: float) -> float:
    """The scheduleStart of a composite schedule: now, in whole seconds as startPeriod counts them (GC-1)."""
    return float(floor(now_unix))


def _add(periods: list[ChargingSchedulePeriod], period: ChargingSchedulePeriod, max_periods: int) -> bool:
    """Append a period, merged with an equal neighbour (GC-1). False when the list is full (GC-7)."""
    if periods and periods[-1].start_period == period.start_period:
        periods.pop()  # two boundaries within one second: the later one lasts
    last = periods[-1] if periods else None
    if last is not None and _same(last, period):
        return True
    if len(periods) >= max_periods:
        return False
    periods.append(period)
    return True


def _same(one: ChargingSchedulePeriod, other: ChargingSchedulePeriod) -> bool:
    """Alike in effect: no numberPhases means 3 (GC-2)."""
    return (one.limit, one.number_phases or 3) == (other.limit, other.number_phases or 3)


def _value_at(
    profiles: ChargingProfiles,
    t: float,
    sides: Sequence[Side],
    supply: Supply,
    *,
    connector: int,
    unit: ChargingRateUnitType,
) -> tuple[float, int]:
    """The limit of one connector, or of all (GC-4), in `unit`, and its stated number of phases or 0."""
    limits = profiles.limits(t, sides, supply)
    in_unit = [_in_unit(limit, unit, supply.phases) for limit in limits]
    if connector == 0:
        return sum(in_unit), 0
    position = next(index for index, side in enumerate(sides) if side.connector == connector)
    return in_unit[position], limits[position].phases


def _in_unit(limit: Limit, unit: ChargingRateUnitType, usable_phases: int) -> float:
    """GC-2: P = I · 230 V · phases."""
    if unit is ChargingRateUnitType.A:
        return limit.amps
    return limit.amps * VOLTAGE_V * phases_for(limit.phases, usable_phases)
