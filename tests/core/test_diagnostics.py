"""Diagnostics uploads (GD-1 … GD-4, DIAG-1): modelled and real."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stations.core.diagnostics import DiagnosticsUpload, Notify, Stage, Upload, file_name, window
from stations.core.streams import stream
from stations.core.transfers import Odds, Transfers
from stations.wire.messages import GetDiagnostics
from stations.wire.types import DiagnosticsStatus, format_datetime

NOW, UNIX = 500.0, 1_800_000_000.0
Status = DiagnosticsStatus


def request(location="ftp://host/in/", **fields):
    return GetDiagnostics(location=location, **fields)


def upload(model, *, name="d.log", **fields):
    return DiagnosticsUpload(request(**fields), name, NOW, stream(1, "GU-1", "diagnostics"), model)


def drive(machine):
    steps = []
    while machine.due is not None:
        steps += machine.advance(machine.due)
    return steps


def test_a_modelled_upload_reports_uploading_and_uploaded():
    """GD-1, DIAG-1 (TC_045)."""
    machine = upload(Transfers())
    assert machine.due == NOW
    assert machine.status is Status.IDLE
    assert machine.advance(NOW) == [Notify(Status.UPLOADING)]
    assert machine.status is Status.UPLOADING
    assert drive(machine) == [Notify(Status.UPLOADED)]
    assert machine.status is Status.IDLE


def test_a_real_upload_asks_the_edge_and_waits():
    """GD-1: one file to the location."""
    machine = upload(None)
    assert machine.advance(NOW) == [Notify(Status.UPLOADING), Upload("ftp://host/in/", "d.log")]
    assert machine.due is None
    assert machine.transfer_ended(NOW + 3, ok=True) == [Notify(Status.UPLOADED)]
    assert machine.transfer_ended(NOW + 3, ok=True) == []
    assert machine.advance(NOW + 4) == []


def test_retries_come_after_the_first_attempt_and_the_failure_last():
    """GD-2, E3.50."""
    machine = upload(None, retries=2, retry_interval=20)
    starts, steps = [], []
    for _ in range(3):
        starts.append(machine.due)
        steps += machine.advance(machine.due)
        steps += machine.transfer_ended(starts[-1] + 1, ok=False)
    assert starts == [NOW, NOW + 21, NOW + 42]
    reported = [step.status for step in steps if isinstance(step, Notify)]
    assert reported == [Status.UPLOADING, Status.UPLOAD_FAILED]
    assert (machine.stage, machine.due) == (Stage.OVER, None)


def test_a_request_during_an_upload_waits_and_the_latest_wins():
    """GD-4."""
    machine = upload(None)
    machine.ask_again(request("ftp://host/0/"), "0.log", NOW, None)  # not begun yet: replaced
    assert machine.advance(NOW)[-1] == Upload("ftp://host/0/", "0.log")
    machine.ask_again(request("ftp://host/1/"), "1.log", NOW + 1, None)
    machine.ask_again(request("ftp://host/2/"), "2.log", NOW + 2, None)
    assert machine.transfer_ended(NOW + 9, ok=True) == [Notify(Status.UPLOADED)]
    assert machine.due == NOW + 9
    assert machine.advance(NOW + 9) == [Notify(Status.UPLOADING), Upload("ftp://host/2/", "2.log")]
    assert machine.transfer_ended(NOW + 10, ok=False) == [Notify(Status.UPLOAD_FAILED)]
    machine.ask_again(request(), "3.log", NOW + 11, None)
    assert machine.due == NOW + 11


@pytest.mark.parametrize(
    ("start_s", "stop_s", "span"),
    [
        (None, None, (0.0, UNIX)),
        (-60, None, (UNIX - 60, UNIX)),
        (-60, -30, (UNIX - 60, UNIX - 30)),
        (-60, 60, (UNIX - 60, UNIX)),
    ],
)
def test_the_window_is_what_was_asked_up_to_now(start_s, stop_s, span):
    """GD-3."""
    times = {
        key: None if value is None else format_datetime(UNIX + value)
        for key, value in (("start_time", start_s), ("stop_time", stop_s))
    }
    assert window(request(**times), UNIX) == span
    assert file_name(request(**times), "GU-1", UNIX) == "diagnostics-GU-1-20270115T080000Z.log"


def test_no_window_begins_before_time_was_counted():
    """GD-3: the year 0 is a valid dateTime, and nothing that a file could print."""
    asked = request(start_time="0000-01-01T00:00:00Z")
    assert window(asked, UNIX) == (0.0, UNIX)


@pytest.mark.parametrize(("start_s", "stop_s"), [(1, None), (-10, -20), (0, 60)])
def test_a_window_without_time_in_it_has_no_file(start_s, stop_s):
    """GD-1, GD-3: `{}` is the answer."""
    times = {"start_time": format_datetime(UNIX + start_s)}
    if stop_s is not None:
        times["stop_time"] = format_datetime(UNIX + stop_s)
    assert file_name(request(**times), "GU-1", UNIX) is None


@given(st.text(max_size=300))
def test_any_identity_gives_a_plain_file_name(identity):
    """GD-1: fileName is at most 255 characters and never a path."""
    name = file_name(request(), identity, UNIX)
    assert len(name) <= 255
    assert not set(name) & set("/\\: \0")


@given(st.floats(0, 1), st.integers(0, 3), st.integers(0, 2**32))
def test_every_modelled_upload_comes_to_an_end(failures, retries, seed):
    """DIAG-1."""
    machine = upload(Transfers(upload=Odds(9.0, failures=failures)), retries=retries, retry_interval=1)
    machine._luck = stream(seed, "GU-1", "diagnostics")
    statuses = [step.status for step in drive(machine)]
    assert statuses[0] is Status.UPLOADING
    assert statuses[1:] in ([Status.UPLOADED], [Status.UPLOAD_FAILED])
