"""A worker on a machine with small limits starts what it has room for, and the run is told."""

import resource

import pytest

from engine.bridge.lasting import Lasting
from engine.bridge.stations import Stations

pytestmark = pytest.mark.locust


class Posted(list):
    def post(self, command):
        self.append(command)


@pytest.fixture
def stations(monkeypatch):
    """The hub's side of a worker that may open 400 files, 20 of them open already."""
    monkeypatch.setattr(resource, "getrlimit", lambda _: (400, 400))
    made = Stations.__new__(Stations)
    made.closing, made.shortages, made.left = False, [], []
    made._deployed, made._others_open, made._source_addresses = 0, 20, 0
    made._on_left = made.left.extend
    made._crossing = Posted()
    made._lasting = Lasting("")
    made._deployment = type(
        "Built", (), {"station": staticmethod(lambda index: index), "identity": staticmethod(str)}
    )
    return made


def deployed(stations):
    return [index for command in stations._crossing for index, _ in command.stations]


def test_stations_within_the_limit_are_started(stations):
    stations.deploy(list(range(100)), 50.0)
    assert deployed(stations) == list(range(100))
    assert stations.shortages == []


def test_stations_beyond_the_open_file_limit_are_not_started_and_the_run_is_told(stations):
    stations.deploy(list(range(100)), 50.0)
    stations.deploy(list(range(100, 150)), 50.0)
    assert deployed(stations) == list(range(100))
    assert stations.left == list(range(100, 150))
    assert "the hard limit is 400" in stations.shortages[0]
    assert "at most 124 stations per worker" in stations.shortages[0]


def test_stations_that_left_make_room(stations):
    stations.deploy(list(range(100)), 50.0)
    stations._deployed -= 60
    stations.deploy(list(range(100, 150)), 50.0)
    assert len(deployed(stations)) == 150
