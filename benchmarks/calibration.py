"""What our own health looks like when nothing is wrong: N equal short runs on the embedded CSMS (A/A).

    python benchmarks/calibration.py [--runs 5] [--stations 200] [--seconds 20]

Prints the distribution, over the seconds of all workers in the steady phase, of each figure that has a limit
in results/limits.py, the share of seconds beyond it, and how many runs were trusted. A limit is well chosen
when equal runs on a machine that is not overloaded are trusted, and a machine that is gets caught.
"""

import argparse
import os
import platform
import subprocess
import sys
import tempfile
from pathlib import Path

import pandas as pd

import results
from results.analysis.run import Run
from results.analysis.trust import bad_seconds
from results.limits import DEFAULT_LIMITS

FIGURES = ("loop_delay_p99_us", "gen_lag_p99_us", "canary_p99_us", "cpu_percent")
QUANTILES = (0.5, 0.95, 0.99, 1.0)


def processor() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.machine()


def one_run(folder: Path, stations: int, seconds: int) -> Run:
    greenup = Path(sys.executable).with_name("greenup")
    words = [str(greenup), "run", "steady", "--stations", str(stations), "--spawn-rate", "100"]
    words += ["--duration", f"{seconds}s", "--runs", str(folder)]
    subprocess.run(words, check=False, stdout=subprocess.DEVNULL, timeout=300)
    return results.open(max(folder.iterdir()))


def steady(run: Run) -> pd.DataFrame:
    health = run.health
    return health[run.phase_of(health["at"]) == "steady"]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--stations", type=int, default=200)
    parser.add_argument("--seconds", type=int, default=20)
    wanted = parser.parse_args()
    print(f"{processor()}, {os.cpu_count()} cores, load before {os.getloadavg()[0]:.1f}")
    print(
        f"{wanted.runs} runs of {wanted.stations} stations for {wanted.seconds} s, embedded CSMS beside them"
    )
    with tempfile.TemporaryDirectory() as folder:
        runs = [one_run(Path(folder), wanted.stations, wanted.seconds) for _ in range(wanted.runs)]
        seconds = pd.concat([steady(run) for run in runs], ignore_index=True)
        trusted = [run.trust.trusted for run in runs]
    print(f"{len(seconds)} worker seconds, load after {os.getloadavg()[0]:.1f}\n")
    print(f"{'':20}{'p50':>9}{'p95':>9}{'p99':>9}{'max':>9}{'limit':>9}{'beyond':>9}")
    broken = bad_seconds(seconds)
    for name in FIGURES:
        scale = 1_000.0 if name.endswith("_us") else 1.0
        row = seconds[name].dropna().astype(float).quantile(list(QUANTILES)) / scale
        cells = "".join(f"{value:9.2f}" for value in row)
        limit = getattr(DEFAULT_LIMITS, name) / scale
        print(f"{name.replace('_us', '_ms'):20}{cells}{limit:9.0f}{broken[name].mean():9.1%}")
    print(f"\n{sum(trusted)} of {len(trusted)} runs trusted")


if __name__ == "__main__":
    main()
