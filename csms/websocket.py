"""One station's WebSocket on the server's side: an asyncio.Protocol around websockets' I/O-free core.

Whole unfragmented text frames, which is nearly all there is, are cut and unmasked here and delivered
directly. The handshake and every other frame go to websockets' own protocol objects, which exist only while
they are needed: an idle connection costs neither a task nor a buffer. Nothing here has a timer; `check` is
called for every socket about once a second.
"""

import asyncio
import logging
import time
from enum import Enum
from http import HTTPStatus
from typing import Final, Protocol, cast

from msgspec import Struct
from websockets.frames import CloseCode, Opcode
from websockets.frames import Frame as WebSocketFrame
from websockets.http11 import Request, Response
from websockets.protocol import Protocol as WebSocketProtocol
from websockets.protocol import Side, State
from websockets.server import ServerProtocol

try:
    from websockets.speedups import apply_mask
except ImportError:  # no compiled extension for this platform
    from websockets.utils import apply_mask

SUBPROTOCOL: Final = "ocpp1.6"
MAX_MESSAGE_BYTES: Final = 1 << 20
MAX_HANDSHAKE_BYTES: Final = 16_384
HANDSHAKE_TIMEOUT_S: Final = 10.0
CLOSE_TIMEOUT_S: Final = 3.0
PONG_TIMEOUT_S: Final = 20.0
WRITE_BUFFER_BYTES: Final = 256 * 1024  # beyond it a station that does not read is not read either

_FINAL_TEXT: Final = 0x80 | Opcode.TEXT
_log = logging.getLogger("csms.websocket")
_log.setLevel(logging.ERROR)  # one line per connection is no use at ten thousand of them


class Verdict(Struct):
    """What to do with an upgrade request; `status` 101 lets the station in."""

    station: str
    status: int = 101
    text: str = ""
    echo_subprotocol: bool = True


class Listener(Protocol):
    """What is spoken over the socket."""

    def received(self, data: bytes) -> None:
        """One whole message came in."""

    def closed(self, code: int | None, reason: str) -> None:
        """The connection is gone; `code` None when the TCP stream just ended."""


class Door(Protocol):
    """Who decides about new sockets."""

    sockets: set["StationSocket"]
    ping_interval_s: float

    def judge(self, request: Request) -> Verdict:
        """Let the station in or not."""

    def opened(self, socket: "StationSocket", verdict: Verdict, subprotocol: str | None) -> Listener:
        """The handshake is done."""

    def refused(self, verdict: Verdict) -> None:
        """The handshake was answered with another status than 101."""


class Phase(Enum):
    """The life of a socket."""

    HANDSHAKE = 0
    OPEN = 1
    CLOSING = 2


class StationSocket(asyncio.Protocol):
    """See the module; `send`, `close` and `abort` are for the listener."""

    __slots__ = (
        "_buffer",
        "_core",
        "_door",
        "_fragments",
        "_heard_s",
        "_listener",
        "_phase",
        "_pinged_s",
        "_since_s",
        "_transport",
    )

    def __init__(self, door: Door) -> None:
        self._door = door
        self._buffer = b""
        self._core: WebSocketProtocol | None = None
        self._fragments: list[bytes] | None = None
        self._listener: Listener | None = None
        self._phase = Phase.HANDSHAKE
        self._since_s = self._heard_s = time.monotonic()
        self._pinged_s = 0.0
        self._transport: asyncio.Transport

    # ---- asyncio

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """TCP (and TLS) is up."""
        self._transport = cast("asyncio.Transport", transport)  # uvloop's is no subclass
        self._transport.set_write_buffer_limits(WRITE_BUFFER_BYTES)
        self._door.sockets.add(self)

    def data_received(self, data: bytes) -> None:
        """Bytes from the station."""
        self._heard_s = time.monotonic()
        if self._buffer:
            data = self._buffer + data
            self._buffer = b""
        if self._phase is Phase.HANDSHAKE:
            data = self._shake_hands(data)
        if data:
            self._cut(data)

    def connection_lost(self, exc: Exception | None) -> None:
        """The TCP stream is gone, politely or not."""
        self._door.sockets.discard(self)
        listener, self._listener = self._listener, None
        if listener is not None:
            rcvd = self._core.close_rcvd if self._core is not None else None
            listener.closed(rcvd.code if rcvd else None, rcvd.reason if rcvd else str(exc or ""))

    def pause_writing(self) -> None:
        """The station does not read our answers: stop reading its calls."""
        self._transport.pause_reading()

    def resume_writing(self) -> None:
        """It does again."""
        self._transport.resume_reading()

    # ---- for the listener and the door

    def send(self, data: bytes) -> None:
        """One text message; silently dropped once the socket is closing."""
        if self._phase is not Phase.OPEN:
            return
        size = len(data)
        if size < 126:
            head = bytes((_FINAL_TEXT, size))
        elif size < 65_536:
            head = b"\x81\x7e" + size.to_bytes(2, "big")
        else:
            head = b"\x81\x7f" + size.to_bytes(8, "big")
        self._transport.write(head + data)

    def close(self, code: int, reason: str = "") -> None:
        """Begin the closing handshake; the socket is cut when the station does not answer it in time."""
        if self._phase is Phase.HANDSHAKE:
            self.abort()
        elif self._phase is Phase.OPEN:
            core = self._frame_core()
            core.send_close(code, reason)
            self._begin_closing()
            self._flush(core)

    def abort(self) -> None:
        """Cut the connection without another word."""
        self._begin_closing()
        self._transport.abort()

    def check(self, now_s: float) -> None:
        """Keep the time limits: handshake, closing, and a silent station (JE3.9)."""
        if self._phase is Phase.HANDSHAKE:
            if now_s - self._since_s > HANDSHAKE_TIMEOUT_S:
                self.abort()
        elif self._phase is Phase.CLOSING:
            if now_s - self._since_s > CLOSE_TIMEOUT_S:
                self._transport.abort()
        elif self._door.ping_interval_s and now_s - self._heard_s > self._door.ping_interval_s:
            self._ping_or_give_up(now_s)

    # ---- handshake

    def _shake_hands(self, data: bytes) -> bytes:
        """Answer the upgrade request; what came after it."""
        end = data.find(b"\r\n\r\n") + 4
        if end < 4:
            if len(data) > MAX_HANDSHAKE_BYTES:
                self.abort()
            else:
                self._buffer = data
            return b""
        # The subprotocol is the verdict's business, after websockets has checked the rest of the request.
        core = ServerProtocol(max_size=MAX_MESSAGE_BYTES, logger=_log)
        core.receive_data(data[:end])
        events = core.events_received()
        if not events or not isinstance(events[0], Request):
            self._flush(core)  # not HTTP: websockets has put the answer together
            self.abort()
            return b""
        return data[end:] if self._answer_upgrade(core, events[0]) else b""

    def _answer_upgrade(self, core: ServerProtocol, request: Request) -> bool:
        verdict = self._door.judge(request)
        response = core.accept(request) if verdict.status == 101 else _refusal(core, verdict)
        subprotocol = None
        if response.status_code == 101 and verdict.echo_subprotocol and _offers_ocpp(request):
            response.headers["Sec-WebSocket-Protocol"] = subprotocol = SUBPROTOCOL
        core.send_response(response)
        if response.status_code != 101:
            verdict.status = response.status_code
            self._begin_closing()
            self._flush(core)
            self._door.refused(verdict)
            return False
        self._flush(core)
        self._phase = Phase.OPEN
        self._listener = self._door.opened(self, verdict, subprotocol)
        return True

    # ---- frames

    def _cut(self, data: bytes) -> None:
        """Deliver whole text frames; hand every other whole frame to websockets' parser."""
        at, end = 0, len(data)
        while end - at >= 2:
            head, size = data[at], data[at + 1]
            body = at + 6
            if size == 0xFE:
                body = at + 8
                size = int.from_bytes(data[at + 2 : at + 4], "big")
            elif size == 0xFF:
                body = at + 14
                size = int.from_bytes(data[at + 2 : at + 10], "big")
            else:
                size &= 0x7F
            if not data[at + 1] & 0x80 or head & 0x70 or (body <= end and size > MAX_MESSAGE_BYTES):
                self._feed(data[at:])  # a frame that breaks RFC 6455: websockets says how to fail (§7.1.7)
                return
            if end < body + size:
                break
            if head == _FINAL_TEXT and self._fragments is None and self._phase is Phase.OPEN:
                self._deliver(apply_mask(data[body : body + size], data[body - 4 : body]))
            else:
                self._feed(data[at : body + size])
            at = body + size
        self._buffer = data[at:]

    def _deliver(self, message: bytes) -> None:
        if self._listener is not None:
            self._listener.received(message)

    def _feed(self, data: bytes) -> None:
        """Let websockets handle control frames, fragments, binary and broken frames."""
        core = self._frame_core()
        core.receive_data(data)
        for event in core.events_received():
            if isinstance(event, WebSocketFrame):
                self._take(event)
        if core.state is not State.OPEN:
            self._begin_closing()
        self._flush(core)
        if self._phase is Phase.OPEN and self._fragments is None:
            self._core = None

    def _take(self, frame: WebSocketFrame) -> None:
        """One frame that websockets' parser let through; it has answered pings and closes itself."""
        if frame.opcode is Opcode.BINARY:
            self.close(CloseCode.UNSUPPORTED_DATA, "OCPP-J is text")  # WS-4
        elif frame.opcode is Opcode.TEXT or (frame.opcode is Opcode.CONT and self._fragments is not None):
            self._fragments = [*(self._fragments or ()), bytes(frame.data)]
            if frame.fin:
                message, self._fragments = b"".join(self._fragments), None
                if self._phase is Phase.OPEN:
                    self._deliver(message)

    def _frame_core(self) -> WebSocketProtocol:
        if self._core is None:
            self._core = WebSocketProtocol(
                Side.SERVER, state=State.OPEN, max_size=MAX_MESSAGE_BYTES, logger=_log
            )
        return self._core

    def _flush(self, core: WebSocketProtocol) -> None:
        for chunk in core.data_to_send():
            if chunk:
                self._transport.write(chunk)
            else:
                self._transport.close()  # the server ends TCP first (RFC 6455 §7.1.1)

    def _begin_closing(self) -> None:
        if self._phase is not Phase.CLOSING:
            self._phase = Phase.CLOSING
            self._since_s = time.monotonic()

    def _ping_or_give_up(self, now_s: float) -> None:
        if self._pinged_s <= self._heard_s:
            self._pinged_s = now_s
            self._transport.write(bytes((0x80 | Opcode.PING, 0)))
        elif now_s - self._pinged_s > PONG_TIMEOUT_S:
            self.abort()


def _offers_ocpp(request: Request) -> bool:
    offered = ",".join(request.headers.get_all("Sec-WebSocket-Protocol"))
    return SUBPROTOCOL in (name.strip() for name in offered.split(","))


def _refusal(core: ServerProtocol, verdict: Verdict) -> Response:
    response = core.reject(HTTPStatus(verdict.status), verdict.text + "\n")
    if verdict.status == HTTPStatus.UNAUTHORIZED:
        response.headers["WWW-Authenticate"] = 'Basic realm="ocpp", charset="UTF-8"'
    return response
