"""Arguments as they may be written down: without passwords and keys (C11)."""

import re
from collections.abc import Collection, Iterable, Mapping
from typing import Any, Final

MASK: Final = "***"

_SECRET_NAME: Final = re.compile(
    r"pass(word|phrase|wd)?$|secret|token|credential|auth\w*key|private_?key|web_?login_", re.IGNORECASE
)
_USERINFO: Final = re.compile(r"(\w+://)[^/@\s]*@")
_SECRET_QUERY: Final = re.compile(r"([?&](?:token|key|password|secret|api_?key|sig)=)[^&\s]+", re.IGNORECASE)


def without_secrets(arguments: Mapping[str, Any], secret: Collection[str] = ()) -> dict[str, Any]:
    """A copy in which secret values are masked: those named in `secret`, and those that look like one."""
    return {name: _safe(name, value, secret) for name, value in arguments.items()}


def command_without_secrets(words: Iterable[str], secret: Collection[str] = ()) -> list[str]:
    """A command line in which the values of secret options are masked, `--name value` and `--name=value`."""
    shown: list[str] = []
    masking = False
    for word in words:
        name, equals, _ = word.partition("=")
        option = name.lstrip("-").replace("-", "_")
        is_secret = word.startswith("-") and bool(option in secret or _SECRET_NAME.search(option))
        if masking and not word.startswith("-"):
            shown.append(MASK)
        else:
            shown.append(f"{name}={MASK}" if is_secret and equals else safe_url(word))
        masking = is_secret and not equals
    return shown


def safe_url(text: str) -> str:
    """A URL, or a text with URLs, without user info and secret query values."""
    return _SECRET_QUERY.sub(rf"\g<1>{MASK}", _USERINFO.sub(rf"\1{MASK}@", text))


def _safe(name: str, value: Any, secret: Collection[str]) -> Any:
    if value is None or isinstance(value, bool):
        return value
    if name in secret or _SECRET_NAME.search(name):
        return MASK
    if isinstance(value, int | float):
        return value
    if isinstance(value, Mapping):
        return without_secrets({str(k): v for k, v in value.items()}, secret)
    if isinstance(value, list | tuple | set):
        return [_safe("", item, secret) for item in value]
    return safe_url(str(value))
