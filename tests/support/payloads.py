"""Random payloads of any message, and payloads spoilt in one named way."""

import copy
from collections.abc import Iterator
from functools import cache
from typing import Any

import msgspec
from hypothesis import strategies as st
from msgspec import inspect

from stations.wire.errors import ErrorCode
from stations.wire.messages import OPERATIONS, Confirmation, Payload, Request, StopTransaction
from stations.wire.types import format_datetime

REQUESTS: dict[str, type[Request]] = {name: operation.request for name, operation in OPERATIONS.items()}
CONFIRMATIONS: dict[str, type[Confirmation]] = {
    name: operation.confirmation for name, operation in OPERATIONS.items()
}

DATETIMES = st.builds(
    format_datetime,
    st.floats(0, 4e9),
    millis=st.booleans(),
    offset_min=st.sampled_from([0, 60, 120, -300, 345]),
)


def optional(field: inspect.Field) -> bool:
    return not field.required


def inner(kind: inspect.Type) -> inspect.Type:
    """The type without its None."""
    if isinstance(kind, inspect.UnionType):
        (kind,) = (variant for variant in kind.types if not isinstance(variant, inspect.NoneType))
    return kind


def _strategy(kind: inspect.Type) -> st.SearchStrategy[Any]:
    kind = inner(kind)
    if isinstance(kind, inspect.StrType):
        if kind.pattern is not None:
            return DATETIMES
        return st.text(st.characters(exclude_categories=["Cs"]), max_size=kind.max_length or 40)
    if isinstance(kind, inspect.IntType):
        return st.integers(-(2**31), 2**31 - 1)
    if isinstance(kind, inspect.FloatType):
        return st.integers(-9_999, 999_999).map(lambda tenths: tenths / 10)
    if isinstance(kind, inspect.BoolType):
        return st.booleans()
    if isinstance(kind, inspect.EnumType):
        return st.sampled_from([member.value for member in kind.cls])
    if isinstance(kind, inspect.ListType):
        return st.lists(_strategy(kind.item_type), min_size=kind.min_length or 0, max_size=3)
    assert isinstance(kind, inspect.StructType), kind
    return _documents(kind.cls)


@cache
def _documents(struct: type) -> st.SearchStrategy[dict[str, Any]]:
    fields = inspect.type_info(struct).fields
    return st.fixed_dictionaries(
        {field.encode_name: _strategy(field.type) for field in fields if field.required},
        optional={field.encode_name: _strategy(field.type) for field in fields if not field.required},
    )


def _hertz_to_wh(document: dict[str, Any]) -> dict[str, Any]:
    for meter_value in document.get("transactionData", ()):
        for sample in meter_value["sampledValue"]:
            if sample.get("unit") == "Hertz":
                sample["unit"] = "Wh"
    return document


@cache
def documents(payload: type[Payload]) -> st.SearchStrategy[dict[str, Any]]:
    """Valid JSON objects of this payload."""
    found = _documents(payload)
    return found.map(_hertz_to_wh) if payload is StopTransaction else found


def payloads(payload: type[Payload]) -> st.SearchStrategy[Any]:
    """Valid Structs of this payload."""
    return documents(payload).map(lambda document: msgspec.convert(document, payload))


def smallest(payload: type[Payload]) -> dict[str, Any]:
    return _example(inspect.type_info(payload), whole=False)


def largest(payload: type[Payload]) -> dict[str, Any]:
    """Every optional field present, strings at their limits."""
    return _example(inspect.type_info(payload), whole=True)


def _example(kind: inspect.Type, *, whole: bool) -> Any:
    kind = inner(kind)
    if isinstance(kind, inspect.StructType):
        return {
            field.encode_name: _example(field.type, whole=whole)
            for field in kind.fields
            if whole or field.required
        }
    if isinstance(kind, inspect.ListType):
        return [_example(kind.item_type, whole=whole) for _ in range(2 if whole else kind.min_length or 0)]
    if isinstance(kind, inspect.EnumType):
        return next(iter(kind.cls)).value
    if isinstance(kind, inspect.StrType):
        if kind.pattern is not None:
            return "2026-02-28T23:59:59.999+02:00" if whole else "2026-02-28T23:59:59Z"
        return "x" * (kind.max_length or 40) if whole else ""
    return {inspect.IntType: 7, inspect.FloatType: 8.1, inspect.BoolType: True}[type(kind)]


def spoilt(
    payload: type[Payload], document: dict[str, Any]
) -> Iterator[tuple[ErrorCode, str, dict[str, Any]]]:
    """Every way to break one rule of the schema at one place: the code due, the place, the payload."""
    root = inspect.type_info(payload)
    for path, code, spoil in _spoilers(root, document, ()):
        victim = copy.deepcopy(document)
        holder: Any = victim
        for step in path[:-1]:
            holder = holder[step]
        spoil(holder, path[-1] if path else None)
        yield code, f"{code} at {path}", victim


def _spoilers(kind: inspect.Type, value: Any, path: tuple[Any, ...]) -> Iterator[tuple[Any, ErrorCode, Any]]:
    kind = inner(kind)
    if isinstance(kind, inspect.StructType):
        yield (*path, "unheardOf"), ErrorCode.FORMATION_VIOLATION, _put(1)
        for field in kind.fields:
            here = (*path, field.encode_name)
            if field.required:
                yield here, ErrorCode.PROTOCOL_ERROR, _remove
            if field.encode_name in value:
                yield here, ErrorCode.TYPE_CONSTRAINT_VIOLATION, _put(None)
                yield from _wrong_values(inner(field.type), here)
                yield from _spoilers(field.type, value[field.encode_name], here)
    elif isinstance(kind, inspect.ListType):
        for index, item in enumerate(value):
            yield from _wrong_values(inner(kind.item_type), (*path, index))
            yield from _spoilers(kind.item_type, item, (*path, index))


def _wrong_values(kind: inspect.Type, here: tuple[Any, ...]) -> Iterator[tuple[Any, ErrorCode, Any]]:
    """The table of OCPP-J's codes, one wrong value after the other."""
    wrong_type: Any = 5 if isinstance(kind, (inspect.StrType, inspect.EnumType)) else "five"
    yield here, ErrorCode.TYPE_CONSTRAINT_VIOLATION, _put(wrong_type)
    if isinstance(kind, inspect.EnumType):
        yield here, ErrorCode.PROPERTY_CONSTRAINT_VIOLATION, _put("Expected `int`, got `str` - at `$.x`")
        yield here, ErrorCode.PROPERTY_CONSTRAINT_VIOLATION, _put(next(iter(kind.cls)).value.upper() + "?")
    if isinstance(kind, inspect.StrType) and kind.max_length is not None:
        yield here, ErrorCode.PROPERTY_CONSTRAINT_VIOLATION, _put("é" * (kind.max_length + 1))
    if isinstance(kind, inspect.StrType) and kind.pattern is not None:
        yield here, ErrorCode.PROPERTY_CONSTRAINT_VIOLATION, _put("yesterday")
    if isinstance(kind, inspect.FloatType):
        yield here, ErrorCode.PROPERTY_CONSTRAINT_VIOLATION, _put(8.15)
    if isinstance(kind, inspect.ListType) and kind.min_length:
        yield here, ErrorCode.OCCURENCE_CONSTRAINT_VIOLATION, _put([])


def _put(value: Any) -> Any:
    def put(holder: Any, key: Any) -> None:
        holder[key] = value

    return put


def _remove(holder: Any, key: Any) -> None:
    del holder[key]
