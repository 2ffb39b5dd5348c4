"""CPU of a whole Locust worker per MeterValues call answered, beside the bare link at the same rate.

    python benchmarks/roundtrip.py [--json]

1,000 charging stations with MeterValueSampleInterval 1; the sink is another process. Counted: user and
system time of every thread of the worker (Locust, statistics, recorder, writer, stations, links) in a window
in which all stations charge. The bare link is measured at the same rate before and after each window.

Headline (`cpu_us_per_roundtrip`, `bare_link_us`, `ratio`): stations that want far more than can be had, the
bare link sending as soon as it may. So both are as busy as they can be, which compares best between machines.
At fixed rates there are idle times, and each wake-up finds cold caches: 5,000 calls a second from 1,000
stations (`at_five_per_second`), which is what a busy worker does, and 1,000 (`at_one_per_second`), where
wake-ups serve one or two calls.

The highest rate at which a run is still trusted is looked for from the maximum downwards (`at_trusted`: the
first of SHARES at which what was wanted was answered, within the limits of results/limits.py for CPU and, in
calm moments, own lag). 70 % of it is measured like the other rates (`at_70_percent`): are we on time there?
`machine_lag_p99_ms` is the own lag that a program with the same share of a core has on this machine if it
only calculates (benchmarks/machine.py).

`calm`: the same of those moments alone at which the machine did not stand still, and how many those were.
"""

import argparse
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
from locust_worker import LocustWorker, announce
from machine import Witness, ideal_lag_ms
from sink import Started

from results.limits import DEFAULT_LIMITS

BARE = Path(__file__).with_name("bare_link.py")
EAGER = 40.0  # calls a second that each station wants when the maximum is looked for
OVERLOAD = 1.15  # of the maximum, when it is measured: samples that are never sent are no round trips
SHARES = (0.6, 0.5, 0.4)  # of the maximum, tried one by one
KEPT = 0.985  # of the calls wanted: a schedule that is kept; the others wait, more and more of them
SLICE_S = 0.1  # calm or not
RAMP_PER_S = 500.0


def bare_link_us(url: str, stations: int, rate_per_s: float, seconds: float) -> float:
    command = [sys.executable, str(BARE), url, "--links", str(stations), "--rate", str(rate_per_s)]
    shown = subprocess.run([*command, "--seconds", str(seconds)], check=True, capture_output=True, text=True)
    return float(shown.stdout)


def maximum(url: str, stations: int, seconds: float) -> dict[str, Any]:
    """All that the worker can do; so does the bare link."""
    found = window(url, stations, EAGER, seconds / 2, overloaded=True)["rate_per_s"]
    bare_us = [bare_link_us(url, stations, 0.0, seconds / 2)]
    while True:
        wanted = OVERLOAD * found
        shown = window(url, stations, wanted / stations, seconds, overloaded=True)
        found = shown["rate_per_s"]
        if found < KEPT * wanted:
            break
    bare_us.append(bare_link_us(url, stations, 0.0, seconds / 2))
    return beside(shown, bare_us)


def measure(url: str, stations: int, per_station: float, seconds: float) -> dict[str, Any]:
    """One rate: bare link, worker, bare link."""
    rate = stations * per_station
    bare_us = [bare_link_us(url, stations, rate, seconds / 2)]
    shown = window(url, stations, per_station, seconds)
    bare_us.append(bare_link_us(url, stations, rate, seconds / 2))
    return beside(shown, bare_us)


def beside(shown: dict[str, Any], bare_us: list[float]) -> dict[str, Any]:
    """A window and the bare link of its time."""
    link_us = sum(bare_us) / len(bare_us)
    ratio = round(shown["cpu_us_per_roundtrip"] / link_us, 2)
    return {**shown, "bare_link_us": round(link_us, 1), "ratio": ratio}


def window(
    url: str, stations: int, per_station: float, seconds: float, *, overloaded: bool = False
) -> dict[str, Any]:
    """The worker alone. `overloaded`: it need not bring every station to charge first."""
    with (
        Witness() as witness,
        LocustWorker(url, "charging", stations, RAMP_PER_S, time_scale=per_station) as run,
    ):
        run.wait_for("charging", stations * 9 // 10 if overloaded else stations)
        time.sleep(2.0)
        marks = [(time.time(), run.cpu_s())]
        while marks[-1][0] < marks[0][0] + seconds:
            time.sleep(SLICE_S)
            marks.append((time.time(), run.cpu_s()))
        run.stop()
        at_s, cpu_s = np.array(marks).T
        passed_s, spent_s = float(at_s[-1] - at_s[0]), float(cpu_s[-1] - cpu_s[0])
        calls = run.run().read_calls(["done", "action", "outcome", "gen_lag_us"])
    done_s = calls["done"].astype("int64").to_numpy() / 1e6
    ours = ((calls["action"] == "MeterValues") & (done_s >= at_s[0]) & (done_s < at_s[-1])).to_numpy()
    done_s, calls = done_s[ours], calls[ours]
    ok, lag_ms = (calls["outcome"] == "ok").to_numpy(), calls["gen_lag_us"].to_numpy() / 1e3
    answered = np.histogram(done_s[ok], at_s)[0]
    still = witness.calm(at_s[:-1]) & witness.calm(at_s[1:])
    kept = still[np.searchsorted(at_s, done_s, "right") - 1]
    return {
        "rate_per_s": round(answered.sum() / passed_s),
        "cpu_us_per_roundtrip": _cost_us(spent_s, int(answered.sum())),
        "cpu_share": round(spent_s / passed_s, 3),
        "failed": int((~ok).sum()),
        "lag_p99_ms": round(float(np.quantile(lag_ms, 0.99)), 2),
        "calm": {
            "share": round(float(still.mean()), 2),
            "cpu_us_per_roundtrip": _cost_us(float(np.diff(cpu_s)[still].sum()), int(answered[still].sum())),
            "lag_p99_ms": round(float(np.quantile(lag_ms[kept], 0.99)), 2) if kept.any() else None,
        },
    }


def _cost_us(cpu_s: float, answered: int) -> float | None:
    return round(cpu_s * 1e6 / answered, 1) if answered else None


def trusted(url: str, stations: int, most_per_s: float, seconds: float) -> dict[str, Any]:
    """The highest rate at which a run is trusted, of those tried; the last one tried if none is."""
    for share in SHARES:
        shown = window(url, stations, share * most_per_s / stations, seconds)
        lag_us = (shown["calm"]["lag_p99_ms"] or shown["lag_p99_ms"]) * 1e3
        on_time = lag_us <= DEFAULT_LIMITS.gen_lag_p99_us
        with_room = shown["cpu_share"] * 100.0 <= DEFAULT_LIMITS.cpu_percent
        if shown["rate_per_s"] >= KEPT * share * most_per_s and on_time and with_room:
            break
    return shown


def relaxed(url: str, stations: int, per_station: float, seconds: float) -> dict[str, Any]:
    """A rate that should leave room, and the lag that the machine gives anybody with as much to do."""
    shown = measure(url, stations, per_station, seconds)
    machine_ms = ideal_lag_ms(min(shown["cpu_share"], 0.95), seconds)
    return {**shown, "machine_lag_p99_ms": round(machine_ms, 2)}


TITLES = [
    "rate/s",
    "worker us",
    "calm",
    "bare link us",
    "ratio",
    "own lag p99 ms",
    "calm",
    "machine",
    "failed",
]


def row(name: str, each: dict[str, Any]) -> str:
    calm = each["calm"]
    cells = [each["rate_per_s"], each["cpu_us_per_roundtrip"], calm["cpu_us_per_roundtrip"]]
    cells += [each.get("bare_link_us"), each.get("ratio"), each["lag_p99_ms"], calm["lag_p99_ms"]]
    cells += [each.get("machine_lag_p99_ms"), each["failed"]]
    return line(name, ["" if cell is None else str(cell) for cell in cells])


def line(name: str, cells: list[str]) -> str:
    widths = [len(title) for title in TITLES]
    return f"{name:14}" + "".join(
        f"{cell:>{max(8, width + 2)}}" for cell, width in zip(cells, widths, strict=True)
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--json", action="store_true", help="figures as the last line")
    parser.add_argument("--stations", type=int, default=1000)
    parser.add_argument("--seconds", type=float, default=10.0, help="length of a measured window")
    options = parser.parse_args()
    stations, seconds = options.stations, options.seconds
    with Started() as sink:
        most = maximum(sink.url, stations, seconds)
        most_trusted = trusted(sink.url, stations, most["rate_per_s"], seconds)
        five, one = (measure(sink.url, stations, each, seconds) for each in (5.0, 1.0))
        relaxing = relaxed(sink.url, stations, 0.7 * most_trusted["rate_per_s"] / stations, seconds)
    figures = {
        **most,
        "stations": stations,
        "at_five_per_second": five,
        "at_one_per_second": one,
        "at_trusted": most_trusted,
        "at_70_percent": relaxing,
    }
    lines = [line("", TITLES), row("maximum", most), row("5 a station", five), row("1 a station", one)]
    lines += [row("trusted", most_trusted), row("70 % of that", relaxing)]
    announce(figures, lines, as_json=options.json)


if __name__ == "__main__":
    main()
