"""Reservations of one station (§5.1, §5.13): who keeps which connector, and who may start where.

Pure data and decisions; the station turns them into statuses and alarms. A reservation of connector 0 keeps
one connector free, whichever (RN-2). Times are Unix seconds on the station's wall clock.
"""

from collections.abc import Iterator, Mapping
from enum import Enum
from typing import Any, Final

from msgspec import Struct, convert, to_builtins

from stations.wire.messages import ReserveNow
from stations.wire.types import ChargePointStatus, ReservationStatus, parse_datetime

Statuses = Mapping[int, ChargePointStatus]  # of connectors 1..N

# RN-1: what a connector's status answers to a new reservation; all others are Occupied.
_ANSWERS: Final = {
    ChargePointStatus.AVAILABLE: ReservationStatus.ACCEPTED,
    ChargePointStatus.FAULTED: ReservationStatus.FAULTED,
    ChargePointStatus.UNAVAILABLE: ReservationStatus.UNAVAILABLE,
}


class Reservation(Struct, frozen=True, gc=False, array_like=True):
    """One accepted ReserveNow. The id is any integer, 0 too (RN-6)."""

    id: int
    connector: int
    id_tag: str
    parent_id_tag: str | None
    expiry: float


class Admission(Enum):
    """Whether a tag may start on a connector as far as reservations go (RN-4)."""

    FREE = "nothing reserved here"
    HOLDER = "the reservation is this tag's, or its group's: the start consumes it (RN-5)"
    ASK_PARENT = "reserved for a group, and the tag's parent is unknown: ask by Authorize.req (TC_053)"
    REFUSED = "kept for somebody else"


class Reservations:
    """At most one reservation per connector, connector 0 included. Non-volatile (RN-5)."""

    __slots__ = ("_held",)

    def __init__(self) -> None:
        self._held: tuple[Reservation, ...] = ()

    def __iter__(self) -> Iterator[Reservation]:
        return iter(self._held)

    def on(self, connector: int) -> Reservation | None:
        """The reservation made for exactly this connector."""
        return next((held for held in self._held if held.connector == connector), None)

    def shown(self, connector: int, connectors: int) -> bool:
        """Whether it shows Reserved: its own, or on a one-sided station connector 0's (RN-2, TC_049)."""
        return self.on(connector) is not None or (connectors == 1 and self.on(0) is not None)

    # ---- making and ending --------------------------------------------------------------------------

    def reserve(
        self, request: ReserveNow, now_unix: float, statuses: Statuses, *, zero_supported: bool
    ) -> ReservationStatus:
        """Answer a ReserveNow and keep what is accepted (RN-1 to RN-3).

        `statuses` are those shown, with Reserved for reserved connectors.
        """
        made = Reservation(
            request.reservation_id,
            request.connector_id,
            request.id_tag,
            request.parent_id_tag,
            parse_datetime(request.expiry_date),
        )
        known = made.connector in statuses or (made.connector == 0 and zero_supported)
        if not known or made.expiry <= now_unix:
            return ReservationStatus.REJECTED  # RN-3, D; CMD-2
        answer = self._answer(made, statuses)
        if answer is ReservationStatus.ACCEPTED:
            self._held = (*(held for held in self._held if held.id != made.id), made)
        return answer

    def cancel(self, reservation_id: int) -> Reservation | None:
        """Take back a reservation by its id (CR-1); None if there is none."""
        found = next((held for held in self._held if held.id == reservation_id), None)
        if found is not None:
            self._drop(found)
        return found

    def drop(self, connector: int) -> Reservation | None:
        """End the reservation of a connector that is Faulted or Unavailable now (RN-5)."""
        found = self.on(connector)
        if found is not None:
            self._drop(found)
        return found

    def expire(self, now_unix: float) -> list[Reservation]:
        """End what has expired (RN-3)."""
        expired = [held for held in self._held if held.expiry <= now_unix]
        for reservation in expired:
            self._drop(reservation)
        return expired

    def next_expiry(self) -> float | None:
        """When `expire` has something to do, None for never."""
        return min((held.expiry for held in self._held), default=None)

    # ---- starting -----------------------------------------------------------------------------------

    def admits(
        self,
        connector: int,
        id_tag: str,
        parent_id_tag: str | None,
        statuses: Statuses,
        *,
        parent_known: bool,
    ) -> tuple[Admission, Reservation | None]:
        """Whether a tag may start on a connector, and the reservation that the start would consume (RN-4).

        `parent_known` says that `parent_id_tag` is what the list, the cache or the central system said,
        so that None means: no group.
        """
        own = self.on(connector)
        if own is not None:
            return _judged(own, id_tag, parent_id_tag, parent_known=parent_known), own
        station = self.on(0)
        if station is None:
            return Admission.FREE, None
        judged = _judged(station, id_tag, parent_id_tag, parent_known=parent_known)
        if judged is Admission.HOLDER or not self._leaves_one_free(statuses, connector):
            return judged, station
        return Admission.FREE, None

    def _leaves_one_free(self, statuses: Statuses, taken: int) -> bool:
        """RN-2: whether a connector stays free for the reservation of connector 0."""
        return any(connector != taken for connector in self._free(statuses))

    def _free(self, statuses: Statuses) -> list[int]:
        """Connectors that nobody uses and nobody reserved for themselves."""
        idle = {ChargePointStatus.AVAILABLE, ChargePointStatus.RESERVED}
        return [number for number, status in statuses.items() if status in idle and self.on(number) is None]

    def _answer(self, made: Reservation, statuses: Statuses) -> ReservationStatus:
        others = Reservations()  # RN-1: a reservation with the same id makes room before it is judged
        others._held = tuple(held for held in self._held if held.id != made.id)
        if others.on(made.connector) is not None:
            return ReservationStatus.OCCUPIED
        if made.connector == 0:
            return others._answer_for_station(statuses)
        status = statuses[made.connector]
        if status is ChargePointStatus.RESERVED:
            status = ChargePointStatus.AVAILABLE  # only by what `made` replaces, or by connector 0's
        if others.on(0) is not None and not others._leaves_one_free(statuses, made.connector):
            return ReservationStatus.OCCUPIED  # RN-2: the last free connector is kept
        return _ANSWERS.get(status, ReservationStatus.OCCUPIED)

    def _answer_for_station(self, statuses: Statuses) -> ReservationStatus:
        """RN-2 (TC_050): Occupied while somebody may still leave, Faulted or Unavailable when none can."""
        if self._free(statuses):
            return ReservationStatus.ACCEPTED
        answers = {_ANSWERS.get(status, ReservationStatus.OCCUPIED) for status in statuses.values()}
        severity = (ReservationStatus.OCCUPIED, ReservationStatus.FAULTED, ReservationStatus.UNAVAILABLE)
        return next((answer for answer in severity if answer in answers), ReservationStatus.OCCUPIED)

    def _drop(self, reservation: Reservation) -> None:
        self._held = tuple(held for held in self._held if held is not reservation)

    # ---- non-volatile memory ------------------------------------------------------------------------

    def snapshot(self) -> list[Any] | None:
        """What to keep over a restart, as plain values; None for nothing."""
        return [to_builtins(held) for held in self._held] or None

    def restore(self, snapshot: list[Any] | None) -> None:
        """Take back what `snapshot` gave."""
        self._held = tuple(convert(plain, Reservation) for plain in snapshot or ())


def _judged(
    reservation: Reservation, id_tag: str, parent_id_tag: str | None, *, parent_known: bool
) -> Admission:
    """RN-4: the tag itself, or one of the same parent; CiStrings compare case-insensitively (RPC-10)."""
    if id_tag.casefold() == reservation.id_tag.casefold():
        return Admission.HOLDER
    if reservation.parent_id_tag is None:
        return Admission.REFUSED
    if parent_id_tag is not None and parent_id_tag.casefold() == reservation.parent_id_tag.casefold():
        return Admission.HOLDER
    return Admission.REFUSED if parent_known else Admission.ASK_PARENT
