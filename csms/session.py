"""One connected station: OCPP-J's remote procedure calls in both directions (section 2 of OCPP-J, RPC-*)."""

import asyncio
import logging
import time
from collections import deque
from collections.abc import Callable
from enum import StrEnum
from itertools import count
from typing import Final, Protocol

from msgspec import Raw, Struct

from csms import rows
from csms.behaviour import CallErrorAnswer, ForeignId, LateAnswer
from csms.central import Central
from csms.misdeeds import ANSWER_FAULTS
from stations.wire.errors import ErrorCode, PeerError
from stations.wire.frames import (
    Call,
    CallError,
    CallResult,
    decode,
    decode_payload,
    encode_call,
    encode_error,
    encode_result,
)
from stations.wire.messages import OPERATIONS, Confirmation, Payload, Request
from stations.wire.types import RegistrationStatus

_log = logging.getLogger("csms.session")
_message_ids: Final = count(1)  # RPC-2: never reused, on whatever connection


class Wire(Protocol):
    """The socket as a session sees it."""

    def send(self, data: bytes) -> None:
        """One text message."""

    def close(self, code: int, reason: str = "") -> None:
        """Polite end."""

    def abort(self) -> None:
        """Cut."""


class Outcome(StrEnum):
    """How a CALL to a station ended."""

    OK = "ok"
    CALLERROR = "callerror"
    TIMEOUT = "timeout"
    CLOSED = "closed"  # the connection ended first
    INVALID = "invalid"  # answered with a payload that breaks the schema
    ABSENT = "not connected"


class CommandResult(Struct, omit_defaults=True):
    """What came back for a CALL to a station; `took_ms` from sending to answer."""

    station: str
    outcome: Outcome
    took_ms: float = 0.0
    payload: Raw | None = None
    code: str = ""
    description: str = ""


class Command(Struct):
    """A CALL to a station, waiting or outstanding."""

    action: str
    payload: Payload | Raw
    timeout_s: float
    result: "asyncio.Future[CommandResult]"
    message_id: str = ""
    sent_s: float = 0.0
    timer: asyncio.TimerHandle | None = None


class Exchange:
    """One CALL of a station on its way to exactly one answer."""

    __slots__ = ("action", "message_id", "received_s", "session")

    def __init__(self, session: "Session", message_id: str, action: str, received_s: float) -> None:
        self.session = session
        self.message_id = message_id
        self.action = action
        self.received_s = received_s

    def answer(self, confirmation: Payload | Raw) -> None:
        """CALLRESULT, unless a fault in force has it otherwise."""
        if self.session.central.misdeeds.active:
            self._misanswer(confirmation)
        else:
            self.session.reply(self.message_id, encode_result(self.message_id, confirmation))

    def refuse(self, code: str, description: str) -> None:
        """CALLERROR."""
        self.session.central.statistics.count_error(code)
        self.session.reply(self.message_id, encode_error(self.message_id, code, description))

    def _misanswer(self, confirmation: Payload | Raw) -> None:
        session, misdeeds = self.session, self.session.central.misdeeds
        delay_s = misdeeds.delay_s(session.station, self.action)
        data: bytes | None = encode_result(self.message_id, confirmation)
        for kind in ANSWER_FAULTS:
            fault = misdeeds.strike_call(kind, session.station, self.action)
            if fault is None:
                continue
            misdeeds.commit(
                fault, time.time(), session.station, action=self.action, detail=f"message {self.message_id}"
            )
            if isinstance(fault, LateAnswer):
                delay_s += fault.delay_s
            else:
                data = encode_result(fault.id, confirmation) if isinstance(fault, ForeignId) else None
            break
        if delay_s > 0:
            asyncio.get_running_loop().call_later(delay_s, session.reply, self.message_id, data)
        else:
            session.reply(self.message_id, data)


Handler = Callable[[Exchange, Request], Confirmation | None]


class Session:
    """See the module. `handlers` answer the station's CALLs; None from one means that the answer follows."""

    __slots__ = (
        "_handlers",
        "_open_calls",
        "_outstanding",
        "_waiting",
        "_wire",
        "central",
        "connected_s",
        "last_message_s",
        "registration",
        "silent",
        "station",
        "triggered",
    )

    def __init__(
        self,
        central: Central,
        station: str,
        wire: Wire,
        handlers: dict[str, Handler],
        *,
        silent: bool = False,
    ) -> None:
        self.central = central
        self.station = station
        self.registration = central.registered.get(station)
        self.connected_s = self.last_message_s = time.time()
        self.triggered: set[str] = set()  # actions that a TriggerMessage allows while Pending (BOOT-7)
        self.silent = silent
        self._wire = wire
        self._handlers = handlers
        self._open_calls: set[str] = set()
        self._outstanding: Command | None = None
        self._waiting: deque[Command] = deque()

    # ---- from the socket

    def received(self, data: bytes) -> None:
        """One message of the station."""
        now_s = self.last_message_s = time.time()
        statistics = self.central.statistics
        statistics.messages_in += 1
        statistics.bytes_in += len(data)
        if self.central.record_frames:
            self._record("in", data, now_s)
        if self.silent:
            return
        try:
            frame = decode(data)
        except PeerError as error:
            self._unreadable(error)
            return
        if isinstance(frame, Call):
            self._serve(frame, now_s)
        else:
            self._settle(frame)

    def closed(self, code: int | None, reason: str) -> None:
        """The connection is gone: nothing outstanding survives it (WS-8)."""
        central = self.central
        central.ledger.append(rows.Connection(time.time(), self.station, "closed", code, reason))
        if central.sessions.get(self.station) is self:
            del central.sessions[self.station]
        if self._outstanding is not None:
            self._finish(CommandResult(self.station, Outcome.CLOSED), resume=False)
        while self._waiting:
            self._conclude(self._waiting.popleft(), CommandResult(self.station, Outcome.CLOSED))

    # ---- the station's CALLs

    def reply(self, message_id: str, data: bytes | None) -> None:
        """Send the answer to a CALL; None lets the station wait for ever (fault `dropped-answer`)."""
        self._open_calls.discard(message_id)
        if data is not None:
            self._send(data)

    def _serve(self, call: Call, now_s: float) -> None:
        statistics = self.central.statistics
        exchange = Exchange(self, call.id, call.action, now_s)
        if self._open_calls:
            statistics.overlapping_calls += 1
            if call.id in self._open_calls:  # RPC-8: never executed twice, and the first answer still follows
                statistics.count_error(ErrorCode.GENERIC_ERROR)
                self._send(
                    encode_error(call.id, ErrorCode.GENERIC_ERROR, "this message id is being answered")
                )
                return
        operation = OPERATIONS.get(call.action)
        if operation is None:
            exchange.refuse(ErrorCode.NOT_IMPLEMENTED, f"unknown action {call.action[:50]}")  # RPC-7
            return
        statistics.calls[call.action] = statistics.calls.get(call.action, 0) + 1
        if not operation.from_station:
            exchange.refuse(ErrorCode.NOT_SUPPORTED, f"{call.action} is a command to stations")
        elif self._refuses_unregistered(exchange) or self._refuses_on_purpose(exchange):
            pass
        else:
            self._handle(exchange, operation.request, call.payload)

    def _handle(self, exchange: Exchange, request_type: type[Request], payload: Raw) -> None:
        try:
            request = decode_payload(request_type, payload)
            self._open_calls.add(exchange.message_id)
            confirmation = self._handlers[exchange.action](exchange, request)
        except PeerError as error:  # of the schema, or of a rule that the handler knows
            exchange.refuse(error.code, error.description)
        except Exception:  # noqa: BLE001 — ours: logged, shown in /health, no reason to cut the station off
            _log.exception("bug while answering %s of %s", exchange.action, self.station)
            self.central.statistics.bugs += 1
            exchange.refuse(ErrorCode.INTERNAL_ERROR, "the central system failed")
        else:
            if confirmation is not None:
                exchange.answer(confirmation)

    def _refuses_unregistered(self, exchange: Exchange) -> bool:
        """JE3.8: a station that is not Accepted may only boot, or send what it was triggered to (BOOT-7)."""
        if self.registration is RegistrationStatus.ACCEPTED or exchange.action == "BootNotification":
            return False
        if self.registration is RegistrationStatus.PENDING and exchange.action in self.triggered:
            self.triggered.discard(exchange.action)
            return False
        state = self.registration or "not registered"
        exchange.refuse(ErrorCode.SECURITY_ERROR, f"station is {state}: BootNotification first")
        return True

    def _refuses_on_purpose(self, exchange: Exchange) -> bool:
        misdeeds = self.central.misdeeds
        if not misdeeds.active:
            return False
        fault = misdeeds.strike_call(CallErrorAnswer, self.station, exchange.action)
        if fault is None:
            return False
        misdeeds.commit(
            fault,
            exchange.received_s,
            self.station,
            action=exchange.action,
            detail=f"message {exchange.message_id}",
        )
        exchange.refuse(fault.code, fault.description)
        return True

    def _unreadable(self, error: PeerError) -> None:
        """RPC-6: answer when there is an id to answer to; stay connected in any case."""
        self.central.statistics.unreadable += 1
        if error.message_id is not None:
            self.central.statistics.count_error(error.code)
            self._send(encode_error(error.message_id, error.code, error.description))

    # ---- our CALLs

    def call(self, action: str, payload: Payload | Raw, timeout_s: float) -> "asyncio.Future[CommandResult]":
        """Send a CALL as soon as no other is outstanding (RPC-3); the future never raises."""
        command = Command(action, payload, timeout_s, asyncio.get_running_loop().create_future())
        self._waiting.append(command)
        if self._outstanding is None:
            self._send_next()
        return command.result

    def _send_next(self) -> None:
        while self._waiting and self._outstanding is None:
            command = self._waiting.popleft()
            if command.result.cancelled():
                continue
            command.message_id = str(next(_message_ids))
            command.sent_s = time.monotonic()
            command.timer = asyncio.get_running_loop().call_later(command.timeout_s, self._time_out)
            self._outstanding = command
            if command.action == "TriggerMessage":
                self.triggered.add(str(getattr(command.payload, "requested_message", "")))
            self._send(encode_call(command.message_id, command.action, command.payload))

    def _settle(self, frame: CallResult | CallError) -> None:
        command = self._outstanding
        if command is None or command.message_id != frame.id:
            self.central.statistics.unexpected_answers += 1  # RPC-5
            return
        took_ms = (time.monotonic() - command.sent_s) * 1000
        if isinstance(frame, CallError):
            result = CommandResult(
                self.station, Outcome.CALLERROR, took_ms, code=frame.code, description=frame.description or ""
            )
        else:
            result = CommandResult(self.station, Outcome.OK, took_ms, Raw(bytes(frame.payload)))
            operation = OPERATIONS.get(command.action)
            if operation is not None:
                try:
                    decode_payload(operation.confirmation, frame.payload)
                except PeerError as error:
                    result.outcome, result.code = Outcome.INVALID, error.code
                    result.description = error.description
        self._finish(result)

    def _time_out(self) -> None:
        assert self._outstanding is not None
        took_ms = self._outstanding.timeout_s * 1000
        self._finish(CommandResult(self.station, Outcome.TIMEOUT, took_ms))

    def _finish(self, result: CommandResult, *, resume: bool = True) -> None:
        command, self._outstanding = self._outstanding, None
        assert command is not None
        if command.timer is not None:
            command.timer.cancel()
        self._conclude(command, result)
        if resume:
            self._send_next()

    def _conclude(self, command: Command, result: CommandResult) -> None:
        self.central.statistics.count_command(result.outcome)
        if not command.result.done():
            command.result.set_result(result)

    # ---- the socket

    def disconnect(self, code: int | None, reason: str = "") -> None:
        """Close with a code, or cut the TCP stream when `code` is None."""
        if code is None:
            self._wire.abort()
        else:
            self._wire.close(code, reason)

    def _send(self, data: bytes) -> None:
        statistics = self.central.statistics
        statistics.messages_out += 1
        statistics.bytes_out += len(data)
        if self.central.record_frames:
            self._record("out", data, time.time())
        self._wire.send(data)

    def _record(self, direction: str, data: bytes, now_s: float) -> None:
        if b"authorizationkey" in data.lower():
            text = "[not kept: it names an AuthorizationKey]"  # C11, SEC-3
        else:
            text = data.decode("utf-8", "backslashreplace")
        self.central.ledger.append(rows.Frame(now_s, self.station, direction, text))
