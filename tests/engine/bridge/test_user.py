"""A Locust user without a greenlet: Locust counts, lists and stops it all the same (C5)."""

import pytest

pytestmark = pytest.mark.locust

import gevent  # noqa: E402 — Locust patches the process: not before pytest has sorted this file out
from locust.env import Environment  # noqa: E402

from engine.bridge.user import StationUser  # noqa: E402


class GreenUp(StationUser):
    pass


class Stations:
    """What `engine.bridge.worker.Worker` is to users."""

    def __init__(self):
        self.wished, self.leaving, self.cut = [], [], []

    def wanted(self, user):
        self.wished.append(user)

    def unwanted(self, user):
        self.leaving.append(user)

    def cut_off(self, user):
        self.cut.append(user)


@pytest.fixture
def runner():
    environment = Environment(user_classes=[GreenUp])
    environment.stations = Stations()
    made = environment.create_local_runner()
    yield made
    made.greenlet.kill()


def test_users_are_counted_and_cost_no_greenlet(runner):
    runner.spawn_users({"GreenUp": 3})
    assert (runner.user_count, runner.user_classes_count) == (3, {"GreenUp": 3})
    assert len(runner.environment.stations.wished) == 3
    assert not any(isinstance(user, gevent.Greenlet) for user in runner.user_greenlets)


def test_without_a_stop_timeout_a_user_leaves_at_once_and_its_station_is_told(runner):
    runner.spawn_users({"GreenUp": 3})
    runner.stop_users({"GreenUp": 2})
    assert runner.user_count == 1
    assert len(runner.environment.stations.leaving) == 2


def test_with_a_stop_timeout_a_user_counts_until_its_station_has_closed(runner):
    runner.environment.stop_timeout = 5
    runner.spawn_users({"GreenUp": 2})
    stopping = gevent.spawn(runner.stop_users, {"GreenUp": 2})
    gevent.sleep(0.05)
    assert runner.user_count == 2
    for user in list(runner.environment.stations.leaving):
        user.ended()
    stopping.join(timeout=1)
    assert stopping.successful()
    assert runner.user_count == 0
    assert not runner.environment.stations.cut


def test_when_the_stop_timeout_is_over_the_user_is_cut_off(runner):
    runner.environment.stop_timeout = 0.05
    runner.spawn_users({"GreenUp": 2})
    runner.stop_users({"GreenUp": 2})
    assert runner.user_count == 0
    assert len(runner.environment.stations.cut) == 2


def test_a_user_asked_twice_gives_up_one_station(runner):
    runner.spawn_users({"GreenUp": 1})
    (user,) = runner.user_greenlets
    user.stop()
    user.stop(force=True)
    assert runner.environment.stations.leaving == [user]
    assert runner.user_count == 0
