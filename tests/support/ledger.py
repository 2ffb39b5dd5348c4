"""A central system in memory that keeps books, gives commands and can be told to misbehave."""

import json
from collections import Counter, deque
from dataclasses import dataclass, field
from typing import Any

from engine.virtual_line import SUBPROTOCOL, Refusal
from stations.core.events import LinkFailure
from stations.wire.types import format_datetime


@dataclass
class Entry:
    """One transaction as the central system knows it."""

    index: int
    transaction_id: int
    start: dict[str, Any]
    stop: dict[str, Any] | None = None
    meter_values: list[dict[str, Any]] = field(default_factory=list)

    @property
    def energy_wh(self):
        return self.stop["meterStop"] - self.start["meterStart"]


class LedgerCentral:
    """Correct by default. Misbehaviour is queued beforehand and used up by the next CALLs.

    `moods`: "drop" (no answer), "error" (CALLERROR), "late" (answered after 45 s), "twice" (the same answer
    again), "foreign" (an answer to somebody else's id first), "garbage" (unreadable text first), "extra"
    (an unknown field and a null in the answer).
    """

    def __init__(self, start_unix_s, *, heartbeat_s=300, think_s=0.0, strict_orders=True):
        self.start_unix_s = start_unix_s
        self.heartbeat_s = heartbeat_s
        self.think_s = think_s
        self.lines = {}
        self.entries: dict[tuple[int, int], Entry] = {}
        self.heartbeats = Counter()
        self.calls = Counter()
        self.statuses: dict[tuple[int, int], list[str]] = {}
        self.registrations: deque = deque()  # (status, interval) of the next BootNotifications
        self.refusals: deque = deque()
        self.moods: deque = deque()
        self.tags: dict[str, dict[str, Any]] = {}
        self.answers: dict[str, list] = {}
        self.orphans: list[tuple[int, str, dict[str, Any]]] = []
        self._strict_orders = strict_orders
        self._numbers: dict[tuple[int, str], int] = {}  # transactionId by station and StartTransaction
        self._commands = 0

    # ---- the network's side

    def admits(self, line, now):
        return self.refusals.popleft() if self.refusals else SUBPROTOCOL

    def opened(self, line, now):
        self.lines[line.index] = line

    def closed(self, line, now):
        if self.lines.get(line.index) is line:
            del self.lines[line.index]

    def heard(self, line, data, now):
        frame = json.loads(data)
        if frame[0] != 2:
            self.answers.setdefault(frame[1], []).append(frame)
            return
        _, message_id, action, payload = frame
        self.calls[action] += 1
        mood = self.moods.popleft() if self.moods else ""
        if mood == "error":
            self._say(line, [4, message_id, "InternalError", "no mood for it", {}])
            return
        if mood == "drop-unread":
            return
        answer = self._book(line.index, action, payload, now)
        if mood == "drop":
            return
        if mood == "extra":
            answer = {**answer, "vendorNote": None, "cost": {"eur": 1}}
        if mood == "foreign":
            self._say(line, [3, "somebody-else", {"status": "Rejected"}])
        if mood == "garbage":
            line.say(b"\x00not json")
        self._say(line, [3, message_id, answer], 45.0 if mood == "late" else self.think_s)
        if mood == "twice":
            self._say(line, [3, message_id, answer])

    def command(self, index, action, payload):
        """Send a CALL; its id, or None when the station is not connected."""
        line = self.lines.get(index)
        if line is None:
            return None
        self._commands += 1
        message_id = f"cmd-{self._commands}"
        self._say(line, [2, message_id, action, payload])
        return message_id

    def status_of(self, message_id):
        """What the station answered: the status, or the error code."""
        ((kind, _, body, *_),) = self.answers[message_id]
        return body.get("status") if kind == 3 else body

    def refuse_next(self, failure=LinkFailure.HTTP, detail="503"):
        self.refusals.append(Refusal(failure, detail))

    def _say(self, line, frame, after_s=0.0):
        line.say(json.dumps(frame).encode(), after_s)

    # ---- the books

    def _book(self, index, action, payload, now):
        if action == "BootNotification":
            status, interval = (
                self.registrations.popleft() if self.registrations else ("Accepted", self.heartbeat_s)
            )
            return {"status": status, "currentTime": self._time(now), "interval": interval}
        if action == "Heartbeat":
            self.heartbeats[index] += 1
            return {"currentTime": self._time(now)}
        if action == "StatusNotification":
            self.statuses.setdefault((index, payload["connectorId"]), []).append(payload["status"])
            return {}
        if action == "Authorize":
            return {"idTagInfo": self._tag(payload["idTag"])}
        if action == "StartTransaction":
            return self._start(index, payload)
        if action == "StopTransaction":
            return self._stop(index, payload)
        if action == "MeterValues":
            self._meter_values(index, payload)
        return {}

    def _start(self, index, payload):
        """A retry of a start whose answer got lost is the same transaction."""
        start = (index, json.dumps(payload, sort_keys=True))
        number = self._numbers.setdefault(start, len(self._numbers) + 1)
        if (index, number) not in self.entries:
            self.entries[index, number] = Entry(index, number, payload)
        return {"transactionId": number, "idTagInfo": self._tag(payload["idTag"])}

    def _stop(self, index, payload):
        entry = self.entries.get((index, payload["transactionId"]))
        if entry is None:
            self.orphans.append((index, "StopTransaction", payload))
            return {}
        if entry.stop is not None and self._strict_orders:
            assert entry.stop == payload, "one transaction, two different stops"
        entry.stop = payload
        return {"idTagInfo": self._tag(payload["idTag"])} if "idTag" in payload else {}

    def _meter_values(self, index, payload):
        number = payload.get("transactionId")
        if number is None:
            return
        entry = self.entries.get((index, number))
        triggered = payload["meterValue"][0]["sampledValue"][0].get("context") == "Trigger"
        if entry is None or (entry.stop is not None and not triggered):
            self.orphans.append((index, "MeterValues", payload))
        else:
            entry.meter_values.append(payload)

    def _tag(self, id_tag):
        return self.tags.get(id_tag, {"status": "Accepted"})

    def _time(self, now):
        return format_datetime(self.start_unix_s + now)
