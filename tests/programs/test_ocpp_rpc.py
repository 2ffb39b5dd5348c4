"""Our stations on a central system made of `ocpp-rpc` (npm), whose validator checks every call and answer.

Opt-in: `make thirdparty`, or GREENUP_OCPP_RPC=the folder that has its node_modules.
"""

import os
import subprocess
from pathlib import Path

import pandas as pd
import pytest

import results
from results.analysis.matching import WRONG, Match
from results.analysis.reconcile import reconcile
from results.analysis.records import load_mapping, read_records

STATIONS = 10

pytestmark = [
    pytest.mark.realnet,
    pytest.mark.thirdparty,
    pytest.mark.skipif(
        "GREENUP_OCPP_RPC" not in os.environ,
        reason="needs ocpp-rpc from npm: make thirdparty, or GREENUP_OCPP_RPC=the folder it is installed in",
    ),
]

MAPPING = """
product = "A central system on ocpp-rpc"
version = "2.2"
energy = "kWh"

[columns]
station = "charger"
connector = "side"
transaction_id = "session"
id_tag = "card"
started = "begin"
meter_start = "from_kwh"
stopped = "end"
meter_stop = "to_kwh"
meter_values = "readings"
"""


@pytest.fixture
def csms(tmp_path):
    """Start it in one of its manners; (URL, ledger, what it complains about)."""
    program = Path(__file__).parents[1] / "support" / "ocpp_rpc_csms.js"
    ledger, complaints = tmp_path / "theirs.csv", tmp_path / "complaints.txt"
    running = []

    def start(manner):
        with complaints.open("w") as said:
            process = subprocess.Popen(
                ["node", str(program), str(ledger), manner],
                stdout=subprocess.PIPE,
                stderr=said,
                text=True,
                env=os.environ | {"NODE_PATH": f"{os.environ['GREENUP_OCPP_RPC']}/node_modules"},
            )
        running.append(process)
        return f"ws://127.0.0.1:{int(process.stdout.readline())}", ledger, complaints

    yield start
    for process in running:
        process.kill()
        process.wait()
        process.stdout.close()


def load(locust, url):
    program = locust(
        *("--headless", "-u", STATIONS, "-r", STATIONS, "--duration", "6s", "--stop-timeout", 10),
        *("--time-scale", 10, "--timestamps", "real", "--csms-url", url),
    )
    assert program.passed(program.finish()), program.said
    return results.open(program.run_folders()[-1].parent)


def judged(run, ledger, mapping):
    found, rows = reconcile(run, read_records(str(ledger), mapping), source="ocpp-rpc")
    wrong = rows[rows["verdict"].isin([str(verdict) for verdict in WRONG])]
    return found, {(row.uid, row.transaction_id): Match(row.verdict) for row in wrong.itertuples()}


def test_its_validator_likes_every_message_and_seeded_defects_of_its_ledger_are_named(locust, csms, tmp_path):
    url, ledger, complaints = csms("strict")
    run = load(locust, url)
    assert complaints.read_text() == ""
    assert set(run.calls["outcome"]) <= {"ok", "cancelled"}
    answered = run.calls[(run.calls["direction"] == "in") & (run.calls["outcome"] == "ok")]
    assert set(answered["action"]) == {"GetConfiguration", "TriggerMessage"}
    assert len(run.findings) == 0
    (tmp_path / "theirs.toml").write_text(MAPPING)
    mapping = load_mapping(str(tmp_path / "theirs.toml"))
    found, _ = judged(run, ledger, mapping)
    assert found.exit_code == 0, found
    assert found.counts[Match.EXACT] >= 5, found

    theirs = pd.read_csv(ledger)
    lost, doubled, dearer = (
        (row.charger, row.session) for row in theirs.dropna(subset="end").head(3).itertuples()
    )
    theirs.loc[2, "to_kwh"] += 0.001
    damaged = pd.concat([theirs.drop(0), theirs.loc[[1]]])
    damaged.to_csv(ledger, index=False)
    found, wrong = judged(run, ledger, mapping)
    assert wrong == {lost: Match.LOST, doubled: Match.DUPLICATED, dearer: Match.ENERGY}
    assert found.exit_code == 4


def test_the_rules_that_it_breaks_are_found_and_no_others(locust, csms):
    url, _, _ = csms("careless")
    run = load(locust, url)
    assert set(run.findings["rule"]) == {"HB-2", "RPC-7", "RPC-11"}
