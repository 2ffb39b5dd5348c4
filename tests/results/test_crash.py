"""What is recorded is what is read, whatever the chunking and the crash point."""

import os
import signal
import subprocess
import sys
import time

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import results
from results.arrays import batch_of
from results.partition import Partition, part_name, stream_name, whole_batches
from results.run import create
from results.schema import CONNECTIONS, TABLES


def connection_rows(count, start=0):
    kinds = ("opened", "closed", "refused")
    return [(10**15 + n, n, kinds[n % 3], f"d{n % 5}", None, n, 1000) for n in range(start, start + count)]


def stream_of(folder, chunks):
    partition = Partition(folder, CONNECTIONS, "00", {"run": "r"})
    start = 0
    for count in chunks:
        partition.write(batch_of(CONNECTIONS, connection_rows(count, start)), 0.0)
        start += count
    return partition, folder / "connections" / "worker=00" / stream_name(0)


def test_a_stream_cut_at_any_byte_gives_its_whole_batches_and_nothing_else(tmp_path):
    chunks = (1, 4, 2)
    _, path = stream_of(tmp_path, chunks)
    whole = path.read_bytes()
    legal = {0, 1, 5, 7}
    cut = tmp_path / "cut.arrows"
    last = 0
    for length in range(len(whole) + 1):
        cut.write_bytes(whole[:length])
        rows = [row["station"] for batch in whole_batches(cut) for row in batch.to_pylist()]
        assert rows == list(range(len(rows)))
        assert len(rows) in legal
        assert len(rows) >= last, "a longer file never gives fewer rows"
        last = len(rows)
    assert last == 7


@settings(max_examples=30)
@given(chunks=st.lists(st.integers(1, 40), min_size=1, max_size=8))
def test_rotation_keeps_every_row_whatever_the_chunking(tmp_path_factory, chunks):
    folder = tmp_path_factory.mktemp("run")
    partition, stream = stream_of(folder, chunks)
    partition.close()
    part = stream.with_name(part_name(0))
    assert not stream.exists()
    table = pq.read_table(part, partitioning=None)
    expected = pa.Table.from_batches([batch_of(CONNECTIONS, connection_rows(sum(chunks)))])
    assert table.to_pylist() == expected.to_pylist()
    assert partition.receipt.rows == sum(chunks)


CHILD = """
import _thread, sys, time
from pathlib import Path
from results.recorder import Recorder
recorder = Recorder(Path(sys.argv[1]), "00", start_new_thread=_thread.start_new_thread, sleep=time.sleep)
n = 0
while True:
    for _ in range(200):
        recorder.call(n, 1, "MeterValues", "out", "ok", "", 10**15 + n, 1, 2, 3, 4, 5, 6, False)
        n += 1
    recorder.drain()
    print(n, time.monotonic(), flush=True)
    time.sleep(0.02)
"""


@pytest.mark.parametrize("delay_s", [0.4, 1.3, 2.7])
def test_sigkill_loses_the_last_seconds_at_most(tmp_path, delay_s):
    child = subprocess.Popen([sys.executable, "-c", CHILD, str(tmp_path)], stdout=subprocess.PIPE, text=True)
    first = child.stdout.readline()
    time.sleep(delay_s)
    os.kill(child.pid, signal.SIGKILL)
    marks = [first, *child.stdout.read().splitlines()]
    child.wait()
    drained = [
        (int(n), float(at)) for n, at in (m.split() for m in marks if m.count(" ") == 1 and m[-1].isdigit())
    ]
    stream = tmp_path / "calls" / "worker=00" / stream_name(0)
    batches = list(whole_batches(stream)) if stream.exists() else []
    stations = np.concatenate([b["station"].to_numpy() for b in batches]) if batches else np.array([])
    assert stations.tolist() == list(range(len(stations))), "a prefix, whole and in order"
    killed_at = drained[-1][1]
    # Everything drained two seconds before the end must be there (a flush a second, one may be under way).
    assert len(stations) >= max((n for n, at in drained if at < killed_at - 2.0), default=0)


def test_every_table_begins_with_its_time():
    """Receipts give the span of time from the first column."""
    for table in TABLES.values():
        assert table.columns[0].type == pa.timestamp("us", "UTC")
        assert not table.columns[0].nullable


def killed_run(folder):
    """A run whose worker 00 was killed within its second part, in the middle of a batch."""
    run = create(folder, "killed", arguments={}, seed=1, started_us=10**15, workers=["00"])
    partition, _ = stream_of(run.path, (5, 3))
    partition.close()
    partition.write(batch_of(CONNECTIONS, connection_rows(4, 8)), 0.0)
    stream = run.path / "connections" / "worker=00" / stream_name(1)
    whole = stream.read_bytes()
    partition.write(batch_of(CONNECTIONS, connection_rows(4, 12)), 0.0)
    stream.write_bytes(stream.read_bytes()[: len(whole) + 20])
    return run


def test_a_master_closes_what_a_lost_worker_left_open(tmp_path):
    run = killed_run(tmp_path)
    assert len(pd.read_parquet(run.path / "connections")) == 8
    run.finish([], ended_us=10**15 + 1, lost_workers=["00"])
    assert pd.read_parquet(run.path / "connections")["station"].tolist() == list(range(12))
    opened = results.open(run.path)
    assert opened.connections["station"].tolist() == list(range(12)), "no row is read twice"
    assert not opened.trust


def test_a_disk_that_refuses_does_not_keep_the_run_from_being_sealed(tmp_path):
    run = killed_run(tmp_path)
    (run.path / "connections" / "worker=00" / f"_{part_name(1)}.tmp").mkdir()
    run.finish([], ended_us=10**15 + 1, lost_workers=["00"])
    opened = results.open(run.path)
    assert opened.record.status == "finished"
    assert len(opened.connections) == 12


def salvage(path):
    command = [sys.executable, "-m", "results.analysis", "salvage", str(path)]
    return subprocess.run(command, check=False, capture_output=True, text=True, timeout=60)


def test_salvage_closes_what_a_killed_run_left_open_once_nobody_writes(tmp_path):
    run = killed_run(tmp_path)
    early = salvage(run.path)
    assert (early.returncode, early.stdout) == (2, "")
    assert "somebody writes to it" in early.stderr
    for stream in run.path.glob("*/*/_open-*"):
        os.utime(stream, (time.time() - 60,) * 2)
    done = salvage(run.path)
    assert (done.returncode, done.stdout) == (0, "1 parts closed\n"), done.stderr
    assert len(pd.read_parquet(run.path / "connections")) == 12
    assert len(results.open(run.path).connections) == 12
    assert salvage(run.path).stdout == "0 parts closed\n"
