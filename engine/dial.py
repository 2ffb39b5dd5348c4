"""How a link reaches its central system: names, source addresses, sockets and TLS, shared by all links."""

import asyncio
import errno
import itertools
import socket
import ssl

# Locust patches `socket.socket` with gevent's, which would start a hub in the loop's thread.
from _socket import socket as NativeSocket  # noqa: N812 — a class under its own name
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final, TypeAlias, cast

import uvloop
from websockets.uri import WebSocketURI

from engine.clock import monotonic
from stations.core.events import LinkFailure
from stations.errors import PlanError

IP_BIND_ADDRESS_NO_PORT: Final = 24  # Linux: the port is chosen at connect(), when the destination is known
RESOLVED_FOR_S: Final = 60.0
UNRESOLVED_FOR_S: Final = 5.0  # a missing name is asked for by thousands of stations at once

# What this machine has run out of, which is no fault of the central system; with the mend.
_SHORT_OF: Final = {
    errno.EADDRNOTAVAIL: "source ports: give more addresses (--source-address), or widen ip_local_port_range",
    errno.EMFILE: "open files in this process: more workers (--processes), or a higher limit (ulimit -n)",
    errno.ENFILE: "open files on this machine: raise fs.file-max",
    errno.ENOBUFS: "memory for sockets: raise net.ipv4.tcp_mem",
}

Address: TypeAlias = tuple[socket.AddressFamily, tuple[str, int]]


@dataclass(frozen=True, slots=True)
class DialSettings:
    """What every link of a worker shares. Times are real seconds."""

    handshake_timeout_s: float = 30.0  # TCP, TLS and upgrade together
    close_timeout_s: float = 5.0  # from our or the peer's close frame to the end of TCP
    max_message_bytes: int = 1 << 20  # at least 64 KiB
    source_addresses: tuple[str, ...] = ()  # taken in turn: 28,232 links each to one server address
    ca_file: str | None = None  # None: the system's certificate authorities
    certificate_file: str | None = None  # client certificate, security profile 3 (SEC-2)
    key_file: str | None = None


class _LentSocket(NativeSocket):
    """A socket whose descriptor libuv has taken over.

    libuv closes the descriptor itself; a second close() could hit a file another thread has just opened
    under the same number.
    """

    def close(self) -> None:
        self.detach()


def tls_context(settings: DialSettings) -> ssl.SSLContext:
    """TLS 1.2 or newer, chain and host name verified (SEC-2); PlanError names the file that does not load."""
    try:
        context = ssl.create_default_context(cafile=settings.ca_file)
    except (OSError, ssl.SSLError) as error:
        raise PlanError(f"certificate authorities {settings.ca_file}: {error}") from None
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    if settings.certificate_file is not None:
        try:
            context.load_cert_chain(settings.certificate_file, settings.key_file)
        except (OSError, ssl.SSLError) as error:
            raise PlanError(f"client certificate {settings.certificate_file}: {error}") from None
    return context


class Dial:
    """Opens TCP and TLS for links: one TLS context, one answer per host name, source addresses in turn."""

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        settings: DialSettings,
        on_shortage: Callable[[str], object] | None = None,
    ) -> None:
        """`on_shortage` hears one line, once, of each thing that this machine runs out of."""
        self.loop: Final = loop
        self.settings: Final = settings
        self._on_shortage = on_shortage
        self._short_of: set[int] = set()
        self._native = _LentSocket if isinstance(loop, uvloop.Loop) else NativeSocket
        self._known: dict[tuple[str, int], tuple[float, asyncio.Future[list[Address]]]] = {}
        self._sources = {family: _in_turn(settings.source_addresses, family) for family in _FAMILIES}
        self._tls: ssl.SSLContext | None = None

    async def tcp(self, uri: WebSocketURI) -> socket.socket:
        """A connected socket; OSError of the last address when none answers."""
        failure: OSError = OSError(errno.EADDRNOTAVAIL, "no source address of the right family")
        for family, address in await self._resolve(uri.host, uri.port):
            try:
                return await self._connect(family, address)
            except OSError as error:
                failure = error
                self._look_for_shortage(error, address)
        raise failure

    async def transport(self, protocol: asyncio.Protocol, uri: WebSocketURI, sock: socket.socket) -> None:
        """Hand the connected socket and `protocol` to the loop, after the TLS handshake for wss."""
        if not uri.secure:
            await self.loop.create_connection(lambda: protocol, sock=sock)
            return
        if self._tls is None:
            self._tls = tls_context(self.settings)
        await self.loop.create_connection(
            lambda: protocol,
            sock=sock,
            ssl=self._tls,
            server_hostname=uri.host,
            ssl_handshake_timeout=self.settings.handshake_timeout_s,
            ssl_shutdown_timeout=self.settings.close_timeout_s,
        )

    async def _connect(self, family: socket.AddressFamily, address: tuple[str, int]) -> socket.socket:
        sock = self._native(family, socket.SOCK_STREAM)
        try:
            sock.setblocking(False)
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            source = next(self._sources[family])
            if source is not None:
                sock.setsockopt(socket.SOL_IP, IP_BIND_ADDRESS_NO_PORT, 1)
                sock.bind((source, 0))
            # Both loops need only what the C class has; the type hints ask for its Python subclass.
            await self.loop.sock_connect(cast("socket.socket", sock), address)
        except BaseException:
            NativeSocket.close(sock)
            raise
        return cast("socket.socket", sock)

    def _look_for_shortage(self, error: OSError, address: tuple[str, int]) -> None:
        number = error.errno or 0
        if number in _SHORT_OF and number not in self._short_of and self._on_shortage is not None:
            self._short_of.add(number)
            self._on_shortage(f"on the way to {address[0]}:{address[1]} we ran out of {_SHORT_OF[number]}")

    async def _resolve(self, host: str, port: int) -> list[Address]:
        """The host's addresses, asked for once and shared by everyone who waits."""
        good_until, answer = self._known.get((host, port), (0.0, None))
        if answer is None or (answer.done() and monotonic() >= good_until):
            answer = asyncio.ensure_future(self._look_up(host, port), loop=self.loop)
            self._known[host, port] = (0.0, answer)
            answer.add_done_callback(lambda done: self._keep(host, port, done))
        # Shielded: one station that gives up must not cancel the others' answer.
        return await asyncio.shield(answer)

    def _keep(self, host: str, port: int, answer: "asyncio.Future[list[Address]]") -> None:
        failed = answer.cancelled() or answer.exception() is not None
        lasts_s = UNRESOLVED_FOR_S if failed else RESOLVED_FOR_S
        self._known[host, port] = (monotonic() + lasts_s, answer)

    async def _look_up(self, host: str, port: int) -> list[Address]:
        # uvloop asks in libuv's own threads, never through an executor.
        rows = await self.loop.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        return [(family, (str(address[0]), int(address[1]))) for family, _, _, _, address in rows]


_FAMILIES: Final = (socket.AF_INET, socket.AF_INET6)


def _in_turn(sources: tuple[str, ...], family: socket.AddressFamily) -> Iterator[str | None]:
    """The source addresses of one family, for ever; None leaves the choice to the kernel."""
    fitting = [source for source in sources if (":" in source) == (family == socket.AF_INET6)]
    return itertools.cycle(fitting or [None])


def tcp_failure(error: Exception) -> LinkFailure:
    """Which fact an error before or during the TCP connection is."""
    if isinstance(error, (socket.gaierror, UnicodeError)):
        return LinkFailure.DNS
    if isinstance(error, (ConnectionRefusedError, ConnectionResetError)):
        return LinkFailure.REFUSED
    return LinkFailure.UNREACHABLE


def tls_failure(error: Exception) -> tuple[LinkFailure, str]:
    """An error in the TLS handshake, with OpenSSL's own words where there are some."""
    reason = getattr(error, "verify_message", "") or getattr(error, "reason", "") or str(error)
    return LinkFailure.TLS, str(reason or type(error).__name__)
