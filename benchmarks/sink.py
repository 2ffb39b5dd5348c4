"""The fastest central system that still answers: for measuring the load generator, not a CSMS.

Accepts every WebSocket upgrade with `ocpp1.6`, every station and every call. Run by itself:

    python benchmarks/sink.py --port 9000 --processes 2 --interval 300

It prints the port when it listens. Several processes share the port (SO_REUSEPORT).
"""

import argparse
import asyncio
import os
import signal
import socket
import subprocess
import sys
import time
from base64 import b64encode
from hashlib import sha1
from typing import ClassVar, Self, cast

import uvloop
from websockets.speedups import apply_mask

_GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
_TEXT = 0x81
_CLOSE = 0x88
_PING = 0x89


class Sink(asyncio.Protocol):
    """One connection."""

    answers: ClassVar[dict[bytes, bytes]] = {}
    transactions: ClassVar[int] = 0

    def __init__(self) -> None:
        self.transport: asyncio.Transport
        self.rest = b""
        self.upgraded = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """A station has come."""
        self.transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        """Upgrade first, then frames."""
        if self.rest:
            data = self.rest + data
            self.rest = b""
        if not self.upgraded:
            head, end, data = data.partition(b"\r\n\r\n")
            if not end:
                self.rest = head
                return
            self._upgrade(head)
        self._cut(data)

    def _upgrade(self, head: bytes) -> None:
        key = next(line.split(b":", 1)[1].strip() for line in head.split(b"\r\n") if b"Key:" in line)
        self.transport.write(
            b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            b"Sec-WebSocket-Protocol: ocpp1.6\r\nSec-WebSocket-Accept: "
            + b64encode(sha1(key + _GUID).digest())
            + b"\r\n\r\n"
        )
        self.upgraded = True

    def _cut(self, data: bytes) -> None:
        start, size = 0, len(data)
        while size - start >= 6:
            length = data[start + 1] & 0x7F
            body = start + 6
            if length == 126:
                length = data[start + 2] << 8 | data[start + 3]
                body = start + 8
            end = body + length
            if length == 127 or end > size:
                break
            self._answer(data[start], apply_mask(data[body:end], data[body - 4 : body]))
            start = end
        self.rest = data[start:]

    def _answer(self, first: int, payload: bytes) -> None:
        if first == _TEXT:
            if payload.startswith(b"[2,"):
                _, ident, _, action, _ = payload.split(b'"', 4)
                self._write(_TEXT, b'[3,"' + ident + b'",' + self._payload(action) + b"]")
        elif first == _PING:
            self._write(0x8A, payload)
        elif first == _CLOSE:
            self._write(_CLOSE, payload)
            self.transport.close()

    def _payload(self, action: bytes) -> bytes:
        if action == b"StartTransaction":
            Sink.transactions += 1
            return b'{"transactionId":%d,"idTagInfo":{"status":"Accepted"}}' % Sink.transactions
        answer = self.answers.get(action, b"{}")
        if b"NOW" not in answer:
            return answer
        return answer.replace(b"NOW", time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()).encode())

    def _write(self, first: int, payload: bytes) -> None:
        size = len(payload)
        head = bytes((first, size)) if size < 126 else bytes((first, 126, size >> 8, size & 0xFF))
        self.transport.write(head + payload)


class Started:
    """The sink in processes of its own, for the other benchmarks."""

    def __init__(self, processes: int = 1, interval: int = 300) -> None:
        command = [sys.executable, __file__, "--processes", str(processes), "--interval", str(interval)]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        assert self.process.stdout is not None
        self.url = f"ws://127.0.0.1:{int(self.process.stdout.readline())}/ocpp"

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.process.terminate()
        self.process.wait()


def _listening(port: int) -> socket.socket:
    sock = socket.socket()
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    sock.bind(("127.0.0.1", port))
    return sock


async def _serve(sock: socket.socket) -> None:
    server = await asyncio.get_running_loop().create_server(Sink, sock=sock, backlog=4096)
    await server.serve_forever()


def _children(count: int, port: int) -> tuple[socket.socket | None, list[int]]:
    """Fork; in a child its own socket, in the parent the children."""
    children: list[int] = []
    for _ in range(count):
        child = os.fork()
        if child == 0:
            return _listening(port), []
        children.append(child)
    return None, children


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--port", type=int, default=0, help="default: a free one")
    parser.add_argument("--processes", type=int, default=1)
    parser.add_argument("--interval", type=int, default=300, help="heartbeat interval given to stations, s")
    options = parser.parse_args()
    Sink.answers = {
        b"BootNotification": b'{"status":"Accepted","currentTime":"NOW","interval":%d}' % options.interval,
        b"Heartbeat": b'{"currentTime":"NOW"}',
        b"Authorize": b'{"idTagInfo":{"status":"Accepted"}}',
        b"StopTransaction": b'{"idTagInfo":{"status":"Accepted"}}',
        b"DataTransfer": b'{"status":"Accepted"}',
    }
    sock = _listening(options.port)
    port = sock.getsockname()[1]
    own, children = _children(options.processes - 1, port)
    if own is None:
        print(port, flush=True)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit())
    try:
        uvloop.run(_serve(own or sock))
    finally:
        for child in children:
            os.kill(child, signal.SIGTERM)


if __name__ == "__main__":
    main()
