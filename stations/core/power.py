"""Mains, restarts and resets: what is forgotten, kept, and owed afterwards (RE-3, TX-10, BOOT-11).

A soft reset stops transactions, waits until the central system has heard of it, then restarts; a hard one
restarts at once. A power cut restarts nothing until the mains are back.
"""

from typing import TYPE_CHECKING, Final

from stations.core import booking, boot, calls, link, meter, status, transaction
from stations.core.alarms import Alarm
from stations.core.connector import Connector, settle
from stations.core.dispatch import answers, on, rings
from stations.core.events import Outcome, PowerOff, PowerOn, Reboot, RegistrationChanged
from stations.core.firmware import Stage
from stations.core.keys import CONF_BASIC_TIME, RESET_RETRIES
from stations.core.product_faults import CLOCK_OFF_MAX_S, NO_RECONNECT, RESET_FAILS, WRONG_CLOCK
from stations.wire.messages import Reset, ResetConf
from stations.wire.types import ChargePointErrorCode, ChargePointStatus, Reason, ResetStatus, ResetType

if TYPE_CHECKING:
    from stations.core.station import Station

PATIENCE_CALLS: Final = 3  # RE-1: a soft reset waits for about so many answers, then restarts all the same


@on(PowerOn)
def _power_on(station: "Station", event: PowerOn) -> None:
    if station.powered:
        return
    station.powered = True
    station.wall_offset_s = station.rtc_offset_s = event.wall_offset_s
    station.wall_rate, station.wall_told = event.wall_rate, event.wall_told
    if WRONG_CLOCK in station.plan.product.faults:
        station.wall_offset_s += station.luck.uniform(-CLOCK_OFF_MAX_S, CLOCK_OFF_MAX_S)
    for connector in station.connectors[1:]:
        _stop_cut_off(station, connector)
    start(station)


def _stop_cut_off(station: "Station", connector: Connector) -> None:
    """TX-10: a transaction that the power cut ended stops with its last stored sample; no resumption."""
    running = connector.transaction
    if running is None:
        return
    connector.transaction = None
    connector.finishing = connector.plugged
    connector.locked = False
    running.meter_stop_wh, running.stopped_s = running.last_wh, running.last_s
    transaction.queue_stop(station, running, Reason.POWER_LOSS, None, meter.cut_off(station, running))


def start(station: "Station") -> None:
    """The software begins: nothing volatile is left, the central system knows nothing of us (BOOT-1)."""
    station.running = True
    for connector in station.connectors:
        connector.scheduled = connector.scheduled and connector.plugged  # CA-2: unplugged without power
    for connector in station.connectors:
        connector.told = None
        connector.below = ChargePointStatus.AVAILABLE
        settle(station, connector)
    booking.arm(station)
    meter.arm_clock(station)
    if station.update is not None:
        station.resume_update()
    lost = station.accepted_before and NO_RECONNECT in station.plan.product.faults
    if station.link_up:
        boot.connected(station)
    elif station.active and not lost:
        link.connect(station)


def halt(station: "Station") -> None:
    """The software ends: alarms, waiting tags and the registration are forgotten; contactors open."""
    station.running = station.held = False
    station.resetting = station.upload = None
    station.failed_resets = 0
    station.alarms.clear()
    station.outbox = None
    if station.registration:
        station.registration = ""
        station.effects.append(RegistrationChanged(""))
    for outgoing in station.queue or ():
        outgoing.attempts = 0
    for connector in station.connectors[1:]:
        connector.presented = None
        if connector.vehicle is not None:
            connector.vehicle.offer(station.now, 0.0)


@on(PowerOff)
def _power_off(station: "Station", _event: PowerOff) -> None:
    if not station.powered:
        return
    station.powered = False
    link.drop(station, Outcome.CANCELLED)
    halt(station)
    for connector in station.connectors[1:]:
        if station.profiles is not None:
            station.profiles.forget_transaction(connector.number)  # SC-4


@on(Reboot)
def _reboot(station: "Station", _event: Reboot) -> None:
    """TX-6: the station restarts by itself."""
    if station.running:
        _stop_all(station, Reason.REBOOT)
        restart(station)


def _stop_all(station: "Station", reason: Reason) -> None:
    for connector in station.connectors[1:]:
        transaction.stop(station, connector, reason)


def restart(station: "Station", *, keep_link: bool = False) -> None:
    """Down now, up again after the product's reboot time; the socket may outlive new firmware."""
    if keep_link and station.link_up:
        calls.abandon_all(station, Outcome.CANCELLED)
    else:
        link.drop(station, Outcome.CANCELLED)
    halt(station)
    station.alarms.set(Alarm.RESTART, station.now + station.plan.product.reboot_delay_s)


@rings(Alarm.RESTART)
def _restarted(station: "Station", _connector: int, _at: float) -> None:
    start(station)


@answers(Reset)
def _reset(station: "Station", request: Reset) -> ResetConf:
    """RE-1: the answer first; `proceed` does the rest at the end of this event."""
    if station.update is not None and station.update.stage is Stage.INSTALLING:
        return ResetConf(ResetStatus.REJECTED)  # RE-4: half a firmware does not start
    hard = request.type is ResetType.HARD
    if station.resetting is None:
        _stop_all(station, Reason.HARD_RESET if hard else Reason.SOFT_RESET)
        patience_s = PATIENCE_CALLS * station.configuration[CONF_BASIC_TIME]
        station.alarms.set(Alarm.GIVE_UP_WAITING, station.now + patience_s)
    station.resetting = ResetType.HARD if hard else station.resetting or ResetType.SOFT
    return ResetConf(ResetStatus.ACCEPTED)


def proceed(station: "Station") -> None:
    """Restart as soon as a reset may: a soft one when everything is said, a hard one at once."""
    soft = station.resetting is ResetType.SOFT
    waits = soft and station.serving and (station.open_call or station.outbox or station.queue)
    if waits or _fails(station):
        return
    if soft:
        link.close(station, "reset")
    restart(station)


def _fails(station: "Station") -> bool:
    """RE-4: an attempt that fails takes its time; after the last the failure is told, and life goes on.

    Nothing in a station that works makes a reset fail: it takes a fault, from outside or of the product.
    """
    body, failure = station.connectors[0], ChargePointErrorCode.RESET_FAILURE
    if body.error_code is not failure and RESET_FAILS not in station.plan.product.faults:
        return False
    if station.alarms.at(Alarm.RESET) is not None:
        return True  # an attempt is under way
    if station.failed_resets > station.configuration[RESET_RETRIES]:
        station.resetting, station.failed_resets = None, 0
        station.alarms.drop(Alarm.GIVE_UP_WAITING)
        status.place(station, body, status.Shown(body.status, failure))
        return True
    station.failed_resets += 1
    station.alarms.set(Alarm.RESET, station.now + station.plan.product.reboot_delay_s)
    return True


@rings(Alarm.RESET)
def _attempt_failed(station: "Station", _connector: int, _at: float) -> None:
    """RE-4: `proceed` tries again, or gives up."""


@rings(Alarm.GIVE_UP_WAITING)
def _give_up_waiting(station: "Station", _connector: int, _at: float) -> None:
    """RE-1: no answer; the queue keeps what was not delivered."""
    station.resetting = ResetType.HARD
