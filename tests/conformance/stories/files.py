"""Firmware and diagnostics (section 10): real files over real connections."""

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from tests.conformance.bench import Bench
from tests.conformance.centre import now_text
from tests.conformance.story import story

IMAGE = bytes(range(256)) * 64
NAME = "V02.00.00_V02.00.01.bin"
QUICKLY = {"firmware": "V01.01.65/V01.01.08", "reboot_delay_s": 0.5}


class Shop:
    """An HTTP server: files by path, uploads kept, visits counted."""

    def __init__(self) -> None:
        self.files: dict[str, bytes] = {f"/{NAME}": IMAGE}
        self.uploads: dict[str, bytes] = {}
        self.visits: list[str] = []
        self.failing = 0  # the next requests that are refused
        self.slow = threading.Event()
        self.slow.set()
        self.url = ""


@contextmanager
def shop() -> Iterator[Shop]:
    goods = Shop()

    class Counter(BaseHTTPRequestHandler):
        def _refused(self) -> bool:
            goods.visits.append(f"{self.command} {self.path}")
            goods.slow.wait(30)
            if goods.failing:
                goods.failing -= 1
                self.send_error(503)
                return True
            return False

        def do_GET(self) -> None:
            if self._refused():
                return
            file = goods.files.get(self.path)
            self.send_response(404 if file is None else 200)
            self.send_header("Content-Length", str(len(file or b"")))
            self.end_headers()
            with suppress(OSError):  # the station is gone
                self.wfile.write(file or b"")

        def do_PUT(self) -> None:
            data = self.rfile.read(int(self.headers["Content-Length"]))
            if self._refused():
                return
            goods.uploads[self.path] = data
            self.send_response(201)
            self.end_headers()

        def log_message(self, *_words: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Counter)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, args=(0.1,), daemon=True).start()
    goods.url = f"http://127.0.0.1:{server.server_port}"
    try:
        yield goods
    finally:
        goods.slow.set()
        server.shutdown()
        server.server_close()


async def told(t: Bench, *statuses: str, action: str = "FirmwareStatusNotification") -> None:
    for status in statuses:
        call = await t.csms.next(action, 20)
        assert call.payload["status"] == status, (call.payload, status)


async def update(t: Bench, location: str, in_s: float = -1, **more) -> None:
    answer = await t.csms.call("UpdateFirmware", location=location, retrieveDate=now_text(in_s), **more)
    assert answer == {}, answer


@story("UF-1", "UF-2", "FW-1", "TC_044_1", quick=True)
async def new_firmware(t: Bench):
    with shop() as goods:
        await t.up(**QUICKLY)
        await update(t, f"{goods.url}/{NAME}")
        await told(t, "Downloading", "Downloaded", "Installing")
        assert goods.visits == [f"GET /{NAME}"]
        boot = await t.csms.next("BootNotification", 20)
        assert boot.payload["firmwareVersion"] == "V02.00.00/V02.00.01"
        await told(t, "Installed")
        shown = await t.csms.until(
            lambda: [
                call
                for call in t.csms.all("StatusNotification", connectorId=1, status="Available")
                if call.at > boot.at
            ],
            "Available again",
        )
        assert shown
        await t.replace()
        t.power_on()
        boot = await t.csms.next("BootNotification")
        assert boot.payload["firmwareVersion"] == "V02.00.00/V02.00.01", "it stays installed"


@story("UF-1", "FW-1", "TC_044_2", quick=True)
async def firmware_that_cannot_be_had(t: Bench):
    with shop() as goods:
        await t.up(**QUICKLY)
        await update(t, f"{goods.url}/missing.bin", retries=2, retryInterval=1)
        await told(t, "Downloading", "DownloadFailed")
        assert len(goods.visits) == 3
        await t.csms.none("BootNotification", 0.5)
        assert await t.csms.ask("TriggerMessage", requestedMessage="FirmwareStatusNotification") == "Accepted"
        await told(t, "Idle")


@story("UF-1", "TC_044_2")
async def firmware_from_nowhere(t: Bench):
    await t.up(**QUICKLY)
    for location in ("http://127.0.0.1:9/f.bin", "gopher://127.0.0.1/f.bin", "f.bin", "ftp://127.0.0.1:9/f"):
        await update(t, location)
        await told(t, "Downloading", "DownloadFailed")


@story("UF-2", "FW-1", "TC_044_3", quick=True)
async def firmware_that_is_none(t: Bench):
    with shop() as goods:
        goods.files["/empty.bin"] = b""
        await t.up(**QUICKLY)
        await update(t, f"{goods.url}/empty.bin")
        await told(t, "Downloading", "Downloaded", "Installing", "InstallationFailed")
        await t.csms.none("BootNotification", 1.5)
        await t.replace()
        t.power_on()
        boot = await t.csms.next("BootNotification")
        assert boot.payload["firmwareVersion"] == QUICKLY["firmware"], "the old version stays"


@story("UF-1")
async def retries_help(t: Bench):
    with shop() as goods:
        goods.failing = 1
        await t.up(**QUICKLY)
        await update(t, f"{goods.url}/{NAME}", retries=1, retryInterval=1)
        await told(t, "Downloading", "Downloaded", "Installing", "Installed")
        assert len(goods.visits) == 2


@story("UF-1", "UF-3", quick=True)
async def the_retrieve_date_is_waited_for(t: Bench):
    with shop() as goods:
        await t.up(**QUICKLY)
        await update(t, f"{goods.url}/never.bin", in_s=3600)
        await update(t, f"{goods.url}/missing.bin", in_s=3)
        await t.csms.none("FirmwareStatusNotification", 1.5)
        await told(t, "Downloading", "DownloadFailed")
        assert goods.visits == ["GET /missing.bin"]


@story("UF-2", "UF-4", quick=True)
async def transactions_end_before_an_installation(t: Bench):
    with shop() as goods:
        await t.up(**QUICKLY)
        await t.charging()
        await update(t, f"{goods.url}/{NAME}")
        await told(t, "Downloading", "Downloaded")
        await t.csms.status(2, "Unavailable")
        await t.csms.none("FirmwareStatusNotification", 1)
        t.swipe()
        await t.csms.next("StopTransaction")
        await told(t, "Installing")
        await t.csms.next("BootNotification", 20)
        await t.csms.status(2, "Available", 15)


@story("UF-2", "BOOT-1")
async def the_link_may_stay_up_through_a_restart(t: Bench):
    with shop() as goods:
        await t.up(**QUICKLY, drop_ws_on_firmware_reboot=False)
        await update(t, f"{goods.url}/{NAME}")
        await told(t, "Downloading", "Downloaded", "Installing")
        boot = await t.csms.next("BootNotification", 20)
        assert boot.link == 0
        assert boot.payload["firmwareVersion"] == "V02.00.00/V02.00.01"
        await told(t, "Installed")


@story("CMD-3", "UF-1", "GD-4", quick=True)
async def commands_are_answered_while_a_transfer_hangs(t: Bench):
    with shop() as goods:
        goods.slow.clear()
        await t.up(**QUICKLY)
        await update(t, f"{goods.url}/{NAME}")
        await told(t, "Downloading")
        loop = asyncio.get_running_loop()
        for _ in range(20):
            began = loop.time()
            assert await t.csms.configured("HeartbeatInterval")
            assert loop.time() - began < 2
        assert await t.csms.ask("TriggerMessage", requestedMessage="FirmwareStatusNotification") == "Accepted"
        await told(t, "Downloading")
        t.tell("exit")
        assert await asyncio.wait_for(t.station.child.wait(), 8) == 0, "a transfer keeps nobody"


@story("GD-1", "GD-3", "DIAG-1", "TC_045_1", quick=True)
async def diagnostics_are_uploaded(t: Bench):
    with shop() as goods:
        await t.up()
        assert (
            await t.csms.ask("TriggerMessage", requestedMessage="DiagnosticsStatusNotification") == "Accepted"
        )
        await told(t, "Idle", action="DiagnosticsStatusNotification")
        answer = await t.csms.call("GetDiagnostics", location=f"{goods.url}/in/", startTime=now_text(-3600))
        name = answer["fileName"]
        assert 0 < len(name) <= 255
        await told(t, "Uploading", "Uploaded", action="DiagnosticsStatusNotification")
        (path,) = goods.uploads
        assert path.startswith("/in/")
        assert path.endswith(name)
        assert goods.uploads[path]


@story("GD-2", "DIAG-1", "TC_045_2", quick=True)
async def diagnostics_that_cannot_be_uploaded(t: Bench):
    with shop() as goods:
        goods.failing = 9
        await t.up()
        answer = await t.csms.call("GetDiagnostics", location=f"{goods.url}/in", retries=2, retryInterval=1)
        assert answer["fileName"]
        await told(t, "Uploading", "UploadFailed", action="DiagnosticsStatusNotification")
        assert len(goods.visits) == 3


@story("GD-1", "UF-1", "CC-3")
async def a_protocol_that_is_not_supported_is_not_tried(t: Bench):
    with shop() as goods:
        await t.up(keys={"SupportedFileTransferProtocols": "FTP"})
        answer = await t.csms.call("GetDiagnostics", location=f"{goods.url}/in")
        assert "fileName" in answer
        await told(t, "Uploading", "UploadFailed", action="DiagnosticsStatusNotification")
        assert not goods.visits


@story("GD-4", "DIAG-1")
async def one_upload_at_a_time(t: Bench):
    with shop() as goods:
        goods.slow.clear()
        await t.up()
        assert (await t.csms.call("GetDiagnostics", location=f"{goods.url}/one/"))["fileName"]
        await told(t, "Uploading", action="DiagnosticsStatusNotification")
        assert (await t.csms.call("GetDiagnostics", location=f"{goods.url}/two/"))["fileName"]
        assert (
            await t.csms.ask("TriggerMessage", requestedMessage="DiagnosticsStatusNotification") == "Accepted"
        )
        await told(t, "Uploading", action="DiagnosticsStatusNotification")
        await t.csms.until(lambda: goods.visits, "the first upload")
        assert len(goods.visits) == 1
        goods.slow.set()
        await told(t, "Uploaded", "Uploading", "Uploaded", action="DiagnosticsStatusNotification")
        assert sorted(path[:5] for path in goods.uploads) == ["/one/", "/two/"]


@story("UF-1", "BOOT-11")
async def power_is_cut_in_a_download(t: Bench):
    with shop() as goods:
        goods.slow.clear()
        await t.up(**QUICKLY)
        await update(t, f"{goods.url}/{NAME}")
        await told(t, "Downloading")
        await t.replace()
        goods.slow.set()
        t.power_on()
        await t.csms.next("BootNotification")
        await t.csms.next("FirmwareStatusNotification", 20, status="Installed")
