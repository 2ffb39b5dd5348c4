"""One station process, its central system, and what a story may do to both."""

import asyncio
import json
import os
import sys
import tempfile
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.conformance.centre import Call, Centre

IDENTITY = "CP-7"


@dataclass
class Process:
    """`greenup station` as a child: commands in, lines out."""

    child: asyncio.subprocess.Process
    lines: list[dict[str, Any]] = field(default_factory=list)
    errors: bytes = b""
    _readers: list[asyncio.Task[None]] = field(default_factory=list)

    @classmethod
    async def start(cls, environment: dict[str, str], starting: asyncio.Semaphore) -> "Process":
        """A station that is not powered on yet, but listens (it has answered a command that is none)."""
        async with starting:
            process = await cls._spawn(environment)
            try:
                process.text("listening?")
                await process.line("error", 30)
            except BaseException:  # nobody else knows it yet
                await process.finish()
                raise
        process.lines.clear()
        return process

    @classmethod
    async def _spawn(cls, environment: dict[str, str]) -> "Process":
        child = await asyncio.create_subprocess_exec(
            Path(sys.executable).with_name("greenup"),
            "station",
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            limit=1 << 22,
            env={**os.environ, **environment},
        )
        process = cls(child)
        process._readers = [asyncio.ensure_future(process._read()), asyncio.ensure_future(process._heed())]
        return process

    async def _read(self) -> None:
        assert self.child.stdout
        async for line in self.child.stdout:
            self.lines.append(json.loads(line))

    async def _heed(self) -> None:
        assert self.child.stderr
        self.errors = await self.child.stderr.read()

    def tell(self, op: str, **fields: Any) -> None:
        """One command."""
        self.text(json.dumps({"op": op, **fields}))

    def text(self, line: str) -> None:
        """One line as it stands."""
        assert self.child.stdin
        self.child.stdin.write(line.encode() + b"\n")

    async def line(self, field_name: str, within_s: float = 5.0, skip: int = 0) -> dict[str, Any]:
        """The next line with this field, after the first `skip` lines."""
        for _ in range(int(within_s / 0.02)):
            if self.child.returncode is not None and not self.lines[skip:]:
                raise AssertionError(f"ended with {self.child.returncode}: {self.errors.decode()}")
            for line in self.lines[skip:]:
                if field_name in line:
                    return line
            await asyncio.sleep(0.02)
        raise AssertionError(f"no line with {field_name} in {self.lines[skip:][-5:]}")

    def deaf(self) -> None:
        """Read no more of what it says."""
        self._readers[0].cancel()

    async def kill(self) -> None:
        """SIGKILL."""
        with suppress(ProcessLookupError):
            self.child.kill()
        await self.child.wait()

    async def finish(self) -> None:
        """End it, however it stands; its readers too."""
        if self.child.returncode is None and self.child.stdin:
            self.child.stdin.close()
            with suppress(TimeoutError):
                await asyncio.wait_for(self.child.wait(), 3)
        await self.kill()
        await asyncio.gather(*self._readers, return_exceptions=True)


class Relay:
    """A TCP relay between station and central system: the network that can be cut or held."""

    def __init__(self, target_port: int) -> None:
        self.target_port = target_port
        self.port = 0
        self.held = False
        self.cuts = False
        self._server: asyncio.Server | None = None
        self._writers: set[asyncio.StreamWriter] = set()
        self._free = asyncio.Event()
        self._free.set()

    async def open(self) -> None:
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", self.port)
        self.port = self._server.sockets[0].getsockname()[1]

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self.cuts:
            writer.transport.abort()
            return
        try:
            there_reader, there_writer = await asyncio.open_connection("127.0.0.1", self.target_port)
        except OSError:
            writer.transport.abort()
            return
        self._writers |= {writer, there_writer}
        await asyncio.gather(self._pump(reader, there_writer), self._pump(there_reader, writer))

    async def _pump(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError):
            while data := await reader.read(65536):
                await self._free.wait()
                writer.write(data)
                await writer.drain()
            writer.close()
        self._writers.discard(writer)

    def cut(self) -> None:
        """Links drop and new ones are reset."""
        self.cuts = True
        for writer in self._writers:
            writer.transport.abort()
        self._writers.clear()

    def mend(self) -> None:
        """New links go through again."""
        self.cuts = False
        self.hold(held=False)

    def hold(self, *, held: bool = True) -> None:
        """Nothing passes, nobody is told: a half-open link."""
        self._free.clear() if held else self._free.set()

    async def close(self) -> None:
        self.hold(held=False)
        self.cut()
        if self._server:
            self._server.close()
            await self._server.wait_closed()


@dataclass
class Bench:
    """What a story is handed."""

    folder: Path
    starting: asyncio.Semaphore  # an interpreter's start is all work: many at once only delay each other
    csms: Centre = field(default_factory=Centre)
    station: Process = field(default=None)  # type: ignore[assignment]
    relay: Relay | None = None
    spec: dict[str, Any] = field(default_factory=dict)
    environment: dict[str, str] = field(default_factory=dict)
    others: list[Process] = field(default_factory=list)

    async def prepare(self, *, relayed: bool = False, ssl: Any = None, **spec: Any) -> None:
        """Process and central system, before power."""
        await self.csms.open(ssl)
        port = self.csms.port
        if relayed:
            self.relay = Relay(port)
            await self.relay.open()
            port = self.relay.port
        keys = {"serverReconnectionTime": "1", **spec.pop("keys", {})}
        scheme = "wss" if ssl else "ws"
        self.spec = {
            "url": f"{scheme}://127.0.0.1:{port}/ocpp/{IDENTITY}",
            "charge_point_id": IDENTITY,
            "vendor": "Legrand",
            "model": "059004",
            "serial": "SN-0001",
            "firmware": "V01.01.65/V01.01.08",
            "connectors": 2,
            "detachable_cable": True,
            "personality": "spec",
            "state_dir": str(self.folder / "state"),
            "reboot_delay_s": 0.5,
            "keys": keys,
            **spec,
        }
        self.station = await Process.start(self.environment, self.starting)

    async def up(self, **spec: Any) -> Call:
        """Power on and wait for the statuses after the boot; they are looked at."""
        await self.prepare(**spec)
        self.power_on()
        return await self.booted()

    async def booted(self) -> Call:
        """The next boot with its statuses."""
        boot = await self.csms.next("BootNotification")
        for connector in range(self.spec["connectors"] + 1):
            await self.csms.next("StatusNotification", connectorId=connector)
        await asyncio.sleep(0.2)  # the last answer arrives: what is not answered counts as not told (ST-14)
        return boot

    def power_on(self, **changed: Any) -> None:
        self.spec.update(changed)
        self.tell("power_on", spec=self.spec)

    def tell(self, op: str, **fields: Any) -> None:
        self.station.tell(op, **fields)

    def plug_in(self, connector: int = 1, **fields: Any) -> None:
        self.tell("plug_in", connector=connector, **fields)

    def plug_out(self, connector: int = 1) -> None:
        self.tell("plug_out", connector=connector)

    def swipe(self, tag: str = "TAG1", connector: int | None = 1) -> None:
        self.tell("swipe", id_tag=tag, connectors=None if connector is None else [connector])

    async def charging(self, connector: int = 1, tag: str = "TAG1", **plug: Any) -> int:
        """A transaction that draws energy: its id."""
        self.plug_in(connector, **plug)
        await self.csms.status(connector, "Preparing")
        self.swipe(tag, connector)
        await self.csms.next("StartTransaction", connectorId=connector)
        transaction = self.csms.next_transaction - 1
        await self.csms.status(connector, "Charging")
        return transaction

    async def replace(self) -> None:
        """SIGKILL, and a new process on the same folder, not powered yet."""
        await self.station.kill()
        self.others.append(self.station)
        self.station = await Process.start(self.environment, self.starting)

    async def clear(self) -> None:
        """Nothing is left running."""
        for process in [*self.others, *([self.station] if self.station else [])]:
            await process.finish()
        if self.relay:
            await self.relay.close()
        await self.csms.shut()


def temporary() -> tempfile.TemporaryDirectory[str]:
    """A story's own folder."""
    return tempfile.TemporaryDirectory(prefix="conformance-")
