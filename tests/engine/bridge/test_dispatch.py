"""Locust's dispatcher with memory: a worker that is lost, joins or returns tears nobody down (C5)."""

import pytest

pytestmark = pytest.mark.locust

import gevent  # noqa: E402 — Locust patches the process: not before pytest has sorted this file out
from locust import User, task  # noqa: E402
from locust.runners import WorkerNode  # noqa: E402

from engine.bridge.dispatch import SeededDispatcher  # noqa: E402


class Station(User):
    @task
    def wait(self):
        gevent.sleep(1)


def node(name, users=0):
    worker = WorkerNode(f"host_{name}")
    worker.user_classes_count = {"Station": users}
    return worker


def last(dispatcher):
    steps = [{name: users["Station"] for name, users in step.items()} for step in dispatcher]
    return steps[-1]


def ramped(dispatcher, target, rate=1_000):
    dispatcher.new_dispatch(target, rate)
    return last(dispatcher)


def test_a_ramp_shares_stations_evenly_as_in_locust():
    assert ramped(SeededDispatcher([node("a"), node("b")], [Station]), 11) == {"host_a": 6, "host_b": 5}


def test_a_new_dispatcher_starts_from_what_runs():
    """Locust makes a new one a minute after a loss; stock, the survivor would go down to one step first."""
    dispatcher = SeededDispatcher([node("a", users=50)], [Station])
    dispatcher.new_dispatch(53, 1)
    steps = []
    for step in dispatcher:
        steps.append(step["host_a"]["Station"])
        if len(steps) == 2:
            break
    assert steps == [51, 52]
    assert dispatcher.spawn_rate == 1


def test_survivors_keep_their_stations_when_a_worker_is_lost():
    a, b = node("a"), node("b")
    dispatcher = SeededDispatcher([a, b], [Station])
    ramped(dispatcher, 10)
    dispatcher.remove_worker(b)
    dispatcher.new_dispatch(10, 1_000)
    assert last(dispatcher) == {"host_a": 10}


def test_a_loss_in_the_middle_of_a_ramp_keeps_the_spawn_rate(monkeypatch):
    monkeypatch.setattr(gevent, "sleep", lambda _seconds: None)
    a, b = node("a"), node("b")
    dispatcher = SeededDispatcher([a, b], [Station])
    dispatcher.new_dispatch(20, 4)
    steps = []
    for step in dispatcher:
        steps.append(sum(users["Station"] for users in step.values()))
        if len(steps) == 3:
            dispatcher.remove_worker(b)
    assert steps == [4, 8, 12, 10, 14, 18, 20]


def test_a_newcomer_fills_up_before_others_get_more():
    a, b = node("a"), node("b")
    dispatcher = SeededDispatcher([a], [Station])
    ramped(dispatcher, 10)
    dispatcher.add_worker(b)
    assert ramped(dispatcher, 14) == {"host_a": 10, "host_b": 4}
    assert ramped(dispatcher, 24) == {"host_a": 12, "host_b": 12}


def test_a_worker_that_returns_is_taken_to_run_what_it_had():
    a, b = node("a"), node("b")
    dispatcher = SeededDispatcher([a, b], [Station])
    ramped(dispatcher, 10)
    dispatcher.remove_worker(b)
    dispatcher.add_worker(b)
    assert ramped(dispatcher, 10) == {"host_a": 5, "host_b": 5}


def test_a_worker_announced_twice_changes_nothing():
    a, b = node("a"), node("b")
    dispatcher = SeededDispatcher([a, b], [Station])
    ramped(dispatcher, 10)
    dispatcher.add_worker(node("b"))
    assert ramped(dispatcher, 10) == {"host_a": 5, "host_b": 5}


def test_stations_stop_from_the_fullest_worker():
    dispatcher = SeededDispatcher([node("a", users=8), node("b", users=4)], [Station])
    assert ramped(dispatcher, 8) == {"host_a": 4, "host_b": 4}
