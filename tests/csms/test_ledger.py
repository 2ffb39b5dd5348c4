"""The ledger without sockets: what a commit promises, and what repeats do."""

import sqlite3
import tempfile
import threading
from contextlib import closing
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from csms import ledger as ledger_module
from csms import rows
from csms.ledger import Ledger
from csms.queries import recover
from csms.rows import TABLES
from stations.errors import PlanError

TIMEOUT_S = 20


def run_all(calls):
    for call in calls:
        call()


def start_row(ledger, station="GU-1", connector=1, id_tag="TAG", *, meter=5):
    transaction_id = ledger.new_transaction_id()
    started = "2026-05-04T10:00:00Z"
    return rows.Start(transaction_id, station, connector, id_tag, started, 1.0, meter, None, "Accepted", 2.0)


def stop_row(transaction_id, station="GU-1", stopped="2026-05-04T11:00:00Z", meter=9):
    return rows.Stop(station, transaction_id, stopped, 3.0, meter, None, "Local", None, 4.0)


def status_row(station="GU-1", info=None):
    return rows.Status(station, 1, "Available", "NoError", info, None, None, None, 1.0)


def commit(ledger, *awaited):
    """Append and wait; what each callback was told."""
    told = [None] * len(awaited)
    done = threading.Semaphore(0)
    for position, row in enumerate(awaited):

        def committed(kept, position=position):
            told[position] = kept
            done.release()

        ledger.append_awaited(row, committed)
    for _ in awaited:
        assert done.acquire(timeout=TIMEOUT_S)
    return told


def read(path, sql):
    with closing(sqlite3.connect(path)) as db:
        return db.execute(sql).fetchall()


def test_a_callback_comes_after_its_row_can_be_read(ledger):
    row = start_row(ledger)
    assert commit(ledger, row) == [row.transaction_id]
    assert read(ledger.path, "SELECT transaction_id, stopped FROM transactions") == [
        (row.transaction_id, None)
    ]


def test_a_start_sent_again_keeps_its_first_id(ledger):  # a resend has the same payload
    first = start_row(ledger)
    again = start_row(ledger, id_tag="tag")  # RPC-10: CiStrings compare case-insensitively
    other = start_row(ledger, meter=6)
    assert commit(ledger, first) == [first.transaction_id]
    assert commit(ledger, again, other) == [first.transaction_id, other.transaction_id]
    assert read(ledger.path, "SELECT count(*) FROM starts") == [(2,)]


def test_a_start_sent_twice_within_one_commit_is_one_transaction(ledger):
    told = commit(ledger, start_row(ledger), start_row(ledger))
    assert told[0] == told[1]
    assert read(ledger.path, "SELECT count(*) FROM starts") == [(1,)]


def test_a_stop_sent_again_is_stored_once_and_another_is_kept_beside_it(ledger):
    [transaction_id] = commit(ledger, start_row(ledger))
    commit(ledger, stop_row(transaction_id), stop_row(transaction_id))
    commit(ledger, stop_row(transaction_id, meter=11))
    assert read(ledger.path, "SELECT meter_stop_wh FROM stops ORDER BY id") == [(9,), (11,)]
    assert read(ledger.path, "SELECT meter_stop_wh, energy_wh FROM transactions") == [(9, 4)]


def test_stops_of_ids_that_nobody_issued_are_orphans(ledger):  # TX-8: -1 when the id never arrived
    [transaction_id] = commit(ledger, start_row(ledger))
    commit(ledger, stop_row(-1), stop_row(4711), stop_row(transaction_id, station="GU-2"))
    assert read(ledger.path, "SELECT transaction_id FROM orphan_stops ORDER BY id") == [
        (-1,),
        (4711,),
        (transaction_id,),
    ]
    assert read(ledger.path, "SELECT count(*) FROM transactions WHERE stopped IS NULL") == [(1,)]


def test_ids_are_unique_across_restarts(tmp_path):
    path = tmp_path / "ledger.sqlite"
    first = Ledger(path, run_all)
    ids = commit(first, start_row(first), start_row(first, meter=6))
    first.close()
    second = Ledger(path, run_all)
    assert second.new_transaction_id() > max(ids)
    second.close()


def test_open_transactions_tags_and_registrations_are_recovered(ledger):
    open_row, ended = start_row(ledger), start_row(ledger, connector=2)
    boot = rows.Boot("GU-1", 1.0, "Legrand", "059004", None, None, "Pending", 1.0)
    commit(ledger, open_row, ended, boot)
    commit(ledger, stop_row(ended.transaction_id))
    done = threading.Event()
    ledger.change(
        "INSERT INTO tags VALUES (?, ?, ?, ?)", [("A", "Blocked", None, None)], lambda _: done.set()
    )
    assert done.wait(TIMEOUT_S)
    known = recover(ledger.path)
    assert known.open_transactions == [open_row]
    assert known.registered == {"GU-1": "Pending"}
    assert [(tag.id_tag, tag.status) for tag in known.tags] == [("A", "Blocked")]


def test_a_reboot_counts_and_replaces_what_the_station_said(ledger):
    boot = rows.Boot("GU-1", 1.0, "Legrand", "059004", None, "V1", "Accepted", 1.0)
    ledger.append(rows.Seen("GU-1", 0.5))
    commit(ledger, boot, replace(boot, firmware="V2", first_seen_s=9.0))
    assert read(ledger.path, "SELECT firmware, boots, first_seen_s FROM stations") == [("V2", 2, 0.5)]


@pytest.mark.parametrize("bad", [{"meter": 2**70}, {"id_tag": "\ud800"}])
def test_a_row_that_cannot_be_stored_spoils_no_other(ledger, bad):
    good = [start_row(ledger, meter=number) for number in range(40)]
    awaited = [*good[:20], start_row(ledger, **bad), *good[20:]]
    told = commit(ledger, *awaited)
    assert told[20] is None
    assert [kept for kept in told if kept is not None] == [row.transaction_id for row in good]
    assert read(ledger.path, "SELECT count(*) FROM starts") == [(40,)]
    assert ledger.counters.lost_rows == 1


def test_a_batch_larger_than_a_chunk_is_written_whole(ledger):
    for number in range(300):
        ledger.append(status_row(f"GU-{number}"))
    commit(ledger, start_row(ledger))
    assert read(ledger.path, "SELECT count(*) FROM statuses") == [(300,)]


def test_a_locked_database_is_waited_for(ledger, monkeypatch):
    ledger._db.execute("PRAGMA busy_timeout = 10")
    monkeypatch.setattr(ledger_module, "RETRY_PAUSE_S", 0.01)
    with closing(sqlite3.connect(ledger.path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        done = threading.Event()
        row = start_row(ledger)
        ledger.append_awaited(row, lambda _kept: done.set())
        while not ledger.counters.failing:
            assert not done.is_set()
        other.execute("ROLLBACK")
        assert done.wait(TIMEOUT_S)
    assert ledger.counters.failing == ""
    assert ledger.counters.lost_rows == 0


def test_when_the_disk_refuses_for_long_the_rows_are_counted_as_lost(ledger, monkeypatch):
    ledger._db.execute("PRAGMA busy_timeout = 10")
    monkeypatch.setattr(ledger_module, "RETRY_PAUSE_S", 0.01)
    monkeypatch.setattr(ledger_module, "GIVE_UP_S", 0.05)
    changed = []
    with closing(sqlite3.connect(ledger.path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        ledger.append(status_row())
        ledger.change("DELETE FROM tags", [()], changed.append)
        assert commit(ledger, start_row(ledger)) == [None]
        other.execute("ROLLBACK")
    assert ledger.counters.lost_rows == 2
    assert changed == [False]
    assert commit(ledger, start_row(ledger)) != [None]


def test_one_process_at_a_time_writes_a_database(ledger):
    with pytest.raises(PlanError, match="in use by another CSMS"):
        Ledger(ledger.path, run_all)


def test_a_file_that_is_no_database_is_bad_input(tmp_path):
    path = tmp_path / "notes.txt"
    path.write_text("these are my notes, please keep them\n" * 100)
    with pytest.raises(PlanError, match=r"notes\.txt"):
        Ledger(path, run_all)
    assert path.read_text().startswith("these are my notes")


def test_a_database_of_another_layout_is_bad_input(tmp_path):
    path = tmp_path / "other.sqlite"
    with closing(sqlite3.connect(path)) as db:
        db.execute("CREATE TABLE things (x)")
    with pytest.raises(PlanError, match="layout 0, not 1"):
        Ledger(path, run_all)


def test_a_folder_that_does_not_exist_is_bad_input(tmp_path):
    with pytest.raises(PlanError, match="name a writable folder"):
        Ledger(tmp_path / "nowhere" / "ledger.sqlite", run_all)


def test_after_close_the_write_ahead_log_is_folded_in(tmp_path):
    path = tmp_path / "ledger.sqlite"
    ledger = Ledger(path, run_all)
    for number in range(50):
        ledger.append(status_row(f"GU-{number}"))
    ledger.close()
    assert not path.with_name("ledger.sqlite-wal").exists()
    assert read(path, "SELECT count(*) FROM statuses") == [(50,)]


def test_every_row_type_has_the_columns_of_its_table(ledger):
    for row_type, (table, _conflict) in TABLES.items():
        columns = [name for _id, name, *_rest in read(ledger.path, f"PRAGMA table_info({table})")]
        assert set(row_type.__struct_fields__) <= set(columns), row_type


def test_sampled_values_read_one_per_row_with_the_defaults_of_the_specification(ledger):  # MV-4
    values = '[{"value":"7"},{"value":"16.0","measurand":"Current.Import","unit":"A","phase":"L1"}]'
    commit(ledger, rows.MeterValues("GU-1", 1, 3, "2026-05-04T10:00:00Z", 1.0, values, 2.0))
    assert read(ledger.path, "SELECT value, measurand, unit, phase FROM samples ORDER BY value DESC") == [
        ("7", "Energy.Active.Import.Register", "Wh", None),
        ("16.0", "Current.Import", "A", "L1"),
    ]


sessions = st.tuples(
    st.sampled_from(["GU-1", "GU-2"]), st.integers(1, 2), st.sampled_from(["A", "B"]), st.integers(0, 3)
)


@settings(max_examples=40)  # each example is a database on disk
@given(st.lists(st.lists(st.tuples(sessions, st.booleans()), max_size=8), max_size=6))
def test_however_often_and_in_whatever_batches_messages_come_again_each_session_is_there_once(batches):
    """Q-3, Q-4: a station resends until it is answered; nothing is lost, doubled or told two ids."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "ledger.sqlite"
        ledger = Ledger(path, run_all)
        id_of = {}
        stopped = set()
        for batch in batches:
            keys = [session for session, _stop in batch]
            told = commit(
                ledger, *(start_row(ledger, station, side, tag, meter=wh) for station, side, tag, wh in keys)
            )
            for key, kept in zip(keys, told, strict=True):
                assert id_of.setdefault(key, kept) == kept
            stops = [key for key, stop in batch if stop]
            commit(ledger, *(stop_row(id_of[key], station=key[0]) for key in stops))
            stopped |= set(stops)
        ledger.close()
        found = read(
            path,
            "SELECT station, connector, id_tag, meter_start_wh, transaction_id, stopped FROM transactions",
        )
        assert {tuple(row[:4]): row[4] for row in found} == id_of
        assert {tuple(row[:4]) for row in found if row[5]} == stopped
        assert len(found) == len(id_of) == len(set(id_of.values()))
        assert read(path, "SELECT count(*) FROM orphan_stops") == [(0,)]
