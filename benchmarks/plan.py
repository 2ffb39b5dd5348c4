"""A million stations on paper, from the measured figures: benchmarks/figures.json, multiplied out.

    python benchmarks/plan.py [--stations 1000000]       shows the plan
    python benchmarks/plan.py --save                     writes it into docs/scale.md

Nothing is measured here. What is assumed, and not measured, is said in capitals below.
"""

import argparse
import json
from math import ceil
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
FIGURES = HERE / "figures.json"
PAGE = HERE.parent / "docs" / "scale.md"
BEGIN, END = "<!-- benchmarks/plan.py writes from here -->", "<!-- to here -->"

HEARTBEAT_S = 60
SAMPLE_S = 60
CHARGING = 0.1
STATIONS_PER_WORKER = 16_000  # below an open-file limit of 20,000
PORTS = 28_232  # of one source address towards one server address, Linux's default range
WIDE_PORTS = 64_512  # with ip_local_port_range = 1024 65535
KERNEL_KB = 5.0  # of one idle TCP socket: socket, inode, file, timers
MACHINE_CORES, MACHINE_GB = 8, 32


class Plan:
    """What so many stations need; every number follows from `figures` and the assumptions above."""

    def __init__(self, figures: dict[str, dict[str, Any]], stations: int = 1_000_000) -> None:
        trips, memory = figures["roundtrip"], figures["memory"]
        tls, record = figures["tls"], figures["recorder"]
        self.stations = stations
        self.calls_per_s = stations / HEARTBEAT_S + stations * CHARGING / SAMPLE_S
        self.us_thin = float(trips["at_one_per_second.cpu_us_per_roundtrip"])
        self.us_busy = float(trips["at_five_per_second.cpu_us_per_roundtrip"])
        self.cores = self.calls_per_s * self.us_thin / 1e6
        self.workers = ceil(stations / STATIONS_PER_WORKER)
        self.kb = (1 - CHARGING) * memory["kb_per_idle_station"] + CHARGING * memory[
            "kb_per_charging_station"
        ]
        self.worker_mb = (
            float(memory["mb_at_1000_idle_stations"]) - memory["kb_per_idle_station"] * 1000 / 1024
        )
        self.tls_kb = tls["wss.kb_per_idle_station"] - tls["ws.kb_per_idle_station"]
        self.boot_ms, self.tls_boot_ms = tls["ws.cpu_ms_per_boot"], tls["wss.cpu_ms_per_boot"]
        self.bytes_per_call = float(record["bytes_per_call"])
        self.master_us = figures.get("master", {}).get("us_per_worker_s")

    def memory_mb(self, stations: int, *, tls: bool = False) -> float:
        """Of one worker with so many stations, the kernel's sockets included."""
        each_kb = self.kb + KERNEL_KB + (self.tls_kb if tls else 0.0)
        return self.worker_mb + stations * each_kb / 1024

    def machines(self, *, tls: bool) -> int:
        """So many of MACHINE_CORES and MACHINE_GB, a core per worker and a tenth of the memory left free."""
        whole_gb = self.workers * self.memory_mb(self.stations // self.workers, tls=tls) / 1024
        return max(ceil(self.workers / MACHINE_CORES), ceil(whole_gb / (0.9 * MACHINE_GB)))

    def rows(self) -> list[tuple[str, str, str]]:
        """What, how much, of what it is made."""
        in_each = ceil(self.stations / self.workers)
        hour_calls = self.calls_per_s * 3600
        each = f"{self.worker_mb:.0f} MB per worker, {self.kb:.1f} KB per station"
        share = 100 * self.cores / self.workers
        thin = f"{self.us_thin:.0f} µs a call when spread thin ({self.us_busy:.0f} µs on a busy worker)"
        wide = f"{ceil(self.stations / WIDE_PORTS)} with the wide range"
        size = f"machines of {MACHINE_CORES} cores and {MACHINE_GB} GB"
        load = f"heartbeats every {HEARTBEAT_S} s; {CHARGING:.0%} charge and sample every {SAMPLE_S} s"
        closed = f"{hour_calls / 1e6:.0f} million calls at {self.bytes_per_call:.1f} bytes in closed parts"
        rows = [
            ("calls", f"{self.calls_per_s:,.0f} a second", load),
            ("workers", f"{self.workers}", f"{in_each:,} stations each, below an open-file limit of 20,000"),
            ("cores for the calls", f"{self.cores:.1f}", f"{thin}; {share:.0f} % of each worker's core"),
            ("memory, ws", self._gb(tls=False), f"{each}, {KERNEL_KB:g} KB per socket in the kernel"),
            ("memory, wss", self._gb(tls=True), f"{self.tls_kb:.0f} KB per station more"),
            ("source addresses", f"{ceil(self.stations / PORTS)}", f"of {PORTS:,} ports each; {wide}"),
            ("boot, ws", *self._boot(in_each, self.boot_ms)),
            ("boot, wss", *self._boot(in_each, self.tls_boot_ms)),
            ("results", f"{hour_calls * self.bytes_per_call / 1e9:.2f} GB an hour", closed),
            (size, f"{self.machines(tls=False)}, wss {self.machines(tls=True)}", "a core per worker"),
        ]
        if self.master_us is not None:
            master = f"{self.master_us:,.0f} µs per worker and second, whatever the number of stations"
            rows.append(("the master", f"{self.workers * self.master_us / 1e6:.0%} of a core", master))
        return rows

    def _gb(self, *, tls: bool) -> str:
        return f"{self.workers * self.memory_mb(self.stations // self.workers, tls=tls) / 1024:,.0f} GB"

    def _boot(self, in_each: int, boot_ms: float) -> tuple[str, str]:
        """How long, and how fast all workers together are."""
        in_all = f"{self.workers * 1e3 / boot_ms:,.0f} boots a second in all, {boot_ms:.2f} ms of CPU each"
        return f"{in_each * boot_ms / 1e3:.0f} s", f"{in_all}, a core per worker"

    def page(self) -> str:
        """The rows as Markdown."""
        lines = [f"| {self.stations:,} stations | need | of what |", "|---|--:|---|"]
        return "\n".join(lines + [f"| {what} | {need} | {of} |" for what, need, of in self.rows()]) + "\n"


def tls_page(tls: dict[str, Any]) -> str:
    """What benchmarks/tls.py found, as Markdown."""
    lines = ["| `benchmarks/tls.py` | ws | wss | ratio |", "|---|--:|--:|--:|"]
    for key, ratio in tls.items():
        side, _, name = key.partition(".")
        if side == "ratio":
            lines.append(f"| {name} | {tls['ws.' + name]} | {tls['wss.' + name]} | {ratio} |")
    return "\n".join(lines) + "\n"


def pages(found: dict[str, dict[str, Any]]) -> str:
    """Everything between the marks."""
    return f"{Plan(found).page()}\n{tls_page(found['tls'])}"


def figures() -> dict[str, dict[str, Any]]:
    """The measured ones, as benchmarks/table.py saved them."""
    found: dict[str, dict[str, Any]] = json.loads(FIGURES.read_text())
    return found


def written(page: str, plan: str) -> str:
    """The page with the plan between the marks."""
    before, rest = page.split(BEGIN)
    return f"{before}{BEGIN}\n\n{plan}\n{END}{rest.split(END)[1]}"


def save() -> None:
    """Bring docs/scale.md in step with the figures."""
    PAGE.write_text(written(PAGE.read_text(), pages(figures())))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--stations", type=int, default=1_000_000)
    parser.add_argument("--save", action="store_true")
    options = parser.parse_args()
    print(Plan(figures(), options.stations).page())
    if options.save:
        save()


if __name__ == "__main__":
    main()
