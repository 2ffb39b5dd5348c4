"""What comes in: answers to our CALLs, and CALLs of the central system, each answered at once (RPC-*, CMD-3).

A CALL is checked from the outside in: who may speak now (BOOT-6), its id (RPC-8), its action (RPC-7), its
payload (RPC-9). Only then its handler acts; a refused CALL has no side effects.
"""

from typing import TYPE_CHECKING, Final

from msgspec import Raw

from stations.core import calls
from stations.core.dispatch import ANSWERS, Refused, on
from stations.core.events import Broken, CommandAnswered, Outcome, Received, Send
from stations.core.key_rules import items
from stations.core.keys import SUPPORTED_FEATURE_PROFILES
from stations.wire.errors import ErrorCode, PeerError
from stations.wire.frames import (
    MESSAGE_ID_MAX,
    Call,
    CallError,
    CallResult,
    decode,
    decode_payload,
    encode_error,
    encode_result,
)
from stations.wire.messages import OPERATIONS, SECURITY_ACTIONS, Confirmation
from stations.wire.types import RegistrationStatus

if TYPE_CHECKING:
    from stations.core.station import Station

_REJECTED: Final = RegistrationStatus.REJECTED


@on(Received)
def _received(station: "Station", event: Received) -> None:
    if not (station.link_up and station.running):
        return
    station.heard_at = station.now
    station.silent_calls = 0
    data = event.data
    try:
        frame = decode(data)
    except PeerError as error:
        _broken(station, error, data)
        return
    if type(frame) is CallResult:
        calls.answered(station, frame, data)
    elif type(frame) is CallError:
        calls.refused(station, frame, data)
    elif type(frame) is Call:
        _command(station, frame, data)


def _broken(station: "Station", error: PeerError, data: bytes) -> None:
    """RPC-6: no answer is possible without an id; with one, it is told what was wrong."""
    station.find(error.rule, str(error), data)
    if error.message_id is not None and station.registration is not _REJECTED:
        _refuse(station, Call(error.message_id, "", Raw(b"{}")), error.code, error.description, data)
    elif (
        error.answers is not None and station.open_call is not None and error.answers == station.open_call.id
    ):
        calls.end(station, Outcome.INVALID, None, error=str(error.code), bytes_in=len(data))


def _command(station: "Station", frame: Call, data: bytes) -> None:
    if station.registration is _REJECTED:
        station.find("BOOT-6", f"{frame.action} to a rejected station", data)
        return
    if len(frame.id) > MESSAGE_ID_MAX:
        station.find("RPC-2", f"message id of {len(frame.id)} characters", data)
    if frame.id == station.received_id:
        station.find("RPC-8", f"message id {frame.id} used twice", data)
        _refuse(station, frame, ErrorCode.GENERIC_ERROR, "message id used twice", data)
        return
    station.received_id = frame.id
    before = len(station.effects)
    if frame.action not in OPERATIONS and frame.action not in SECURITY_ACTIONS:
        station.find("RPC-7", f"action {frame.action}", data)
    try:
        confirmation = _execute(station, frame)
    except Refused as refusal:
        _refuse(station, frame, refusal.code, refusal.description, data)
        return
    except PeerError as error:
        station.find("RPC-9", f"{frame.action}: {error}", data)
        _refuse(station, frame, error.code, error.description, data)
        return
    except Exception as bug:  # noqa: BLE001 — handed on as Broken: the edge counts and reports it (C10)
        del station.effects[before:]
        station.changed = False  # the store keeps what was true before
        _refuse(station, frame, ErrorCode.INTERNAL_ERROR, "the station failed", data)
        station.effects.append(Broken(bug))
        return
    answer = encode_result(frame.id, confirmation)
    result = str(getattr(confirmation, "status", ""))
    station.effects.append(Send(answer))
    station.effects.append(CommandAnswered(frame.action, station.now, result, True, len(data), len(answer)))


def _execute(station: "Station", frame: Call) -> Confirmation:
    """RPC-7, RPC-9, then the handler."""
    operation = OPERATIONS.get(frame.action)
    if operation is None:
        raise Refused(ErrorCode.NOT_IMPLEMENTED, f"unknown action {frame.action}")
    handler = ANSWERS.get(frame.action)
    profiles = items(station.configuration[SUPPORTED_FEATURE_PROFILES])
    if handler is None or operation.profile not in profiles:
        raise Refused(ErrorCode.NOT_SUPPORTED, f"{frame.action} is not supported")
    return handler(station, decode_payload(operation.request, frame.payload))


def _refuse(station: "Station", call: Call, code: ErrorCode, description: str, data: bytes) -> None:
    answer = encode_error(call.id, code, description)
    station.effects.append(Send(answer))
    station.effects.append(
        CommandAnswered(call.action, station.now, code.value, False, len(data), len(answer))
    )
