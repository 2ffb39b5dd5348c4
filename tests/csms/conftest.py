"""A central system in the test's own event loop, and stations and an operator to talk to it."""

import asyncio
import json
import shutil
import sqlite3
import subprocess
from contextlib import AsyncExitStack, closing
from itertools import count

import aiohttp
import pytest
import uvloop
from websockets.asyncio.client import connect
from websockets.exceptions import WebSocketException

from csms.ledger import Ledger
from csms.server import Server, Settings

STORY_LIMIT_S = 30


class StationClient:
    """A station reduced to its socket: sends what a test says, remembers nothing but open ids."""

    def __init__(self, socket):
        self.socket = socket
        self._ids = count(1)

    async def send(self, frame):
        await self.socket.send(frame if isinstance(frame, (str, bytes)) else json.dumps(frame))

    async def receive(self, timeout_s=10):
        return json.loads(await asyncio.wait_for(self.socket.recv(), timeout_s))

    async def call(self, action, payload=None, message_id=None):
        """Send a CALL; the answer whatever its kind. For tests whose answers come in order."""
        message_id = message_id or f"m{next(self._ids)}"
        await self.send([2, message_id, action, payload or {}])
        answer = await self.receive()
        assert answer[1] == message_id
        return answer

    async def ask(self, action, payload=None):
        """Send a CALL that must succeed; the payload of the answer."""
        answer = await self.call(action, payload)
        assert answer[0] == 3, answer
        return answer[2]

    async def boot(self):
        return await self.ask(
            "BootNotification", {"chargePointVendor": "Legrand", "chargePointModel": "059004"}
        )

    async def start(self, connector=1, id_tag="TAG", meter=1000, timestamp="2026-05-04T10:00:00Z"):
        """The payload of StartTransaction.conf."""
        return await self.ask(
            "StartTransaction",
            {"connectorId": connector, "idTag": id_tag, "meterStart": meter, "timestamp": timestamp},
        )

    async def stop(self, transaction_id, meter=2000, timestamp="2026-05-04T11:00:00Z", **more):
        return await self.ask(
            "StopTransaction",
            {"transactionId": transaction_id, "meterStop": meter, "timestamp": timestamp, **more},
        )

    async def closed(self, timeout_s=10):
        """The close code and reason that end the connection."""
        await asyncio.wait_for(self.socket.wait_closed(), timeout_s)
        return self.socket.close_code, self.socket.close_reason


class World:
    """One running central system and what the test opened on it."""

    def __init__(self, server, addresses, stack):
        self.server = server
        self.url = addresses.url
        self.api_url = addresses.api_url
        self._stack = stack
        self.http = None

    async def connect(self, station, **options):
        options = {"subprotocols": ["ocpp1.6"], "compression": None, "proxy": None, **options}
        return StationClient(
            await self._stack.enter_async_context(connect(f"{self.url}/{station}", **options))
        )

    async def station(self, station="GU-1", **options):
        client = await self.connect(station, **options)
        await client.boot()
        return client

    async def station_patiently(self, station="GU-1"):
        """As stations do: try again until the central system is back."""
        while True:
            try:
                return await self.station(station)
            except (OSError, WebSocketException):
                await asyncio.sleep(0.02)

    async def until(self, condition):
        """Wait for what the central system does by itself; the story's own limit bounds it."""
        while not condition():  # noqa: ASYNC110 — polled so that the product needs no event for it
            await asyncio.sleep(0.005)

    async def api(self, method, path, body=None, *, status=200, headers=None):
        headers = {"X-CSMS-Request": "1"} if headers is None else headers
        async with self.http.request(method, self.api_url + path, json=body, headers=headers) as answer:
            found = await answer.json()
            assert answer.status == status, found
            return found

    async def rows(self, sql):
        """Rows of the ledger, after everything so far is in it."""
        written = asyncio.get_running_loop().create_future()
        self.server.central.ledger.change("DELETE FROM tags WHERE 0", [()], written.set_result)
        await written
        with closing(sqlite3.connect(self.server.settings.database)) as db:
            return db.execute(sql).fetchall()


@pytest.fixture
def story(tmp_path):
    """Run an async test function on a fresh central system with these settings."""

    async def perform(tell, settings):
        async with asyncio.timeout(STORY_LIMIT_S), AsyncExitStack() as stack:
            server = Server(Settings(**{"database": tmp_path / "ledger.sqlite", **settings}))
            world = World(server, await server.start(), stack)
            stack.push_async_callback(server.stop)
            world.http = await stack.enter_async_context(aiohttp.ClientSession())
            await tell(world)

    def run(tell, **settings):
        uvloop.run(perform(tell, settings))

    return run


@pytest.fixture
def ledger(tmp_path):
    """A ledger whose callbacks run in the writer's thread; closed at the end."""
    ledger = Ledger(tmp_path / "ledger.sqlite", lambda calls: [call() for call in calls])
    yield ledger
    ledger.close()


@pytest.fixture
def certificate(tmp_path):
    """A self-signed certificate of 127.0.0.1 and its key, as PEM files."""
    openssl = shutil.which("openssl")
    if openssl is None:
        pytest.skip("no openssl here to make a certificate with")
    chain, key = tmp_path / "cert.pem", tmp_path / "key.pem"
    options = "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj /CN=localhost"
    names = ["-addext", "subjectAltName=IP:127.0.0.1", "-keyout", key, "-out", chain]
    subprocess.run([openssl, *options.split(), *names], check=True, capture_output=True)
    return chain, key
