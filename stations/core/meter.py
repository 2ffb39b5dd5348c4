"""Meter values: what is sampled when, and where the values go (MV-*). `measurands` writes them."""

from typing import TYPE_CHECKING, Final

import msgspec

from stations.core import backlog, calls, wall
from stations.core.alarms import Alarm
from stations.core.dispatch import changes, rings
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
from stations.core.measurands import NOMINAL_V, Phases, Sight, Template, registers_of, template
from stations.core.outgoing import Outgoing
from stations.core.plan import Personality
from stations.core.reading import Reading
from stations.core.transaction_record import Transaction
from stations.wire.messages import MeterValue
from stations.wire.types import Action, ReadingContext

if TYPE_CHECKING:
    from stations.core.connector import Connector
    from stations.core.station import Station

IDLE: Final = Reading((NOMINAL_V,) * 3, (0.0,) * 3, (0.0,) * 3, (0.0,) * 3, 0.0)
TRIGGERED: Final = "triggered"  # marks MeterValues that are no members of the transaction queue
_SAMPLE: Final = Alarm.SAMPLE  # by name an enum's members are slow to reach
_PERIODIC: Final = ReadingContext.SAMPLE_PERIODIC
_SPEC: Final = Personality.SPEC
_METER_VALUES: Final = Action.METER_VALUES.value
_INTERVAL_KEY: Final = METER_VALUE_SAMPLE_INTERVAL.name
_SAMPLED_KEY: Final = METER_VALUES_SAMPLED_DATA.name


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
        running.last_s = max(running.last_s, float(round(unix_s)))  # TX-10
        running.last_wh = int(sight.register_wh)
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
    return _handed_over(running)


def cut_off(station: "Station", running: Transaction) -> list[str] | None:
    """MV-7, TX-10: as `finish` after a power loss; the last stored register is all that is known."""
    wanted = ",".join(registers_of(station.configuration[STOP_TXN_SAMPLED_DATA]))
    product = station.plan.product
    last = template(wanted, ReadingContext.TRANSACTION_END, product.phases, product.personality)
    if last is not None:
        since_wh = min(running.interval_wh, running.last_wh)  # whose fraction was not stored
        sight = Sight(IDLE, 0.0, running.last_wh, since_wh, product.phases)
        _keep(station, running, last.fill(wall.stamp(station, running.last_s), sight))
    return _handed_over(running)


def _handed_over(running: Transaction) -> list[str] | None:
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
