"""False alarms and power of `greenup compare`, by simulation of the noise between runs.

Every simulated run gives log p99, log p95 and log p50 that move together, as real runs do. "A/A" is the share
of comparisons of equal arms in which any metric is called regressed (wanted: at most 1 %); "+10 %" the share
in which a true change of 10 % is found. Each share has its exact (Clopper and Pearson) 99 % interval: of many
cells some lie above 1 % by the luck of the simulation alone. A cell is over the limit when the whole interval
is. `python benchmarks/compare_power.py [--times N] [--json]`; the exit code is 1 when a cell is over.
"""

import argparse
import json
import math
import sys
from collections.abc import Callable

import numpy as np

from results.analysis.compare import ALPHA, Outcome, judge
from results.analysis.run_figures import Figure

TOGETHER = 0.7  # correlation of a run's metrics
ARMS = (3, 4, 5, 8)
NOISES = (0.015, 0.03, 0.05, 0.08, 0.16)
METRICS = (3, 10)  # p50, p95, p99 of all calls; with p99 of seven actions
SESSION_NOISE = 0.04
SINGLE_RUN_NOISES = (0.059, 0.076, 0.166)  # a quiet machine, a usual one, shared CI
CONFIDENCE = 0.99

Luck = np.random.Generator
Draw = Callable[[Luck, float, tuple[int, int]], np.ndarray]


def normal(luck: Luck, noise: float, shape: tuple[int, int]) -> np.ndarray:
    return luck.normal(0, noise, shape)


def outliers(luck: Luck, noise: float, shape: tuple[int, int]) -> np.ndarray:
    """One run in ten met a noisy neighbour: five times the deviation."""
    return luck.normal(0, noise, shape) * np.where(luck.random((shape[0], 1)) < 0.1, 5, 1)


def one_sided(luck: Luck, noise: float, shape: tuple[int, int]) -> np.ndarray:
    """Trouble only ever makes slower: exponential, of the same deviation."""
    return luck.exponential(noise, shape) - noise


def arms(
    luck: Luck,
    counts: tuple[int, int],
    noise: float,
    effect: float,
    *,
    session: float = 0.0,
    metrics: int = METRICS[0],
    draw: Draw = normal,
) -> list[tuple[list[Figure], list[Figure]]]:
    """One simulated comparison: for each metric the figures of both arms."""
    shared = [luck.normal(0, session) if session else 0.0 for _ in counts]
    values = []
    for arm, count in enumerate(counts):
        common = draw(luck, noise * math.sqrt(TOGETHER), (count, 1))
        own = draw(luck, noise * math.sqrt(1 - TOGETHER), (count, metrics))
        values.append(common + own + shared[arm] + arm * math.log1p(effect))
    return [
        ([figure(m, v) for v in values[0][:, m]], [figure(m, v) for v in values[1][:, m]])
        for m in range(metrics)
    ]


def figure(metric: int, value: float) -> Figure:
    return Figure(f"metric {metric}", float(value), float(np.exp(value)))


def alarms(times: int, one: Callable[[], list[tuple[list[Figure], list[Figure]]]]) -> int:
    """In how many of `times` simulated comparisons any metric regressed."""
    return sum(any(line.outcome is Outcome.REGRESSED for line in judge(one())) for _ in range(times))


def interval(hits: int, times: int) -> tuple[float, float]:
    """Clopper and Pearson's interval of a share, by bisection on the binomial's tails."""
    tail = (1 - CONFIDENCE) / 2
    low = 0.0 if hits == 0 else _share_where(lambda p: 1 - _at_most(hits - 1, times, p), tail)
    high = 1.0 if hits == times else _share_where(lambda p: 1 - _at_most(hits, times, p), 1 - tail)
    return low, high


def _share_where(rising: Callable[[float], float], wanted: float) -> float:
    low, high = 0.0, 1.0
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (middle, high) if rising(middle) < wanted else (low, middle)
    return low


def _at_most(hits: int, times: int, share: float) -> float:
    """P(X <= hits) of a binomial."""
    logs = [
        math.lgamma(times + 1) - math.lgamma(k + 1) - math.lgamma(times - k + 1)
        + k * math.log(share) + (times - k) * math.log1p(-share)
        for k in range(hits + 1)
    ]  # fmt: skip
    return math.fsum(map(math.exp, logs))


def single_runs(luck: Luck, times: int, noise: float) -> float:
    """False alarms of the rule people begin with: today's p99 is 10 % above yesterday's."""
    difference = luck.normal(0, noise, times) - luck.normal(0, noise, times)
    return float((difference > math.log1p(0.10)).mean())


def share(hits: int, times: int) -> str:
    low, high = interval(hits, times)
    return f"{hits / times:6.2%} [{low:.2%}, {high:.2%}]"


def table(luck: Luck, times: int) -> list[dict[str, object]]:
    """The cells under normal noise, printed as they come."""
    rows: list[dict[str, object]] = []
    print(f"{'runs':>6} {'metrics':>8} {'noise of log p99':>17}  {'A/A':>6} [99 % interval]  {'+10 %':>12}")
    for runs in ARMS:
        for metrics in METRICS:
            for noise in NOISES:
                cell = {"counts": (runs, runs), "noise": noise, "metrics": metrics}
                quiet = alarms(times, lambda c=cell: arms(luck, effect=0.0, **c))
                power = alarms(times // 10, lambda c=cell: arms(luck, effect=0.10, **c)) / (times // 10)
                low, high = interval(quiet, times)
                rows.append(
                    {"runs": runs, "metrics": metrics, "noise": noise, "false_alarms": quiet / times}
                    | {"low": low, "high": high, "power": power}
                )
                print(
                    f"{runs:>3}+{runs:<2} {metrics:>8} {noise:>17.1%}  {share(quiet, times)}  {power:>8.1%}",
                    flush=True,
                )
    return rows


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--times", type=int, default=10_000, help="simulated comparisons per cell")
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args()
    times, luck = given.times, np.random.default_rng(11)
    rows = table(luck, times)
    for draw in (outliers, one_sided):
        hits = alarms(times, lambda d=draw: arms(luck, (4, 4), 0.05, 0.0, draw=d))
        print(f"4+4, noise 5.0 %, not normal ({draw.__name__}): A/A {share(hits, times)}")
    for noise in SINGLE_RUN_NOISES:
        naive = single_runs(luck, 20 * times, noise)
        print(f"one run against one, p99 more than 10 % higher, noise {noise:.1%}: A/A {naive:.0%}")
    apart = alarms(times, lambda: arms(luck, (4, 4), 0.023, 0.0, session=SESSION_NOISE))
    print(f"4+4 in two sessions instead of alternating: A/A {share(apart, times)} (why `compare` warns)")
    over = [row for row in rows if float(str(row["low"])) > ALPHA]
    worst = max(float(str(row["false_alarms"])) for row in rows)
    pooled = sum(float(str(row["false_alarms"])) for row in rows) / len(rows)
    print(f"A/A over all cells {pooled:.2%}, worst {worst:.2%}; surely above {ALPHA:.0%}: {len(over)} cells")
    if given.json:
        summary = {"false_alarms": pooled, "worst_false_alarms": worst, "cells_over": len(over)}
        print(json.dumps(summary | {"separate_sessions_false_alarms": apart / times, "rows": rows}))
    return 1 if over else 0


if __name__ == "__main__":
    sys.exit(main())
