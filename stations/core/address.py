"""Where a station connects: the server's URI and the station's UID become one URL (WS-1)."""

from urllib.parse import quote


def connection_url(uri: str, uid: str) -> str:
    """URI + UID as a Green'Up joins them: a "/" between them if the URI lacks it, the UID percent-encoded."""
    return uri + ("" if uri.endswith("/") else "/") + quote(uid, safe="")
