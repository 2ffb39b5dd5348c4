"""Our stations on a central system made of others' code, with a ledger of its own."""

import sqlite3
import subprocess
import sys
from contextlib import closing
from importlib.util import find_spec
from pathlib import Path

import pytest

import results
from results.analysis.matching import WRONG, Match
from results.analysis.reconcile import reconcile
from results.analysis.records import load_mapping, read_records

pytestmark = [
    pytest.mark.realnet,
    pytest.mark.thirdparty,
    pytest.mark.skipif(
        find_spec("ocpp") is None, reason="needs the PyPI package ocpp (pip install --group dev)"
    ),
]

MAPPING = '''
product = "A central system on the ocpp package"
version = "2.1"
energy = "kWh"
time = "utc"
meter_values = "counted"
query = """
SELECT charger AS station, side AS connector, number AS transaction_id, card AS id_tag,
       begin_at AS started, begin_kwh AS meter_start, end_at AS stopped, end_kwh AS meter_stop, ends AS stops,
       (SELECT count(*) FROM reading WHERE reading.charging = number) AS meter_values
FROM charging
"""

[tables]
charging = ["number", "charger", "side", "card", "begin_at", "begin_kwh", "end_at", "end_kwh", "ends"]
reading = ["charging"]
'''


@pytest.fixture
def their_csms(tmp_path):
    """(URL, ledger) of a running one."""
    ledger = tmp_path / "theirs.sqlite"
    program = Path(__file__).parents[1] / "support" / "their_csms.py"
    process = subprocess.Popen([sys.executable, str(program), str(ledger)], stdout=subprocess.PIPE, text=True)
    try:
        yield f"ws://127.0.0.1:{int(process.stdout.readline())}/ocpp", ledger
    finally:
        process.kill()
        process.wait()
        process.stdout.close()


def asked(ledger, statement):
    with closing(sqlite3.connect(ledger)) as connection, connection:
        return connection.execute(statement).fetchall()


def test_their_validator_likes_every_message_and_their_ledger_is_ours(locust, their_csms, tmp_path):
    url, ledger = their_csms
    program = locust(
        *("--headless", "-u", 20, "-r", 20, "--duration", "6s", "--stop-timeout", 10),
        *("--time-scale", 10, "--csms-url", url),
    )
    assert program.passed(program.finish()), program.said
    run = results.open(program.run_folders()[-1].parent)
    calls = run.calls[run.calls["direction"] == "out"]
    assert set(calls["outcome"]) <= {"ok", "cancelled"}, "their library refuses what breaks the schemas"
    assert len(run.findings) == 0
    assert len(asked(ledger, "SELECT DISTINCT charger FROM boot")) == 20
    (tmp_path / "theirs.toml").write_text(MAPPING)
    mapping = load_mapping(str(tmp_path / "theirs.toml"))
    found, _ = reconcile(run, read_records(str(ledger), mapping), source="theirs")
    assert found.counts[Match.EXACT] >= 5, found
    assert not WRONG & found.counts.keys(), found
    assert found.exit_code == 0

    (number,) = asked(ledger, "SELECT min(number) FROM charging WHERE ends = 1")[0]
    asked(ledger, f"UPDATE charging SET end_kwh = end_kwh + 0.1 WHERE number = {number}")
    asked(ledger, f"DELETE FROM charging WHERE number = {number} + 1")
    found, _ = reconcile(run, read_records(str(ledger), mapping), source="theirs")
    assert (found.counts[Match.ENERGY], found.counts[Match.LOST], found.exit_code) == (1, 1, 4)
