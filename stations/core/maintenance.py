"""UpdateFirmware and GetDiagnostics at work (§5.9, §5.19): their machines decide, this file acts.

`firmware.py` and `diagnostics.py` say what comes next; here it is sent, fetched, held, released, restarted.
"""

from functools import partial
from typing import TYPE_CHECKING

from stations.core import booking, calls, diagnostics, diagnostics_file, firmware, power, wall
from stations.core.alarms import Alarm
from stations.core.diagnostics import DiagnosticsUpload
from stations.core.dispatch import answers, ends, on, rings
from stations.core.events import Outcome, TransferEnded, TransferWanted
from stations.core.firmware import FirmwareUpdate, Stage
from stations.core.key_rules import items
from stations.core.keys import SUPPORTED_FILE_TRANSFER_PROTOCOLS
from stations.core.outgoing import Outgoing
from stations.core.transfers import UNREACHABLE, Transfers, protocol_of
from stations.wire.messages import (
    Confirmation,
    DiagnosticsStatusNotification,
    FirmwareStatusNotification,
    GetDiagnostics,
    GetDiagnosticsConf,
    UpdateFirmware,
    UpdateFirmwareConf,
)
from stations.wire.types import Action, DiagnosticsStatus, FirmwareStatus

if TYPE_CHECKING:
    from stations.core.station import Station


@ends(Action.FIRMWARE_STATUS_NOTIFICATION, Action.DIAGNOSTICS_STATUS_NOTIFICATION, Action.DATA_TRANSFER)
def _noted(
    _station: "Station", _outgoing: Outgoing, _outcome: Outcome, _confirmation: Confirmation | None
) -> None:
    """Nothing follows from the answer. DataTransfer is never sent (DT-1)."""


def _model(station: "Station", location: str) -> Transfers | None:
    """UF-1, GD-1: a protocol that SupportedFileTransferProtocols does not list fails without being tried."""
    if protocol_of(location) in items(station.configuration[SUPPORTED_FILE_TRANSFER_PROTOCOLS]):
        return station.transfer_model
    return UNREACHABLE


# ---- firmware -----------------------------------------------------------------------------------------


@answers(UpdateFirmware)
def _update_firmware(station: "Station", request: UpdateFirmware) -> UpdateFirmwareConf:
    """UF-1; UF-3: a waiting update is replaced, a busy one goes on."""
    if station.update is None or station.update.replaceable:
        station.update = FirmwareUpdate(
            request,
            station.now,
            partial(wall.wait_s, station),
            station.luck,
            _model(station, request.location),
        )
        station.changed = True
        _arm_update(station)
    return UpdateFirmwareConf()


def _arm_update(station: "Station") -> None:
    due = None if station.update is None else station.update.due
    if due is None:
        station.alarms.drop(Alarm.FIRMWARE)
    else:
        station.alarms.set(Alarm.FIRMWARE, max(due, station.now))


@rings(Alarm.FIRMWARE)
def _firmware_step(station: "Station", _connector: int, at: float) -> None:
    update = station.update
    if update is None:
        return
    station.due = at
    steps: firmware.Steps = []
    busy = station.is_charging()
    if update.stage is Stage.DOWNLOADED and not busy:
        steps = update.let_install(station.now)
    elif update.stage is Stage.RESTARTING and station.serving:
        steps = update.booted()
    elif update.due is not None and update.due <= station.now:
        steps = update.advance(station.now, busy=busy)
    _do(station, steps)  # where it rang for another stage: the moment of this one is still to come


def clock_stepped(station: "Station", update: FirmwareUpdate) -> None:
    """HB-4: retrieveDate is wall time."""
    update.reschedule(station.now, partial(wall.wait_s, station))
    if station.running:
        _arm_update(station)


def _do(station: "Station", steps: firmware.Steps) -> None:
    station.changed = True
    _arm_update(station)
    for step in steps:
        match step:
            case firmware.Notify(status):
                calls.place(station, FirmwareStatusNotification(status))
            case firmware.Fetch(location):
                _want(station, station.update, TransferWanted("firmware", location))
            case firmware.Hold():
                _hold(station, held=True)
            case firmware.Release():
                _hold(station, held=False)
            case firmware.Restart(version):
                station.firmware = version
                power.restart(station, keep_link=not station.plan.product.drop_link_on_firmware_reboot)
    if station.update is not None and station.update.stage is Stage.OVER:
        station.update = None


def _hold(station: "Station", *, held: bool) -> None:
    """UF-2, UF-4, ST-13: unavailable for the time of the installation only."""
    station.held = held
    for connector in station.connectors[1:]:
        if held:
            connector.presented = None
            booking.drop(station, connector)
        station.settle(connector)


def firmware_status(station: "Station") -> FirmwareStatus:
    """FW-1: Idle unless an update is busy."""
    return FirmwareStatus.IDLE if station.update is None else station.update.status


def resume_update(station: "Station") -> None:
    """The software begins: an update goes on, from its beginning unless this restart was its own."""
    update = station.update
    if update is not None:
        update.model = _model(station, update.location)
        update.restore(update.snapshot(), station.now, partial(wall.wait_s, station))
        _arm_update(station)


# ---- diagnostics --------------------------------------------------------------------------------------


@answers(GetDiagnostics)
def _get_diagnostics(station: "Station", request: GetDiagnostics) -> GetDiagnosticsConf:
    """GD-1, GD-3, GD-4."""
    name = diagnostics.file_name(request, station.plan.identity, wall.unix_s(station))
    if name is None:
        return GetDiagnosticsConf()
    model = _model(station, request.location)
    if station.upload is None:
        station.upload = DiagnosticsUpload(request, name, station.now, station.luck, model)
    else:
        station.upload.ask_again(request, name, station.now, model)
    _arm_upload(station)
    return GetDiagnosticsConf(name)


def _arm_upload(station: "Station") -> None:
    due = None if station.upload is None else station.upload.due
    if due is None:
        station.alarms.drop(Alarm.DIAGNOSTICS)
    else:
        station.alarms.set(Alarm.DIAGNOSTICS, max(due, station.now))


@rings(Alarm.DIAGNOSTICS)
def _upload_step(station: "Station", _connector: int, at: float) -> None:
    if station.upload is not None:
        station.due = at
        _report(station, station.upload.advance(station.now))


def _report(station: "Station", steps: diagnostics.Steps) -> None:
    _arm_upload(station)
    for step in steps:
        match step:
            case diagnostics.Notify(status):
                calls.place(station, DiagnosticsStatusNotification(status))
            case diagnostics.Upload(location, name):
                data = _diagnostics_file(station)
                _want(station, station.upload, TransferWanted("diagnostics", location, name, data))
    if station.upload is not None and station.upload.stage is diagnostics.Stage.OVER:
        station.upload = None


def _diagnostics_file(station: "Station") -> bytes:
    assert station.upload is not None  # it just asked for the transfer
    span = diagnostics.window(station.upload.request, wall.unix_s(station))
    return diagnostics_file.written(station, span)


def diagnostics_status(station: "Station") -> DiagnosticsStatus:
    """DIAG-1: Idle unless an upload runs."""
    return DiagnosticsStatus.IDLE if station.upload is None else station.upload.status


# ---- real transfers -----------------------------------------------------------------------------------


def _want(
    station: "Station", machine: FirmwareUpdate | DiagnosticsUpload | None, transfer: TransferWanted
) -> None:
    assert machine is not None  # it just asked for the transfer
    machine.transfer = transfer
    station.effects.append(transfer)


@on(TransferEnded)
def _transfer_ended(station: "Station", event: TransferEnded) -> None:
    """Only what is waited for counts: one from before a restart may end during the next of its kind."""
    if not station.running:
        return
    update, upload = station.update, station.upload
    if update is not None and event.wanted is update.transfer:
        busy = station.is_charging()
        _do(station, update.transfer_ended(station.now, ok=event.ok, detail=event.detail, busy=busy))
    elif upload is not None and event.wanted is upload.transfer:
        _report(station, upload.transfer_ended(station.now, ok=event.ok))
