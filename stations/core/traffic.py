"""What passes for every message: the effects and the one event that a round trip is made of.

Plain classes where the others of `events` are Structs, because the hot path is compiled (deploy/compile.py)
and compiled code reaches the attributes of its own classes directly. Everybody takes them from `events`.
"""

from enum import StrEnum
from typing import final

from stations.core.kinds import Effect, Event


class Outcome(StrEnum):
    """How one of our CALLs ended (C6). A missing answer is an outcome, never an absent row."""

    OK = "ok"
    CALLERROR = "callerror"
    TIMEOUT = "timeout"
    CLOSED = "closed"  # the socket ended before the answer
    INVALID = "invalid"  # answered with a payload that breaks the schema
    CANCELLED = "cancelled"  # our own power cut or reset


@final
class Received(Event):
    """One whole text message from the central system."""

    __slots__ = ("data",)

    def __init__(self, data: bytes) -> None:
        self.data = data

    def __eq__(self, other: object) -> bool:
        return type(other) is Received and self.data == other.data

    __hash__ = None  # type: ignore[assignment] # as a Struct's: it may change


@final
class OpenCall:
    """One CALL of ours from plan to answer; times in seconds on the edge's clock (C6).

    queue = free - due, gen_lag = sent - free, service = done - sent.
    The edge stamps `sent` right after the bytes went to the socket; the core never reads it.
    """

    __slots__ = (
        "action",
        "bytes_out",
        "connector",
        "due",
        "free",
        "id",
        "offline",
        "sent",
        "transaction",
    )

    def __init__(  # noqa: PLR0917 — by position, as the constructor of a Struct
        self,
        id: str,  # noqa: A002 — the name of the attribute
        action: str,
        due: float,
        free: float,
        sent: float = 0.0,
        bytes_out: int = 0,
        connector: int = 0,
        transaction: int = 0,
        offline: bool = False,
    ) -> None:
        self.id = id
        self.action = action
        self.due = due
        self.free = free
        self.sent = sent
        self.bytes_out = bytes_out
        self.connector = connector
        self.transaction = transaction  # its number in this station's ledger, 0 for none
        self.offline = offline  # waited for the link: due was moved to when the station was online again


@final
class Send(Effect):
    """Put one text message on the wire; `call` is set when it is a CALL of ours, to be stamped."""

    __slots__ = ("call", "data")

    def __init__(self, data: bytes, call: OpenCall | None = None) -> None:
        self.data = data
        self.call = call


@final
class CallEnded(Effect):
    """Fact: one of our CALLs is over. `error` is the CALLERROR code (any string) or ''."""

    __slots__ = ("bytes_in", "call", "done", "error", "outcome")

    def __init__(
        self, call: OpenCall, outcome: Outcome, done: float, error: str = "", bytes_in: int = 0
    ) -> None:
        self.call = call
        self.outcome = outcome
        self.done = done
        self.error = error
        self.bytes_in = bytes_in
