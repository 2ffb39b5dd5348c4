"""What recording costs: CPU per call, hot path to closed files, and bytes per call on disk.

`python benchmarks/recorder.py [--calls 1000000] [--json]`. CPU time, because wall time depends on neighbours.
"""

import _thread
import argparse
import json
import random
import shutil
import tempfile
import time
from pathlib import Path

from results.recorder import Recorder

ACTIONS = (
    "MeterValues",
    "Heartbeat",
    "StatusNotification",
    "Authorize",
    "StartTransaction",
    "StopTransaction",
)
WEIGHTS = (62, 20, 12, 2, 2, 2)
RATE_PER_S = 5_000
STATIONS = 20_000


def invented(count: int) -> list[tuple[object, ...]]:
    """Calls as a load of 5,000 a second from 20,000 stations makes them."""
    luck = random.Random(7)
    calls = []
    done_us = 1_790_000_000_000_000
    for _ in range(count):
        done_us += int(luck.expovariate(RATE_PER_S / 1e6))
        outcome = "ok" if luck.random() < 0.998 else "timeout"
        times = (done_us, 0, int(luck.expovariate(1 / 150)), int(luck.lognormvariate(9.5, 0.7)))
        sizes = (luck.choice((180, 420, 431, 640)), luck.choice((24, 60)))
        action = luck.choices(ACTIONS, WEIGHTS)[0]
        where = (luck.randrange(STATIONS), luck.randrange(3))
        calls.append((*where, action, "out", outcome, "", *times, *sizes, luck.randrange(6), False))
    return calls


def measure(calls: list[tuple[object, ...]], folder: Path) -> dict[str, float]:
    recorder = Recorder(folder, "00", start_new_thread=_thread.start_new_thread, sleep=time.sleep)
    each = RATE_PER_S // 10
    hot_s = 0.0
    began = time.process_time()
    for start in range(0, len(calls), each):
        record, chunk = recorder.call, calls[start : start + each]
        before = time.perf_counter()
        for call in chunk:
            record(*call)
        hot_s += time.perf_counter() - before
        recorder.drain()
    receipt = recorder.close()
    cpu_s = time.process_time() - began
    size = {name: sum(part.bytes for part in table.parts) for name, table in receipt.tables.items()}
    count = len(calls)
    assert receipt.tables["calls"].rows == count
    return {
        "cpu_us_per_call": cpu_s / count * 1e6,
        "hot_path_us_per_call": hot_s / count * 1e6,
        "bytes_per_call": sum(size.values()) / count,
        "bytes_per_call_calls": size["calls"] / count,
        "bytes_per_call_histograms": size["histograms"] / count,
        "calls": count,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--calls", type=int, default=500_000)
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args()
    calls = invented(given.calls)
    folder = Path(tempfile.mkdtemp(prefix="greenup-recorder-"))
    try:
        found = measure(calls, folder)
    finally:
        shutil.rmtree(folder)
    print(f"CPU per call, end to end   {found['cpu_us_per_call']:6.2f} µs   (target 3)")
    print(f"  of it in the hot path    {found['hot_path_us_per_call']:6.2f} µs   (wall)")
    print(f"bytes per call on disk     {found['bytes_per_call']:6.1f}      (target 25)")
    print(f"  in calls                 {found['bytes_per_call_calls']:6.1f}")
    print(f"  in histograms            {found['bytes_per_call_histograms']:6.1f}")
    if given.json:
        print(json.dumps({name: round(value, 3) for name, value in found.items()}))


if __name__ == "__main__":
    main()
