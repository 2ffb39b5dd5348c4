"""A guard on the cost of a round trip that no noisy machine can disturb: counted steps, not time.

Python's own instructions per MeterValues round trip are counted by tracing, and compared with those of a
reference loop in the same interpreter; `benchmarks/hot_path.py` has both, and measures time.
"""

import importlib.util
import sys
from pathlib import Path

import pytest

from engine.compiled import COMPILED

BENCHMARK = Path(__file__).parents[2] / "benchmarks" / "hot_path.py"
# On 3.11 it is 2,626 and 72, compiled 122 and 9.3, most of them the benchmark's own. A test that fails here
# says: a round trip has become dearer, or a part of it is compiled no more; find out by what.
MOST_STEPS = 130 if COMPILED else 2_640
MOST_CALLS = 10 if COMPILED else 73

pytestmark = pytest.mark.skipif(
    sys.version_info[:2] != (3, 11),
    reason="the limits count the instructions of CPython 3.11 and of no other",
)


@pytest.fixture(scope="module")
def hot_path():
    spec = importlib.util.spec_from_file_location("hot_path", BENCHMARK)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    module.STATIONS = 10
    return module


class Counted:
    """Bytecode instructions and function calls while it is entered."""

    def __init__(self):
        self.steps = self.calls = 0

    def __enter__(self):
        self._before = sys.gettrace()
        sys.settrace(self._on_call)
        return self

    def __exit__(self, *_):
        sys.settrace(self._before)

    def _on_call(self, frame, event, _argument):
        self.calls += 1
        frame.f_trace_opcodes, frame.f_trace_lines = True, False
        return self._on_step

    def _on_step(self, frame, event, _argument):
        self.steps += event == "opcode"
        return self._on_step


def test_a_round_trip_takes_no_more_steps_than_it_did(hot_path, tmp_path):
    world = hot_path.charging(tmp_path)
    answered = 0
    with Counted() as counted:
        for _ in range(10):
            answered += world.second()
    world.recorder.close()
    assert answered == 10 * hot_path.STATIONS
    assert counted.steps / answered < MOST_STEPS
    assert counted.calls / answered < MOST_CALLS


def test_the_count_is_the_same_every_time(hot_path):
    """What makes it a guard: no noise at all."""
    counts = []
    for _ in range(2):
        with Counted() as counted:
            hot_path.by_hand()
        counts.append((counted.steps, counted.calls))
    assert counts[0] == counts[1]
