"""A real run against a central system that errs on purpose: each defect is named, and nothing else."""

import os
import sqlite3
import subprocess
import sys
from contextlib import closing

import pandas as pd
import pytest

import results
from csms.launch import start_embedded
from results.analysis.matching import WRONG, Match
from results.analysis.reconcile import reconcile
from results.analysis.records import read_records

pytestmark = pytest.mark.realnet

BEHAVIOUR = """
seed = 4
[[fault]]
name = "lost-start"
share = 0.1
[[fault]]
name = "doubled-start"
share = 0.1
[[fault]]
name = "lost-stop"
share = 0.1
[[fault]]
name = "altered-energy"
share = 0.1
offset_wh = 5
[[fault]]
name = "lost-meter-values"
share = 0.3
[[fault]]
name = "late-answer"
actions = ["Heartbeat", "Authorize"]
share = 0.2
delay_s = 0.2
[[fault]]
name = "foreign-id"
actions = ["StatusNotification"]
share = 0.05
"""
# Of several defects of one session, reconciliation tells the first in this order.
VERDICTS = {
    "lost-start": Match.LOST,
    "doubled-start": Match.DUPLICATED,
    "lost-stop": Match.LOST_STOP,
    "altered-energy": Match.ENERGY,
    "lost-meter-values": Match.VALUES_MISSING,
}


@pytest.fixture(scope="module")
def erring(tmp_path_factory):
    """(run, database) of forty stations on the erring central system."""
    folder = tmp_path_factory.mktemp("erring")
    (folder / "faults.toml").write_text(BEHAVIOUR)
    database = folder / "csms.sqlite"
    with start_embedded(database, arguments=["--behaviour", str(folder / "faults.toml")]) as csms:
        command = [
            *(sys.executable, "-m", "locust", "-f", "locustfiles/steady.py", "--csms-url", csms.url),
            *("-u", "40", "-r", "20", "--duration", "25s", "--headless", "--only-summary"),
            *("--runs", str(folder / "runs"), "--stop-timeout", "15"),
        ]
        done = subprocess.run(
            command, capture_output=True, text=True, timeout=180, check=False, env=os.environ
        )
        assert "Traceback" not in done.stderr, done.stderr
    return next((folder / "runs").iterdir()), database


def misdeeds(database):
    with closing(sqlite3.connect(database)) as connection:
        return pd.read_sql_query("SELECT fault, station, transaction_id FROM misdeeds", connection)


def expected(acts, recorded):
    """Verdict by (station, transaction) from what the central system says it did."""
    verdicts = {}
    for fault, verdict in VERDICTS.items():
        for row in acts[acts["fault"] == fault].itertuples():
            key = (row.station, int(row.transaction_id))
            # The second record of a doubled start has an id that no station was told.
            verdicts.setdefault(key, verdict)
    return {key: verdict for key, verdict in verdicts.items() if key in recorded}


def test_every_seeded_defect_of_the_ledger_is_named_and_nothing_else(erring):
    path, database = erring
    run = results.open(path)
    found, rows = reconcile(run, read_records(str(database)), source="csms")
    sessions = rows[rows["verdict"] != Match.ORPHAN]
    told = {
        (r.uid, int(r.transaction_id)): r.verdict for r in sessions.itertuples() if pd.notna(r.transaction_id)
    }
    wrong = {key: verdict for key, verdict in told.items() if verdict in WRONG}
    acts = misdeeds(database)
    assert set(VERDICTS) <= set(acts["fault"]), "the run was too short to see every defect"
    assert wrong == expected(acts, told)
    assert Match.ORPHAN not in found.counts
    assert found.exit_code == 4


def test_findings_name_what_the_central_system_did_on_the_wire(erring):
    path, database = erring
    acts = misdeeds(database)
    findings = results.open(path).findings
    counted = findings.groupby("rule", observed=True)["count"].sum()
    foreign = (acts["fault"] == "foreign-id").sum()
    assert 0 < counted["RPC-5"] <= foreign + (acts["fault"] == "late-answer").sum()
    # A foreign id leaves a call without an answer: a second finding if it still times out in the run.
    assert 0 <= counted.get("RPC-4", 0) <= foreign
    assert set(counted.index) <= {"RPC-4", "RPC-5"}


def test_the_run_itself_is_whole(erring):
    path, _ = erring
    run = results.open(path)
    assert run.record.receipts.keys() == {"00"}
    assert run.record.lost_workers == []
    assert run.record.station_bugs == 0
    assert run.summary().sessions.started >= 40
