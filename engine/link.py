"""One station's WebSocket (design C3).

The link cuts the stream into frames itself and hands whole, unfragmented text frames straight to its owner.
The handshake and every other frame go to websockets' I/O-free protocol, which is made when it is needed and
dropped afterwards: keeping it would cost 3 KB per station, passing every frame through it 6-7 us.

Whatever happens on the network is a fact with a name for the owner; nothing escapes as an exception.
A link lives for one connection attempt, so a late byte of an old socket never meets the new one (WS-8).
"""

import asyncio
import os
import re
from enum import IntEnum
from typing import Final, Protocol, cast

from websockets.client import ClientProtocol
from websockets.exceptions import InvalidURI
from websockets.frames import Frame, Opcode
from websockets.http11 import Response
from websockets.protocol import Protocol as Framing
from websockets.protocol import State
from websockets.typing import Subprotocol
from websockets.uri import WebSocketURI, parse_uri

from engine.clock import monotonic
from engine.dial import Dial, tcp_failure, tls_failure
from engine.frames import SILENT, WHOLE_TEXT, control_parser, extent, hopeless, text_frame
from stations.core.events import LinkFailure

SUBPROTOCOL: Final = Subprotocol("ocpp1.6")  # WS-2
FOREVER: Final = float("inf")

_HEAD_END: Final = b"\r\n\r\n"
_STATUS_LINE: Final = re.compile(rb"HTTP/1\.[01] (?!101)(\d{3})(?: ([^\r\n]{0,80}))?\r\n")
_EVIDENCE_BYTES: Final = 256


class Owner(Protocol):
    """Whoever the link works for. One of `link_refused` or `link_down` is the last call it makes."""

    def link_up(self, subprotocol: str | None) -> None:
        """The WebSocket is open."""

    def link_refused(self, failure: LinkFailure, detail: str) -> None:
        """The attempt failed."""

    def link_down(self, code: int | None, reason: str) -> None:
        """An open WebSocket ended; `code` is the peer's close code, None when the stream just died."""

    def received(self, data: bytes) -> None:
        """One whole text message."""

    def broke_rule(self, rule: str, detail: str, frame: bytes) -> None:
        """The peer broke a transport rule; the link has dealt with it."""

    def rearm(self) -> None:
        """`deadline` of the link has moved outside a call of the owner's own."""


class Stage(IntEnum):
    """How far a link has come."""

    DIALLING = 0  # names and TCP
    SECURING = 1  # TLS
    UPGRADING = 2  # HTTP upgrade sent
    OPEN = 3
    CLOSING = 4  # our close frame went out
    LEAVING = 5  # nothing more is read; the server ends TCP (RFC 6455, 7.1.1)
    ENDED = 6


_OPEN: Final = Stage.OPEN  # an enum's members are slow to reach by name

_TOO_LATE: Final = {
    Stage.DIALLING: (LinkFailure.UNREACHABLE, "no TCP connection"),
    Stage.SECURING: (LinkFailure.TLS, "no end of the TLS handshake"),
    Stage.UPGRADING: (LinkFailure.TIMEOUT, "no answer to the upgrade"),
}


class Link(asyncio.Protocol):
    """One attempt to reach one URL, and the WebSocket that comes of it."""

    __slots__ = (
        "_authorization",
        "_dial",
        "_framing",
        "_lenient",
        "_need",
        "_owner",
        "_parts",
        "_ping",
        "_rest",
        "_task",
        "_transport",
        "_url",
        "_verdict",
        "deadline",
        "stage",
    )

    def __init__(
        self, owner: Owner, dial: Dial, url: str, authorization: str | None = None, *, lenient: bool = False
    ) -> None:
        """Start dialling. `lenient`: go on when the server selects no subprotocol (WS-2), saying None."""
        self._owner = owner
        self._dial = dial
        self._url: str | None = url
        self._authorization = authorization
        self._lenient = lenient
        self._transport: asyncio.Transport | None = None
        self._framing: ClientProtocol | Framing | None = None  # None also means: at a message boundary
        self._rest: bytearray | None = None  # a frame that has not come in whole
        self._need = 0  # bytes until it has, or until its header can be read
        self._parts: list[bytes] | None = None  # of a fragmented message
        self._ping: bytes | None = None  # payload of the ping that waits for its pong
        self._verdict: tuple[int | None, str] = (None, "")
        self.deadline = FOREVER  # real monotonic seconds
        self.stage = Stage.DIALLING
        self.deadline = monotonic() + dial.settings.handshake_timeout_s
        self._task: asyncio.Task[None] | None = dial.loop.create_task(self._connect())

    # What the owner asks for.

    def send(self, data: bytes) -> None:
        """Write one text message; it is with the kernel on return unless the peer does not read."""
        if self.stage is _OPEN:
            self._transport.write(text_frame(data))  # type: ignore[union-attr] # an open link has one

    def ping(self, timeout_s: float) -> None:
        """Ask for a sign of life (WS-5); without a pong in time the link is dead. One ping at a time."""
        if self.stage is not Stage.OPEN or self._ping is not None:
            return
        self._ping = os.urandom(4)
        framing = self._framing or self._new_framing()
        framing.send_ping(self._ping)
        self._flush(framing)
        self.deadline = monotonic() + timeout_s

    def close(self, code: int, reason: str) -> None:
        """Start the closing handshake; `link_down` follows, at the latest after the close timeout."""
        if self.stage < Stage.OPEN:
            self.drop()
            self._owner.link_refused(LinkFailure.UNREACHABLE, "given up by the station")
        elif self.stage is Stage.OPEN:
            self._framing = self._framing or self._new_framing()
            self._framing.send_close(code, reason.encode()[:123].decode(errors="ignore"))
            self._flush(self._framing)
            self._closing(Stage.CLOSING)

    def hand_to(self, owner: Owner) -> None:
        """From now on this one is told what happens."""
        self._owner = owner

    def pause(self) -> None:
        """Stop reading: what the peer sends fills the buffers between us."""
        if self._transport is not None:
            self._transport.pause_reading()

    def resume(self) -> None:
        """Read on."""
        if self._transport is not None:
            self._transport.resume_reading()

    def drop(self) -> None:
        """Abort at once and say no more: neither to the peer nor to the owner."""
        self.stage = Stage.ENDED
        self.deadline = FOREVER
        self._framing = self._rest = self._parts = None
        if self._task is not None:
            self._task.cancel()
            self._task = None
        if self._transport is not None:
            self._transport.abort()
            self._transport = None

    def on_deadline(self) -> None:
        """The owner's wheel says that `deadline` has passed."""
        if self.stage is Stage.OPEN:
            self.drop()
            self._owner.link_down(None, "no pong in time")
        elif self.stage is Stage.CLOSING or self.stage is Stage.LEAVING:
            code, reason = self._verdict
            self.drop()
            self._owner.link_down(code, reason)
        elif self.stage < Stage.OPEN:
            self._refuse(*_TOO_LATE[self.stage])

    # From dialling to an open WebSocket.

    async def _connect(self) -> None:
        failure = await self._reach()
        self._task = None
        if failure is not None and self.stage < Stage.OPEN:
            self._refuse(*failure)

    async def _reach(self) -> tuple[LinkFailure, str] | None:
        try:
            uri = parse_uri(self._url or "")
        except (InvalidURI, ValueError) as error:
            return LinkFailure.UNREACHABLE, str(error)
        try:
            sock = await self._dial.tcp(uri)
        except (OSError, UnicodeError) as error:
            return tcp_failure(error), str(error)
        self.stage = Stage.SECURING if uri.secure else Stage.UPGRADING
        self._framing = self._upgrade(uri)
        try:
            await self._dial.transport(self, uri, sock)
        except OSError as error:  # SSLError is one
            return tls_failure(error) if uri.secure else (tcp_failure(error), str(error))
        return None

    def _upgrade(self, uri: WebSocketURI) -> ClientProtocol:
        upgrade = ClientProtocol(
            uri,
            subprotocols=[SUBPROTOCOL],
            max_size=self._dial.settings.max_message_bytes,
            logger=SILENT,
        )
        request = upgrade.connect()
        if self._authorization is not None:
            request.headers["Authorization"] = self._authorization  # SEC-1
        upgrade.send_request(request)
        return upgrade

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """TCP, and TLS if any, are up: ask for the upgrade."""
        # uvloop's transports are not asyncio.Transport instances.
        self._transport = cast("asyncio.Transport", transport)
        if self.stage is Stage.ENDED or self._framing is None:
            self._transport.abort()
            return
        self.stage = Stage.UPGRADING
        self._flush(self._framing)
        self._rest = bytearray()

    def _upgrading(self, data: bytes) -> None:
        """Bytes of the HTTP answer. We find its end: what follows is cut by us, not by websockets."""
        upgrade = cast("ClientProtocol", self._framing)
        head = cast("bytearray", self._rest)
        fed = len(head)
        head += data
        end = head.find(_HEAD_END, max(0, fed - 3))
        if end < 0:
            upgrade.receive_data(data)
        else:
            refusal = _STATUS_LINE.match(head)
            if refusal is not None:  # its body may never end, and says nothing a status does not
                status, phrase = refusal.groups(b"")
                self._refuse(LinkFailure.HTTP, f"{status.decode()} {phrase.decode('latin-1')}".strip())
                return
            end += len(_HEAD_END)
            upgrade.receive_data(head[fed:end])
        if upgrade.handshake_exc is not None:
            self._refuse(*_handshake_failure(upgrade))
        elif upgrade.state is State.OPEN:
            self._opened(upgrade.subprotocol, bytes(head[end:]))

    def _opened(self, subprotocol: str | None, rest: bytes) -> None:
        if subprotocol is None and not self._lenient:
            self._refuse(LinkFailure.SUBPROTOCOL, "the server selected no subprotocol")
            return
        self._framing = self._rest = self._url = self._authorization = None
        self.deadline = FOREVER
        self.stage = Stage.OPEN
        self._owner.link_up(subprotocol)
        if rest and self.stage is Stage.OPEN:
            self.data_received(rest)

    def _refuse(self, failure: LinkFailure, detail: str) -> None:
        self.drop()
        self._owner.link_refused(failure, detail)

    # Frames.

    def data_received(self, data: bytes) -> None:
        """Bytes of the peer, cut anywhere."""
        # The usual case by far: the segment is one whole text frame and nothing else is going on.
        if self._rest is None and self._framing is None:
            size = len(data)
            if size > 4 and data[0] == WHOLE_TEXT:
                length = data[1]
                if length < 126:
                    if length == size - 2:
                        self._owner.received(data[2:])
                        return
                elif length == 126 and data[2] << 8 | data[3] == size - 4:
                    self._owner.received(data[4:])
                    return
        if self.stage is Stage.UPGRADING:
            self._upgrading(data)
        elif self.stage <= Stage.CLOSING:
            self._collect(data)

    def _collect(self, data: bytes) -> None:
        rest = self._rest
        if rest is not None:
            rest += data
            if len(rest) < self._need:
                return
            data = bytes(rest)
            self._rest = None
        self._cut(data)

    def _cut(self, data: bytes) -> None:
        """Hand over every whole frame; keep the beginning of the next one.

        An incomplete header is never handed over: a reader with an empty buffer may stand in mid-frame.
        """
        limit = self._dial.settings.max_message_bytes
        start, size = 0, len(data)
        while self.stage is Stage.OPEN or self.stage is Stage.CLOSING:
            body, end = extent(data, start, size)
            if end - body > limit or hopeless(data, start, size):
                self._framed(data[start:])  # websockets fails the connection for it, without the payload
                return
            if end > size:
                if start < size:
                    self._rest = bytearray(data[start:])
                    self._need = end - start
                return
            if data[start] == WHOLE_TEXT and self._framing is None:
                self._owner.received(data[body:end])
            else:
                self._framed(data[start:end])
            start = end

    def _new_framing(self) -> Framing:
        return control_parser(self._dial.settings.max_message_bytes)

    def _framed(self, frame: bytes) -> None:
        """A frame that is not a whole text message: control, fragment, binary, or against the rules."""
        framing = self._framing = self._framing or self._new_framing()
        framing.receive_data(frame)
        self._flush(framing)
        for event in framing.events_received():
            self._take(cast("Frame", event))
        if framing.close_rcvd is not None or framing.parser_exc is not None:
            self._ended_by_frame(framing, frame)
        elif framing.current_size is None and self.stage is Stage.OPEN:
            self._framing = None

    def _take(self, frame: Frame) -> None:
        if frame.opcode is Opcode.PONG:
            if frame.data == self._ping and self.stage is Stage.OPEN:
                self._ping = None
                self.deadline = FOREVER
        elif frame.opcode is Opcode.BINARY:  # its continuations find no parts to join
            self._owner.broke_rule("WS-4", "binary message", bytes(frame.data[:_EVIDENCE_BYTES]))
        elif self.stage is Stage.OPEN and frame.opcode is Opcode.TEXT:  # always a first fragment here
            self._parts = [bytes(frame.data)]
        elif frame.opcode is Opcode.CONT and self._parts is not None:
            self._parts.append(bytes(frame.data))
            if frame.fin:
                message, self._parts = b"".join(self._parts), None
                self._owner.received(message)

    def _ended_by_frame(self, framing: Framing, frame: bytes) -> None:
        if framing.close_rcvd is not None and framing.parser_exc is None:
            self._verdict = (framing.close_rcvd.code, framing.close_rcvd.reason)
        else:  # 7.1.7: we failed the connection
            self._verdict = (None, f"broken frame: {framing.parser_exc}")
            self._owner.broke_rule("RFC 6455", str(framing.parser_exc), frame[:_EVIDENCE_BYTES])
        self._closing(Stage.LEAVING)
        self._owner.rearm()

    def _closing(self, stage: Stage) -> None:
        # A server that does not end TCP is cut off by the deadline; our close and its echo share one.
        if self.stage is Stage.OPEN:
            self.deadline = monotonic() + self._dial.settings.close_timeout_s
            self._rest = self._parts = None
        self.stage = stage

    def _flush(self, framing: Framing) -> None:
        for chunk in framing.data_to_send():
            if chunk and self._transport is not None:  # b"" asks for a half close: the peer's EOF is enough
                self._transport.write(chunk)

    def connection_lost(self, exc: Exception | None) -> None:
        """TCP is gone."""
        stage, (code, reason) = self.stage, self._verdict
        if stage is Stage.ENDED:
            return
        self._transport = None
        self.drop()
        if stage < Stage.OPEN:
            reset = isinstance(exc, ConnectionResetError)
            failure = LinkFailure.REFUSED if reset else LinkFailure.HANDSHAKE
            self._owner.link_refused(failure, str(exc or "the server hung up during the handshake"))
        elif stage is Stage.OPEN:
            self._owner.link_down(None, str(exc or "the server hung up without a close frame"))
        else:
            self._owner.link_down(code, reason)


def _handshake_failure(upgrade: ClientProtocol) -> tuple[LinkFailure, str]:
    """Which fact a broken 101 is (WS-2, WS-3)."""
    error = upgrade.handshake_exc
    detail = str(error) if error is None or error.__cause__ is None else f"{error}: {error.__cause__}"
    for event in upgrade.events_received():
        if isinstance(event, Response):
            selected = event.headers.get_all("Sec-WebSocket-Protocol")
            if selected and selected != [SUBPROTOCOL]:
                return LinkFailure.SUBPROTOCOL, detail
    return LinkFailure.HANDSHAKE, detail
