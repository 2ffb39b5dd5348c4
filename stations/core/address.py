"""Where a station connects: the server's URI and the station's UID become one URL (WS-1)."""

from urllib.parse import quote


def connection_url(uri: str, uid: str) -> str:
    """URI + UID as a Green'Up joins them: one "/" between them, the UID percent-encoded (J§3.1.1)."""
    return f"{uri.rstrip('/')}/{quote(uid, safe='')}"
