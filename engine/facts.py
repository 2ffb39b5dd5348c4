"""What an edge tells the outside: live counts of its stations, and ten batches of facts a second."""

from typing import Any

from msgspec import Struct

from results.columns import CallBatch


class Gauges(Struct):
    """A worker's stations at one moment. Counts that only grow since the start are said to be totals."""

    stations: int  # running in this worker
    waiting: int  # deployed and not yet started (paced)
    links: dict[str, int]  # stations by link: "down", "connecting", "open"
    registrations: dict[str, int]  # stations by registration: "", "Pending", "Rejected", "Accepted"
    connectors: dict[str, int]  # connectors by ChargePointStatus, connector 0 left out
    sessions: int  # transactions running
    power_w: float  # drawn by all stations, each looked at every few seconds
    backlog: int  # transaction messages waiting, each station looked at every few seconds
    connects: int  # total of WebSockets opened
    reconnects: int  # those of them that were not a station's first
    refusals: int  # total of failed attempts
    findings: int  # total of rules broken by the central system
    rules: dict[str, int]  # the same by rule


class Answer(Struct):
    """What came of an `Ask`: what the station told, or the mistake of whoever asked."""

    ticket: int
    told: Any = None
    mistake: str = ""


class FactBatch(Struct):
    """Everything since the last batch."""

    gauges: Gauges
    calls: CallBatch | None = None
    retired: list[int] = []  # stations that are gone: as asked, or by a bug of ours
    bugs: list[str] = []  # each a traceback; a run that has one is untrusted (C10)
    health: dict[str, float] | None = None  # once a second: the row of the `health` table
    answers: list[Answer] = []
    shortages: list[str] = []  # what this machine ran out of, one line each; such a run is untrusted
