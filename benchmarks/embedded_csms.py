"""CPU of the embedded central system per OCPP message, and what 10,000 connections cost it.

    python benchmarks/embedded_csms.py [--stations 500] [--seconds 5] [--connections 10000] [--json]

Closed loops over raw loopback sockets (a station sends its next CALL when the last was answered); CPU is user
+ system of the central system's process, its ledger's thread included, per CALL answered. The load comes from
other processes and is not counted.
"""

import argparse
import asyncio
import json
import multiprocessing
import os
import platform
import resource
import tempfile
import time
import urllib.request
from pathlib import Path

import psutil
import uvloop

from csms.launch import Embedded, start_embedded

BOOT = b'[2,"b","BootNotification",{"chargePointVendor":"Legrand","chargePointModel":"059004"}]'
HEARTBEAT = b'[2,"%d","Heartbeat",{}]'
METER_VALUES = (
    b'[2,"%d","MeterValues",{"connectorId":1,"transactionId":1,"meterValue":[{"timestamp":"2026-05-04T10:00:00.000Z",'
    b'"sampledValue":[{"value":"15.9","context":"Sample.Periodic","measurand":"Current.Import","unit":"A"},'
    b'{"value":"3667.2","context":"Sample.Periodic","measurand":"Power.Active.Import","unit":"W"},'
    b'{"value":"18220","context":"Sample.Periodic","measurand":"Energy.Active.Import.Register","unit":"Wh"}]}]}]'
)
START = (
    b'[2,"%d","StartTransaction",{"connectorId":1,"idTag":"BADGE","meterStart":%d,'
    b'"timestamp":"2026-05-04T10:00:00.000Z"}]'
)
LOADS = {"Heartbeat": HEARTBEAT, "MeterValues": METER_VALUES, "StartTransaction": START}
MASK = b"\0\0\0\0"


def frame(message: bytes) -> bytes:
    size = len(message)
    head = bytes((0x81, 0x80 | size)) if size < 126 else b"\x81\xfe" + size.to_bytes(2, "big")
    return head + MASK + message


class Station(asyncio.Protocol):
    """Sends `template` again and again; whole answers come in one segment because only one is due."""

    def __init__(self, identity: str, template: bytes, seed: int) -> None:
        self.identity, self.template, self.seed = identity, template, seed
        self.sent = self.answered = 0
        self.up = asyncio.get_running_loop().create_future()
        self.running = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Ask for the upgrade."""
        self.transport = transport
        transport.write(
            f"GET /ocpp/{self.identity} HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nSec-WebSocket-Version: 13\r\n"
            "Sec-WebSocket-Protocol: ocpp1.6\r\n\r\n".encode()
        )

    def data_received(self, data: bytes) -> None:
        """Boot, then count answers."""
        if data.startswith(b"HTTP"):
            self.transport.write(frame(BOOT))
        elif not self.up.done():
            self.up.set_result(None)
        else:
            self.answered += 1
            if self.running:
                self.next()

    def next(self) -> None:
        """Send the next CALL."""
        self.sent += 1
        numbers = (self.sent, self.seed * 1_000_000 + self.sent)[: self.template.count(b"%d")]
        self.transport.write(frame(self.template % numbers))


async def connect(port: int, count: int, template: bytes) -> list[Station]:
    loop = asyncio.get_running_loop()
    stations = []
    for number in range(count):
        station = Station(f"BENCH-{number:05}", template, number)
        await loop.create_connection(lambda station=station: station, "127.0.0.1", port)
        stations.append(station)
        if number % 200 == 0:
            await station.up
    await asyncio.gather(*(station.up for station in stations))
    return stations


def cpu_s(pid: int) -> float:
    times = psutil.Process(pid).cpu_times()
    return times.user + times.system


async def load(port: int, pid: int, count: int, seconds: float, template: bytes) -> dict[str, float]:
    stations = await connect(port, count, template)
    for station in stations:
        station.running = True
        station.next()
    await asyncio.sleep(1)
    cpu, done, begun = cpu_s(pid), sum(s.answered for s in stations), time.perf_counter()
    await asyncio.sleep(seconds)
    answered = sum(s.answered for s in stations) - done
    elapsed, spent = time.perf_counter() - begun, cpu_s(pid) - cpu
    return {"per_s": answered / elapsed, "cpu_us": spent / answered * 1e6, "cores": spent / elapsed}


def _child(queue: "multiprocessing.Queue[dict[str, float]]", *arguments: object) -> None:
    queue.put(uvloop.run(load(*arguments)))


def measure(action: str, options: argparse.Namespace) -> dict[str, float]:
    with tempfile.TemporaryDirectory() as folder, start_embedded(Path(folder) / "bench.sqlite") as csms:
        port = int(csms.url.rsplit(":", 1)[1].split("/")[0])
        queue: multiprocessing.Queue[dict[str, float]] = multiprocessing.Queue()
        child = multiprocessing.Process(
            target=_child, args=(queue, port, csms.pid, options.stations, options.seconds, LOADS[action])
        )
        child.start()
        figures = queue.get()
        with urllib.request.urlopen(csms.api_url + "/statistics") as answer:
            figures["backlog_rows"] = json.load(answer)["ledger"]["backlog_rows"]
        child.join()
        return figures


async def _many(port: int, count: int, csms: Embedded) -> dict[str, float]:
    process = psutil.Process(csms.pid)
    before, cpu, begun = process.memory_info().rss, cpu_s(csms.pid), time.perf_counter()
    stations = await connect(port, count, HEARTBEAT)
    elapsed, spent = time.perf_counter() - begun, cpu_s(csms.pid) - cpu
    await asyncio.sleep(1)
    after = process.memory_info().rss
    figures = {
        "connections": len(stations),
        "connect_boot_per_s": count / elapsed,
        "connect_boot_cpu_us": spent / count * 1e6,
        "rss_mb": after / 1e6,
        "kb_per_connection": (after - before) / count / 1024,
    }
    for station in stations:
        station.transport.abort()
    return figures


def many(count: int) -> dict[str, float]:
    with tempfile.TemporaryDirectory() as folder, start_embedded(Path(folder) / "bench.sqlite") as csms:
        return uvloop.run(_many(int(csms.url.rsplit(":", 1)[1].split("/")[0]), count, csms))


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--stations", type=int, default=500)
    parser.add_argument("--seconds", type=float, default=5)
    parser.add_argument("--connections", type=int, default=10_000)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    print(f"{platform.machine()}, {os.cpu_count()} CPUs, Python {platform.python_version()}")
    figures: dict[str, dict[str, float]] = {}
    for action in LOADS:
        figures[action] = measure(action, options)
        print(
            f"{action:18} {figures[action]['per_s']:8.0f}/s"
            f" {figures[action]['cpu_us']:7.1f} µs CPU per message,"
            f" {figures[action]['backlog_rows']:.0f} rows behind"
        )
    figures["connections"] = many(options.connections)
    print("  ".join(f"{name} {value:.1f}" for name, value in figures["connections"].items()))
    if options.json:
        print(json.dumps(figures))


if __name__ == "__main__":
    main()
