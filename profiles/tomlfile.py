"""A user's TOML file read into a Struct. Whatever is wrong is one line: file, place and mend (design C10)."""

import re
import tomllib
from collections.abc import Iterator
from difflib import get_close_matches
from pathlib import Path
from typing import Any, Final

import msgspec
from msgspec.inspect import CustomType, DictType, Field, ListType, Metadata, StructType, UnionType, type_info

from stations.errors import PlanError

_PLACED: Final = re.compile(r"^(?P<what>.*?)(?: - at `(?P<place>[^`]+)`)?$", re.DOTALL)
_UNKNOWN: Final = re.compile(r"unknown field `(?P<key>[^`]+)`")
_MISSING: Final = re.compile(r"missing required field `(?P<key>[^`]+)`")
_STEP: Final = re.compile(r"\.(?P<key>\w+)|\[(?P<index>[^\]]*)\]")


def read(path: Path, shape: Any, what: str) -> Any:
    """The file at `path` as a `shape`; `what` names its kind in messages ("fleet", "site")."""
    name = f"{what} {path.name}"
    return parse(text(path, name), shape, name)


def text(path: Path, name: str) -> str:
    """What stands in the file at `path`; `name` stands first in messages."""
    try:
        return path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise PlanError(f"{name}: is not UTF-8 text (byte {error.start}); mend: save it as UTF-8") from None
    except OSError as error:
        raise PlanError(f"{name}: cannot be read ({error.strerror}); mend: check the path {path}") from None


def parse(document: str, shape: Any, name: str) -> Any:
    """A TOML `document` as a `shape`; `name` stands first in messages."""
    try:
        data = tomllib.loads(document)
    except tomllib.TOMLDecodeError as error:
        raise PlanError(f"{name}: is not TOML: {error}; mend: correct that line") from None
    try:
        return msgspec.convert(data, shape)
    except msgspec.ValidationError as error:
        raise PlanError(f"{name}, {_explained(str(error), shape)}") from None


def _explained(message: str, shape: Any) -> str:
    """Our words for a message of msgspec: place, fault and mend."""
    placed = _PLACED.match(message)
    assert placed is not None  # the pattern matches any text
    fault, place = placed["what"], placed["place"] or "$"
    if unknown := _UNKNOWN.search(fault):
        return f"{place}.{unknown['key']}: unknown key; mend: {_nearest(unknown['key'], place, shape)}"
    if missing := _MISSING.search(fault):
        key = missing["key"]
        return f"{place}.{key}: is missing; mend: add `{key}`{_about(f'{place}.{key}', shape)}"
    return f"{place}: {fault[0].lower()}{fault[1:]}; mend: correct the value{_about(place, shape)}"


def _nearest(key: str, place: str, shape: Any) -> str:
    known = [field.encode_name for field in _fields(_at(place, shape))]
    close = get_close_matches(key, known, n=1)
    return f"did you mean `{close[0]}`?" if close else f"known keys are {', '.join(sorted(known))}"


def _about(place: str, shape: Any) -> str:
    """What the key at `place` is, from the description in its type."""
    parent, _, key = place.rpartition(".")
    key = key.partition("[")[0]
    for field in _fields(_at(parent, shape)) if parent else ():
        if field.encode_name == key:
            return f" ({description})" if (description := _description(field.type)) else ""
    return ""


def _description(kind: Any) -> str:
    extra = (kind.extra_json_schema or {}) if isinstance(kind, Metadata) else {}
    if isinstance(kind, UnionType):
        return next((text for part in kind.types if (text := _description(part))), "")
    return str(extra.get("description", ""))


def _fields(kind: Any) -> tuple[Field, ...]:
    return kind.fields if isinstance(kind, StructType) else ()


def _at(place: str, shape: Any) -> Any:
    """The type at a place such as `$.groups[0].network`."""
    kind: Any = type_info(shape)
    for step in _STEP.finditer(place):
        kind = _structural(kind)
        if step["key"] is not None:
            kind = next((field.type for field in _fields(kind) if field.encode_name == step["key"]), None)
        elif isinstance(kind, ListType):
            kind = kind.item_type
        elif isinstance(kind, DictType):
            kind = kind.value_type
    return _structural(kind)


def _structural(kind: Any) -> Any:
    """The type itself, without descriptions around it and without `| None`."""
    for _ in range(4):
        if isinstance(kind, Metadata):
            kind = kind.type
        elif isinstance(kind, UnionType):
            kind = next(_structured(kind.types), kind.types[0])
    return kind


def _structured(kinds: tuple[Any, ...]) -> Iterator[Any]:
    for kind in kinds:
        inner = kind.type if isinstance(kind, Metadata) else kind
        if isinstance(inner, StructType | ListType | DictType | CustomType):
            yield inner


def made(pattern: str, number: int, where: str) -> str:
    """A pattern such as `GU-{number:06d}` filled in; `where` names the place in messages."""
    try:
        return pattern.format(number=number)
    except (KeyError, IndexError, ValueError, AttributeError) as error:
        raise PlanError(
            f"{where}: {pattern!r} is no pattern ({error}); mend: use {{number}} as in GU-{{number:06d}}"
        ) from None
