"""Arrivals at a place: counts, hours, connectors, waiting, and the laws of the measured sites."""

from itertools import pairwise

import numpy as np
import pytest
from msgspec import structs

from profiles import sites
from profiles.arrivals import DAY_S, Place, PlaceKind, StationPlan, day_of
from profiles.mixtures import Mixture
from stations.errors import PlanError, StationBug

MEASURED = ["work-fr", "home-fr", "home-no", "public-nl", "public-paris", "public-uk"]
CALIBRATED = {name: sites.load(name) for name in MEASURED}


def kind(name="work-fr", seed=3, start_s=0.0, **changes):
    site = structs.replace(sites.load(name), **changes)
    return PlaceKind(site, Mixture(site), "as-measured", site.connectors, 100, seed, "here", start_s)


def days_of(of, days):
    """Day by day the stays that begin on it."""
    place = Place(of, 0)
    for number in range(days):
        rows = place.stays(number)
        yield rows[[day_of(arrive_s) == number for arrive_s in rows["arrive_s"]]]


def planned(of, days):
    """Every stay by connector, as (arrival, stay, power)."""
    stays = {}
    for rows in days_of(of, days):
        for row in rows:
            stays.setdefault(int(row["slot"]), []).append(
                (float(row["arrive_s"]), float(row["stay_s"]), float(row["power_kw"]))
            )
    return {slot: sorted(found) for slot, found in stays.items()}


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
        of = kind(seed=5, dispersion_shape=shape, day_shares=[1.0] * 7)
        counts = [len(rows) for rows in days_of(of, 300)]
        return np.var(counts) / np.mean(counts)

    assert spread(4.0) > 2.0
    assert 0.6 < spread(None) < 1.4


def test_weekends_are_quiet_at_work():
    counts = [len(rows) for rows in days_of(kind(seed=5), 70)]
    weekend = sum(counts[number] for number in range(70) if number % 7 > 4)
    assert weekend < 0.05 * sum(counts)


@pytest.mark.parametrize("name", MEASURED)
def test_stays_at_a_connector_never_overlap(name):
    for parked in planned(kind(name, per_connector_day=3.0), 20).values():
        for (arrive_s, stay_s, _), (next_s, _, _) in pairwise(parked):
            assert arrive_s + stay_s < next_s


def test_people_wait_at_work_and_give_up_in_the_street():
    crowded = {"per_connector_day": 4.0, "failed": 0.0}
    patient = planned(kind(**crowded, patience_min=120.0), 40)
    leaving = planned(kind(**crowded, patience_min=0.0), 40)
    assert sum(map(len, patient.values())) > 1.1 * sum(map(len, leaving.values()))


def test_liked_stations_are_busier():
    stays = planned(kind("public-uk"), 60)
    by_station = [
        sum(len(parked) for slot, parked in stays.items() if slot // 2 == station) for station in range(30)
    ]
    assert max(by_station) > 3 * (min(by_station) + 1)


def test_attempts_fail_as_often_as_the_site_says_and_get_no_energy():
    of = kind("public-uk")
    stays = [parked for at in planned(of, 60).values() for parked in at]
    share = sum(power_kw == 0.0 for _, _, power_kw in stays) / len(stays)
    assert share == pytest.approx(of.site.failed / (1 + of.site.failed), abs=0.03)


def plan_of(of, station=0):
    return StationPlan(Place(of, 0), station)


def visits(plan, connector, start_s, days):
    found, after = [], start_s
    while after < start_s + days * DAY_S:
        at_s = plan.next_arrival(connector, after)
        assert at_s > after
        visit = plan.visit(connector, at_s)
        after = at_s
        if visit is not None:
            assert visit.arrive_s == at_s
            found.append(visit)
            after += visit.stay_s
    return found


def test_two_workers_plan_the_same_visits_for_a_station_whoever_asks_first():
    of = kind("public-nl")
    alone = visits(plan_of(of, 4), 1, 8 * 3600.0, 12)
    place = Place(of, 0)
    shared = [StationPlan(place, station) for station in (1, 4)]
    shared[0].next_arrival(1, 8 * 3600.0)
    assert visits(shared[1], 1, 8 * 3600.0, 12) == alone
    assert len(alone) > 2


def test_an_edge_that_rounds_finds_its_visitor_and_nobody_at_other_times():
    plan = plan_of(kind("public-uk"))
    at_s = plan.next_arrival(1, 9 * 3600.0)
    assert plan.visit(1, at_s - 1e-3) == plan.visit(1, at_s)
    assert plan.visit(1, at_s - 5.0) is None


def test_a_run_that_starts_at_night_finds_cars_that_are_there_already():
    midnight = 2 * DAY_S
    of = kind("home-no", start_s=midnight)
    present = []
    for station in range(50):
        plan = StationPlan(Place(of, station), 0)
        at_s = plan.opening(1, midnight)
        if at_s < midnight + 60:
            present.append((at_s, plan.visit(1, at_s, opening=True)))
    assert 8 <= len(present) <= 35
    assert all(visit.arrive_s == at_s and visit.stay_s > 0 for at_s, visit in present)


def test_what_is_left_of_a_stay_is_less_than_the_stay():
    """A station that joins later finds the same car, further on in its charge."""
    of = kind("home-no", start_s=2 * DAY_S)
    for station in range(200):
        plan = StationPlan(Place(of, station), 0)
        at_s = plan.opening(1, 2 * DAY_S)
        early, late = (plan.visit(1, moment, opening=True) for moment in (at_s, at_s + 1800.0))
        if early and late and at_s < 2 * DAY_S + 60 and early.wish.wake_s < 60:
            assert late.arrive_s + late.stay_s == pytest.approx(early.arrive_s + early.stay_s)
            assert late.wish.need_wh <= early.wish.need_wh
            assert plan.visit(1, at_s + 1800.0) is None  # nobody arrives then
            return
    pytest.fail("no car was there")


def test_days_long_gone_are_forgotten_and_asking_for_one_is_our_bug():
    place = Place(kind("public-nl"), 0)
    assert len(place.stays(30)) < 5 * 60 * 2
    with pytest.raises(StationBug):
        place.stays(3)


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
