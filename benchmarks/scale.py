"""A whole fleet on one machine: stations with 60 s heartbeats, a share of them charging, for a bounded time.

    python benchmarks/scale.py --stations 30000 --seconds 600 [--json]
    python benchmarks/scale.py --stations 2000 --seconds 15           a short look

Several Locust workers against several sink processes that share a port (SO_REUSEPORT). Each worker connects
from four loopback addresses, since one address has some 28,000 ports towards one server. Open files are
limited per process: workers and sinks are as many as that takes.
"""

import argparse
import json
import resource
import time
from math import ceil
from pathlib import Path
from tempfile import TemporaryDirectory

from locust_worker import LocustWorker
from sink import Started

SPARE_FILES = 600
SOURCES = [f"127.0.0.{number}" for number in range(2, 6)]
FLEET = """title = "Benchmark: a fleet at rest, one in ten charging"
[[groups]]
name = "charging"
count = {charging}
product = "059004"
site = "{folder}/always-charging.toml"
[groups.keys]
MeterValueSampleInterval = "60"
HeartBeatInterval = "60"
[[groups]]
name = "idle"
count = {idle}
product = "059004"
site = "{folder}/never.toml"
[groups.keys]
HeartBeatInterval = "60"
"""


def processes_for(stations: int) -> int:
    """As few as the open-file limit of one process allows, and no fewer than two."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    return max(2, ceil(stations / (hard - SPARE_FILES)))


def measure(stations: int, seconds: float, rate_per_s: float) -> dict[str, float]:
    processes = processes_for(stations)
    with TemporaryDirectory() as folder:
        fleet = Path(folder) / "fleet.toml"
        charging = stations // 10
        here = Path(__file__).with_name("fleets")
        fleet.write_text(FLEET.format(charging=charging, idle=stations - charging, folder=here))
        with (
            Started(processes, interval=60) as sink,
            LocustWorker(
                sink.url, str(fleet), stations, rate_per_s, processes=processes, options=sources()
            ) as run,
        ):
            began = time.time()
            run.wait_for_all("accepted", stations)
            ramp_s = time.time() - began
            time.sleep(5.0)
            since_s, cpu_s = time.time(), run.cpu_s()
            time.sleep(seconds)
            until_s, cpu_s = time.time(), run.cpu_s() - cpu_s
            rss_bytes = run.rss_bytes()
            run.stop()
            calls = run.calls(since_s, until_s)
            links = run.run().connections
    steady = links[links["at"].astype("int64") < until_s * 1e6]
    return {
        "stations": stations,
        "workers": processes,
        "ramp_s": round(ramp_s, 1),
        "calls_per_s": round(calls["answered"] / (until_s - since_s), 1),
        "failed": calls["failed"],
        "lag_p99_ms": calls["lag_p99_ms"],
        "lost_links": int(steady["kind"].isin(["lost", "closed"]).sum()),
        "workers_cpu_percent": round(100 * cpu_s / (until_s - since_s), 1),
        "workers_rss_mb": round(rss_bytes / 1e6),
    }


def sources() -> list[str]:
    return [word for address in SOURCES for word in ("--source-address", address)]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--stations", type=int, default=30_000)
    parser.add_argument("--seconds", type=float, default=600.0, help="of the steady state")
    parser.add_argument("--rate", type=float, default=1000.0, help="boots per second")
    parser.add_argument("--json", action="store_true", help="one JSON object as the last line")
    options = parser.parse_args()
    figures = measure(options.stations, options.seconds, options.rate)
    for name, value in figures.items():
        print(f"{name:24} {value:>10}")
    if options.json:
        print(json.dumps(figures))


if __name__ == "__main__":
    main()
