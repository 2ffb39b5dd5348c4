"""A bench for one station in virtual time: feed events, let deadlines pass, look at the frames.

The bench plays the edge and a central system with good manners: it opens links, answers CALLs at once, and
checks every frame of the station against the official schemas. A test may answer by itself instead
(`answer[...]`, `hold`), send commands, cut the link, or take the power away.
"""

import itertools
import json
from dataclasses import dataclass, field

from stations.core.events import (
    Broken,
    CallEnded,
    CloseLink,
    DropLink,
    Finding,
    LinkDown,
    LinkRefused,
    LinkUp,
    OpenLink,
    PlugIn,
    PlugOut,
    PowerOff,
    PowerOn,
    Received,
    Send,
    StatusChanged,
    Swipe,
    TransactionChanged,
    TransferEnded,
    TransferWanted,
)
from stations.core.plan import Personality, Plan, Product
from stations.core.station import Station
from stations.wire.types import format_datetime, parse_datetime
from tests.support.schemas import complaints
from tests.support.vehicle import SteadyCar

EPOCH = 1_700_000_000.0  # Unix time at bench time 0: 2023-11-14T22:13:20Z
SILENT = object()  # an answer that never comes


@dataclass
class Sent:
    """One CALL of the station."""

    at: float
    id: str
    action: str
    payload: dict
    call: object


@dataclass
class Bench:
    """One station, its edge, and its central system."""

    station: Station
    now: float = 0.0
    effects: list = field(default_factory=list)
    calls: list = field(default_factory=list)  # every CALL of the station, in order
    answers: dict = field(default_factory=dict)  # to CALLs of the central system, by message id
    answer: dict = field(default_factory=dict)  # action → payload, SILENT, "code" for CALLERROR, or callable
    dialled: list = field(default_factory=list)  # (time, OpenLink)
    accept_links: bool = True
    strict: bool = True  # False for product faults that break the schema on purpose
    _pending: list = field(default_factory=list)
    _ids: itertools.count = field(default_factory=lambda: itertools.count(1))
    _transactions: itertools.count = field(default_factory=lambda: itertools.count(1001))

    # ---- the edge

    def feed(self, event, due=None):
        self._perform(self.station.on_event(event, self.now, due))
        self._settle()
        return self

    def run(self, seconds=0.0):
        """Let time pass, deadline by deadline."""
        end = self.now + seconds
        self._settle()
        while (at := self.station.deadline()) is not None and at <= end:
            self.now = max(self.now, at)
            self._perform(self.station.on_deadline(self.now))
            self._settle()
        self.now = end
        return self

    def _settle(self):
        """What the world does at once: links open, CALLs are answered."""
        while self._pending:
            event = self._pending.pop(0)
            self._perform(self.station.on_event(event, self.now))

    def _perform(self, effects):
        self.effects += effects
        for effect in effects:
            if isinstance(effect, OpenLink):
                self.dialled.append((self.now, effect))
                if self.accept_links is True:
                    self._pending.append(LinkUp())
                elif self.accept_links is False:
                    self._pending.append(LinkRefused("refused"))
            elif isinstance(effect, CloseLink):
                self._pending = [LinkDown(effect.code)]
            elif isinstance(effect, DropLink):
                self._pending = []
            elif isinstance(effect, Send):
                self._sent(effect)
            elif isinstance(effect, Broken):
                raise effect.error

    def _sent(self, effect):
        frame = json.loads(effect.data)
        if frame[0] != 2:
            assert frame[1] not in self.answers, "answered twice"
            self.answers[frame[1]] = frame
            return
        assert len(frame) == 4
        _, message_id, action, payload = frame
        assert effect.call is not None
        assert effect.call.id == message_id
        effect.call.sent = self.now
        problems = complaints(action, json.dumps(payload).encode()) if self.strict else []
        assert not problems, (action, payload, problems)
        self.calls.append(Sent(self.now, message_id, action, payload, effect.call))
        reply = self.answer.get(action, self._usual)
        if callable(reply):
            reply = reply(action, payload)
        if reply is not SILENT:
            self._pending.append(Received(self._encode(message_id, reply)))

    @staticmethod
    def _encode(message_id, reply):
        if isinstance(reply, bytes):
            return reply
        if isinstance(reply, str):
            return json.dumps([4, message_id, reply, "", {}]).encode()
        return json.dumps([3, message_id, reply]).encode()

    def _usual(self, action, payload):
        if action == "BootNotification":
            return {"status": "Accepted", "currentTime": self.time(), "interval": 300}
        if action == "Heartbeat":
            return {"currentTime": self.time()}
        if action == "Authorize":
            return {"idTagInfo": {"status": "Accepted"}}
        if action == "StartTransaction":
            return {"transactionId": next(self._transactions), "idTagInfo": {"status": "Accepted"}}
        return {}

    def time(self, seconds=0.0):
        return format_datetime(EPOCH + self.now + seconds)

    # ---- the central system

    def command(self, action, **payload):
        """Send a CALL; returns the confirmation's payload, the CALLERROR's code, or None for silence."""
        message_id = f"cs-{next(self._ids)}"
        self.raw(json.dumps([2, message_id, action, payload]).encode())
        frame = self.answers.get(message_id)
        if frame is None:
            return None
        if frame[0] == 3:
            assert not complaints(action, json.dumps(frame[2]).encode(), confirmation=True), frame
        return frame[2]

    def raw(self, data):
        self.feed(Received(data))
        return self

    def reply(self, sent, payload):
        """Answer a CALL that was held."""
        return self.raw(self._encode(sent.id, payload))

    def cut(self, *, stay_down=False):
        """The link dies; `stay_down`: no attempt succeeds until `mend`."""
        self.accept_links = not stay_down
        self._pending = []
        return self.feed(LinkDown())

    def mend(self):
        self.accept_links = True
        return self

    # ---- real transfers

    def wanted(self, kind=None):
        """Transfers asked for, in order."""
        asked = [effect for effect in self.effects if isinstance(effect, TransferWanted)]
        return [effect for effect in asked if kind in {None, effect.kind}]

    def moved(self, kind, *, ok=True, detail=""):
        """The latest transfer of a kind ends."""
        return self.feed(TransferEnded(self.wanted(kind)[-1], ok, detail))

    # ---- people

    def plug(self, connector=1, car=None):
        car = SteadyCar() if car is None else car
        return self.feed(PlugIn(connector, car))

    def unplug(self, connector=1):
        return self.feed(PlugOut(connector))

    def swipe(self, id_tag="TAG1", *connectors):
        return self.feed(Swipe(id_tag, connectors or None))

    def power(self, *, on=True):
        return self.feed(PowerOn(EPOCH) if on else PowerOff())

    # ---- looking

    def sent(self, action=None, since=0):
        return [call for call in self.calls[since:] if action in {None, call.action}]

    def actions(self, since=0):
        return [call.action for call in self.calls[since:]]

    def statuses(self, connector=None, since=0):
        """Statuses told, in order."""
        told = [call.payload for call in self.sent("StatusNotification", since)]
        return [entry["status"] for entry in told if connector in {None, entry["connectorId"]}]

    def status(self, connector=1):
        return str(self.station.connectors[connector].status)

    def findings(self):
        return [effect.rule for effect in self.effects if isinstance(effect, Finding)]

    def ended(self):
        return [effect for effect in self.effects if isinstance(effect, CallEnded)]

    def journal(self):
        return [effect for effect in self.effects if isinstance(effect, TransactionChanged)]

    def shown(self, connector=1):
        """Statuses shown, told or not."""
        changes = [effect for effect in self.effects if isinstance(effect, StatusChanged)]
        return [change.status for change in changes if change.connector == connector]

    def unix(self, sent, field_name="timestamp"):
        """The moment a payload speaks of, in bench time."""
        return parse_datetime(sent.payload[field_name]) - EPOCH


def bench(
    *, personality=Personality.GREENUP, connectors=1, keys=None, seed=1, power=True, patience=1.0, **product
):
    """A station on the bench, booted unless `power` is False."""
    made = Product(model="059004", connectors=connectors, personality=personality, keys=keys or {}, **product)
    plan = Plan("GU-000001", "ws://localhost:9000/ocpp/GU-000001", made, serial="260988", patience=patience)
    station = Bench(Station(plan, seed))
    return station.power() if power else station


def revived(station):
    """The same station in a new process, off, its memory taken back."""
    again = Bench(Station(station.station.plan, 5), station.now)
    again.station.restore(station.station.snapshot(station.now))
    again._transactions = station._transactions
    return again
