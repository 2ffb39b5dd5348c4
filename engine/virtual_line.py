"""A WebSocket in memory: two ends, a delay each way, and everything that can go wrong with it.

The station's end has the methods of `engine.link.Link`; the central system's end says and hangs up.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final, Protocol

from msgspec import Struct

from stations.core.events import Event, LinkDown, LinkFailure, LinkRefused, LinkUp, Received

if TYPE_CHECKING:
    from engine.rough import Rough
    from engine.unit import Unit
    from engine.virtual import World

SUBPROTOCOL: Final = "ocpp1.6"
FOREVER: Final = float("inf")
_GIVE_UP_S: Final = 10.0  # how long a connection attempt lasts that nobody answers


class Latency(Struct, frozen=True):
    """One way through the network: `median_s`, lognormal with `sigma` (0: always the median)."""

    median_s: float = 0.02
    sigma: float = 0.0


class Refusal(Struct, frozen=True):
    """The central system's no to an upgrade request."""

    failure: LinkFailure
    detail: str = ""


class Central(Protocol):
    """The other side. It is called at the moment something reaches it."""

    def admits(self, line: "Line", now: float) -> str | Refusal | None:
        """An upgrade request: the subprotocol selected (None selects none), or a refusal."""

    def opened(self, line: "Line", now: float) -> None:
        """The WebSocket is open at this end."""

    def heard(self, line: "Line", data: bytes, now: float) -> None:
        """One whole text message."""

    def closed(self, line: "Line", now: float) -> None:
        """The WebSocket is gone; not called when this end hung up."""


class Tap(Protocol):
    """An observer at the stations' sockets: sees what the station sees, when the station sees it."""

    def happened(self, index: int, event: Event, now: float) -> None:
        """About to be told to the station: what its link says, and what `World.happen` does to it.

        A WebSocket that the station closes is LinkDown when it starts to close it.
        """

    def sent(self, index: int, data: bytes, now: float) -> None:
        """The station put a message on its open WebSocket."""


class Line:
    """One attempt of one station to reach the central system, and the WebSocket that comes of it."""

    __slots__ = (
        "_closing",
        "_down_s",
        "_held",
        "_hung_up",
        "_unit",
        "_up_s",
        "_world",
        "authorization",
        "deadline",
        "index",
        "live",
        "session",
        "url",
    )

    def __init__(self, world: "World", unit: "Unit | Rough", url: str, authorization: str | None) -> None:
        """Dial; the unit hears `link_up` or `link_refused`."""
        self._world = world
        self._unit: Unit | Rough = unit
        self.index: Final = unit.index
        self.url: Final = url
        self.authorization: Final = authorization
        self.session: object = None  # the central system's own note about this connection
        self.live: bool | None = None  # None: still dialling
        self.deadline = FOREVER  # of a ping that finds the line held
        self._closing = False  # the station has said goodbye: it sends no more
        self._hung_up = False  # the central system has closed its end; the station may not know yet
        self._up_s = self._down_s = 0.0  # latest arrival so far: messages never overtake each other
        self._held: list[tuple[Callable[[Any], None], Any]] = []
        world.at(world.now + 2 * world.delay_s(self.index), self._dialled)

    @property
    def identity(self) -> str:
        """The last part of the URL, as the station wrote it (WS-1)."""
        return self.url.rsplit("/", 1)[-1]

    def _dialled(self, _: object) -> None:
        world = self._world
        if self.live is False:
            return
        if self.index in world.held:
            world.at(world.now + _GIVE_UP_S, self._refused, Refusal(LinkFailure.TIMEOUT, "no answer"))
        elif self.index in world.unreachable:
            self._refused(Refusal(LinkFailure.UNREACHABLE, "no route"))
        elif not world.central_up:
            self._refused(Refusal(LinkFailure.REFUSED, "connection refused"))
        else:
            self._answered(world.central.admits(self, world.now))

    def _answered(self, selected: str | Refusal | None) -> None:
        world = self._world
        lenient = selected is None and world.plans[self.index].product.subprotocol_lenient
        if isinstance(selected, Refusal):
            self._refused(selected)
        elif selected != SUBPROTOCOL and not lenient:
            self._refused(Refusal(LinkFailure.SUBPROTOCOL, f"the server selected {selected}"))  # WS-2
        else:
            self.live = True
            world.central.opened(self, world.now)
            self._tapped(LinkUp(selected))
            self._unit.link_up(selected)

    def _refused(self, refusal: Refusal) -> None:
        if self.live is None:
            self.live = False
            self._tapped(LinkRefused(refusal.failure, refusal.detail))
            self._unit.link_refused(refusal.failure, refusal.detail)

    def _tapped(self, event: Event) -> None:
        world = self._world
        if world.tap is not None:
            world.tap.happened(self.index, event, world.now)

    def _tapped_end(self, verdict: tuple[int | None, str]) -> None:
        if not self._closing:
            self._tapped(LinkDown(*verdict))

    # The station's end: an `engine.unit.Wire`.

    def send(self, data: bytes) -> None:
        """One text message to the central system."""
        if not self.live or self._closing:
            return
        world = self._world
        if world.tap is not None:
            world.tap.sent(self.index, data, world.now)
        self._up_s = max(self._up_s, world.now + world.delay_s(self.index))
        world.at(self._up_s, self._arrive, (self._heard, data))

    def ping(self, timeout_s: float) -> None:
        """The answer always comes, unless the line is held until the time is over (WS-5)."""
        if self.live and self.index in self._world.held:
            self.deadline = self._world.now + timeout_s

    def close(self, code: int, reason: str) -> None:
        """Politely: the peer's echo ends the WebSocket."""
        world = self._world
        if self.live is None:
            self._refused(Refusal(LinkFailure.UNREACHABLE, "given up by the station"))
        elif self.live and not self._closing:
            self._closing = True
            self._tapped(LinkDown(code, reason))
            world.at(world.now + 2 * world.delay_s(self.index), self._closed, (code, reason))

    def hand_to(self, owner: "Rough") -> None:
        """From now on this one hears what happens."""
        self._unit = owner

    def pause(self) -> None:
        """What is not read waits at the reader, who has asked for it: there are no buffers here."""

    def resume(self) -> None:
        """The reader has what waited."""

    def drop(self) -> None:
        """Abort; the station hears no more of it."""
        if self.live:
            self._tapped_end((None, "dropped by the station"))
        self._end()

    def on_deadline(self) -> None:
        """No pong in time."""
        self.deadline = FOREVER
        self._closed((None, "no pong in time"))

    # The central system's end.

    def say(self, data: bytes, after_s: float = 0.0) -> None:
        """One text message to the station, after thinking for `after_s`."""
        if self.live and not self._hung_up:
            self._down(after_s, self._received, data)

    def hang_up(self, code: int | None, reason: str = "") -> None:
        """Close from the far end; None drops the TCP connection."""
        if self.live and not self._hung_up:
            self._hung_up = True
            self._down(0.0, self._far_closed, (code, reason))

    # The network between them.

    def die(self, reason: str) -> None:
        """The TCP connection is reset, or the attempt fails."""
        if self.live is None:
            self._refused(Refusal(LinkFailure.REFUSED, reason))
        else:
            self._closed((None, reason))

    def release(self) -> None:
        """Deliver what was held, in order."""
        held, self._held = self._held, []
        self.deadline = FOREVER
        for parcel in held:
            self._world.at(self._world.now, self._arrive, parcel)

    def _down(self, after_s: float, step: Callable[[Any], None], argument: object) -> None:
        world = self._world
        when_s = world.now + after_s + world.delay_s(self.index)
        if not after_s:  # an answer that is thought over does not hold up those that are not
            when_s = self._down_s = max(self._down_s, when_s)
        world.at(when_s, self._arrive, (step, argument))

    def _arrive(self, parcel: tuple[Callable[[Any], None], Any]) -> None:
        """What was on its way when the WebSocket ended is lost."""
        if self.live and self.index in self._world.held:
            self._held.append(parcel)
        elif self.live:
            step, argument = parcel
            step(argument)

    def _heard(self, data: bytes) -> None:
        if not self._hung_up:
            self._world.central.heard(self, data, self._world.now)

    def _received(self, data: bytes) -> None:
        self._tapped(Received(data))
        self._unit.received(data)

    def _far_closed(self, verdict: tuple[int | None, str]) -> None:
        self.live = False
        self._tapped_end(verdict)
        self._unit.link_down(*verdict)

    def _closed(self, verdict: tuple[int | None, str]) -> None:
        if self.live:
            self._end()
            self._tapped_end(verdict)
            self._unit.link_down(*verdict)

    def _end(self) -> None:
        was_live, self.live = self.live, False
        if was_live and not self._hung_up:
            self._world.central.closed(self, self._world.now)
