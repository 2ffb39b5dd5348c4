"""Any bytes, cut anywhere: messages arrive whole, nothing else escapes (WS-4, RPC-6, RPC-9)."""

import asyncio
import json
import tempfile
from itertools import pairwise
from pathlib import Path
from types import SimpleNamespace

from hypothesis import given, settings
from hypothesis import strategies as st

from csms.answers import HANDLERS
from csms.central import Central
from csms.ledger import Ledger
from csms.registration import BootPolicy, BootRule
from csms.session import Session
from csms.tags import TagBook
from csms.websocket import StationSocket, Verdict
from stations.wire.messages import OPERATIONS
from stations.wire.types import RegistrationStatus

UPGRADE = (
    b"GET /ocpp/GU-1 HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nSec-WebSocket-Version: 13\r\n"
    b"Sec-WebSocket-Protocol: ocpp1.6\r\n\r\n"
)


class Transport:
    """What a socket writes to when there is no network."""

    def __init__(self):
        self.written = b""
        self.over = False

    def set_write_buffer_limits(self, high):
        pass

    def write(self, data):
        self.written += data

    def close(self):
        self.over = True

    abort = close


class Listener:
    def __init__(self):
        self.messages = []

    def received(self, data):
        self.messages.append(bytes(data))

    def closed(self, code, reason):
        pass


def open_socket():
    listener = Listener()
    door = SimpleNamespace(
        sockets=set(),
        ping_interval_s=0.0,
        judge=lambda _request: Verdict("GU-1"),
        opened=lambda _socket, _verdict, _subprotocol: listener,
        refused=lambda _verdict: None,
    )
    socket, transport = StationSocket(door), Transport()
    socket.connection_made(transport)
    return socket, transport, listener


def frame(payload, head, mask):
    size = len(payload)
    start = bytes((head, 0x80 | size)) if size < 126 else bytes((head, 0xFE)) + size.to_bytes(2, "big")
    return start + mask + bytes(byte ^ mask[at % 4] for at, byte in enumerate(payload))


masks = st.binary(min_size=4, max_size=4)
# A message is its fragments; between fragments there may be a ping.
messages = st.lists(st.lists(st.binary(max_size=300), min_size=1, max_size=3), max_size=6)


@settings(max_examples=150)
@given(messages, masks, st.booleans(), st.lists(st.integers(0, 3000), max_size=12))
def test_however_the_stream_is_cut_the_messages_are_the_same(sent, mask, pings, cuts):
    stream = UPGRADE
    for fragments in sent:
        for at, fragment in enumerate(fragments):
            final = 0x80 if at == len(fragments) - 1 else 0
            stream += frame(fragment, final | (0x01 if at == 0 else 0x00), mask)
            if pings:
                stream += frame(b"\x81\x85 ping", 0x89, mask)
    socket, transport, listener = open_socket()
    places = sorted({min(cut, len(stream)) for cut in cuts} | {0, len(stream)})
    for begin, end in pairwise(places):
        socket.data_received(stream[begin:end])
    assert listener.messages == [b"".join(fragments) for fragments in sent]
    assert transport.written.count(b"\x8a\x07\x81\x85 ping") == (sum(map(len, sent)) if pings else 0)
    assert not transport.over


@settings(max_examples=150)
@given(st.lists(st.binary(max_size=200), max_size=5))
def test_no_bytes_after_the_handshake_raise(pieces):
    socket, transport, _listener = open_socket()
    socket.data_received(UPGRADE)
    for piece in pieces:
        if not transport.over:
            socket.data_received(piece)


@settings(max_examples=150)
@given(st.lists(st.binary(max_size=200), max_size=5))
def test_no_bytes_instead_of_a_handshake_raise_or_open_a_session(pieces):
    socket, transport, listener = open_socket()
    for piece in pieces:
        if not transport.over:
            socket.data_received(piece)
    assert listener.messages == []


json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**70), 2**70)
    | st.floats(allow_nan=False)
    | st.text(max_size=30),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=12), inner, max_size=4),
    max_leaves=8,
)
VALID = {
    "connectorId": 1,
    "idTag": "T",
    "meterStart": 1,
    "meterStop": 2,
    "transactionId": 1,
    "timestamp": "2026-05-04T10:00:00Z",
    "meterValue": [{"timestamp": "2026-05-04T10:00:00Z", "sampledValue": [{"value": "1"}]}],
    "errorCode": "NoError",
    "status": "Available",
    "chargePointVendor": "L",
    "chargePointModel": "M",
    "vendorId": "v",
}
near_valid = st.dictionaries(st.sampled_from(sorted(VALID)), st.none() | json_values, max_size=3).map(
    lambda changes: {**VALID, **changes}
)
some_fields = st.tuples(near_valid, st.sets(st.sampled_from(sorted(VALID)))).map(
    lambda both: {key: value for key, value in both[0].items() if key in both[1]}
)
calls = st.tuples(
    st.integers(0, 5) | st.just(2), st.text(max_size=40), st.sampled_from(sorted(OPERATIONS)), some_fields
).map(lambda call: json.dumps(call).encode())


@settings(max_examples=40)
@given(st.lists(calls | st.binary(max_size=60), max_size=25))
def test_no_message_is_a_bug_of_ours(messages):
    """C10: a station's mistakes are answered or counted, never a failure of the central system."""

    async def tell(folder):
        loop = asyncio.get_running_loop()
        ledger = Ledger(
            Path(folder) / "ledger.sqlite",
            lambda calls: loop.call_soon_threadsafe(lambda: [call() for call in calls]),
        )
        central = Central(ledger, TagBook(), BootPolicy(BootRule()), record_frames=True)
        central.registered["GU-1"] = RegistrationStatus.ACCEPTED
        sent = []
        wire = SimpleNamespace(send=sent.append)
        session = Session(central, "GU-1", wire, HANDLERS)
        for message in messages:
            session.received(message)
        written = loop.create_future()
        ledger.change("DELETE FROM tags WHERE 0", [()], written.set_result)
        await written
        await asyncio.sleep(0)
        ledger.close()
        assert central.statistics.bugs == 0
        assert all(json.loads(frame)[0] in {3, 4} for frame in sent)

    with tempfile.TemporaryDirectory() as folder:
        asyncio.run(tell(folder))
