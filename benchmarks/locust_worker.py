"""One Locust worker under load, for the benchmarks: started, watched from outside, and its run folder read.

The worker is what `locust --processes 1` forks: Locust's statistics, the recorder and its writer thread, the
stations and their links are all in it; the master and the central system are other processes.
"""

import json
import socket
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Self

import pandas as pd
import psutil

import results

HERE = Path(__file__).parent
STEADY = HERE.parent / "locustfiles" / "steady.py"
PATIENCE_S = 120.0
LONGEST = "30m"  # whoever started it may be gone


class LocustWorker:
    """A headless run with one worker; use as a context."""

    def __init__(
        self,
        url: str,
        fleet: str,
        stations: int,
        rate_per_s: float,
        *,
        time_scale: float = 1.0,
        web_port: int | None = None,
        processes: int = 1,
        options: Sequence[str] = (),
    ) -> None:
        """`web_port`: the same run with Locust's web page on. `fleet`: one of ours by name, or a file."""
        self._folder = TemporaryDirectory()
        self.runs = Path(self._folder.name)
        command = [sys.executable, "-m", "locust", "-f", str(STEADY), "--processes", str(processes), *options]
        command += ["--headless"] if web_port is None else ["--autostart", "--web-port", str(web_port)]
        command += ["-u", str(stations), "-r", str(rate_per_s), "--csms-url", url, "--runs", str(self.runs)]
        command += [
            "--fleet",
            str(HERE / "fleets" / f"{fleet}.toml") if "/" not in fleet else fleet,
            "--time-scale",
            str(time_scale),
        ]
        port = str(free_port())  # two benchmarks at once do not meet
        command += ["--master-bind-host", "127.0.0.1", "--master-bind-port", port, "--master-port", port]
        command += ["--only-summary", "--stop-timeout", "20", "--run-time", LONGEST]
        self._log = (self.runs / "locust.log").open("w+")
        self.began_s = time.time()
        self._master = subprocess.Popen(command, stdout=self._log, stderr=subprocess.STDOUT)
        self.workers = self._find_workers(processes)
        self.worker = self.workers[0]

    def _find_workers(self, count: int) -> list[psutil.Process]:
        master = psutil.Process(self._master.pid)
        give_up = time.monotonic() + PATIENCE_S
        while time.monotonic() < give_up and self._master.poll() is None:
            children = master.children()
            if len(children) >= count:
                return children
            time.sleep(0.1)
        raise RuntimeError(f"no worker came up:\n{self._said()}")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()
        self._log.close()
        self._folder.cleanup()

    def stop(self) -> None:
        """End the run gracefully and wait for its receipts."""
        if self._master.poll() is None:
            self._master.terminate()
            try:
                self._master.wait(PATIENCE_S)
            except subprocess.TimeoutExpired:
                self._master.kill()

    def cpu_s(self) -> float:
        """User and system time of the workers' threads so far."""
        times = [worker.cpu_times() for worker in self.workers]
        return float(sum(each.user + each.system for each in times))

    def rss_bytes(self) -> int:
        """Resident memory of the workers."""
        return int(sum(worker.memory_info().rss for worker in self.workers))

    def run(self) -> Any:
        """The run folder, as far as it is on disk."""
        return results.open(next(path.parent for path in self.runs.glob("*/run.json")))

    def health(self) -> dict[str, Any]:
        """The worker's latest row about itself, {} before the first."""
        rows = self.run().health if any(self.runs.glob("*/health/*/*")) else pd.DataFrame()
        return {} if rows.empty else dict(rows.iloc[-1])

    def wait_for(self, column: str, count: int) -> None:
        """Until the worker reports at least `count` in a column of its health."""
        give_up = time.monotonic() + PATIENCE_S
        while (self.health().get(column) or 0) < count:
            if time.monotonic() > give_up or self._master.poll() is not None:
                raise RuntimeError(f"{column} stays below {count}: {self.health()}\n{self._said()}")
            time.sleep(0.5)

    def wait_for_all(self, column: str, count: int) -> None:
        """The same for the sum over all workers."""
        give_up = time.monotonic() + 4 * PATIENCE_S
        while self._sum(column) < count:
            if time.monotonic() > give_up or self._master.poll() is not None:
                raise RuntimeError(f"{column} stays at {self._sum(column)} of {count}:\n{self._said()}")
            time.sleep(0.5)

    def _sum(self, column: str) -> int:
        rows = self.run().health if any(self.runs.glob("*/health/*/*")) else pd.DataFrame()
        return 0 if rows.empty else int(rows.groupby("worker", observed=True)[column].last().sum())

    def calls(self, since_s: float, until_s: float, action: str | None = None) -> dict[str, Any]:
        """After `stop`: how many calls were answered in a window of Unix time, and our own lag in it."""
        calls = self.run().read_calls(["done", "action", "direction", "outcome", "gen_lag_us"])
        done_s = calls["done"].astype("int64") / 1e6
        calls = calls[(done_s >= since_s) & (done_s < until_s) & (calls["direction"] == "out")]
        if action is not None:
            calls = calls[calls["action"] == action]
        lag_ms = calls["gen_lag_us"] / 1e3
        return {
            "answered": int((calls["outcome"] == "ok").sum()),
            "failed": int((calls["outcome"] != "ok").sum()),
            "lag_p50_ms": round(float(lag_ms.quantile(0.5)), 2),
            "lag_p99_ms": round(float(lag_ms.quantile(0.99)), 2),
        }

    def _said(self) -> str:
        self._log.flush()
        return Path(self._log.name).read_text()[-2_000:]


def free_port() -> int:
    """A port that nobody uses."""
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


def announce(figures: dict[str, Any], lines: list[str], *, as_json: bool) -> None:
    """A table for people, and the figures as the last line when asked."""
    print("\n".join(lines))
    if as_json:
        print(json.dumps(figures))
