"""Sessions drawn from the figures of a measured site: joint in hour, dwell, energy and power.

Two kinds of figures (`profiles.sitefile.Measured`): power classes with two regimes each ("unplugged while
charging" and "finished first"), or one mixture over hour, dwell and energy with a power table beside it.
Everything is drawn as arrays; what falls outside the measured range is drawn again within its own cell.
"""

from typing import Final, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from profiles.sitefile import Gaussians, Measured, PowerTable

Floats: TypeAlias = NDArray[np.float64]
Whole: TypeAlias = NDArray[np.int64]

DAY_BEGINS_H: Final = 4.0  # a day is cut at 04:00, so that nights stay whole
_SHORTEST_H: Final = 0.05
_LONGEST_H: Final = 72.0
_LEAST_KWH: Final = 0.1
_TRIES: Final = 200
_CREST: Final = 1.005  # highest quarter of an hour over the plateau: the voltage swings


class Sessions(NamedTuple):
    """Drawn sessions, one element each."""

    hour: Floats  # after 04:00, in [0, 24)
    dwell_h: Floats
    power_kw: Floats  # while nothing but the car's charger limits
    energy_kwh: Floats
    charge_h: Floats  # time for which current flows
    finished: NDArray[np.bool_]  # the car ends before the driver comes back


class _Cells:
    """All mixtures of one kind of day, laid end to end so that one pass draws from all of them."""

    def __init__(self, cells: list[tuple[float, int, Gaussians]]) -> None:
        """Each cell: its weight, its power class, its mixture (of 2 or 3 dimensions)."""
        weights = np.array([weight for weight, _, _ in cells])
        self.weight = np.cumsum(weights / weights.sum())
        self.power_class = np.array([which for _, which, _ in cells])
        self.finished = np.array([len(mixture.mean[0]) == 3 for _, _, mixture in cells])
        self._edges = np.concatenate(
            [n + np.cumsum(mixture.weight) / sum(mixture.weight) for n, (_, _, mixture) in enumerate(cells)]
        )
        size = len(self._edges)
        self._mean, self._root = np.zeros((size, 3)), np.zeros((size, 3, 3))
        row = 0
        for _, _, mixture in cells:
            for mean, covariance in zip(mixture.mean, mixture.covariance, strict=True):
                d = len(mean)
                self._mean[row, :d] = mean
                self._root[row, :d, :d] = np.linalg.cholesky(np.array(covariance))
                row += 1

    def choose(self, luck: np.random.Generator, n: int) -> Whole:
        return np.minimum(np.searchsorted(self.weight, luck.random(n)), len(self.weight) - 1)

    def draw(self, luck: np.random.Generator, cell: Whole) -> Floats:
        row = np.searchsorted(self._edges, cell + luck.random(len(cell)) * (1 - 1e-12))
        normal = luck.standard_normal((len(cell), 3, 1))
        return self._mean[row] + (self._root[row] @ normal)[:, :, 0]


class Mixture:
    """The law of one site."""

    def __init__(self, site: Measured) -> None:
        self._site = site
        self._days = {"weekday": _cells(site, "weekday"), "weekend": _cells(site, "weekend")}
        if site.classes:
            self._level = np.array([part.level_kw for part in site.classes])
            if site.level == "peak":
                fills = [(part.fill_unplugged, part.fill_finished) for part in site.classes]
                self._fill = np.array(fills)

    def draw(self, luck: np.random.Generator, day: str, n: int) -> Sessions:
        """`n` sessions of a "weekday" or "weekend", in no order."""
        cells = self._days[day]
        cell = cells.choose(luck, n)
        columns = np.zeros((6, n))
        wanted = np.arange(n)
        one_pass = self._by_class if self._site.classes else self._by_energy
        for _ in range(_TRIES):
            drawn = one_pass(luck, cells, cell[wanted])
            good = self._inside(drawn)
            columns[:, wanted[good]] = drawn[:, good]
            wanted = wanted[~good]
            if not len(wanted):
                break
        hour, dwell_h, power_kw, energy_kwh, charge_h, finished = columns
        stay_h = self._stays(hour, dwell_h)
        if not self._site.classes:
            return self._powered(luck, hour, stay_h, energy_kwh)
        # A full car's energy stays when the stay is corrected; the others charge as long as they stay.
        full = (finished > 0.0) & (charge_h < 0.99 * stay_h)
        longer = np.where(full, 1.0, stay_h / charge_h)
        energy_kwh = np.minimum(energy_kwh * longer, self._site.energy_max_kwh)
        return Sessions(hour, stay_h, power_kw, energy_kwh, charge_h * longer, full)

    def _stays(self, hour: Floats, dwell_h: Floats) -> Floats:
        """Stays of the hours that the mixture gets wrong, corrected quantile by quantile."""
        stay_h = dwell_h.copy()
        for part in self._site.dwell_corrections:
            now = (hour >= part.from_hour) & (hour < part.to_hour)
            stay_h[now] = _mapped(dwell_h[now], part.mixture_h, part.measured_h)
        return np.clip(stay_h, _SHORTEST_H, _LONGEST_H)

    def _inside(self, drawn: Floats) -> NDArray[np.bool_]:
        hour, dwell_h, _, energy_kwh, charge_h, _ = drawn
        good = (hour >= 0.0) & (hour < 24.0) & (dwell_h >= _SHORTEST_H) & (dwell_h <= _LONGEST_H)
        good &= (energy_kwh >= _LEAST_KWH) & (energy_kwh <= self._site.energy_max_kwh)
        good &= (charge_h <= dwell_h) & (energy_kwh <= 0.98 * self._site.power_max_kw * dwell_h)
        return np.asarray(good)

    def _by_class(self, luck: np.random.Generator, cells: _Cells, cell: Whole) -> Floats:
        hour, ln_dwell, logit = cells.draw(luck, cell).T
        which, finished = cells.power_class[cell], cells.finished[cell]
        dwell_h = np.exp(ln_dwell)
        charge_h = np.where(finished, dwell_h / (1.0 + np.exp(-logit)), dwell_h)
        level = _quantile(self._level[which], luck.random(len(cell)))
        if self._site.level == "peak":
            fill = _quantile(self._fill[which, finished.astype(int)], luck.random(len(cell)))
            return np.array([hour, dwell_h, level / _CREST, level * fill * charge_h, charge_h, finished])
        energy_kwh = level * charge_h
        return np.array(
            [hour, dwell_h, _peak(luck, level, charge_h, finished), energy_kwh, charge_h, finished]
        )

    def _by_energy(self, luck: np.random.Generator, cells: _Cells, cell: Whole) -> Floats:
        hour, ln_dwell, ln_energy = cells.draw(luck, cell).T
        dwell_h, energy_kwh = np.exp(ln_dwell), np.exp(np.minimum(ln_energy, 10.0))
        later = np.zeros(len(cell))  # power is drawn for what is accepted
        return np.array([hour, dwell_h, later, energy_kwh, dwell_h, later])

    def _powered(
        self, luck: np.random.Generator, hour: Floats, dwell_h: Floats, energy_kwh: Floats
    ) -> Sessions:
        site = self._site
        assert site.power is not None
        if site.power_correction is not None:
            wrong, right = site.power_correction.mixture_kw, site.power_correction.measured_kw
            energy_kwh = _mapped(energy_kwh / dwell_h, wrong, right) * dwell_h
            energy_kwh = np.clip(energy_kwh, _LEAST_KWH, site.energy_max_kwh)
        power_kw, fill = _power_of(luck, site.power, energy_kwh)
        power_kw = np.minimum(power_kw, site.power_max_kw)
        # A stay too short for that energy at that power: the car is faster, and unplugged while charging.
        charge_h = energy_kwh / (power_kw * fill)
        short = charge_h > 0.97 * dwell_h
        power_kw = np.where(short, energy_kwh / (dwell_h * 0.985), power_kw)
        return Sessions(hour, dwell_h, power_kw, energy_kwh, np.where(short, dwell_h, charge_h), ~short)


def _mapped(values: Floats, wrong: list[float], right: list[float]) -> Floats:
    """From one set of quantiles to another, linear between logarithms, parallel outside."""
    ours, theirs = np.log(wrong), np.log(right)
    return np.asarray(values * np.exp(np.interp(np.log(values), ours, theirs - ours)))


def _cells(site: Measured, day: str) -> _Cells:
    if not site.classes:
        mixture = site.weekday if day == "weekday" else site.weekend
        assert mixture is not None
        return _Cells([(1.0, 0, mixture)])
    cells = []
    for n, part in enumerate(site.classes):
        of_day = part.weekday if day == "weekday" else part.weekend
        if of_day is None:
            continue
        weight = part.share * of_day.share
        for share, mixture in ((of_day.unplugged, of_day.charging), (1 - of_day.unplugged, of_day.finished)):
            if mixture is not None and share > 0.0:
                cells.append((weight * share, n, mixture))
    return _Cells(cells)


def _quantile(tables: Floats, share: Floats) -> Floats:
    """Inverse transform: each row's equally spaced quantiles at `share`."""
    place = share * (tables.shape[1] - 1)
    low = place.astype(np.int64)
    rows = np.arange(len(share))
    below, above = tables[rows, low], tables[rows, np.minimum(low + 1, tables.shape[1] - 1)]
    return np.asarray(below + (place - low) * (above - below))


def _peak(
    luck: np.random.Generator, mean_kw: Floats, charge_h: Floats, finished: NDArray[np.bool_]
) -> Floats:
    """Plateau power where only the mean was measured: what a taper of usual length takes away."""
    lost_h = np.where(finished, np.exp(luck.normal(np.log(0.22), 0.8, len(mean_kw))), 0.012 * charge_h)
    fill = 1.0 - np.minimum(lost_h / charge_h, np.where(finished, 0.35, 0.02))
    return np.minimum(mean_kw / fill, 22.0)


def _power_of(luck: np.random.Generator, table: PowerTable, energy_kwh: Floats) -> tuple[Floats, Floats]:
    shares = np.cumsum(np.array(table.share), axis=1)[np.searchsorted(table.energy_bins_kwh, energy_kwh)]
    which = np.minimum((luck.random((len(energy_kwh), 1)) > shares).sum(axis=1), len(table.level_kw) - 1)
    spread = np.array(table.spread)[which] * luck.standard_normal(len(energy_kwh))
    power_kw = np.maximum(np.array(table.level_kw)[which] * np.exp(spread), 0.3)
    loss = np.array(table.loss_beta)[which]
    return power_kw, 1.0 - np.minimum(luck.beta(loss[:, 0], loss[:, 1]), 0.7)
