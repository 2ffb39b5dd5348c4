"""Drivers act as people do, at a pretend station that accepts or refuses them."""

import pytest
from msgspec import structs

from profiles import fleets
from stations.core.events import PlugIn, PlugOut, PlugOutEv, Swipe


class Connector:
    status = "Available"
    transaction = None
    car = None


class PretendStation:
    """Starts at the second step of plug and badge, stops at the badge, locks the cable in between."""

    def __init__(self, connectors, *, accepts=True):
        self.connectors = {n: Connector() for n in range(1, connectors + 1)}
        self.accepts = accepts
        self.log = []

    def apply(self, event, now):
        self.log.append((now, event))
        connector = self.connectors[event.connectors[0] if isinstance(event, Swipe) else event.connector]
        match event:
            case PlugIn():
                assert connector.car is None
                connector.car, connector.status = event.vehicle, "Preparing"
            case Swipe() if connector.transaction:
                connector.transaction, connector.status = None, "Finishing"
                connector.car.offer(now, 0)
            case Swipe() if self.accepts and connector.car:
                connector.transaction, connector.status = event.id_tag, "Charging"
                connector.car.offer(now, 32.0)
            case PlugOut() if connector.transaction is None:
                connector.car, connector.status = None, "Available"


def story(index=1, seconds=3600.0, seed=5, **more):
    deployed = fleets.load("demo").deploy(10, url_base="ws://x/", seed=seed).station(index)
    station = PretendStation(deployed.plan.product.connectors, **more)
    driver, now = deployed.driver, 1000.0
    driver.start(now, 0.0)
    while (due := driver.deadline()) is not None and due < 1000.0 + seconds:
        assert due >= now
        now = due
        for event in driver.act(now, station):
            station.apply(event, now)
    return station


@pytest.mark.parametrize("index", range(5))
def test_people_plug_badge_wait_badge_and_pull(index):
    station = story(index)
    for number in station.connectors:
        kinds = [
            type(event).__name__
            for _, event in station.log
            if (event.connectors[0] if isinstance(event, Swipe) else event.connector) == number
        ]
        whole = ["PlugIn", "Swipe", "Swipe", "PlugOut"]
        assert len(kinds) > 4 * 40
        assert kinds[: len(kinds) // 4 * 4] == whole * (len(kinds) // 4)


def test_a_minute_gives_most_connectors_a_whole_session():
    ends = sum(1 for index in range(20) for _, event in story(index, 60.0).log if isinstance(event, PlugOut))
    assert ends >= 20


def test_refused_people_badge_again_and_then_leave_with_their_cable():
    station = story(0, accepts=False)
    kinds = [type(event).__name__ for _, event in station.log]
    assert kinds[:4] == ["PlugIn", "Swipe", "Swipe", "PlugOut"]
    assert PlugOutEv not in {type(event) for _, event in station.log}


def test_the_same_seed_tells_the_same_story_and_another_seed_another():
    def told(seed):
        return [(now, type(event)) for now, event in story(seed=seed).log]

    assert told(1) == told(1)
    assert told(1) != told(2)


def test_a_locked_cable_is_pulled_again_and_then_left_behind():
    class Stuck(PretendStation):
        def apply(self, event, now):
            if not isinstance(event, PlugOut):
                super().apply(event, now)
            else:
                self.log.append((now, event))

    deployed = fleets.load("demo").deploy(10, url_base="ws://x/", seed=5).station(0)
    station = Stuck(1)
    deployed.driver.start(0.0, 0.0)
    while (due := deployed.driver.deadline()) < 400.0:
        for event in deployed.driver.act(due, station):
            station.apply(event, due)
    kinds = [type(event) for _, event in station.log]
    assert kinds.count(PlugOut) == 4
    assert kinds[-1] is PlugOutEv


def test_a_run_that_starts_on_sunday_night_goes_on_into_the_next_week():
    """An edge may count local time modulo a week; the plan of a place never goes back."""
    fleet = fleets.of_site("home-no", 50)
    late = structs.replace(fleet.file, start="Sun 23:59")
    deployment = fleets.Fleet(fleet.path, late).deploy(50, url_base="ws://x/", seed=3)
    for index in range(50):
        driver = deployment.station(index).driver
        driver.start(float(index), (deployment.start_local_s + 4.0 * index) % (7 * 86_400))
        assert driver.deadline() >= index
