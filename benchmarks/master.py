"""What workers cost their master: a real one, and simulated workers on Locust's own channel.

    python benchmarks/master.py [--workers 16 63 250 500] [--stations 2000] [--seconds 30] [--json]

The master is the program of a run, headless, with its dispatcher, leases, clock answers and statistics. Each
worker has a connection of its own and sends what a real one does: heartbeat, gauges and a question for the
time each second, and every three seconds a report of statistics, made by the project's own code from some 870
calls of ten actions. Stations are asked for, leased and counted, but do not exist.

`us_per_worker_s` is the master's CPU per worker and second at rest, by the slope between the fewest and the
most workers; `workers_of_one_core` is where that fills a core. `answer_p99_ms` is how long workers waited for
the answer to a heartbeat: a master that saturates makes them wait before it loses them.
"""

import argparse
import json
import socket
import subprocess
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, Final

import gevent
import msgspec
import numpy as np
import psutil
from locust import __version__ as locust_version
from locust.env import Environment
from locust.rpc import Message
from locust.rpc.zmqrpc import Client
from locust_worker import free_port

from engine.bridge import messages, processes, statistics
from engine.facts import Gauges
from results.columns import CallBatch
from results.receipt import Receipt
from results.schema import CALL_DTYPE

if TYPE_CHECKING:
    from collections.abc import Callable

STEADY: Final = Path(__file__).parent.parent / "locustfiles" / "steady.py"
CALLS_PER_REPORT: Final = 870  # of a million stations on 63 workers, 18,300 calls a second
REPORT_INTERVAL_S: Final = 3.0
ACTIONS: Final = [
    "Heartbeat", "MeterValues", "StatusNotification", "Authorize", "StartTransaction", "StopTransaction",
    "BootNotification", "GetConfiguration", "RemoteStartTransaction", "SetChargingProfile",
]  # fmt: skip
OUT_ACTIONS: Final = 7
BY_STATUS: Final = (
    "Available",
    "Preparing",
    "Charging",
    "SuspendedEV",
    "Finishing",
    "Unavailable",
    "Faulted",
)
RULES: Final = ("RPC-5", "WS-2", "TX-1", "CLK-1", "SC-3")


def report(luck: np.random.Generator, stations: int) -> dict[str, Any]:
    """Three seconds of a worker's calls as Locust's worker would report them now."""
    environment = Environment()
    rows = np.zeros(CALLS_PER_REPORT, CALL_DTYPE)
    rows["action"] = luck.choice(len(ACTIONS), len(rows), p=[0.86, 0.09, *[0.05 / 8] * 8])
    rows["direction"] = rows["action"] >= OUT_ACTIONS
    rows["done_us"] = time.time() * 1e6 - luck.uniform(0, REPORT_INTERVAL_S * 1e6, len(rows))
    rows["service_us"] = luck.lognormal(np.log(20_000), 0.8, len(rows))
    rows["bytes_in"] = 60
    rows["outcome"] = luck.random(len(rows)) < 0.005
    batch = CallBatch(rows, ACTIONS, ["", "InternalError"], ["ok", "timeout"], ["out", "in"])
    statistics.feed(environment.stats, batch)
    data: dict[str, Any] = {}
    data["stats"] = environment.stats.serialize_stats()
    data["stats_total"] = environment.stats.total.get_stripped_report()
    data["errors"] = environment.stats.serialize_errors()
    data["user_classes_count"] = {"GreenUp": stations}
    data["user_count"] = stations
    return data


def gauges(stations: int) -> dict[str, Any]:
    """A worker's second, as `engine.bridge.worker` tells it."""
    told = Gauges(
        stations, 0, {"open": stations}, {"Accepted": stations}, dict.fromkeys(BY_STATUS, stations // 7),
        stations // 10, 7_400.0 * stations / 10, 0, stations, 0, 0, 5, dict.fromkeys(RULES, 1),
    )  # fmt: skip
    health = {
        "gen_lag_p99_us": 900, "loop_delay_p99_us": 1_500, "canary_p99_us": 400, "cpu_percent": 31.4,
        "clock_offset_us": 120, "bugs": 0, "dropped_rows": 0, "calls": 10_000_000,
    }  # fmt: skip
    return msgspec.to_builtins(told) | health


class Simulated:
    """One worker on the channel, without stations."""

    def __init__(self, number: int, port: int, reports: "Reports") -> None:
        self.waits_s: list[float] = []
        self.leased = 0
        self.stopped = False
        self._id = f"simulated_{number}"
        self._reports = reports
        self._users = self._asked = 0
        self._run = ""
        self._sent_s = 0.0
        self._client = Client("127.0.0.1", port, self._id)
        self._send("client_ready", locust_version)
        gevent.spawn(self._listen)

    def _send(self, kind: str, data: Any) -> None:
        self._client.send(Message(kind, data, self._id))

    def _tell(self, kind: str, message: msgspec.Struct) -> None:
        self._send(kind, messages.write(message))

    def _listen(self) -> None:
        take: dict[str, Callable[[Any], None]] = {
            "ack": self._on_ack,
            "spawn": self._on_spawn,
            "heartbeat": self._on_heartbeat,
            messages.RUN: self._on_run,
            messages.LEASE: self._on_lease,
            messages.STOP: self._on_stop,
        }
        while not self.stopped:
            message = self._client.recv()
            if message.type in take:
                take[message.type](message.data)
            self.stopped = message.type == "quit"

    def _on_ack(self, _data: Any) -> None:
        elsewhere = msgspec.structs.replace(processes.own(), machine="elsewhere")
        self._tell(messages.HELLO, elsewhere)
        gevent.spawn(self._beat)
        gevent.spawn(self._report)

    def _on_run(self, data: Any) -> None:
        self._run = data["run"]

    def _on_heartbeat(self, _data: Any) -> None:
        self.waits_s.append(time.monotonic() - self._sent_s)

    def _on_lease(self, data: Any) -> None:
        self.leased += sum(end - first for first, end in data["ranges"])

    def _on_stop(self, _data: Any) -> None:
        closing = messages.Closing(self._run, self._id, Receipt(self._id, {}), [])
        self._tell(messages.RECEIPT, closing)

    def _on_spawn(self, data: Any) -> None:
        users = data["user_classes_count"]
        self._send("spawning", None)
        self._users = sum(users.values())
        if self._users > self._asked:
            self._tell(messages.ASK, messages.Ask(self._run, self._users - self._asked))
            self._asked = self._users
        self._send("spawning_complete", {"user_classes_count": users, "user_count": self._users})

    def _beat(self) -> None:
        gevent.sleep(float(np.random.default_rng().random()))
        while not self.stopped:
            self._sent_s = time.monotonic()
            state = "running" if self._users else "ready"
            self._send("heartbeat", {"state": state, "current_cpu_usage": 31.4, "current_memory_usage": 2e8})
            if self._run:
                self._send(messages.GAUGES, {"run": self._run, **gauges(self._users)})
                self._tell(messages.CLOCK, messages.ClockAsked(self._run, time.time_ns() // 1_000))
            gevent.sleep(1.0)

    def _report(self) -> None:
        gevent.sleep(REPORT_INTERVAL_S * float(np.random.default_rng().random()))
        while not self.stopped:
            self._send("stats", self._reports.of(self._users))
            gevent.sleep(REPORT_INTERVAL_S)


class Reports:
    """The calls of the last seconds: the same for all workers, so that making them costs this side little."""

    def __init__(self) -> None:
        self._luck = np.random.default_rng(1)
        self._made_s, self._latest = 0.0, {}

    def of(self, stations: int) -> dict[str, Any]:
        """A report of a worker with so many users."""
        if time.monotonic() - self._made_s > 1.0:
            self._made_s, self._latest = time.monotonic(), report(self._luck, stations)
        return self._latest | {"user_count": stations, "user_classes_count": {"GreenUp": stations}}


def measure(workers: int, stations_each: int, seconds: float) -> dict[str, Any]:
    stations = workers * stations_each
    central = socket.create_server(("127.0.0.1", 0))  # the master looks whether there is one
    with TemporaryDirectory() as folder, (Path(folder) / "log").open("w+") as log, central:
        port = free_port()
        command = [
            sys.executable,
            "-m",
            "locust",
            "-f",
            str(STEADY),
            "--master",
            "--headless",
            "--only-summary",
        ]
        command += ["--master-bind-host", "127.0.0.1", "--master-bind-port", str(port), "--runs", folder]
        command += ["--expect-workers", str(workers), "-u", str(stations), "-r", str(stations / 10)]
        command += ["--csms-url", f"ws://127.0.0.1:{central.getsockname()[1]}/nobody"]
        master = subprocess.Popen(command, stdout=log, stderr=subprocess.STDOUT)
        try:
            watched = psutil.Process(master.pid)
            gevent.sleep(3.0)
            fleet = [Simulated(number, port, reports) for reports in [Reports()] for number in range(workers)]
            began_s, ramp_cpu_s = time.monotonic(), _cpu_s(watched)
            while sum(each.leased for each in fleet) < stations:
                if time.monotonic() - began_s > 120 or master.poll() is not None:
                    raise RuntimeError(f"only {sum(each.leased for each in fleet)} leased:\n{_end(log)}")
                gevent.sleep(0.5)
            ramp_s, ramp_cpu_s = time.monotonic() - began_s, _cpu_s(watched) - ramp_cpu_s
            gevent.sleep(3.0)
            for each in fleet:
                each.waits_s.clear()
            began_s, cpu_s = time.monotonic(), _cpu_s(watched)
            gevent.sleep(seconds)
            cpu_s, lasted_s = _cpu_s(watched) - cpu_s, time.monotonic() - began_s
            waits_s = np.concatenate([each.waits_s for each in fleet])
            rss_mb = watched.memory_info().rss / 1e6
            log.flush()
            missing = (Path(folder) / "log").read_text().count("setting state to missing")
            master.terminate()
            stopped = gevent.with_timeout(60, _wait, master, timeout_value=False)
        finally:
            master.kill()
    return {
        "workers": workers,
        "stations": stations,
        "ramp_s": round(ramp_s, 1),
        "ramp_cpu_us_per_station": round(ramp_cpu_s * 1e6 / stations, 1),
        "cpu_percent": round(100 * cpu_s / lasted_s, 1),
        "answer_p50_ms": round(float(np.quantile(waits_s, 0.5)) * 1e3, 1),
        "answer_p99_ms": round(float(np.quantile(waits_s, 0.99)) * 1e3, 1),
        "heartbeats_answered": round(len(waits_s) / workers / lasted_s, 2),  # of one a second
        "rss_mb": round(rss_mb),
        "missing": missing,
        "ended": bool(stopped),
    }


def _cpu_s(process: psutil.Process) -> float:
    times = process.cpu_times()
    return float(times.user + times.system)


def _wait(process: "subprocess.Popen[bytes]") -> bool:
    while process.poll() is None:
        gevent.sleep(0.1)
    return True


def _end(log: Any) -> str:
    log.flush()
    return str(Path(log.name).read_text()[-2_000:])


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--workers", type=int, nargs="+", default=[16, 63, 250, 500])
    parser.add_argument("--stations", type=int, default=2_000, help="per worker")
    parser.add_argument("--seconds", type=float, default=30.0, help="of the steady state")
    parser.add_argument("--json", action="store_true", help="figures as the last line")
    options = parser.parse_args()
    found = []
    for count in options.workers:
        found.append(measure(count, options.stations, options.seconds))
        if len(found) == 1:
            print("  ".join(f"{name:>9s}" for name in found[0]))
        print("  ".join(f"{value!s:>{max(9, len(name))}s}" for name, value in found[-1].items()), flush=True)
    figures: dict[str, Any] = {f"workers_{row['workers']}": row for row in found}
    if len(found) > 1:
        fewest, most = found[0], found[-1]
        percent = (most["cpu_percent"] - fewest["cpu_percent"]) / (most["workers"] - fewest["workers"])
        figures["us_per_worker_s"] = round(percent * 1e4)
        figures["workers_of_one_core"] = int((100 - fewest["cpu_percent"]) / percent + fewest["workers"])
        print(f"master CPU: {figures['us_per_worker_s']} us per worker and second")
        print(f"one core: {figures['workers_of_one_core']} workers")
    if options.json:
        print(json.dumps(figures))


if __name__ == "__main__":
    main()
