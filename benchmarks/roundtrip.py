"""CPU of a whole Locust worker per MeterValues call answered, beside the bare link at the same rate.

    python benchmarks/roundtrip.py [--json]

1,000 charging stations with MeterValueSampleInterval 1; the sink is another process. Counted: user and
system time of every thread of the worker (Locust, statistics, recorder, writer, stations, links) in a window
in which all stations charge. There are two fixed rates: 1,000 calls a second at real scale, and 5,000 with
the stations' time at five times the real one, which is what a busy worker does. The bare link is measured at
the same rate before and after each.

Headline (`cpu_us_per_roundtrip`, `bare_link_us`, `ratio`): 5,000 calls a second. At 1,000 wake-ups serve one
or two calls and caches are cold (`at_one_per_second`). Stations that want far more than can be had show the
worker's maximum (`at_maximum`); its bare link sends as soon as it may.

A schedule costs more than that: between two deadlines the worker sleeps, and each wake-up is dear. The
highest rate kept on schedule is looked for from the maximum downwards (`at_schedule`: the first of SHARES at
which what was wanted was answered). 70 % of it is measured like the other rates (`at_70_percent`): are we on
time there?
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
SHARES = (0.9, 0.8, 0.7, 0.6, 0.5, 0.4)  # of the maximum, tried one by one
KEPT = 0.985  # of the calls wanted: a schedule that is kept; the others wait, more and more of them


def measure(url: str, stations: int, per_station: float, seconds: float) -> dict[str, Any]:
    """One rate, or the maximum: bare link, worker, bare link."""
    overloaded = per_station == OVERLOAD
    rate = 0.0 if overloaded else stations * per_station  # 0: as fast as the answers come
    bare_us = [bare_link_us(url, stations, rate, seconds / 2)]
    shown = window(url, stations, per_station, seconds)
    bare_us.append(bare_link_us(url, stations, rate, seconds / 2))
    link_us = sum(bare_us) / 2
    return {
        "rate_per_s": shown["rate_per_s"],
        "cpu_us_per_roundtrip": shown["cpu_us_per_roundtrip"],
        "bare_link_us": round(link_us, 1),
        "ratio": round(shown["cpu_us_per_roundtrip"] / link_us, 2),
        "failed": shown["failed"],
        "lag_p99_ms": shown["lag_p99_ms"],
    }


def window(url: str, stations: int, per_station: float, seconds: float) -> dict[str, Any]:
    """The worker alone."""
    overloaded = per_station == OVERLOAD
    with LocustWorker(url, "charging", stations, 200.0, time_scale=per_station) as run:
        run.wait_for("charging", stations * 9 // 10 if overloaded else stations)
        time.sleep(2.0)
        since_s, cpu_s = time.time(), run.cpu_s()
        time.sleep(seconds)
        until_s, cpu_s = time.time(), run.cpu_s() - cpu_s
        run.stop()
        calls = run.calls(since_s, until_s, "MeterValues")
    return {
        "rate_per_s": round(calls["answered"] / (until_s - since_s)),
        "cpu_us_per_roundtrip": round(cpu_s * 1e6 / calls["answered"], 1),
        "failed": calls["failed"],
        "lag_p99_ms": calls["lag_p99_ms"],
    }


def kept(url: str, stations: int, most_per_s: float, seconds: float) -> dict[str, Any]:
    """The highest rate kept on schedule, of those tried; the last one tried if none was."""
    for share in SHARES:
        shown = window(url, stations, share * most_per_s / stations, seconds)
        if shown["rate_per_s"] >= KEPT * share * most_per_s:
            break
    return shown


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--json", action="store_true", help="figures as the last line")
    parser.add_argument("--stations", type=int, default=1000)
    parser.add_argument("--seconds", type=float, default=10.0, help="length of a measured window")
    options = parser.parse_args()
    lines = ["               rate/s   worker us   bare link us   ratio   own lag p99 ms   failed"]

    def show(name: str, each: dict[str, Any]) -> dict[str, Any]:
        lines.append(
            f"{name:12s} {each['rate_per_s']:8d}   {each['cpu_us_per_roundtrip']:9.1f}   "
            f"{each.get('bare_link_us', ''):>12}   {each.get('ratio', ''):>5}   {each['lag_p99_ms']:14.2f}   "
            f"{each['failed']:6d}"
        )
        return each

    def row(name: str, per_station: float) -> dict[str, Any]:
        return show(name, measure(sink.url, options.stations, per_station, options.seconds))

    with Started() as sink:
        most = row("maximum", OVERLOAD)
        on_schedule = show(
            "on schedule", kept(sink.url, options.stations, most["rate_per_s"], options.seconds)
        )
        figures = {
            **row("5 a station", 5.0),
            "stations": options.stations,
            "at_one_per_second": row("1 a station", 1.0),
            "at_maximum": most,
            "at_schedule": on_schedule,
            "at_70_percent": row("70 % of that", 0.7 * on_schedule["rate_per_s"] / options.stations),
        }
    announce(figures, lines, as_json=options.json)


if __name__ == "__main__":
    main()
