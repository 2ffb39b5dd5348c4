"""Write a synthetic run folder of any size: the same files as a load makes, from invented calls.

For tests, notebooks and the benchmarks of reading. Nothing in it was measured on a central system.
`python benchmarks/sample_run.py runs --calls 1000000`
"""

import argparse
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from results.arrays import batch_of
from results.columns import CallBatch, call_batches, histogram_batches
from results.partition import Partition
from results.receipt import Receipt
from results.run import create
from results.schema import CALL_DTYPE, CONNECTIONS, FINDINGS, HEALTH, STATIONS, TABLES, TRANSACTIONS

START_US = 1_790_000_000_000_000
ACTIONS = (
    "MeterValues",
    "Heartbeat",
    "StatusNotification",
    "Authorize",
    "StartTransaction",
    "StopTransaction",
)
WEIGHTS = (0.62, 0.2, 0.12, 0.02, 0.02, 0.02)
COMMANDS = ("RemoteStartTransaction", "ChangeConfiguration")
OUTCOMES = ("ok", "callerror", "timeout", "closed", "cancelled")
RESULTS = ("", "InternalError", "FormatViolation", "Accepted", "Rejected")


@dataclass
class Sample:
    """What to invent. `slower` multiplies service times, `seed` makes it repeatable."""

    calls: int = 100_000
    seconds: int = 120
    stations: int = 500
    workers: int = 2
    seed: int = 1
    slower: float = 1.0
    freeze_s: float = 0.0  # the central system stands still this long in the middle
    name: str = "sample"
    start_us: int = START_US
    lost_worker: bool = False


def write(root: Path, sample: Sample) -> Path:
    """The finished run folder."""
    names = [f"{n:02d}" for n in range(sample.workers)]
    run = create(
        root,
        sample.name,
        arguments={"stations": sample.stations, "csms_url": "ws://127.0.0.1:9000/ocpp"},
        seed=sample.seed,
        started_us=sample.start_us,
        workers=names,
    )
    fifth = sample.seconds * 1_000_000 // 5
    for phase, at in (("ramp", 0), ("steady", fifth), ("drain", 9 * fifth // 2)):
        run.mark(sample.start_us + at, phase)
    receipts = [_worker(run.path, sample, number, name) for number, name in enumerate(names)]
    kept = receipts[:-1] if sample.lost_worker else receipts
    lost = names[-1:] if sample.lost_worker else []
    run.finish(kept, ended_us=sample.start_us + sample.seconds * 1_000_000, lost_workers=lost, exit_code=0)
    return run.path


def _worker(path: Path, sample: Sample, number: int, name: str) -> Receipt:
    luck = np.random.default_rng([sample.seed, number])
    stations = np.arange(number, sample.stations, sample.workers)
    parts = {table.name: Partition(path, table, name, {}) for table in TABLES.values()}
    _write_rows(parts, sample, stations, luck)
    session = _median_factor(sample, number)
    for second in range(sample.seconds):
        count = sample.calls // sample.workers // sample.seconds
        batch = _calls(sample, stations, second, count, luck, session)
        for rows in call_batches(batch):
            parts["calls"].write(rows, float(second))
        for rows in histogram_batches(batch):
            parts["histograms"].write(rows, float(second))
        parts["calls"].tend(float(second))
    for part in parts.values():
        part.close()
    return Receipt(name, {table: part.receipt for table, part in parts.items()})


def _median_factor(sample: Sample, number: int) -> float:
    """Runs differ from each other by a few per cent, whatever is measured."""
    return float(np.random.default_rng([sample.seed, 99, number]).normal(1.0, 0.02)) * sample.slower


def _calls(  # noqa: PLR0917 — called in one place, in this order
    sample: Sample, stations: np.ndarray, second: int, count: int, luck: np.random.Generator, factor: float
) -> CallBatch:
    rows = np.zeros(count, dtype=CALL_DTYPE)
    done = np.sort(luck.integers(0, 1_000_000, count)) + second * 1_000_000
    rows["done_us"] = sample.start_us + done
    rows["station"] = luck.choice(stations, count)
    rows["connector"] = luck.integers(0, 3, count)
    rows["action"] = luck.choice(len(ACTIONS), count, p=WEIGHTS)
    service = luck.lognormal(np.log(8_000), 0.6, count) * factor
    service *= np.where(luck.random(count) < 0.02, 8, 1)  # a slow path
    rows["service_us"] = service
    rows["gen_lag_us"] = luck.exponential(200, count)
    rows["bytes_out"] = luck.choice([180, 420, 640], count)
    rows["bytes_in"] = luck.choice([24, 60], count)
    rows["transaction"] = np.where(rows["connector"] > 0, luck.integers(1, 4, count), 0)
    rows["outcome"] = luck.choice(len(OUTCOMES), count, p=(0.995, 0.002, 0.001, 0.001, 0.001))
    rows["result"] = np.where(rows["outcome"] == 1, luck.integers(1, 3, count), 0)
    commands = luck.random(count) < 0.005
    rows["direction"] = commands
    rows["action"][commands] = len(ACTIONS) + luck.integers(0, len(COMMANDS), int(commands.sum()))
    rows["outcome"][commands] = 0
    rows["result"][commands] = luck.integers(3, 5, int(commands.sum()))
    frozen_at = sample.seconds / 2
    wait_s = frozen_at + sample.freeze_s - done / 1e6
    frozen = (wait_s > 0) & (done / 1e6 >= frozen_at)
    rows["service_us"][frozen] += (wait_s[frozen] * 1e6).astype("u4")
    return CallBatch(rows, (*ACTIONS, *COMMANDS), RESULTS, OUTCOMES, ("out", "in"))


def _write_rows(
    parts: dict[str, Partition], sample: Sample, stations: np.ndarray, luck: np.random.Generator
) -> None:
    def put(name: str, rows: list[tuple[Any, ...]]) -> None:
        parts[name].write(batch_of(TABLES[name], rows), 0.0)

    start, ramp_us = sample.start_us, sample.seconds * 200_000
    boots = [(int(s), start + int(i * ramp_us / len(stations))) for i, s in enumerate(stations)]
    put(STATIONS.name, [(at, s, 1, f"GU-{s:06d}", "059004", "greenup") for s, at in boots])
    opened = [(at, s, "opened", "", 1_500, None, None) for s, at in boots]
    accepted = [(at + 9_000, s, "accepted", "", None, 9_000, None) for s, at in boots]
    dropped = [(at + ramp_us, s, "closed", "restart", None, ramp_us, 1012) for s, at in boots[::20]]
    back = [(at + ramp_us + 2_000_000, s, "opened", "", 2_000, None, None) for s, at in boots[::20]]
    refused = [(at + ramp_us + 500_000, s, "refused", "111", 300, None, None) for s, at in boots[::40]]
    put(CONNECTIONS.name, opened + accepted + dropped + refused + back)
    put(TRANSACTIONS.name, _ledger(sample, boots, luck))
    put(HEALTH.name, [_health(sample, s, stations, luck) for s in range(sample.seconds)])
    frame = '[3,"77",{"status":"Accepted"}]'
    put(
        FINDINGS.name,
        [(start + 5_000_000, "RPC-5", "answer to unknown id #", "answer to unknown id 77", 1, 1, frame)],
    )


def _ledger(sample: Sample, boots: list[tuple[int, int]], luck: np.random.Generator) -> list[tuple[Any, ...]]:
    rows: list[tuple[Any, ...]] = []
    for station, boot in boots:
        for sequence in range(1, 4):
            begun = boot + sequence * sample.seconds * 150_000
            energy = int(luck.integers(200, 9_000))
            meter = station * 100_000 + sequence * 10_000
            transaction = station * 10 + sequence
            key = (station, 1, sequence)
            head = (1, f"TAG{station:05d}", transaction, meter, begun // 1_000 * 1_000)
            rows.append((begun, *key, "started", *head[:2], None, *head[3:], None, None, "", False, ""))
            rows.append((begun + 20_000, *key, "acknowledged", *head, None, None, "", False, "Accepted"))
            if sequence < 3:
                ended = (meter + energy, begun + sample.seconds * 100_000)
                for delay, state in ((0, "stopped"), (30_000, "settled")):
                    rows.append((ended[1] + delay, *key, state, *head, *ended, "Local", False, "Accepted"))
    return sorted(rows, key=lambda row: row[0])


def _health(sample: Sample, second: int, stations: np.ndarray, luck: np.random.Generator) -> tuple[Any, ...]:
    grown = min(1.0, (second + 1) / (sample.seconds / 5))
    values: dict[str, Any] = {
        "at": sample.start_us + (second + 1) * 1_000_000,
        "loop_delay_max_us": int(luck.integers(800, 4_000)),
        "loop_delay_p99_us": int(luck.integers(200, 800)),
        "gen_lag_max_us": int(luck.integers(900, 3_000)),
        "gen_lag_p99_us": int(luck.integers(300, 900)),
        "dropped_deadlines": 0,
        "deadlines": 500,
        "cpu_percent": float(luck.uniform(20, 40)),
        "rss_bytes": 120_000_000,
        "open_files": len(stations) + 20,
        "gc_pause_max_us": 400,
        "stations": int(len(stations) * grown),
        "connected": int(len(stations) * grown),
        "accepted": int(len(stations) * grown),
        "charging": int(len(stations) * grown * 0.3),
        "backlog": int(luck.integers(0, 5)),
        "pending_rows": 1_000,
        "dropped_rows": 0,
    }
    return tuple(values.get(column.name) for column in HEALTH.columns)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("root", type=Path)
    parser.add_argument("--calls", type=int, default=100_000)
    parser.add_argument("--seconds", type=int, default=120)
    parser.add_argument("--stations", type=int, default=500)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--slower", type=float, default=1.0)
    given = parser.parse_args()
    began = time.monotonic()
    path = write(
        given.root, Sample(given.calls, given.seconds, given.stations, seed=given.seed, slower=given.slower)
    )
    sys.stdout.write(f"{path}\n{time.monotonic() - began:.1f} s\n")


if __name__ == "__main__":
    main()
