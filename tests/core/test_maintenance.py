"""Firmware updates and diagnostics uploads as a station performs them."""

import pytest

from stations.core.events import DropLink, Reboot, Swipe, TransferEnded, TransferWanted
from stations.core.transfers import Odds, Transfers
from tests.support.bench import bench

QUICK = Transfers(Odds(30.0, 0.0), Odds(40.0, 0.0), Odds(20.0, 0.0))
BROKEN_DOWNLOAD = Transfers(Odds(30.0, 0.0, 1.0), Odds(40.0, 0.0), Odds(20.0, 0.0, 1.0))
BROKEN_IMAGE = Transfers(Odds(30.0, 0.0), Odds(40.0, 0.0, 1.0), Odds(20.0, 0.0))
IMAGE = "http://files.example/V02.00.01_V01.02.00.bin"


def told(station, action="FirmwareStatusNotification", since=0):
    return [call.payload["status"] for call in station.sent(action, since)]


def update(station, **more):
    return station.command("UpdateFirmware", location=IMAGE, retrieveDate=station.time(), **more)


def test_an_update_downloads_installs_restarts_and_reports_the_new_version():
    """UF-1, UF-2, FW-1 (TC_044_1): empty answer at once; BootNotification has the new firmwareVersion."""
    station = bench(transfers=QUICK)
    count = len(station.calls)
    assert update(station) == {}
    assert station.actions(count) == []
    station.run(200)
    assert told(station) == ["Downloading", "Downloaded", "Installing", "Installed"]
    boot = station.sent("BootNotification")[1].payload
    assert boot["firmwareVersion"] == "V02.00.01/V01.02.00"
    assert station.statuses(1, count) == ["Unavailable", "Unavailable", "Available"] or station.statuses(
        1, count
    ) == ["Unavailable", "Available"]
    assert station.status() == "Available"


def test_an_update_waits_for_its_date():
    """UF-1."""
    station = bench(transfers=QUICK)
    station.command("UpdateFirmware", location=IMAGE, retrieveDate=station.time(500))
    station.run(499)
    assert told(station) == []
    station.run(1)
    assert told(station) == ["Downloading"]


def test_running_transactions_end_before_the_installation():
    """UF-2, UF-4, ST-13: idle sides are Unavailable meanwhile and come back afterwards."""
    station = bench(connectors=2, transfers=QUICK)
    station.plug(1).feed(Swipe("A", (1,)))
    station.command("ChangeAvailability", connectorId=2, type="Operative")
    update(station)
    station.run(300)
    assert told(station) == ["Downloading", "Downloaded"]
    assert (station.status(1), station.status(2)) == ("Charging", "Unavailable")
    assert station.command("RemoteStartTransaction", idTag="B", connectorId=2) == {"status": "Rejected"}
    station.feed(Swipe("A", (1,))).run(0)
    assert told(station)[-1] == "Installing"
    assert station.status(1) == "Unavailable"
    station.run(100)
    assert told(station)[-1] == "Installed"
    assert station.status(2) == "Available"


def test_a_failed_download_is_retried_then_reported():
    """UF-1 (TC_044_2)."""
    station = bench(transfers=BROKEN_DOWNLOAD)
    update(station, retries=2, retryInterval=60)
    station.run(1000)
    assert told(station) == ["Downloading", "DownloadFailed"]
    assert station.sent("FirmwareStatusNotification")[-1].at == pytest.approx(30 * 3 + 60 * 2)


def test_an_invalid_image_leaves_the_old_version():
    """UF-2 (TC_044_3)."""
    station = bench(transfers=BROKEN_IMAGE)
    update(station)
    station.run(1000)
    assert told(station) == ["Downloading", "Downloaded", "Installing", "InstallationFailed"]
    assert len(station.sent("BootNotification")) == 1
    assert station.status() == "Available"


def test_a_second_request_replaces_a_waiting_one_and_not_a_busy_one():
    """UF-3."""
    station = bench(transfers=QUICK)
    station.command("UpdateFirmware", location="http://x/V09.bin", retrieveDate=station.time(500))
    update(station)
    station.run(10)
    station.command("UpdateFirmware", location="http://x/V09.bin", retrieveDate=station.time())
    station.run(300)
    assert station.sent("BootNotification")[-1].payload["firmwareVersion"] == "V02.00.01/V01.02.00"
    assert told(station).count("Downloading") == 1


def test_the_socket_may_outlive_the_firmware_restart():
    """BOOT-1: the boot goes over the same socket; nothing is answered while the software is down."""
    station = bench(transfers=QUICK, drop_link_on_firmware_reboot=False)
    update(station)
    station.run(75)
    assert not station.station.running
    assert station.command("GetConfiguration") is None
    station.run(100)
    assert len(station.dialled) == 1
    assert DropLink not in map(type, station.effects)
    assert len(station.sent("BootNotification")) == 2
    assert told(station)[-1] == "Installed"


def test_a_restart_in_between_begins_the_update_again():
    """BOOT-11."""
    station = bench(transfers=QUICK)
    update(station)
    station.run(10).feed(Reboot()).run(300)
    assert told(station)[-1] == "Installed"
    again = bench(power=False, transfers=QUICK)
    update(station)
    station.run(5)
    again.station.restore(station.station.snapshot())
    again.now = station.now
    again.power().run(300)
    assert told(again)[-1] == "Installed"


def test_the_state_of_an_update_can_be_asked_for():
    """TM-2, FW-1."""
    station = bench(transfers=QUICK)
    update(station)
    station.run(10)
    station.command("TriggerMessage", requestedMessage="FirmwareStatusNotification")
    assert told(station) == ["Downloading", "Downloading"]


def test_a_real_download_is_the_edges_work():
    """UF-1: answered by a fact; the station lives on meanwhile."""
    station = bench(real_transfers=True)
    update(station)
    station.run(0)
    assert [(one.kind, one.location) for one in station.wanted()] == [("firmware", IMAGE)]
    station.moved("firmware").run(200)
    assert told(station)[-1] == "Installed"
    station.moved("firmware").feed(TransferEnded(TransferWanted("diagnostics", IMAGE), ok=True))
    assert told(station)[-1] == "Installed"


# ---- diagnostics


def test_diagnostics_are_named_uploaded_and_reported():
    """GD-1, DIAG-1 (TC_045)."""
    station = bench(transfers=QUICK)
    answer = station.command("GetDiagnostics", location="ftp://host/in/")
    assert answer == {"fileName": "diagnostics-GU-000001-20231114T221320Z.log"}
    assert "DiagnosticsStatusNotification" not in station.actions()
    station.run(30)
    assert told(station, "DiagnosticsStatusNotification") == ["Uploading", "Uploaded"]
    station.command("TriggerMessage", requestedMessage="DiagnosticsStatusNotification")
    assert told(station, "DiagnosticsStatusNotification")[-1] == "Idle"


def test_nothing_from_the_time_asked_for_is_no_file():
    """GD-1, GD-3."""
    station = bench(transfers=QUICK)
    span = {"startTime": station.time(100), "stopTime": station.time(200)}
    assert station.command("GetDiagnostics", location="ftp://host/", **span) == {}
    station.run(100)
    assert told(station, "DiagnosticsStatusNotification") == []


def test_a_failed_upload_is_retried_then_reported():
    """GD-2."""
    station = bench(transfers=BROKEN_DOWNLOAD)
    station.command("GetDiagnostics", location="ftp://host/", retries=1, retryInterval=40)
    station.run(200)
    assert told(station, "DiagnosticsStatusNotification") == ["Uploading", "UploadFailed"]
    assert station.calls[-1].at == pytest.approx(80)


def test_a_request_during_an_upload_waits_for_its_turn():
    """GD-4."""
    station = bench(transfers=QUICK)
    station.command("GetDiagnostics", location="ftp://host/1/")
    station.run(5)
    station.command("GetDiagnostics", location="ftp://host/2/")
    station.run(60)
    assert told(station, "DiagnosticsStatusNotification") == ["Uploading", "Uploaded"] * 2


def test_a_real_upload_names_its_file():
    """GD-1."""
    station = bench(real_transfers=True)
    name = station.command("GetDiagnostics", location="sftp://host/")["fileName"]
    station.run(0)
    (wanted,) = station.wanted()
    assert (wanted.kind, wanted.location, wanted.file_name) == ("diagnostics", "sftp://host/", name)
    station.moved("diagnostics", ok=False, detail="refused")
    assert told(station, "DiagnosticsStatusNotification") == ["Uploading", "UploadFailed"]


def test_a_transfer_that_ends_while_the_station_is_down_is_forgotten():
    station = bench(real_transfers=True)
    station.command("GetDiagnostics", location="sftp://host/")
    station.run(0).power(on=False).moved("diagnostics")
    assert told(station, "DiagnosticsStatusNotification") == ["Uploading"]
