"""Our stations on Arthexis, a whole central system of others, reconciled with its own database.

Opt-in: `make thirdparty`, or GREENUP_ARTHEXIS=the Python of an environment with arthexis==2.0.0. Its pins
are not ours, so it has an environment of its own.
"""

import os
import sqlite3
import subprocess
import time
from contextlib import closing
from pathlib import Path

import pytest

import results
from results.analysis.matching import WRONG, Match
from results.analysis.reconcile import reconcile
from results.analysis.records import load_mapping, read_records

STATIONS = 10
KEY = "sixteen-bytes-key"  # as in tests/support/arthexis_csms.py

pytestmark = [
    pytest.mark.realnet,
    pytest.mark.thirdparty,
    pytest.mark.skipif(
        "GREENUP_ARTHEXIS" not in os.environ,
        reason="needs Arthexis: make thirdparty, or GREENUP_ARTHEXIS=the Python it is installed in",
    ),
]


@pytest.fixture
def arthexis(tmp_path):
    """(URL, database) of a running one that knows our stations."""
    program = Path(__file__).parents[1] / "support" / "arthexis_csms.py"
    names = [f"GU-{number:06}" for number in range(1, STATIONS + 1)]
    with (tmp_path / "arthexis.log").open("w") as log:
        process = subprocess.Popen(
            [os.environ["GREENUP_ARTHEXIS"], str(program), str(tmp_path / "theirs"), *names],
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
            env=os.environ | {"PYTHONPATH": ""},  # its packages have names of their own
        )
        try:
            port = int(process.stdout.readline())
            yield f"ws://127.0.0.1:{port}/ws/ocpp", tmp_path / "theirs" / "db.sqlite3"
        finally:
            process.kill()
            process.wait()
            process.stdout.close()


def asked(database, statement, *values):
    with closing(sqlite3.connect(database)) as connection, connection:
        return connection.execute(statement, values).fetchall()


def judged(run, database):
    found, rows = reconcile(run, read_records(str(database), load_mapping("arthexis")), source="arthexis")
    wrong = rows[rows["verdict"].isin([str(verdict) for verdict in WRONG])]
    return found, dict(
        zip(wrong["their_transaction_id"].fillna(wrong["transaction_id"]), wrong["verdict"], strict=True)
    )


def test_arthexis_keeps_what_it_acknowledged_and_every_seeded_defect_is_named(locust, arthexis):
    url, database = arthexis
    program = locust(
        *("--headless", "-u", STATIONS, "-r", 5, "--duration", "30s", "--stop-timeout", 20),
        *("--csms-url", url, "--basic-auth-key", KEY),
    )
    assert program.passed(program.finish(timeout_s=120)), program.said
    time.sleep(2)  # it may answer before it writes
    run = results.open(program.run_folders()[-1].parent)
    calls = run.calls[run.calls["direction"] == "out"]
    assert set(calls["outcome"]) <= {"ok", "cancelled"}
    assert len(run.findings) == 0
    (inbound,) = asked(
        database, "SELECT count(*) FROM ocpp_inboundprotocolrequest WHERE status = 'completed'"
    )[0]
    assert inbound == (calls["outcome"] == "ok").sum()
    found, wrong = judged(run, database)
    assert found.exit_code == 0, found
    assert found.counts[Match.EXACT] >= 7, found

    ids = [number for (number,) in asked(database, "SELECT id FROM ocpp_ocpptransaction ORDER BY id LIMIT 7")]
    lost, doubled, energy, times, tag, place, open_again = ids
    columns = [row[1] for row in asked(database, "SELECT * FROM pragma_table_info('ocpp_ocpptransaction')")]
    copied = ", ".join(c for c in columns if c not in {"id", "remote_id"})
    asked(database, "DELETE FROM ocpp_metervalue WHERE transaction_id = ?", lost)
    asked(database, "DELETE FROM ocpp_ocpptransaction WHERE id = ?", lost)
    asked(
        database,
        f"INSERT INTO ocpp_ocpptransaction (remote_id, {copied}) SELECT 'again', {copied} "
        "FROM ocpp_ocpptransaction WHERE id = ?",
        doubled,
    )
    change = "UPDATE ocpp_ocpptransaction SET {} WHERE id = ?"
    asked(database, change.format("meter_stop = meter_stop + 1"), energy)
    asked(database, change.format("stopped_at = datetime(stopped_at, '+5 seconds')"), times)
    asked(database, change.format("id_tag = 'SOMEBODY'"), tag)
    asked(
        database,
        change.format(
            "connector_id = (SELECT id FROM ocpp_connector WHERE number = 0 AND ocpp_connector.charger_id = "
            "ocpp_ocpptransaction.charger_id)"
        ),
        place,
    )
    asked(
        database, change.format("stopped_at = NULL, meter_stop = NULL, recovery_state = 'active'"), open_again
    )
    found, wrong = judged(run, database)
    assert wrong == {
        lost: Match.LOST,
        doubled: Match.DUPLICATED,
        energy: Match.ENERGY,
        times: Match.TIMES,
        tag: Match.TAG,
        place: Match.STATION,
        open_again: Match.LOST_STOP,
    }
    assert found.exit_code == 4
