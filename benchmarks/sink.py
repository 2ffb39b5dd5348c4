"""The fastest central system that still answers: for measuring the load generator, not a CSMS.

Accepts every WebSocket upgrade with `ocpp1.6`, every station and every call. Run by itself:

    python benchmarks/sink.py --port 9000 --processes 2 --interval 300

It prints the port when it listens. Several processes share the port (SO_REUSEPORT). With `--certificate` and
`--key` it speaks TLS. `GET /counted` tells how many calls this process has answered, by action.
"""

import argparse
import asyncio
import json
import os
import signal
import socket
import ssl
import subprocess
import sys
import time
from base64 import b64encode
from collections import Counter
from hashlib import sha1
from pathlib import Path
from tempfile import TemporaryDirectory
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
    counted: ClassVar[Counter[bytes]] = Counter()

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
            if head.startswith(b"GET /counted "):
                self._tell()
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

    def _tell(self) -> None:
        told = json.dumps({action.decode(): count for action, count in self.counted.items()}).encode()
        self.transport.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(told) + told)
        self.transport.close()

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
                self.counted[action] += 1
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
    """The sink in processes of its own, for the other benchmarks.

    `tls`: under a certificate made for the occasion; `trusted` is the file that a client verifies it with.
    """

    def __init__(self, processes: int = 1, interval: int = 300, *, tls: bool = False) -> None:
        self._folder = TemporaryDirectory()
        self.trusted = Path(self._folder.name) / "certificate.pem"
        command = [sys.executable, __file__, "--processes", str(processes), "--interval", str(interval)]
        if tls:
            key = self.trusted.with_name("key.pem")
            _make_certificate(self.trusted, key)
            command += ["--certificate", str(self.trusted), "--key", str(key)]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        assert self.process.stdout is not None
        self.port = int(self.process.stdout.readline())
        self.url = f"{'wss' if tls else 'ws'}://127.0.0.1:{self.port}/ocpp"

    def counted(self) -> dict[str, int]:
        """Calls answered so far, by action; of one process without TLS."""
        with socket.create_connection(("127.0.0.1", self.port)) as asking:
            asking.sendall(b"GET /counted HTTP/1.1\r\n\r\n")
            told = b"".join(iter(lambda: asking.recv(4096), b""))
        found: dict[str, int] = json.loads(told.partition(b"\r\n\r\n")[2])
        return found

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.process.terminate()
        self.process.wait()
        self._folder.cleanup()


def _make_certificate(certificate: Path, key: Path) -> None:
    command = [
        "openssl",
        "req",
        "-x509",
        "-newkey",
        "ec",
        "-pkeyopt",
        "ec_paramgen_curve:prime256v1",
        "-nodes",
    ]
    command += ["-days", "2", "-subj", "/CN=sink", "-addext", "subjectAltName=IP:127.0.0.1"]
    subprocess.run([*command, "-keyout", key, "-out", certificate], check=True, capture_output=True)


def _listening(port: int) -> socket.socket:
    sock = socket.socket()
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    sock.bind(("127.0.0.1", port))
    sock.listen(4096)  # before the port is told
    return sock


async def _serve(sock: socket.socket, certificate: str, key: str) -> None:
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER) if certificate else None
    if tls is not None:
        tls.load_cert_chain(certificate, key)
    loop, over = asyncio.get_running_loop(), asyncio.Event()
    loop.add_signal_handler(signal.SIGTERM, over.set)  # an exception out of a handler gets lost in a callback
    await loop.create_server(Sink, sock=sock, backlog=4096, ssl=tls)
    await over.wait()


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
    parser.add_argument("--certificate", default="", help="PEM: speak TLS")
    parser.add_argument("--key", default="", help="PEM")
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
    try:
        uvloop.run(_serve(own or sock, options.certificate, options.key))
    finally:
        for child in children:
            os.kill(child, signal.SIGTERM)


if __name__ == "__main__":
    main()
