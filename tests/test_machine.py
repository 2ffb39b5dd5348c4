"""The references of `benchmarks/machine.py`: which moments count as calm."""

import importlib.util
import time
from pathlib import Path

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

BENCHMARK = Path(__file__).parents[1] / "benchmarks" / "machine.py"


def load():
    spec = importlib.util.spec_from_file_location("machine", BENCHMARK)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


machine = load()
moments = st.lists(st.floats(0, 100, allow_subnormal=False), max_size=20).map(lambda xs: np.array(sorted(xs)))


def test_a_cost_far_above_the_usual_is_a_stall():
    at_s, costs = np.arange(10.0), np.array([20, 21, 22, 20, 400, 90, 35, 20, 21, 20.0])
    assert machine.stalls(at_s, costs).tolist() == [4.0, 5.0]


def test_moments_are_calm_before_a_stall_and_again_when_a_worker_has_caught_up():
    asked = np.array([0.5, 0.999, 1.0, 1.2, 1.39, 1.41, 2.0])
    assert machine.calm(np.array([1.0]), asked).tolist() == [True, False, False, False, False, True, True]
    assert machine.calm(np.array([]), asked).all()


@given(moments, moments)
def test_no_calm_moment_has_a_stall_shortly_before_it(stalls_s, asked_s):
    for moment_s, calm in zip(asked_s, machine.calm(stalls_s, asked_s), strict=True):
        before = stalls_s[stalls_s <= moment_s]
        near = len(before) and moment_s - before[-1] <= machine.CATCH_UP_S
        assert not (calm and near)


def test_a_schedule_of_calculations_tells_how_late_it_was():
    lags_ms = machine.calculate(0.2, 0.1)
    assert len(lags_ms) == round(0.1 / machine.PERIOD_S)
    assert lags_ms.min() >= 0


def test_a_witness_knows_nothing_bad_of_the_time_before_it():
    with machine.Witness() as witness:
        began_s = time.time()
    assert witness.calm(np.array([began_s - 60.0])).all()
