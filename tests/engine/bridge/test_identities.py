"""The master's leases: no two workers ever run the same station (C5)."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.bridge.identities import Leases, merged, ranges_of
from stations.errors import StationBug

pytestmark = pytest.mark.locust


def indices(ranges):
    return [index for first, end in ranges for index in range(first, end)]


def test_leases_start_at_the_first_station_and_do_not_overlap():
    leases = Leases()
    assert leases.take("a", 3) == [(0, 3)]
    assert leases.take("b", 2) == [(3, 5)]
    assert leases.take("a", 1) == [(5, 6)]
    assert leases.held_by("a") == [(0, 3), (5, 6)]


def test_a_station_given_back_goes_out_again_before_a_new_one():
    leases = Leases()
    leases.take("a", 5)
    leases.give_back("a", [(1, 2), (3, 5)])
    assert leases.take("b", 4) == [(1, 2), (3, 6)]
    assert leases.held_by("a") == [(0, 1), (2, 3)]


def test_a_lost_workers_stations_stay_with_it_until_it_is_buried():
    leases = Leases()
    leases.take("lost", 2)
    assert leases.take("survivor", 1) == [(2, 3)]
    leases.bury("lost")
    assert leases.take("survivor", 2) == [(0, 2)]
    assert leases.held_by("lost") == []


def test_what_a_worker_does_not_hold_it_cannot_give_back():
    leases = Leases()
    leases.take("a", 2)
    leases.bury("a")
    leases.take("b", 2)
    leases.give_back("a", [(0, 2)])
    assert leases.take("c", 1) == [(2, 3)]


@given(st.lists(st.integers(0, 50), unique=True))
def test_ranges_say_the_same_as_their_indices(wanted):
    ranges = ranges_of(wanted)
    assert indices(ranges) == sorted(wanted)
    assert all(one[1] < other[0] for one, other in pairwise(ranges))


def test_an_overlap_is_our_bug():
    with pytest.raises(StationBug, match="two holders"):
        merged([(0, 3), (2, 4)])


workers = st.sampled_from("abcd")
moves = st.one_of(
    st.tuples(st.just("take"), workers, st.integers(0, 7)),
    st.tuples(st.just("give_back"), workers, st.sets(st.integers(0, 30), max_size=6)),
    st.tuples(st.just("bury"), workers, st.none()),
)


@given(st.lists(moves, max_size=40))
def test_nobody_ever_shares_a_station_and_none_disappears(story):
    leases, held = Leases(), {name: set() for name in "abcd"}
    for move, name, detail in story:
        match move:
            case "take":
                taken = set(indices(leases.take(name, detail)))
                assert len(taken) == detail
                assert not any(taken & others for others in held.values())
                held[name] |= taken
            case "give_back":
                leases.give_back(name, ranges_of(detail))
                held[name] -= detail
            case "bury":
                leases.bury(name)
                held[name].clear()
        for holder, expected in held.items():
            assert set(indices(leases.held_by(holder))) == expected
    running = sum(map(len, held.values()))
    fresh = indices(leases.take("e", 100))
    assert max(fresh) < running + 100, "free stations go out before new ones"
