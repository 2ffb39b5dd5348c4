"""False alarms and power of the drift verdict of `soak`, by simulation of both sides of a long run.

A simulated run has every measure of `results.analysis.drift`, noise that remembers its last value as shared
machines do, a fleet of which half leaves for a sixth of each hour, and response times that follow the load.
"alarms" is the share of healthy runs in which any measure is called drifting (wanted: at most 1 % each); the
other columns are the share in which a true drift is found. `python benchmarks/drift.py [--json]`
"""

import argparse
import json
import math

import numpy as np

from results.analysis.drift import MEASURES, SETTLING, Outcome, judge
from results.analysis.series import WINDOWS, Series

LEVELS = {
    "service_p50_ms": 4.0,
    "service_p95_ms": 20.0,
    "failed_percent": 0.2,
    "backlog": 5.0,
    "csms_memory_mb": 400.0,
    "csms_files": 2_040.0,
    "csms_cpu_percent": 40.0,
    "memory_mb": 160.0,
    "files": 40.0,
    "loop_delay_ms": 2.0,
    "lag_ms": 3.0,
}
FILLING = {measure.column for measure in MEASURES if measure.fills}
NOISES = (0.03, 0.1, 0.25)  # of times and shares, as a share of the level
MEMORIES = (0.0, 0.5, 0.8)  # how much of one window's noise is left in the next
HOURS = 8
DRIFTS = {
    "response +50 %": {"service_p50_ms": 2.0, "service_p95_ms": 10.0},
    "CSMS leaks 5 MB/h": {"csms_memory_mb": 5.0 * HOURS},
    "we leak 5 MB/h": {"memory_mb": 5.0 * HOURS},
    "queues grow": {"backlog": 60.0},
}


def remembering(luck: np.random.Generator, count: int, memory: float) -> np.ndarray:
    """Noise of variance 1 in which `memory` of each value is left in the next."""
    fresh = luck.standard_normal(count)
    values = np.empty(count)
    values[0] = fresh[0]
    for n in range(1, count):
        values[n] = memory * values[n - 1] + math.sqrt(1 - memory**2) * fresh[n]
    return values


def run(
    luck: np.random.Generator, windows: int, noise: float, memory: float, drift: dict[str, float]
) -> Series:
    """One long run; `drift` is by how much a measure grows from its beginning to its end."""
    place = np.linspace(0, 1, windows)
    tide = (place * HOURS % 1) > 5 / 6
    load = 300.0 * np.where(tide, 0.5, 1.0) * (1 + 0.03 * luck.standard_normal(windows))
    values = {}
    for column, level in LEVELS.items():
        grown = drift.get(column, 0.0) * place
        if column in FILLING:  # a level that filled up in the first minutes, and small steps
            filled = level * (1 - 0.05 * np.exp(-place * 20))
            values[column] = filled + grown + 0.003 * level * remembering(luck, windows, memory)
        else:
            follows = level * (load / 300.0) ** 0.5 + grown
            values[column] = follows * np.exp(noise * remembering(luck, windows, memory))
    return Series(int(HOURS * 3600 / windows), place * HOURS * 3600, load, values)


def found(  # noqa: PLR0917 — the parameters of one simulation
    luck: np.random.Generator, times: int, windows: int, noise: float, memory: float, name: str
) -> float:
    """Share of runs in which something is called drifting; for a true drift, something that does."""
    drift = DRIFTS.get(name, {})
    wanted = [measure for measure in MEASURES if not drift or measure.column in drift]
    seen = 0
    for _ in range(times):
        series = run(luck, windows, noise, memory, drift)
        hits = [judge(measure, series).outcome is Outcome.DRIFTS for measure in wanted]
        seen += any(hits)
    return seen / times


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--times", type=int, default=400, help="simulated runs per cell")
    arguments.add_argument("--json", action="store_true", help="one JSON object as the last line")
    chosen = arguments.parse_args()
    luck = np.random.default_rng(20261127)
    windows = round(WINDOWS * (1 - SETTLING))
    names = ["alarms", *DRIFTS]
    print(f"{HOURS} h, {windows} windows, {chosen.times} runs a cell")
    print("noise  memory  " + "  ".join(f"{name:>18}" for name in names))
    figures = {}
    for noise in NOISES:
        for memory in MEMORIES:
            shares = {name: found(luck, chosen.times, windows, noise, memory, name) for name in names}
            figures[f"noise {noise}, memory {memory}"] = shares
            cells = "  ".join(f"{share:>18.2%}" for share in shares.values())
            print(f"{noise:>5.0%}  {memory:>6.1f}  {cells}")
    if chosen.json:
        print(json.dumps({"windows": windows, "times": chosen.times, "shares": figures}))


if __name__ == "__main__":
    main()
