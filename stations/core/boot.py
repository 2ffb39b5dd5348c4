"""The registration machine, the heartbeat and the clock they bring (BOOT-*, HB-*).

"" → Pending | Rejected | Accepted. A reconnect keeps Accepted (WS-7); everything else boots again.
"""

from typing import TYPE_CHECKING, Final

from stations.core import calls, flood, status, wall
from stations.core.alarms import Alarm
from stations.core.dispatch import changes, ends, rings
from stations.core.events import Outcome, RegistrationChanged
from stations.core.keys import CONF_BOTT_NOTIFICATION_TIME, HEARTBEAT_INTERVAL
from stations.core.outgoing import Outgoing
from stations.core.plan import Personality
from stations.wire.messages import (
    BootNotification,
    BootNotificationConf,
    Confirmation,
    Heartbeat,
    HeartbeatConf,
)
from stations.wire.types import Action, RegistrationStatus

if TYPE_CHECKING:
    from stations.core.station import Station

DAY_S: Final = 86_400
RETRY_MIN_S: Final = 30.0  # BOOT-8, BOOT-5: without an interval of the central system
_ACCEPTED: Final = RegistrationStatus.ACCEPTED
_HEARTBEAT: Final = Heartbeat()


def connected(station: "Station") -> None:
    """The link is up: resume (WS-7), or boot unless a central system told us to wait (BOOT-5)."""
    if station.registration is _ACCEPTED and not station.accepted_before:
        _register(station, "")  # another central system, or another identity: it knows nothing of us
    if station.registration is _ACCEPTED:
        _resume(station)
    elif not station.registration or station.alarms.at(Alarm.BOOT) is None:
        notify(station)  # BOOT-8: without an answer so far, a new socket begins anew at once


def notify(station: "Station", *, triggered: bool = False) -> None:
    """Send BootNotification; never two at a time."""
    station.alarms.drop(Alarm.BOOT)
    if station.outgoing is not None and station.outgoing.action == Action.BOOT_NOTIFICATION:
        return
    product = station.plan.product
    request = BootNotification(
        charge_point_vendor=product.vendor,
        charge_point_model=product.model,
        charge_box_serial_number=station.plan.serial or None,
        firmware_version=station.firmware,
        meter_type=product.meter_type,
    )  # BOOT-2
    calls.place(station, request, triggered=triggered)


@rings(Alarm.BOOT)
def _time_to_boot(station: "Station", _connector: int, at: float) -> None:
    if station.link_up:
        station.due = at
        notify(station)


@ends(Action.BOOT_NOTIFICATION)
def _booted(
    station: "Station", _outgoing: Outgoing, outcome: Outcome, confirmation: Confirmation | None
) -> None:
    if isinstance(confirmation, BootNotificationConf):
        wall.adjust(station, confirmation.current_time, "BOOT-3")
        _registered(station, confirmation.status, confirmation.interval)
    elif outcome not in {Outcome.CLOSED, Outcome.CANCELLED} and station.registration is not _ACCEPTED:
        base_s = max(float(station.configuration[CONF_BOTT_NOTIFICATION_TIME]), RETRY_MIN_S)
        _boot_after(station, base_s * station.luck.uniform(1.0, 2.0))  # BOOT-8


def _register(station: "Station", status: RegistrationStatus | str) -> None:
    if station.registration is not status:
        station.registration = status
        station.effects.append(RegistrationChanged(status))


def _registered(station: "Station", status: RegistrationStatus, interval_s: int) -> None:
    _register(station, status)
    if interval_s <= 0:
        rule = "BOOT-3" if status is _ACCEPTED else "BOOT-5"
        station.find(rule, f"interval {interval_s} with {status}")
    if status is _ACCEPTED:
        _adopt(station, interval_s)
        station.remember_acceptance()
        station.changed = True
        _serve(station)
        if station.update is not None:
            station.alarms.set(Alarm.FIRMWARE, station.now)  # UF-2: it may have waited for this boot
        return
    station.alarms.drop(Alarm.HEARTBEAT)
    wait_s = interval_s if interval_s > 0 else station.luck.uniform(RETRY_MIN_S, 2 * RETRY_MIN_S)
    _boot_after(station, wait_s)


def _serve(station: "Station") -> None:
    """BOOT-4: every status, then the queue in order, then life goes on."""
    station.online_at = station.now
    waited, station.outbox = station.outbox, None  # what was asked for while Pending comes after them
    for connector in station.connectors:
        status.report(station, connector)
    for outgoing in waited or ():
        calls.put(station, outgoing)
    arm_heartbeat(station)
    flood.arm(station)


def _resume(station: "Station") -> None:
    """WS-7, ST-14: after a mere reconnect only statuses that differ from what was delivered last."""
    for connector in station.connectors:
        status.report_if_news(station, connector)
    arm_heartbeat(station)
    flood.arm(station)


def _boot_after(station: "Station", wait_s: float) -> None:
    station.alarms.set(Alarm.BOOT, station.now + wait_s)


def _adopt(station: "Station", interval_s: int) -> None:
    """BOOT-3: the interval becomes HeartbeatInterval; greenup clamps it into its range, 0 changes nothing."""
    if interval_s <= 0:
        return
    if station.configuration.personality is Personality.GREENUP:
        interval_s = min(max(interval_s, 10), 86_400)
    station.configuration.put(HEARTBEAT_INTERVAL, interval_s)


@changes(HEARTBEAT_INTERVAL)
def arm_heartbeat(station: "Station") -> None:
    """HB-1, HB-3: count from now, only while Accepted and online."""
    if station.serving:
        station.alarms.set(Alarm.HEARTBEAT, station.now + _interval_s(station))
    else:
        station.alarms.drop(Alarm.HEARTBEAT)


def _interval_s(station: "Station") -> int:
    """HB-3: 0 means no periodic heartbeat, but one a day for the clock (OCPP-J 5.3)."""
    return station.configuration[HEARTBEAT_INTERVAL] or DAY_S


@rings(Alarm.HEARTBEAT)
def _beat(station: "Station", _connector: int, at: float) -> None:
    """HB-2: any CALL within the interval does instead; then the timer runs from that CALL."""
    interval_s = _interval_s(station)
    quiet_since = station.last_call_at
    if quiet_since + interval_s > at:
        station.alarms.set(Alarm.HEARTBEAT, quiet_since + interval_s)
        return
    station.alarms.set(Alarm.HEARTBEAT, max(at + interval_s, station.now))
    if not any(outgoing.action == Action.HEARTBEAT for outgoing in station.outbox or ()):
        station.due = at
        calls.place(station, _HEARTBEAT)


@ends(Action.HEARTBEAT)
def _beaten(
    station: "Station", _outgoing: Outgoing, _outcome: Outcome, confirmation: Confirmation | None
) -> None:
    if isinstance(confirmation, HeartbeatConf):
        wall.adjust(station, confirmation.current_time, "HB-2")
