"""What a car costs: microseconds per meter sample, bytes per plugged car, a fleet in numpy; bytes per driver.

    python benchmarks/vehicles.py [--json]

The meter model's share of a MeterValues round trip is what the round trip of `station.py` takes longer with
such cars than with a vehicle that costs nothing; the reference loop of that script is measured beside it.
"""

import argparse
import gc
import json
import tracemalloc
from math import inf
from time import process_time_ns

import numpy as np
import station as core  # the script beside this one
from msgspec import structs

from profiles import fleets, vehicles
from profiles.cars import NOISES, Car
from profiles.curves import Curves
from profiles.supply import supply_of
from stations.core.plan import Personality
from stations.core.streams import stream

CARS, SAMPLES, DRIVERS, TURNS = 2000, 20, 3000, 4


def plugged(n: int) -> list[Car]:
    cars = []
    for number in range(n):
        luck = stream(1, str(number), "benchmark")
        kind = vehicles.drawn_class("france-2025", luck)
        phases, wish = vehicles.drawn(kind, luck, need_kwh=20.0)
        car = Car(wish, supply_of(1, "s", str(number)), phases=phases, noise=number % NOISES)
        cars.append(car)
    return cars


def driver_bytes(fleet: str) -> float:
    """Memory of the people of a station once the run has begun: their next visits, a share of the plans."""
    deployment = fleets.load(fleet).deploy(DRIVERS, url_base="ws://virtual.invalid/")
    drivers = [deployment.station(index).driver for index in range(DRIVERS)]
    gc.collect()
    tracemalloc.start()
    for driver in drivers:
        if driver is not None:
            driver.start(0.0, deployment.start_local_s)
    gc.collect()
    held = tracemalloc.get_traced_memory()[0] / DRIVERS
    tracemalloc.stop()
    return held


def round_trip_shares() -> dict[str, float]:
    """The meter model in a MeterValues round trip, in µs and over the reference loop."""
    cars = plugged(core.STATIONS)
    for car in cars:  # nothing but samples is to happen while they are timed
        car.wish = structs.replace(car.wish, need_wh=inf, window=None)
    plain, full = core.charging(Personality.GREENUP), core.charging(Personality.GREENUP, cars)
    turns = [
        (
            core.best_us(core.round_trips, plain),
            core.best_us(core.round_trips, full),
            core.best_us(core.by_hand, plain),
        )
        for _ in range(TURNS)
    ]  # other work on the machine comes and goes
    plain_us, full_us, reference_us = (min(column) for column in zip(*turns, strict=True))
    return {
        "meter_us_per_roundtrip": round(full_us - plain_us, 2),
        "reference_us": reference_us,
        "meter_over_reference": round((full_us - plain_us) / reference_us, 2),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--json", action="store_true", help="one JSON object as the last line")
    arguments = parser.parse_args()
    vehicles.table()
    tracemalloc.start()
    cars = plugged(CARS)
    for car in cars:
        car.offer(0.0, 32.0)
        car.reading(60.0)
    car_bytes = tracemalloc.get_traced_memory()[0] / CARS
    tracemalloc.stop()
    begin = process_time_ns()
    for number in range(SAMPLES):
        now = 600.0 + 30.0 * number
        for car in cars:
            car.reading(now)
    sample_us = (process_time_ns() - begin) / 1e3 / (SAMPLES * CARS)
    begin = process_time_ns()
    Curves(cars, 2000.0, 20_000.0).power_w(np.linspace(2000.0, 20_000.0, 300))
    fleet_us = (process_time_ns() - begin) / 1e3 / (300 * CARS)
    deployment = fleets.load("mixed-city").deploy(10_000, url_base="ws://virtual.invalid/")
    deployment.station(0)
    begin = process_time_ns()
    for index in range(5000):
        deployment.station(index)
    station_us = (process_time_ns() - begin) / 1e3 / 5000
    people_bytes = driver_bytes("mixed-city")
    found = {
        "sample_us": round(sample_us, 2),
        **round_trip_shares(),
        "car_and_supply_bytes": round(car_bytes),
        "numpy_us_per_point": round(fleet_us, 4),
        "build_station_us": round(station_us, 2),
        "started_driver_bytes": round(people_bytes),
        "station_with_one_car_bytes": round(people_bytes + car_bytes),
    }
    for name, value in found.items():
        print(f"{name:<28}{value:>10}")
    if arguments.json:
        print(json.dumps(found))


if __name__ == "__main__":
    main()
