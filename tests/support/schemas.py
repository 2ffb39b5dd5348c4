"""The official OCPP 1.6 JSON schemas, from the `ocpp` package (a test dependency only)."""

import json
from decimal import Decimal
from functools import cache
from importlib.resources import files
from typing import Any

from jsonschema import Draft4Validator


@cache
def schema(action: str, *, confirmation: bool = False) -> dict[str, Any]:
    name = f"{action}Response.json" if confirmation else f"{action}.json"
    text = (files("ocpp") / "v16" / "schemas" / name).read_text(encoding="utf-8-sig")
    loaded: dict[str, Any] = json.loads(text, parse_float=Decimal)
    return loaded


@cache
def _validator(action: str, confirmation: bool) -> Draft4Validator:
    return Draft4Validator(schema(action, confirmation=confirmation))


def complaints(action: str, payload: bytes, *, confirmation: bool = False) -> list[str]:
    """What the official schema has against this JSON text; decimals stay decimals (multipleOf 0.1)."""
    document = json.loads(payload, parse_float=Decimal)
    return [error.message for error in _validator(action, confirmation).iter_errors(document)]
