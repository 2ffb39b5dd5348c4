"""Firmware updates (UF-1 … UF-4, FW-1): modelled and real, with retries and failures."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stations.core.firmware import (
    INVALID_IMAGE,
    Fetch,
    FirmwareUpdate,
    Hold,
    Notify,
    Release,
    Restart,
    Stage,
    image_version,
)
from stations.core.streams import stream
from stations.core.transfers import LONGEST_S, Odds, Transfers, draw
from stations.wire.messages import UpdateFirmware
from stations.wire.types import FirmwareStatus, format_datetime

NOW, UNIX = 500.0, 1_800_000_000.0
IMAGE = "ftp://user:secret@host/images/V02.00.00.bin"
GOOD = Transfers()
Status = FirmwareStatus


def until(unix_s):
    """A wall clock that stands at `unix_s`."""
    return lambda moment: moment - unix_s


def update(model=GOOD, *, in_s=0.0, retries=None, interval=None, location=IMAGE):
    request = UpdateFirmware(
        location=location,
        retrieve_date=format_datetime(UNIX + in_s),
        retries=retries,
        retry_interval=interval,
    )
    return FirmwareUpdate(request, NOW, until(UNIX), stream(1, "GU-1", "firmware"), model)


def told(steps):
    return [step.status for step in steps if isinstance(step, Notify)]


def drive(machine, *, busy=False):
    """Ring its alarm until it waits for somebody else; all steps in order."""
    steps = []
    while machine.due is not None:
        steps += machine.advance(machine.due, busy=busy)
    return steps


def test_a_modelled_update_goes_through_all_its_statuses():
    """UF-1, UF-2, FW-1 (TC_044_1): Installed after the reboot into the new version."""
    machine = update()
    assert drive(machine) == [
        Notify(Status.DOWNLOADING),
        Notify(Status.DOWNLOADED),
        Hold(),
        Notify(Status.INSTALLING),
        Restart("V02.00.00"),
    ]
    assert machine.booted() == [Release(), Notify(Status.INSTALLED)]
    assert machine.booted() == []
    assert machine.stage is Stage.OVER


@pytest.mark.parametrize(("in_s", "wait"), [(120, 120), (0, 0), (-3600, 0)])
def test_it_waits_for_the_retrieve_date(in_s, wait):
    """UF-1: a date in the past is now."""
    machine = update(in_s=in_s)
    assert machine.due == NOW + wait
    assert machine.status is Status.IDLE


def test_it_waits_for_running_transactions():
    """UF-2, UF-4: idle connectors are held meanwhile and released at the end."""
    machine = update()
    steps = drive(machine, busy=True)
    assert steps[-2:] == [Notify(Status.DOWNLOADED), Hold()]
    assert (machine.stage, machine.status) == (Stage.DOWNLOADED, Status.DOWNLOADED)
    assert machine.advance(NOW + 9999, busy=True) == []
    assert machine.let_install(NOW + 9999) == [Notify(Status.INSTALLING)]
    assert machine.let_install(NOW + 9999) == []
    assert drive(machine) == [Restart("V02.00.00")]


def test_a_step_of_the_clock_moves_the_retrieve_date_and_no_pause():
    """HB-4, UF-1."""
    machine = update(in_s=3600)
    machine.reschedule(NOW + 10, until(UNIX + 3010))
    assert machine.due == NOW + 600
    retrying = update(Transfers(download=Odds(0.0, failures=1.0)), retries=1, interval=77)
    retrying.advance(NOW, busy=False)
    retrying.advance(NOW, busy=False)
    retrying.reschedule(NOW, until(UNIX + 9999))
    assert retrying.due == NOW + 77


def test_a_download_that_never_works_is_retried_and_then_reported_once():
    """UF-1, FW-1 (TC_044_2): retries after the first attempt, retryInterval apart."""
    machine = update(Transfers(download=Odds(10.0, 0.0, failures=1.0)), retries=2, interval=30)
    machine.advance(machine.due, busy=False)
    starts = [NOW]
    while machine.stage is not Stage.OVER:
        steps = machine.advance(machine.due, busy=False)
        if machine.stage is Stage.WAITING:
            assert (steps, machine.status) == ([], Status.DOWNLOADING)
            starts.append(machine.due)
    assert starts == pytest.approx([NOW, NOW + 40, NOW + 80])
    assert told(steps) == [Status.DOWNLOAD_FAILED]
    assert machine.status is Status.IDLE


def test_an_installation_that_fails_keeps_the_old_version():
    """UF-2, UF-4 (TC_044_3)."""
    steps = drive(update(Transfers(install=Odds(5.0, failures=1.0))))
    assert steps[-2:] == [Notify(Status.INSTALLATION_FAILED), Release()]
    assert not any(isinstance(step, Restart) for step in steps)


def test_a_real_update_asks_the_edge_and_waits():
    """UF-1: really fetched; the alarm is off meanwhile."""
    machine = update(None, retries=1, interval=7)
    assert machine.advance(machine.due, busy=False) == [Notify(Status.DOWNLOADING), Fetch(IMAGE)]
    assert machine.due is None
    assert machine.transfer_ended(NOW + 5, ok=False, detail="refused", busy=False) == []
    assert machine.due == NOW + 12
    assert machine.advance(NOW + 12, busy=False) == [Fetch(IMAGE)]
    steps = machine.transfer_ended(NOW + 20, ok=True, detail="", busy=False)
    assert steps == [Notify(Status.DOWNLOADED), Hold(), Notify(Status.INSTALLING)]
    assert drive(machine) == [Restart("V02.00.00")]
    assert machine.transfer_ended(NOW + 20, ok=True, detail="", busy=False) == []


def test_a_real_file_that_is_no_image_fails_to_install():
    """UF-2 (TC_044_3): it was downloaded, it cannot be installed."""
    machine = update(None)
    machine.advance(machine.due, busy=False)
    steps = machine.transfer_ended(NOW + 1, ok=True, detail=INVALID_IMAGE, busy=False) + drive(machine)
    assert told(steps) == [Status.DOWNLOADED, Status.INSTALLING, Status.INSTALLATION_FAILED]


def test_a_second_request_replaces_a_waiting_one_only():
    """UF-3."""
    machine = update(in_s=100)
    assert machine.replaceable
    for _ in range(3):
        machine.advance(machine.due, busy=False)
        assert machine.replaceable is (machine.stage is Stage.WAITING)
    assert machine.stage is Stage.RESTARTING
    machine.booted()
    assert machine.replaceable


@pytest.mark.parametrize("rings", range(4))
def test_an_update_survives_a_power_cut(rings):
    """UF-1, BOOT-11: before its own restart it begins again, after it the boot reports Installed."""
    machine = update(in_s=60)
    for _ in range(rings):
        machine.advance(machine.due, busy=False)
    kept = msgspec.json.decode(msgspec.json.encode(machine.snapshot()))
    restored = update(location="ws://other")
    restored.restore(kept, 10_000.0, until(UNIX + 30))
    if rings == 3:
        assert restored.booted() == [Release(), Notify(Status.INSTALLED)]
    else:
        assert (restored.stage, restored.due) == (Stage.WAITING, 10_030.0)
        assert drive(restored)[-1] == Restart("V02.00.00")


@pytest.mark.parametrize(
    ("location", "version"),
    [
        (IMAGE, "V02.00.00"),
        ("https://h/p/V01.02.00_V01.01.10.zip?token=V9.9", "V01.02.00/V01.01.10"),
        ("https://h/firmware-2026.bin", "firmware-2026"),
        ("https://h/a%20b.tar.gz", "a b"),
        ("https://h/", "unnamed"),
        ("ftp://h/" + "x" * 80, "x" * 50),
    ],
)
def test_the_image_names_its_version(location, version):
    """UF-2, BOOT-2: firmwareVersion of the next BootNotification, at most 50 characters."""
    assert image_version(location) == version


@given(st.integers(0, 2**32), st.floats(0, 1), st.integers(0, 3))
def test_every_modelled_update_comes_to_an_end(seed, failures, retries):
    """FW-1: whatever the luck, the last word is Installed, DownloadFailed or InstallationFailed."""
    odds = Odds(20.0, failures=failures)
    machine = update(Transfers(download=odds, install=odds), retries=retries, interval=5)
    machine._luck = stream(seed, "GU-1", "firmware")
    steps = drive(machine)
    steps += machine.booted()
    assert told(steps)[0] is Status.DOWNLOADING
    assert told(steps)[-1] in {Status.INSTALLED, Status.DOWNLOAD_FAILED, Status.INSTALLATION_FAILED}
    assert steps.count(Hold()) == steps.count(Release())


def test_drawn_transfers_follow_their_odds():
    luck = stream(3, "GU-1", "transfers")
    draws = [draw(Odds(20.0, 0.4, failures=0.25), luck) for _ in range(4000)]
    assert sum(not ok for _, ok in draws) / 4000 == pytest.approx(0.25, abs=0.03)
    assert sorted(duration for duration, _ in draws)[2000] == pytest.approx(20.0, rel=0.05)
    assert draw(Odds(1e9), luck).duration_s == LONGEST_S
    assert draw(Odds(0.0), luck) == (0.0, True)
