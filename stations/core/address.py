"""Where a station connects: the server's URI and the station's UID become one URL (WS-1)."""

import re
from typing import Final
from urllib.parse import quote, urlsplit

_HOST: Final = re.compile(r"[\w.:%-]+")


def is_server(uri: str) -> bool:
    """Whether a station could connect there: ws:// or wss://, a host, no password and no fragment in it."""
    try:
        parts = urlsplit(uri)
        host, _port = parts.hostname or "", parts.port
    except ValueError:  # a port that cannot be, an address without its bracket
        return False
    plain = parts.username is None and not parts.fragment and not re.search(r"\s", uri)
    return uri.startswith(("ws://", "wss://")) and plain and _HOST.fullmatch(host) is not None


def connection_url(uri: str, uid: str) -> str:
    """URI + UID as a Green'Up joins them: a "/" between them if the URI lacks it, the UID percent-encoded."""
    return uri + ("" if uri.endswith("/") else "/") + quote(uid, safe="")
