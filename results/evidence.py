"""Findings without floods: each (rule, kind) keeps its first frames, the rest is counted."""

import re
from typing import Any, Final

EXAMPLES: Final = 10  # frames kept of each kind of finding
KINDS: Final = 2_000  # different kinds told apart in one worker; more are counted under OTHER_KIND
OTHER_KIND: Final = "(other)"
FRAME_CHARACTERS: Final = 2_000
KIND_CHARACTERS: Final = 120

_QUOTED: Final = re.compile(r"'[^']*'|\"[^\"]*\"")
_NUMBER: Final = re.compile(r"\b[0-9a-fA-F]{8}[-0-9a-fA-F]{0,28}\b|(?<![\w.])[-+]?\d[\d.,:TZ+-]*")
_USERINFO: Final = re.compile(r"(\w+://)[^/@\s\"]+@")
_KEY_VALUE: Final = re.compile(r'("value"\s*:\s*")(?:[^"\\]|\\.)*(?:"|$)')
_SECRET_FIELD: Final = re.compile(
    r'("[^"]*(?:password|passphrase|secret|authorizationkey|privatekey)[^"]*"\s*:\s*")(?:[^"\\]|\\.)*(?:"|$)',
    re.IGNORECASE,
)


def kind_of(detail: str) -> str:
    """What two findings have in common: the detail without quoted names, numbers and ids."""
    return _NUMBER.sub("#", _QUOTED.sub("…", detail))[:KIND_CHARACTERS]


def redacted(text: str) -> str:
    """The text without passwords and keys (C11): a frame may carry a ChangeConfiguration or a URL."""
    text = _USERINFO.sub(r"\1***@", text)
    text = _SECRET_FIELD.sub(r'\1***"', text)
    if "authorizationkey" in text.lower():
        text = _KEY_VALUE.sub(r'\1***"', text)
    return text


class Evidence:
    """Turns single findings into rows of the `findings` table (in its column order)."""

    __slots__ = ("_more", "_seen")

    def __init__(self) -> None:
        self._seen: dict[tuple[str, str], int] = {}
        self._more: dict[tuple[str, str], list[Any]] = {}  # (at, count) of those beyond the examples

    def note(self, at_us: int, station: int, rule: str, detail: str, frame: bytes) -> tuple[Any, ...] | None:
        """The row of one finding while examples are wanted, None once it is only counted."""
        detail = redacted(detail[:FRAME_CHARACTERS])
        key = (rule, kind_of(detail))
        if key not in self._seen and len(self._seen) >= KINDS:
            key = (rule, OTHER_KIND)
        seen = self._seen[key] = self._seen.get(key, 0) + 1
        if seen > EXAMPLES:
            more = self._more.setdefault(key, [at_us, 0])
            more[0] = at_us
            more[1] += 1
            return None
        # Cut after masking, so that a secret cut in two cannot slip through; cap what the mask must read.
        text = redacted(frame[: 8 * FRAME_CHARACTERS].decode("utf-8", "replace"))[:FRAME_CHARACTERS]
        return at_us, rule, key[1], detail, station, 1, text or None

    def counts(self) -> list[tuple[Any, ...]]:
        """Rows for what was only counted since the last time."""
        rows = [(at, rule, kind, kind, None, count, None) for (rule, kind), (at, count) in self._more.items()]
        self._more = {}
        return rows
