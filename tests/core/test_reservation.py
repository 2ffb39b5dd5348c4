"""Reservations (RN-1 … RN-6, CR-1): answers to ReserveNow, who may start, how they end."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stations.core.reservation import Admission, Reservations
from stations.wire.messages import ReserveNow
from stations.wire.types import ChargePointStatus as Status
from stations.wire.types import ReservationStatus, format_datetime

NOW = 1_800_000_000.0
FREE = {1: Status.AVAILABLE, 2: Status.AVAILABLE}
Answer = ReservationStatus


def reserve(
    held, number=1, connector=1, tag="TAG", *, statuses=None, expires_in_s=600, parent=None, zero=True
):
    request = ReserveNow(
        connector_id=connector,
        expiry_date=format_datetime(NOW + expires_in_s),
        id_tag=tag,
        parent_id_tag=parent,
        reservation_id=number,
    )
    return held.reserve(request, NOW, FREE if statuses is None else statuses, zero_supported=zero)


def admission(held, connector, tag, parent=None, *, statuses=None, known=True):
    return held.admits(connector, tag, parent, statuses or FREE, parent_known=known)[0]


def ids(held):
    return sorted(reservation.id for reservation in held)


# ---- ReserveNow -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("status", "answer"),
    [
        (Status.AVAILABLE, Answer.ACCEPTED),
        (Status.PREPARING, Answer.OCCUPIED),
        (Status.CHARGING, Answer.OCCUPIED),
        (Status.SUSPENDED_EV, Answer.OCCUPIED),
        (Status.SUSPENDED_EVSE, Answer.OCCUPIED),
        (Status.FINISHING, Answer.OCCUPIED),
        (Status.FAULTED, Answer.FAULTED),
        (Status.UNAVAILABLE, Answer.UNAVAILABLE),
    ],
)
def test_the_answer_follows_the_connector_s_status(status, answer):
    """RN-1: also for connector 0 of a one-sided station (RN-2, TC_049, TC_050)."""
    for connector in (1, 0):
        held = Reservations()
        assert reserve(held, connector=connector, statuses={1: status}) is answer
        assert ids(held) == ([1] if answer is Answer.ACCEPTED else [])


def test_a_reserved_connector_is_occupied_for_another_id():
    """RN-1."""
    held = Reservations()
    reserve(held)
    reserved = {1: Status.RESERVED, 2: Status.AVAILABLE}
    assert reserve(held, 2, statuses=reserved) is Answer.OCCUPIED
    assert reserve(held, 3, connector=2, statuses=reserved) is Answer.ACCEPTED
    assert ids(held) == [1, 3]


def test_the_same_id_replaces_wherever_it_was():
    """RN-1, RN-6: 0 is an id like others."""
    held = Reservations()
    reserve(held, 0, tag="A")
    reserved = {1: Status.RESERVED, 2: Status.AVAILABLE}
    assert reserve(held, 0, tag="B", statuses=reserved) is Answer.ACCEPTED
    assert held.on(1).id_tag == "B"
    assert reserve(held, 0, connector=2, tag="C", statuses=reserved) is Answer.ACCEPTED
    assert (held.on(1), held.on(2).id_tag) == (None, "C")


def test_a_replacement_that_cannot_be_keeps_the_old_one():
    """RN-1."""
    held = Reservations()
    reserve(held, 7)
    charging = {1: Status.RESERVED, 2: Status.CHARGING}
    assert reserve(held, 7, connector=2, statuses=charging) is Answer.OCCUPIED
    assert held.on(1).id == 7


@pytest.mark.parametrize(
    "arguments", [{"connector": 3}, {"connector": -1}, {"expires_in_s": 0}, {"expires_in_s": -60}]
)
def test_unknown_connectors_and_past_expiries_are_rejected(arguments):
    """RN-3, CMD-2."""
    held = Reservations()
    assert reserve(held, **arguments) is Answer.REJECTED
    assert ids(held) == []


def test_connector_zero_needs_the_key():
    """RN-2: ReserveConnectorZeroSupported."""
    assert reserve(Reservations(), connector=0, zero=False) is Answer.REJECTED


@pytest.mark.parametrize(
    ("statuses", "answer"),
    [
        ((Status.CHARGING, Status.AVAILABLE), Answer.ACCEPTED),
        ((Status.CHARGING, Status.FAULTED), Answer.OCCUPIED),
        ((Status.FAULTED, Status.UNAVAILABLE), Answer.FAULTED),
        ((Status.UNAVAILABLE, Status.UNAVAILABLE), Answer.UNAVAILABLE),
    ],
)
def test_connector_zero_wants_one_free_connector(statuses, answer):
    """RN-2 (TC_050)."""
    assert reserve(Reservations(), connector=0, statuses=dict(enumerate(statuses, 1))) is answer


def test_the_connector_kept_for_the_station_s_reservation_cannot_be_reserved_too():
    """RN-2: one connector stays free at all times."""
    held = Reservations()
    reserve(held, 1, connector=0)
    assert reserve(held, 2, connector=0) is Answer.OCCUPIED
    assert reserve(held, 3, connector=1) is Answer.ACCEPTED
    reserved = {1: Status.RESERVED, 2: Status.AVAILABLE}
    assert reserve(held, 4, connector=2, statuses=reserved) is Answer.OCCUPIED
    assert reserve(Reservations(), 5, connector=0, statuses=reserved) is Answer.ACCEPTED


def test_a_one_sided_station_shows_reserved_for_connector_zero():
    """RN-2, D (TC_049)."""
    held = Reservations()
    reserve(held, connector=0)
    assert (held.shown(1, 1), held.shown(1, 2)) == (True, False)
    reserve(held, 2, connector=2)
    assert (held.shown(1, 2), held.shown(2, 2)) == (False, True)


# ---- who may start ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("tag", "parent", "known", "admitted"),
    [
        ("tag", None, True, Admission.HOLDER),
        ("OTHER", "group", True, Admission.HOLDER),
        ("OTHER", "ELSE", True, Admission.REFUSED),
        ("OTHER", None, True, Admission.REFUSED),
        ("OTHER", None, False, Admission.ASK_PARENT),  # TC_053
    ],
)
def test_only_the_tag_or_its_group_may_start(tag, parent, known, admitted):
    """RN-4, RPC-10."""
    held = Reservations()
    reserve(held, tag="TAG", parent="GROUP")
    assert admission(held, 1, tag, parent, known=known) is admitted
    assert admission(held, 2, "ANY") is Admission.FREE


def test_without_a_group_nobody_is_asked():
    """RN-4."""
    held = Reservations()
    reserve(held, tag="TAG")
    assert admission(held, 1, "OTHER", known=False) is Admission.REFUSED


def test_the_start_of_the_holder_names_the_reservation():
    """RN-5, RS-6."""
    held = Reservations()
    reserve(held, 0, tag="TAG")
    assert held.admits(1, "TAG", None, FREE, parent_known=True)[1].id == 0
    assert held.admits(2, "TAG", None, FREE, parent_known=True) == (Admission.FREE, None)


def test_strangers_may_not_take_the_last_free_connector():
    """RN-2, RN-4: the holder may take any."""
    held = Reservations()
    reserve(held, 9, connector=0, tag="TAG", parent="P")
    one_left = {1: Status.CHARGING, 2: Status.PREPARING}
    assert admission(held, 1, "OTHER") is Admission.FREE
    assert admission(held, 2, "OTHER", statuses=one_left) is Admission.REFUSED
    assert admission(held, 2, "OTHER", statuses=one_left, known=False) is Admission.ASK_PARENT
    found, reservation = held.admits(2, "TAG", None, one_left, parent_known=True)
    assert (found, reservation.id) == (Admission.HOLDER, 9)


# ---- ending -----------------------------------------------------------------------------------------


def test_cancelling_needs_the_right_id():
    """CR-1 (TC_051, TC_052), RN-6."""
    held = Reservations()
    reserve(held, 0, connector=2)
    assert held.cancel(5) is None
    assert held.cancel(0).connector == 2
    assert ids(held) == []


def test_reservations_end_at_their_expiry():
    """RN-3 (TC_047)."""
    held = Reservations()
    reserve(held, 1, expires_in_s=60)
    reserve(held, 2, connector=2, expires_in_s=30)
    assert held.next_expiry() == NOW + 30
    assert held.expire(NOW + 29.9) == []
    assert [reservation.id for reservation in held.expire(NOW + 30)] == [2]
    assert held.next_expiry() == NOW + 60
    held.expire(NOW + 99)
    assert held.next_expiry() is None


def test_a_broken_or_unavailable_connector_loses_its_reservation():
    """RN-5."""
    held = Reservations()
    reserve(held, 1)
    assert held.drop(2) is None
    assert held.drop(1).id == 1
    assert ids(held) == []


@given(st.lists(st.tuples(st.integers(-2, 3), st.integers(0, 2), st.sampled_from("ABC"), st.integers(1, 99))))
def test_reservations_survive_a_restart_and_never_collide(requests):
    """RN-5, BOOT-11: one per connector and per id, whatever is asked, and a store gives them back."""
    held = Reservations()
    for number, connector, tag, expires in requests:
        reserve(held, number, connector, tag, expires_in_s=expires)
    connectors = [reservation.connector for reservation in held]
    assert len(set(connectors)) == len(connectors)
    assert len(set(ids(held))) == len(connectors)
    restored = Reservations()
    restored.restore(msgspec.msgpack.decode(msgspec.msgpack.encode(held.snapshot())))
    assert list(restored) == list(held)
