"""The connector machine (§4.9): one side of the station and the status it shows.

What happens to a side changes facts (vehicle, tag, transaction, availability …); `settle` derives the status
that follows from the facts and moves along the table. A move the table does not have is a StationBug.
A fault is not a row: it hides the status below, and clearing it shows that one again (I1 … I8).
"""

from typing import TYPE_CHECKING, Final

from stations.core import booking, meter, status
from stations.core.alarms import Alarm
from stations.core.dispatch import changes
from stations.core.keys import CONNECTION_TIME_OUT
from stations.errors import StationBug
from stations.wire.types import ChargePointErrorCode, ChargePointStatus

if TYPE_CHECKING:
    from stations.core.authorization import Presented
    from stations.core.station import Station
    from stations.core.transaction_record import Transaction
    from stations.core.vehicle import Vehicle

Status = ChargePointStatus

HANDSHAKE_S: Final = 5.0  # a vehicle draws within seconds of an offer; later it counts as SuspendedEV

TRANSITIONS: Final[dict[Status, dict[Status, str]]] = {
    Status.AVAILABLE: {
        Status.PREPARING: "A2",
        Status.CHARGING: "A3",
        Status.SUSPENDED_EV: "A4",
        Status.SUSPENDED_EVSE: "A5",
        Status.RESERVED: "A7",
        Status.UNAVAILABLE: "A8",
        Status.FAULTED: "A9",
    },
    Status.PREPARING: {
        Status.AVAILABLE: "B1",
        Status.CHARGING: "B3",
        Status.SUSPENDED_EV: "B4",
        Status.SUSPENDED_EVSE: "B5",
        Status.FINISHING: "B6",
        Status.FAULTED: "B9",
    },
    Status.CHARGING: {
        Status.AVAILABLE: "C1",
        Status.SUSPENDED_EV: "C4",
        Status.SUSPENDED_EVSE: "C5",
        Status.FINISHING: "C6",
        Status.UNAVAILABLE: "C8",
        Status.FAULTED: "C9",
    },
    Status.SUSPENDED_EV: {
        Status.AVAILABLE: "D1",
        Status.CHARGING: "D3",
        Status.SUSPENDED_EVSE: "D5",
        Status.FINISHING: "D6",
        Status.UNAVAILABLE: "D8",
        Status.FAULTED: "D9",
    },
    Status.SUSPENDED_EVSE: {
        Status.AVAILABLE: "E1",
        Status.CHARGING: "E3",
        Status.SUSPENDED_EV: "E4",
        Status.FINISHING: "E6",
        Status.UNAVAILABLE: "E8",
        Status.FAULTED: "E9",
    },
    Status.FINISHING: {
        Status.AVAILABLE: "F1",
        Status.PREPARING: "F2",
        Status.UNAVAILABLE: "F8",
        Status.FAULTED: "F9",
    },
    Status.RESERVED: {
        Status.AVAILABLE: "G1",
        Status.PREPARING: "G2",
        Status.UNAVAILABLE: "G8",
        Status.FAULTED: "G9",
    },
    Status.UNAVAILABLE: {
        Status.AVAILABLE: "H1",
        Status.PREPARING: "H2",
        Status.CHARGING: "H3",
        Status.SUSPENDED_EV: "H4",
        Status.SUSPENDED_EVSE: "H5",
        Status.FAULTED: "H9",
    },
    Status.FAULTED: {
        Status.AVAILABLE: "I1",
        Status.PREPARING: "I2",
        Status.CHARGING: "I3",
        Status.SUSPENDED_EV: "I4",
        Status.SUSPENDED_EVSE: "I5",
        Status.FINISHING: "I6",
        Status.RESERVED: "I7",
        Status.UNAVAILABLE: "I8",
    },
}
"""From → to → label of §4.9. The Faulted column and row are what the overlay shows and hides."""

THROUGH: Final[dict[tuple[Status, Status], Status]] = {
    (Status.PREPARING, Status.UNAVAILABLE): Status.AVAILABLE,  # CA-4: the preparation is cancelled first
    (Status.PREPARING, Status.RESERVED): Status.AVAILABLE,
    (Status.FINISHING, Status.RESERVED): Status.AVAILABLE,
    (Status.CHARGING, Status.RESERVED): Status.AVAILABLE,
    (Status.SUSPENDED_EV, Status.RESERVED): Status.AVAILABLE,
    (Status.SUSPENDED_EVSE, Status.RESERVED): Status.AVAILABLE,
    (Status.UNAVAILABLE, Status.RESERVED): Status.AVAILABLE,
    (Status.FINISHING, Status.CHARGING): Status.PREPARING,  # RS-4: a start while the cable is still in
    (Status.FINISHING, Status.SUSPENDED_EV): Status.PREPARING,
    (Status.FINISHING, Status.SUSPENDED_EVSE): Status.PREPARING,
    (Status.RESERVED, Status.CHARGING): Status.PREPARING,
    (Status.RESERVED, Status.SUSPENDED_EV): Status.PREPARING,
    (Status.RESERVED, Status.SUSPENDED_EVSE): Status.PREPARING,
    (Status.AVAILABLE, Status.FINISHING): Status.PREPARING,
    (Status.UNAVAILABLE, Status.FINISHING): Status.PREPARING,
}
"""Moves of two steps that one fact causes: the step between is shown too."""


_SUSPENDED: Final = frozenset({Status.SUSPENDED_EV, Status.SUSPENDED_EVSE})
_RESUMES: Final = frozenset({Status.SUSPENDED_EVSE, Status.CHARGING})  # the contactor closes at once (SC-12)


class Connector:
    """One side. Number 0 is the station as a whole: only available, unavailable or faulted."""

    __slots__ = (
        "aligned_wh",
        "below",
        "error_code",
        "ev_out",
        "finishing",
        "handshake_until",
        "limit_a",
        "lock_failing",
        "locked",
        "number",
        "operative",
        "owner",
        "presented",
        "register_wh",
        "scheduled",
        "shown",
        "shown_since",
        "told",
        "transaction",
        "vehicle",
        "vendor_error_code",
    )

    def __init__(self, number: int, limit_a: float) -> None:
        self.number = number
        self.below = Status.AVAILABLE
        self.error_code = ChargePointErrorCode.NO_ERROR  # Faulted, or a warning (ST-9)
        self.vendor_error_code = ""
        self.shown: status.Shown = status.FRESH
        self.shown_since = 0.0  # on the edge's clock
        self.told: status.Shown | None = None  # what the central system knows, None for nothing sure (ST-14)
        self.vehicle: Vehicle | None = None
        self.ev_out = False  # the cable is in the station only (ST-7, ST-8)
        self.locked = False
        self.owner: tuple[str, str | None] | None = None  # tag and parent that may release the cable (E3.5)
        self.lock_failing = False
        self.finishing = False  # the cable stays in, but nothing will start without a user (B6, C6)
        self.presented: Presented | None = None
        self.transaction: Transaction | None = None
        self.operative = True
        self.scheduled = False  # inoperative as soon as the side is empty (CA-2)
        self.register_wh = 0.0  # life register without the present vehicle's share (MV-5)
        self.aligned_wh = 0.0  # register at the last clock-aligned sample (MV-2)
        self.limit_a = limit_a  # offered, or what would be offered
        self.handshake_until = (
            0.0  # the vehicle gets this long to start drawing before it counts as suspended
        )

    @property
    def status(self) -> Status:
        """What the side shows."""
        return Status.FAULTED if self.faulted else self.below

    @property
    def faulted(self) -> bool:
        """Whether a fault hides the status below; a warning does not (ST-9)."""
        return self.error_code not in status.WARNINGS

    @property
    def plugged(self) -> bool:
        """Whether a cable is in the station, with or without a vehicle at its other end."""
        return self.vehicle is not None or self.ev_out

    def energy_wh(self, now: float) -> float:
        """The life register."""
        vehicle = self.vehicle
        return self.register_wh if vehicle is None else self.register_wh + vehicle.reading(now).energy_wh


def _follows(station: "Station", connector: Connector) -> Status:
    """The status that the facts call for."""
    if connector.transaction is not None:
        return _while_charging(station, connector)
    keeps_finishing = connector.scheduled and connector.plugged  # CA-2: applied once the side is empty
    if not station.is_operative(connector) and not keeps_finishing:
        return Status.UNAVAILABLE
    presented = connector.presented
    reserved = booking.shown(station, connector)
    if presented is not None and (presented.granted or not reserved):
        return Status.PREPARING
    if connector.plugged:
        return Status.FINISHING if connector.finishing else Status.PREPARING
    return Status.RESERVED if reserved else Status.AVAILABLE


def _while_charging(station: "Station", connector: Connector) -> Status:
    """ST-2: SuspendedEVSE wins over SuspendedEV."""
    if connector.limit_a <= 0:
        return Status.SUSPENDED_EVSE
    vehicle = connector.vehicle
    if vehicle is not None and vehicle.drawing(station.now):
        return Status.CHARGING
    if station.now >= connector.handshake_until or connector.below is Status.SUSPENDED_EV:
        return Status.SUSPENDED_EV
    # Plug and tag are there, or the energy is back: the vehicle is about to draw.
    return Status.CHARGING if connector.below in _RESUMES else Status.PREPARING


def settle(station: "Station", connector: Connector) -> None:
    """Move to the status the facts call for, and tell."""
    if connector.number == 0:
        waits = any(side.scheduled for side in station.connectors)  # CA-2: the last side decides
        connector.below = Status.AVAILABLE if connector.operative or waits else Status.UNAVAILABLE
    else:
        target = _follows(station, connector)
        if target is not connector.below:
            _move(station, connector, target)
    status.show(station, connector)


def unlock(station: "Station", connector: Connector) -> None:
    """The lock lets go; whoever pulled the vehicle's end can take the rest."""
    connector.locked = False
    connector.owner = None
    settle(station, connector)


def _move(station: "Station", connector: Connector, target: Status) -> None:
    """One step of the table towards `target`."""
    source = connector.below
    if target not in TRANSITIONS[source]:
        between = THROUGH.get((source, target))
        if between is None:
            raise StationBug(f"connector {connector.number}: no way from {source} to {target}")
        _step(station, connector, between)
        status.show(station, connector)
        source = between
    _step(station, connector, target)


def _step(station: "Station", connector: Connector, target: Status) -> None:
    source, connector.below = connector.below, target
    if source is Status.CHARGING and target in _SUSPENDED:
        meter.interrupted(station, connector, begins=True)
    elif source in _SUSPENDED and target is Status.CHARGING:
        meter.interrupted(station, connector, begins=False)
    if target is Status.PREPARING:
        arm_connection_time_out(station, connector)
    else:
        station.alarms.drop(Alarm.CONNECTION, connector.number)


def arm_connection_time_out(station: "Station", connector: Connector) -> None:
    """ST-4: from the beginning of Preparing; 0 never ends it."""
    time_out_s = station.configuration[CONNECTION_TIME_OUT]
    if time_out_s > 0 and connector.transaction is None:
        station.alarms.set(Alarm.CONNECTION, station.now + time_out_s, connector.number)
    else:
        station.alarms.drop(Alarm.CONNECTION, connector.number)


@changes(CONNECTION_TIME_OUT)
def _rearm(station: "Station") -> None:
    """CC-3: a changed time-out counts anew for sides that are preparing now."""
    for connector in station.connectors[1:]:
        if connector.below is Status.PREPARING:
            arm_connection_time_out(station, connector)
