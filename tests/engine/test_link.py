"""The link against a scripted server on loopback: every robustness case, on uvloop and on stock asyncio."""

import asyncio
import contextlib
import errno
import itertools
import socket
import ssl
import struct
import subprocess
from base64 import b64encode
from hashlib import sha1
from pathlib import Path

import pytest
import uvloop
from hypothesis import given, settings
from hypothesis import strategies as st
from websockets.frames import Frame, Opcode
from websockets.protocol import SERVER
from websockets.protocol import Protocol as Framing

from engine.clock import monotonic
from engine.dial import Dial, DialSettings, tls_context
from engine.frames import text_frame
from engine.link import FOREVER, Link, Stage
from stations.core.events import LinkFailure
from stations.errors import PlanError

pytestmark = pytest.mark.realnet
ON_BOTH_LOOPS = pytest.mark.parametrize(
    "new_loop", [uvloop.new_event_loop, asyncio.new_event_loop], ids=["uvloop", "asyncio"]
)
PATIENCE_S = 10.0
ECHOED = b"Sec-WebSocket-Protocol: ocpp1.6\r\n"


class Witness:
    """Owner that writes down what the link says."""

    def __init__(self):
        self.said = []
        self.findings = []
        self.rearmed = 0
        self.changed = asyncio.Event()
        self.on_up = lambda: None

    def _say(self, *fact):
        self.said.append(fact)
        self.changed.set()

    def link_up(self, subprotocol):
        self._say("up", subprotocol)
        self.on_up()

    def link_refused(self, failure, detail):
        self._say("refused", failure, detail)

    def link_down(self, code, reason):
        self._say("down", code, reason)

    def received(self, data):
        assert type(data) is bytes
        self._say("text", data)

    def broke_rule(self, rule, detail, frame):
        self.findings.append((rule, detail, frame))

    def rearm(self):
        self.rearmed += 1

    def texts(self):
        return [fact[1] for fact in self.said if fact[0] == "text"]

    async def until(self, count):
        async with asyncio.timeout(PATIENCE_S):
            while len(self.said) < count:
                self.changed.clear()
                await self.changed.wait()
        return self.said


class Server:
    """The other end: raw bytes in and out."""

    def __init__(self, reader, writer):
        self.reader = reader
        self.writer = writer
        self.request = b""

    async def upgrade(
        self, *, protocol=b"Sec-WebSocket-Protocol: ocpp1.6\r\n", extra=b"", accept=None, tail=b""
    ):
        self.request = await self.reader.readuntil(b"\r\n\r\n")
        key = next(
            line.split(b": ")[1]
            for line in self.request.split(b"\r\n")
            if line.lower().startswith(b"sec-websocket-key")
        )
        good = b64encode(sha1(key + b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11").digest())
        self.writer.write(
            b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            b"Sec-WebSocket-Accept: " + (accept or good) + b"\r\n" + protocol + extra + b"\r\n" + tail
        )

    async def answer(self, status):
        self.request = await self.reader.readuntil(b"\r\n\r\n")
        self.writer.write(status)

    async def frame(self):
        """(first byte, unmasked payload) of the client's next frame; b"" at the end."""
        head = await self.reader.readexactly(2)
        assert head[1] & 0x80, "a client masks every frame"
        length = head[1] & 0x7F
        if length == 126:
            (length,) = struct.unpack("!H", await self.reader.readexactly(2))
        elif length == 127:
            (length,) = struct.unpack("!Q", await self.reader.readexactly(8))
        mask = await self.reader.readexactly(4)
        data = await self.reader.readexactly(length)
        return head[0], bytes(byte ^ mask[i % 4] for i, byte in enumerate(data)) if length < 1000 else data

    async def slowly(self, data):
        for i in range(len(data)):
            self.writer.write(data[i : i + 1])
            await self.writer.drain()
            if i % 8 == 0:
                await asyncio.sleep(0.001)

    def reset(self):
        sock = self.writer.get_extra_info("socket")
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.writer.transport.abort()


def plain(opcode, data=b"", fin=True):
    return Frame(opcode, data, fin).serialize(mask=False)


def text(data):
    return plain(Opcode.TEXT, data)


class Scene:
    """One link against one scripted server."""

    def __init__(self, new_loop, script, **options):
        self.new_loop = new_loop
        self.script = script
        self.options = options

    def play(self, act):
        with asyncio.Runner(loop_factory=self.new_loop) as runner:
            return runner.run(self._play(act))

    async def _play(self, act):
        loop = asyncio.get_running_loop()
        complaints = []
        loop.set_exception_handler(lambda _, context: complaints.append(context))
        ended = loop.create_future()

        async def serve(reader, writer):
            server = Server(reader, writer)
            try:
                await self.script(server)
            except (asyncio.IncompleteReadError, ConnectionError) as error:
                outcome = error
            else:
                outcome = None
            if not ended.done():
                ended.set_result(outcome)
            writer.close()

        tls = self.options.get("server_tls")
        listener = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=tls, limit=1 << 25)
        port = listener.sockets[0].getsockname()[1]
        given_settings = self.options.get(
            "settings", DialSettings(handshake_timeout_s=5.0, close_timeout_s=5.0)
        )
        dial = Dial(loop, given_settings)
        witness = Witness()
        scheme = "wss" if tls else "ws"
        url = self.options.get("url", "{scheme}://{host}:{port}/ocpp/GU-1").format(
            scheme=scheme, host=self.options.get("host", "127.0.0.1"), port=port
        )
        link = Link(
            witness, dial, url, self.options.get("authorization"), lenient=self.options.get("lenient", False)
        )
        clock = loop.create_task(self._keep_time(link))
        try:
            async with asyncio.timeout(PATIENCE_S):
                await act(link, witness)
                self.server_end = await ended if self.options.get("join", True) else None
        finally:
            clock.cancel()
            link.drop()
            listener.close()
            await asyncio.sleep(0)
        assert complaints == []
        return witness

    @staticmethod
    async def _keep_time(link):
        while True:
            await asyncio.sleep(0.005)
            if monotonic() >= link.deadline:
                link.on_deadline()


async def settled(link, witness):
    """Wait for the link's last word."""
    while not any(fact[0] in {"down", "refused"} for fact in witness.said):
        await witness.until(len(witness.said) + 1)


# Opening.


@ON_BOTH_LOOPS
def test_the_upgrade_offers_ocpp16_and_nothing_else(new_loop):
    """WS-1, WS-2, WS-9: the URL as it stands, subprotocol ocpp1.6, no extension offered."""
    seen = {}

    async def script(server):
        await server.upgrade()
        seen["request"] = server.request
        await server.frame()

    async def act(link, witness):
        await witness.until(1)
        link.close(1000, "")

    witness = Scene(new_loop, script).play(act)
    assert witness.said[0] == ("up", "ocpp1.6")
    assert seen["request"].startswith(b"GET /ocpp/GU-1 HTTP/1.1\r\n")
    assert b"Sec-WebSocket-Protocol: ocpp1.6\r\n" in seen["request"]
    assert b"Extensions" not in seen["request"]
    assert b"Authorization" not in seen["request"]  # SEC-1, profile 0


@ON_BOTH_LOOPS
def test_basic_authorization_goes_out_as_given(new_loop):
    """SEC-1: the header's value is the core's business."""
    seen = {}

    async def script(server):
        await server.upgrade()
        seen["request"] = server.request

    async def act(link, witness):
        await settled(link, witness)

    Scene(new_loop, script, authorization="Basic QUwxMDAwOgABAgM=").play(act)
    assert b"Authorization: Basic QUwxMDAwOgABAgM=\r\n" in seen["request"]


@ON_BOTH_LOOPS
@pytest.mark.parametrize(
    ("status", "detail"),
    [
        (b"HTTP/1.1 404 Not Found\r\nContent-Length: 5\r\n\r\nnope!", "404 Not Found"),
        (
            b"HTTP/1.1 401 Unauthorized\r\nWWW-Authenticate: Basic\r\n\r\n",
            "401 Unauthorized",
        ),  # body never ends
        (b"HTTP/1.0 503\r\n\r\n", "503"),
    ],
)
def test_a_refused_upgrade_is_a_fact_with_its_status(new_loop, status, detail):
    """WS-3"""

    async def script(server):
        await server.answer(status)
        await server.reader.read()

    witness = Scene(new_loop, script).play(settled)
    assert witness.said == [("refused", LinkFailure.HTTP, detail)]


@ON_BOTH_LOOPS
@pytest.mark.parametrize(
    ("options", "failure"),
    [
        ({"accept": b"AAAAAAAAAAAAAAAAAAAAAAAAAAA="}, LinkFailure.HANDSHAKE),
        ({"extra": b"Sec-WebSocket-Extensions: permessage-deflate\r\n"}, LinkFailure.HANDSHAKE),
        ({"protocol": b"Sec-WebSocket-Protocol: ocpp2.0.1\r\n"}, LinkFailure.SUBPROTOCOL),
        ({"protocol": b"Sec-WebSocket-Protocol: ocpp1.6, ocpp2.0.1\r\n"}, LinkFailure.SUBPROTOCOL),
        ({"protocol": b""}, LinkFailure.SUBPROTOCOL),
    ],
)
def test_a_101_that_breaks_the_rules_is_refused_by_name(new_loop, options, failure):
    """WS-2: no OCPP without the echoed subprotocol."""

    async def script(server):
        await server.upgrade(**options)
        assert await server.reader.read() == b""

    witness = Scene(new_loop, script).play(settled)
    assert [fact[:2] for fact in witness.said] == [("refused", failure)]


@ON_BOTH_LOOPS
def test_a_lenient_link_goes_on_without_a_subprotocol(new_loop):
    """WS-2, `--subprotocol lenient`"""

    async def script(server):
        await server.upgrade(protocol=b"", tail=text(b"[]"))
        await server.reader.read()

    async def act(link, witness):
        await witness.until(2)
        link.drop()

    assert Scene(new_loop, script, lenient=True).play(act).said == [("up", None), ("text", b"[]")]


@ON_BOTH_LOOPS
@pytest.mark.parametrize("garbage", [b"", b"HTTP/1.1 101 Swi", b"SSH-2.0-OpenSSH_9.6\r\n", b"\x00" * 20_000])
def test_garbage_or_the_end_in_the_handshake_is_a_handshake_failure(new_loop, garbage):
    """WS-3"""

    async def script(server):
        await server.answer(garbage)

    witness = Scene(new_loop, script).play(settled)
    assert [fact[:2] for fact in witness.said] == [("refused", LinkFailure.HANDSHAKE)]


@ON_BOTH_LOOPS
def test_a_reset_in_the_handshake_is_a_refusal(new_loop):
    async def script(server):
        await server.reader.readuntil(b"\r\n\r\n")
        server.reset()

    witness = Scene(new_loop, script).play(settled)
    assert [fact[:2] for fact in witness.said] == [("refused", LinkFailure.REFUSED)]


@ON_BOTH_LOOPS
def test_an_upgrade_without_an_answer_times_out(new_loop):
    async def script(server):
        await server.reader.read()

    quick = DialSettings(handshake_timeout_s=0.05)
    witness = Scene(new_loop, script, settings=quick).play(settled)
    assert [fact[:2] for fact in witness.said] == [("refused", LinkFailure.TIMEOUT)]


@ON_BOTH_LOOPS
def test_nobody_listening_is_a_refusal(new_loop):
    """WS-3"""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        url = f"ws://127.0.0.1:{free.getsockname()[1]}/GU-1"
        witness = Scene(new_loop, None, url=url, join=False).play(settled)
    assert [fact[:2] for fact in witness.said] == [("refused", LinkFailure.REFUSED)]


@ON_BOTH_LOOPS
@pytest.mark.parametrize(
    ("url", "failure"),
    [
        ("ws://no-such-host.invalid/GU-1", LinkFailure.DNS),
        ("ws://" + "x" * 70 + ".invalid/GU-1", LinkFailure.DNS),
        ("http://127.0.0.1/GU-1", LinkFailure.UNREACHABLE),
        ("ws://127.0.0.1:99999/GU-1", LinkFailure.UNREACHABLE),
    ],
)
def test_a_name_that_does_not_resolve_and_a_url_that_is_none_are_facts(new_loop, url, failure):
    """WS-3"""
    witness = Scene(new_loop, None, url=url, join=False).play(settled)
    assert [fact[:2] for fact in witness.said] == [("refused", failure)]


@ON_BOTH_LOOPS
def test_every_source_address_is_used_in_turn(new_loop):
    sources = ("127.0.0.2", "127.0.0.3")

    async def go():
        peers = []
        loop = asyncio.get_running_loop()

        def note(_, writer):
            peers.append(writer.get_extra_info("peername")[0])
            writer.close()

        listener = await asyncio.start_server(note, "127.0.0.1", 0)
        url = f"ws://127.0.0.1:{listener.sockets[0].getsockname()[1]}/"
        dial = Dial(loop, DialSettings(source_addresses=sources))
        for _ in range(4):
            witness = Witness()
            await settled(Link(witness, dial, url), witness)
        listener.close()
        return peers

    with asyncio.Runner(loop_factory=new_loop) as runner:
        assert runner.run(go()) == ["127.0.0.2", "127.0.0.3", "127.0.0.2", "127.0.0.3"]


@pytest.mark.parametrize(
    ("number", "words"),
    [
        (errno.EADDRNOTAVAIL, "source ports: give more addresses"),
        (errno.EMFILE, "open files in this process"),
    ],
)
def test_what_this_machine_runs_out_of_is_told_once(monkeypatch, number, words):
    async def go():
        told = []
        loop = asyncio.get_running_loop()
        dial = Dial(loop, DialSettings(), told.append)

        async def exhausted(_family, _address):
            raise OSError(number, "none left")

        monkeypatch.setattr(dial, "_connect", exhausted)
        for _ in range(3):
            witness = Witness()
            await settled(Link(witness, dial, "ws://127.0.0.1:9000/GU-1"), witness)
            assert witness.said[0][:2] == ("refused", LinkFailure.UNREACHABLE)
        return told

    told = asyncio.run(go())
    assert len(told) == 1
    assert f"on the way to 127.0.0.1:9000 we ran out of {words}" in told[0]


def test_one_lookup_serves_all_links_that_wait(monkeypatch):
    async def go():
        loop = asyncio.get_running_loop()
        asked = []

        class CountingLoop:
            def __getattr__(self, name):
                return getattr(loop, name)

            async def getaddrinfo(self, host, port, **_):
                asked.append(host)
                await asyncio.sleep(0.01)
                return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", port))]

        dial = Dial(loop, DialSettings())
        dial.loop = CountingLoop()
        answers = await asyncio.gather(*(dial._resolve("csms.example", 9000) for _ in range(5)))
        answers.append(await dial._resolve("csms.example", 9000))
        assert answers == [[(socket.AF_INET, ("127.0.0.1", 9000))]] * 6
        return asked

    assert asyncio.run(go()) == ["csms.example"]


# Frames.


@ON_BOTH_LOOPS
def test_a_ping_is_answered_and_a_close_is_echoed(new_loop):
    """WS-4"""
    frames = []

    async def script(server):
        await server.upgrade()
        server.writer.write(plain(Opcode.PING, b"alive?"))
        frames.append(await server.frame())
        server.writer.write(plain(Opcode.CLOSE, struct.pack("!H", 1008) + b"unknown station"))
        frames.append(await server.frame())

    witness = Scene(new_loop, script).play(settled)
    assert frames == [(0x8A, b"alive?"), (0x88, struct.pack("!H", 1008) + b"unknown station")]
    assert witness.said == [("up", "ocpp1.6"), ("down", 1008, "unknown station")]
    assert witness.rearmed == 1


@ON_BOTH_LOOPS
def test_our_close_waits_for_the_echo(new_loop):
    frames = []

    async def script(server):
        await server.upgrade()
        frames.append(await server.frame())
        server.writer.write(text(b"too late") + plain(Opcode.CLOSE, frames[0][1]))

    async def act(link, witness):
        await witness.until(1)
        link.close(1000, "off for the night" * 20)
        link.send(b"never sent")
        await settled(link, witness)

    witness = Scene(new_loop, script).play(act)
    assert frames[0][0] == 0x88
    assert frames[0][1][:2] == struct.pack("!H", 1000)
    assert len(frames[0][1]) == 125  # a control frame holds no more
    assert witness.said[1][:2] == ("down", 1000)
    assert len(witness.said) == 2


@ON_BOTH_LOOPS
def test_a_peer_that_ignores_our_close_is_cut_off(new_loop):
    async def script(server):
        await server.upgrade()
        await server.reader.read()

    async def act(link, witness):
        await witness.until(1)
        link.close(1000, "")
        await settled(link, witness)

    quick = DialSettings(close_timeout_s=0.05)
    witness = Scene(new_loop, script, settings=quick).play(act)
    assert witness.said[1] == ("down", None, "")


MESSAGE = b'[3,"1",{"status":"\x81\x81\x88\x8a"}]'


@ON_BOTH_LOOPS
@pytest.mark.parametrize("piecemeal", [False, True])
@pytest.mark.parametrize(
    ("stream", "messages"),
    [
        (text(b"one") + text(b"two") + text(b"") + text(b"x" * 300), [b"one", b"two", b"", b"x" * 300]),
        (
            plain(Opcode.TEXT, MESSAGE[:5], fin=False)
            + plain(Opcode.PING, b"in between")
            + plain(Opcode.CONT, MESSAGE[5:9], fin=False)
            + plain(Opcode.CONT, MESSAGE[9:])
            + text(b"after"),
            [MESSAGE, b"after"],
        ),
        (text(text(b"a frame in a frame")) + text(b"after"), [text(b"a frame in a frame"), b"after"]),
        (plain(Opcode.PONG, b"unasked") + text(MESSAGE), [MESSAGE]),
    ],
    ids=["coalesced", "fragments with a ping", "payload looks like a frame", "unasked pong"],
)
def test_the_cut_of_the_stream_does_not_matter(new_loop, piecemeal, stream, messages):
    async def script(server):
        await server.upgrade()
        if piecemeal:
            await server.slowly(stream)
        else:
            server.writer.write(stream)
        with contextlib.suppress(asyncio.IncompleteReadError):
            while True:
                await server.frame()

    async def act(link, witness):
        await witness.until(1 + len(messages))
        assert link.stage is Stage.OPEN
        assert link._framing is None  # dropped between uses
        link.drop()

    assert Scene(new_loop, script).play(act).texts() == messages


@ON_BOTH_LOOPS
def test_the_first_frame_may_come_with_the_handshake_and_its_rest_later(new_loop):
    async def script(server):
        await server.upgrade(tail=text(b"at once") + text(MESSAGE)[:3])
        await server.writer.drain()
        await asyncio.sleep(0.02)
        server.writer.write(text(MESSAGE)[3:])
        await server.reader.read()

    async def act(link, witness):
        await witness.until(3)
        link.drop()

    assert Scene(new_loop, script).play(act).texts() == [b"at once", MESSAGE]


@ON_BOTH_LOOPS
def test_a_handshake_may_come_byte_by_byte(new_loop):
    async def script(server):
        class Slow:
            def write(self, data):
                self.data = data

        slow = Slow()
        writer, server.writer = server.writer, slow
        await server.upgrade(tail=text(b"first"))
        server.writer = writer
        await server.slowly(slow.data)
        await server.reader.read()

    async def act(link, witness):
        await witness.until(2)
        link.drop()

    assert Scene(new_loop, script).play(act).said == [("up", "ocpp1.6"), ("text", b"first")]


@ON_BOTH_LOOPS
@pytest.mark.parametrize("size", [125, 126, 60_000, 65_535, 65_536, 70_000])
def test_big_messages_pass_both_ways_with_a_ping_between(new_loop, size):
    data = bytes(ord("a") + i % 26 for i in range(size))

    async def script(server):
        await server.upgrade()
        first, echoed = await server.frame()
        assert (first, len(echoed)) == (0x81, size)
        server.writer.write(text(data) + plain(Opcode.PING, b"!") + text(data))
        assert await server.frame() == (0x8A, b"!")
        await server.reader.read()

    async def act(link, witness):
        await witness.until(1)
        link.send(data)
        await witness.until(3)
        link.drop()

    assert Scene(new_loop, script).play(act).texts() == [data, data]


@ON_BOTH_LOOPS
@pytest.mark.parametrize(
    ("frame", "close_code"),
    [
        (Frame(Opcode.TEXT, b"masked").serialize(mask=True), 1002),
        (bytes([0xC1, 2]) + b"{}", 1002),  # RSV1 without an extension
        (bytes([0x83, 0]), 1002),  # opcode 3
        (bytes([0x09, 0]), 1002),  # a ping in fragments
        (bytes([0x80, 0]), 1002),  # a continuation of nothing
        (bytes([0x81, 127]) + (1 << 40).to_bytes(8, "big"), 1009),
        (bytes([0x81, 127]) + (70_001).to_bytes(8, "big"), 1009),
        (plain(Opcode.TEXT, b"[", fin=False) + text(b"]"), 1002),
    ],
    ids=[
        "masked",
        "rsv1",
        "opcode",
        "fragmented ping",
        "stray continuation",
        "huge",
        "over limit",
        "interleaved",
    ],
)
def test_a_frame_against_the_rules_ends_the_link_and_is_a_finding(new_loop, frame, close_code):
    seen = []

    async def script(server):
        await server.upgrade()
        server.writer.write(frame)
        seen.append(await server.frame())

    limits = DialSettings(max_message_bytes=70_000)
    witness = Scene(new_loop, script, settings=limits).play(settled)
    assert seen[0][0] == 0x88
    assert struct.unpack("!H", seen[0][1][:2]) == (close_code,)
    assert [fact[:2] for fact in witness.said] == [("up", "ocpp1.6"), ("down", None)]
    assert [rule for rule, *_ in witness.findings] == ["RFC 6455"]


@ON_BOTH_LOOPS
def test_binary_messages_are_a_finding_and_nothing_else(new_loop):
    """WS-4: text frames only."""

    async def script(server):
        await server.upgrade()
        server.writer.write(plain(Opcode.BINARY, b"\x00\x01"))
        server.writer.write(
            plain(Opcode.BINARY, b"\x02", fin=False) + plain(Opcode.CONT, b"\x03") + text(b"[]")
        )
        await server.reader.read()

    async def act(link, witness):
        await witness.until(2)
        link.drop()

    witness = Scene(new_loop, script).play(act)
    assert witness.texts() == [b"[]"]
    assert witness.findings == [("WS-4", "binary message", b"\x00\x01"), ("WS-4", "binary message", b"\x02")]


@ON_BOTH_LOOPS
def test_a_reset_and_an_end_without_a_close_frame_are_links_that_died(new_loop):
    async def reset(server):
        await server.upgrade()
        await asyncio.sleep(0.02)
        server.reset()

    async def end(server):
        await server.upgrade()

    for script in (reset, end):
        witness = Scene(new_loop, script).play(settled)
        assert [fact[:2] for fact in witness.said] == [("up", "ocpp1.6"), ("down", None)]


@ON_BOTH_LOOPS
def test_a_dropped_link_says_nothing_more(new_loop):
    async def script(server):
        await server.upgrade()
        server.writer.write(text(b"late"))
        await server.reader.read()

    async def act(link, witness):
        await witness.until(1)
        link.drop()
        await asyncio.sleep(0.05)
        link.send(b"nobody")
        link.close(1000, "")

    witness = Scene(new_loop, script).play(act)
    assert all(fact[0] in {"up", "text"} for fact in witness.said)


@ON_BOTH_LOOPS
def test_a_link_closed_while_dialling_is_given_up(new_loop):
    async def script(server):
        await server.reader.read()

    async def act(link, witness):
        await asyncio.sleep(0.02)
        link.close(1000, "")

    witness = Scene(new_loop, script).play(act)
    assert [fact[:2] for fact in witness.said] == [("refused", LinkFailure.UNREACHABLE)]


@ON_BOTH_LOOPS
def test_a_pong_in_time_keeps_the_link_and_a_missing_one_ends_it(new_loop):
    """WS-5: half-open detection."""

    async def script(server):
        await server.upgrade()
        first, payload = await server.frame()
        assert first == 0x89
        server.writer.write(plain(Opcode.PONG, b"other") + plain(Opcode.PONG, payload))
        assert (await server.frame())[0] == 0x89
        await server.reader.read()

    async def act(link, witness):
        await witness.until(1)
        link.ping(5.0)
        assert link.deadline < FOREVER
        link.ping(0.0)  # one waits already
        while link.deadline < FOREVER:  # noqa: ASYNC110 — a link tells nobody of a pong
            await asyncio.sleep(0.001)
        link.ping(0.05)
        await settled(link, witness)

    witness = Scene(new_loop, script).play(act)
    assert witness.said == [("up", "ocpp1.6"), ("down", None, "no pong in time")]


@ON_BOTH_LOOPS
def test_a_slow_reader_gets_everything(new_loop):
    got = []

    async def script(server):
        await server.upgrade()
        await asyncio.sleep(0.1)
        got.extend([len((await server.frame())[1]) for _ in range(12)])

    async def act(link, witness):
        await witness.until(1)
        for _ in range(12):
            link.send(b"x" * (1 << 20))

    Scene(new_loop, script).play(act)
    assert got == [1 << 20] * 12


# TLS.


@pytest.fixture(scope="module")
def certificates(tmp_path_factory):
    """A certificate authority, a server's certificate for localhost and a client's."""
    folder = tmp_path_factory.mktemp("tls")

    def openssl(*args):
        subprocess.run(["openssl", *args], check=True, capture_output=True, cwd=folder)

    openssl("ecparam", "-name", "prime256v1", "-out", "curve.pem")
    new_key = ["-newkey", "ec:curve.pem", "-nodes"]
    authority = ["-addext", "basicConstraints=critical,CA:TRUE", "-addext", "keyUsage=keyCertSign"]
    openssl(
        "req", "-x509", *new_key, "-keyout", "ca.key", "-out", "ca.pem", "-subj", "/CN=Test CA", *authority
    )
    for name in ("server", "client"):
        openssl("req", *new_key, "-keyout", f"{name}.key", "-out", f"{name}.csr", "-subj", f"/CN={name}")
        (folder / "ext").write_text("subjectAltName=DNS:localhost\nauthorityKeyIdentifier=keyid\n")
        sign = ["-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial", "-extfile", "ext", "-days", "30"]
        openssl("x509", "-req", "-in", f"{name}.csr", *sign, "-out", f"{name}.pem")
    return folder


def server_tls(folder: Path, *, mutual=False):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "server.pem", folder / "server.key")
    if mutual:
        context.verify_mode = ssl.CERT_REQUIRED
        context.load_verify_locations(folder / "ca.pem")
    return context


@ON_BOTH_LOOPS
def test_tls_carries_fragments_pings_and_both_closes(new_loop, certificates):
    """SEC-2, profile 2"""

    async def server_closes(server):
        await server.upgrade()
        server.writer.write(plain(Opcode.PING, b"?"))
        assert await server.frame() == (0x8A, b"?")
        server.writer.write(plain(Opcode.CLOSE, struct.pack("!H", 1001)))
        assert (await server.frame())[0] == 0x88

    async def client_closes(server):
        await server.upgrade()
        server.writer.write(plain(Opcode.TEXT, b"[", fin=False) + plain(Opcode.CONT, b"]"))
        first, payload = await server.frame()
        assert first == 0x88
        server.writer.write(plain(Opcode.CLOSE, payload))

    async def close(link, witness):
        await witness.until(2)
        link.close(1000, "")
        await settled(link, witness)

    options = {
        "server_tls": server_tls(certificates),
        "settings": DialSettings(ca_file=str(certificates / "ca.pem")),
        "host": "localhost",
    }
    assert Scene(new_loop, server_closes, **options).play(settled).said[-1] == ("down", 1001, "")
    witness = Scene(new_loop, client_closes, **options).play(close)
    assert witness.said[1:] == [("text", b"[]"), ("down", 1000, "")]


@ON_BOTH_LOOPS
def test_tls_is_verified_by_chain_and_name(new_loop, certificates):
    """SEC-2"""

    async def script(server):
        await server.upgrade()

    trusting = DialSettings(ca_file=str(certificates / "ca.pem"))
    for options in ({"host": "localhost"}, {"host": "127.0.0.1", "settings": trusting}):
        scene = Scene(new_loop, script, server_tls=server_tls(certificates), join=False, **options)
        witness = scene.play(settled)
        assert [fact[:2] for fact in witness.said] == [("refused", LinkFailure.TLS)]
        assert witness.said[0][2]


@ON_BOTH_LOOPS
def test_a_client_certificate_opens_a_server_that_asks_for_one(new_loop, certificates):
    """SEC-2, profile 3"""

    async def script(server):
        await server.upgrade()
        await server.reader.read()

    async def act(link, witness):
        await witness.until(1)
        link.drop()

    given_settings = DialSettings(
        ca_file=str(certificates / "ca.pem"),
        certificate_file=str(certificates / "client.pem"),
        key_file=str(certificates / "client.key"),
    )
    scene = Scene(
        new_loop,
        script,
        server_tls=server_tls(certificates, mutual=True),
        settings=given_settings,
        host="localhost",
    )
    assert scene.play(act).said == [("up", "ocpp1.6")]


@ON_BOTH_LOOPS
def test_a_plain_server_behind_a_wss_url_is_a_tls_failure(new_loop):
    async def script(server):
        await server.reader.read(10)
        server.writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")

    witness = Scene(new_loop, script, url="wss://127.0.0.1:{port}/GU-1", join=False).play(settled)
    assert [fact[:2] for fact in witness.said] == [("refused", LinkFailure.TLS)]


@ON_BOTH_LOOPS
def test_a_server_that_aborts_tls_ends_the_link(new_loop, certificates):
    async def script(server):
        await server.upgrade()
        await asyncio.sleep(0.02)
        server.reset()

    trusting = DialSettings(ca_file=str(certificates / "ca.pem"))
    scene = Scene(new_loop, script, server_tls=server_tls(certificates), settings=trusting, host="localhost")
    assert [fact[:2] for fact in scene.play(settled).said] == [("up", "ocpp1.6"), ("down", None)]


def test_tls_files_that_do_not_load_are_named(tmp_path):
    """C10: the user's input, with the file."""
    (tmp_path / "empty.pem").write_text("")
    with pytest.raises(PlanError, match="no-such"):
        tls_context(DialSettings(ca_file="/no-such-ca.pem"))
    with pytest.raises(PlanError, match="empty"):
        tls_context(DialSettings(certificate_file=str(tmp_path / "empty.pem")))


# Properties, without a network.


class _Transport:
    def __init__(self):
        self.written = []

    def write(self, data):
        self.written.append(data)

    def abort(self):
        pass


class _NoLoop:
    """Dial of a link that is already open."""

    def __init__(self):
        self.settings = DialSettings()
        self.loop = self

    def create_task(self, coroutine):
        coroutine.close()


class _Quiet(Witness):
    def __init__(self):
        self.said = []
        self.findings = []

    def _say(self, *fact):
        self.said.append(fact)

    def rearm(self):
        pass


def open_link():
    witness = _Quiet()
    link = Link(witness, _NoLoop(), "ws://nowhere/")
    link._task = None
    link._transport = _Transport()
    link.stage = Stage.OPEN
    return link, witness


payloads = st.one_of(st.binary(max_size=200), st.integers(120, 132).map(bytes), st.just(b"\x81" * 70_000))
controls = st.tuples(st.sampled_from([Opcode.PING, Opcode.PONG]), st.binary(max_size=125))


@st.composite
def conversations(draw):
    """Legal frames of a server and the text messages that they mean."""
    frames, messages = [], []
    for _ in range(draw(st.integers(1, 6))):
        message = draw(payloads)
        cuts = sorted(draw(st.lists(st.integers(0, len(message)), max_size=3)))
        parts = [message[a:b] for a, b in zip([0, *cuts], [*cuts, len(message)], strict=True)]
        for i, part in enumerate(parts):
            frames.extend(plain(opcode, data) for opcode, data in draw(st.lists(controls, max_size=2)))
            frames.append(plain(Opcode.TEXT if i == 0 else Opcode.CONT, part, fin=i == len(parts) - 1))
        messages.append(message)
    return b"".join(frames), messages


@settings(max_examples=150)
@given(conversations(), st.lists(st.integers(0, 2_000), max_size=30))
def test_any_cut_of_any_legal_stream_gives_the_same_messages(conversation, cuts):
    stream, messages = conversation
    link, witness = open_link()
    edges = [0, *sorted({min(cut, len(stream)) for cut in cuts}), len(stream)]
    for a, b in itertools.pairwise(edges):
        if a < b:
            link.data_received(stream[a:b])
    assert witness.texts() == messages
    assert witness.findings == []
    assert link._rest is None
    assert link._framing is None


@settings(max_examples=300)
@given(st.lists(st.binary(min_size=1, max_size=40), max_size=12))
def test_any_bytes_leave_a_link_that_is_open_or_closing_as_websockets_own_parser_says(chunks):
    link, witness = open_link()
    oracle = Framing(link._new_framing().side, max_size=1 << 20)
    expected, oracle_open = [], True
    parts = None
    for chunk in chunks:
        link.data_received(chunk)
        if not oracle_open:
            continue
        oracle.receive_data(chunk)
        for frame in oracle.events_received():
            if frame.opcode is Opcode.TEXT:
                parts = [bytes(frame.data)]
            elif frame.opcode is Opcode.CONT and parts is not None:
                parts.append(bytes(frame.data))
            elif frame.opcode is Opcode.BINARY:
                parts = None
            if frame.opcode in {Opcode.TEXT, Opcode.CONT} and frame.fin and parts is not None:
                expected.append(b"".join(parts))
                parts = None
        oracle_open = oracle.state.name == "OPEN"
    assert witness.texts() == expected
    assert (link.stage is Stage.OPEN) == oracle_open


@settings(max_examples=150)
@given(st.lists(payloads, min_size=1, max_size=5))
def test_websockets_server_side_reads_what_we_write(messages):
    server = Framing(SERVER, max_size=None)
    for message in messages:
        server.receive_data(text_frame(message))
    frames = server.events_received()
    assert [bytes(frame.data) for frame in frames] == messages
    assert all(frame.opcode is Opcode.TEXT and frame.fin for frame in frames)
