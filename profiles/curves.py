"""Many cars at once in numpy: power, current, voltage and energy of a whole fleet on a time grid.

The pieces come from the cars themselves (`Car.pieces`), so there is one physics: here their closed forms are
evaluated for all cars and all moments in a few array operations. The meter's jitter is left out.
"""

from collections.abc import Sequence
from math import inf
from typing import Final, NamedTuple

import numpy as np

from profiles.cars import Car, balance_of
from profiles.mixtures import Floats
from profiles.wish import Piece

_FIELDS: Final = len(Piece.__struct_fields__)


class Curves:
    """Cars from a moment on, if nobody offers them anything else."""

    def __init__(self, cars: Sequence[Car], begin_s: float, end_s: float) -> None:
        """Plan all cars from `begin_s` to `end_s` on the edge's clock; the cars themselves are not moved."""
        runs = [car.pieces(begin_s, end_s) for car in cars]
        longest = max(map(len, runs))
        self._pieces = np.zeros((_FIELDS, len(cars), longest))
        self._pieces[0] = inf
        self._pieces[3] = 1.0
        for n, run in enumerate(runs):
            for k, piece in enumerate(run):
                self._pieces[:, n, k] = (
                    piece.since,
                    piece.settled,
                    piece.excess,
                    piece.lag_s,
                    piece.energy_wh,
                )
        self._supplies = _Supplies(cars)

    def current_a(self, times_s: Floats) -> Floats:
        """Active current per phase, one row per car, one column per moment."""
        since, settled, excess, lag_s, _ = self._at(times_s)
        return np.asarray(settled + excess * np.exp((since - times_s) / lag_s))

    def power_w(self, times_s: Floats) -> Floats:
        """Active power of all phases together."""
        return self._supplies.power_w(times_s, self.current_a(times_s))

    def energy_wh(self, times_s: Floats) -> Floats:
        """Exact energy since the car was plugged in."""
        since, settled, excess, lag_s, begin_wh = self._at(times_s)
        parts = (settled, excess, lag_s)
        joules = self._supplies.joules(times_s, times_s - since, *parts)
        begin = self._supplies.joules(since, np.zeros_like(since), *parts)
        return np.asarray(begin_wh + (joules - begin) / 3600.0)

    def _at(self, times_s: Floats) -> Floats:
        """The piece that holds each moment, field by field."""
        starts = self._pieces[0]
        which = (starts[:, :, None] <= times_s[None, None, :]).sum(axis=1) - 1
        return np.take_along_axis(self._pieces, np.maximum(which, 0)[None], axis=2)


class _Supplies:
    """The feeders of many cars as arrays."""

    def __init__(self, cars: Sequence[Car]) -> None:
        supplies = [car.supply for car in cars]
        balances = [balance_of(car.phases) for car in cars]
        shares = np.array([(each.g1, each.g2, each.g3) for each in balances])
        self._squares = np.array([[each.squares] for each in balances])
        self._volts = (shares * np.array([s.feeder.level_v for s in supplies])).sum(axis=1, keepdims=True)
        self._drop = np.array([[s.feeder.resistance_ohm] for s in supplies])
        waves = np.array([s.oscillations for s in supplies])
        slow = waves.shape[1] - 2
        weights = np.array([[each.slow] * slow + [each.fast, each.faster] for each in balances])
        self._amplitude = weights * waves[:, :, 0]
        self._omega, self._phase = waves[:, :, 1], waves[:, :, 2]

    def power_w(self, times_s: Floats, current_a: Floats) -> Floats:
        volts = self._volts - self._squares * self._drop * current_a
        for k in range(self._omega.shape[1]):
            angle = self._omega[:, k : k + 1] * times_s + self._phase[:, k : k + 1]
            volts = volts + self._amplitude[:, k : k + 1] * np.cos(angle)
        return np.asarray(volts * current_a)

    def joules(self, times_s: Floats, u: Floats, a: Floats, b: Floats, lag_s: Floats) -> Floats:
        """Antiderivative of the power, as in `Car`, for `u` seconds into pieces (a, b, lag)."""
        decay = np.exp(-u / lag_s)
        tail = b * lag_s * decay
        total = self._volts * (a * u - tail)
        total -= self._squares * self._drop * (a * a * u - (2.0 * a + 0.5 * b * decay) * tail)
        for k in range(self._omega.shape[1]):
            omega = self._omega[:, k : k + 1]
            angle = omega * times_s + self._phase[:, k : k + 1]
            swing = b * decay * (omega * np.sin(angle) - np.cos(angle) / lag_s) / (omega**2 + lag_s**-2.0)
            total += self._amplitude[:, k : k + 1] * (a * np.sin(angle) / omega + swing)
        return np.asarray(total)


class Sample(NamedTuple):
    """One moment of one car, for tables and pictures."""

    seconds: float
    voltage_v: float
    current_a: float
    power_w: float
    reactive_var: float
    energy_wh: float


def series(car: Car, begin_s: float, end_s: float, step_s: float) -> list[Sample]:
    """What the meter of the station would show, `step_s` apart: L1, and the power of all phases."""
    rows = []
    for n in range(int((end_s - begin_s) / step_s) + 1):
        reading = car.reading(begin_s + n * step_s)
        rows.append(
            Sample(
                n * step_s,
                reading.voltage_v[0],
                reading.current_a[0],
                sum(reading.power_w),
                sum(reading.reactive_var),
                reading.energy_wh,
            )
        )
    return rows
