"""The path of a MeterValues round trip in one thread, without kernel and Locust: what our own code costs.

    python benchmarks/hot_path.py [--json]            microseconds, beside a reference of the same run, and
                                                      of the path in small groups between sleeps (`paused_us`)
    python benchmarks/hot_path.py --instructions      machine instructions, which hardly vary (needs valgrind)

Deadline → sample of a real car → CALL → masked frame, then its answer → frame → CallEnded → packed row. Links
are real, only their transports are not. The reference formats and parses the same frames by hand.
"""

import argparse
import json
import os
import re
import shutil
import subprocess
import sys
import time
from _thread import start_new_thread
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from types import SimpleNamespace
from typing import Any, cast

from engine.burst import Burst
from engine.clock import Clock
from engine.dial import Dial, DialSettings
from engine.journal import Journal
from engine.link import Link, Stage
from engine.tally import Tally
from engine.unit import Unit
from profiles import fleets
from results.recorder import Recorder
from stations.core.events import TransferWanted
from stations.core.station import Station

STATIONS = 100
GROUP = 10
PAUSE_S = 0.002
FLEET = str(Path(__file__).with_name("fleets") / "charging.toml")
UNIX_S = 1_700_000_000.0
ACCEPTED = {"idTagInfo": {"status": "Accepted"}}
ANSWERS: dict[str, dict[str, Any]] = {
    "BootNotification": {"status": "Accepted", "currentTime": "2023-11-14T22:13:20Z", "interval": 86_400},
    "Authorize": ACCEPTED,
    "StartTransaction": {"transactionId": 77, **ACCEPTED},
}


class Stepped(Clock):
    """Goes when it is told to."""

    __slots__ = ("at",)

    def __init__(self) -> None:
        super().__init__(origin_s=0.0, unix_s=UNIX_S)
        self.at = 0.0

    def now(self) -> float:
        """Core time now."""
        return self.at


class Hole:
    """A transport that takes everything."""

    def write(self, data: bytes) -> None:
        """Gone."""


class World:
    """An edge with real units and links, and an obliging central system."""

    def __init__(self, folder: Path, stations: int) -> None:
        self.clock = Stepped()
        self.recorder = Recorder(folder, "00", start_new_thread=start_new_thread, sleep=time.sleep)
        self.journal = Journal(self.clock, self.recorder)
        self.tally = Tally()
        self.burst = Burst(self.clock)
        asleep = SimpleNamespace(create_task=lambda coroutine: coroutine.close())
        self.dial = cast("Dial", SimpleNamespace(loop=asleep, settings=DialSettings()))
        deployment = fleets.load(FLEET).deploy(stations, url_base="ws://127.0.0.1:1/ocpp")
        self.units: list[Unit] = []
        for index in range(stations):
            deployed = deployment.station(index)
            station = Station(deployed.plan, 1)
            self.units.append(Unit(index, station, deployed.driver, deployed.plan.product.connectors, self))
        for unit in self.units:
            unit.power_on(0.0)

    def open_link(self, unit: Unit, url: str, authorization: str | None) -> Link:
        """A link that is up in the next second."""
        return Link(unit, self.dial, url, authorization)

    def arrived(self, unit: Unit) -> None:
        """Read at once."""
        unit.read()

    def arm(self, unit: Unit, deadline_s: float) -> None:
        """Everybody is asked once a second anyway."""

    def gone(self, unit: Unit, bug: str) -> None:
        """Nobody goes."""
        sys.exit(f"station {unit.index}: {bug}")

    def persist(self, unit: Unit) -> None:
        """There is no store."""

    def transfer(self, unit: Unit, wanted: TransferWanted) -> None:
        """There are no files."""

    def second(self) -> int:
        """One second goes by; how many MeterValues were answered in it."""
        clock, burst = self.clock, self.burst
        clock.at += 1.0
        for unit in self.units:
            unit.on_deadline(burst)
        burst.write()
        clock.at += 0.001
        answered = sum(map(self._answer, self.units))
        clock.at -= 0.001
        return answered

    def _answer(self, unit: Unit) -> bool:
        link, samples = cast("Link", unit.link), False
        if link.stage is Stage.DIALLING:
            link._transport, link.stage = cast("Any", Hole()), Stage.UPGRADING  # noqa: SLF001 — see the top
            link._opened("ocpp1.6", b"")  # noqa: SLF001 — as above
        while (call := unit.station.open_call) is not None:
            samples = call.action == "MeterValues"
            if samples:
                payload = b'[3,"%s",{}]' % call.id.encode()
            else:
                payload = json.dumps([3, call.id, ANSWERS.get(call.action, {})]).encode()
            size = len(payload)
            head = bytes((0x81, size)) if size < 126 else bytes((0x81, 126, size >> 8, size & 255))
            link.data_received(head + payload)
        return samples


def charging(folder: Path) -> World:
    """All of them charge and send nothing but meter values."""
    world = World(folder, STATIONS)
    for _ in range(600):
        if world.second() == STATIONS and world.tally.sessions == STATIONS:
            for _ in range(30):  # past the beginning of the charge
                world.second()
            return world
    raise RuntimeError(f"only {world.tally.sessions} stations charge")


def paused_us(world: World, rounds: int = 20) -> float:
    """The same path in groups of ten after a sleep of two milliseconds: what a loop pays that is not busy."""
    units, spent_s = world.units, 0.0
    for _ in range(rounds):
        for start in range(0, len(units), GROUP):
            world.units = units[start : start + GROUP]
            time.sleep(PAUSE_S)
            began_s = time.thread_time()
            world.second()
            spent_s += time.thread_time() - began_s
            world.clock.at -= 1.0
        world.clock.at += 1.0
    world.units = units
    return round(spent_s / (rounds * len(units)) * 1e6, 2)


def by_hand() -> int:
    """The reference: the same work on the same bytes with the standard library."""
    for index in range(STATIONS):
        sampled = [{"value": f"{index * 0.7 + n:.2f}", "measurand": "Voltage"} for n in range(4)]
        value = {"timestamp": "2023-11-14T22:13:20Z", "sampledValue": sampled}
        json.dumps([2, str(index), "MeterValues", {"connectorId": 1, "meterValue": [value]}]).encode()
        json.loads(b'[3,"%d",{}]' % index)
    return STATIONS


def best_us(step: Callable[[], int], seconds: int) -> float:
    best = float("inf")
    for _ in range(seconds):
        began = time.perf_counter()
        count = step()
        best = min(best, (time.perf_counter() - began) / count * 1e6)
    return round(best, 2)


def instructions(what: str, seconds: int) -> int:
    """Machine instructions of a process that does so many seconds of it."""
    command = ["valgrind", "--tool=cachegrind", "--cache-sim=no", "--cachegrind-out-file=/dev/null"]
    command += [sys.executable, __file__, "--steps", what, str(seconds)]
    environment = {**os.environ, "PYTHONHASHSEED": "0", "OPENBLAS_NUM_THREADS": "1"}
    said = subprocess.run(command, check=True, capture_output=True, text=True, env=environment).stderr
    found = re.search(r"I\s+refs:\s+([\d,]+)", said)
    assert found is not None, said
    return int(found[1].replace(",", ""))


def per_round_trip(what: str, few: int = 5, many: int = 25) -> int:
    """Instructions of one, as the difference of a long and a short process."""
    return (instructions(what, many) - instructions(what, few)) // ((many - few) * STATIONS)


def steps(what: str, seconds: int) -> None:
    with TemporaryDirectory() as folder:
        world = charging(Path(folder))
        step = world.second if what == "path" else by_hand
        for _ in range(seconds):
            step()
        world.recorder.close()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--json", action="store_true", help="one JSON object as the last line")
    parser.add_argument("--instructions", action="store_true")
    parser.add_argument("--seconds", type=int, default=200, help="of station time")
    parser.add_argument("--steps", nargs=2, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.steps:
        steps(options.steps[0], int(options.steps[1]))
        return
    if options.instructions:
        if shutil.which("valgrind") is None:
            sys.exit("--instructions needs valgrind")
        unit, path, reference = "instructions", per_round_trip("path"), per_round_trip("reference")
    else:
        with TemporaryDirectory() as folder:
            world = charging(Path(folder))
            unit = "us"
            path, reference = best_us(world.second, options.seconds), best_us(by_hand, options.seconds)
            paused = paused_us(world)
            world.recorder.close()
    figures = {f"path_{unit}": path, f"reference_{unit}": reference, "ratio": round(path / reference, 2)}
    if not options.instructions:
        figures["paused_us"] = paused
    for name, value in figures.items():
        print(f"{name:24} {value:>10}")
    if options.json:
        print(json.dumps(figures))


if __name__ == "__main__":
    main()
