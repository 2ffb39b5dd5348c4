"""Files of workers that share no path with their master."""

import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

import results
from engine.bridge import collect
from engine.bridge.messages import Part
from results.run import read_record
from tests.support.programs import STEADY

pytestmark = [pytest.mark.locust, pytest.mark.realnet]

FILE = "calls/worker=00/part-00000.parquet"


@given(st.binary(max_size=2_000), st.integers(1, 700))
def test_a_file_arrives_as_it_was_whatever_its_size(tmp_path_factory, data, piece):
    theirs, ours = tmp_path_factory.mktemp("theirs"), tmp_path_factory.mktemp("ours")
    (theirs / FILE).parent.mkdir(parents=True)
    (theirs / FILE).write_bytes(data)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(collect, "PIECE_BYTES", piece)
        for part in collect.pieces("run", theirs, FILE, hashlib.sha256(data).hexdigest()):
            assert len(part.data) <= piece
            collect.keep(ours, "00", part)
    assert (ours / FILE).read_bytes() == data
    assert [path.name for path in (ours / FILE).parent.iterdir()] == ["part-00000.parquet"]


def test_a_file_that_came_out_wrong_is_not_kept(tmp_path):
    with pytest.raises(ValueError, match="hash"):
        collect.keep(tmp_path, "00", Part("run", FILE, 0, b"abc", "0" * 64))
    with pytest.raises(ValueError, match="a piece at 7"):
        collect.keep(tmp_path, "00", Part("run", FILE, 7, b"abc", ""))
    assert not (tmp_path / FILE).exists()


@pytest.mark.parametrize(
    "file",
    [
        "run.json",
        "calls/worker=01/part-00000.parquet",
        "../calls/worker=00/part-00000.parquet",
        "calls/worker=00/../../run.json",
        "secrets/worker=00/part-00000.parquet",
        "receipts/worker=01.json",
        "/etc/worker=00/part-00000.parquet",
    ],
)
def test_a_worker_writes_nothing_but_its_own_partition(tmp_path, file):
    with pytest.raises(ValueError, match="not a file of worker 00"):
        collect.keep(tmp_path / "run", "00", Part("run", file, 0, b"abc", ""))
    assert not list(tmp_path.rglob("*"))


def test_a_worker_elsewhere_sends_its_files_and_the_run_is_whole(locust, central_system, port, tmp_path):
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    master = locust(
        *("--headless", "-u", 6, "-r", 6, "--duration", "5s", "--csms-url", central_system.url, "--collect"),
        *("--master", "--master-bind-port", port, "--expect-workers", 1),
    )
    # One machine stands for two: this worker shall not know the master's folder when it sees it.
    plugin = elsewhere / "plugin.py"
    plugin.write_text("from engine.bridge import collect\ncollect.RUN_FILE = 'not-here.json'\n")
    worker = locust("-f", f"{STEADY},{plugin}", "--worker", "--master-port", port, folder=elsewhere)
    assert master.passed(master.finish()), master.said
    assert worker.finish() == 0, worker.said
    (theirs,) = (elsewhere / "runs").iterdir()
    ours = master.run_folders()[-1].parent
    assert theirs.name == ours.name
    assert not (theirs / "run.json").exists()
    files = sorted(str(path.relative_to(theirs)) for path in theirs.rglob("*") if path.is_file())
    assert len(files) >= 5
    for file in files:
        assert (ours / file).read_bytes() == (theirs / file).read_bytes()
    record = read_record(ours)
    assert record.untrusted == []
    run = results.open(ours)
    assert (run.calls["action"] == "BootNotification").sum() == 6
    assert not [reason for reason in run.trust.reasons if "rows of" in reason]
    assert [path.name for path in (ours / "receipts").iterdir()] == ["worker=00.json"]
