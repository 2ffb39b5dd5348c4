"""CPU of a whole Locust worker per MeterValues call answered, beside the bare link at the same rate.

    python benchmarks/roundtrip.py [--json]

1,000 charging stations with MeterValueSampleInterval 1; the sink is another process. Counted: user and
system time of every thread of the worker (Locust, statistics, recorder, writer, stations, links) in a window
in which all stations charge. The sweep has two rates: 1,000 calls a second at real scale, and 5,000 with the
stations' time at five times the real one, which is what a busy worker does. The bare link is measured at the
same rate before and after each.

Headline (`cpu_us_per_roundtrip`, `bare_link_us`, `ratio`): 5,000 calls a second. At 1,000 wake-ups serve one
or two calls and caches are cold (`at_one_per_second`). Stations that want far more than can be had show the
worker's maximum; 70 % of it is measured like the others (`at_70_percent`): what a used core is worth, and
whether we are still on time there.
"""

import argparse
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from locust_worker import LocustWorker, announce
from sink import Started

BARE = Path(__file__).with_name("bare_link.py")


def bare_link_us(url: str, stations: int, rate_per_s: float, seconds: float) -> float:
    command = [sys.executable, str(BARE), url, "--links", str(stations), "--rate", str(rate_per_s)]
    shown = subprocess.run([*command, "--seconds", str(seconds)], check=True, capture_output=True, text=True)
    return float(shown.stdout)


OVERLOAD = 40.0  # calls a second that each station wants when the maximum is looked for


def maximum_per_s(url: str, stations: int, seconds: float) -> float:
    """Calls a second that are answered when stations want more than one worker can do."""
    with LocustWorker(url, "charging", stations, 200.0, time_scale=OVERLOAD) as run:
        run.wait_for("charging", stations * 9 // 10)
        time.sleep(1.0)
        since_s = time.time()
        time.sleep(seconds)
        until_s = time.time()
        run.stop()
        calls = run.calls(since_s, until_s, "MeterValues")
    return float(calls["answered"] / (until_s - since_s))


def measure(url: str, stations: int, per_station: float, seconds: float) -> dict[str, Any]:
    """One rate: bare link, worker, bare link."""
    rate = stations * per_station
    bare_us = [bare_link_us(url, stations, rate, seconds / 2)]
    with LocustWorker(url, "charging", stations, 200.0, time_scale=per_station) as run:
        run.wait_for("charging", stations)
        time.sleep(2.0)
        since_s, cpu_s = time.time(), run.cpu_s()
        time.sleep(seconds)
        until_s, cpu_s = time.time(), run.cpu_s() - cpu_s
        run.stop()
        calls = run.calls(since_s, until_s, "MeterValues")
    bare_us.append(bare_link_us(url, stations, rate, seconds / 2))
    cost_us = cpu_s * 1e6 / calls["answered"]
    link_us = sum(bare_us) / 2
    return {
        "rate_per_s": round(calls["answered"] / (until_s - since_s)),
        "cpu_us_per_roundtrip": round(cost_us, 1),
        "bare_link_us": round(link_us, 1),
        "ratio": round(cost_us / link_us, 2),
        "failed": calls["failed"],
        "lag_p99_ms": calls["lag_p99_ms"],
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--json", action="store_true", help="figures as the last line")
    parser.add_argument("--stations", type=int, default=1000)
    parser.add_argument("--seconds", type=float, default=15.0, help="length of a measured window")
    options = parser.parse_args()
    lines = ["rate/s   worker us   bare link us   ratio   own lag p99 ms   failed"]
    measured = []
    with Started() as sink:
        most = maximum_per_s(sink.url, options.stations, options.seconds / 2)
        for per_station in (5.0, 1.0, 0.7 * most / options.stations):
            each = measure(sink.url, options.stations, per_station, options.seconds)
            measured.append(each)
            lines.append(
                f"{each['rate_per_s']:6d}   {each['cpu_us_per_roundtrip']:9.1f}   "
                f"{each['bare_link_us']:12.1f}   {each['ratio']:5.2f}   {each['lag_p99_ms']:14.2f}   "
                f"{each['failed']:6d}"
            )
    lines.append(f"the worker's maximum is {most:,.0f} calls a second; the last line is 70 % of it")
    figures = {
        **measured[0],
        "stations": options.stations,
        "at_one_per_second": measured[1],
        "at_70_percent": {"maximum_per_s": round(most), **measured[2]},
    }
    announce(figures, lines, as_json=options.json)


if __name__ == "__main__":
    main()
