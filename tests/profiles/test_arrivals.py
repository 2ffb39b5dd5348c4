"""Arrivals at a place: counts, hours, connectors, waiting, and the laws of the measured sites."""

from itertools import pairwise

import numpy as np
import pytest
from msgspec import structs

from profiles import sites
from profiles.arrivals import DAY_S, Place, PlaceKind, StationPlan, day_of
from profiles.mixtures import Mixture
from profiles.visits import Visit
from stations.errors import PlanError, StationBug

MEASURED = ["work-fr", "home-fr", "home-no", "public-nl", "public-paris", "public-uk"]
CALIBRATED = {name: sites.load(name) for name in MEASURED}


def kind(name="work-fr", **changes):
    site = structs.replace(sites.load(name), **changes)
    return PlaceKind(site, Mixture(site), "as-measured", site.connectors, 100)


def planned(of, days, seed=3, start_s=0.0):
    """Every stay by connector."""
    place = Place(of, seed, "here", start_s)
    stays = {}
    for number in range(days):
        for at, parked in place.day(number).stays.items():
            stays.setdefault(at, []).extend(parked)
    return stays


@pytest.mark.parametrize("name", sites.names())
def test_every_ready_site_can_be_read_and_drawn_from(name):
    site = sites.load(name)
    if isinstance(site, sites.Measured):
        drawn = Mixture(site).draw(np.random.default_rng(1), "weekday", 300)
        assert ((drawn.hour >= 0) & (drawn.hour < 24)).all()
        assert ((drawn.dwell_h >= 0.05) & (drawn.dwell_h <= 72)).all()
        assert (drawn.energy_kwh <= site.energy_max_kwh).all()
        assert (drawn.charge_h <= drawn.dwell_h + 1e-9).all()


@pytest.mark.parametrize("name", MEASURED)
def test_counts_follow_the_profile(name):
    """Within a few percent of sessions per connector and day: hardly anybody finds no place."""
    of = kind(name, failed=0.0)
    stays = planned(of, 140)
    count = sum(map(len, stays.values()))
    expected = of.site.per_connector_day * of.site.stations * of.connectors * 140
    assert count == pytest.approx(expected, rel=0.12)


def test_daily_counts_are_over_dispersed_where_the_site_is():
    def spread(shape):
        place = Place(kind(dispersion_shape=shape, day_shares=[1.0] * 7), 5, "here", 0.0)
        counts = [sum(map(len, place.day(number).stays.values())) for number in range(300)]
        return np.var(counts) / np.mean(counts)

    assert spread(4.0) > 2.0
    assert 0.6 < spread(None) < 1.4


def test_weekends_are_quiet_at_work():
    place = Place(kind(), 5, "here", 0.0)
    counts = [sum(map(len, place.day(number).stays.values())) for number in range(70)]
    weekend = sum(counts[number] for number in range(70) if number % 7 > 4)
    assert weekend < 0.05 * sum(counts)


@pytest.mark.parametrize("name", MEASURED)
def test_stays_at_a_connector_never_overlap(name):
    for parked in planned(kind(name, per_connector_day=3.0), 20).values():
        for first, second in pairwise(parked):
            assert first.arrive_s + first.stay_s < second.arrive_s


def test_people_wait_at_work_and_give_up_in_the_street():
    crowded = {"per_connector_day": 4.0, "failed": 0.0}
    patient = planned(kind(**crowded, patience_min=120.0), 40)
    leaving = planned(kind(**crowded, patience_min=0.0), 40)
    assert sum(map(len, patient.values())) > 1.1 * sum(map(len, leaving.values()))


def test_liked_stations_are_busier():
    stays = planned(kind("public-uk"), 60)
    by_station = [
        sum(len(parked) for at, parked in stays.items() if at[0] == station) for station in range(30)
    ]
    assert max(by_station) > 3 * (min(by_station) + 1)


def test_attempts_fail_as_often_as_the_site_says_and_get_no_energy():
    of = kind("public-uk")
    stays = [parked for at in planned(of, 60).values() for parked in at]
    share = sum(parked.row < 0 for parked in stays) / len(stays)
    assert share == pytest.approx(of.site.failed / (1 + of.site.failed), abs=0.03)


def plan_of(of, station=0, start_s=0.0, seed=3):
    return StationPlan(Place(of, seed, "here", start_s), of, seed, station)


def visits(plan, connector, start_s, days):
    found, after = [], start_s
    while after < start_s + days * DAY_S:
        coming = plan.next_visit(connector, after)
        if isinstance(coming, Visit):
            found.append(coming)
            after = coming.arrive_s + coming.stay_s
        else:
            assert coming > after
            after = coming
    return found


def test_two_workers_plan_the_same_visits_for_a_station_whoever_asks_first():
    of = kind("public-nl")
    alone = visits(plan_of(of, 4), 1, 8 * 3600.0, 6)
    place = Place(of, 3, "here", 0.0)
    shared = [StationPlan(place, of, 3, station) for station in (1, 4)]
    first = [plan.next_visit(1, 8 * 3600.0) for plan in shared]
    assert isinstance(first[1], Visit)
    assert first[1] == alone[0]
    assert len(alone) > 2


def test_a_run_that_starts_at_night_finds_cars_that_are_there_already():
    of = kind("home-no")
    midnight = 2 * DAY_S
    there = [plan_of(of, station, midnight).next_visit(1, midnight) for station in range(50)]
    present = [visit for visit in there if isinstance(visit, Visit) and visit.arrive_s < midnight + 60]
    assert 8 <= len(present) <= 35
    assert all(visit.stay_s > 0 for visit in present)


def test_days_long_gone_are_forgotten_and_asking_for_one_is_our_bug():
    place = Place(kind(), 1, "here", 0.0)
    place.day(30)
    with pytest.raises(StationBug):
        place.day(3)


def test_days_are_cut_at_four_in_the_morning():
    assert [day_of(hour * 3600.0) for hour in (3.9, 4.1, 27.9, 28.1)] == [-1, 0, 0, 1]


def test_cars_wait_for_the_cheap_hours():
    of = kind("home-night")
    early = [
        v for v in visits(plan_of(of), 1, 0.0, 200) if 17 <= v.arrive_s % DAY_S / 3600 < 22 and not v.failed
    ]
    begins = [(v.arrive_s + v.wish.wake_s) % DAY_S / 3600 for v in early]
    assert len(early) > 5
    assert all(22.4 <= begin <= 22.7 for begin in begins)
    night = [v for v in visits(plan_of(of), 1, 0.0, 200) if v.arrive_s % DAY_S / 3600 < 6 and not v.failed]
    assert all(v.wish.wake_s <= 60 for v in night)


def test_stays_over_a_day_happen_where_they_were_measured():
    for name, share in (("home-fr", 0.066), ("public-uk", 0.067), ("work-fr", 0.002)):
        drawn = Mixture(CALIBRATED[name]).draw(np.random.default_rng(2), "weekday", 8000)
        assert (drawn.dwell_h > 24).mean() == pytest.approx(share, abs=0.03)


def test_power_classes_follow_the_measured_shares():
    """Public NL 2019: 58 % of sessions between 2.6 and 4.3 kW, 21 % between 8 and 12.5."""
    drawn = Mixture(CALIBRATED["public-nl"]).draw(np.random.default_rng(2), "weekday", 8000)
    kw = drawn.power_kw
    assert ((kw > 2.6) & (kw <= 4.3)).mean() == pytest.approx(0.58, abs=0.03)
    assert ((kw > 8) & (kw <= 12.5)).mean() == pytest.approx(0.21, abs=0.03)


def test_a_site_file_of_ones_own_and_bad_ones(tmp_path):
    (tmp_path / "mine.toml").write_text(
        'kind = "variant"\nof = "work-fr"\ntitle = "Ours"\npatience_min = 5\n'
    )
    assert sites.load("mine.toml", tmp_path).patience_min == 5
    (tmp_path / "bad.toml").write_text('kind = "variant"\nof = "demo"\ntitle = "x"\n')
    with pytest.raises(PlanError, match=r"bad.toml, \$.of: demo is not a measured site; mend"):
        sites.load("bad.toml", tmp_path)
    (tmp_path / "worse.toml").write_text('kind = "varian"\n')
    with pytest.raises(PlanError, match=r"site worse.toml, \$.kind: .*; mend"):
        sites.load("worse.toml", tmp_path)
