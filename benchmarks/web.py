"""What the web page and live statistics cost a Locust worker.

    python benchmarks/web.py [--json] [--stations 10000]

The same load twice over, in turns: headless, and with the page on, a browser's requests to it (the Fleet page
each second, Locust's own table every two, one station's page each second) and somebody watching one station.
Counted: user and system time of the worker process, all threads, in a window after the ramp. The difference
is a share of one core; beside it, what the added code takes by itself (a second of calls told and added up),
which is free of the machine's noise.
"""

import argparse
import statistics
import threading
import time
import urllib.request
from typing import Any

import numpy as np
import psutil
from locust_worker import LocustWorker, announce, free_port
from sink import Started

RATE_PER_S = 500.0
TIME_SCALE = 6.0  # a MeterValues per station each 10 s
SETTLE_S = 5.0
ROUNDS = 2


class Visitor:
    """One browser's requests, and how long the page took to answer."""

    def __init__(self, port: int) -> None:
        self._base = f"http://127.0.0.1:{port}"
        self._ended = threading.Event()
        self.took_ms: dict[str, list[float]] = {}
        paths = (("/fleet/data?after=0", 1.0), ("/stats/requests", 2.0), ("/fleet/station/7", 1.0))
        self._threads = [threading.Thread(target=self._visit, args=visit) for visit in paths]
        for thread in self._threads:
            thread.start()

    def _visit(self, path: str, pause_s: float) -> None:
        while not self._ended.wait(pause_s):
            began_s = time.perf_counter()
            with urllib.request.urlopen(self._base + path, timeout=30) as answer:
                answer.read()
            self.took_ms.setdefault(path, []).append((time.perf_counter() - began_s) * 1000)

    def leave(self) -> None:
        """Close the browser."""
        self._ended.set()
        for thread in self._threads:
            thread.join()


def window(run: LocustWorker, seconds: float) -> tuple[float, float]:
    """CPU shares of one core, in percent: worker, master."""
    parent = run.worker.parent()
    assert parent is not None
    master = psutil.Process(parent.pid)
    began_s, worker_s, before = time.monotonic(), run.cpu_s(), master.cpu_times()
    time.sleep(seconds)
    elapsed_s, after = time.monotonic() - began_s, master.cpu_times()
    master_s = after.user + after.system - before.user - before.system
    return 100 * (run.cpu_s() - worker_s) / elapsed_s, 100 * master_s / elapsed_s


def measure(url: str, stations: int, seconds: float, *, page: bool) -> dict[str, Any]:
    port = free_port() if page else None
    with LocustWorker(url, "calm", stations, RATE_PER_S, time_scale=TIME_SCALE, web_port=port) as run:
        run.wait_for("charging", stations)
        visitor = Visitor(port) if port is not None else None
        time.sleep(SETTLE_S)
        worker, master = window(run, seconds)
        took = {}
        if visitor is not None:
            visitor.leave()
            took = {path: round(statistics.median(times), 1) for path, times in visitor.took_ms.items()}
    return {"worker_percent": worker, "master_percent": master, "answered_in_ms": took}


def told_ms(calls: int, actions: int = 8) -> float:
    """CPU to tell one second of calls and add it up, in ms."""
    from engine.bridge.pulse import Pulse, by_action  # noqa: PLC0415 — imports Locust, which patches the process
    from results.columns import CallBatch  # noqa: PLC0415 — as above
    from results.schema import CALL_DTYPE  # noqa: PLC0415 — as above

    luck = np.random.default_rng(1)
    rows = np.zeros(calls, CALL_DTYPE)
    rows["action"] = luck.integers(0, actions, calls)
    rows["service_us"] = luck.lognormal(8, 1, calls)
    names = [f"Action{number}" for number in range(actions)]
    batch = CallBatch(rows, names, [""], ["ok", "cancelled"], ["out", "in"])
    began_s, rounds = time.process_time(), 200
    for _ in range(rounds):
        pulses = {name: Pulse() for name in names}
        for told in by_action(batch).values():
            pulses[names[0]].add(told)
    return (time.process_time() - began_s) / rounds * 1000


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--json", action="store_true", help="figures as the last line")
    parser.add_argument("--stations", type=int, default=10_000)
    parser.add_argument("--seconds", type=float, default=20.0, help="length of a measured window")
    options = parser.parse_args()
    without, with_page = [], []
    with Started(interval=300) as sink:
        for _ in range(ROUNDS):
            without.append(measure(sink.url, options.stations, options.seconds, page=False))
            with_page.append(measure(sink.url, options.stations, options.seconds, page=True))
    plain = statistics.mean(each["worker_percent"] for each in without)
    paged = statistics.mean(each["worker_percent"] for each in with_page)
    calls_per_s = round(options.stations * TIME_SCALE / 60)
    figures: dict[str, Any] = {
        "stations": options.stations,
        "calls_per_s": calls_per_s,
        "worker_percent_headless": round(plain, 1),
        "worker_percent_with_page": round(paged, 1),
        "page_percent_of_a_core": round(paged - plain, 2),
        "master_percent_with_page": round(statistics.mean(e["master_percent"] for e in with_page), 1),
        "told_ms_per_s": round(told_ms(calls_per_s), 2),
        "answered_in_ms": with_page[-1]["answered_in_ms"],
    }
    lines = [f"{name:26s} {value}" for name, value in figures.items()]
    announce(figures, lines, as_json=options.json)


if __name__ == "__main__":
    main()
