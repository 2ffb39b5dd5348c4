"""Curve metrics: what a session looks like inside, against twelve measured cars (EV-CPW).

    python benchmarks/curves.py [--sessions 80] [--vehicles france-2025] [--json]

Limits restate the ranges of one-minute series of EV-CPW (Ziyat et al., IEEE Access 11 (2023) 138445); six of
its shapes, power over plateau at 100 points, are in `realism_reference.json`. Series are read every 5 s.
"""

import argparse
import json
import sys
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

from engine.curves import Curve, curves
from profiles import fleets

SHAPES = json.loads(Path(__file__).with_name("realism_reference.json").read_text(encoding="utf-8"))["curves"]
STEP_S, PER_MINUTE = 5.0, 12


def arrays(curve: Curve) -> dict[str, Any]:
    names = ("seconds", "voltage_v", "current_a", "power_w", "reactive_var", "energy_wh")
    return dict(zip(names, np.array(curve.samples).T, strict=True))


def by_minute(values: Any) -> Any:
    whole = len(values) // PER_MINUTE * PER_MINUTE
    return values[:whole].reshape(-1, PER_MINUTE)


def features(curve: Curve) -> dict[str, float] | None:
    """Of one session with ten minutes of plateau; None for shorter ones."""
    of = arrays(curve)
    power = by_minute(of["power_w"])
    mean = power.mean(axis=1)
    level = np.median(mean[mean > 0.5 * mean.max()])
    plateau = (np.abs(mean / level - 1) < 0.03) & (power.min(axis=1) > 0.9 * level)
    if plateau.sum() < 10:
        return None
    volts, amperes = by_minute(of["voltage_v"])[plateau], by_minute(of["current_a"])[plateau]
    watts = power[plateau]
    on, end = np.argmax(of["power_w"] > 0), np.max(np.nonzero(of["power_w"]))
    apparent = np.hypot(of["power_w"], of["reactive_var"])
    low = (of["power_w"] > 0) & (of["power_w"] < 0.2 * level)
    first = plateau.argmax()
    after = np.arange(len(mean)) > np.max(np.nonzero(plateau))
    # The taper: minutes after the last plateau minute, below it and before the end.
    tapering = after & (mean < 0.95 * level) & (np.arange(len(mean)) * 60 < of["seconds"][end] + 60)
    inner = mean[first : np.max(np.nonzero(plateau)) + 1]
    ninety = np.argmax(of["power_w"] > 0.9 * level) - on
    return {
        "power_cv": watts.mean(axis=1).std() / watts.mean(),
        "current_cv": amperes.mean(axis=1).std() / amperes.mean(),
        "corr_p_v": np.corrcoef(watts.mean(axis=1), volts.mean(axis=1))[0, 1],
        "spread": np.median((watts.max(axis=1) - watts.min(axis=1)) / watts.mean(axis=1)),
        "to_90_s": float(ninety) * STEP_S,
        "taper": float(mean[tapering].sum() / mean.sum()),
        "finished": float(curve.finished),
        "pf": float(level / np.hypot(level, np.median(of["reactive_var"][of["power_w"] > 0.9 * level]))),
        "pf_low": float((of["power_w"][low] / apparent[low]).mean()) if low.any() else np.nan,
        "drop_v": float(of["voltage_v"][: on + 1].mean() - of["voltage_v"][on + 6 : on + 30].mean()),
        "slope_ohm": np.polyfit(of["current_a"], of["voltage_v"], 1)[0],
        "dipped": float((inner < 0.9 * level).any()),
        "register": abs(np.trapezoid(of["power_w"], of["seconds"]) / 3600 / of["energy_wh"][-1] - 1),
        "zoe": float(curve.vehicle == "zoe-like"),
    }


def shape(curve: Curve) -> Any:
    """Power over plateau at 100 points of the time with current."""
    power = arrays(curve)["power_w"]
    flowing = np.nonzero(power)[0]
    part = power[flowing[0] : flowing[-1] + 1]
    level = np.quantile(part, 0.9)
    edges = np.linspace(0, len(part), 101)
    return np.array([part[int(a) : max(int(b), int(a) + 1)].mean() for a, b in pairwise(edges)]) / level


def energy_distance(ours: list[Any], theirs: list[Any]) -> float:
    """Between two sets of shapes; distance of two shapes is their mean absolute difference."""

    def between(first: list[Any], second: list[Any]) -> float:
        return float(np.mean([[np.abs(a - b).mean() for b in second] for a in first]))

    return 2 * between(ours, theirs) - between(ours, ours) - between(theirs, theirs)


def verdicts(made: list[Curve]) -> list[tuple[str, float, float, float]]:
    """Name, value, lowest and highest allowed."""
    rows = [row for curve in made if (row := features(curve)) is not None]
    of = {name: np.array([row[name] for row in rows]) for name in rows[0]}
    finished = of["finished"] > 0
    low = ~np.isnan(of["pf_low"])
    flows = (of["current_cv"] < of["power_cv"]) & (of["corr_p_v"] > 0.7)
    shapes = [shape(curve) for curve in made if features(curve) is not None]
    measured = [np.array(points) for points in SHAPES["shapes"].values()]
    return [
        (
            "plateau power CV within .002-.012, share",
            ((of["power_cv"] > 0.002) & (of["power_cv"] < 0.012)).mean(),
            0.9,
            1,
        ),
        ("power follows voltage at constant current, share", flows.mean(), 0.8, 1),
        ("spread within a minute, median", np.median(of["spread"]), 0.003, 0.06),
        ("time to 90 %, median s", np.median(of["to_90_s"]), 3, 60),
        ("time to 90 % is 0 s, share", (of["to_90_s"] == 0).mean(), 0, 0),
        (
            "finished sessions with a taper > 2 % of energy, share",
            (of["taper"][finished] > 0.02).mean(),
            0.3,
            0.95,
        ),
        ("power factor on the plateau, lowest but Zoe-like", of["pf"][of["zoe"] == 0].min(), 0.97, 1),
        ("power factor on the plateau, Zoe-like lowest", of["pf"][of["zoe"] > 0].min(initial=1.0), 0.9, 1),
        ("power factor lower below 20 % of plateau, share", (of["pf_low"][low] < of["pf"][low]).mean(), 1, 1),
        ("voltage drops with current, share", (of["drop_v"] > 0).mean(), 1, 1),
        ("a line of voltage on current falls, share", (of["slope_ohm"] < 0).mean(), 1, 1),
        ("sessions with a pause or dip, share", of["dipped"].mean(), 0.05, 0.6),
        ("register against power x time, worst", of["register"].max(), 0, 0.01),
        ("energy distance of shapes", energy_distance(shapes, measured), 0, 0.04),
    ]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--sessions", type=int, default=80)
    parser.add_argument("--profile", default="public-nl")
    parser.add_argument("--vehicles", default="as-measured")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--json", action="store_true", help="one JSON object as the last line")
    arguments = parser.parse_args()
    fleet = fleets.of_site(arguments.profile, 4 * arguments.sessions, mix=arguments.vehicles)
    deployment = fleet.deploy(url_base="ws://virtual.invalid/", seed=arguments.seed)
    made = list(curves(deployment, arguments.sessions, STEP_S, 8 * 3600.0))
    misses, record = 0, {}
    print(f"{arguments.profile}, {arguments.vehicles}: {len(made)} sessions")
    for name, value, low, high in verdicts(made):
        bad = not low <= value <= high
        misses += int(bad)
        record[name] = round(float(value), 4)
        print(f"  {name:<56}{value:>9.4f}   {low:g} … {high:g}{'  MISSED' if bad else ''}")
    if arguments.json:
        print(json.dumps({"curves": record, "misses": misses}))
    return 1 if misses else 0


if __name__ == "__main__":
    sys.exit(main())
