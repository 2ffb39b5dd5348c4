"""StatusNotification: what a side shows, what the central system has been told of it, and when (ST-*)."""

from typing import TYPE_CHECKING, Final, NamedTuple, cast

from stations.core import calls, wall
from stations.core.alarms import Alarm
from stations.core.dispatch import changes, ends, rings
from stations.core.events import Outcome, StatusChanged
from stations.core.keys import MINIMUM_STATUS_DURATION
from stations.core.outgoing import Outgoing
from stations.core.plan import Personality
from stations.core.product_faults import ERROR_CODE_ERROR
from stations.wire.messages import Confirmation, StatusNotification
from stations.wire.types import Action, ChargePointErrorCode, ChargePointStatus

if TYPE_CHECKING:
    from stations.core.connector import Connector
    from stations.core.station import Station

_NO_ERROR: Final = ChargePointErrorCode.NO_ERROR
EV_SIDE: Final = "EV side disconnected"  # ST-7, ST-8
NO_FAILURE: Final = "No failure"  # the guide's StatusNotification

WARNINGS: Final = frozenset(
    {
        ChargePointErrorCode.NO_ERROR,
        ChargePointErrorCode.EV_COMMUNICATION_ERROR,  # ST-10: never with Faulted
        ChargePointErrorCode.LOCAL_LIST_CONFLICT,
        ChargePointErrorCode.WEAK_SIGNAL,
    }
)
"""Error codes that leave the status as it is (ST-9)."""

_WITH_EV_COMMUNICATION_ERROR: Final = frozenset(
    {
        ChargePointStatus.PREPARING,
        ChargePointStatus.SUSPENDED_EV,
        ChargePointStatus.SUSPENDED_EVSE,
        ChargePointStatus.FINISHING,
    }
)  # ST-10
_WITH_EV_OUT: Final = frozenset({ChargePointStatus.FINISHING, ChargePointStatus.SUSPENDED_EV})


class Shown(NamedTuple):
    """What a StatusNotification says."""

    status: ChargePointStatus
    error_code: ChargePointErrorCode = _NO_ERROR
    ev_out: bool = False


FRESH: Final = Shown(ChargePointStatus.AVAILABLE)
_SHARED: Final[dict[Shown, Shown]] = {FRESH: FRESH}  # a few dozen values for all stations


def shown_by(connector: "Connector") -> Shown:
    """What the side would say now."""
    shows, error_code = connector.status, connector.error_code
    if (
        error_code is ChargePointErrorCode.EV_COMMUNICATION_ERROR
        and shows not in _WITH_EV_COMMUNICATION_ERROR
    ):
        error_code = _NO_ERROR
    left = connector.ev_out or (connector.transaction is not None and connector.vehicle is None)
    shown = Shown(shows, error_code, left and shows in _WITH_EV_OUT)
    return _SHARED.setdefault(shown, shown)


def show(station: "Station", connector: "Connector") -> None:
    """After any change of facts: note what the side shows, and tell it if that is news (ST-1, ST-6)."""
    shown = shown_by(connector)
    if shown is connector.shown:
        return
    connector.shown, connector.shown_since = shown, station.now
    station.effects.append(StatusChanged(connector.number, shown.status, shown.error_code))
    patience_s = station.configuration[MINIMUM_STATUS_DURATION]
    if patience_s > 0:
        station.alarms.set(Alarm.STATUS, station.now + patience_s, connector.number)
    elif station.serving:
        report(station, connector, at=connector.shown_since)


@changes(MINIMUM_STATUS_DURATION)
def _patience_changed(station: "Station") -> None:
    """ST-6, CC-3: what is being held back counts anew."""
    patience_s = station.configuration[MINIMUM_STATUS_DURATION]
    for connector in station.connectors:
        if station.alarms.at(Alarm.STATUS, connector.number) is not None:
            station.alarms.set(Alarm.STATUS, station.now + patience_s, connector.number)


@rings(Alarm.STATUS)
def _stable(station: "Station", number: int, at: float) -> None:
    """ST-6: it has been stable long enough; a status that came and went is skipped."""
    station.due = at
    if station.serving:
        report_if_news(station, station.connectors[number])


def report_if_news(station: "Station", connector: "Connector") -> None:
    """ST-14: only what differs from the status delivered last; ST-1: with the time when it changed."""
    if connector.told != connector.shown and station.alarms.at(Alarm.STATUS, connector.number) is None:
        report(station, connector, at=connector.shown_since)


def report(
    station: "Station", connector: "Connector", *, at: float | None = None, triggered: bool = False
) -> None:
    """Send the present status, as it is since `at` on the edge's clock; None for as it is now."""
    connector.told = connector.shown
    place(station, connector, connector.shown, at=at, triggered=triggered)


def place(
    station: "Station",
    connector: "Connector",
    shown: Shown,
    *,
    at: float | None = None,
    triggered: bool = False,
) -> None:
    """A StatusNotification as this product writes it (ST-1); `at` is the time of the event."""
    vendor_error_code = connector.vendor_error_code or None
    error_code = shown.error_code
    if shown.status is ChargePointStatus.FAULTED and ERROR_CODE_ERROR in station.plan.product.faults:
        error_code = cast("ChargePointErrorCode", "Error")  # LG-5
    if station.plan.product.personality is Personality.GREENUP:
        info = EV_SIDE if shown.ev_out else NO_FAILURE if shown.error_code is _NO_ERROR else None
        request = StatusNotification(
            connector_id=connector.number,
            error_code=error_code,
            info=info,
            status=shown.status,
            vendor_id=station.plan.product.vendor,
            vendor_error_code=vendor_error_code,
        )
    else:
        request = StatusNotification(
            connector_id=connector.number,
            error_code=error_code,
            info=EV_SIDE if shown.ev_out else None,
            status=shown.status,
            timestamp=wall.stamp(station, wall.unix_s(station, at)),
            vendor_error_code=vendor_error_code,
        )
    calls.place(station, request, connector=connector.number, about=shown, triggered=triggered)


@ends(Action.STATUS_NOTIFICATION)
def _reported(
    station: "Station", outgoing: Outgoing, outcome: Outcome, _confirmation: Confirmation | None
) -> None:
    """ST-14: an undelivered status is not queued, but it is news again after the next reconnect."""
    connector = station.connectors[outgoing.connector]
    if outcome is not Outcome.OK and connector.told == outgoing.about:
        connector.told = None
