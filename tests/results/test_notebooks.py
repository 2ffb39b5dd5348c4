"""The example notebooks run from top to bottom on sample runs."""

import json
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

import results

NOTEBOOKS = sorted((Path(__file__).parents[2] / "notebooks").glob("*.ipynb"))
NOW_US = 1_790_000_000_000_000


@pytest.fixture(scope="module")
def workplace(sample, tmp_path_factory):
    """A folder as a user's: runs/ with six runs in turns, and a billing export with one lost session."""
    place = tmp_path_factory.mktemp("work")
    for number in range(6):
        what = sample.Sample(
            calls=6_000, seconds=20, stations=20, seed=number, start_us=NOW_US + number * 60_000_000,
            name=("before", "after")[number % 2],
        )  # fmt: skip
        path = sample.write(place / "runs", what)
    ledger = results.open(path).transactions.iloc[1:]
    columns = {"uid": "station", "meter_start_wh": "meter_start", "meter_stop_wh": "meter_stop"}
    chosen = ledger.rename(columns=columns | {"station": "number"})
    wanted = [
        "station",
        "connector",
        "transaction_id",
        "id_tag",
        "started",
        "meter_start",
        "stopped",
        "meter_stop",
    ]
    chosen[wanted].to_csv(place / "billing.csv", index=False)
    return place


def test_there_are_five_notebooks_without_outputs():
    assert len(NOTEBOOKS) == 5
    for path in NOTEBOOKS:
        for cell in json.loads(path.read_text())["cells"]:
            assert not cell.get("outputs"), f"{path.name}: clear the outputs before committing"


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_runs_and_shows_something(path, workplace):
    notebook = nbformat.read(path, as_version=4)
    client = NotebookClient(notebook, timeout=120, resources={"metadata": {"path": str(workplace)}})
    done = client.execute()
    shown = [cell for cell in done.cells if cell.cell_type == "code" and cell.outputs]
    assert len(shown) >= 3
