"""Real file transfers of the station on the desk (GD-1, UF-1): every end is an answer."""

import asyncio
import ssl
import subprocess
import threading
from base64 import b64encode
from http.server import BaseHTTPRequestHandler, HTTPServer
from types import SimpleNamespace
from typing import ClassVar

import asyncssh
import pytest
from OpenSSL import SSL
from pyftpdlib.authorizers import DummyAuthorizer
from pyftpdlib.handlers import FTPHandler, TLS_FTPHandler
from pyftpdlib.ioloop import IOLoop
from pyftpdlib.servers import FTPServer

from engine import transfer
from engine.hostkeys import HostKeys
from stations.core.events import TransferWanted
from stations.core.firmware import INVALID_IMAGE

pytestmark = pytest.mark.realnet

IMAGE = bytes(range(256)) * 400
USER, PASSWORD = "user@site", "p:ss/wörd"
LOGIN = "user%40site:p%3Ass%2Fw%C3%B6rd"  # the same, as a URL writes it


class Files(BaseHTTPRequestHandler):
    kept: ClassVar[dict[str, bytes]] = {}
    pages: ClassVar[dict[str, bytes]] = {
        "/firmware.bin": IMAGE,
        "/empty.bin": b"",
        "/login.html": b" <!doctype html><p>Who are you?",
    }

    def do_GET(self):
        page = self.pages.get(self.path)
        if self.path == "/private.bin":
            wanted = "Basic " + b64encode(f"{USER}:{PASSWORD}".encode()).decode()
            page = IMAGE if self.headers["Authorization"] == wanted else None
        self.send_response(404 if page is None else 200)
        self.end_headers()
        self.wfile.write(page or b"")

    def do_PUT(self):
        self.send_response(405 if self.path.startswith("/forms/") else 201)
        self.keep()

    def do_POST(self):
        self.send_response(201)
        self.keep()

    def keep(self):
        self.kept[f"{self.command} {self.path}"] = self.rfile.read(int(self.headers["Content-Length"]))
        self.end_headers()

    def log_message(self, *_words):
        pass


@pytest.fixture
def http():
    files = HTTPServer(("127.0.0.1", 0), Files)
    Files.kept.clear()
    threading.Thread(target=files.serve_forever, daemon=True).start()
    yield f"127.0.0.1:{files.server_port}"
    files.shutdown()
    files.server_close()


@pytest.fixture
def certificate(tmp_path, monkeypatch):
    """A certificate of 127.0.0.1 that this process trusts: (certificate, key)."""
    pair = tmp_path / "server.pem", tmp_path / "server.key"
    request = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=127.0.0.1"]
    names = ["-addext", "subjectAltName=IP:127.0.0.1", "-out", pair[0], "-keyout", pair[1]]
    subprocess.run([*request, *names], check=True, capture_output=True)
    monkeypatch.setenv("SSL_CERT_FILE", str(pair[0]))
    return pair


def serve_ftp(folder, handler):
    (folder / "in").mkdir()
    (folder / "firmware.bin").write_bytes(IMAGE)
    authorizer = DummyAuthorizer()
    authorizer.add_user(USER, PASSWORD, str(folder), perm="elradfmw")
    mine = type("Handler", (handler,), {"authorizer": authorizer})
    server = FTPServer(("127.0.0.1", 0), mine, ioloop=IOLoop())  # the usual one belongs to all threads
    running = threading.Event()
    running.set()

    def serve():
        while running.is_set():
            server.serve_forever(timeout=0.05, blocking=False)

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()

    def end():
        running.clear()
        thread.join()
        server.close_all()

    return server.address[1], end


@pytest.fixture
def ftp(tmp_path):
    folder = tmp_path / "ftp"
    folder.mkdir()
    port, end = serve_ftp(folder, FTPHandler)
    yield SimpleNamespace(url=f"ftp://{LOGIN}@127.0.0.1:{port}", folder=folder, port=port)
    end()


@pytest.fixture
def ftps(tmp_path, certificate):
    folder = tmp_path / "ftps"
    folder.mkdir()
    names = {"certfile": str(certificate[0]), "keyfile": str(certificate[1])}
    secure = type(
        "Secure", (TLS_FTPHandler,), {**names, "tls_control_required": True, "tls_data_required": True}
    )
    context = secure.get_ssl_context()
    port, end = serve_ftp(folder, secure)
    yield SimpleNamespace(url=f"ftps://{LOGIN}@127.0.0.1:{port}", folder=folder, context=context)
    end()


class Implicit(TLS_FTPHandler):
    """Welcomes through TLS, and knows no other way to begin it."""

    def handle(self):
        self.secure_connection(self.ssl_context)

    def handle_ssl_established(self):
        super().handle()

    def ftp_AUTH(self, line):  # noqa: N802 — as pyftpdlib finds it
        self.respond("502 not here")


@pytest.fixture
def ftps_at_once(tmp_path, certificate, monkeypatch):
    folder = tmp_path / "implicit"
    folder.mkdir()
    names = {"certfile": str(certificate[0]), "keyfile": str(certificate[1]), "tls_data_required": True}
    port, end = serve_ftp(folder, type("Secure", (Implicit,), names))
    monkeypatch.setattr(transfer, "IMPLICIT_FTPS_PORT", port)  # 990 is not ours to listen on
    yield SimpleNamespace(url=f"ftps://{LOGIN}@127.0.0.1:{port}", folder=folder)
    end()


class Keeper(asyncssh.SSHServer):
    told: ClassVar[list[str]] = []

    def password_auth_supported(self):
        return True

    def validate_password(self, username, password):
        self.told.append(password)
        return (username, password) == (USER, PASSWORD)


@pytest.fixture
def sftp(tmp_path):
    Keeper.told.clear()
    key = asyncssh.generate_private_key("ssh-ed25519")
    folder = tmp_path / "sftp"
    (folder / "in").mkdir(parents=True)
    (folder / "firmware.bin").write_bytes(IMAGE)
    loop = asyncio.new_event_loop()
    threading.Thread(target=loop.run_forever, daemon=True).start()

    async def serve():
        return await asyncssh.create_server(
            Keeper,
            "127.0.0.1",
            0,
            server_host_keys=[key],
            sftp_factory=lambda channel: asyncssh.SFTPServer(channel, chroot=str(folder)),
        )

    server = asyncio.run_coroutine_threadsafe(serve(), loop).result(20)
    port = server.get_port()
    public = key.export_public_key().decode().strip()
    url = f"sftp://{LOGIN}@127.0.0.1:{port}"
    yield SimpleNamespace(url=url, folder=folder, port=port, listed=f"[127.0.0.1]:{port} {public}\n")
    loop.call_soon_threadsafe(server.close)
    loop.call_soon_threadsafe(loop.stop)


def fetch(location, hosts=None):
    return transfer.move(TransferWanted("firmware", location), hosts or HostKeys())


def store(location, name="diag 1.log", data=b"all is well", hosts=None):
    return transfer.move(TransferWanted("diagnostics", location, name, data), hosts or HostKeys())


def test_firmware_comes_over_http(http):
    """UF-1: whole, and with the user that the location names."""
    assert fetch(f"http://{http}/firmware.bin") == (True, f"{len(IMAGE)} bytes")
    assert fetch(f"http://{LOGIN}@{http}/private.bin").ok
    assert not fetch(f"http://{http}/private.bin").ok


@pytest.mark.parametrize("page", ["empty.bin", "login.html"])
def test_what_is_no_image_is_said_to_be_invalid(http, page):
    """TC_044_3: nothing at all, or a page of text."""
    assert fetch(f"http://{http}/{page}") == (False, INVALID_IMAGE)


def test_diagnostics_go_over_http_under_their_name(http):
    """GD-1: the location is a folder."""
    for folder in ("incoming", "incoming/"):
        assert store(f"http://{http}/{folder}").ok
    assert Files.kept == {"PUT /incoming/diag%201.log": b"all is well"}


def test_a_server_of_forms_gets_a_form(http):
    """GD-1: 405 to PUT is not the end."""
    assert store(f"http://{http}/forms/").ok
    assert Files.kept["POST /forms/diag%201.log"] == b"all is well"


def test_https_trusts_whom_this_machine_trusts(certificate, monkeypatch):
    """UF-1, GD-1."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*certificate)
    files = HTTPServer(("127.0.0.1", 0), Files)
    files.socket = context.wrap_socket(files.socket, server_side=True)
    threading.Thread(target=files.serve_forever, daemon=True).start()
    url = f"https://127.0.0.1:{files.server_port}"
    assert fetch(f"{url}/firmware.bin").ok
    assert store(f"{url}/in/").ok
    monkeypatch.delenv("SSL_CERT_FILE")
    assert "CERTIFICATE_VERIFY_FAILED" in fetch(f"{url}/firmware.bin").detail
    files.shutdown()
    files.server_close()


@pytest.mark.parametrize("protocol", ["ftp", "ftps", "ftps_at_once", "sftp"])
def test_the_other_protocols_fetch_and_store(protocol, request):
    """UF-1, GD-1: FTP, FTPS and SFTP against servers of other hands."""
    server = request.getfixturevalue(protocol)
    assert fetch(f"{server.url}/firmware.bin") == (True, f"{len(IMAGE)} bytes")
    assert store(f"{server.url}/in/").ok
    assert (server.folder / "in" / "diag 1.log").read_bytes() == b"all is well"
    missing = fetch(f"{server.url}/missing.bin")
    assert not missing.ok
    assert missing.detail
    assert not store(f"{server.url}/no/such/folder").ok


@pytest.mark.parametrize("version", [SSL.TLS1_2_VERSION, SSL.TLS1_3_VERSION])
def test_ftps_data_resumes_the_session_of_the_control_connection(ftps, version):
    """UF-1, GD-1: one full handshake a transfer; servers refuse data of a session that they have not met."""
    shown = []

    def note(connection, _where, _result):
        if connection.get_state_string() == b"SSLv3/TLS write certificate":
            shown.append(connection)

    ftps.context.set_min_proto_version(version)
    ftps.context.set_max_proto_version(version)
    ftps.context.set_info_callback(note)
    assert fetch(f"{ftps.url}/firmware.bin").ok
    assert len(set(shown)) == 1
    assert store(f"{ftps.url}/in/").ok
    assert len(set(shown)) == 2


def test_ftps_verifies_the_server_however_it_begins(ftps, ftps_at_once, monkeypatch):
    """UF-1, GD-1."""
    monkeypatch.delenv("SSL_CERT_FILE")
    for server in (ftps, ftps_at_once):
        assert "CERTIFICATE_VERIFY_FAILED" in fetch(f"{server.url}/firmware.bin").detail


def test_a_new_sftp_host_is_believed_once_and_written_down(sftp, tmp_path):
    """UF-1, GD-1: trust on first use, in OpenSSH's own format."""
    file = tmp_path / "known_hosts"
    for hosts in (HostKeys(file), HostKeys()):
        for _ in range(2):
            assert fetch(f"{sftp.url}/firmware.bin", hosts).ok
            assert store(f"{sftp.url}/in/", hosts=hosts).ok
        assert hosts.lines() == sftp.listed
    assert file.read_text() == sftp.listed


def test_a_listed_sftp_host_with_another_key_gets_no_password(sftp, tmp_path):
    """UF-1, GD-1: somebody else answers where a known host was; both directions fail, and say why."""
    file = tmp_path / "known_hosts"
    other = asyncssh.generate_private_key("ssh-ed25519").export_public_key().decode()
    file.write_text(f"[127.0.0.1]:{sftp.port} {other}")
    for moved in (
        fetch(f"{sftp.url}/firmware.bin", HostKeys(file)),
        store(f"{sftp.url}/in/", hosts=HostKeys(file)),
    ):
        assert not moved.ok
        assert moved.detail.endswith(f"it is not the one in {file}")
    assert Keeper.told == []
    assert file.read_text() == f"[127.0.0.1]:{sftp.port} {other}"
    file.write_text("# the installer's list\n" + sftp.listed)
    assert fetch(f"{sftp.url}/firmware.bin", HostKeys(file)).ok


def test_a_list_of_hosts_that_cannot_be_read_is_a_failure(sftp, tmp_path):
    """UF-1: no list, no trust."""
    file = tmp_path / "known_hosts"
    file.write_text("nonsense\n")
    assert "Invalid known hosts entry" in fetch(f"{sftp.url}/firmware.bin", HostKeys(file)).detail
    file.write_bytes(b"\xff\xfe")
    assert not fetch(f"{sftp.url}/firmware.bin", HostKeys(file)).ok
    assert not fetch(f"{sftp.url}/firmware.bin", HostKeys(tmp_path / "no folder" / "known_hosts")).ok
    assert Keeper.told == []


@pytest.mark.parametrize("protocol", ["ftp", "sftp"])
def test_a_wrong_password_is_a_failure(protocol, request):
    server = request.getfixturevalue(protocol)
    moved = fetch(f"{protocol}://nobody:wrong@127.0.0.1:{server.port}/firmware.bin")
    assert not moved.ok
    assert moved.detail
    assert "wrong" not in moved.detail


def test_more_than_the_limit_is_refused(http, ftp, monkeypatch):
    """Bounded in size and in time."""
    monkeypatch.setattr(transfer, "MOST_BYTES", 1_000)
    for location in (f"http://{http}/firmware.bin", f"{ftp.url}/firmware.bin"):
        assert fetch(location) == (False, "more than 1000 bytes")
    monkeypatch.undo()
    monkeypatch.setattr(transfer, "LONGEST_S", -1.0)
    assert "more than" in fetch(f"http://{http}/firmware.bin").detail


@pytest.mark.parametrize(
    ("location", "words"),
    [
        ("http://{http}/missing.bin", "404"),
        ("gopher://127.0.0.1/x", "no client for gopher"),
        ("just words", "without a scheme"),
        ("http://[::1/x", "Invalid IPv6 URL"),
        ("ftp://127.0.0.1:9/x", "refused"),
        ("http://127.0.0.1:9/x", "refused"),
        ("sftp://127.0.0.1:9/x", "111"),
        ("http://127.0.0.1:99999/x", ""),
        ("ftp://{http}/a%0d%0ab", ""),
    ],
)
def test_what_cannot_be_fetched_says_why(http, location, words):
    moved = fetch(location.format(http=http))
    assert not moved.ok
    assert words in moved.detail


def test_an_answer_that_is_no_http_is_a_failure():
    """UF-1: whatever the other side says, the update comes to an end."""
    import socket

    listener = socket.create_server(("127.0.0.1", 0))

    def babble():
        connection, _ = listener.accept()
        connection.recv(1000)
        connection.sendall(b"who is there?\r\n\r\n")
        connection.close()

    threading.Thread(target=babble, daemon=True).start()
    moved = fetch(f"http://127.0.0.1:{listener.getsockname()[1]}/x")
    listener.close()
    assert not moved.ok
