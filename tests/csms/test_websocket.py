"""The server's side of the WebSocket, against websockets' client and against raw bytes."""

import asyncio
import json
import os
import time
from urllib.parse import urlsplit

import pytest
import websockets
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidStatus

from csms import websocket

BOOT = json.dumps([2, "b", "BootNotification", {"chargePointVendor": "L", "chargePointModel": "M"}]).encode()
HEARTBEAT = b'[2,"h","Heartbeat",{}]'

pytestmark = pytest.mark.realnet


def frame(payload, head=0x81, mask=b"\x01\x02\x03\x04"):
    size = len(payload)
    if size < 126:
        start = bytes((head, 0x80 | size))
    elif size < 65_536:
        start = bytes((head, 0xFE)) + size.to_bytes(2, "big")
    else:
        start = bytes((head, 0xFF)) + size.to_bytes(8, "big")
    return start + mask + bytes(byte ^ mask[at % 4] for at, byte in enumerate(payload))


def upgrade(path="/ocpp/GU-1", more="Sec-WebSocket-Protocol: ocpp1.6\r\n"):
    return (
        f"GET {path} HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        f"Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nSec-WebSocket-Version: 13\r\n{more}\r\n"
    ).encode()


class Raw:
    """A TCP connection that says exactly what a test wants."""

    def __init__(self, world):
        self.address = urlsplit(world.url)

    async def __aenter__(self):
        self.reader, self.writer = await asyncio.open_connection(self.address.hostname, self.address.port)
        return self

    async def __aexit__(self, *_):
        self.writer.close()

    async def shake_hands(self, tail=b""):
        self.writer.write(upgrade() + tail)
        return await self.reader.readuntil(b"\r\n\r\n")

    async def receive(self):
        """Opcode byte and payload of the next frame."""
        head, size = await self.reader.readexactly(2)
        if size == 126:
            size = int.from_bytes(await self.reader.readexactly(2), "big")
        return head, await self.reader.readexactly(size)

    async def rest(self):
        """Everything until the end, which may be a reset."""
        try:
            return await self.reader.read()
        except ConnectionError:
            return b""

    async def answer(self):
        head, payload = await self.receive()
        assert head == 0x81
        return json.loads(payload)


def test_the_subprotocol_is_echoed_and_the_identity_decoded(story):
    """WS-1, WS-2."""

    async def tell(world):
        station = await world.station("RDAM%20123")
        assert station.socket.subprotocol == "ocpp1.6"
        assert list(world.server.central.sessions) == ["RDAM 123"]

    story(tell)


def test_any_prefix_and_any_offer_that_contains_ocpp16_will_do(story):
    async def tell(world):
        base = world.url.removesuffix("/ocpp")
        for path in ("/GU-1", "/a/b/c/GU-2", "/ocpp/GU-3?x=/y"):
            async with connect(base + path, subprotocols=["ocpp2.0.1", "ocpp1.6"], proxy=None) as socket:
                assert socket.subprotocol == "ocpp1.6"
        assert [row[0] for row in await world.rows("SELECT station FROM stations")] == [
            "GU-1",
            "GU-2",
            "GU-3",
        ]

    story(tell)


def test_a_station_that_does_not_offer_ocpp16_is_closed_at_once(story):
    """WS-2, seen from the server (J§3.1.2): the handshake is completed without a subprotocol, then closed."""

    async def tell(world):
        for offer in (None, ["ocpp2.0.1"]):
            station = await world.connect("GU-1", subprotocols=offer)
            assert (await station.closed())[0] == 1002

    story(tell)


@pytest.mark.parametrize("path", ["/", "/ocpp/", "/ocpp/%FF", "/ocpp/%0A", "/ocpp/" + "x" * 300])
def test_a_path_without_a_usable_identity_is_not_found(story, path):
    async def tell(world):
        with pytest.raises(InvalidStatus, match="404"):
            await connect(world.url.removesuffix("/ocpp") + path, subprotocols=["ocpp1.6"], proxy=None)

    story(tell)


def test_a_browser_gets_http_and_garbage_gets_a_cut(story):
    async def tell(world):
        async with world.http.get(world.url.replace("ws:", "http:") + "/GU-1") as answer:
            assert answer.status == 426
        async with Raw(world) as raw:
            raw.writer.write(b"\x16\x03\x01 this is not HTTP\r\n\r\n")
            assert not (await raw.rest()).startswith(b"HTTP/1.1 101")
        async with Raw(world) as raw:
            raw.writer.write(b"GET /ocpp/GU-1 HTTP/1.1\r\n" + b"X: y\r\n" * 5000)
            with pytest.raises((asyncio.IncompleteReadError, ConnectionError)):
                await raw.reader.readexactly(1)

    story(tell)


def test_frames_arrive_whole_however_they_are_cut(story):
    async def tell(world):
        async with Raw(world) as raw:
            await raw.shake_hands(tail=frame(BOOT))  # in one segment with the handshake
            assert (await raw.answer())[2]["status"] == "Accepted"
            for byte in frame(HEARTBEAT):  # byte by byte
                raw.writer.write(bytes((byte,)))
                await asyncio.sleep(0)
            assert (await raw.answer())[:2] == [3, "h"]
            raw.writer.write(frame(HEARTBEAT) * 3)  # coalesced
            for _ in range(3):
                assert (await raw.answer())[:2] == [3, "h"]

    story(tell)


def test_a_handshake_may_come_in_pieces(story):
    async def tell(world):
        async with Raw(world) as raw:
            whole = upgrade() + frame(BOOT)
            for at in range(0, len(whole), 7):
                raw.writer.write(whole[at : at + 7])
                await asyncio.sleep(0)
            await raw.reader.readuntil(b"\r\n\r\n")
            assert (await raw.answer())[0] == 3

    story(tell)


@pytest.mark.parametrize("size", [100, 200, 70_000])
def test_messages_of_every_length_encoding_pass_both_ways(story, size):
    async def tell(world):
        station = await world.station()
        filler = "x" * size
        answer = await station.call(
            "DataTransfer", {"vendorId": "v", "data": filler}, message_id=filler[:300]
        )
        assert answer[2] == {"status": "UnknownVendorId"}
        world.server.central.sessions["GU-1"].call("DataTransfer", websocket_payload(filler), 5)
        assert (await station.receive())[3] == {"vendorId": "v", "data": filler}

    def websocket_payload(filler):
        from stations.wire.messages import DataTransfer

        return DataTransfer("v", data=filler)

    story(tell)


def test_fragments_with_a_ping_between_them_are_one_message(story):
    """WS-4: text that looks like a frame header inside a fragment changes nothing."""

    async def tell(world):
        async with Raw(world) as raw:
            await raw.shake_hands()
            raw.writer.write(frame(BOOT[:9], head=0x01) + frame(b"\x81\x81", head=0x89))
            raw.writer.write(frame(BOOT[9:20], head=0x00) + frame(BOOT[20:], head=0x80))
            assert await raw.receive() == (0x8A, b"\x81\x81")
            assert (await raw.answer())[0] == 3
            raw.writer.write(frame(HEARTBEAT))  # the fast path again
            assert (await raw.answer())[:2] == [3, "h"]

    story(tell)


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (b"\x81\x02{}", 1002),  # not masked
        (frame(b"{}", head=0xC1), 1002),  # RSV1 without an extension
        (frame(b"{}", head=0x83), 1002),  # opcode that does not exist
        (frame(b"", head=0x00), 1002),  # continuation of nothing
        (b"\x81\xff" + (2 << 20).to_bytes(8, "big") + b"\0\0\0\0", 1009),  # larger than a message may be
        (frame(b"{}", head=0x82), 1003),  # binary: OCPP-J is text (WS-4)
    ],
)
def test_a_broken_frame_ends_the_connection_with_its_code(story, data, code):
    async def tell(world):
        async with Raw(world) as raw:
            await raw.shake_hands(tail=data)
            head, payload = await raw.receive()
            assert head == 0x88
            assert int.from_bytes(payload[:2], "big") == code
        await world.station("GU-2")  # and nobody else minds

    story(tell)


def test_a_close_frame_is_echoed_and_written_down(story):
    async def tell(world):
        station = await world.station()
        await station.socket.close(1001, "going home")
        await world.until(lambda: not world.server.central.sessions)
        assert await world.rows("SELECT event, code, detail FROM connections WHERE event = 'closed'") == [
            ("closed", 1001, "going home")
        ]

    story(tell)


def test_a_cut_without_a_close_frame_has_no_code(story):
    async def tell(world):
        station = await world.station()
        station.socket.transport.abort()
        await world.until(lambda: not world.server.central.sessions)
        assert await world.rows("SELECT code FROM connections WHERE event = 'closed'") == [(None,)]

    story(tell)


def test_a_newer_connection_of_a_station_replaces_the_older(story):
    """WS-8."""

    async def tell(world):
        old = await world.station()
        new = await world.station()
        assert await old.closed() == (1000, "replaced by a newer connection")
        assert (await new.ask("Heartbeat"))["currentTime"]
        assert list(world.server.central.sessions) == ["GU-1"]

    story(tell)


def test_a_silent_station_is_pinged_and_a_dead_one_cut(story):
    """JE3.9, the server's half of WS-5."""

    async def tell(world):
        async with Raw(world) as raw:
            await raw.shake_hands()
            [socket] = world.server._admission.sockets
            socket.check(time.monotonic())
            socket._heard_s -= 10  # ten seconds of silence
            socket.check(time.monotonic())
            assert await raw.receive() == (0x89, b"")
            raw.writer.write(frame(b"", head=0x8A))
            await world.until(lambda: socket._heard_s > socket._pinged_s)
            socket._heard_s -= 10
            socket._pinged_s -= 20
            socket.check(time.monotonic())
            assert await raw.receive() == (0x89, b"")
            socket.check(time.monotonic() + websocket.PONG_TIMEOUT_S + 1)
            assert await raw.rest() == b""

    story(tell, ping_interval_s=1.0)


def test_a_peer_that_never_finishes_is_cut_in_time(story):
    async def tell(world):
        async with Raw(world) as raw:
            raw.writer.write(b"GET /ocpp")
            await world.until(lambda: world.server._admission.sockets)
            [socket] = world.server._admission.sockets
            socket.check(time.monotonic() + websocket.HANDSHAKE_TIMEOUT_S + 1)
            assert await raw.rest() == b""
        async with Raw(world) as raw:
            await raw.shake_hands()
            [socket] = world.server._admission.sockets
            socket.close(1000)
            await raw.receive()
            socket.check(time.monotonic() + websocket.CLOSE_TIMEOUT_S + 1)
            assert await raw.rest() == b""

    story(tell)


def test_a_station_that_does_not_read_is_not_read(story, monkeypatch):
    monkeypatch.setattr(websocket, "WRITE_BUFFER_BYTES", 4096)

    async def tell(world):
        async with Raw(world) as raw:
            await raw.shake_hands(tail=frame(BOOT))
            await raw.answer()
            call = frame(b'[2,"%s","Heartbeat",{}]' % (b"i" * 30_000))
            statistics = world.server.central.statistics
            sent = 0
            while statistics.messages_in > sent - 50 and sent < 2000:
                raw.writer.write(call)
                sent += 1
                await asyncio.sleep(0.001)
            stuck = statistics.messages_in
            assert stuck < sent < 2000
            for _ in range(sent):
                await raw.answer()
            assert statistics.messages_in == sent + 1

    story(tell)


def test_extensions_are_not_negotiated_so_that_connections_stay_small(story):
    async def tell(world):
        station = await world.connect("GU-1", compression="deflate")
        assert station.socket.protocol.extensions == []

    story(tell)


def test_fuzzed_bytes_never_hurt_the_others(story):
    async def tell(world):
        witness = await world.station("WITNESS")
        for number in range(40):
            async with Raw(world) as raw:
                await raw.shake_hands(tail=os.urandom(10 + number * 7))
                raw.writer.write(frame(os.urandom(number)))
                raw.writer.write_eof()
                await raw.rest()
        assert (await witness.ask("Heartbeat"))["currentTime"]
        assert world.server.central.statistics.bugs == 0

    story(tell)


def test_the_version_of_websockets_is_one_that_this_was_written_for():
    assert int(websockets.__version__.split(".")[0]) >= 15
