"""Load shapes as Locust asks for them, once a second."""

from collections import defaultdict
from types import SimpleNamespace

import pytest

pytestmark = pytest.mark.locust


class Trial:
    """What a shape sees of a test."""

    run = "run-1"

    def __init__(self):
        self.gauges = {"w": defaultdict(float)}
        self.story, self.said = {}, []

    def say(self, line):
        self.said.append(line)


class Environment:
    """Locust's, as far as a shape looks."""

    def __init__(self, stations):
        self.parsed_options = SimpleNamespace(
            num_users=stations, spawn_rate=50.0, p95_ms=500.0, failed_share=0.01, look_s=5.0
        )
        self.conductor = SimpleNamespace(trial=None)
        self.p95_ms = 10.0
        self.stats = SimpleNamespace(
            total=SimpleNamespace(
                num_requests=0,
                num_failures=0,
                get_current_response_time_percentile=lambda _: self.p95_ms,
            )
        )


def shaped(kind, stations):
    made = kind()
    environment = Environment(stations)
    made.runner = SimpleNamespace(environment=environment)
    made.clock = 0.0
    made.get_run_time = lambda: made.clock
    return made, environment


def knee():
    from engine.bridge.shape import Knee

    class Search(Knee):
        pass

    return Search


def climb(shape, environment, slow_from):
    trial = environment.conductor.trial = Trial()
    wanted, seen = shape.tick(), []
    while wanted is not None:
        seen.append(wanted[0])
        shape.clock += 1.0
        trial.gauges["w"] = {"registrations": {"Accepted": wanted[0]}, "gen_lag_p99_us": 2000.0}
        environment.stats.total.num_requests += 100
        environment.p95_ms = 3000.0 if wanted[0] >= slow_from else 10.0
        wanted = shape.tick()
    return trial, seen


def test_the_knee_is_written_down_and_ends_the_test():
    shape, environment = shaped(knee(), 1000)
    assert shape.use_common_options
    assert not shape.abstract
    assert shape.tick() == (100, 50.0), "Locust asks before the test has begun"
    trial, seen = climb(shape, environment, slow_from=500)
    assert list(dict.fromkeys(seen)) == [100, 200, 300, 400, 500]
    assert trial.story["knee"]["highest"] == 400
    assert trial.story["knee"]["steps"][-1]["why"] == "p95 3000 ms"
    assert trial.said == ["highest load that passed: 400 stations (the central system passed its limits)"]


def test_a_second_test_of_the_same_program_searches_anew():
    shape, environment = shaped(knee(), 1000)
    climb(shape, environment, slow_from=200)
    Trial.run, first = "run-2", Trial.run
    try:
        trial, _ = climb(shape, environment, slow_from=10_000)
    finally:
        Trial.run = first
    assert trial.story["knee"]["highest"] == 1000


def test_the_tide_goes_out_and_comes_back():
    from engine.bridge.shape import Tide

    class Breathing(Tide):
        pass

    shape, environment = shaped(Breathing, 400)
    vars(environment.parsed_options).update(period_s=100.0, low_s=20.0, low=0.25)
    levels = []
    for second in (0, 79, 80, 99, 100):
        shape.clock = float(second)
        levels.append(shape.tick())
    assert levels == [(400, 50.0), (400, 50.0), (100, 50.0), (100, 50.0), (400, 50.0)]
