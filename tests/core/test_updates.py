"""Firmware updates and diagnostics uploads, from the request to the last word (UF-*, FW-1, GD-*, DIAG-1)."""

import pytest

from stations.core.event_log import CAPACITY
from stations.core.events import CloseLink, DropLink, Reboot, TransferEnded
from stations.core.firmware import INVALID_IMAGE
from stations.core.plan import Personality
from stations.core.transfers import Odds, Transfers
from tests.support.bench import bench

QUICK = Transfers(download=Odds(10.0, 0.0), install=Odds(20.0, 0.0), upload=Odds(5.0, 0.0))
IMAGE = "http://files/V02.00.00_V01.05.00.bin"
ALL = ["Downloading", "Downloaded", "Installing", "Installed"]


def update(station, location=IMAGE, *, in_s=0.0, **more):
    return station.command("UpdateFirmware", location=location, retrieveDate=station.time(in_s), **more)


def firmware(station):
    return [call.payload["status"] for call in station.sent("FirmwareStatusNotification")]


def diagnostics(station):
    return [call.payload["status"] for call in station.sent("DiagnosticsStatusNotification")]


def boots(station):
    return [call.payload["firmwareVersion"] for call in station.sent("BootNotification")]


def triggered(station, message):
    assert station.command("TriggerMessage", requestedMessage=message) == {"status": "Accepted"}
    station.run(0)
    return station.sent(message)[-1].payload["status"]


# ---- firmware ---------------------------------------------------------------------------------------


def test_an_update_reports_each_step_and_boots_the_new_version():
    """UF-1, UF-2, FW-1, BOOT-2 (TC_044_1): `{}` at once, Installed after the boot and its statuses."""
    station = bench(transfers=QUICK)
    assert update(station) == {}
    station.run(120)
    assert firmware(station) == ALL
    assert boots(station) == ["V01.01.65/V01.01.08", "V02.00.00/V01.05.00"]
    after_boot = station.actions()[
        len(station.actions()) - station.actions()[::-1].index("BootNotification") :
    ]
    assert after_boot == ["StatusNotification", "StatusNotification", "FirmwareStatusNotification"]
    assert station.status() == "Available"


def test_it_waits_for_the_retrieve_date_and_a_second_request_takes_its_place():
    """UF-1, UF-3."""
    station = bench(transfers=QUICK)
    update(station, in_s=3600)
    station.run(60)
    assert firmware(station) == []
    update(station, "http://files/V03.0.bin", in_s=120)
    station.run(100)
    assert firmware(station) == []
    station.run(200)
    assert firmware(station) == ALL
    assert boots(station)[-1] == "V03.0"


def test_a_second_request_while_busy_is_ignored():
    """UF-3."""
    station = bench(transfers=QUICK)
    update(station)
    station.run(15)
    assert update(station, "http://files/V09.9.bin") == {}
    station.run(200)
    assert boots(station)[-1] == "V02.00.00/V01.05.00"
    assert firmware(station) == ALL


def test_running_transactions_end_first_and_idle_sides_close():
    """UF-2, UF-4, ST-13: Unavailable from the download to the restart, then as before."""
    station = bench(connectors=2, transfers=QUICK)
    station.plug(1).swipe("TAG1", 1).run(2)
    update(station)
    station.run(300)
    assert firmware(station) == ["Downloading", "Downloaded"]
    assert (station.status(1), station.status(2)) == ("Charging", "Unavailable")
    station.plug(2).swipe("TAG2", 2).run(5)
    assert len(station.sent("StartTransaction")) == 1
    station.swipe("TAG1", 1).run(10)
    assert firmware(station)[-1] == "Installing"
    assert station.status(1) == "Unavailable"
    station.run(120)
    assert firmware(station) == ALL
    assert station.statuses(2)[-1] in {"Preparing", "Finishing"}
    assert station.station.connectors[1].operative


def test_a_side_that_was_closed_before_stays_closed():
    """UF-4."""
    station = bench(connectors=2, transfers=QUICK)
    station.command("ChangeAvailability", connectorId=2, type="Inoperative")
    update(station)
    station.run(200)
    assert firmware(station) == ALL
    assert (station.status(1), station.status(2)) == ("Available", "Unavailable")


@pytest.mark.parametrize(
    ("transfers", "last"),
    [
        (Transfers(download=Odds(5.0, 0.0, failures=1.0)), "DownloadFailed"),
        (Transfers(QUICK.download, Odds(5.0, 0.0, failures=1.0)), "InstallationFailed"),
    ],
)
def test_a_failed_update_keeps_the_old_version(transfers, last):
    """UF-1, UF-2, FW-1 (TC_044_2, TC_044_3)."""
    station = bench(transfers=transfers)
    update(station, retries=2, retryInterval=30)
    station.run(600)
    assert firmware(station)[-1] == last
    assert firmware(station).count("Downloading") == 1
    assert len(boots(station)) == 1
    assert station.status() == "Available"


def test_a_protocol_that_is_not_supported_fails_without_a_transfer():
    """UF-1, GD-1: SupportedFileTransferProtocols."""
    station = bench(real_transfers=True)
    station.command("ChangeConfiguration", key="SupportedFileTransferProtocols", value="FTP,HTTPS")
    update(station)
    station.run(10)
    assert firmware(station) == ["Downloading", "DownloadFailed"]
    station.command("GetDiagnostics", location="sftp://files/")
    station.run(10)
    assert diagnostics(station) == ["Uploading", "UploadFailed"]
    assert station.wanted() == []


def test_the_end_of_a_transaction_hurries_no_step_of_an_update():
    """UF-1, UF-2: neither retrieveDate nor a download or an installation is over because a car leaves."""
    station = bench(transfers=QUICK, connectors=2)
    update(station, in_s=100)
    station.plug(1).swipe("A", 1).run(50).swipe("A", 1).run(10)
    assert firmware(station) == []
    station.run(41).plug(2).swipe("B", 2).run(1).swipe("B", 2).run(1)
    assert firmware(station) == ["Downloading"]
    station = bench(real_transfers=True)
    update(station)
    station.plug().swipe().run(10).swipe().run(10)
    assert firmware(station) == ["Downloading"]


def test_an_acceptance_hurries_no_step_of_an_update():
    """UF-1, BOOT-11: retrieveDate is waited for over a restart too."""
    station = bench(transfers=QUICK)
    update(station, in_s=1000)
    station.command("Reset", type="Soft")
    station.run(500)
    assert (len(boots(station)), firmware(station)) == (2, [])


def test_each_request_is_judged_by_its_own_protocol():
    """GD-1, GD-4, UF-1: also the one that waited, and an update that comes out of the store."""
    keys = {"SupportedFileTransferProtocols": "HTTP"}
    station = bench(real_transfers=True, keys=keys)
    for location in ("http://files/", "ftp://files/"):
        station.command("GetDiagnostics", location=location)
        station.run(1)
    station.moved("diagnostics").run(10)
    assert diagnostics(station) == ["Uploading", "Uploaded", "Uploading", "UploadFailed"]
    update(station, "ftp://files/V02.bin", in_s=60)
    second = bench(real_transfers=True, keys=keys, power=False)
    second.station.restore(station.station.snapshot())
    second.power().run(300)
    assert firmware(second) == ["Downloading", "DownloadFailed"]
    assert [want.location for want in station.wanted() + second.wanted()] == ["http://files/"]


@pytest.mark.parametrize(
    "location", ["http://[", "http://[files]/x", "http://files:99999/x", "http:///x", "http:x", "words", ""]
)
@pytest.mark.parametrize("real", [False, True])
def test_a_location_that_names_no_host_fails_without_being_tried(location, real):
    """UF-1, GD-1: whatever the central system writes there."""
    station = bench(real_transfers=real, transfers=QUICK)
    assert update(station, location) == {}
    station.command("GetDiagnostics", location=location)
    station.run(600)
    assert firmware(station) == ["Downloading", "DownloadFailed"]
    assert diagnostics(station) == ["Uploading", "UploadFailed"]
    assert station.wanted() == []


@pytest.mark.parametrize("keeps", [False, True])
def test_the_socket_drops_or_stays_over_the_restart(keeps):
    """UF-2: a property of the product; BootNotification comes either way."""
    station = bench(transfers=QUICK, drop_link_on_firmware_reboot=not keeps)
    update(station)
    station.run(200)
    assert len(boots(station)) == 2
    assert len(station.dialled) == (1 if keeps else 2)
    gone = [effect for effect in station.effects if isinstance(effect, CloseLink | DropLink)]
    assert bool(gone) is not keeps


def test_a_real_download_is_the_edge_s_business():
    """UF-1: fetched for real; the answer came before."""
    station = bench(real_transfers=True)
    update(station, retries=1, retryInterval=60)
    station.run(1)
    assert [(want.kind, want.location) for want in station.wanted()] == [("firmware", IMAGE)]
    station.moved("firmware", ok=False, detail="404").run(61)
    assert len(station.wanted()) == 2
    station.moved("firmware").run(600)
    assert firmware(station) == ALL


def test_a_download_from_before_a_restart_does_not_end_the_one_after_it():
    """UF-1, RE-3: the old transfer's thread lives on; its end is told while the new one runs."""
    station = bench(real_transfers=True)
    update(station)
    station.run(1).feed(Reboot()).run(60)
    before, now = station.wanted("firmware")
    for ok in (True, False):
        station.feed(TransferEnded(before, ok, "404")).run(60)
    assert firmware(station) == ["Downloading"] * 2
    station.feed(TransferEnded(now, ok=True)).run(600)
    assert firmware(station) == ["Downloading", *ALL]


def test_a_real_file_that_is_no_image_is_not_installed():
    """UF-2 (TC_044_3)."""
    station = bench(real_transfers=True)
    update(station)
    station.run(1).moved("firmware", ok=True, detail=INVALID_IMAGE).run(600)
    assert firmware(station) == ["Downloading", "Downloaded", "Installing", "InstallationFailed"]


def test_an_update_outlives_a_power_cut():
    """BOOT-11, UF-1: cut during the download, it begins again."""
    station = bench(transfers=QUICK)
    update(station)
    station.run(5)
    station.power(on=False).run(60)
    station.power().run(300)
    assert firmware(station) == [ALL[0], *ALL]  # FW-1: Downloading is said again
    assert boots(station)[-1] == "V02.00.00/V01.05.00"


def test_an_update_outlives_the_process():
    """BOOT-11: from the bytes of the store, on another object."""
    first = bench(transfers=QUICK)
    update(first, in_s=60)
    kept = first.station.snapshot()
    second = bench(transfers=QUICK, power=False)
    second.station.restore(kept)
    second.power().run(300)
    assert firmware(second) == ALL


# ---- diagnostics ------------------------------------------------------------------------------------


def test_diagnostics_are_named_uploaded_and_reported():
    """GD-1, DIAG-1 (TC_045): the name at once, then Uploading and Uploaded."""
    station = bench(transfers=QUICK)
    answer = station.command("GetDiagnostics", location="ftp://files/in/")
    assert answer["fileName"].startswith("diagnostics-GU-000001-")
    station.run(60)
    assert diagnostics(station) == ["Uploading", "Uploaded"]
    assert station.status() == "Available"


def test_a_span_without_time_in_it_has_no_file():
    """GD-1, GD-3: `{}` and nothing happens."""
    station = bench(transfers=QUICK)
    answer = station.command("GetDiagnostics", location="ftp://files/", startTime=station.time(60))
    assert answer == {}
    assert station.run(60).sent("DiagnosticsStatusNotification") == []


def test_a_real_upload_is_retried_and_its_failure_reported_once():
    """GD-2, GD-4: one at a time; a second request waits."""
    station = bench(real_transfers=True)
    station.command("GetDiagnostics", location="ftp://files/1/", retries=1, retryInterval=10)
    station.command("GetDiagnostics", location="ftp://files/2/")
    station.run(1)
    assert [want.location for want in station.wanted()] == ["ftp://files/2/"]  # the first had not begun
    station.command("GetDiagnostics", location="ftp://files/3/", retries=1, retryInterval=10)
    station.moved("diagnostics").run(1)
    station.moved("diagnostics", ok=False).run(11)
    station.moved("diagnostics", ok=False).run(60)
    assert [want.location[-2] for want in station.wanted()] == ["2", "3", "3"]
    assert diagnostics(station) == ["Uploading", "Uploaded", "Uploading", "UploadFailed"]


def test_an_upload_from_before_a_reset_does_not_end_the_one_after_it():
    """GD-1, RE-3: each GetDiagnostics is told the end of its own file."""
    station = bench(real_transfers=True)
    station.command("GetDiagnostics", location="ftp://files/1/")
    station.run(1).command("Reset", type="Hard")
    station.run(60).command("GetDiagnostics", location="ftp://files/2/")
    station.run(1)
    before, now = station.wanted("diagnostics")
    station.feed(TransferEnded(before, ok=True)).run(60)
    assert diagnostics(station) == ["Uploading", "Uploading"]
    station.feed(TransferEnded(now, ok=False)).run(1)
    assert diagnostics(station) == ["Uploading", "Uploading", "UploadFailed"]


def test_the_file_says_what_the_station_is_and_no_secret():
    """GD-1, GD-3, GF-4: what a real upload carries, of the time asked for."""
    station = bench(
        real_transfers=True, personality=Personality.SPEC, keys={"AuthorizationKey": "hidden-key"}
    )
    station.plug().swipe("TAG1").run(2)
    station.command("GetDiagnostics", location="ftp://files/", startTime=station.time(-5))
    station.run(1)
    text = station.wanted()[-1].data.decode()
    for words in ("GU-000001", "059004", "V01.01.65/V01.01.08", "HeartbeatInterval", "connector 1: Charging"):
        assert words in text
    assert "transaction 1: connector 1, id 1001" in text
    assert "connector 1 Charging NoError" in text
    assert "hidden" not in text
    station.moved("diagnostics")
    long_ago = {"startTime": station.time(-7200), "stopTime": station.time(-3600)}
    station.command("GetDiagnostics", location="ftp://files/", **long_ago)
    station.run(1)
    text = station.wanted()[-1].data.decode()
    assert "transaction 1" not in text
    assert "Charging NoError" not in text


def test_the_log_is_bounded_and_only_kept_for_real_files():
    """GD-3."""
    station = bench(real_transfers=True)
    for _ in range(CAPACITY):
        station.command("ClearCache")
        station.plug().unplug()
    lines = list(station.station.log.between(0.0, 1e12))
    assert len(lines) == CAPACITY
    assert lines[-1].endswith("connector 1 Available NoError")
    assert bench().station.log is None


def test_a_million_retries_without_a_pause_do_not_stop_the_station():
    """UF-1, GD-2, RPC-9: what a central system may ask for is done at a pace."""
    station = bench(keys={"SupportedFileTransferProtocols": "HTTPS"})
    many = {"retries": 10**9, "retryInterval": 0}
    station.command("UpdateFirmware", location="ftp://files/V02", retrieveDate=station.time(), **many)
    station.command("GetDiagnostics", location="ftp://files/", **many)
    station.run(60)
    assert station.command("ClearCache") == {"status": "Accepted"}


# ---- triggers ---------------------------------------------------------------------------------------


def test_triggers_tell_the_present_state():
    """FW-1, DIAG-1, TM-2: Idle unless busy."""
    station = bench(transfers=QUICK)
    assert triggered(station, "FirmwareStatusNotification") == "Idle"
    assert triggered(station, "DiagnosticsStatusNotification") == "Idle"
    update(station)
    station.command("GetDiagnostics", location="ftp://files/")
    station.run(1)
    assert triggered(station, "FirmwareStatusNotification") == "Downloading"
    assert triggered(station, "DiagnosticsStatusNotification") == "Uploading"
    station.run(14)
    assert triggered(station, "FirmwareStatusNotification") == "Installing"
    station.run(200)
    assert triggered(station, "FirmwareStatusNotification") == "Idle"
    assert triggered(station, "DiagnosticsStatusNotification") == "Idle"
