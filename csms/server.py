"""The running central system: listener, ledger, API, restarts on demand, and an end that is bounded."""

import asyncio
import contextlib
import errno
import os
import resource
import ssl
import time
from collections.abc import Callable
from ipaddress import ip_address
from pathlib import Path
from socket import gaierror
from typing import Final

from aiohttp import web
from msgspec import Struct
from websockets.frames import CloseCode

from csms.admission import Admission
from csms.api import build_api
from csms.behaviour import Behaviour, Restart
from csms.central import Central
from csms.commands import Commands
from csms.ledger import Ledger
from csms.passwords import Passwords
from csms.queries import recover
from csms.registration import BootPolicy, BootRule
from csms.statistics import Rates
from csms.tags import Tag, TagBook
from csms.websocket import CLOSE_TIMEOUT_S, StationSocket
from stations.errors import PlanError

BACKLOG: Final = 4096
TICK_S: Final = 1.0
DROP_BATCH: Final = 500  # sockets closed per turn of the loop


class Settings(Struct, kw_only=True):
    """Everything the command line decides. Port 0: any free one."""

    database: Path
    host: str = "127.0.0.1"
    port: int = 0
    api_host: str = "127.0.0.1"
    api_port: int = 0
    tags: list[Tag] = []
    restricted: bool = False
    one_transaction_per_tag: bool = False
    boot: BootRule = BootRule()
    passwords: Passwords | None = None
    api_token: str | None = None
    behaviour: Behaviour = Behaviour()
    ping_interval_s: float = 60.0
    record_frames: bool = False
    tls: ssl.SSLContext | None = None
    parent_pid: int | None = None  # end when this process does


class Addresses(Struct):
    """Where a running central system is found: stations connect to `url`/IDENTITY."""

    url: str
    api_url: str
    pid: int
    database: str


def _run_all(calls: list[Callable[[], None]]) -> None:
    for call in calls:
        call()


def raise_open_file_limit() -> int:
    """Let this process have as many sockets as the system allows it; how many that is."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != hard:
        with contextlib.suppress(ValueError, OSError):  # some systems cap it lower than they say
            resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
            soft = hard
    return soft


class Server:
    """One central system inside a running event loop: `start`, then `wait`, then `stop`."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.ending = asyncio.Event()
        self.rates = Rates()
        self._loop = asyncio.get_running_loop()
        ledger = Ledger(settings.database, self._deliver)
        known = recover(settings.database)
        tags = TagBook(
            known.tags,
            restricted=settings.restricted,
            one_transaction_per_tag=settings.one_transaction_per_tag,
        )
        self.central = Central(ledger, tags, BootPolicy(settings.boot), record_frames=settings.record_frames)
        self.central.registered.update(known.registered)
        for start in known.open_transactions:
            self.central.opened(start)
        self.commands = Commands(self.central)
        self._admission = Admission(self.central, settings.passwords, settings.ping_interval_s)
        self._listener: asyncio.Server | None = None
        self._port = settings.port
        self._api: web.AppRunner | None = None
        self._chores: list[asyncio.Task[None]] = []
        self._planned: list[asyncio.Task[None]] = []

    async def start(self) -> Addresses:
        """Listen on both ports; PlanError when one is taken."""
        raise_open_file_limit()
        try:
            self.put_tags(self.settings.tags)
            await self._listen()
            api_port = await self._serve_api()
        except BaseException:
            await self.stop()
            raise
        self.misbehave(self.settings.behaviour)
        self._chores.append(self._loop.create_task(self._tick()))
        scheme = "ws" if self.settings.tls is None else "wss"
        return Addresses(
            f"{scheme}://{_in_url(self.settings.host)}:{self._port}/ocpp",
            f"http://{_in_url(self.settings.api_host)}:{api_port}",
            os.getpid(),
            str(self.settings.database),
        )

    async def stop(self) -> None:
        """Close every connection (1001), finish the ledger. Takes seconds at most, whatever the peers do."""
        for task in (*self._chores, *self._planned):
            task.cancel()
        self.commands.stop()
        if self._listener is not None:
            self._listener.close()
        await self._drop(CloseCode.GOING_AWAY, "the central system stops")
        if self._api is not None:
            await self._api.cleanup()
        await asyncio.to_thread(self.central.ledger.close)

    def put_tags(self, tags: list[Tag], done: Callable[[bool], None] = lambda _written: None) -> None:
        """Add tags or replace them, in memory at once and in the ledger with the next commit."""
        for tag in tags:
            self.central.tags.put(tag)
        if tags:
            self.central.ledger.change(
                "INSERT INTO tags (id_tag, status, parent_id_tag, expiry_date) VALUES (?, ?, ?, ?)"
                " ON CONFLICT (id_tag) DO UPDATE SET status = excluded.status,"
                " parent_id_tag = excluded.parent_id_tag, expiry_date = excluded.expiry_date",
                [(tag.id_tag, tag.status.value, tag.parent_id_tag, tag.expiry_date) for tag in tags],
                done,
            )

    def misbehave(self, behaviour: Behaviour) -> None:
        """Put these faults in force, and their restarts on the clock, in place of those before."""
        for task in self._planned:
            task.cancel()
        self.central.misbehave(behaviour)
        self._planned = [
            self._loop.create_task(self._restart_on_schedule(fault))
            for fault in behaviour.fault
            if isinstance(fault, Restart)
        ]

    @property
    def api_is_local(self) -> bool:
        """Only this machine can reach the API."""
        return is_loopback(self.settings.api_host)

    def begin_restart(self, fault: Restart) -> None:
        """Restart without making the caller wait."""
        self._planned = [task for task in self._planned if not task.done()]
        self._planned.append(self._loop.create_task(self.restart(fault)))

    async def restart(self, fault: Restart) -> None:
        """Drop every connection and refuse new ones for `down_s` seconds. The ledger stays."""
        if self._listener is None:
            return  # it is down already
        self._listener.close()
        self._listener = None
        dropped = len(self._admission.sockets)
        detail = f"{dropped} connections, {fault.down_s} s down"
        self.central.misdeeds.commit(fault, time.time(), "*", detail=detail)
        await self._drop(fault.code, "the central system restarts")
        await asyncio.sleep(fault.down_s)
        await self._listen()

    async def _restart_on_schedule(self, fault: Restart) -> None:
        await asyncio.sleep(fault.after_s)
        await self.restart(fault)
        while fault.every_s is not None:
            await asyncio.sleep(fault.every_s)
            await self.restart(fault)

    async def _drop(self, code: int | None, reason: str) -> None:
        """End every connection, politely when there is a code; back when all are gone."""
        give_up_s = time.monotonic() + CLOSE_TIMEOUT_S
        for number, socket in enumerate(list(self._admission.sockets), 1):
            if code is None:
                socket.abort()
            else:
                socket.close(code, reason)
            if number % DROP_BATCH == 0:
                await asyncio.sleep(0)
        while self._admission.sockets and time.monotonic() < give_up_s:  # noqa: ASYNC110 — bounded, at the end
            await asyncio.sleep(0.01)
        for socket in list(self._admission.sockets):
            socket.abort()
        await asyncio.sleep(0)

    async def _listen(self) -> None:
        settings = self.settings
        try:
            self._listener = await self._loop.create_server(
                lambda: StationSocket(self._admission),
                settings.host,
                self._port,
                backlog=BACKLOG,
                ssl=settings.tls,
            )
        except OSError as exc:
            raise PlanError(_cannot_listen(settings.host, self._port, "--port", exc)) from exc
        self._port = self._listener.sockets[0].getsockname()[1]

    async def _serve_api(self) -> int:
        settings = self.settings
        self._api = web.AppRunner(build_api(self), access_log=None, shutdown_timeout=1.0)
        await self._api.setup()
        site = web.TCPSite(self._api, settings.api_host, settings.api_port)
        try:
            await site.start()
        except OSError as exc:
            raise PlanError(_cannot_listen(settings.api_host, settings.api_port, "--api-port", exc)) from exc
        return int(self._api.addresses[0][1])

    async def _tick(self) -> None:
        while True:
            now_s = time.monotonic()
            self.rates.tick(now_s, self.central.statistics)
            for socket in list(self._admission.sockets):
                socket.check(now_s)
            if self.settings.parent_pid not in {None, os.getppid()}:
                self.ending.set()
            await asyncio.sleep(TICK_S)

    def _deliver(self, calls: list[Callable[[], None]]) -> None:
        """The ledger's thread hands over what waited for its commit."""
        with contextlib.suppress(RuntimeError):  # the loop may have ended before the last commit
            self._loop.call_soon_threadsafe(_run_all, calls)


def _in_url(host: str) -> str:
    return f"[{host}]" if ":" in host else host


def _cannot_listen(host: str, port: int, option: str, exc: OSError) -> str:
    foreign = isinstance(exc, gaierror) or exc.errno == errno.EADDRNOTAVAIL
    reason = os.strerror(exc.errno) if exc.errno and exc.errno > 0 else exc.strerror  # uvloop's is a sentence
    mend = "is it an address of this machine?" if foreign else f"choose another {option} or free this one"
    return f"cannot listen on {host}:{port} ({reason}); {mend}"


def is_loopback(host: str) -> bool:
    """True for an address that only this machine can reach."""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
