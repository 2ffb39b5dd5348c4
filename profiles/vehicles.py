"""Vehicle classes, mixes by fleet year, and the wishes of cars: drawn from a class or fitted to a session.

Fitted to a session means: hour, dwell, energy, power and time with current come from a measured site's law,
and the shape inside the session (taper, pause, low current, afterglow) is chosen so that it loses just the
time that the law says was lost. The mean power of a session therefore emerges from its curve.
"""

from functools import cache
from math import exp, inf, log, sqrt
from pathlib import Path
from typing import Annotated, Final

from msgspec import Meta, Struct, structs

from profiles import tomlfile
from profiles.cars import NOISES, Car
from profiles.supply import PLATEAU_V, supply_of
from profiles.wish import Window, Wish
from stations.core.streams import Stream, stream
from stations.errors import PlanError

TABLE: Final = Path(__file__).with_name("vehicles.toml")
AS_MEASURED: Final = "as-measured"
_LEAST_LOAD_A: Final = 6.0  # IEC 61851-1: no station offers less
_FULL_LOAD_A: Final = 31.8  # active current of a 32 A socket
_LEAST_LOSS_H: Final = 0.01
_NUMBERS: Final[dict[float, float]] = {}  # `_shared`; some thousand at most

Positive = Annotated[float, Meta(gt=0)]
Share = Annotated[float, Meta(ge=0, le=1)]


class VehicleClass(Struct, frozen=True, forbid_unknown_fields=True):
    """Cars that charge alike."""

    title: str
    phases: Annotated[int, Meta(ge=1, le=3)]
    charger_a: Positive  # active current per phase at most
    battery_kwh: Annotated[list[Positive], Meta(min_length=5, max_length=5)]  # quantiles
    efficiency: Annotated[float, Meta(gt=0, le=1)]  # battery over plug
    reactive_var: tuple[float, float]  # per phase while current flows, lowest and highest
    taper_min: tuple[float, float]  # median, and spread of the logarithm
    stops_dead: Share  # sessions that end without a taper
    minimum_a: Positive = 6.0
    sip_a: float = 0.0  # current taken below the minimum, when it charged before
    wake_s: Positive = 6.0  # median
    dips: Share = 0.0  # sessions with short dips all along
    tail: str = ""
    tail_share: Share = 0.0


class Table(Struct, frozen=True, forbid_unknown_fields=True):
    """The vehicle table."""

    classes: dict[str, VehicleClass]
    tails: dict[str, list[tuple[Share, Positive, Positive]]]
    mixes: dict[str, dict[str, Positive]]


class Fitted(Struct, frozen=True, gc=False):
    """A session of a measured site, to be explained by a curve."""

    power_kw: float
    energy_kwh: float
    charge_h: float
    dwell_h: float
    finished: bool


@cache
def table() -> Table:
    """The vehicle table that ships with the project."""
    known: Table = tomlfile.read(TABLE, Table, "vehicles")
    return known


def vehicle_class(name: str) -> VehicleClass:
    """The class `name` of the table."""
    try:
        return table().classes[name]
    except KeyError:
        known = ", ".join(sorted(table().classes))
        raise PlanError(f"vehicle {name}: not in the table; mend: use one of {known}") from None


def check_mix(name: str) -> None:
    """Refuse a mix that is not in the table."""
    if name != AS_MEASURED and name not in table().mixes:
        known = ", ".join([AS_MEASURED, *sorted(table().mixes)])
        raise PlanError(f"vehicle mix {name}: not in the table; mend: use one of {known}")


def single(name: str, seed: int, identity: str) -> Car:
    """One car of class `name` that charges until its battery is full: for a station driven by hand."""
    luck = stream(seed, identity, f"vehicle {name}")
    phases, wish = drawn(name, luck, need_kwh=inf, scale_to_battery=True)
    return Car(wish, supply_of(seed, "by hand", identity), phases=phases, noise=luck.integer(NOISES))


def drawn_class(mix: str, luck: Stream) -> str:
    """A class by the shares of a mix."""
    shares = table().mixes[mix]
    return luck.choice(tuple(shares), tuple(shares.values()))


def drawn(name: str, luck: Stream, *, need_kwh: float, scale_to_battery: bool = False) -> tuple[int, Wish]:
    """Phases and wish of a car of class `name`: `need_kwh` at the plug, or what its battery takes."""
    kind = vehicle_class(name)
    capacity_kwh = _quantile(kind.battery_kwh, luck.random()) / kind.efficiency
    room_kwh = capacity_kwh * (luck.uniform(0.3, 0.8) if scale_to_battery else 0.9)
    taper_s = 0.0
    if luck.random() >= kind.stops_dead:
        taper_s = 60.0 * luck.lognormal(log(kind.taper_min[0]), kind.taper_min[1])
    wish = _traits(name, kind, luck, kind.charger_a)
    wish = structs.replace(
        wish,
        need_wh=1000.0 * min(need_kwh, room_kwh),
        taper_s=taper_s,
        cut=_shared(luck.uniform(0.08, 0.2), 3),
    )
    if wish.window is None and luck.random() < 0.15:
        begin_s, lasts_s = luck.uniform(300.0, 7200.0), luck.uniform(600.0, 7200.0)
        level = luck.choice((0.0, 0.5))
        if level and lasts_s > begin_s:
            begin_s = 0.0  # whoever shares for long found the others there
        wish = structs.replace(wish, window=Window(begin_s, lasts_s, level))
    return kind.phases, structs.replace(wish, tail=_tail(kind, luck))


def fitted(session: Fitted, luck: Stream) -> tuple[int, Wish]:
    """Phases and wish of a car whose curve gives the session's energy, power and time with current."""
    name = _class_of(session.power_kw, luck)
    kind = vehicle_class(name)
    level_a = session.power_kw * 1000.0 / (kind.phases * PLATEAU_V)
    current_a = min(max(level_a, _LEAST_LOAD_A), _FULL_LOAD_A)
    power_kw = current_a * kind.phases * PLATEAU_V / 1000.0
    wish = structs.replace(
        _traits(name, kind, luck, current_a), cut=_shared(luck.uniform(0.08, 0.2), 3), grip=0.998
    )
    if session.finished:
        wish = structs.replace(wish, need_wh=session.energy_kwh * 1000.0)
    lost_h = max(session.charge_h - session.energy_kwh / power_kw, 0.0)
    if level_a < _LEAST_LOAD_A:
        return kind.phases, _in_turns(wish, session, lost_h, luck)
    if not session.finished:
        return kind.phases, _interrupted(wish, session, power_kw, lost_h, luck)
    wish, lost_h = _with_tail(wish, kind, power_kw, lost_h, luck)
    if luck.random() >= kind.stops_dead:
        wish, lost_h = _with_taper(wish, session, power_kw, lost_h)
    if lost_h > _LEAST_LOSS_H:
        return kind.phases, _slowed(wish, session, lost_h, luck)
    idle_h = session.dwell_h - session.charge_h
    if wish.window is None and idle_h > 0.3 and luck.random() < 0.15:
        begin_h = session.charge_h * luck.uniform(0.05, 0.6)
        lasts_h = min(luck.uniform(0.17, 2.0), 0.8 * idle_h)
        wish = structs.replace(wish, window=Window(3600.0 * begin_h, 3600.0 * lasts_h))
    return kind.phases, wish


def _traits(name: str, kind: VehicleClass, luck: Stream, current_a: float) -> Wish:
    """What belongs to the car, not to the session."""
    wish = Wish(
        current_a=current_a * luck.normal(1.0, 0.002),
        wake_s=_shared(min(luck.lognormal(log(kind.wake_s), 0.5), 60.0), 1),
        lag_s=_shared(luck.uniform(2.0, 4.0), 2),
        soft_s=_shared(luck.uniform(2.5, 8.0), 2),
        grip=_shared(min(max(luck.normal(0.985, 0.02), 0.94), 0.998), 3),
        minimum_a=kind.minimum_a,
        sip_a=kind.sip_a,
        reactive_var=_shared(luck.uniform(*kind.reactive_var) * min(current_a / kind.charger_a, 1.0), 0),
        vehicle=name,
    )
    if luck.random() < kind.dips:
        every_s = 3600.0 / 4.5
        return structs.replace(wish, window=Window(luck.uniform(60.0, every_s), 20.0, 0.01, every_s))
    return wish


def _shared(trait: float, digits: int) -> float:
    """A trait rounded, so that cars share the number: it is held once, not by every car."""
    rounded = round(trait, digits)
    return _NUMBERS.setdefault(rounded, rounded)


def _tail(kind: VehicleClass, luck: Stream) -> tuple[tuple[float, float], ...]:
    if not kind.tail or luck.random() >= kind.tail_share:
        return ()
    return tuple((share, 60.0 * luck.uniform(low, high)) for share, low, high in table().tails[kind.tail])


def _with_tail(
    wish: Wish, kind: VehicleClass, power_kw: float, lost_h: float, luck: Stream
) -> tuple[Wish, float]:
    """The car's habit after the end, if the session has time and energy for it; less is lost then."""
    tail = _tail(kind, luck)
    flowing_h = sum(seconds for share, seconds in tail if share) / 3600.0
    energy_kwh = sum(share * seconds for share, seconds in tail) / 3600.0 * power_kw
    cost_h = flowing_h - energy_kwh / power_kw
    if not tail or cost_h > lost_h or energy_kwh > 0.2 * wish.need_wh / 1000.0:
        return wish, lost_h
    return structs.replace(wish, tail=tail, need_wh=wish.need_wh - 1000.0 * energy_kwh), lost_h - cost_h


def _with_taper(wish: Wish, session: Fitted, power_kw: float, lost_h: float) -> tuple[Wish, float]:
    """A taper that loses `lost_h`, as far as it may hold two thirds of the energy; what is left over."""
    if lost_h < _LEAST_LOSS_H:
        return wish, 0.0
    per_taper = log(1.0 / wish.cut) - (1.0 - wish.cut)  # time lost, in time constants
    longest_h = 0.66 * session.energy_kwh / (power_kw * (1.0 - wish.cut))
    taper_h = min(lost_h / per_taper, longest_h, 3.0)
    return structs.replace(wish, taper_s=3600.0 * taper_h), lost_h - taper_h * per_taper


def _interrupted(wish: Wish, session: Fitted, power_kw: float, lost_h: float, luck: Stream) -> Wish:
    """A car unplugged while it charges: in its taper when little was lost, else after low current."""
    if lost_h < 0.002 * session.charge_h:
        return wish
    if lost_h > 0.25 or luck.random() < 0.2:
        return _slowed(wish, session, lost_h, luck)
    limit = log(1.0 / wish.cut) - (1.0 - wish.cut)  # what a whole taper loses, in time constants
    taper_h = max(luck.lognormal(log(17.0 / 60.0), 0.6), lost_h / (0.95 * limit))
    spent = _time_to_lose(lost_h / taper_h)
    if spent * taper_h > 0.9 * session.charge_h:
        return _slowed(wish, session, lost_h, luck)
    rest_kwh = power_kw * taper_h * (exp(-spent) - wish.cut)
    return structs.replace(wish, taper_s=3600.0 * taper_h, need_wh=1000.0 * (session.energy_kwh + rest_kwh))


def _time_to_lose(lost: float) -> float:
    """When an exponential taper has lost so much against full current; both in time constants."""
    spent = sqrt(2.0 * lost) + lost / 3.0
    for _ in range(4):
        spent -= (spent - 1.0 + exp(-spent) - lost) / (1.0 - exp(-spent))
    return spent


def _slowed(wish: Wish, session: Fitted, lost_h: float, luck: Stream) -> Wish:
    """A time of lower current (load sharing, heat) that loses `lost_h`; a car that dips stops dipping."""
    if lost_h < _LEAST_LOSS_H:
        return structs.replace(wish, window=None)
    level = luck.uniform(0.3, 0.6)
    window_h = lost_h / (1.0 - level)
    if window_h > 0.85 * session.charge_h:
        return _in_turns(wish, session, lost_h, luck)
    start_h = luck.random() * max(session.charge_h - window_h - 0.02, 0.0)
    if window_h > 0.25 * session.charge_h:
        start_h = 0.0  # as in `drawn`: no short start at full current
    return structs.replace(wish, window=Window(3600.0 * start_h, 3600.0 * window_h, level))


def _in_turns(wish: Wish, session: Fitted, lost_h: float, luck: Stream) -> Wish:
    """Full current in turns with little, as a battery does that is kept warm: for sessions that lose most."""
    share = 1.0 - lost_h / session.charge_h
    level = 0.3 * share
    charge_s = 3600.0 * session.charge_h
    turn_s = charge_s / max(1, round(charge_s / luck.uniform(2400.0, 4800.0)))
    full_s = turn_s * (share - level) / (1.0 - level)
    return structs.replace(wish, window=Window(full_s, turn_s - full_s, level, full_s))


def _class_of(power_kw: float, luck: Stream) -> str:
    """A class that charges at about that power."""
    if power_kw < 2.6:
        return "patient"
    if power_kw < 4.3:
        return luck.choice(("phev-1ph-16", "bev-1ph-32", "two-step"), (70, 28, 2))
    if power_kw < 7.3:
        return luck.choice(("bev-1ph-32", "leaf-like", "phev-1ph-32"), (60, 25, 15))
    if power_kw < 12.5:
        return luck.choice(("bev-3ph-16", "zoe-like"), (75, 25))
    return luck.choice(("zoe-like", "bev-3ph-32"), (60, 40))


def _quantile(quantiles: list[float], share: float) -> float:
    """Linear between the 5/25/50/75/95 % quantiles, flat outside."""
    levels = (0.05, 0.25, 0.5, 0.75, 0.95)
    if share <= levels[0]:
        return quantiles[0]
    for low, high, below, above in zip(levels, levels[1:], quantiles, quantiles[1:], strict=False):
        if share <= high:
            return below + (above - below) * (share - low) / (high - low)
    return quantiles[-1]
