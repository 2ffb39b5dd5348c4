import subprocess
import sys

import pandas as pd
import pytest

from results.recorder import PENDING_ROWS_MAX, Recorder
from results.schema import CALL, CALL_DTYPE, CALLS, HEALTH

NOW_US = 1_790_000_000_000_000


def record_call(recorder, **changes):
    fields = {
        "station": 7, "connector": 2, "action": "MeterValues", "direction": "out", "outcome": "ok",
        "result": "", "done_us": NOW_US, "queue_us": 10, "gen_lag_us": 20, "service_us": 3_000,
        "bytes_out": 400, "bytes_in": 30, "transaction": 5, "offline": False,
    } | changes  # fmt: skip
    recorder.call(**fields)


def test_the_packed_record_and_its_numpy_type_are_the_same_bytes():
    assert CALL.size == CALL_DTYPE.itemsize


def test_a_call_is_read_back_as_it_was_recorded(recorder, tmp_path):
    record_call(recorder, outcome="callerror", result="FormatViolation", offline=True)
    recorder.close()
    row = pd.read_parquet(tmp_path / "calls").iloc[0]
    assert row.done == pd.Timestamp(NOW_US, unit="us", tz="UTC")
    assert [row.station, row.connector, row.action, row.direction] == [7, 2, "MeterValues", "out"]
    assert [row.outcome, row.result, row.offline, row.transaction] == [
        "callerror",
        "FormatViolation",
        True,
        5,
    ]
    assert [row.queue_us, row.gen_lag_us, row.service_us, row.bytes_out, row.bytes_in] == [
        10,
        20,
        3000,
        400,
        30,
    ]


def test_drain_gives_the_calls_since_the_last_one_with_the_meaning_of_their_codes(recorder):
    assert recorder.drain() is None
    record_call(recorder)
    record_call(recorder, action="Heartbeat", outcome="timeout")
    batch = recorder.drain()
    assert [batch.actions[code] for code in batch.rows["action"]] == ["MeterValues", "Heartbeat"]
    assert [batch.outcomes[code] for code in batch.rows["outcome"]] == ["ok", "timeout"]
    assert batch.response_us().tolist() == [3_030, 3_030]
    assert recorder.drain() is None


def test_values_out_of_range_saturate_and_the_row_stays(recorder):
    record_call(recorder, service_us=2**40, queue_us=-5, gen_lag_us=-1, bytes_in=2**33, connector=999)
    row = recorder.drain().rows[0]
    assert row["service_us"] == 2**32 - 1
    assert row["queue_us"] == 0
    assert row["gen_lag_us"] == 0
    assert row["connector"] == 255


def test_names_a_central_system_invents_without_end_cost_bounded_memory(recorder):
    for number in range(5_000):
        record_call(recorder, result=f"Code{number}" + "x" * 10_000)
    batch = recorder.drain()
    assert len(batch.results) == 1_000
    assert max(len(name) for name in batch.results) == 100
    assert batch.results[batch.rows["result"][-1]] == "(other)"


def test_the_receipt_counts_rows_parts_span_and_hashes(recorder, tmp_path):
    record_call(recorder, done_us=NOW_US + 9)
    record_call(recorder, done_us=NOW_US)
    receipt = recorder.close()
    calls = receipt.tables["calls"]
    assert (calls.rows, calls.dropped, calls.first_us, calls.last_us) == (2, 0, NOW_US, NOW_US + 9)
    (part,) = calls.parts
    assert part.file == "calls/worker=00/part-00000.parquet"
    assert part.bytes == (tmp_path / part.file).stat().st_size
    assert len(part.sha256) == 64
    assert receipt.complete
    assert receipt.failure == ""
    assert recorder.close() is receipt


def test_no_open_stream_is_left_behind_by_a_closed_recorder(recorder, tmp_path):
    record_call(recorder)
    recorder.close()
    assert {p.suffix for p in tmp_path.rglob("*") if p.is_file()} == {".parquet", ".json"}


def test_a_redeployed_station_starts_a_new_ledger_of_its_own(recorder, tmp_path):
    for _ in range(2):
        recorder.station(3, "GU-000003", "059004", "greenup", NOW_US)
        recorder.transaction(
            3, at_us=NOW_US, sequence=1, state="started", connector=1, id_tag="TAG",
            transaction_id=None, meter_start_wh=10, started_us=NOW_US,
        )  # fmt: skip
    recorder.close()
    rows = pd.read_parquet(tmp_path / "transactions")
    assert rows.deployment.tolist() == [1, 2]
    assert rows.transaction_id.isna().all()
    assert rows.meter_stop_wh.isna().all()
    assert rows.stopped.isna().all()
    assert rows.meter_start_wh.tolist() == [10, 10]


def test_health_takes_the_columns_of_the_schema_only(recorder, tmp_path):
    with pytest.raises(KeyError, match="cpu_perzent"):
        recorder.health(NOW_US, cpu_perzent=1.0)
    recorder.health(NOW_US, cpu_percent=12.5, loop_delay_max_us=300)
    recorder.close()
    row = pd.read_parquet(tmp_path / "health").iloc[0]
    assert row.cpu_percent == 12.5
    assert row.loop_delay_max_us == 300
    assert row.dropped_rows == 0
    assert set(HEALTH.schema().names) <= set(row.index)


def test_a_connection_row_may_have_no_numbers(recorder, tmp_path):
    recorder.connection(1, NOW_US, "refused", "ECONNREFUSED", connect_us=800)
    recorder.connection(1, NOW_US, "closed", "going away", duration_us=2**40, close_code=1001)
    recorder.close()
    rows = pd.read_parquet(tmp_path / "connections")
    assert rows.kind.tolist() == ["refused", "closed"]
    assert rows.close_code.isna().tolist() == [True, False]
    assert rows.duration_us[1] == 2**40


def test_rows_beyond_the_limit_are_dropped_counted_and_still_seen_by_live_statistics(tmp_path):
    stuck = recorder_with_a_stuck_writer(tmp_path)
    for _ in range(PENDING_ROWS_MAX // 250_000 + 1):
        stuck._calls = bytearray(CALL.size * 250_000)
        assert len(stuck.drain()) == 250_000
    assert stuck.dropped_rows == 250_000
    assert stuck.pending_rows == PENDING_ROWS_MAX


def recorder_with_a_stuck_writer(folder):
    return Recorder(folder, "00", start_new_thread=lambda *_: None, sleep=lambda _s: None)


def test_a_writer_that_never_ends_gives_a_receipt_that_says_so(tmp_path):
    stuck = recorder_with_a_stuck_writer(tmp_path)
    record_call(stuck)
    receipt = stuck.close(timeout_s=0.01)
    assert not receipt.complete
    assert "still busy" in receipt.failure
    assert receipt.tables["calls"].dropped == 1


def test_an_unwritable_folder_loses_rows_but_never_the_load(new_recorder, tmp_path):
    """Disk full, unwritable: what is dropped is counted and shown."""
    (tmp_path / "calls").write_text("a file where the folder should be")
    recorder = new_recorder()
    record_call(recorder)
    recorder.health(NOW_US, cpu_percent=1.0)
    receipt = recorder.close()
    assert receipt.tables["calls"].dropped == 1
    assert receipt.tables["health"].rows == 1
    assert receipt.failure.startswith("calls: ")
    assert receipt.complete


FILL_DISK = """
import _thread, resource, signal, sys, time
from pathlib import Path
from results.recorder import Recorder
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
recorder = Recorder(Path(sys.argv[1]), "00", start_new_thread=_thread.start_new_thread, sleep=time.sleep)
import random
rng = random.Random(1)
resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, resource.RLIM_INFINITY))
for second in range(3):
    for n in range(20_000):
        noise = rng.getrandbits(30), rng.getrandbits(30), rng.getrandbits(30)
        recorder.call(n, 1, "MeterValues", "out", "ok", "", 10**15 + n, *noise, 1, 1, 0, False)
    recorder.drain()
    time.sleep(1.3)
receipt = recorder.close()
print(receipt.tables["calls"].rows, receipt.tables["calls"].dropped, receipt.failure)
"""


def test_a_disk_that_refuses_bytes_midway_keeps_what_it_took_and_counts_the_rest(tmp_path):
    done = subprocess.run(
        [sys.executable, "-c", FILL_DISK, str(tmp_path)],
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    rows, dropped, failure = done.stdout.split(maxsplit=2)
    assert int(rows) + int(dropped) == 60_000
    assert int(dropped) > 0
    assert "File too large" in failure


def test_recording_does_not_load_pandas(tmp_path):
    code = FILL_DISK.replace("200_000", "200_000_000").replace("time.sleep(1.3)", "pass")
    code += "\nassert 'pandas' not in sys.modules, 'a load worker must not carry pandas'"
    subprocess.run([sys.executable, "-c", code, str(tmp_path)], check=True, capture_output=True, timeout=60)


def test_every_column_of_calls_has_a_field_in_the_packed_record():
    recorded = set(CALL_DTYPE.names) - {"done_us"} | {"done"}
    assert recorded == {column.name for column in CALLS.columns}
