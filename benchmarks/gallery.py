"""Draw the gallery of docs/realism.md: arrivals and curves of our profiles next to the measured ones.

    python benchmarks/gallery.py [--out docs/pictures]

Needs matplotlib (the `report` extra).
"""

import argparse
from pathlib import Path
from typing import Any

import matplotlib as mpl

mpl.use("Agg")
import matplotlib.pyplot as plt
import numpy as np
from realism import REFERENCE, simulated  # the script beside this one

from engine.curves import curves
from profiles import fleets

OURS, THEIRS = "#4269d0", "#ff725c"


def arrivals(path: Path) -> None:
    """Weekday arrivals by hour, stays and energies of each calibrated profile."""
    sites = REFERENCE["sites"]
    figure, axes = plt.subplots(len(sites), 3, figsize=(11, 2.3 * len(sites)), constrained_layout=True)
    for row, (name, site) in zip(axes, sites.items(), strict=True):
        table = simulated(name, 1)[2].clean()
        hours = table.hour[table.day < 5] % 24
        row[0].hist(hours, bins=np.arange(25), density=True, color=OURS, alpha=0.6, label="ours")
        row[0].stairs(site["arrival_hist_weekday"], np.arange(25), color=THEIRS, lw=1.6, label="measured")
        row[0].set_ylabel(name)
        cumulated(row[1], table.dwell_h, site["dwell_h_ecdf"])
        cumulated(row[2], table.kwh, site["kwh_ecdf"])
        for axis, what in zip(row, ("weekday arrivals by hour", "stay, h", "energy, kWh"), strict=True):
            axis.set_title(what, fontsize=9)
            axis.tick_params(labelsize=8)
    axes[0][0].legend(fontsize=8)
    save(figure, path)


def cumulated(axis: Any, values: Any, percentiles: list[float]) -> None:
    axis.plot(np.sort(values), np.linspace(0, 1, len(values)), color=OURS, lw=2, alpha=0.7)
    axis.plot(percentiles, np.linspace(0, 1, len(percentiles)), color=THEIRS, lw=1.2, ls="--")
    axis.set_xlim(0, percentiles[-3])
    axis.set_ylim(0, 1)


def shapes(path: Path) -> None:
    """Twelve sessions of ours, six measured."""
    deployment = fleets.of_site("public-nl", 200, mix="france-2025").deploy(
        url_base="ws://virtual.invalid/", seed=9
    )
    figure, axes = plt.subplots(3, 6, figsize=(13, 6), constrained_layout=True)
    for axis, curve in zip(axes[:2].flat, curves(deployment, 12, 20.0, 8 * 3600.0), strict=True):
        hours = np.array([sample.seconds for sample in curve.samples]) / 3600
        axis.plot(hours, [sample.power_w / 1000 for sample in curve.samples], color=OURS, lw=1)
        axis.set_title(curve.vehicle, fontsize=8)
        axis.set_ylim(0)
        axis.tick_params(labelsize=7)
    for axis, (name, points) in zip(axes[2], REFERENCE["curves"]["shapes"].items(), strict=True):
        axis.plot(points, color=THEIRS, lw=1)
        axis.set_title(f"measured: {name}", fontsize=8)
        axis.set_ylim(0)
        axis.tick_params(labelsize=7)
    axes[0][0].set_ylabel("kW over hours", fontsize=8)
    axes[1][0].set_ylabel("kW over hours", fontsize=8)
    axes[2][0].set_ylabel("share of plateau", fontsize=8)
    save(figure, path)


def save(figure: Any, path: Path) -> None:
    figure.savefig(path, dpi=80, metadata={"Software": None})
    plt.close(figure)
    print(path)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, default=Path(__file__).parent.parent / "docs" / "pictures")
    out: Path = parser.parse_args().out
    out.mkdir(parents=True, exist_ok=True)
    shapes(out / "curves.png")
    arrivals(out / "arrivals.png")


if __name__ == "__main__":
    main()
