"""Memory per station in one Locust worker, the Locust user included.

    python benchmarks/memory.py [--json]

The slope of the worker's resident memory between 1,000 and 5,000 stations: booted and idle, and charging
(a MeterValues a minute). Fixed costs of the process do not count, everything that grows with stations does.
"""

import argparse
import time

from locust_worker import LocustWorker, announce
from sink import Started

FEW, MANY = 1_000, 5_000
SETTLE_S = 6.0


def resident_kb(url: str, fleet: str, column: str, stations: int) -> float:
    with LocustWorker(url, fleet, stations, 500.0) as run:
        run.wait_for(column, stations)
        time.sleep(SETTLE_S)
        return run.rss_bytes() / 1024


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--json", action="store_true", help="figures as the last line")
    options = parser.parse_args()
    figures, lines = {}, ["stations      RSS at 1,000   RSS at 5,000   KB per station"]
    with Started(interval=300) as sink:
        for name, fleet, column in (("idle", "idle", "accepted"), ("charging", "calm", "charging")):
            few, many = (resident_kb(sink.url, fleet, column, count) for count in (FEW, MANY))
            slope = (many - few) / (MANY - FEW)
            figures[f"kb_per_{name}_station"] = round(slope, 2)
            figures[f"mb_at_1000_{name}_stations"] = round(few / 1024, 1)
            lines.append(f"{name:8s}   {few / 1024:10.1f} MB   {many / 1024:9.1f} MB   {slope:14.2f}")
    announce(figures, lines, as_json=options.json)


if __name__ == "__main__":
    main()
