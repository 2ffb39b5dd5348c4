"""A boot storm in one Locust worker: 5,000 stations at 500 a second, and at 1,500.

    python benchmarks/boot.py [--json]

Stations per second from the first link opened to the last BootNotification accepted, and our own lag
(line free to bytes handed to the socket) of all calls in that time.
"""

import argparse
import time
from typing import Any

from locust_worker import LocustWorker, announce
from sink import Started


def measure(url: str, stations: int, rate_per_s: float) -> dict[str, Any]:
    with LocustWorker(url, "idle", stations, rate_per_s) as run:
        run.wait_for("accepted", stations)
        cpu_s = run.cpu_s()
        time.sleep(2.0)
        run.stop()
        links = run.run().connections
        at_s = links["at"].astype("int64") / 1e6
        opened_s, accepted_s = at_s[links["kind"] == "opened"], at_s[links["kind"] == "accepted"]
        calls = run.calls(float(opened_s.min()), float(accepted_s.max()))
        delay_ms = run.run().health["loop_delay_p99_us"].astype(float) / 1e3
        connect_ms = links.loc[links["kind"] == "opened", "connect_us"].astype(float) / 1e3
    return {
        "stations": stations,
        "stations_per_s": round(stations / float(accepted_s.max() - opened_s.min()), 1),
        "own_lag_p50_ms": calls["lag_p50_ms"],
        "own_lag_p99_ms": calls["lag_p99_ms"],
        "loop_delay_p99_ms": round(float(delay_ms.max()), 2),  # of the worst second
        "connect_p99_ms": round(float(connect_ms.quantile(0.99)), 2),
        "cpu_ms_per_boot": round(cpu_s * 1e3 / stations, 3),
        "failed": calls["failed"],
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--json", action="store_true", help="figures as the last line")
    parser.add_argument("--stations", type=int, default=5_000)
    parser.add_argument(
        "--rates", type=int, nargs="+", default=[500, 1500], help="stations started per second"
    )
    options = parser.parse_args()
    with Started() as sink:
        figures = {f"at_{rate}": measure(sink.url, options.stations, rate) for rate in options.rates}
    lines = [f"{at}: {name:18s} {value:>10}" for at, each in figures.items() for name, value in each.items()]
    announce(figures, lines, as_json=options.json)


if __name__ == "__main__":
    main()
