import os
import shutil

import numpy as np
import pandas as pd
import pytest

import results
from results.partition import stream_name
from results.run import create
from results.schema import TABLES
from stations.errors import PlanError

NOW_US = 1_790_000_000_000_000


def test_a_finished_run_opens_with_every_table_as_a_frame(sample_run):
    for name in TABLES:
        frame = getattr(sample_run, name)
        assert len(frame) > 0, name
        assert set(frame.columns) >= {column.name for column in TABLES[name].columns} | {"worker"}
    assert sample_run.trust
    assert sample_run.record.status == "finished"


def test_one_table_opens_with_pandas_alone(sample_path, sample_run):
    frame = pd.read_parquet(sample_path / "calls")
    assert len(frame) == len(sample_run.calls)
    assert frame.action.dtype == "category"


def test_response_is_the_sum_of_its_parts_and_phases_follow_the_marks(sample_run):
    calls = sample_run.calls
    parts = calls.queue_us.astype(int) + calls.gen_lag_us + calls.service_us
    assert (calls.response_us == parts).all()
    first = calls.done.min()
    assert set(calls.phase[calls.done < first + pd.Timedelta("11s")]) == {"ramp"}
    assert list(calls.phase.cat.categories) == ["ramp", "steady", "drain"]


def test_columns_filters_and_phases_are_pushed_down(sample_run):
    picked = sample_run.read_calls(
        ["station", "response_us", "phase"],
        [("action", "==", "Authorize"), ("worker", "==", "01")],
        phase="steady",
    )
    calls = sample_run.calls
    same = calls[(calls.action == "Authorize") & (calls.worker == "01") & (calls.phase == "steady")]
    assert list(picked.columns) == ["station", "response_us", "phase"]
    assert picked.response_us.tolist() == same.response_us.tolist()
    assert len(picked) > 10


def test_an_arrow_expression_filters_too(sample_run):
    import pyarrow.compute as pc

    slow = sample_run.read_calls(["service_us"], pc.field("service_us") > 50_000)
    assert (slow.service_us > 50_000).all()
    assert len(slow) == (sample_run.calls.service_us > 50_000).sum()


@pytest.mark.parametrize(
    ("ask", "message"),
    [
        (lambda run: run.read_calls(["duration"]), "calls has no column 'duration'"),
        (lambda run: run.read_calls(where=[("acton", "==", "x")]), "calls has no column 'acton'"),
        (lambda run: run.read_calls(where=[("action", "~", "x")]), "filter"),
        (lambda run: run.read_calls(phase="stady"), "no phase 'stady'; it has ramp, steady, drain"),
        (lambda run: run.latency(kind="total"), "no latency of kind 'total'"),
        (lambda run: run.latency(window="often"), "window 'often' is no duration"),
        (lambda run: run.latency(window="-1s"), "must be longer"),
        (lambda run: run.latency("acton"), "calls has no column 'acton'"),
    ],
)
def test_a_wrong_name_is_one_clear_line(sample_run, ask, message):
    with pytest.raises(PlanError, match=message):
        ask(sample_run)


def test_a_path_that_is_no_run_is_one_clear_line(tmp_path):
    with pytest.raises(PlanError, match="not a run folder"):
        results.open(tmp_path)
    with pytest.raises(PlanError, match="no run folder matches"):
        results.open_many(str(tmp_path / "*"))
    with pytest.raises(AttributeError, match="no attribute 'opn'"):
        results.opn  # noqa: B018


def test_open_many_gives_runs_oldest_first(sample, tmp_path):
    small = {"calls": 600, "seconds": 3, "stations": 4}
    for offset in (7, 3, 5):
        sample.write(tmp_path, sample.Sample(**small, start_us=NOW_US + offset * 1_000_000))
    runs = results.open_many(str(tmp_path / "*"))
    assert [run.record.started_us - NOW_US for run in runs] == [3_000_000, 5_000_000, 7_000_000]


def test_the_ledger_is_the_last_state_of_each_transaction(new_recorder, tmp_path):
    run = create(tmp_path, "t", arguments={}, seed=1, started_us=NOW_US, workers=["00"])
    recorder = new_recorder(run.path)
    recorder.station(4, "GU-000004", "059004", "greenup", NOW_US)
    line = {"connector": 1, "id_tag": "T", "meter_start_wh": 100, "started_us": NOW_US}
    for number, (sequence, state, more) in enumerate(
        [
            (1, "started", {"transaction_id": None}),
            (1, "acknowledged", {"transaction_id": 77}),
            (2, "started", {"transaction_id": None}),
            (1, "settled", {"transaction_id": 77, "meter_stop_wh": 1_350, "stopped_us": NOW_US + 9}),
        ]
    ):
        recorder.transaction(4, at_us=NOW_US + number, sequence=sequence, state=state, **line, **more)
    run.finish([recorder.close()], ended_us=NOW_US + 10)
    ledger = results.open(run.path).transactions.set_index("sequence")
    assert ledger.state.to_dict() == {1: "settled", 2: "started"}
    assert ledger.energy_wh[1] == 1_250
    assert pd.isna(ledger.energy_wh[2])
    assert ledger.uid[1] == "GU-000004"
    assert ledger.transaction_id[1] == 77


def test_a_killed_run_opens_with_its_closed_parts_and_its_torn_stream(new_recorder, tmp_path):
    run = create(tmp_path, "t", arguments={}, seed=1, started_us=NOW_US, workers=["00", "01"])
    for worker in ("00", "01"):
        recorder = new_recorder(run.path, worker)
        for n in range(50):
            recorder.call(n, 1, "Heartbeat", "out", "ok", "", NOW_US + n, 0, 1, 2, 3, 4, 0, False)
        recorder.close()
    part = run.path / "calls" / "worker=01" / "part-00000.parquet"
    _as_stream(part)
    stream = part.with_name(stream_name(0))
    os.truncate(stream, stream.stat().st_size - 60)  # an end mark and some of the last batch
    run_again = results.open(run.path)
    calls = run_again.calls
    assert calls[calls.worker == "00"].station.tolist() == list(range(50))
    assert calls[calls.worker == "01"].station.tolist() == list(range(25))
    assert "has not ended" in str(run_again.trust)
    summary = run_again.summary()
    assert summary.total.count == 75
    assert not summary.trusted


def _as_stream(part):
    import pyarrow.parquet as pq
    from pyarrow import ipc

    table = pq.read_table(part, partitioning=None)
    with ipc.new_stream(str(part.with_name(stream_name(0))), table.schema) as stream:
        for half in (table.slice(0, 25), table.slice(25)):
            stream.write_table(half)
    part.unlink()


def test_a_stream_beside_its_part_is_not_read_twice(sample, tmp_path):
    path = sample.write(tmp_path, sample.Sample(calls=300, seconds=3, stations=4, workers=1))
    part = path / "calls" / "worker=00" / "part-00000.parquet"
    copy = part.with_name("copy.parquet")
    shutil.copy(part, copy)
    _as_stream(part)
    copy.rename(part)
    assert len(results.open(path).calls) == 300


def test_a_damaged_part_is_one_clear_line(sample, tmp_path):
    path = sample.write(tmp_path, sample.Sample(calls=300, seconds=3, stations=4, workers=1))
    part = path / "calls" / "worker=00" / "part-00000.parquet"
    part.write_bytes(part.read_bytes()[:100])
    with pytest.raises(PlanError, match="cannot be read"):
        _ = results.open(path).calls


def test_latency_by_window_covers_every_call_once(sample_run):
    windows = sample_run.latency("action", window="10s", kind="service")
    whole = sample_run.latency("action", kind="service")
    assert windows["count"].groupby("action").sum().to_dict() == whole["count"].to_dict()
    assert windows.index.names == ["window", "action"]
    assert (windows["p50_us"] <= windows["p99_us"]).all()


def test_latency_matches_pandas_on_the_same_calls(sample_run):
    calls = sample_run.calls
    counted = calls[(calls.direction == "out") & (calls.outcome != "cancelled")]
    mine = sample_run.latency("action", quantiles=[0.95])
    for action, group in counted.groupby("action", observed=True):
        expected = np.sort(group.response_us)[int(np.ceil(round(0.95 * len(group), 6))) - 1]
        assert mine.loc[action, "p95_us"] == expected
        assert mine.loc[action, "max_us"] == group.response_us.max()


def test_by_station_and_by_nothing(sample_run):
    by_station = sample_run.latency("station")
    assert by_station.index.is_monotonic_increasing
    assert by_station["count"].sum() == sample_run.latency(())["count"].sum()


def test_a_run_shows_itself_short_in_a_log_and_small_in_a_notebook(sample_run):
    assert "finished, trusted" in repr(sample_run)
    assert len(sample_run._repr_html_()) < 20_000
    assert "<b>TRUSTED</b>" in sample_run._repr_html_()
