"""Us and the usual alternatives on one sink, in turns: CPU per MeterValues round trip, memory per station.

    python benchmarks/peers.py [--json]                                   us, and two of Python that are here
    python benchmarks/peers.py --peer "NAME=COMMAND" [--peer …]           others too: benchmarks/peers.md

A COMMAND makes {stations} stations connect to {url}/IDENTITY, boot, start a transaction and send a
MeterValues every {interval} seconds, until it is terminated; the same is in PEER_URL and so on. Counted: user
and system time of the whole process tree, and what the sink answered, in a window in which all stations send;
memory is the slope between two fleets. All take turns, to share the machine's mood; figures are medians.
"""

import argparse
import os
import shlex
import signal
import subprocess
import sys
import time
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Any, Self

import psutil
from locust_worker import HERE, STEADY, announce
from sink import Started

US = "greenup-swarm"
PEERS = HERE / "peers"
PYTHON = shlex.quote(sys.executable)
COMMANDS = {
    US: f"{PYTHON} -m locust -f {STEADY} --headless --only-summary -u {{stations}} -r 200 --csms-url {{url}}"
    f" --fleet {HERE}/fleets/charging.toml --time-scale {{pace}} --runs runs --loglevel WARNING",
    "ocpp + websockets": f"{PYTHON} {PEERS}/python_ocpp.py {{url}} {{stations}} {{interval}}",
    "plain Locust": f"{PYTHON} -m locust -f {PEERS}/plain_locust.py --headless --only-summary -u {{stations}}"
    " -r 200 -H {url} --loglevel WARNING",
}
PATIENCE_S = 120.0
SETTLE_S = 3.0


class Running:
    """One program with its children; use as a context."""

    def __init__(self, command: str, sink: Started, stations: int, interval_s: float) -> None:
        values = {"url": sink.url, "stations": stations, "interval": interval_s, "pace": 1 / interval_s}
        variables = {f"PEER_{name.upper()}": str(value) for name, value in values.items()}
        self._folder = TemporaryDirectory()
        self._log = (Path(self._folder.name) / "said.txt").open("w+")
        self._sink, self._before = sink, sink.counted()
        self._stations = stations
        self._process = subprocess.Popen(
            shlex.split(command.format(**values)),
            cwd=self._folder.name,
            env={**os.environ, **variables},
            stdout=self._log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.terminate()
        try:
            self._process.wait(20.0)
        except subprocess.TimeoutExpired:
            os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()
        self._log.close()
        self._folder.cleanup()

    def tree(self) -> list[psutil.Process]:
        """The program and what it has started."""
        root = psutil.Process(self._process.pid)
        return [root, *root.children(recursive=True)]

    def answered(self, action: str) -> int:
        """Calls of this program so far."""
        return self._sink.counted().get(action, 0) - self._before.get(action, 0)

    def wait_until_all_charge(self) -> None:
        """Every station has a transaction."""
        give_up = time.monotonic() + PATIENCE_S
        while self.answered("StartTransaction") < self._stations:
            if time.monotonic() > give_up or self._process.poll() is not None:
                self._log.seek(0)
                started = self.answered("StartTransaction")
                raise SystemExit(
                    f"{started} of {self._stations} stations charge\n{self._log.read()[-2_000:]}"
                )
            time.sleep(0.25)
        time.sleep(SETTLE_S)

    def rss_kb(self) -> float:
        """Resident memory of the tree."""
        return float(sum(each.memory_info().rss for each in self.tree())) / 1024

    def cpu_us_per_round_trip(self, seconds: float) -> tuple[float, float]:
        """And round trips a second."""
        began, count, cpu_s = time.monotonic(), self.answered("MeterValues"), self._cpu_s()
        time.sleep(seconds)
        count, cpu_s = self.answered("MeterValues") - count, self._cpu_s() - cpu_s
        return cpu_s * 1e6 / max(1, count), count / (time.monotonic() - began)

    def _cpu_s(self) -> float:
        times = [each.cpu_times() for each in self.tree()]
        return float(sum(each.user + each.system for each in times))


def one_round(command: str, options: argparse.Namespace) -> dict[str, float]:
    """A small fleet for its memory, then the whole one."""
    few = options.stations // 5
    with Started() as sink:
        with Running(command, sink, few, options.interval) as running:
            running.wait_until_all_charge()
            few_kb = running.rss_kb()
        with Running(command, sink, options.stations, options.interval) as running:
            running.wait_until_all_charge()
            cost_us, rate = running.cpu_us_per_round_trip(options.seconds)
            many_kb = running.rss_kb()
    return {
        "cpu_us_per_roundtrip": cost_us,
        "kb_per_station": (many_kb - few_kb) / (options.stations - few),
        "rate_per_s": rate,
    }


def table(figures: dict[str, dict[str, float]]) -> list[str]:
    """With ratios to us."""
    lines = [f"{'':28}{'µs/round trip':>14}{'ratio':>7}{'KB/station':>12}{'ratio':>7}{'calls/s':>9}"]
    ours = figures[US]
    for name, each in figures.items():
        cost_us, kb = each["cpu_us_per_roundtrip"], each["kb_per_station"]
        cost_ratio, kb_ratio = cost_us / ours["cpu_us_per_roundtrip"], kb / ours["kb_per_station"]
        lines.append(
            f"{name:28}{cost_us:14.1f}{cost_ratio:7.1f}{kb:12.1f}{kb_ratio:7.1f}{each['rate_per_s']:9.0f}"
        )
    return lines


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--peer", action="append", default=[], metavar="NAME=COMMAND")
    parser.add_argument("--stations", type=int, default=1_000)
    parser.add_argument("--interval", type=float, default=1.0, help="seconds between a station's MeterValues")
    parser.add_argument("--seconds", type=float, default=12.0, help="length of a measured window")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--json", action="store_true", help="figures as the last line")
    options = parser.parse_args()
    commands = COMMANDS | dict(peer.split("=", 1) for peer in options.peer)
    rounds: dict[str, list[dict[str, float]]] = {name: [] for name in commands}
    for number in range(options.rounds):
        for name, command in commands.items():
            rounds[name].append(one_round(command, options))
            print(f"round {number + 1}, {name}: {rounds[name][-1]}", file=sys.stderr)
    figures: dict[str, Any] = {
        name: {key: round(median(each[key] for each in found), 1) for key in found[0]}
        for name, found in rounds.items()
    }
    announce(figures, table(figures), as_json=options.json)


if __name__ == "__main__":
    main()
