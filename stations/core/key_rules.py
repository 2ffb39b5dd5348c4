"""What a configuration key may hold: one rule reads, checks, writes and describes a type of value.

Booleans are compared case-insensitively, integers are decimal and not negative (CC-2). A rule raises
ValueError for a value that ChangeConfiguration must answer with Rejected (CC-1).
"""

from collections.abc import Callable
from functools import lru_cache
from string import hexdigits
from typing import Final, Generic, TypeVar

from msgspec import Struct

from stations.core.address import is_server
from stations.wire.types import Measurand

T = TypeVar("T")

_ROTATIONS: Final = frozenset(
    {"NotApplicable", "Unknown", "RST", "RTS", "SRT", "STR", "TRS", "TSR"}
)  # §9.1.8
_INTEGER_MAX: Final = 2**31 - 1


class Rule(Struct, Generic[T], frozen=True, eq=False):
    """One type of value. `read` ignores ranges (presets), `check` applies them (ChangeConfiguration)."""

    words: str  # for docs/keys.md
    read: Callable[[str], T]
    check: Callable[[str], T]


def show(value: object) -> str:
    """A value as GetConfiguration gives it (GF-2)."""
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)


def _boolean(text: str) -> bool:
    try:
        return {"true": True, "false": False}[text.strip().lower()]
    except KeyError:
        raise ValueError(f"neither true nor false: {text!r}") from None


BOOLEAN: Final[Rule[bool]] = Rule("boolean", _boolean, _boolean)


def _decimal(text: str) -> int:
    digits = text.strip()
    if not (digits.isascii() and digits.isdigit()):  # "-1" and "+1" are refused (CC-2, TC_040)
        raise ValueError(f"not a decimal number >= 0: {text!r}")
    return int(digits)


def integer(low: int = 0, high: int = _INTEGER_MAX, *, or_zero: bool = False) -> Rule[int]:
    """Decimal integer in low..high; `or_zero` also allows 0, which switches the feature off."""

    def check(text: str) -> int:
        value = _decimal(text)
        if not (low <= value <= high or (or_zero and value == 0)):
            raise ValueError(f"{value} is not in {low}..{high}")
        return value

    words = f"integer {low}..{high}" if high < _INTEGER_MAX else f"integer ≥ {low}"
    return Rule(words + (" or 0" if or_zero else ""), _decimal, check)


def text_of(limit: int = 500) -> Rule[str]:
    """Any text up to `limit` characters (CC-5)."""

    def check(text: str) -> str:
        if len(text) > limit:
            raise ValueError(f"longer than {limit} characters")
        return text

    return Rule(f"text ≤ {limit}", str, check)


def _server(text: str) -> str:
    if text not in {"", UNSET} and not is_server(text):
        raise ValueError(f"no ws:// or wss:// URL without a password in it: {text!r}")
    return _TEXT.check(text)


_TEXT: Final = text_of()
UNSET: Final = "Null"  # what the guide prints for an address that nobody has set
SERVER: Final[Rule[str]] = Rule("ws:// or wss:// URL ≤ 500, or Null", str, _server)


def one_of(*words: str) -> Rule[str]:
    """One of a few words, case-sensitive like every enumeration (RPC-10)."""

    def check(text: str) -> str:
        if text not in words:
            raise ValueError(f"none of {', '.join(words)}: {text!r}")
        return text

    return Rule("one of " + ", ".join(words), str, check)


@lru_cache(maxsize=1024)
def items(text: str) -> tuple[str, ...]:
    """The items of a comma-separated list; blanks around commas are tolerated (MV-8)."""
    return tuple(item.strip() for item in text.split(",")) if text.strip() else ()


METERED: Final = (
    Measurand.CURRENT_IMPORT,
    Measurand.CURRENT_OFFERED,
    Measurand.ENERGY_ACTIVE_IMPORT_INTERVAL,
    Measurand.ENERGY_ACTIVE_IMPORT_REGISTER,
    Measurand.POWER_ACTIVE_EXPORT,
    Measurand.POWER_ACTIVE_IMPORT,
    Measurand.POWER_OFFERED,
    Measurand.POWER_REACTIVE_IMPORT,
    Measurand.POWER_FACTOR,
    Measurand.VOLTAGE,
)
"""What the meter of a Green'Up knows (MV-8)."""

_METERED_AS_ONE: Final = frozenset(
    {
        Measurand.ENERGY_ACTIVE_IMPORT_INTERVAL,
        Measurand.ENERGY_ACTIVE_IMPORT_REGISTER,
        Measurand.POWER_OFFERED,
    }
)  # MV-6: no figure of their own for each phase
_LINES: Final = ("L1", "L2", "L3")
_PHASES: Final = (*_LINES, "N", "L1-N", "L2-N", "L3-N", "L1-L2", "L2-L3", "L3-L1")
_MEASURANDS: Final = frozenset(Measurand)


def split_phase(item: str) -> tuple[str, str]:
    """`Voltage.L1` → (`Voltage`, `L1`); without a suffix the phase is `` (§9.1.17)."""
    name, _, phase = item.rpartition(".")
    if phase in _PHASES and name in _MEASURANDS:
        return name, phase
    return item, ""


def is_metered(item: str, phases: int = len(_LINES)) -> bool:
    """Whether a meter on so many phases knows an item of a measurand list (MV-6, MV-8)."""
    name, phase = split_phase(item)
    if name not in METERED:
        return False
    line = phase.removesuffix("-N") if name == Measurand.VOLTAGE else phase
    return not phase or (line in _LINES[:phases] and name not in _METERED_AS_ONE)


def _measurands(text: str) -> str:
    for item in items(text):
        if not is_metered(item):
            raise ValueError(f"the meter has no {item!r}")
    return text


MEASURANDS: Final[Rule[str]] = Rule("list of measurands", _measurands, _measurands)


def _rotation(text: str) -> str:
    for item in items(text):
        connector, _, rotation = item.rpartition(".")
        if rotation not in _ROTATIONS or not (connector.isdigit() or (not connector and "," not in text)):
            raise ValueError(f"not connector.rotation: {item!r}")
    return text


PHASE_ROTATION: Final[Rule[str]] = Rule("list of connector.rotation", str, _rotation)


_PROTOCOLS: Final = frozenset({"FTP", "SFTP", "FTPS", "HTTP", "HTTPS"})


def _protocols(text: str) -> str:
    unknown = set(items(text)) - _PROTOCOLS
    if unknown:
        raise ValueError(f"no such protocol: {', '.join(sorted(unknown))}")
    return text


PROTOCOLS: Final[Rule[str]] = Rule("list of FTP, SFTP, FTPS, HTTP, HTTPS", str, _protocols)


def _secret(text: str) -> str:
    """SEC-3: at least 16 bytes, at most 40 hexadecimal digits."""
    if not 16 <= len(text) <= 40:
        raise ValueError("the key needs 16 to 40 characters")
    if len(text) < 32 and not text.strip(hexdigits):
        raise ValueError("a hexadecimal key needs 32 to 40 digits")
    return text


SECRET: Final[Rule[str]] = Rule("16..40 characters, hexadecimal 32..40 digits", str, _secret)
