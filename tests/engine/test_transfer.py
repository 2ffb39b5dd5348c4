"""Real file transfers of the station on the desk (GD-1, UF-1): every end is an answer."""

import threading
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import ClassVar

import pytest

from engine import transfer
from stations.core.events import TransferWanted

pytestmark = pytest.mark.realnet


class Files(BaseHTTPRequestHandler):
    kept: ClassVar[dict[str, bytes]] = {}

    def do_GET(self):
        self.send_response(200 if self.path == "/firmware.bin" else 404)
        self.end_headers()
        self.wfile.write(b"x" * 100_000)

    def do_PUT(self):
        self.kept[self.path] = self.rfile.read(int(self.headers["Content-Length"]))
        self.send_response(201)
        self.end_headers()

    def log_message(self, *_words):
        pass


@pytest.fixture
def server():
    files = HTTPServer(("127.0.0.1", 0), Files)
    threading.Thread(target=files.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{files.server_port}"
    files.shutdown()
    files.server_close()


def test_firmware_is_fetched_whole(server):
    assert transfer.move(TransferWanted("firmware", f"{server}/firmware.bin")) == (True, "100000 bytes")


def test_diagnostics_arrive_under_their_name(server):
    wanted = TransferWanted("diagnostics", f"{server}/incoming/", "diag 1.log", b"all is well")
    assert transfer.move(wanted).ok
    assert Files.kept["/incoming/diag%201.log"] == b"all is well"


def test_more_than_the_limit_is_refused(server, monkeypatch):
    monkeypatch.setattr(transfer, "MOST_BYTES", 1_000)
    assert transfer.move(TransferWanted("firmware", f"{server}/firmware.bin")) == (
        False,
        "more than 1000 bytes",
    )


@pytest.mark.parametrize(
    ("location", "words"),
    [
        ("{server}/missing.bin", "404"),
        ("sftp://127.0.0.1/x", "no client for sftp"),
        ("just words", "without a scheme"),
        ("ftp://127.0.0.1:9/x", "refused"),
        ("http://127.0.0.1:9/x", "refused"),
    ],
)
def test_what_cannot_be_fetched_says_why(server, location, words):
    moved = transfer.move(TransferWanted("firmware", location.format(server=server)))
    assert not moved.ok
    assert words in moved.detail
