"""The wheel in virtual time."""

from hypothesis import given
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from engine.wheel import NEVER, Wheel

TICK_S = 0.01
SLACK_S = 1e-6


class Entry:
    def __init__(self, name=""):
        self.name = name
        self.armed = NEVER
        self.deadline = None


@given(st.lists(st.floats(0.0, 500.0), min_size=1, max_size=30), st.floats(0.0, 1e6))
def test_nothing_is_early_and_nothing_is_late_by_more_than_a_tick(delays, start):
    wheel = Wheel(TICK_S, start)
    entries = []
    for delay in delays:
        entry = Entry()
        entry.deadline = start + delay
        wheel.arm(entry, entry.deadline)
        entries.append(entry)
    waiting = set(entries)
    for deadline in sorted(entry.deadline for entry in entries):
        # The caller looks just before and one tick after each deadline.
        for now in (deadline - SLACK_S, deadline + TICK_S + SLACK_S):
            for entry in wheel.due(now):
                if entry.deadline > now:  # a far deadline looks again once per horizon
                    wheel.arm(entry, entry.deadline)
                else:
                    waiting.discard(entry)
            assert all(entry.deadline > now - TICK_S - SLACK_S for entry in waiting)
    assert not waiting


def test_re_arming_earlier_moves_an_entry_and_later_leaves_it_where_it_is():
    wheel, entry = Wheel(TICK_S, 0.0), Entry()
    wheel.arm(entry, 5.0)
    wheel.arm(entry, 1.0)
    wheel.arm(entry, 9.0)
    assert wheel.due(0.99) == []
    assert wheel.due(1.0) == [entry]
    assert wheel.due(20.0) == []  # the place at 5 s was left behind


def test_a_deadline_in_the_past_comes_with_the_next_tick():
    wheel, entry = Wheel(TICK_S, 100.0), Entry()
    wheel.arm(entry, 3.0)
    assert wheel.due(100.005) == []
    assert wheel.due(100.01) == [entry]


def test_entries_come_in_the_order_of_ticks_then_of_arming():
    wheel = Wheel(TICK_S, 0.0)
    a, b, c = Entry("a"), Entry("b"), Entry("c")
    wheel.arm(c, 2.0)
    wheel.arm(a, 1.0)
    wheel.arm(b, 2.0)
    assert [entry.name for entry in wheel.due(2.0)] == ["a", "c", "b"]


def test_the_next_busy_tick_is_known_within_a_range():
    wheel, entry = Wheel(TICK_S, 0.0), Entry()
    assert wheel.next(0.5) == 0.5
    wheel.arm(entry, 0.2)
    assert wheel.next(0.5) == 0.2
    assert wheel.next(0.1) == 0.1
    wheel.due(0.15)
    assert abs(wheel.next(0.5) - 0.05) < 1e-9


def test_a_stopped_caller_gets_everything_at_once_and_cheaply():
    wheel, entry = Wheel(TICK_S, 0.0), Entry()
    wheel.arm(entry, 1.0)
    assert wheel.due(1e9) == [entry]


def test_places_left_behind_are_bounded_by_the_horizon():
    wheel, entry = Wheel(TICK_S, 0.0), Entry()
    now = 0.0
    for _ in range(20_000):  # a far deadline and a near one in turn, as commands of a busy CSMS make them
        now += 0.1
        wheel.due(now)
        wheel.arm(entry, now + 86_400.0)
        wheel.arm(entry, now + 0.05)
    assert sum(map(len, wheel._buckets.values())) < 7_000


class AgainstAList(RuleBasedStateMachine):
    """The wheel agrees with a plain dict of deadlines at every step."""

    def __init__(self):
        super().__init__()
        self.now = 0.0
        self.wheel = Wheel(TICK_S, self.now)
        self.entries = [Entry(str(i)) for i in range(4)]

    @rule(which=st.integers(0, 3), delay=st.floats(-1.0, 120.0))
    def arm(self, which, delay):
        entry = self.entries[which]
        entry.deadline = self.now + delay
        self.wheel.arm(entry, entry.deadline)

    @rule(step=st.floats(0.0, 70.0))
    def look(self, step):
        self.now += step
        for entry in self.wheel.due(self.now):
            if entry.deadline is None:
                continue
            if entry.deadline <= self.now:
                entry.deadline = None
            else:
                self.wheel.arm(entry, entry.deadline)

    @invariant()
    def nobody_is_forgotten(self):
        for entry in self.entries:
            assert entry.deadline is None or entry.armed != NEVER
            if entry.deadline is not None:
                assert entry.armed * TICK_S < max(entry.deadline, self.now) + 2 * TICK_S


TestAgainstAList = AgainstAList.TestCase
