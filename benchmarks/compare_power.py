"""False alarms and power of `greenup compare`, by simulation of the noise between runs.

Every simulated run gives log p99, log p95 and log p50 that move together, as real runs do. "A/A" is the share
of comparisons of equal arms in which any metric is called regressed (wanted: at most 1 %); "+10 %" the share
in which a true change of 10 % is found. `python benchmarks/compare_power.py [--json]`
"""

import argparse
import json
import math

import numpy as np

from results.analysis.compare import Outcome, judge
from results.analysis.run_figures import Figure

METRICS = 3
TOGETHER = 0.7  # correlation of a run's metrics
NOISES = (0.015, 0.03, 0.05, 0.08)
SESSION_NOISE = 0.04
SINGLE_RUN_NOISES = (0.059, 0.076, 0.166)  # a quiet machine, a usual one, shared CI


def arms(
    luck: np.random.Generator, counts: tuple[int, int], noise: float, effect: float, session: float = 0.0
) -> list[tuple[list[Figure], list[Figure]]]:
    """One simulated comparison: for each metric the figures of both arms."""
    shared = [luck.normal(0, session) if session else 0.0 for _ in counts]
    values = []
    for arm, count in enumerate(counts):
        common = luck.normal(0, noise * math.sqrt(TOGETHER), (count, 1))
        own = luck.normal(0, noise * math.sqrt(1 - TOGETHER), (count, METRICS))
        values.append(common + own + shared[arm] + arm * math.log1p(effect))
    return [
        ([figure(m, v) for v in values[0][:, m]], [figure(m, v) for v in values[1][:, m]])
        for m in range(METRICS)
    ]


def figure(metric: int, value: float) -> Figure:
    return Figure(f"metric {metric}", float(value), float(value))


def alarms(  # noqa: PLR0917 — the parameters of one simulation
    luck: np.random.Generator,
    times: int,
    counts: tuple[int, int],
    noise: float,
    effect: float,
    session: float = 0.0,
) -> float:
    """Share of comparisons in which any metric regressed."""
    found = 0
    for _ in range(times):
        lines = judge(arms(luck, counts, noise, effect, session))
        found += any(line.outcome is Outcome.REGRESSED for line in lines)
    return found / times


def single_runs(luck: np.random.Generator, times: int, noise: float) -> float:
    """False alarms of the rule people begin with: today's p99 is 10 % above yesterday's."""
    difference = luck.normal(0, noise, times) - luck.normal(0, noise, times)
    return float((difference > math.log1p(0.10)).mean())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--times", type=int, default=2_000)
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args()
    luck = np.random.default_rng(11)
    rows = []
    print(f"{'runs':>6}  {'noise of log p99':>16}  {'A/A':>6}  {'+10 %':>6}")
    for runs in (3, 4, 5, 8):
        for noise in NOISES:
            quiet = alarms(luck, given.times, (runs, runs), noise, 0.0)
            power = alarms(luck, given.times, (runs, runs), noise, 0.10)
            rows.append({"runs": runs, "noise": noise, "false_alarms": quiet, "power": power})
            print(f"{runs:>3}+{runs:<2}  {noise:>16.1%}  {quiet:>6.1%}  {power:>6.1%}")
    for noise in SINGLE_RUN_NOISES:
        naive = single_runs(luck, 20 * given.times, noise)
        print(f"one run against one, p99 more than 10 % higher, noise {noise:.1%}: A/A {naive:.0%}")
    apart = alarms(luck, given.times, (4, 4), 0.023, 0.0, SESSION_NOISE)
    print(f"4+4 in two sessions instead of alternating: A/A {apart:.1%} (why `compare` warns)")
    if given.json:
        worst = max(row["false_alarms"] for row in rows)
        print(
            json.dumps({"worst_false_alarms": worst, "separate_sessions_false_alarms": apart, "rows": rows})
        )


if __name__ == "__main__":
    main()
