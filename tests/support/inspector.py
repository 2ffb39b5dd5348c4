"""Watches a station's socket and raises at the first frame that breaks a rule of the specification.

An `engine.virtual_line.Tap`: it sees what the station sees, when the station sees it, so that its verdicts
need no tolerance for the network. What the central system is told in the end is `ledger.py`'s business.
"""

import json
from collections import Counter, deque
from dataclasses import dataclass, field
from typing import Any

from stations.core.events import (
    LinkDown,
    LinkRefused,
    LinkUp,
    PowerOff,
    PowerOn,
    Reboot,
    Received,
)
from stations.wire.errors import PeerError
from stations.wire.frames import decode_confirmation, decode_payload
from stations.wire.types import parse_datetime
from tests.support.payloads import CONFIRMATIONS, REQUESTS
from tests.support.schemas import complaints

TIMEOUT_S = {"Authorize": 20.0, "BootNotification": 30.0}  # RPC-4: the Green'Up's keys; others 10 s
TRANSACTION_MESSAGES = {"StartTransaction", "StopTransaction", "MeterValues"}
EPSILON_S = 1e-6

# Section 4.9's table: from → to. The same status again is a change of its error or information.
LEGAL = {
    "Available": "Preparing Charging SuspendedEV SuspendedEVSE Reserved Unavailable Faulted",
    "Preparing": "Available Charging SuspendedEV SuspendedEVSE Finishing Faulted",
    "Charging": "Available SuspendedEV SuspendedEVSE Finishing Unavailable Faulted",
    "SuspendedEV": "Available Charging SuspendedEVSE Finishing Unavailable Faulted",
    "SuspendedEVSE": "Available Charging SuspendedEV Finishing Unavailable Faulted",
    "Finishing": "Available Preparing Unavailable Faulted",
    "Reserved": "Available Preparing Unavailable Faulted",
    "Unavailable": "Available Preparing Charging SuspendedEV SuspendedEVSE Faulted",
    "Faulted": ("Available Preparing Charging SuspendedEV SuspendedEVSE Finishing Reserved Unavailable"),
}


class RuleBroken(AssertionError):  # noqa: N818 — a verdict, not a failure of the inspector
    """The station did what `rule` forbids."""

    def __init__(self, rule, detail, view):
        trail = "\n".join(view.trail)
        super().__init__(f"{rule}: {detail}\nthe last the station {view.index} saw and did:\n{trail}")
        self.rule = rule


@dataclass
class Sent:
    """A CALL of the station without an answer yet."""

    id: str
    action: str
    payload: dict[str, Any]
    at: float


@dataclass
class Head:
    """The transaction message that must get through before any other (Q-4)."""

    action: str
    payload: dict[str, Any]
    transmissions: int = 0
    not_before: float = 0.0  # the next transmission


@dataclass
class View:
    """What the inspector knows about one station."""

    index: int
    connectors: int
    registration: str = ""
    powered: bool = False
    linked: bool = False
    may_boot: bool = True
    boot: dict[str, Any] = field(default_factory=dict)  # the last BootNotification
    boot_not_before: float = 0.0
    ids: set[str] = field(default_factory=set)
    call: Sent | None = None
    commands: dict[str, list[tuple[str, dict[str, Any], float]]] = field(default_factory=dict)
    triggered: Counter = field(default_factory=Counter)
    unreported: set[int] = field(default_factory=set)  # connectors BOOT-4 still wants to hear of
    shown: dict[int, str] = field(default_factory=dict)  # since the link is up
    delivered: dict[int, tuple] = field(default_factory=dict)
    head: Head | None = None
    settings: dict[str, str] = field(default_factory=dict)
    open_transactions: dict[int, dict[str, Any]] = field(default_factory=dict)
    given_up_starts: int = 0
    registers_wh: dict[int, float] = field(default_factory=dict)
    trail: deque = field(default_factory=lambda: deque(maxlen=40))

    def setting(self, key, default):
        return float(self.settings.get(key, default))


class Inspector:
    """One for a whole world. `counts` tells how much it has looked at."""

    def __init__(self, plans, *, official_every=1, minimum_status_duration=False):
        """`official_every` n: the official schema sees every n-th frame of an action, our types see all."""
        self.views = [
            View(index, plan.product.connectors, settings=dict(plan.product.keys))
            for index, plan in enumerate(plans)
        ]
        self.counts = Counter()
        self._official_every = official_every
        self._skipping_statuses = minimum_status_duration

    # ---- the tap

    def happened(self, index, event, now):
        view = self.views[index]
        text = event.data.decode(errors="replace") if isinstance(event, Received) else repr(event)
        view.trail.append(f"{now:12.3f} > {text[:400]}")
        if isinstance(event, Received):
            self._heard(view, event.data, now)
        elif isinstance(event, LinkUp):
            view.linked = True
        elif isinstance(event, LinkDown | LinkRefused):
            self._unlinked(view, now)
        elif isinstance(event, PowerOn) and not view.powered:
            view.powered, view.may_boot = True, True
            view.registration = ""
        elif isinstance(event, PowerOff):
            view.powered, view.registration = False, ""
            self._unlinked(view, now)
        elif isinstance(event, Reboot):
            view.may_boot, view.registration = True, ""  # a Rejected station begins anew, too

    def sent(self, index, data, now):
        view = self.views[index]
        view.trail.append(f"{now:12.3f} < {data.decode()[:400]}")
        self.expect(view, view.powered, "BOOT-1", "sends while it has no power")
        frame = json.loads(data)
        shape = {2: 4, 3: 3, 4: 5}
        self.expect(view, len(frame) == shape.get(frame[0]), "RPC-1", f"{len(frame)} elements")
        self.expect(view, isinstance(frame[1], str) and len(frame[1]) <= 36, "RPC-2", frame[1])
        self.expect(
            view, view.registration != "Rejected" or frame[0] == 2, "BOOT-6", "answers while Rejected"
        )
        if frame[0] == 2:
            self._call(view, frame[1], frame[2], frame[3], now)
        else:
            self._answer(view, frame, now)

    def expect(self, view, condition, rule, detail):
        self.counts[rule] += 1
        if not condition:
            raise RuleBroken(rule, detail, view)

    def finish(self, now):
        """At the end nothing may be left unanswered (CMD-3)."""
        for view in self.views:
            self._all_answered(view, now)

    # ---- what the station hears

    def _heard(self, view, data, now):
        if not view.linked:
            return  # it came while the station was closing
        try:
            frame = json.loads(data)
            kind, message_id = frame[0], frame[1]
        except (ValueError, TypeError, IndexError, KeyError):
            return
        if kind == 2 and isinstance(message_id, str) and view.registration != "Rejected":
            action = frame[2] if len(frame) > 2 and isinstance(frame[2], str) else ""
            payload = frame[3] if len(frame) > 3 and isinstance(frame[3], dict) else {}
            view.commands.setdefault(message_id, []).append((action, payload, now))
        elif kind in {3, 4} and view.call is not None and message_id == view.call.id:
            self._answered(view, frame, now)

    def _answered(self, view, frame, now):
        call, view.call = view.call, None
        if now - call.at >= self._timeout_s(call.action) - EPSILON_S:
            view.call = call  # RPC-5: too late; the station has given it up, whatever this says
            return
        confirmed = frame[0] == 3 and _readable(call.action, frame[2])
        payload = (frame[2] or {}) if confirmed else {}
        if call.action == "BootNotification" and confirmed:
            self._registered(view, payload, now)
        elif call.action == "StatusNotification" and confirmed:
            view.delivered[call.payload["connectorId"]] = _status_key(call.payload)
        elif view.head is not None and call.payload == view.head.payload:
            self._head_answered(view, call, frame, payload, now)

    def _registered(self, view, payload, now):
        view.registration = payload["status"]
        view.boot_not_before = now + payload["interval"] if view.registration != "Accepted" else 0.0
        if view.registration == "Accepted":
            if view.may_boot and view.head is not None:  # a restart begins to count anew
                view.head.transmissions, view.head.not_before = 0, 0.0
            view.may_boot = False
            view.unreported = set(range(view.connectors + 1))
            view.shown.clear()
            view.delivered.clear()

    def _head_answered(self, view, call, frame, payload, now):
        head = view.head
        if frame[0] == 4:
            self._head_failed(view, now)
            return
        view.head = None
        if call.action == "StartTransaction" and "transactionId" in payload:
            view.open_transactions[payload["transactionId"]] = head.payload
        elif call.action == "StartTransaction":
            view.given_up_starts += 1

    def _head_failed(self, view, now):
        """Q-3: wait interval times transmissions so far; at the limit it is dropped."""
        head = view.head
        if head.transmissions >= max(1, view.setting("TransactionMessageAttempts", 3)):
            view.head = None
            view.given_up_starts += head.action == "StartTransaction"
        else:
            head.not_before = now + view.setting("TransactionMessageRetryInterval", 10) * head.transmissions

    def _unlinked(self, view, now):
        head = view.head
        if view.call is not None and head is not None and view.call.payload == head.payload:
            given_up = view.call.at + self._timeout_s(view.call.action)
            if now >= given_up - EPSILON_S:  # the station has known it since then
                self._head_failed(view, min(given_up, now))
            else:
                head.transmissions -= 1  # a lost socket costs no attempt
        if view.call is not None:
            view.delivered.clear()  # a status that waited behind it counts as told and lost, rightly or not
        view.linked, view.call = False, None
        view.ids.clear()
        view.commands.clear()
        view.triggered.clear()
        view.shown.clear()
        view.boot_not_before = 0.0

    # ---- what the station says

    def _call(self, view, message_id, action, payload, now):
        self.expect(view, message_id not in view.ids, "RPC-2", f"{message_id} used twice")
        view.ids.add(message_id)
        self._line_free(view, now)
        problems = self._problems(action, payload, confirmation=False)
        self.expect(view, not problems, "RPC-9", problems)
        self._registration_allows(view, action, payload, now)
        view.call = Sent(message_id, action, payload, now)
        if action == "StatusNotification":
            self._status(view, payload)
        elif action in TRANSACTION_MESSAGES and not _is_triggered(action, payload):
            self.expect(
                view, not view.unreported, "BOOT-4", f"{action} before the statuses of {view.unreported}"
            )
            self._transaction_message(view, action, payload, now)
        elif action == "FirmwareStatusNotification":
            view.may_boot = view.may_boot or payload["status"] in {"Installing", "Downloaded"}

    def _line_free(self, view, now):
        """RPC-3, RPC-4: the last CALL is answered or has timed out."""
        if view.call is None:
            return
        lasted_s = now - view.call.at
        over = lasted_s >= self._timeout_s(view.call.action) - EPSILON_S
        self.expect(view, over, "RPC-3", f"{view.call.action} has waited only {lasted_s:.3f} s")
        if view.head is not None and view.call.payload == view.head.payload:
            self._head_failed(view, view.call.at + self._timeout_s(view.call.action))
        view.call = None

    def settle(self, view, now):
        """A setting is about to change: a CALL that has timed out was judged by the one it had (Q-3)."""
        if view.call is not None and now > view.call.at + self._timeout_s(view.call.action) + EPSILON_S:
            self._line_free(view, now)

    def _registration_allows(self, view, action, payload, now):
        if action == "BootNotification":
            changed, view.boot = payload != view.boot, payload
            again = view.may_boot or changed or view.registration != "Accepted" or view.triggered[action]
            self.expect(view, again, "WS-7", "BootNotification of an accepted station that did not restart")
            early = now < view.boot_not_before - EPSILON_S and not view.triggered[action]
            self.expect(view, not early, "BOOT-5", f"next BootNotification not before {view.boot_not_before}")
            view.triggered[action] = 0
        elif view.registration == "Pending":
            wanted = view.triggered[action] > 0
            self.expect(view, wanted, "BOOT-7", f"{action} while Pending")
        else:
            rule = "BOOT-6" if view.registration == "Rejected" else "BOOT-1"
            self.expect(view, view.registration == "Accepted", rule, f"{action} while {view.registration!r}")

    def _status(self, view, payload):
        connector, status = payload["connectorId"], payload["status"]
        self.expect(view, connector <= view.connectors, "ST-15", f"connector {connector}")
        if connector == 0:
            self.expect(view, status in {"Available", "Unavailable", "Faulted"}, "ST-1", f"0 is {status}")
        before = view.shown.get(connector)
        if before is not None and not self._skipping_statuses:
            legal = status == before or status in LEGAL[before].split()
            self.expect(view, legal, "ST-1", f"connector {connector}: {before} → {status}")
        fault = payload["errorCode"] == "EVCommunicationError" and status == "Faulted"
        self.expect(view, not fault, "ST-10", "EVCommunicationError with Faulted")
        pointless = (
            connector not in view.unreported
            and view.delivered.get(connector) == _status_key(payload)
            and not view.triggered["StatusNotification"]
            and payload["errorCode"] == "NoError"
        )
        self.expect(view, not pointless, "ST-14", f"connector {connector} is {status}, which is known")
        view.shown[connector] = status
        view.delivered.pop(connector, None)  # until it is confirmed nobody knows what got through
        view.unreported.discard(connector)

    def _transaction_message(self, view, action, payload, now):
        head = view.head
        if head is None or head.payload != payload:
            self.expect(view, head is None, "Q-4", f"{action} overtakes {head and head.action}")
            self._new_transaction_message(view, action, payload)
            head = view.head = Head(action, payload)
        self.expect(
            view, now >= head.not_before - EPSILON_S, "Q-3", f"{action} again before {head.not_before}"
        )
        head.transmissions += 1

    def _new_transaction_message(self, view, action, payload):
        if action == "StartTransaction":
            self.expect(view, payload["connectorId"] > 0, "TX-1", "connector 0")
            self._register(view, payload["connectorId"], payload["meterStart"])
            return
        number = payload.get("transactionId")
        if number is None:
            self.expect(view, action == "MeterValues", "TX-5", "StopTransaction without id")
            return
        start = view.open_transactions.get(number)
        if start is None:
            self.expect(view, number == -1, "Q-1", f"{action} of the transaction {number}, which is not open")
            self.expect(view, view.given_up_starts, "TX-8", f"{action} with -1 and no start was given up")
            return
        connector = start["connectorId"]
        self._in_time(view, start, action, payload)
        if action == "MeterValues":
            self.expect(view, payload["connectorId"] == connector, "MV-3", f"{number} runs on {connector}")
            for wh in _registers(payload):
                self._register(view, connector, wh)
        else:
            self._register(view, connector, payload["meterStop"])
            del view.open_transactions[number]

    def _in_time(self, view, start, action, payload):
        """Q-1: messages of one transaction come in the order of their times."""
        stamp = payload["timestamp"] if action == "StopTransaction" else payload["meterValue"][0]["timestamp"]
        before, after = parse_datetime(start.get("latest", start["timestamp"])), parse_datetime(stamp)
        self.expect(view, after >= before - 1.0, "Q-1", f"{action} of {stamp} after {start.get('latest')}")
        start["latest"] = stamp

    def _register(self, view, connector, wh):
        """MV-5: never backwards, not even from one transaction to the next."""
        before = view.registers_wh.get(connector, 0.0)
        self.expect(view, wh >= before - 0.51, "MV-5", f"connector {connector}: {wh} Wh after {before} Wh")
        view.registers_wh[connector] = max(before, wh)

    def _answer(self, view, frame, now):
        waiting = view.commands.get(frame[1])
        self.expect(view, waiting, "WS-8", f"answers {frame[1]}, which nobody asked on this connection")
        action, payload, heard = waiting.pop(0)
        if not waiting:
            del view.commands[frame[1]]
        self.expect(view, now - heard <= 1.0, "CMD-3", f"{action} answered after {now - heard:.3f} s")
        if frame[0] == 4:
            self.expect(view, len(frame[3]) <= 255 and frame[4] == {}, "RPC-1", frame)
            return
        problems = self._problems(action, frame[2], confirmation=True)
        self.expect(view, not problems, "RPC-9", f"{action}: {problems}")
        accepted = frame[2].get("status", "Accepted") == "Accepted"
        if accepted and action in _CONSEQUENCES:
            self.settle(view, now)
            _CONSEQUENCES[action](view, payload)

    def _all_answered(self, view, now):
        if not (view.linked and view.powered):
            return
        late = [
            (message_id, action)
            for message_id, waiting in view.commands.items()
            for action, _, heard in waiting
            if now - heard > 1.0
        ]
        self.expect(view, not late, "CMD-3", f"never answered: {late}")

    def _problems(self, action, payload, *, confirmation):
        """The official schema is slow; tests/wire shows that our types say the same."""
        self.counts[action, confirmation] += 1
        raw = json.dumps(payload).encode()
        seen = self.counts[action, confirmation]
        if seen <= 3 or seen % self._official_every == 0:
            return complaints(action, raw, confirmation=confirmation)
        try:
            if confirmation:
                return list(decode_confirmation(CONFIRMATIONS[action], raw)[1])
            decode_payload(REQUESTS[action], raw)
        except PeerError as error:
            return [str(error)]
        return []

    def _timeout_s(self, action):
        return TIMEOUT_S.get(action, 10.0)


def _readable(action, payload):
    """Whether a station can go on with this answer."""
    try:
        decode_confirmation(CONFIRMATIONS[action], json.dumps(payload).encode())
    except PeerError:
        return False
    return True


def _status_key(payload):
    return tuple(payload.get(name) for name in ("status", "errorCode", "info", "vendorErrorCode"))


def _is_triggered(action, payload):
    if action != "MeterValues":
        return False
    return payload["meterValue"][0]["sampledValue"][0].get("context") == "Trigger"


def _registers(payload):
    """Energy.Active.Import.Register of the whole outlet, in Wh; absent fields mean exactly that (MV-4)."""
    for meter_value in payload["meterValue"]:
        for sample in meter_value["sampledValue"]:
            whole = "phase" not in sample and sample.get("format", "Raw") == "Raw"
            name = sample.get("measurand", "Energy.Active.Import.Register")
            if whole and name == "Energy.Active.Import.Register":
                yield float(sample["value"]) * (1000 if sample.get("unit") == "kWh" else 1)


def _trigger(view, payload):
    """TM-2: without a connector, every connector may come."""
    view.triggered[payload.get("requestedMessage")] += 1 + view.connectors


def _restart(view, payload):
    view.may_boot = True


def _changed(view, payload):
    view.settings[payload["key"]] = payload["value"]


_CONSEQUENCES = {
    "TriggerMessage": _trigger,
    "Reset": _restart,
    "UpdateFirmware": _restart,
    "ChangeConfiguration": _changed,
}
