"""The non-volatile memory of one station: a file that is whole at every moment."""

import pytest

from engine.store import FolderStore, MemoryStore
from stations.errors import PlanError


@pytest.fixture(params=["memory", "folder"])
def store(request, tmp_path):
    return MemoryStore() if request.param == "memory" else FolderStore(tmp_path / "new" / "state")


def test_a_new_store_is_a_factory_new_station(store):
    assert store.load() is None


def test_the_latest_memory_is_the_one_that_counts(store):
    store.save(b"first")
    store.save(b"second")
    assert store.load() == b"second"


def test_another_process_on_the_same_folder_finds_it(tmp_path):
    FolderStore(tmp_path).save(b"kept")
    assert FolderStore(tmp_path).load() == b"kept"


def test_a_folder_that_cannot_be_is_named(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(PlanError, match=r"state_dir .*file/inside: cannot write there"):
        FolderStore(tmp_path / "file" / "inside")
