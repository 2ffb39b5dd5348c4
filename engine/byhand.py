"""What a person can do to one station: plug, swipe, pull a switch. Runs in the loop's thread.

Whoever plugs, unplugs or shows a badge sends the station's own drivers away until the test ends: two hands at
one socket would make a story that neither has told.
"""

from collections.abc import Callable
from typing import Any, Final

from engine.clock import Clock, monotonic
from engine.unit import Unit
from profiles import vehicles
from profiles.cars import Car
from profiles.supply import supply_of
from profiles.wish import Wish
from stations.core import events as ev
from stations.errors import PlanError

SEED: Final = 1
# Asks for energy within 3 s, and has all of it soon after: one phase, 32 A, as long as it is plugged in.
# A little less than offered: the meter's noise must not show more than that (MV-9).
PATIENT_CAR: Final = Wish(current_a=32.0, wake_s=1.5, lag_s=0.5, soft_s=0.5, grip=0.998)


def car(name: str | None, identity: str, connector: int) -> Car:
    """A car of a class of the vehicle table, or the patient one; PlanError for a class that is not there."""
    if name:
        return vehicles.single(name, SEED, f"{identity}/{connector}/{monotonic()}")
    return Car(PATIENT_CAR, supply_of(SEED, "by hand", identity), phases=1, noise=connector)


def deed(name: str, arguments: dict[str, Any]) -> Callable[[Unit, Clock], None]:
    """The question that does it; PlanError for a deed that nobody knows."""
    try:
        do = DEEDS[name]
    except KeyError:
        raise PlanError(f"{name}: use one of {', '.join(sorted(DEEDS))}") from None
    return lambda unit, clock: do(unit, clock, arguments)


def _connect(unit: Unit, _clock: Clock, _arguments: dict[str, Any]) -> None:
    unit.happen(ev.Activate(active=True))


def _disconnect(unit: Unit, _clock: Clock, _arguments: dict[str, Any]) -> None:
    unit.happen(ev.Activate(active=False))


def _plug(unit: Unit, _clock: Clock, arguments: dict[str, Any]) -> None:
    number = _connector(arguments)
    station = unit.station
    if station.side(number).vehicle is not None:
        raise PlanError(f"connector {number}: a vehicle is plugged in already")
    vehicle = car(str(arguments.get("vehicle") or ""), station.plan.identity, number)
    unit.send_driver_away()
    unit.happen(ev.PlugIn(number, vehicle))


def _unplug(unit: Unit, _clock: Clock, arguments: dict[str, Any]) -> None:
    unit.station.side(_connector(arguments))
    unit.send_driver_away()
    unit.happen(ev.PlugOut(_connector(arguments)))


def _swipe(unit: Unit, _clock: Clock, arguments: dict[str, Any]) -> None:
    id_tag = str(arguments.get("id_tag") or "").strip()
    if not 1 <= len(id_tag) <= 20:
        raise PlanError("a badge has 1 to 20 characters")
    number = _connector(arguments)
    unit.station.side(number)
    unit.send_driver_away()
    unit.happen(ev.Swipe(id_tag, (number,)))


def _fault(unit: Unit, _clock: Clock, arguments: dict[str, Any]) -> None:
    unit.happen(ev.Fault(_connector(arguments), str(arguments.get("error_code"))))


def _clear(unit: Unit, _clock: Clock, arguments: dict[str, Any]) -> None:
    unit.happen(ev.ClearFault(_connector(arguments)))


def _power_off(unit: Unit, _clock: Clock, _arguments: dict[str, Any]) -> None:
    unit.happen(ev.PowerOff())


def _power_on(unit: Unit, clock: Clock, _arguments: dict[str, Any]) -> None:
    if not unit.station.powered:
        unit.happen(clock.power_on())


def _connector(arguments: dict[str, Any]) -> int:
    number = arguments.get("connector")
    if isinstance(number, int):
        return number
    raise PlanError(f"connector {number!r}: not a number")


DEEDS: Final[dict[str, Callable[[Unit, Clock, dict[str, Any]], None]]] = {
    "connect": _connect,
    "disconnect": _disconnect,
    "plug": _plug,
    "unplug": _unplug,
    "swipe": _swipe,
    "fault": _fault,
    "clear": _clear,
    "power_off": _power_off,
    "power_on": _power_on,
}
