"""What `--state` costs: a fleet's memories on disk.

    python benchmarks/store.py [--stations 10000] [--json]

Stations of the product in a session; each marks itself once a minute, as with a sample a minute. CPU of a
core: the loop's part (snapshots in slices, by its thread's clock) and the native thread's (SQLite: the
process's CPU less that). Then everything is read back and stations are born with it.
"""

import _thread
import argparse
import json
import tempfile
import time
from pathlib import Path

from station import SteadyVehicle, booted, feed

from engine.clock import Clock
from engine.keeper import Archive, Keeper, recall
from stations.core.events import PlugIn, Swipe
from stations.core.plan import Personality
from stations.core.station import Station

SAMPLE_EVERY_S = 60
SECONDS = 15
TICK_S = 0.01


class Marked:
    """A unit as far as the keeper sees it."""

    def __init__(self, index: int, station: Station) -> None:
        self.index = index
        self.station = station


def fleet(count: int) -> list[Marked]:
    units = []
    for index in range(count):
        station = booted(index, Personality.GREENUP, 2)
        feed(station, PlugIn(1, SteadyVehicle()), 1.0)
        feed(station, Swipe("TAG"), 1.0)
        assert station.connectors[1].transaction is not None
        units.append(Marked(index, station))
    return units


def drive(units: list[Marked], keeper: Keeper) -> tuple[float, float, int]:
    """SECONDS of marks at their pace; CPU seconds of the loop's part and of the rest, and how many marks."""
    clock, marked, loop_s = Clock(scale=1.0), 0, 0.0
    began, cpu, own = time.monotonic(), time.process_time(), time.thread_time()
    while (elapsed_s := time.monotonic() - began) < SECONDS:
        until = int(elapsed_s * len(units) / SAMPLE_EVERY_S)
        before = time.thread_time()
        for unit in units[marked:until]:
            keeper.mark(unit)
        keeper.step(clock)
        loop_s += time.thread_time() - before
        marked = until
        time.sleep(TICK_S)
    others_s = (time.process_time() - cpu) - (time.thread_time() - own)
    return loop_s, others_s, marked


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--stations", type=int, default=10_000)
    parser.add_argument("--json", action="store_true", help="figures as the last line")
    given = parser.parse_args()
    units, keeper = fleet(given.stations), Keeper()
    with tempfile.TemporaryDirectory(prefix="greenup-store-") as folder:
        archive = Archive(Path(folder), keeper.outbox, time.sleep)
        _thread.start_new_thread(archive.run, ())
        loop_s, others_s, marked = drive(units, keeper)
        before = time.perf_counter()
        snapshots = [unit.station.snapshot() for unit in units]
        snapshot_us = (time.perf_counter() - before) / len(units) * 1e6
        plans = {unit.station.plan.identity: unit.station.plan for unit in units}
        keeper.outbox.extend(zip(plans, snapshots, strict=True))
        before = time.perf_counter()
        assert not archive.close(60.0)
        write_us = (time.perf_counter() - before) / len(units) * 1e6
        before = time.perf_counter()
        keeper.memories.update(recall(Path(folder), plans))
        recall_us = (time.perf_counter() - before) / len(units) * 1e6
        assert len(keeper.memories) == len(units)
        before = time.perf_counter()
        for plan in plans.values():
            keeper.born(plan, 1)
        born_us = (time.perf_counter() - before) / len(units) * 1e6
    figures = {
        "snapshot_us": snapshot_us,
        "snapshot_bytes": sum(map(len, snapshots)) / len(snapshots),
        "loop_cpu_percent": loop_s / SECONDS * 100,
        "writer_cpu_percent": others_s / SECONDS * 100,
        "write_us": write_us,
        "recall_us": recall_us,
        "born_us": born_us,
    }
    print(f"{given.stations} stations, {marked / SECONDS:.0f} snapshots a second")
    for name, figure in figures.items():
        print(f"{name:20s} {figure:9.2f}")
    if given.json:
        print(json.dumps({name: round(figure, 2) for name, figure in figures.items()}))


if __name__ == "__main__":
    main()
