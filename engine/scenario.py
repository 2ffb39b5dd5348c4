"""What a locustfile chooses: a fleet, hardship, commands of the central system, and how long to watch.

`scenario(...)` in a locustfile registers the choice; numbers that its user may change are `ask(...)`,
and become options of the command line and fields of the form. Nothing here knows Locust, so that a scenario
is played on the virtual edge by the same words.
"""

from collections.abc import Mapping, Sequence
from math import inf
from typing import Annotated, Any, Final

import msgspec
from msgspec import Meta, Struct

from profiles import hardship as hardships
from profiles.hardship import Hardship, Verb
from stations.errors import PlanError
from stations.wire.messages import OPERATIONS

OBEYED: Final = ("", "installed", "limited")


class Ask(Struct, frozen=True):
    """A number that the user of a scenario may change."""

    flag: str
    default: float  # or an int, for what is counted
    help: str
    most: float = inf

    @property
    def name(self) -> str:
        """Where parsed options keep it."""
        return self.flag.lstrip("-").replace("-", "_")


class Order(Struct, frozen=True, forbid_unknown_fields=True):
    """A command to the fleet, through the API of the central system that comes with the project."""

    action: str
    payload: dict[str, Any] = {}  # a value "now" is the moment at which it is sent
    at_s: Annotated[float, Meta(ge=0)] = 0.0  # station seconds after the whole fleet was started
    rate_per_s: Annotated[float, Meta(gt=0)] | None = None  # None: everybody at once
    stations: str = "*"
    obeyed: str = ""  # what a station does that obeys: "installed" (firmware), "limited" (power), "" nothing


class Scenario(Struct, frozen=True):
    """A choice, with questions still in it."""

    fleet: str = ""
    time_scale: float = 0.0
    hardship: Sequence[dict[str, Any]] = ()
    commands: Sequence[dict[str, Any]] = ()
    shape: dict[str, float | Ask] = {}  # numbers for the locustfile's load shape
    watch_s: float | Ask = 60.0
    drift: bool = False  # the run is judged by whether anything drifted or leaked

    @property
    def asks(self) -> list[Ask]:
        """What its user may change, in order."""
        return list(dict.fromkeys(_asks([*self.hardship, *self.commands, self.shape, self.watch_s])))


class Course(Struct, frozen=True):
    """What will happen, all questions answered. Times are station seconds after the fleet was started."""

    hardship: list[Hardship] = []
    commands: list[Order] = []
    watch_s: float = 60.0  # after the last of it
    drift: bool = False

    @property
    def ends_s(self) -> float:
        """When everything has been seen; infinite when nothing happens, or it goes on for ever."""
        if not self.hardship and not self.commands:
            return inf
        return max([hardships.ends_s(self.hardship), *(order.at_s for order in self.commands)]) + self.watch_s

    @property
    def restarts(self) -> bool:
        """Whether the central system is restarted."""
        return any(entry.verb is Verb.RESTART_CSMS for entry in self.hardship)


CALM: Final = Scenario()
_chosen: list[Scenario] = []


def scenario(**choice: Any) -> Scenario:
    """A locustfile's choice, by the names of `Scenario`; the last one counts."""
    _chosen[:] = [Scenario(**choice)]
    return _chosen[0]


def chosen() -> Scenario:
    """The choice of the locustfile that was loaded; calm when it made none."""
    return _chosen[0] if _chosen else CALM


def ask(flag: str, default: float, help: str, most: float = inf) -> Ask:  # noqa: A002 — argparse's own word
    """A number that the user may change: `ask("--share", 0.5, "share of the fleet that is struck")`.

    None is negative, and those of a load shape are above 0; hardship and commands check their own besides.
    """
    return Ask(flag, default, help, most)


def course(choice: Scenario, answers: Mapping[str, float], *, more: Sequence[Hardship] = ()) -> Course:
    """The choice with the user's answers; `more` is the fleet's own hardship. PlanError when it is wrong."""
    for number in choice.asks:
        _check_answer(number, answers, above_0=number in choice.shape.values())
    settled = _settled([list(choice.hardship), list(choice.commands), choice.watch_s], answers)
    hardship = hardships.read(settled[0], "scenario, hardship")
    try:
        commands = msgspec.convert(settled[1], list[Order])
    except msgspec.ValidationError as error:
        raise PlanError(f"scenario, commands: {error}; mend: see docs/scenarios.md") from None
    for order in commands:
        _check(order)
    return Course([*more, *hardship], commands, float(settled[2]), choice.drift)


def _check_answer(number: Ask, answers: Mapping[str, float], *, above_0: bool) -> None:
    given = answers.get(number.name, number.default)
    if not 0 <= given <= number.most or (above_0 and given == 0):
        least = "more than 0" if above_0 else "0 or more"
        limit = "" if number.most == inf else f" and at most {number.most:g}"
        raise PlanError(f"{number.flag} {given:g}: must be {least}{limit}")


def _check(order: Order) -> None:
    operation = OPERATIONS.get(order.action)
    if operation is None or not operation.from_central:
        raise PlanError(f"scenario, commands: {order.action} is no operation to stations; mend: its spelling")
    if order.obeyed not in OBEYED:
        raise PlanError(f"scenario, commands: obeyed = {order.obeyed!r}; mend: one of {', '.join(OBEYED)}")


def _asks(part: Any) -> list[Ask]:
    if isinstance(part, Ask):
        return [part]
    parts = part.values() if isinstance(part, dict) else part if isinstance(part, list) else ()
    return [found for each in parts for found in _asks(each)]


def _settled(part: Any, answers: Mapping[str, float]) -> Any:
    if isinstance(part, Ask):
        return answers.get(part.name, part.default)
    if isinstance(part, dict):
        return {name: _settled(value, answers) for name, value in part.items()}
    return [_settled(each, answers) for each in part] if isinstance(part, list) else part
