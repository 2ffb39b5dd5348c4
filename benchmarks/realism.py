"""How close our sessions come to measured ones: metrics, limits, and a naive simulator beside ours.

    python benchmarks/realism.py [--profiles work-fr …] [--seeds 3] [--rows FOLDER] [--json]

Reference figures are in `realism_reference.json` (aggregates with their attribution). Kolmogorov-Smirnov
distances are taken at the reference's percentiles, so they may be 0.01 low. With `--rows` a folder of
measured sessions, NAME.csv with columns plug_in_local, dwell_h, kwh, a boosted classifier also tries to tell
real from simulated (AUC; needs scikit-learn). The naive simulator draws hours, stays (0.5-12 h), energies
(2-50 kWh) uniformly and charges at a constant 3.7, 7.4, 11 or 22 kW.
"""

import argparse
import json
import sys
from collections import defaultdict
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from engine import sessions as generator

REFERENCE = json.loads(Path(__file__).with_name("realism_reference.json").read_text(encoding="utf-8"))
CONNECTORS, DAYS = 100, 60
FEW = 100  # the distance of 100 draws to their own law is 0.09 on average: below, it says nothing
BINS = ((4, 9), (9, 12), (12, 16), (16, 19), (19, 28))
LEVELS = np.array([0.05, 0.25, 0.5, 0.75, 0.95])


class Table(NamedTuple):
    """Sessions as arrays; charge_h and pmax_kw may be empty."""

    plug_in_s: Any
    dwell_h: Any
    kwh: Any
    charge_h: Any
    pmax_kw: Any

    @property
    def day(self) -> Any:
        """Mon 0 … Sun 6, days cut at 04:00."""
        return ((self.plug_in_s / 3600 - 4) // 24).astype(int) % 7

    @property
    def hour(self) -> Any:
        """4 … 28."""
        return (self.plug_in_s / 3600 - 4) % 24 + 4

    def clean(self) -> "Table":
        """The reference's own filter."""
        good = (self.dwell_h >= 0.05) & (self.dwell_h <= 72) & (self.kwh >= 0.1) & (self.kwh <= 100)
        good &= self.kwh / self.dwell_h <= 23
        return Table(*(column[good] if len(column) else column for column in self))


def simulated(profile: str, seed: int) -> tuple[list[generator.Session], int, Table]:
    connectors = CONNECTORS * (3 if profile in {"home-fr", "public-paris"} else 1)
    rows = generator.of_profile(profile, connectors, days=DAYS, seed=seed, mix="as-measured")
    columns = (
        np.array([getattr(row, name) for row in rows], float)
        for name in ("plug_in_s", "dwell_h", "kwh", "charge_h", "pmax_kw")
    )
    return rows, connectors, Table(*columns)


def naive(seed: int, n: int = 4000) -> Table:
    luck = np.random.default_rng(seed)
    power_kw = luck.choice([3.7, 7.4, 11.0, 22.0], n)
    dwell_h = luck.uniform(0.5, 12, n)
    kwh = np.minimum(luck.uniform(2, 50, n), power_kw * dwell_h)
    return Table(luck.uniform(0, DAYS, n) * 86400, dwell_h, kwh, kwh / power_kw, power_kw)


def ks(values: Any, percentiles: Any) -> float:
    """Largest distance to a distribution known by equally spaced quantiles."""
    values, percentiles = np.sort(values), np.array(percentiles)
    levels = np.linspace(0, 1, len(percentiles))
    worst = 0.0
    for value in np.unique(percentiles):
        share = np.searchsorted(values, value, side="right") / len(values)
        worst = max(worst, abs(share - levels[percentiles == value].max()))
    return worst


def ks_hours(hours: Any, histogram: Any) -> float:
    counts = np.histogram(hours, bins=24, range=(4, 28))[0]
    wanted = np.roll(histogram, -4)
    return np.abs(np.cumsum(counts) / max(counts.sum(), 1) - np.cumsum(wanted) / wanted.sum()).max()


def rank(values: Any) -> Any:
    order = np.empty(len(values))
    order[np.argsort(values)] = np.arange(len(values))
    return order


def occupancy(table: Table) -> Any:
    """Shares of weekday connected time by hour of the day."""
    hours = np.zeros(24)
    for begin, dwell in zip(table.plug_in_s / 3600, table.dwell_h, strict=True):
        at = begin
        while at < begin + dwell:
            step = min(np.floor(at) + 1, begin + dwell)
            if int(at // 24) % 7 < 5:
                hours[int(at) % 24] += step - at
            at = step
    return hours / hours.sum()


def total_variation(ours: Any, theirs: Any) -> float:
    return 0.5 * np.abs(np.asarray(ours) - np.asarray(theirs) / np.sum(theirs)).sum()


def dwell_given_hour(table: Table, by_arrival: dict[str, Any]) -> float:
    """Mean distance over arrival bins, weighted by the reference's shares."""
    total = 0.0
    for (low, high), figures in zip(BINS, by_arrival.values(), strict=True):
        part = table.dwell_h[(table.hour >= low) & (table.hour < high)]
        reached = np.array(
            [(part <= quantile).mean() if len(part) else 0.0 for quantile in figures["dwell_q"]]
        )
        total += figures["share"] * np.abs(reached - LEVELS).max()
    return total


def metrics(table: Table, site: dict[str, Any]) -> dict[str, float]:
    table = table.clean()
    weekday = table.day < 5
    found = {
        "ks_arrival_wd": ks_hours(table.hour[weekday], site["arrival_hist_weekday"]),
        "tvd_dow": total_variation(
            np.bincount(table.day, minlength=7) / len(table.day), site["dow_share_mon_sun"]
        ),
        "ks_dwell": ks(table.dwell_h, site["dwell_h_ecdf"]),
        "ks_energy": ks(table.kwh, site["kwh_ecdf"]),
        "ks_meanpower": ks(table.kwh / table.dwell_h, site["meanpower_kw_ecdf"]),
        "ks_dwell_given_hour": dwell_given_hour(table, site["by_arrival"]),
        "d_rho_dwell_energy": abs(
            np.corrcoef(rank(table.dwell_h), rank(table.kwh))[0, 1] - site["rho_dwell_energy"]
        ),
        "tvd_occupancy_wd": total_variation(occupancy(table), site["occupancy_weekday_24h"]),
    }
    if (~weekday).sum() >= FEW:
        found["ks_arrival_we"] = ks_hours(table.hour[~weekday], site["arrival_hist_weekend"])
    if "idle_fraction_ecdf" in site:
        found["ks_idle"] = ks(np.clip(1 - table.charge_h / table.dwell_h, 0, 1), site["idle_fraction_ecdf"])
        idle = 1 - table.charge_h.sum() / table.dwell_h.sum()
        found["d_idle_total"] = abs(idle - site["idle_share_of_connected_time"])
        found["ks_chargepower"] = ks(table.kwh / table.charge_h, site["chargepower_kw_ecdf"])
    if "pmax_kw_ecdf" in site:
        found["ks_pmax"] = ks(table.pmax_kw, site["pmax_kw_ecdf"])
        found["ks_fill"] = ks(table.kwh / table.charge_h / table.pmax_kw, site["fill_ecdf"])
    return found


def measured_rows(folder: Path | None, profile: str) -> Table | None:
    """Real sessions, if there are any for this profile."""
    path = folder / f"{profile}.csv" if folder else None
    if path is None or not path.is_file():
        return None
    lines = path.read_text(encoding="utf-8").splitlines()
    names = lines[0].split(",")
    rows = [dict(zip(names, line.split(","), strict=False)) for line in lines[1:]]
    monday = np.datetime64("2016-01-04T00:00")
    seconds = (np.array([row["plug_in_local"] for row in rows], "datetime64[s]") - monday).astype(float)
    dwell_h, kwh = (np.array([float(row[name]) for row in rows]) for name in ("dwell_h", "kwh"))
    return Table(seconds, dwell_h, kwh, np.array([]), np.array([]))


def auc(real: Table, ours: Table, seed: int = 0) -> float:
    """Cross-validated area under the curve of a boosted classifier; 0.5 is "cannot tell"."""
    from sklearn.ensemble import HistGradientBoostingClassifier  # noqa: PLC0415 — only asked for with --rows
    from sklearn.model_selection import cross_val_score  # noqa: PLC0415 — as above

    luck = np.random.default_rng(seed)
    n = min(len(real.kwh), len(ours.kwh), 5000)

    def features(table: Table) -> Any:
        chosen = luck.choice(len(table.kwh), n, replace=False)
        dwell_h = np.maximum(table.dwell_h[chosen] + luck.uniform(-1, 1, n) / 120, 0.02)
        kwh = np.maximum(table.kwh[chosen] + luck.uniform(-0.05, 0.05, n), 0.05)
        hour = table.hour[chosen] + luck.uniform(-1, 1, n) / 60
        return np.column_stack([hour, table.day[chosen], np.log(dwell_h), np.log(kwh), np.log(kwh / dwell_h)])

    rows = np.vstack([features(real), features(ours)])
    labels = np.repeat([0, 1], n)
    mixed = luck.permutation(2 * n)
    return cross_val_score(
        HistGradientBoostingClassifier(max_iter=150), rows[mixed], labels[mixed], cv=5, scoring="roc_auc"
    ).mean()


def process(
    rows: list[generator.Session], connectors: int, table: Table, site: dict[str, Any]
) -> dict[str, tuple[float, float | None]]:
    """Checks on the process: overlaps, counts, their spread, both sides of double stations."""
    by_connector, by_station = defaultdict(list), defaultdict(list)
    for row in rows:
        span = (row.plug_in_s, row.plug_in_s + 3600 * row.dwell_h)
        by_connector[row.station, row.connector].append(span)
        by_station[row.station].append(span)
    overlaps = sum(
        second[0] < first[1]
        for spans in by_connector.values()
        for first, second in zip(sorted(spans), sorted(spans)[1:], strict=False)
    )
    good = table.clean()
    counts = np.bincount(((good.plug_in_s / 3600 - 4) // 24).astype(int), minlength=DAYS)
    weekdays = counts[np.arange(DAYS) % 7 < 5]
    any_s = both_s = 0.0
    for spans in by_station.values():
        edges = sorted([(begin, 1) for begin, _ in spans] + [(end, -1) for _, end in spans])
        busy, last = 0, 0.0
        for at, step in edges:
            any_s += (at - last) * (busy >= 1)
            both_s += (at - last) * (busy >= 2)
            busy, last = busy + step, at
    wanted = site["process"]
    return {
        "overlaps": (overlaps, 0),
        "sessions/connector/day": (len(good.kwh) / connectors / DAYS, wanted["per_connector_day"]),
        "variance/mean of weekday counts": (weekdays.var(ddof=1) / weekdays.mean(), wanted["dispersion"]),
        "both sides busy given one": (both_s / any_s, wanted["both_busy"]),
        "attempts without energy": (float((table.kwh < 0.1).mean()), site["zero_share"]),
    }


def judged(
    profile: str, seeds: range, rows_folder: Path | None
) -> tuple[list[Any], dict[str, float], dict[str, float]]:
    site = REFERENCE["sites"][profile]
    real = measured_rows(rows_folder, profile)
    runs = []
    for seed in seeds:
        rows, connectors, table = simulated(profile, seed)
        found = metrics(table, site)
        if real is not None:
            found["c2st_auc"] = auc(real.clean(), table.clean(), seed)
        runs.append((found, process(rows, connectors, table, site), len(table.clean().kwh)))
    plain = metrics(naive(1), site)
    if real is not None:
        plain["c2st_auc"] = auc(real.clean(), naive(1).clean())
    return runs, plain, site["limits"]


def report(profile: str, runs: list[Any], plain: dict[str, float], limits: dict[str, float]) -> int:
    misses = 0
    print(f"\n{profile}: {len(runs)} seeds, {min(n for _, _, n in runs)}+ sessions each")
    print(f"  {'metric':<22}{'limit':>8}{'worst':>8}{'mean':>8}{'naive':>8}")
    for name in runs[0][0]:
        values = [found[name] for found, _, _ in runs]
        bad = max(values) > limits[name]
        misses += bad
        print(
            f"  {name:<22}{limits[name]:>8.2f}{max(values):>8.3f}{np.mean(values):>8.3f}{plain[name]:>8.3f}"
            f"{'  MISSED' if bad else ''}"
        )
    for name in runs[0][1]:
        values = [checks[name][0] for _, checks, _ in runs]
        wanted = runs[0][1][name][1]
        print(f"  {name}: {np.mean(values):.2f}" + (f" (measured {wanted})" if wanted is not None else ""))
    return misses


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--profiles", nargs="+", default=list(REFERENCE["sites"]))
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--rows", type=Path, help="folder of measured sessions, for the classifier")
    parser.add_argument("--json", action="store_true", help="one JSON object as the last line")
    arguments = parser.parse_args()
    misses, record = 0, {}
    for profile in arguments.profiles:
        runs, plain, limits = judged(profile, range(1, arguments.seeds + 1), arguments.rows)
        misses += int(report(profile, runs, plain, limits))
        record[profile] = {name: round(max(run[0][name] for run in runs), 4) for name in runs[0][0]}
    print(f"\n{misses} limits missed")
    if arguments.json:
        print(json.dumps({"worst": record, "misses": misses}))
    return 1 if misses else 0


if __name__ == "__main__":
    sys.exit(main())
