"""Real file transfers of one station driven by hand: firmware comes, diagnostics go (GD-1, UF-1).

Bounded in size and time, and run in a thread of their own, so that answers to the central system never wait.
SFTP needs a client library that this project does not carry: such a location fails with that reason.
"""

import ftplib
import io
import ssl
import urllib.request
from collections.abc import Callable
from contextlib import closing
from pathlib import PurePosixPath
from typing import Final, NamedTuple
from urllib.parse import SplitResult, quote, unquote, urlsplit

from stations.core.events import TransferWanted

TIMEOUT_S: Final = 60.0  # for each step of the dialogue
MOST_BYTES: Final = 256 << 20
_CHUNK: Final = 1 << 16


class Moved(NamedTuple):
    """How a transfer ended."""

    ok: bool
    detail: str


def move(wanted: TransferWanted) -> Moved:
    """Do it; every failure is an answer, none an exception. Blocks."""
    location = urlsplit(wanted.location)
    download, upload = _CLIENTS.get(location.scheme.lower(), (None, None))
    try:
        if download is None or upload is None:
            return Moved(ok=False, detail=f"no client for {location.scheme or 'a location without a scheme'}")
        if wanted.kind == "firmware":
            return Moved(ok=True, detail=f"{download(location)} bytes")
        upload(location, wanted.file_name, wanted.data)
        return Moved(ok=True, detail=f"{len(wanted.data)} bytes")
    except (OSError, EOFError, ValueError, ftplib.Error) as failure:
        return Moved(ok=False, detail=str(failure) or type(failure).__name__)


def _http_get(location: SplitResult) -> int:
    with urllib.request.urlopen(location.geturl(), timeout=TIMEOUT_S) as answer:  # noqa: S310 — scheme is known
        total = 0
        while piece := answer.read(_CHUNK):
            total += len(piece)
            _check_size(total)
        return total


def _http_put(location: SplitResult, name: str, data: bytes) -> None:
    url = location._replace(path=str(PurePosixPath(location.path or "/") / quote(name))).geturl()
    request = urllib.request.Request(url, data=data, method="PUT")  # noqa: S310 — scheme is known
    request.add_header("Content-Type", "application/octet-stream")
    with urllib.request.urlopen(request, timeout=TIMEOUT_S):  # noqa: S310 — scheme is known
        pass


def _ftp(location: SplitResult) -> ftplib.FTP:
    secure = location.scheme.lower() == "ftps"
    client = ftplib.FTP_TLS(context=ssl.create_default_context()) if secure else ftplib.FTP()  # noqa: S321 — OCPP asks for it
    client.connect(location.hostname or "", location.port or 21, timeout=TIMEOUT_S)
    client.login(unquote(location.username or "anonymous"), unquote(location.password or ""))
    if isinstance(client, ftplib.FTP_TLS):
        client.prot_p()
    return client


def _ftp_get(location: SplitResult) -> int:
    total = 0

    def count(piece: bytes) -> None:
        nonlocal total
        total += len(piece)
        _check_size(total)

    with closing(_ftp(location)) as client:
        client.retrbinary(f"RETR {unquote(location.path)}", count, _CHUNK)
    return total


def _ftp_put(location: SplitResult, name: str, data: bytes) -> None:
    with closing(_ftp(location)) as client:
        client.storbinary(f"STOR {PurePosixPath(unquote(location.path or '/')) / name}", io.BytesIO(data))


def _check_size(total: int) -> None:
    if total > MOST_BYTES:
        raise ValueError(f"more than {MOST_BYTES} bytes")


_Clients = tuple[Callable[[SplitResult], int], Callable[[SplitResult, str, bytes], None]]
_CLIENTS: Final[dict[str, _Clients]] = {
    "http": (_http_get, _http_put),
    "https": (_http_get, _http_put),
    "ftp": (_ftp_get, _ftp_put),
    "ftps": (_ftp_get, _ftp_put),
}
