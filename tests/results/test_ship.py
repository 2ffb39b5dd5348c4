import shutil

import fsspec
import pytest

import results
from results.run import create
from results.ship import fetch, ship
from stations.errors import PlanError

NOW_US = 1_790_000_000_000_000


@pytest.fixture
def place():
    yield "memory://bucket/runs"
    fsspec.filesystem("memory").store.clear()


def test_a_run_goes_to_an_object_store_and_back(sample_path, sample_run, place, tmp_path):
    assert ship(sample_path, place) > 14
    back = results.open(fetch(f"{place}/{sample_path.name}", tmp_path))
    assert len(back.calls) == len(sample_run.calls)
    assert back.trust.trusted


def test_two_machines_make_one_run(sample, place, tmp_path):
    """Each machine has its own workers; only the master's has run.json."""
    whole = sample.write(tmp_path / "a", sample.Sample(calls=600, seconds=3, stations=4))
    other = tmp_path / "b" / whole.name
    shutil.copytree(whole, other)
    for part in whole.glob("*/worker=01"):
        shutil.rmtree(part)
    (other / "run.json").unlink()
    for part in other.glob("*/worker=00"):
        shutil.rmtree(part)
    assert not results.open(whole).trust
    ship(other, place)
    ship(whole, place)
    joined = results.open(fetch(f"{place}/{whole.name}", tmp_path / "c"))
    assert joined.trust
    assert len(joined.calls) == 600


def test_following_ships_closed_parts_during_the_run_and_the_rest_at_its_end(new_recorder, place, tmp_path):
    run = create(tmp_path, "t", arguments={}, seed=1, started_us=NOW_US, workers=["00"])
    part = run.path / "calls" / "worker=00" / "part-00000.parquet"
    part.parent.mkdir(parents=True)
    part.write_bytes(b"closed")
    (part.parent / "_open-00001.arrows").write_bytes(b"open")
    seen = []

    def look(_seconds):
        seen.append(sorted(name.rpartition("/")[2] for name in fsspec.filesystem("memory").find("/bucket")))
        run.finish([], ended_us=NOW_US)

    ship(run.path, place, follow=True, sleep=look)
    assert seen == [["part-00000.parquet", "run.json"]]
    there = fsspec.filesystem("memory").find("/bucket")
    assert any(name.endswith("_open-00001.arrows") for name in there)
    sealed = fsspec.filesystem("memory").cat_file(next(name for name in there if name.endswith("run.json")))
    assert b'"finished"' in sealed


def test_a_store_that_fails_now_and_then_is_tried_again(sample_path, place, monkeypatch):
    system = fsspec.filesystem("memory")
    real, failures = type(system).put_file, [OSError("slow down")] * 2

    def unreliable(self, *arguments, **options):
        if failures:
            raise failures.pop()
        return real(self, *arguments, **options)

    monkeypatch.setattr(type(system), "put_file", unreliable)
    waits = []
    ship(sample_path, place, sleep=waits.append)
    assert waits == [1.0, 2.0]
    failures.extend([OSError("gone")] * 99)
    with pytest.raises(PlanError, match="after 5 attempts"):
        ship(sample_path, place, sleep=waits.append)


def test_wrong_places_are_one_line(sample_path, tmp_path, place):
    with pytest.raises(PlanError, match="no such run folder"):
        ship(tmp_path / "none", place)
    with pytest.raises(PlanError, match="holds no part of a run"):
        ship(tmp_path, place)
    with pytest.raises(PlanError, match="--to: is empty"):
        ship(sample_path, " ")
    with pytest.raises(PlanError, match="no run there"):
        fetch(f"{place}/none", tmp_path)
    with pytest.raises(PlanError, match="cannot be reached"):
        fetch("nosuchprotocol://user:hunter2@x/y", tmp_path)
    (tmp_path / "file").touch()
    with pytest.raises(PlanError, match=r"--to .*/file/runs: cannot write there \(Not a directory\)"):
        ship(sample_path, f"{tmp_path}/file/runs", sleep=pytest.fail)
    ship(sample_path, place)
    with pytest.raises(PlanError, match="cannot write there"):
        fetch(f"{place}/{sample_path.name}", tmp_path / "file")
