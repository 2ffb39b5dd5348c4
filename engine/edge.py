"""What a unit needs of the world it lives in; `engine.loop` is the real one, `engine.virtual` the other."""

from typing import TYPE_CHECKING, Protocol

from engine.clock import Clock
from engine.journal import Journal
from engine.tally import Tally
from stations.core.events import TransferWanted

if TYPE_CHECKING:
    from engine.rough import Rough
    from engine.unit import Unit


class Wire(Protocol):
    """A link as a unit uses it; `engine.link.Link` and the virtual edge's."""

    @property
    def deadline(self) -> float:
        """When `on_deadline` is wanted, real seconds; infinite for never."""

    def send(self, data: bytes) -> None:
        """One text message."""

    def ping(self, timeout_s: float) -> None:
        """WebSocket ping; real seconds."""

    def close(self, code: int, reason: str) -> None:
        """Closing handshake; `Unit.link_down` follows."""

    def drop(self) -> None:
        """Abort; nothing follows."""

    def on_deadline(self) -> None:
        """`deadline` has passed."""


class Cable(Wire, Protocol):
    """A wire that reaches the network; others only stand between it and a unit."""

    def hand_to(self, owner: "Rough") -> None:
        """From now on this one is told what happens."""

    def pause(self) -> None:
        """Stop reading from the network."""

    def resume(self) -> None:
        """Read on."""


class Watch(Protocol):
    """Somebody who looks at a station's frames; `engine.portrait` has one."""

    def note(self, direction: str, data: bytes) -> None:
        """One text message, "in" or "out"."""


class Edge(Protocol):
    """What a unit needs of its world."""

    clock: Clock
    journal: Journal
    tally: Tally

    def open_link(self, unit: "Unit", url: str, authorization: str | None) -> Wire:
        """Start connecting; the answer comes as `link_up` or `link_refused`."""

    def arrived(self, unit: "Unit") -> None:
        """An answer has come: have the unit `read` it, at once or within milliseconds."""

    def arm(self, unit: "Unit", deadline_s: float) -> None:
        """Call `on_deadline` at that real moment, finite; earlier calls do no harm."""

    def gone(self, unit: "Unit", bug: str) -> None:
        """The unit has ended; `bug` is a traceback, or '' when it was asked to."""

    def persist(self, unit: "Unit") -> None:
        """The station's non-volatile state has changed."""

    def transfer(self, unit: "Unit", wanted: TransferWanted) -> None:
        """A real file transfer; the answer comes as `TransferEnded`."""
