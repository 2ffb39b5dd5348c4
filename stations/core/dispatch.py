"""Who handles what: tables of functions, filled by the modules that own the facts.

A new inbound operation is one function under `@answers(Request)`; nothing else needs to know it.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final, TypeAlias, TypeVar

from stations.core.alarms import Alarm
from stations.core.events import Event, Outcome
from stations.core.keys import Key
from stations.wire.errors import ErrorCode
from stations.wire.messages import Confirmation, Request
from stations.wire.types import Action

if TYPE_CHECKING:
    from stations.core.outgoing import Outgoing
    from stations.core.station import Station

E = TypeVar("E", bound=Event)
R = TypeVar("R", bound=Request)
C = TypeVar("C", bound=Confirmation)

OnEvent: TypeAlias = "Callable[[Station, E], None]"
OnRing: TypeAlias = "Callable[[Station, int, float], None]"  # connector, when it was due
OnRequest: TypeAlias = "Callable[[Station, R], C]"
OnEnd: TypeAlias = "Callable[[Station, Outgoing, Outcome, Confirmation | None], None]"
OnChange: TypeAlias = "Callable[[Station], None]"

EVENTS: "Final[dict[type[Event], Callable[[Station, Any], None]]]" = {}
RINGS: Final[dict[int, OnRing]] = {}
ANSWERS: "Final[dict[str, Callable[[Station, Any], Confirmation]]]" = {}
ENDS: Final[dict[str, OnEnd]] = {}
CHANGES: Final[dict[str, OnChange]] = {}


class Refused(Exception):  # noqa: N818 — it is an answer, not an error of ours
    """A handler answers with CALLERROR instead of a confirmation (CMD-2, SC-3)."""

    def __init__(self, code: ErrorCode, description: str) -> None:
        super().__init__(description)
        self.code = code
        self.description = description


def on(event: type[E]) -> "Callable[[OnEvent[E]], OnEvent[E]]":
    """The function for an event."""

    def register(function: "OnEvent[E]") -> "OnEvent[E]":
        EVENTS[event] = function
        return function

    return register


def rings(*alarms: Alarm) -> Callable[[OnRing], OnRing]:
    """The function for alarms that are due."""

    def register(function: OnRing) -> OnRing:
        for alarm in alarms:
            RINGS[alarm] = function
        return function

    return register


def answers(request: type[R]) -> "Callable[[OnRequest[R, C]], OnRequest[R, C]]":
    """The function that executes an operation of the central system and returns its confirmation."""

    def register(function: "OnRequest[R, C]") -> "OnRequest[R, C]":
        ANSWERS[request.__name__] = function
        return function

    return register


def ends(*actions: Action) -> Callable[[OnEnd], OnEnd]:
    """The function for the end of our CALLs; the confirmation is None unless the outcome is OK."""

    def register(function: OnEnd) -> OnEnd:
        for action in actions:
            ENDS[action.value] = function
        return function

    return register


def changes(*keys: Key[Any]) -> Callable[[OnChange], OnChange]:
    """The function that makes a changed configuration key effective at once (CC-3)."""

    def register(function: OnChange) -> OnChange:
        for key in keys:
            CHANGES[key.name] = function
        return function

    return register
