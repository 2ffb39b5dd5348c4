"""Vehicle classes and mixes; a car fitted to a session gives that session."""

from collections import Counter
from math import inf

import numpy as np
import pytest

from profiles import vehicles
from profiles.cars import Car
from profiles.supply import PLATEAU_V, supply_of
from stations.core.streams import stream
from stations.errors import PlanError


def charged(wish, phases, seconds):
    supply = supply_of(1, "s", "n")
    level = wish.current_a
    wish = vehicles.structs.replace(wish, current_a=supply.equivalent_a(level, PLATEAU_V))
    car = Car(wish, supply, phases=phases, noise=1)
    car.offer(0.0, 32.0)
    return car.reading(seconds).energy_wh / 1000, car.drawn_s(seconds) / 3600


def test_the_table_holds_the_kinds_of_car_a_fleet_needs():
    kinds = vehicles.table().classes
    assert {(kind.phases, round(kind.charger_a)) for kind in kinds.values()} >= {(1, 16), (3, 16), (3, 31)}
    assert kinds["zoe-like"].minimum_a == 8.0
    assert all(kind.tail in {"", *vehicles.table().tails} for kind in kinds.values())


def test_mixes_name_only_known_classes_and_newer_fleets_have_more_three_phase_cars():
    table = vehicles.table()
    shares = {}
    for name, mix in table.mixes.items():
        assert mix.keys() <= table.classes.keys()
        three = sum(share for kind, share in mix.items() if table.classes[kind].phases == 3)
        shares[name] = three / sum(mix.values())
    assert shares["france-2020"] < shares["france-2025"] < shares["france-2030"]


def test_a_mix_is_drawn_by_its_shares():
    luck = stream(1, "x", "mix")
    seen = Counter(vehicles.drawn_class("france-2025", luck) for _ in range(4000))
    assert 0.42 < seen["bev-3ph-16"] / 4000 < 0.48


@pytest.mark.parametrize("name", list(vehicles.table().classes))
def test_a_class_draws_cars_within_its_charger_and_battery(name):
    kind = vehicles.vehicle_class(name)
    for n in range(50):
        phases, wish = vehicles.drawn(name, stream(n, name, "t"), need_kwh=inf)
        assert phases == kind.phases
        assert wish.current_a <= kind.charger_a * 1.02
        assert 0 < wish.need_wh <= 1000 * kind.battery_kwh[-1] / kind.efficiency
        energy_kwh, _ = charged(wish, phases, 40 * 3600.0)
        tail_kwh = (
            sum(share * seconds for share, seconds in wish.tail) * wish.current_a * phases * 0.24 / 3600
        )
        assert energy_kwh == pytest.approx(wish.need_wh / 1000 + tail_kwh, rel=0.02)


@pytest.mark.parametrize("finished", [True, False])
def test_a_fitted_car_gives_the_energy_in_the_time_with_current(finished):
    """The mean power of a session emerges from its curve: taper, low current or afterglow lose the rest."""
    luck = np.random.default_rng(5)
    off_energy, off_time = [], []
    for n in range(300):
        power_kw = float(luck.choice([0.7, 2.2, 3.6, 7.0, 11.0, 20.0]))
        charge_h = float(luck.uniform(0.3, 5.0))
        fill = float(luck.uniform(0.35, 0.99))
        energy_kwh = power_kw * fill * charge_h
        dwell_h = charge_h + 3.0 if finished else charge_h
        session = vehicles.Fitted(power_kw, energy_kwh, charge_h, dwell_h, finished)
        phases, wish = vehicles.fitted(session, stream(n, "fit", "t"))
        assert wish.current_a > 5.9  # no station offers less than 6 A
        got_kwh, got_h = charged(wish, phases, 3600.0 * dwell_h)
        off_energy.append(got_kwh / energy_kwh - 1)
        off_time.append(got_h / charge_h - 1)
    assert abs(np.median(off_energy)) < 0.01
    assert np.quantile(np.abs(off_energy), 0.9) < 0.05
    assert abs(np.median(off_time)) < 0.03
    assert np.quantile(np.abs(off_time), 0.9) < 0.15


def test_some_cars_stop_dead_and_some_taper_in_a_fleet_of_2025():
    wishes = [vehicles.drawn("bev-3ph-16", stream(n, "d", "t"), need_kwh=20.0)[1] for n in range(400)]
    dead = sum(wish.taper_s == 0.0 for wish in wishes) / 400
    assert 0.4 < dead < 0.6


def test_one_car_by_name_is_ready_within_seconds_for_a_station_driven_by_hand():
    car = vehicles.single("bev-1ph-32", 1, "X")
    car.offer(0.0, 32.0)
    assert car.phases == 1
    assert car.drawing(60.0)
    assert car.drawing(400.0)


def test_unknown_vehicles_and_mixes_are_plan_errors():
    with pytest.raises(PlanError, match="mend: use one of"):
        vehicles.single("trabant", 1, "X")
    with pytest.raises(PlanError, match="mend: use one of as-measured"):
        vehicles.check_mix("france-1990")
