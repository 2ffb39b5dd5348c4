import json

import msgspec
import pytest

from results.receipt import Receipt, TableReceipt
from results.run import FINISHED, create, read_record
from results.secrets import command_without_secrets, safe_url, without_secrets
from stations.errors import PlanError

NOW_US = 1_790_000_000_000_000


def new_run(root, **options):
    options = {"arguments": {}, "seed": 1, "started_us": NOW_US} | options
    return create(root, "Evening peak!", **options)


def test_a_run_folder_is_sortable_named_and_says_that_it_runs(tmp_path):
    folder = new_run(tmp_path, workers=["01", "00"])
    assert folder.path.name.startswith("2026-09-21T141320Z-evening-peak-")
    told = json.loads((folder.path / "run.json").read_text())
    assert told["status"] == "running"
    assert told["workers"] == ["00", "01"]
    assert told["versions"]["python"].startswith("3.")
    assert {"locust", "pyarrow", "greenup-swarm"} <= told["versions"].keys()
    assert told["seed"] == 1
    assert told["host"]["cpus"] >= 1


def test_passwords_never_reach_the_run_record(tmp_path):
    folder = new_run(
        tmp_path,
        arguments={
            "csms_url": "wss://fleet:hunter2@csms.example/ocpp?token=abc123&x=1",
            "basic_auth_password": "hunter2",
            "api": "hunter2",
            "web_login_secret": "hunter2",
            "nested": {"AuthorizationKey": "hunter2", "urls": ["http://u:hunter2@h/"]},
            "stations": 500,
            "headless": True,
        },
        secret=["api"],
    )
    text = (folder.path / "run.json").read_text()
    assert "hunter2" not in text
    assert "abc123" not in text
    assert folder.record.arguments["stations"] == 500
    assert folder.record.arguments["headless"] is True
    assert folder.record.arguments["csms_url"] == "wss://***@csms.example/ocpp?token=***&x=1"


def test_flags_and_empty_values_stay_readable():
    assert without_secrets({"password": None, "token": False, "note": "a b"}) == {
        "password": None, "token": False, "note": "a b",
    }  # fmt: skip
    command = ["greenup", "--basic-auth-password", "hunter2", "--web-login-x=hunter2", "--stations", "5"]
    assert command_without_secrets(command) == [
        "greenup", "--basic-auth-password", "***", "--web-login-x=***", "--stations", "5",
    ]  # fmt: skip
    assert safe_url("ws://127.0.0.1:9000/ocpp/GU") == "ws://127.0.0.1:9000/ocpp/GU"


def test_finishing_seals_the_record_with_receipts_and_trust(tmp_path):
    folder = new_run(tmp_path, workers=["00"])
    folder.mark(NOW_US, phase="ramp")
    folder.mark(NOW_US + 5, phase="steady", note="all up")
    receipt = Receipt("00", {"calls": TableReceipt(rows=3)})
    folder.finish([receipt], ended_us=NOW_US + 10, exit_code=0)
    record = read_record(folder.path)
    assert record.status == FINISHED
    assert record.untrusted == []
    assert record.receipts["00"].tables["calls"].rows == 3
    assert [m.phase for m in record.marks] == ["ramp", "steady"]
    assert record.ended_us == NOW_US + 10
    assert [p.name for p in folder.path.iterdir()] == ["run.json"]


@pytest.mark.parametrize(
    ("workers", "receipts", "lost", "bugs", "reason"),
    [
        (["00", "01"], [Receipt("00", {})], [], 0, "worker 01 gave no receipt"),
        (["00", "01"], [Receipt("00", {})], ["01"], 0, "worker 01 was lost"),
        ([], [], [], 0, "no worker gave a receipt"),
        (["00"], [Receipt("00", {}, complete=False, failure="bug")], [], 0, "did not finish recording: bug"),
        (
            ["00"],
            [Receipt("00", {"calls": TableReceipt(dropped=4)}, failure="full")],
            [],
            0,
            "dropped 4 rows: full",
        ),
        (["00"], [Receipt("00", {})], [], 2, "2 stations retired by bugs"),
    ],
)
def test_whatever_is_missing_makes_the_run_untrusted(  # noqa: PLR0917 — the columns of the table above
    tmp_path, workers, receipts, lost, bugs, reason
):
    folder = new_run(tmp_path, workers=workers)
    record = folder.finish(receipts, ended_us=NOW_US, lost_workers=lost, station_bugs=bugs)
    (told,) = record.untrusted
    assert reason in told


def test_a_worker_that_says_it_stood_still_makes_the_run_untrusted(tmp_path):
    folder = new_run(tmp_path, workers=["00", "01"])
    receipts = [Receipt("00", {}), Receipt("01", {})]
    record = folder.finish(receipts, ended_us=NOW_US, standstills_s={"00": 5.2, "01": 2.9})
    assert record.untrusted == ["worker 00 stood still for 5 s"]


def test_receipts_of_workers_that_outlived_their_master_count(tmp_path):
    folder = new_run(tmp_path, workers=["00", "01"])
    receipts = folder.path / "receipts"
    receipts.mkdir()
    (receipts / "worker=00.json").write_bytes(msgspec.json.encode(Receipt("00", {"calls": TableReceipt(3)})))
    (receipts / "worker=01.json").write_text('{"worker": "01", "tab')  # killed while it wrote
    record = read_record(folder.path)
    assert sorted(record.receipts) == ["00"]
    assert record.receipts["00"].tables["calls"].rows == 3


def test_an_unwritable_place_is_one_clear_line(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(PlanError, match=r"cannot write a run folder here \(Not a directory\); .*--runs"):
        new_run(tmp_path / "file")


def test_a_path_that_is_no_run_a_broken_one_and_a_newer_one_are_told_apart(tmp_path):
    with pytest.raises(PlanError, match="not a run folder"):
        read_record(tmp_path / "nowhere")
    (tmp_path / "run.json").write_text('{"id": 3}')
    with pytest.raises(PlanError, match="not a run record"):
        read_record(tmp_path)
    folder = new_run(tmp_path / "runs")
    record = (folder.path / "run.json").read_text().replace('"schema_version": 1', '"schema_version": 99')
    (folder.path / "run.json").write_text(record)
    with pytest.raises(PlanError, match="schema version 99"):
        read_record(folder.path)


def test_a_disk_with_no_room_for_a_run_is_the_users_mistake_and_nothing_is_left(tmp_path, monkeypatch):
    monkeypatch.setattr("results.run.LEAST_FREE_BYTES", 1 << 62)
    with pytest.raises(PlanError, match=r"cannot write a run folder here \(No space left on device\)"):
        new_run(tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_disk_that_fills_up_stops_no_load_and_makes_the_run_untrusted(tmp_path, monkeypatch):
    folder = new_run(tmp_path)

    def full(_self):
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(type(folder), "_write", full)
        folder.mark(NOW_US, "steady")
        folder.expect(["00"])
        record = folder.finish([], ended_us=NOW_US + 1)
    assert "run.json could not be sealed: No space left on device" in record.untrusted
    folder.finish([], ended_us=NOW_US + 1)  # there is room again: nothing was forgotten
    told = read_record(folder.path)
    assert [mark.phase for mark in told.marks] == ["steady"]
    assert told.workers == ["00"]
