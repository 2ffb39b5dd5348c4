"""Meter values: what is sampled when, and how it is written (MV-*, LG-3, LG-4).

A list of measurands becomes a template once: the typed wire Structs are encoded with holes for the values,
and every station that reports the same list fills the same template. Filling is all a sample costs.
"""

from collections.abc import Callable
from functools import lru_cache
from itertools import repeat
from math import hypot
from operator import attrgetter, call
from typing import TYPE_CHECKING, Final, TypeAlias

import msgspec
from msgspec import Struct

from stations.core import backlog, calls, wall
from stations.core.alarms import Alarm
from stations.core.calls import Outgoing
from stations.core.dispatch import changes, rings
from stations.core.key_rules import items, split_phase
from stations.core.keys import (
    CLOCK_ALIGNED_DATA_INTERVAL,
    METER_VALUE_SAMPLE_INTERVAL,
    METER_VALUES_ALIGNED_DATA,
    METER_VALUES_SAMPLED_DATA,
    STOP_TRANSACTION_MAX_METER_VALUES,
    STOP_TXN_ALIGNED_DATA,
    STOP_TXN_SAMPLED_DATA,
    Key,
)
from stations.core.plan import Personality
from stations.core.transaction_record import Transaction
from stations.core.vehicle import Reading
from stations.wire.messages import MeterValue, SampledValue
from stations.wire.types import (
    Action,
    Location,
    Measurand,
    Phase,
    ReadingContext,
    UnitOfMeasure,
    ValueFormat,
)

if TYPE_CHECKING:
    from stations.core.connector import Connector
    from stations.core.station import Station

NOMINAL_V: Final = 230.0
IDLE: Final = Reading((NOMINAL_V,) * 3, (0.0,) * 3, (0.0,) * 3, (0.0,) * 3, 0.0)
TRIGGERED: Final = "triggered"  # marks MeterValues that are no members of the transaction queue
_SAMPLE: Final = Alarm.SAMPLE  # by name an enum's members are slow to reach
_PERIODIC: Final = ReadingContext.SAMPLE_PERIODIC
_SPEC: Final = Personality.SPEC
_METER_VALUES: Final = Action.METER_VALUES.value
_INTERVAL_KEY: Final = METER_VALUE_SAMPLE_INTERVAL.name
_SAMPLED_KEY: Final = METER_VALUES_SAMPLED_DATA.name


class Sight(Struct, gc=False):
    """Everything a measurand may be computed from at one moment."""

    reading: Reading
    limit_a: float
    register_wh: float
    since_wh: float  # register at the last sample: what an interval counts from
    phases: int  # that can be offered to this vehicle


Column: TypeAlias = Callable[[Sight], float]
Phased: TypeAlias = Callable[[int], Column]
"""The column of one phase, 0 to 2, or of all together, -1."""
Phases: TypeAlias = tuple[float, float, float]


def _current(phase: int) -> Column:
    if phase >= 0:
        return lambda sight: sight.reading.current_a[phase]
    return lambda sight: max(sight.reading.current_a)


def _voltage(phase: int) -> Column:
    line = max(phase, 0)
    return lambda sight: sight.reading.voltage_v[line]


def _power(phase: int) -> Column:
    if phase >= 0:
        return lambda sight: sight.reading.power_w[phase]
    return lambda sight: sum(sight.reading.power_w)


def _reactive(phase: int) -> Column:
    if phase >= 0:
        return lambda sight: sight.reading.reactive_var[phase]
    return lambda sight: sum(sight.reading.reactive_var)


def _factor(phase: int) -> Column:
    active, reactive = _power(phase), _reactive(phase)

    def factor(sight: Sight) -> float:
        power_w = active(sight)
        apparent_va = hypot(power_w, reactive(sight))
        return power_w / apparent_va if apparent_va else 1.0

    return factor


def _whole(column: Column) -> Phased:
    """A value that phases have no share in."""
    return lambda _phase: column


_limit: Final = _whole(attrgetter("limit_a"))
_register: Final = _whole(attrgetter("register_wh"))  # "%d" cuts it to whole Wh
_interval: Final = _whole(lambda sight: sight.register_wh - sight.since_wh)
_whole_interval: Final = _whole(lambda sight: int(sight.register_wh) - int(sight.since_wh))
_offered: Final = _whole(lambda sight: sight.limit_a * NOMINAL_V * sight.phases)
_nothing: Final = _whole(lambda _sight: 0.0)

_A: Final = (UnitOfMeasure.A, "%.2f")
_W: Final = (UnitOfMeasure.W, "%.1f")
_WH: Final = (UnitOfMeasure.WH, "%d")

_COLUMNS: Final[dict[Measurand, tuple[Phased, UnitOfMeasure | None, str]]] = {
    Measurand.CURRENT_IMPORT: (_current, *_A),
    Measurand.CURRENT_OFFERED: (_limit, *_A),
    Measurand.ENERGY_ACTIVE_IMPORT_REGISTER: (_register, *_WH),
    Measurand.ENERGY_ACTIVE_IMPORT_INTERVAL: (_whole_interval, *_WH),
    Measurand.POWER_ACTIVE_EXPORT: (_nothing, *_W),
    Measurand.POWER_ACTIVE_IMPORT: (_power, *_W),
    Measurand.POWER_FACTOR: (_factor, None, "%.3f"),
    Measurand.POWER_OFFERED: (_offered, *_W),
    Measurand.POWER_REACTIVE_IMPORT: (_reactive, UnitOfMeasure.VAR, "%.1f"),
    Measurand.VOLTAGE: (_voltage, UnitOfMeasure.V, "%.1f"),
}

_GREENUP: Final[dict[Measurand, tuple[Phased, UnitOfMeasure | None, str]]] = {
    **_COLUMNS,
    # LG-3: floats with the digits of a float32, and an export that is the import.
    Measurand.CURRENT_IMPORT: (_current, UnitOfMeasure.A, "%.8g"),
    Measurand.ENERGY_ACTIVE_IMPORT_INTERVAL: (_interval, UnitOfMeasure.WH, "%.8g"),
    Measurand.POWER_ACTIVE_EXPORT: (_power, UnitOfMeasure.W, "%.8g"),
    Measurand.POWER_ACTIVE_IMPORT: (_power, UnitOfMeasure.W, "%.8g"),
}

_GREENUP_CONTEXTS: Final = {
    ReadingContext.SAMPLE_PERIODIC: ReadingContext.SAMPLE_CLOCK,  # LG-3
    ReadingContext.TRANSACTION_BEGIN: ReadingContext.INTERRUPTION_BEGIN,
    ReadingContext.TRANSACTION_END: ReadingContext.INTERRUPTION_END,  # LG-4
}
_PHASED: Final = frozenset({Measurand.CURRENT_IMPORT, Measurand.VOLTAGE})  # what the meter has per phase
_LINES: Final = (Phase.L1, Phase.L2, Phase.L3)
_NEUTRAL: Final = (Phase.L1_N, Phase.L2_N, Phase.L3_N)


class Template(Struct, frozen=True):
    """A MeterValue as JSON with `%` holes: the timestamp, then one per column."""

    text: str
    columns: tuple[Column, ...]

    def fill(self, timestamp: str, sight: Sight) -> str:
        """The JSON of one MeterValue."""
        return self.text % (timestamp, *map(call, self.columns, repeat(sight)))


@lru_cache(maxsize=1024)
def template(
    wanted: str, context: ReadingContext, phases: int, personality: Personality, *, main: bool = False
) -> Template | None:
    """The template of a measurand list, None for an empty list. `main`: of the main meter (MV-2)."""
    sampled: list[SampledValue] = []
    columns: list[Column] = []
    for item in items(wanted):
        for phase in _phases_of(item, phases, personality):
            value, column = _sampled(item, phase, context, personality)
            if main:
                value.location = Location.INLET
            sampled.append(value)
            columns.append(column(-1 if phase is None else _LINES.index(phase)))
    if not sampled:
        return None
    text = msgspec.json.encode(MeterValue(timestamp="%s", sampled_value=sampled)).decode()
    return Template(text, tuple(columns))


def _phases_of(item: str, phases: int, personality: Personality) -> list[Phase | None]:
    """MV-6: one value per phase the meter knows. The guide prints one value and no phase (section 14)."""
    name, suffix = split_phase(item)
    if suffix:
        line = Phase(suffix[:2])
        return [line] if line in _LINES[:phases] else []
    if personality is Personality.SPEC and phases > 1 and Measurand(name) in _PHASED:
        return list(_LINES[:phases])
    return [None]


def _sampled(
    item: str, phase: Phase | None, context: ReadingContext, personality: Personality
) -> tuple[SampledValue, Phased]:
    measurand = Measurand(split_phase(item)[0])
    greenup = personality is Personality.GREENUP
    column, unit, hole = (_GREENUP if greenup else _COLUMNS)[measurand]
    label = phase
    if phase is not None and measurand is Measurand.VOLTAGE:
        label = _NEUTRAL[_LINES.index(phase)]
    stops = context in {ReadingContext.TRANSACTION_BEGIN, ReadingContext.TRANSACTION_END}
    bare = greenup and (stops or measurand is Measurand.ENERGY_ACTIVE_IMPORT_INTERVAL)  # LG-3, LG-4
    value = SampledValue(
        value=hole,
        context=_GREENUP_CONTEXTS.get(context, context) if greenup else context,
        format=ValueFormat.RAW,
        measurand=measurand,
        phase=label,
        location=None if bare else Location.OUTLET,
        unit=unit,
    )
    return value, column


def _sight(station: "Station", connector: "Connector", since_wh: float) -> Sight:
    if connector.number == 0:
        return _main_sight(station, since_wh)
    vehicle = connector.vehicle
    reading = IDLE if vehicle is None else vehicle.reading(station.now)
    register_wh = connector.register_wh + reading.energy_wh
    limit_a = 0.0 if connector.transaction is None else connector.limit_a
    phases = station.plan.product.phases
    if vehicle is not None and vehicle.phases < phases:
        phases = vehicle.phases
    return Sight(reading, limit_a, register_wh, since_wh, phases)


def _main_sight(station: "Station", since_wh: float) -> Sight:
    """MV-2, MV-9: the main meter sees what all sides draw together."""
    sides = station.connectors[1:]
    reading, *others = [IDLE if side.vehicle is None else side.vehicle.reading(station.now) for side in sides]
    for other in others:
        reading = Reading(
            reading.voltage_v,
            _sum(reading.current_a, other.current_a),
            _sum(reading.power_w, other.power_w),
            _sum(reading.reactive_var, other.reactive_var),
            reading.energy_wh + other.energy_wh,
        )
    register_wh = reading.energy_wh + sum(side.register_wh for side in sides)
    offered_a = sum(side.limit_a for side in sides if side.transaction is not None)
    return Sight(reading, offered_a, register_wh, since_wh, station.plan.product.phases)


def _sum(one: Phases, other: Phases) -> Phases:
    return (one[0] + other[0], one[1] + other[1], one[2] + other[2])


def _template(
    station: "Station", key: Key[str], context: ReadingContext, *, main: bool = False
) -> Template | None:
    product = station.plan.product
    return template(station.configuration[key], context, product.phases, product.personality, main=main)


def power_w(connector: "Connector", now: float) -> float:
    """Active power of one side."""
    return 0.0 if connector.vehicle is None else sum(connector.vehicle.reading(now).power_w)


# ---- sampled values -----------------------------------------------------------------------------------


def begin(station: "Station", connector: "Connector", running: Transaction) -> None:
    """MV-1, MV-7: a transaction starts."""
    if station.plan.product.personality is Personality.SPEC:  # LG-4: the product has only the end
        _note(station, connector, running, STOP_TXN_SAMPLED_DATA, ReadingContext.TRANSACTION_BEGIN)
    _arm(station, connector, station.now)


def _arm(station: "Station", connector: "Connector", since: float) -> None:
    interval_s = station.configuration[METER_VALUE_SAMPLE_INTERVAL]
    if interval_s > 0 and connector.transaction is not None:
        station.alarms.set(_SAMPLE, since + interval_s, connector.number)
    else:
        station.alarms.drop(Alarm.SAMPLE, connector.number)


@changes(METER_VALUE_SAMPLE_INTERVAL)
def _interval_changed(station: "Station") -> None:
    """MV-1: a change takes effect on the running transactions."""
    for connector in station.connectors[1:]:
        _arm(station, connector, station.now)


@rings(Alarm.SAMPLE)
def _sample(station: "Station", number: int, at: float) -> None:
    connector = station.connectors[number]
    running = connector.transaction
    assert running is not None  # `finish` drops the alarm with the transaction
    station.due = at
    # It is positive: `_arm` drops the alarm otherwise.
    station.alarms.set(_SAMPLE, at + station.configuration.acting[_INTERVAL_KEY], number)
    _take(station, connector, running, _PERIODIC)


def interrupted(station: "Station", connector: "Connector", *, begins: bool) -> None:
    """MV-10: a sample where the energy stops to flow within a transaction, and one where it flows again."""
    running = connector.transaction
    sampled = station.configuration[METER_VALUE_SAMPLE_INTERVAL] > 0
    if running is not None and sampled and station.plan.product.personality is Personality.SPEC:
        context = ReadingContext.INTERRUPTION_BEGIN if begins else ReadingContext.INTERRUPTION_END
        _take(station, connector, running, context)


def _take(station: "Station", connector: "Connector", running: Transaction, context: ReadingContext) -> None:
    sight = _sight(station, connector, running.interval_wh)
    unix_s = wall.unix_s(station)
    timestamp = wall.stamp(station, unix_s)
    product = station.plan.product
    wanted = station.configuration.acting[_SAMPLED_KEY]
    sampled = template(wanted, context, product.phases, product.personality)
    if sampled is not None:  # MV-3: with the transaction that runs now, whenever it is sent
        value = sampled.fill(timestamp, sight)
        backlog.add(station, Outgoing(_METER_VALUES, value, station.due, connector.number, running))
    if product.personality is _SPEC:
        kept = _template(station, STOP_TXN_SAMPLED_DATA, context)
        if kept is not None:
            _keep(station, running, kept.fill(timestamp, sight))
    running.interval_wh = register_wh = sight.register_wh
    running.last_s, running.last_wh = unix_s, int(register_wh)  # TX-10
    station.changed = True


# ---- clock-aligned values -----------------------------------------------------------------------------


@changes(CLOCK_ALIGNED_DATA_INTERVAL)
def arm_clock(station: "Station") -> None:
    """MV-2: the next multiple of the interval since midnight UTC."""
    _arm_clock_after(station, wall.unix_s(station))


def _arm_clock_after(station: "Station", unix_s: float) -> None:
    interval_s = station.configuration[CLOCK_ALIGNED_DATA_INTERVAL]
    if interval_s <= 0:
        station.alarms.drop(Alarm.CLOCK_ALIGNED)
        return
    since_midnight_s = unix_s % 86_400
    wait_s = min(interval_s - since_midnight_s % interval_s, 86_400 - since_midnight_s)
    at = station.now + wall.wait_s(station, unix_s + wait_s)
    station.alarms.set(Alarm.CLOCK_ALIGNED, max(at, station.now))


@rings(Alarm.CLOCK_ALIGNED)
def _aligned(station: "Station", _connector: int, at: float) -> None:
    station.due = at
    unix_s = float(round(wall.unix_s(station, at)))  # the moment itself; a float may miss it by a little
    for connector in metered(station):
        _align(station, connector, unix_s)
    _arm_clock_after(station, unix_s)


def metered(station: "Station") -> "tuple[Connector, ...]":
    """MV-2, TM-2: every side; in front of them `spec` has a main meter, connector 0 (E3.16)."""
    spec = station.plan.product.personality is Personality.SPEC
    return station.connectors if spec else station.connectors[1:]


def _align(station: "Station", connector: "Connector", unix_s: float) -> None:
    running = connector.transaction
    timestamp = wall.stamp(station, unix_s)
    since_wh = connector.aligned_wh if running is None else running.aligned_wh
    sight = _sight(station, connector, since_wh)
    connector.aligned_wh = sight.register_wh
    main = connector.number == 0
    aligned = _template(station, METER_VALUES_ALIGNED_DATA, ReadingContext.SAMPLE_CLOCK, main=main)
    if aligned is not None and station.accepted_before:
        value = aligned.fill(timestamp, sight)
        backlog.add(station, Outgoing(_METER_VALUES, value, station.due, connector.number, running))
    if running is not None:
        running.aligned_wh = sight.register_wh
        running.last_s, running.last_wh = max(running.last_s, round(unix_s)), int(sight.register_wh)  # TX-10
        kept = _template(station, STOP_TXN_ALIGNED_DATA, ReadingContext.SAMPLE_CLOCK)
        if kept is not None:
            _keep(station, running, kept.fill(timestamp, sight))


# ---- transactionData ----------------------------------------------------------------------------------


def _note(
    station: "Station", connector: "Connector", running: Transaction, key: Key[str], context: ReadingContext
) -> None:
    wanted = _template(station, key, context)
    if wanted is not None:
        sight = _sight(station, connector, running.interval_wh)
        _keep(station, running, wanted.fill(wall.stamp(station, wall.unix_s(station)), sight))


def _keep(station: "Station", running: Transaction, value: str) -> None:
    """MV-7: transactionData grows; intermediate values make room, the first and the last never do."""
    if running.data is None:
        running.data = []
    running.data.append(value)
    if len(running.data) > station.configuration[STOP_TRANSACTION_MAX_METER_VALUES]:
        del running.data[1]


def finish(station: "Station", connector: "Connector", running: Transaction) -> list[str] | None:
    """MV-7: the last entry of transactionData; no more samples."""
    station.alarms.drop(Alarm.SAMPLE, connector.number)
    _note(station, connector, running, STOP_TXN_SAMPLED_DATA, ReadingContext.TRANSACTION_END)
    data, running.data = running.data, None
    return data


def transaction_data(data: list[str] | None) -> list[MeterValue] | None:
    """The kept values as the payload wants them; nothing at all when both lists were empty (E3.14)."""
    return [_DECODER.decode(value) for value in data] if data else None


_DECODER: Final = msgspec.json.Decoder(MeterValue)


# ---- on demand ----------------------------------------------------------------------------------------


def _idle_since_wh(station: "Station", connector: "Connector") -> float:
    """MV-5: without a transaction and without a clock there is no interval that had energy in it."""
    if station.configuration[CLOCK_ALIGNED_DATA_INTERVAL] > 0:
        return connector.aligned_wh
    sides = station.connectors[1:] if connector.number == 0 else (connector,)
    return sum(side.energy_wh(station.now) for side in sides)


def trigger(station: "Station", connector: "Connector") -> None:
    """TM-2: sampled measurands now, context Trigger; not a member of the queue (Q-2)."""
    main = connector.number == 0
    wanted = _template(station, METER_VALUES_SAMPLED_DATA, ReadingContext.TRIGGER, main=main)
    if wanted is None:
        return
    running = connector.transaction
    since_wh = _idle_since_wh(station, connector) if running is None else running.interval_wh
    sight, unix_s = _sight(station, connector, since_wh), wall.unix_s(station)
    if running is not None:
        running.last_s, running.last_wh = unix_s, int(sight.register_wh)  # TX-10: no less than was told
    station.changed = True
    value = wanted.fill(wall.stamp(station, unix_s), sight)
    calls.put(
        station,
        Outgoing(_METER_VALUES, value, station.due, connector.number, running, TRIGGERED, triggered=True),
    )
