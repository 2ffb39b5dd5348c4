"""Real file transfers of one station driven by hand: firmware comes, diagnostics go (GD-1, UF-1).

Bounded in size and in time, and run in a thread of their own: answers to the central system never wait.
A location is a URL, with `user:password@` if the server wants to know; uploads name a folder. `ftps://` is
explicit TLS on port 21 or the one that is named, implicit TLS if that is 990. SFTP is spoken by asyncssh, the
extra `transfer`; `engine.hostkeys` says which hosts it believes.
"""

import asyncio
import ftplib
import io
import ssl
from base64 import b64encode
from collections.abc import Awaitable, Callable
from contextlib import closing
from functools import partial
from http.client import HTTPException
from pathlib import PurePosixPath
from socket import create_connection
from time import monotonic
from typing import TYPE_CHECKING, Final, NamedTuple, cast
from urllib.error import HTTPError
from urllib.parse import SplitResult, quote, unquote, urlsplit
from urllib.request import HTTPSHandler, ProxyHandler, Request, build_opener

from engine.hostkeys import SSH_PORT, HostKeys
from stations.core.events import TransferWanted
from stations.core.firmware import INVALID_IMAGE

if TYPE_CHECKING:
    from asyncssh import SFTPClient, SSHKey

STEP_S: Final = 20.0  # for each step of the dialogue
LONGEST_S: Final = 600.0  # for the whole of it
MOST_BYTES: Final = 256 << 20
FTP_PORT: Final = 21  # FTPS begins there with AUTH TLS (RFC 4217)
IMPLICIT_FTPS_PORT: Final = 990  # a location that names it wants TLS at once
_CHUNK: Final = 1 << 16


class Moved(NamedTuple):
    """How a transfer ended."""

    ok: bool
    detail: str


class Intake:
    """Bytes of an image as they arrive: counted, bounded, judged by how they begin."""

    def __init__(self) -> None:
        self.total = 0
        self._head = b""
        self._until = monotonic() + LONGEST_S

    def take(self, piece: bytes) -> None:
        """ValueError when it is too much, or takes too long."""
        if self.total < _CHUNK:
            self._head += piece
        self.total += len(piece)
        if self.total > MOST_BYTES:
            raise ValueError(f"more than {MOST_BYTES} bytes")
        if monotonic() > self._until:
            raise ValueError(f"more than {LONGEST_S:.0f} s")

    @property
    def invalid(self) -> bool:
        """Nothing at all, or a page of text where an image should be (TC_044_3)."""
        return not self._head.strip() or self._head.lstrip()[:1] == b"<"


def move(wanted: TransferWanted, hosts: HostKeys) -> Moved:
    """Do it; every failure is an answer, none an exception. Blocks. `hosts` are believed over SFTP."""
    try:
        location = urlsplit(wanted.location)
        client = _sftp_client(hosts) if location.scheme == "sftp" else _CLIENTS.get(location.scheme)
        if client is None:
            return Moved(ok=False, detail=f"no client for {location.scheme or 'a location without a scheme'}")
        if wanted.kind == "firmware":
            return _fetch(client, location)
        client.put(location, wanted.file_name, wanted.data)
        return Moved(ok=True, detail=f"{len(wanted.data)} bytes")
    except (OSError, EOFError, ValueError, ImportError, HTTPException, ftplib.Error) as failure:
        return Moved(ok=False, detail=str(failure) or type(failure).__name__)


def _fetch(client: "_Client", location: SplitResult) -> Moved:
    image = Intake()
    client.get(location, image)
    if image.invalid:
        return Moved(ok=False, detail=INVALID_IMAGE)
    return Moved(ok=True, detail=f"{image.total} bytes")


def _user(location: SplitResult) -> tuple[str, str]:
    return unquote(location.username or ""), unquote(location.password or "")


def _target(location: SplitResult, name: str) -> str:
    return str(PurePosixPath(unquote(location.path) or "/") / name)


# ---- HTTP, HTTPS ----------------------------------------------------------------------------------------


def _open_http(location: SplitResult, path: str, method: str, data: bytes | None = None) -> io.BufferedIOBase:
    host = location.netloc.rpartition("@")[2]
    request = Request(location._replace(netloc=host, path=path).geturl(), data=data, method=method)  # noqa: S310 — scheme is known
    if data is not None:
        request.add_header("Content-Type", "application/octet-stream")
    if location.username is not None:
        request.add_header("Authorization", "Basic " + b64encode(":".join(_user(location)).encode()).decode())
    # The station's own network, not this machine's proxies.
    opener = build_opener(ProxyHandler({}), HTTPSHandler(context=ssl.create_default_context()))
    answer: io.BufferedIOBase = opener.open(request, timeout=STEP_S)
    return answer


def _http_get(location: SplitResult, image: Intake) -> None:
    with _open_http(location, location.path, "GET") as answer:
        while piece := answer.read(_CHUNK):
            image.take(piece)


def _http_put(location: SplitResult, name: str, data: bytes) -> None:
    path = str(PurePosixPath(location.path or "/") / quote(name))
    try:
        _open_http(location, path, "PUT", data).close()
    except HTTPError as refusal:
        if refusal.code not in {405, 501}:
            raise
        _open_http(location, path, "POST", data).close()  # a server of forms


# ---- FTP, FTPS ------------------------------------------------------------------------------------------


class _Ftps(ftplib.FTP_TLS):
    """FTPS whose data connections resume the session of the control connection, as careful servers demand."""

    sock: ssl.SSLSocket

    def ntransfercmd(self, cmd: str, rest: int | str | None = None) -> tuple[ssl.SSLSocket, int | None]:
        """As `ftplib` has it, but for the session."""
        plain, size = ftplib.FTP.ntransfercmd(self, cmd, rest)  # noqa: S321
        session = self.sock.session
        return self.context.wrap_socket(plain, server_hostname=self.host, session=session), size


class _ImplicitFtps(_Ftps):
    """TLS from the first byte on, where others say AUTH TLS first."""

    def connect(self, host: str = "", port: int = 0, timeout: float = STEP_S, *_: object) -> str:
        """As `ftplib` has it; the welcome comes through TLS."""
        self.host, self.port, self.timeout = host, port, timeout
        plain = create_connection((host, port), timeout)
        self.sock = self.context.wrap_socket(plain, server_hostname=host)
        self.af = self.sock.family
        self.file = self.sock.makefile("r", encoding=self.encoding)
        self.welcome = self.getresp()
        return self.welcome


def _greet(client: ftplib.FTP, location: SplitResult) -> None:
    client.connect(location.hostname or "", location.port or FTP_PORT, timeout=STEP_S)
    user, password = _user(location)
    client.login(user or "anonymous", password)
    if isinstance(client, ftplib.FTP_TLS):
        client.prot_p()


def _ftp(location: SplitResult) -> ftplib.FTP:
    if location.scheme.lower() == "ftp":
        return ftplib.FTP()  # noqa: S321 — OCPP asks for it
    client = _ImplicitFtps if location.port == IMPLICIT_FTPS_PORT else _Ftps
    return client(context=ssl.create_default_context())


def _ftp_get(location: SplitResult, image: Intake) -> None:
    with closing(_ftp(location)) as client:
        _greet(client, location)
        client.retrbinary(f"RETR {unquote(location.path)}", image.take, _CHUNK)


def _ftp_put(location: SplitResult, name: str, data: bytes) -> None:
    with closing(_ftp(location)) as client:
        _greet(client, location)
        client.storbinary(f"STOR {_target(location, name)}", io.BytesIO(data))


# ---- SFTP -----------------------------------------------------------------------------------------------


def _sftp(location: SplitResult, hosts: HostKeys, work: "Callable[[SFTPClient], Awaitable[None]]") -> None:
    """Run `work` on a connection of its own."""
    try:
        import asyncssh  # noqa: PLC0415 — an extra, and slow to import
    except ImportError:
        raise ImportError("SFTP needs the extra `transfer`: pip install greenup-swarm[transfer]") from None

    user, password = _user(location)
    known = asyncssh.import_known_hosts(hosts.lines())

    class Client(asyncssh.SSHClient):
        def validate_host_public_key(self, host: str, addr: str, port: int, key: "SSHKey") -> bool:
            """Asked about a key that is not listed: right for a host that is not listed either."""
            keys, authorities, *_ = asyncssh.match_known_hosts(
                known, host, addr, None if port == SSH_PORT else port
            )
            if keys or authorities:
                return False
            hosts.learn(host, port, key.export_public_key().decode())
            return True

    async def talk() -> None:
        async with asyncio.timeout(LONGEST_S):
            async with (
                asyncssh.connect(
                    location.hostname or "",
                    location.port or SSH_PORT,
                    client_factory=Client,
                    username=user or "anonymous",
                    password=password,
                    known_hosts=known,
                    config=None,
                    client_keys=None,
                    agent_path=None,
                    connect_timeout=STEP_S,
                    login_timeout=STEP_S,
                ) as connection,
                connection.start_sftp_client() as sftp,
            ):
                await work(sftp)

    try:
        asyncio.run(talk())
    except asyncssh.HostKeyNotVerifiable as failure:
        raise OSError(f"{failure.reason}: it is not the one in {hosts}") from None
    except asyncssh.Error as failure:
        raise OSError(failure.reason) from None


def _sftp_get(hosts: HostKeys, location: SplitResult, image: Intake) -> None:
    async def fetch(sftp: "SFTPClient") -> None:
        async with sftp.open(unquote(location.path), "rb") as file:
            while piece := await file.read(_CHUNK):
                image.take(cast("bytes", piece))  # the file is open in binary mode, whatever its stub says

    _sftp(location, hosts, fetch)


def _sftp_put(hosts: HostKeys, location: SplitResult, name: str, data: bytes) -> None:
    async def store(sftp: "SFTPClient") -> None:
        async with sftp.open(_target(location, name), "wb") as file:
            await file.write(data)

    _sftp(location, hosts, store)


class _Client(NamedTuple):
    """How a protocol fetches and stores; both raise what `move` reports."""

    get: Callable[[SplitResult, Intake], None]
    put: Callable[[SplitResult, str, bytes], None]


def _sftp_client(hosts: HostKeys) -> _Client:
    return _Client(partial(_sftp_get, hosts), partial(_sftp_put, hosts))


_HTTP: Final = _Client(_http_get, _http_put)
_FTP: Final = _Client(_ftp_get, _ftp_put)
_CLIENTS: Final = {
    "http": _HTTP,
    "https": _HTTP,
    "ftp": _FTP,
    "ftps": _FTP,
}
