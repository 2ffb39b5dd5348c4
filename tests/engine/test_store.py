"""The non-volatile memory of stations: whole at every moment, wherever it is."""

import stat

import pytest

from engine.store import DATABASE, DatabaseStore, FolderStore, MemoryStore
from stations.errors import PlanError

ME = "GU-000001"


@pytest.fixture(params=["memory", "folder", "database"])
def store(request, tmp_path):
    if request.param == "memory":
        yield MemoryStore()
    elif request.param == "folder":
        yield FolderStore(tmp_path / "new" / "state")
    else:
        database = DatabaseStore(tmp_path / "new" / "state")
        yield database
        database.close()


def test_a_new_store_is_a_factory_new_station(store):
    assert store.load(ME) is None


def test_the_latest_memory_is_the_one_that_counts(store):
    store.save(ME, b"first")
    store.save(ME, b"second")
    assert store.load(ME) == b"second"


def test_another_process_on_the_same_folder_finds_it(tmp_path):
    FolderStore(tmp_path).save(ME, b"kept")
    assert FolderStore(tmp_path).load(ME) == b"kept"


def test_a_folder_that_cannot_be_is_named(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(PlanError, match=r"state_dir .*file/inside: cannot write there"):
        FolderStore(tmp_path / "file" / "inside")
    with pytest.raises(PlanError, match=r"--state .*file/inside: cannot write there .*; name another folder"):
        DatabaseStore(tmp_path / "file" / "inside")


def test_a_file_that_is_no_database_is_said(tmp_path):
    (tmp_path / DATABASE).write_bytes(b"something else of at least a header's length" * 10)
    with pytest.raises(PlanError, match="file is not a database"):
        DatabaseStore(tmp_path)


def test_stations_do_not_see_each_other_and_may_move_between_workers(tmp_path):
    one, other = DatabaseStore(tmp_path), DatabaseStore(tmp_path)
    one.save(ME, b"mine")
    other.save("GU-000002", b"yours")
    assert (other.load(ME), one.load("GU-000002")) == (b"mine", b"yours")
    one.close()
    other.close()


def test_what_is_saved_together_is_there_together_or_not_at_all(tmp_path):
    writer, reader = DatabaseStore(tmp_path), DatabaseStore(tmp_path)
    with writer.together():
        writer.save(ME, b"first")
        assert reader.load(ME) is None
    assert reader.load(ME) == b"first"

    def fail():
        with writer.together():
            writer.save(ME, b"half")
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    assert reader.load(ME) == b"first"
    writer.close()
    reader.close()


def test_keys_may_hold_a_password_so_nobody_else_reads_the_file(tmp_path):
    """SEC-1."""
    DatabaseStore(tmp_path).close()
    assert stat.S_IMODE((tmp_path / DATABASE).stat().st_mode) == 0o600
