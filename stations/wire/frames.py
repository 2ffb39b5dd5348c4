"""OCPP-J frames (OCPP-J 1.6 §4.2): bytes ↔ Call, CallResult, CallError, and payloads ↔ Structs.

Every defect of a frame or a payload becomes a `PeerError` with the code of the specification's table 7;
nothing else ever leaves this module for any bytes.
"""

from functools import cache
from typing import Annotated, Any, Final, TypeAlias, TypeVar, cast, get_args, get_origin

import msgspec
from msgspec import Raw, Struct

from stations.wire.errors import ErrorCode, PeerError
from stations.wire.messages import Confirmation, Payload

__all__ = [
    "MESSAGE_ID_MAX",
    "Call",
    "CallError",
    "CallResult",
    "ErrorCode",
    "Frame",
    "PeerError",
    "decode",
    "decode_confirmation",
    "decode_payload",
    "encode_call",
    "encode_error",
    "encode_result",
]

P = TypeVar("P", bound=Payload)
C = TypeVar("C", bound=Confirmation)

MESSAGE_ID_MAX: Final = 36
"""RPC-2: longest message id. Longer ones are decoded all the same; whoever cares records a finding."""

_DESCRIPTION_MAX: Final = 255  # OCPP-J §4.2.3: errorDescription is a string[255]
_EMPTY: Final = Raw(b"{}")


class Call(Struct, array_like=True, tag=2, forbid_unknown_fields=True, gc=False):
    """`[2, id, action, payload]`."""

    id: str
    action: str
    payload: Raw


class CallResult(Struct, array_like=True, tag=3, forbid_unknown_fields=True, gc=False):
    """`[3, id, payload]`."""

    id: str
    payload: Raw


class CallError(Struct, array_like=True, tag=4, forbid_unknown_fields=True, gc=False):
    """`[4, id, code, description, details]`; peers that leave out the last one or two are understood.

    `code` is any string: real central systems invent their own.
    """

    id: str
    code: str
    description: str | None = ""
    details: Raw = _EMPTY


Frame: TypeAlias = Call | CallResult | CallError

_frame_decoder: Final[msgspec.json.Decoder[Any]] = msgspec.json.Decoder(Frame)
_any_decoder: Final = msgspec.json.Decoder()
_encoder: Final = msgspec.json.Encoder()

# What msgspec raises for bytes that are no JSON (its own errors, bad UTF-8 and endless integers are all
# ValueErrors) or nested without bottom.
_UNREADABLE: Final = (ValueError, RecursionError)


def decode(data: bytes | str) -> Frame:
    """One whole text message → frame; the payload stays undecoded JSON.

    PeerError says what is to be done with anything else: refuse the CALL `message_id`, fail our CALL
    `answers`, or, with neither, ignore the message and stay connected (RPC-6).
    """
    try:
        frame: Frame = _frame_decoder.decode(data)
    except msgspec.ValidationError as error:
        raise _broken_frame(data, str(error)) from None
    except _UNREADABLE as error:
        raise PeerError(ErrorCode.FORMATION_VIOLATION, f"not JSON: {error}") from None
    return frame


def _broken_frame(data: bytes | str, description: str) -> PeerError:
    """JSON, but none of the three arrays: whose id it carries decides who can be told."""
    try:
        message = _any_decoder.decode(data)
    except _UNREADABLE as error:
        return PeerError(ErrorCode.FORMATION_VIOLATION, f"not JSON: {error}")
    kind, message_id = None, None
    if isinstance(message, list) and len(message) > 1 and isinstance(message[1], str):
        kind, message_id = message[0], message[1]
    if isinstance(kind, int) and kind == 2:
        return PeerError(ErrorCode.FORMATION_VIOLATION, description, message_id)
    if isinstance(kind, int) and kind in {3, 4}:
        return PeerError(ErrorCode.FORMATION_VIOLATION, description, answers=message_id)
    rule = "RPC-6" if type(kind) is int else "RPC-1"
    return PeerError(ErrorCode.FORMATION_VIOLATION, description, rule=rule)


def encode_call(message_id: str, action: str, payload: Payload | Raw) -> bytes:
    """`[2, id, action, payload]`."""
    return _encoder.encode((2, message_id, action, payload))


def encode_result(message_id: str, payload: Payload | Raw) -> bytes:
    """`[3, id, payload]`."""
    return _encoder.encode((3, message_id, payload))


def encode_error(message_id: str, code: str, description: str = "") -> bytes:
    """`[4, id, code, description, {}]`, the description cut to the 255 characters allowed (RPC-1)."""
    return _encoder.encode((4, message_id, code, description[:_DESCRIPTION_MAX], _EMPTY))


def decode_payload(payload_type: type[P], raw: Raw | bytes) -> P:
    """Payload of one operation; `null` stands for `{}` (RPC-1).

    Requests are held to the schema to the letter (RPC-9): no unknown field, no null. Confirmations are
    decoded leniently, see `decode_confirmation`. PeerError carries the code to answer with.
    """
    if issubclass(payload_type, Confirmation):
        return cast("P", decode_confirmation(payload_type, raw)[0])
    data = _object(raw)
    payload = _decode_strictly(payload_type, data)
    if b"null" in data and (null := _null_path(_any_decoder.decode(data), "$")):
        raise PeerError(ErrorCode.TYPE_CONSTRAINT_VIOLATION, f"null at `{null}`")
    return payload


def decode_confirmation(conf_type: type[C], raw: Raw | bytes) -> tuple[C, tuple[str, ...]]:
    """Payload of an answer to us, and the JSON paths that had to be ignored: unknown fields and nulls.

    A station goes on with an answer that says too much, and refuses one that says too little or the wrong
    thing (PeerError). The ignored paths are the evidence that the central system broke RPC-9 or RPC-11.
    """
    data = _object(raw)
    if b"null" not in data:
        try:
            return _decode_strictly(conf_type, data), ()
        except PeerError as error:
            if error.code is not ErrorCode.FORMATION_VIOLATION:
                raise
    ignored: list[str] = []
    pruned = _prune(_any_object(data), conf_type, "$", ignored)
    return _decode_strictly(conf_type, _encoder.encode(pruned)), tuple(ignored)


def _object(raw: Raw | bytes) -> bytes:
    data = bytes(raw)
    return b"{}" if data == b"null" else data


@cache
def _decoder(payload_type: type[Payload]) -> msgspec.json.Decoder[Payload]:
    return msgspec.json.Decoder(payload_type)


def _decode_strictly(payload_type: type[P], data: bytes) -> P:
    try:
        return cast("P", _decoder(payload_type).decode(data))
    except msgspec.ValidationError as error:
        description = str(error)
        raise PeerError(_code_of(description), description) from None
    except _UNREADABLE as error:
        raise PeerError(ErrorCode.FORMATION_VIOLATION, f"not JSON: {error}") from None


def _code_of(description: str) -> ErrorCode:
    """Map msgspec's sentence to the code table of OCPP-J; tests walk through every kind of constraint."""
    if description.startswith("Object contains unknown field"):
        return ErrorCode.FORMATION_VIOLATION
    if description.startswith("Object missing required field"):
        return ErrorCode.PROTOCOL_ERROR
    if description.startswith("Expected `array` of length"):
        return ErrorCode.OCCURENCE_CONSTRAINT_VIOLATION
    if description.startswith("Expected `") and ", got `" in description:
        whole_payload = " - at `$" not in description
        return ErrorCode.FORMATION_VIOLATION if whole_payload else ErrorCode.TYPE_CONSTRAINT_VIOLATION
    return ErrorCode.PROPERTY_CONSTRAINT_VIOLATION


def _null_path(value: object, path: str) -> str:
    """Where the first null is, '' for nowhere."""
    if value is None:
        return path
    if isinstance(value, dict):
        children = [(f"{path}.{key}", item) for key, item in value.items()]
    elif isinstance(value, list):
        children = [(f"{path}[{index}]", item) for index, item in enumerate(value)]
    else:
        return ""
    return next((found for where, item in children if (found := _null_path(item, where))), "")


def _any_object(data: bytes) -> object:
    try:
        return _any_decoder.decode(data)
    except _UNREADABLE as error:
        raise PeerError(ErrorCode.FORMATION_VIOLATION, f"not JSON: {error}") from None


def _prune(value: object, wanted: object, path: str, ignored: list[str]) -> object:
    """`value` without what the Struct `wanted` does not know and without nulls; their paths in `ignored`."""
    if isinstance(value, list) and get_origin(wanted) is list:
        item_type = _plain(get_args(wanted)[0])
        return [_prune(item, item_type, f"{path}[{index}]", ignored) for index, item in enumerate(value)]
    if not (isinstance(value, dict) and isinstance(wanted, type) and issubclass(wanted, Struct)):
        return value
    types = _field_types(wanted)
    kept = {}
    for key, item in value.items():
        if key not in types or item is None:
            ignored.append(f"{path}.{key}")
        else:
            kept[key] = _prune(item, types[key], f"{path}.{key}", ignored)
    return kept


@cache
def _field_types(struct: type[Struct]) -> dict[str, object]:
    """Wire name of each field → its type without limits and without None."""
    return {field.encode_name: _plain(field.type) for field in msgspec.structs.fields(struct)}


def _plain(annotation: object) -> object:
    if get_origin(annotation) is Annotated:
        return _plain(get_args(annotation)[0])
    variants = [variant for variant in get_args(annotation) if variant is not type(None)]
    if get_origin(annotation) is list or not variants:
        return annotation
    return _plain(variants[0])
