"""Measurands: what each is computed from, and the template of a list of them (MV-6, LG-3, LG-4).

A list of measurands becomes a template once: the typed wire Structs are encoded with holes for the values,
and every station that reports the same list fills the same template. Filling is all a sample costs.
"""

from collections.abc import Callable
from functools import lru_cache
from math import hypot
from operator import attrgetter
from typing import Final, TypeAlias

import msgspec

from stations.core.key_rules import items, split_phase
from stations.core.plan import Personality
from stations.core.reading import Reading
from stations.wire.messages import MeterValue, SampledValue
from stations.wire.types import (
    Location,
    Measurand,
    Phase,
    ReadingContext,
    UnitOfMeasure,
    ValueFormat,
)

NOMINAL_V: Final = 230.0


class Sight:
    """Everything a measurand may be computed from at one moment."""

    __slots__ = ("limit_a", "phases", "reading", "register_wh", "since_wh")

    def __init__(
        self, reading: Reading, limit_a: float, register_wh: float, since_wh: float, phases: int
    ) -> None:
        self.reading = reading
        self.limit_a = limit_a
        self.register_wh = register_wh
        self.since_wh = since_wh  # register at the last sample: what an interval counts from
        self.phases = phases  # that can be offered to this vehicle


Column: TypeAlias = Callable[[Sight], float]
Phased: TypeAlias = Callable[[int], Column]
"""The column of one phase, 0 to 2, or of all together, -1."""
Phases: TypeAlias = tuple[float, float, float]


def _most(values: Phases) -> float:
    return max(max(values[0], values[1]), values[2])  # noqa: PLW3301 — of two, compiled code makes no tuple


def _total(values: Phases) -> float:
    return values[0] + values[1] + values[2]


# By phase, then of all together. The indices are written out: of a tuple of floats, compiled code takes one
# by a constant without making an object of each.
_CURRENTS: Final[tuple[Column, ...]] = (
    lambda sight: sight.reading.current_a[0],
    lambda sight: sight.reading.current_a[1],
    lambda sight: sight.reading.current_a[2],
    lambda sight: _most(sight.reading.current_a),
)
_VOLTAGES: Final[tuple[Column, ...]] = (
    lambda sight: sight.reading.voltage_v[0],
    lambda sight: sight.reading.voltage_v[1],
    lambda sight: sight.reading.voltage_v[2],
    lambda sight: sight.reading.voltage_v[0],
)
_POWERS: Final[tuple[Column, ...]] = (
    lambda sight: sight.reading.power_w[0],
    lambda sight: sight.reading.power_w[1],
    lambda sight: sight.reading.power_w[2],
    lambda sight: _total(sight.reading.power_w),
)
_REACTIVES: Final[tuple[Column, ...]] = (
    lambda sight: sight.reading.reactive_var[0],
    lambda sight: sight.reading.reactive_var[1],
    lambda sight: sight.reading.reactive_var[2],
    lambda sight: _total(sight.reading.reactive_var),
)


def _current(phase: int) -> Column:
    return _CURRENTS[phase]


def _voltage(phase: int) -> Column:
    return _VOLTAGES[phase]


def _power(phase: int) -> Column:
    return _POWERS[phase]


def _reactive(phase: int) -> Column:
    return _REACTIVES[phase]


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

HOLE: Final = "%"  # nothing else in a template has one
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
_REGISTERS: Final = frozenset(
    {Measurand.ENERGY_ACTIVE_IMPORT_REGISTER, Measurand.ENERGY_ACTIVE_IMPORT_INTERVAL}
)
_PHASED: Final = frozenset({Measurand.CURRENT_IMPORT, Measurand.VOLTAGE})  # what the meter has per phase
_LINES: Final = (Phase.L1, Phase.L2, Phase.L3)
_NEUTRAL: Final = (Phase.L1_N, Phase.L2_N, Phase.L3_N)


def registers_of(wanted: str) -> list[str]:
    """The items of a measurand list that a register alone gives."""
    return [item for item in items(wanted) if split_phase(item)[0] in _REGISTERS]


class Template:
    """A MeterValue as JSON, cut at its holes: the timestamp, then one per column."""

    __slots__ = ("_head", "_rest", "_stamped")

    def __init__(self, text: str, columns: tuple[tuple[str, Column], ...]) -> None:
        """`text` has a HOLE for the timestamp and for each of `columns`: how it is written, what it is."""
        self._head, self._stamped, *texts = text.split(HOLE)
        self._rest: Final = tuple(
            (hole, column, after) for (hole, column), after in zip(columns, texts, strict=True)
        )

    def fill(self, timestamp: str, sight: Sight) -> str:
        """The JSON of one MeterValue."""
        # Joined: one format string of all of it would be read letter by letter each time.
        parts = [self._head, timestamp, self._stamped]
        for hole, column, after in self._rest:
            parts.append(hole % column(sight))
            parts.append(after)
        return "".join(parts)


@lru_cache(maxsize=1024)
def template(
    wanted: str, context: ReadingContext, phases: int, personality: Personality, *, main: bool = False
) -> Template | None:
    """The template of a measurand list, None for an empty list. `main`: of the main meter (MV-2)."""
    sampled: list[SampledValue] = []
    columns: list[tuple[str, Column]] = []
    for item in items(wanted):
        for phase in _phases_of(item, phases, personality):
            value, hole, column = _sampled(item, phase, context, personality)
            if main:
                value.location = Location.INLET
            sampled.append(value)
            columns.append((hole, column(-1 if phase is None else _LINES.index(phase))))
    if not sampled:
        return None
    text = msgspec.json.encode(MeterValue(timestamp=HOLE, sampled_value=sampled)).decode()
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
) -> tuple[SampledValue, str, Phased]:
    measurand = Measurand(split_phase(item)[0])
    greenup = personality is Personality.GREENUP
    column, unit, hole = (_GREENUP if greenup else _COLUMNS)[measurand]
    label = phase
    if phase is not None and measurand is Measurand.VOLTAGE:
        label = _NEUTRAL[_LINES.index(phase)]
    stops = context in {ReadingContext.TRANSACTION_BEGIN, ReadingContext.TRANSACTION_END}
    bare = greenup and (stops or measurand is Measurand.ENERGY_ACTIVE_IMPORT_INTERVAL)  # LG-3, LG-4
    value = SampledValue(
        value=HOLE,
        context=_GREENUP_CONTEXTS.get(context, context) if greenup else context,
        format=ValueFormat.RAW,
        measurand=measurand,
        phase=label,
        location=None if bare else Location.OUTLET,
        unit=unit,
    )
    return value, hole, column
