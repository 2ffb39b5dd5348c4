"""Many cars at once give what each gives alone."""

import numpy as np
import pytest

from profiles import vehicles
from profiles.cars import Car
from profiles.curves import Curves, series
from profiles.supply import supply_of
from stations.core.streams import stream


def fleet(n=60):
    cars = []
    for number in range(n):
        luck = stream(3, str(number), "curve test")
        kind = vehicles.drawn_class("france-2025", luck)
        phases, wish = vehicles.drawn(kind, luck, need_kwh=luck.uniform(1.0, 30.0))
        car = Car(wish, supply_of(1, "s", str(number)), phases=phases, noise=number)
        car.offer(0.0, 32.0)
        if number % 5 == 0:
            car.offer(900.0, 10.0)
        cars.append(car)
    return cars


@pytest.fixture(scope="module")
def both():
    cars = fleet()
    times = np.linspace(905.0, 15_000.0, 120)
    curves = Curves(cars, 905.0, 15_000.0)
    alone = [[car.reading(float(at)) for at in times] for car in cars]
    return curves, times, alone


def test_powers_agree_within_the_meters_jitter(both):
    curves, times, alone = both
    watts = np.array([[sum(reading.power_w) for reading in row] for row in alone])
    assert np.allclose(curves.power_w(times), watts, rtol=0.003, atol=0.5)


def test_energies_agree_to_the_last_digit(both):
    curves, times, alone = both
    energy = np.array([[reading.energy_wh for reading in row] for row in alone])
    assert np.allclose(curves.energy_wh(times), energy, rtol=1e-9, atol=1e-5)


def test_planning_ahead_does_not_move_the_cars():
    first, second = fleet(8), fleet(8)
    Curves(first, 1000.0, 9000.0)
    assert [car.reading(2000.0) for car in first] == [car.reading(2000.0) for car in second]


def test_a_series_is_what_the_meter_shows():
    car = fleet(1)[0]
    rows = series(car, 1000.0, 1600.0, 60.0)
    assert len(rows) == 11
    assert rows[-1].energy_wh > rows[0].energy_wh
    assert rows[3].seconds == 180.0
