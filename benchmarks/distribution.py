"""Locust's distribution at size: one worker is given thousands of stations, then all of them are taken away.

    python benchmarks/distribution.py --stations 10000 --rate 1000 [--json]

Master, worker and sink are three processes. Spawn time: from the start of the test to the last
BootNotification accepted. Stop time: from Locust's decision to stop to the sealed run folder; the stations
take four seconds of it by design, since a fleet that leaves in one moment would be a storm of its own. The
longest gap between two heartbeats is what Locust's master saw; at eleven seconds it gives a worker up
(three in stock Locust). Own lag is of all calls up to the stop.
"""

import argparse
import json
import os
import time
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from locust_worker import STEADY, LocustWorker, announce
from sink import Started

HERE = Path(__file__).parent
SETTLE_S = 3.0


def measure(stations: int, rate_per_s: float, workers: int) -> dict[str, Any]:
    with TemporaryDirectory() as folder, Started() as sink:
        notes = Path(folder) / "heartbeats.json"
        os.environ["GREENUP_HEARTBEATS"] = str(notes)
        options = ["-f", f"{HERE / 'locust_heartbeats.py'},{STEADY}"]
        with LocustWorker(sink.url, "idle", stations, rate_per_s, processes=workers, options=options) as run:
            run.wait_for_all("accepted", stations)
            ramp_cpu_s = run.cpu_s()
            time.sleep(SETTLE_S)
            asked_s = time.time()
            run.stop()
            ended_s = time.time()
            told = json.loads(notes.read_text())
            links = run.run().connections
            calls = run.calls(told["moments"]["test_start"], told["moments"]["test_stopping"])
            health = run.run().health
            untrusted = run.run().record.untrusted
    moments = told["moments"]
    at_s = links["at"].astype("int64") / 1e6
    accepted_s = at_s[links["kind"] == "accepted"]
    closed_s = at_s[links["kind"] == "closed"]
    spawn_s = float(accepted_s.max()) - moments["test_start"]
    return {
        "stations": stations,
        "workers": workers,
        "spawn_s": round(spawn_s, 2),
        "spawned_per_s": round(stations / spawn_s, 0),
        "spawn_cpu_ms_per_station": round(1e3 * ramp_cpu_s / stations, 3),
        "stop_s": round(moments["test_stop"] - moments["test_stopping"], 2),
        "links_closed_after_s": round(float(closed_s.max()) - moments["test_stopping"], 2),
        "exit_s": round(ended_s - asked_s, 2),
        "closed": len(closed_s),
        "longest_heartbeat_gap_s": round(max(told["longest_gaps_s"]), 2),
        "own_lag_p50_ms": calls["lag_p50_ms"],
        "own_lag_p99_ms": calls["lag_p99_ms"],
        "loop_delay_max_ms": round(float(health["loop_delay_max_us"].max()) / 1e3, 1),
        "failed": calls["failed"],
        "untrusted": "; ".join(untrusted),
    }


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--stations", type=int, default=10_000)
    parser.add_argument(
        "--rate", type=float, default=1_000.0, help="stations started per second, all workers"
    )
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--json", action="store_true", help="figures as the last line")
    options = parser.parse_args()
    figures = measure(options.stations, options.rate, options.workers)
    announce(figures, [f"{name:26s} {value:>12}" for name, value in figures.items()], as_json=options.json)


if __name__ == "__main__":
    main()
