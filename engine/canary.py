"""A canary in each worker: a link of its own to an echo in the same loop, over loopback.

No central system is faster than one that gives a message back as it came, and no network shorter than
loopback: how long the canary waits is the floor of what this worker can measure. When it waits long, so does
everybody else's answer, and the central system is not to blame (C6).
"""

import asyncio
import contextlib
from collections.abc import Callable
from typing import Final, cast

from websockets.frames import Frame, Opcode
from websockets.http11 import Request
from websockets.protocol import State
from websockets.server import ServerProtocol

from engine.clock import monotonic
from engine.dial import Dial, DialSettings
from engine.frames import SILENT
from engine.link import SUBPROTOCOL, Link
from stations.core.events import LinkFailure

_SONG: Final = b'[2,"canary","Heartbeat",{}]'
_OPENING_S: Final = 2.0


class Canary:
    """Sings when it is told to. Used in the loop's thread."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._server: asyncio.Server | None = None
        self._link: Link | None = None
        self._up = asyncio.Event()
        self._song: tuple[float, Callable[[float], None]] | None = None  # that has no echo yet

    async def open(self) -> None:
        """Listen and connect. Where there is no loopback there is no canary, and its column stays empty."""
        with contextlib.suppress(OSError, TimeoutError):
            self._server = await self._loop.create_server(_Echo, "127.0.0.1", 0)
            port = self._server.sockets[0].getsockname()[1]
            self._link = Link(self, Dial(self._loop, DialSettings()), f"ws://127.0.0.1:{port}/canary")
            await asyncio.wait_for(self._up.wait(), _OPENING_S)

    def sing(self, heard: Callable[[float], None]) -> None:
        """One message, unless the last one is still on its way; `heard` is told how many seconds it took."""
        if self._up.is_set() and self._link is not None and self._song is None:
            self._song = (monotonic(), heard)
            self._link.send(_SONG)

    def close(self) -> None:
        """No more songs."""
        self._up.clear()
        if self._link is not None:
            self._link.drop()
        if self._server is not None:
            self._server.close()

    # The owner of its link.

    def link_up(self, _subprotocol: str | None) -> None:
        """Ready to sing."""
        self._up.set()

    def link_refused(self, _failure: LinkFailure, _detail: str) -> None:
        """No canary in this worker."""

    def link_down(self, _code: int | None, _reason: str) -> None:
        """No canary any more."""
        self._up.clear()

    def received(self, _data: bytes) -> None:
        """The echo."""
        if self._song is not None:
            (since_s, heard), self._song = self._song, None
            heard(monotonic() - since_s)

    def broke_rule(self, rule: str, detail: str, frame: bytes) -> None:
        """The echo is ours: it keeps the rules."""

    def rearm(self) -> None:
        """Its link has no deadlines that matter."""


class _Echo(asyncio.Protocol):
    """The smallest central system: what it gets, it gives back."""

    def __init__(self) -> None:
        self._framing = ServerProtocol(subprotocols=[SUBPROTOCOL], logger=SILENT)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)  # uvloop's are no instances of it

    def data_received(self, data: bytes) -> None:
        framing = self._framing
        framing.receive_data(data)
        for event in framing.events_received():
            if isinstance(event, Request):
                framing.send_response(framing.accept(event))
            elif isinstance(event, Frame) and event.opcode is Opcode.TEXT and framing.state is State.OPEN:
                framing.send_text(event.data)
        for chunk in framing.data_to_send():
            if chunk:
                self._transport.write(chunk)
