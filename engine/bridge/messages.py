"""What master and workers tell each other, over Locust's own channel; one process alone tells itself.

Payloads are plain dicts (msgpack). Order on the channel is kept per worker, so a `RUN` sent in `test_start`
is read before the first `spawn`.
"""

from typing import Any, Final

import msgspec

from engine.bridge.identities import Range
from engine.bridge.options import Settings
from engine.bridge.processes import Process
from results.receipt import Receipt

NOTICES: Final = "greenup"  # the log of what every user wants to know, whatever --loglevel says

HELLO: Final = "greenup-hello"  # worker: Process; I am here (again); answered by RUN when a test is on
RUN: Final = "greenup-run"  # master: Order
ASK: Final = "greenup-ask"  # worker: Ask
LEASE: Final = "greenup-lease"  # master: Lease
RETURN: Final = "greenup-return"  # worker: Lease; these stations are closed
GAUGES: Final = "greenup-gauges"  # worker: numbers for the live line, once a second
GO: Final = "greenup-go"  # master: Go
STOP: Final = "greenup-stop"  # master: stop now and send the receipt
RECEIPT: Final = "greenup-receipt"  # worker: Closing
PULSE: Final = "greenup-pulse"  # worker: Beat, once a second when a page is there to show it
QUESTION: Final = "greenup-question"  # master: Question
ANSWER: Final = "greenup-answer"  # worker: Reply
PART: Final = "greenup-part"  # worker: Part; after the test has stopped, one at a time
PART_TAKEN: Final = "greenup-part-taken"  # master: PartTaken
CLOCK: Final = "greenup-clock"  # worker: ClockAsked; once a second
CLOCK_TOLD: Final = "greenup-clock-told"  # master: ClockTold


class Order(msgspec.Struct, frozen=True):
    """One test: where it writes and what it runs."""

    run: str  # the folder's name
    folder: str
    csms_url: str
    settings: Settings
    metadata: dict[str, str]  # repeated in every data file
    master: Process
    live: bool = False  # a page shows what happens: workers tell their pulse


class Go(msgspec.Struct, frozen=True):
    """The whole fleet has been started: hardship's clock runs."""

    run: str
    ago_s: float


class Ask(msgspec.Struct, frozen=True):
    """A worker wants `count` more stations."""

    run: str
    count: int


class Lease(msgspec.Struct, frozen=True):
    """Stations that go to a worker, or come back from it."""

    run: str
    ranges: list[Range]
    rate_per_s: float = 0.0  # how fast this worker boots them


class Closing(msgspec.Struct, frozen=True):
    """A worker's last word on a test."""

    run: str
    worker: str
    receipt: Receipt
    bugs: list[str]  # StationBug, one line each
    shortages: list[str] = []  # what the worker's machine ran out of, one line each
    stood_still_s: float = 0.0  # the longest time in which its stations did nothing


class Beat(msgspec.Struct, frozen=True):
    """A second of a worker's calls (`engine.bridge.pulse`)."""

    run: str
    actions: dict[str, list[Any]]


class Part(msgspec.Struct, frozen=True):
    """A piece of a file that goes to the master (`engine.bridge.collect`)."""

    run: str
    file: str  # relative to the run folder
    offset: int
    data: bytes
    sha256: str  # of the whole file, with its last piece; else empty


class PartTaken(msgspec.Struct, frozen=True):
    """It is on the master's disk; or why not."""

    run: str
    mistake: str = ""


class ClockAsked(msgspec.Struct, frozen=True):
    """What time is it? Sent at this time of the worker's clock, µs since 1970."""

    run: str
    sent_us: int


class ClockTold(msgspec.Struct, frozen=True):
    """The answer: the question's time again, and the master's."""

    run: str
    sent_us: int
    master_us: int


class Question(msgspec.Struct, frozen=True):
    """Somebody at the page wants something of one station (`engine.bridge.desk`)."""

    run: str
    ticket: int
    station: int
    kind: str
    arguments: dict[str, Any] = {}


class Reply(msgspec.Struct, frozen=True):
    """What came of it: what the station told, or the mistake of whoever asked."""

    run: str
    ticket: int
    told: Any = None
    mistake: str = ""


def write(message: msgspec.Struct) -> dict[str, Any]:
    """As a payload."""
    payload: dict[str, Any] = msgspec.to_builtins(message, builtin_types=(bytes,))
    return payload
