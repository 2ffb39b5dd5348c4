"""Load shapes, and the search for the knee against central systems made of arithmetic."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from profiles.pacing import End, Knee, Limits, Sight, tide


def search(knee, p95_ms, *, failed=lambda _: 0.0, lag=lambda _: 1.0, per_s=50.0, rate=20.0, up_to=10**9):
    """Play the search second by second; how many stations were wanted at each."""
    wanted, up, second, seen = knee.wanted, 0.0, 0, []
    while wanted is not None and second < 50_000:
        second += 1
        up = min(up + rate, wanted, up_to)
        calls = int(per_s * up / 10)
        sight = Sight(second, int(up), p95_ms(up, second), calls, int(calls * failed(up)), lag(up))
        seen.append(wanted)
        wanted = knee.look(sight)
    return seen


def test_a_tide_depends_on_the_time_alone():
    def at(elapsed_s):
        return tide(elapsed_s, 1000, 50.0, period_s=3600, low_s=600, low=0.3)

    assert [at(moment)[0] for moment in (0, 2999, 3000, 3599, 3600, 6600)] == [
        1000,
        1000,
        300,
        300,
        1000,
        300,
    ]
    assert at(0)[1] == 50.0
    assert tide(99, 1, 1.0, period_s=100, low_s=10, low=0.0) == (1, 1.0), "somebody always stays"


@given(st.integers(150, 1950), st.integers(20, 300), st.integers(10, 200))
def test_the_knee_is_found_within_one_step(capacity, step, first):
    knee = Knee(first, step, 2000)
    search(knee, lambda up, _: 20.0 if up <= capacity else 5000.0)
    assert knee.end is End.KNEE
    assert knee.highest <= capacity
    assert capacity < knee.highest + step or knee.highest == 0
    assert [found.passed for found in knee.steps] == [True] * (len(knee.steps) - 1) + [False]
    assert knee.steps[-1].why == "p95 5000 ms"


def test_the_highest_load_asked_for_ends_the_search_when_it_passes():
    knee = Knee(100, 100, 350)
    search(knee, lambda *_: 12.0)
    assert (knee.end, knee.highest) == (End.MOST, 350)
    assert [found.stations for found in knee.steps] == [100, 200, 300, 350]


def test_a_step_is_held_until_its_latency_is_stable():
    def settling(up, second):
        return 100.0 if up <= 100 else 50.0 + 800.0 * 0.9 ** (second - 25)

    quick, slow = Knee(100, 100, 200), Knee(100, 100, 200)
    assert len(search(slow, settling)) > len(search(quick, lambda *_: 50.0)) + 20
    assert slow.end is End.MOST


def test_one_bad_look_is_forgiven_and_two_are_not():
    knee = Knee(100, 100, 100)
    search(knee, lambda _, second: 3000.0 if second == 15 else 20.0)
    assert knee.end is End.MOST
    other = Knee(100, 100, 100)
    search(other, lambda _, second: 3000.0 if second >= 15 else 20.0)
    assert (other.end, other.highest) == (End.KNEE, 0)


def test_failed_calls_break_a_step_though_they_are_quick():
    knee = Knee(100, 100, 1000)
    search(knee, lambda *_: 5.0, failed=lambda up: 0.2 if up > 400 else 0.001)
    assert (knee.end, knee.highest) == (End.KNEE, 400)
    assert "of the calls failed" in knee.steps[-1].why


def test_stations_that_never_come_up_are_a_load_that_does_not_pass():
    knee = Knee(100, 100, 1000)
    search(knee, lambda *_: 5.0, up_to=250)
    assert (knee.end, knee.highest) == (End.KNEE, 200)
    assert knee.steps[-1].why == "stations do not come up"


def test_latency_that_swings_for_ever_does_not_pass():
    knee = Knee(100, 100, 1000, hold_max_s=100)
    search(knee, lambda _, second: 100.0 + 800.0 * (second // 10 % 2))
    assert knee.steps[-1].why == "latency does not settle"


def test_our_own_limits_are_not_the_central_systems():
    knee = Knee(100, 100, 1000)
    search(knee, lambda up, _: 10.0 if up <= 300 else 4000.0, lag=lambda up: 1.0 if up <= 300 else 500.0)
    assert (knee.end, knee.highest) == (End.OURS, 300)


def test_too_few_calls_prove_nothing():
    knee = Knee(1, 1, 2, hold_max_s=60)
    search(knee, lambda *_: 5.0, per_s=1.0)
    assert (knee.highest, knee.end) == (0, End.SPARSE)
    assert knee.steps[-1].why == "too few calls to judge"


def test_a_look_waits_until_there_are_calls_enough():
    knee = Knee(5, 5, 10)
    seen = search(knee, lambda *_: 5.0, per_s=10.0)
    assert knee.end is End.MOST
    assert len(seen) > 2 * 10, "five stations make five calls a second here"


def test_limits_are_the_users():
    knee = Knee(100, 100, 1000, limits=Limits(p95_ms=50.0))
    search(knee, lambda up, _: up / 10)
    assert knee.highest == 500


@pytest.mark.parametrize("look", range(3))
def test_a_search_that_is_over_stays_over(look):
    knee = Knee(100, 100, 100)
    search(knee, lambda *_: 5.0)
    for _ in range(look + 1):
        assert knee.look(Sight(1e6, 100, 5.0, 1000, 0)) is None
