from math import inf

from hypothesis import given
from hypothesis import strategies as st

from stations.core.alarms import Alarm, Alarms


def test_nothing_is_due_when_nothing_is_set():
    alarms = Alarms()
    assert alarms.earliest == inf


def test_the_earliest_alarm_comes_first():
    alarms = Alarms()
    alarms.set(Alarm.HEARTBEAT, 20.0)
    alarms.set(Alarm.SAMPLE, 10.0, 2)
    assert alarms.earliest == 10.0
    assert alarms.take() == (Alarm.SAMPLE, 2, 10.0)
    assert alarms.earliest == 20.0


def test_setting_again_moves_an_alarm_and_dropping_forgets_it():
    alarms = Alarms()
    alarms.set(Alarm.CALL, 5.0)
    alarms.set(Alarm.CALL, 8.0)
    assert (alarms.earliest, alarms.at(Alarm.CALL)) == (8.0, 8.0)
    alarms.drop(Alarm.CALL)
    alarms.drop(Alarm.CALL)
    assert (alarms.earliest, alarms.at(Alarm.CALL)) == (inf, None)


def test_each_connector_has_its_own_alarm_and_clearing_forgets_all():
    alarms = Alarms()
    alarms.set(Alarm.SAMPLE, 5.0, 1)
    alarms.set(Alarm.SAMPLE, 4.0, 2)
    alarms.drop(Alarm.SAMPLE, 2)
    assert alarms.earliest == 5.0
    alarms.clear()
    assert alarms.earliest == inf


def test_of_alarms_at_one_moment_the_first_of_the_list_comes_first():
    alarms = Alarms()
    for alarm in (Alarm.HEARTBEAT, Alarm.RESTART, Alarm.CALL):
        alarms.set(alarm, 5.0)
    assert [alarms.take()[0] for _ in range(3)] == [Alarm.RESTART, Alarm.CALL, Alarm.HEARTBEAT]


moments = st.floats(0, 1000)


@given(st.lists(st.tuples(st.sampled_from(Alarm), st.integers(0, 2), moments | st.none()), max_size=30))
def test_earliest_is_always_the_minimum_of_what_is_set(steps):
    alarms, model = Alarms(), {}
    for alarm, connector, at in steps:
        if at is None:
            alarms.drop(alarm, connector)
            model.pop((alarm, connector), None)
        else:
            alarms.set(alarm, at, connector)
            model[alarm, connector] = at
        assert alarms.earliest == min(model.values(), default=inf)
    taken = []
    while alarms.earliest < inf:
        taken.append(alarms.take())
    assert sorted(taken, key=lambda due: due[2]) == taken
    assert {(alarm, connector): at for alarm, connector, at in taken} == model
