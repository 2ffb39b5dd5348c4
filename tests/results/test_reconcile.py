"""Every seeded defect is named, and nothing else."""

import csv
import json
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import results
from results.analysis.matching import WRONG, Match
from results.analysis.reconcile import Tolerance, reconcile
from results.analysis.reconcile_text import reconciliation_markdown, reconciliation_text
from results.analysis.records import Mapping, load_mapping, read_records, ready_mappings
from results.run import create
from stations.errors import PlanError

ROOT = Path(__file__).parents[2]
NOW_S = 1_790_000_000
NOW_US = NOW_S * 1_000_000
STATIONS, EACH = 10, 6


def sessions():
    """(station number, sequence, connector, tag, id, start Wh, start s, stop Wh, stop s) of each session."""
    for station in range(1, STATIONS + 1):
        for sequence in range(1, EACH + 1):
            start = 1_000 * sequence + station
            begun = NOW_S + 100 * sequence + station
            yield (
                station,
                sequence,
                1 + sequence % 2,
                f"TAG{station}",
                station * 100 + sequence,
                start,
                begun,
                start + 700,
                begun + 60,
            )


@pytest.fixture(scope="module")
def run_path(tmp_path_factory):
    """60 settled sessions with two acknowledged MeterValues each; two without an id, one running."""
    import _thread
    import time

    from results.recorder import Recorder

    run = create(
        tmp_path_factory.mktemp("runs"), "t", arguments={}, seed=1, started_us=NOW_US, workers=["00"]
    )
    recorder = Recorder(run.path, "00", start_new_thread=_thread.start_new_thread, sleep=time.sleep)
    for station in range(1, STATIONS + 1):
        recorder.station(station, f"GU-{station}", "059004", "greenup", NOW_US)
    for station, sequence, connector, tag, known, start, begun, stop, ended in sessions():
        line = {
            "connector": connector,
            "id_tag": tag,
            "meter_start_wh": start,
            "started_us": begun * 1_000_000,
        }
        recorder.transaction(
            station, at_us=NOW_US, sequence=sequence, state="started", transaction_id=None, **line
        )
        recorder.transaction(
            station, at_us=NOW_US + 1, sequence=sequence, state="settled", transaction_id=known,
            meter_stop_wh=stop, stopped_us=ended * 1_000_000, reason="Local",
            authorization="Accepted", **line,
        )  # fmt: skip
        for _ in range(2):
            recorder.call(
                station, connector, "MeterValues", "out", "ok", "", NOW_US, 0, 0, 9, 9, 9, sequence, False
            )
    unknown = {
        "connector": 1,
        "id_tag": "TAG1",
        "transaction_id": None,
        "started_us": (NOW_S + 5_000) * 1_000_000,
    }
    for sequence in (7, 8):
        recorder.transaction(
            1, at_us=NOW_US, sequence=sequence, state="started", meter_start_wh=90_000 + sequence, **unknown
        )
    recorder.transaction(
        2, at_us=NOW_US, sequence=7, state="acknowledged", meter_start_wh=95_000,
        **unknown | {"transaction_id": 299, "id_tag": "TAG2"},
    )  # fmt: skip
    run.finish([recorder.close()], ended_us=NOW_US + 10_000_000_000)
    return run.path


@pytest.fixture
def database(tmp_path):
    """The embedded central system's ledger as it should be."""
    return correct_ledger(tmp_path / "csms.sqlite")


def correct_ledger(path):
    with closing(sqlite3.connect(path)) as connection:
        connection.executescript((ROOT / "csms" / "schema.sql").read_text())
        for station, _, connector, tag, known, start, begun, stop, ended in sessions():
            add_start(connection, known, f"GU-{station}", connector, tag, begun, start)
            add_stop(connection, f"GU-{station}", known, ended, stop)
            for number in range(2):
                add_values(connection, f"GU-{station}", known, begun + number)
        add_start(connection, 107, "GU-1", 1, "TAG1", NOW_S + 5_000, 90_007)
        add_start(connection, 299, "GU-2", 1, "TAG2", NOW_S + 5_000, 95_000)
        connection.commit()
    return path


def add_start(connection, known, station, connector, tag, begun, meter):  # noqa: PLR0917 — a row
    row = (known, station, connector, tag, str(begun), begun, meter, None, "Accepted", begun, 0)
    connection.execute(f"INSERT INTO starts VALUES ({','.join('?' * len(row))})", row)


def add_stop(connection, station, known, ended, meter):
    row = (None, station, known, str(ended), ended, meter, None, "Local", None, ended)
    connection.execute(f"INSERT INTO stops VALUES ({','.join('?' * len(row))})", row)


def add_values(connection, station, known, at):
    row = (None, station, 1, known, str(at), at, "[]", at)
    connection.execute(f"INSERT INTO meter_values VALUES ({','.join('?' * len(row))})", row)


def seed(database, *statements):
    with closing(sqlite3.connect(database)) as connection:
        for statement in statements:
            assert connection.execute(statement).rowcount == 1, statement
        connection.commit()


def counts(run_path, database, **options):
    run = results.open(run_path)
    found, _ = reconcile(run, read_records(str(database)), source="db", **options)
    return found


CLEAN = {Match.EXACT: 60, Match.OPEN: 1, Match.UNKNOWN_PRESENT: 1, Match.UNKNOWN_ABSENT: 1}


def test_a_correct_central_system_is_found_correct(run_path, database):
    found = counts(run_path, database)
    assert found.counts == CLEAN
    assert found.wrong == 0
    assert found.exit_code == 0
    assert found.energy_sent_kwh == found.energy_recorded_kwh == 42.0


def test_a_run_without_sessions_and_a_ledger_without_records_agree(new_recorder, tmp_path, database):
    run = create(tmp_path / "runs", "t", arguments={}, seed=1, started_us=NOW_US, workers=["00"])
    run.finish([new_recorder(run.path).close()], ended_us=NOW_US)
    empty = tmp_path / "empty.sqlite"
    with closing(sqlite3.connect(empty)) as connection:
        connection.executescript((ROOT / "csms" / "schema.sql").read_text())
    for their in (empty, database):  # the full one is about stations that this run never had
        found = counts(run.path, their)
        assert (found.sessions, found.records, found.wrong) == (0, 0, 0)


DEFECTS = {
    Match.LOST: ["DELETE FROM starts WHERE transaction_id = 301"],
    Match.LOST_STOP: ["DELETE FROM stops WHERE transaction_id = 302"],
    Match.DUPLICATED: [
        """INSERT INTO starts SELECT 9001, station, connector, id_tag, started, started_s, meter_start_wh,
        reservation_id, authorization, received_s, 1 FROM starts WHERE transaction_id = 303"""
    ],
    Match.ENERGY: ["UPDATE stops SET meter_stop_wh = meter_stop_wh + 1 WHERE transaction_id = 304"],
    Match.TIMES: ["UPDATE stops SET stopped_s = stopped_s + 90 WHERE transaction_id = 305"],
    Match.TAG: ["UPDATE starts SET id_tag = 'SOMEBODY' WHERE transaction_id = 306"],
    Match.STATION: ["UPDATE starts SET connector = 3 - connector WHERE transaction_id = 401"],
    Match.VALUES_MISSING: [
        "DELETE FROM meter_values WHERE id = (SELECT min(id) FROM meter_values WHERE transaction_id = 402)"
    ],
    Match.ORPHAN: [
        """INSERT INTO starts SELECT 9002, station, connector, 'GHOST', '', started_s + 9, 77777,
        NULL, authorization, received_s, 0 FROM starts WHERE transaction_id = 403"""
    ],
}


@pytest.mark.parametrize("verdict", DEFECTS)
def test_one_seeded_defect_is_named_and_nothing_else(run_path, database, verdict):
    seed(database, *DEFECTS[verdict])
    found = counts(run_path, database)
    wrong = {v: n for v, n in found.counts.items() if v in WRONG}
    assert wrong == {verdict: 1}
    assert found.exit_code == 4
    (evidence,) = found.evidence
    assert evidence.verdict is verdict
    assert evidence.station in {"GU-3", "GU-4"}


@settings(max_examples=8)
@given(chosen=st.sets(st.sampled_from(list(DEFECTS))))
def test_any_mixture_of_defects_is_counted_exactly(run_path, tmp_path_factory, chosen):
    path = tmp_path_factory.mktemp("db") / "csms.sqlite"
    correct_ledger(path)
    for verdict in chosen:
        seed(path, *DEFECTS[verdict])
    found = counts(run_path, path)
    assert {v: n for v, n in found.counts.items() if v in WRONG} == dict.fromkeys(chosen, 1)


def test_one_id_for_two_sessions_is_named_merged(new_recorder, tmp_path, database):
    """TX-11: one transactionId for both sides of a station leaves one record of two sessions."""
    run = create(tmp_path, "t", arguments={}, seed=1, started_us=NOW_US, workers=["00"])
    recorder = new_recorder(run.path)
    recorder.station(1, "GU-1", "059004", "greenup", NOW_US)
    for connector, meter in ((1, 500), (2, 800)):
        recorder.transaction(
            1, at_us=NOW_US, sequence=connector, state="settled", connector=connector, id_tag="T",
            transaction_id=5, meter_start_wh=meter, started_us=NOW_US + connector,
            meter_stop_wh=meter + 100, stopped_us=NOW_US + 60_000_000,
        )  # fmt: skip
    run.finish([recorder.close()], ended_us=NOW_US + 100)
    path = tmp_path / "merged.sqlite"
    with closing(sqlite3.connect(path)) as connection:
        connection.executescript((ROOT / "csms" / "schema.sql").read_text())
        add_start(connection, 5, "GU-1", 1, "T", NOW_S, 500)
        add_stop(connection, "GU-1", 5, NOW_S + 60, 600)
        connection.commit()
    found = counts(run.path, path)
    assert found.counts == {Match.EXACT: 1, Match.MERGED: 1}


def test_a_stop_stored_twice_is_duplicated(run_path, database):
    seed(
        database,
        """INSERT INTO stops SELECT NULL, station, transaction_id, 'x', stopped_s, meter_stop_wh, NULL,
        reason, NULL, received_s FROM stops WHERE transaction_id = 501""",
    )
    assert counts(run_path, database).counts[Match.DUPLICATED] == 1


def test_records_of_other_stations_and_earlier_times_are_left_out(run_path, database):
    with closing(sqlite3.connect(database)) as connection:
        add_start(connection, 8_001, "OTHER", 1, "T", NOW_S + 10, 5)
        add_start(connection, 8_002, "GU-1", 1, "T", NOW_S - 86_400, 5)
        connection.commit()
    found = counts(run_path, database)
    assert found.outside == 2
    assert found.wrong == 0


def test_tolerances_and_tariff(run_path, database):
    seed(database, *DEFECTS[Match.ENERGY], *DEFECTS[Match.TIMES], *DEFECTS[Match.LOST])
    found = counts(run_path, database, tariff=0.5)
    assert found.energy_wrong_kwh == pytest.approx(0.701)
    assert found.at_stake == pytest.approx(0.3505)
    relaxed = counts(run_path, database, tolerance=Tolerance(time_s=120, energy_wh=1))
    assert {v for v in relaxed.counts if v in WRONG} == {Match.LOST}


def test_text_and_markdown_name_what_is_wrong(run_path, database):
    seed(database, *DEFECTS[Match.LOST_STOP])
    found = counts(run_path, database, tariff=0.3)
    text = reconciliation_text(found)
    assert "! lost_stop" in text
    assert "GU-3/1 id 302 tag TAG3" in text
    assert "1 sessions or records are wrong" in text
    assert reconciliation_markdown(found).startswith("### ❌ 1 sessions")


def test_the_summary_is_kept_for_gates(run_path, database):
    counts(run_path, database)
    assert json.loads((run_path / "reconcile.json").read_text())["counts"]["exact"] == 60


def as_csv(database, path, header, energy=1, stamp=lambda s: s):
    frame = read_records(str(database))
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(header)
        for row in frame.itertuples():
            stop = (
                ["", ""] if pd.isna(row.meter_stop_wh) else [stamp(row.stopped), row.meter_stop_wh / energy]
            )
            writer.writerow(
                [
                    f"/ocpp/{row.station}",
                    row.transaction_id,
                    row.id_tag,
                    stamp(row.started),
                    row.meter_start_wh / energy,
                    *stop,
                ]
            )


def test_a_csv_with_a_mapping_of_columns_units_zone_and_identities(run_path, database, tmp_path):
    path = tmp_path / "export.csv"
    header = ["Charger", "Session", "Card", "Begin", "From kWh", "End", "To kWh"]
    as_csv(
        database, path, header, 1_000, lambda at: at.tz_convert("Europe/Paris").strftime("%Y-%m-%d %H:%M:%S")
    )
    mapping = tmp_path / "mine.toml"
    mapping.write_text(
        'product = "x"\nversion = "1"\nenergy = "kWh"\ntime = "Europe/Paris"\nmeter_values = "none"\n'
        'station = "([^/]+)$"\n[columns]\nstation = "Charger"\ntransaction_id = "Session"\nid_tag = "Card"\n'
        'started = "Begin"\nmeter_start = "From kWh"\nstopped = "End"\nmeter_stop = "To kWh"\n'
    )
    found, _ = reconcile(results.open(run_path), read_records(str(path), load_mapping(str(mapping))))
    assert found.counts == CLEAN


def test_a_csv_with_our_own_column_names_needs_no_mapping(run_path, tmp_path):
    path = tmp_path / "x.csv"
    path.write_text(
        "station,transaction_id,started,meter_start,stopped,meter_stop\nGU-1,101,2026-09-21T14:15:01Z,1001,,\n"
    )
    found, _ = reconcile(results.open(run_path), read_records(str(path)))
    assert found.counts[Match.LOST_STOP] == 1
    assert found.counts[Match.LOST] == 59 + 1


def test_any_sql_database_is_read_through_sqlalchemy(run_path, database):
    pytest.importorskip("sqlalchemy")
    direct = read_records(str(database))
    through = read_records(f"sqlite+pysqlite:///{database}", load_mapping("greenup"))
    pd.testing.assert_frame_equal(direct, through)


@pytest.mark.parametrize("name", ready_mappings())
def test_ready_mappings_run_on_a_database_with_the_documented_tables(name, tmp_path):
    mapping = load_mapping(name)
    path = tmp_path / "x.sqlite"
    with closing(sqlite3.connect(path)) as connection:
        for table, columns in mapping.tables.items():
            quoted = ", ".join(f'"{column}"' for column in columns)
            connection.execute(f'CREATE TABLE "{table}" ({quoted})')
        connection.commit()
    records = read_records(str(path), mapping)
    assert records.empty
    assert {"station", "meter_start_wh", "stopped", "stops"} <= set(records.columns)


@pytest.mark.parametrize("connector", ["connector", "evse"])  # its name before and since, columns included
def test_steves_three_tables_show_a_second_stop(tmp_path, connector):
    path = tmp_path / "steve.sqlite"
    with closing(sqlite3.connect(path)) as connection:
        connection.executescript(
            f"""
            CREATE TABLE transaction_start
                (transaction_pk, {connector}_pk, id_tag, start_timestamp, start_value);
            CREATE TABLE transaction_stop (transaction_pk, event_timestamp, stop_timestamp, stop_value);
            CREATE TABLE transaction_stop_failed (transaction_pk);
            CREATE TABLE {connector} ({connector}_pk, charge_box_id, {connector}_id);
            CREATE TABLE connector_meter_value (transaction_pk, value_timestamp);
            INSERT INTO {connector} VALUES (1, 'GU-1', 2);
            INSERT INTO transaction_start VALUES (11, 1, 'T', '2026-09-21 14:15:01.000', '1001');
            INSERT INTO transaction_stop VALUES (11, '2026-09-21 14:16:02', '2026-09-21 14:16:01', '1701');
            INSERT INTO transaction_stop VALUES (11, '2026-09-21 14:17:02', '2026-09-21 14:16:01', '1801');
            INSERT INTO connector_meter_value VALUES (11, '2026-09-21 14:15:30');
            """
        )
    (record,) = read_records(str(path), load_mapping("steve")).to_dict("records")
    assert (record["station"], record["connector"], record["transaction_id"], record["stops"]) == (
        "GU-1",
        2,
        11,
        2,
    )
    assert (record["meter_start_wh"], record["meter_stop_wh"], record["meter_values"]) == (1_001, 1_701, 1)
    assert record["started"] == pd.Timestamp("2026-09-21T14:15:01Z")


def test_a_database_is_never_written(database):
    mapping = Mapping("x", "1", query="WITH x AS (SELECT 1) DELETE FROM starts")
    with pytest.raises(PlanError):
        read_records(str(database), mapping)
    assert len(read_records(str(database))) == 62


BAD_MAPPINGS = [
    ("product = 'x'", "version"),
    ("product = 'x'\nversion = '1'", "a query for a database or"),
    ("product = 'x'\nversion = '1'\nquery = 'DELETE FROM x'", "must be a SELECT"),
    ("product = 'x'\nversion = '1'\nquery = 'SELECT 1'\nenergy = 'MWh'", "write Wh or kWh"),
    ("product = 'x'\nversion = '1'\ncolums = {}", "colums"),
    ("product = ", "Invalid value"),
]


@pytest.mark.parametrize(("text", "told"), BAD_MAPPINGS)
def test_a_broken_mapping_is_one_line(tmp_path, text, told):
    path = tmp_path / "m.toml"
    path.write_text(text)
    with pytest.raises(PlanError, match=told):
        load_mapping(str(path))


def test_wrong_sources_are_one_line(tmp_path, database):
    with pytest.raises(
        PlanError,
        match="no such mapping; name a file or one of arthexis, citrineos, greenup, steve, steve-evse",
    ):
        load_mapping("nosuch")
    with pytest.raises(PlanError, match="no such database"):
        read_records(str(tmp_path / "none.sqlite"))
    with pytest.raises(PlanError, match="no table 'transaction_start'; the mapping is for SteVe"):
        read_records(str(database), load_mapping("steve"))
    (tmp_path / "junk.sqlite").write_text("not a database at all, just some text of sufficient length")
    with pytest.raises(PlanError, match="is this a Green'Up Swarm embedded CSMS database"):
        read_records(str(tmp_path / "junk.sqlite"))
    (tmp_path / "a.csv").write_text("station\nGU-1\n")
    with pytest.raises(PlanError, match="no column 'meter_start'"):
        read_records(str(tmp_path / "a.csv"))
    with pytest.raises(PlanError, match=r"nosuchdialect.*\*\*\*@|nosuchdialect"):
        read_records("nosuchdialect://user:secret@host/db")


def test_a_password_in_a_url_is_not_shown():
    pytest.importorskip("sqlalchemy")
    with pytest.raises(PlanError) as error:
        read_records("mysql+nosuch://user:hunter2@host/db")
    assert "hunter2" not in str(error.value)


def test_the_command_ends_with_code_4_and_writes_all_sessions(run_path, database, tmp_path):
    seed(database, *DEFECTS[Match.LOST])
    command = [
        sys.executable,
        "-m",
        "results.analysis",
        "reconcile",
        str(run_path),
        "--source",
        str(database),
    ]
    done = subprocess.run(
        [*command, "--csv", str(tmp_path / "all.csv"), "--tariff", "0.4"],
        check=False,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 4, done.stderr
    assert "at stake: 0.700 kWh, 0.28 at 0.4 per kWh" in done.stdout
    assert len((tmp_path / "all.csv").read_text().splitlines()) == 1 + 63
