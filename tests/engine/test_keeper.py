"""How a fleet's memories get to disk: in slices, without a lock, and never more than the disk takes."""

import sqlite3
import time
from types import SimpleNamespace

import pytest

import engine.keeper
import engine.store
from engine.clock import Clock
from engine.keeper import EVERY_S, Archive, Keeper, recall
from engine.store import DATABASE, DatabaseStore
from stations.core import events as ev
from stations.core import keys
from stations.core.plan import Plan, Product
from stations.core.station import Station
from stations.errors import PlanError

SEED = 1


def plan(number=1, connectors=1):
    identity = f"GU-{number}"
    return Plan(identity, f"ws://host/{identity}", Product("059004", connectors), durable=True)


class Stub:
    """A unit as far as a keeper sees it: a real station, and an end."""

    def __init__(self, number):
        self.index = number
        self.station = Station(plan(number), SEED)
        self.station.on_event(ev.PowerOn(0.0), 0.0)
        self.bug = None

    def end(self, bug):
        self.bug = bug


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def now(monkeypatch):
    """Real time as the keeper sees it; it stands still unless moved, so that a slice takes everybody."""
    hand = SimpleNamespace(s=1_000.0)
    monkeypatch.setattr(engine.keeper, "monotonic", lambda: hand.s)
    return hand


def taken(keeper):
    identities = [identity for identity, _ in keeper.outbox]
    keeper.outbox.clear()
    return sorted(identities)


def test_a_station_that_changes_often_is_looked_at_once_a_second(clock, now):
    keeper, unit = Keeper(), Stub(1)
    keeper.mark(unit)
    keeper.mark(unit)
    keeper.step(clock)
    assert taken(keeper) == ["GU-1"]
    keeper.mark(unit)
    keeper.step(clock)
    assert taken(keeper) == []
    now.s += EVERY_S
    keeper.step(clock)
    assert taken(keeper) == ["GU-1"]
    now.s += EVERY_S
    keeper.step(clock)
    assert taken(keeper) == [], "nothing has changed"


def test_a_slice_ends_and_the_next_goes_on(clock, monkeypatch):
    moments = iter(n * 0.0004 for n in range(1_000_000))
    monkeypatch.setattr(engine.keeper, "monotonic", lambda: 1_000.0 + next(moments))
    keeper = Keeper()
    for number in range(9):
        keeper.mark(Stub(number))
    sizes = []
    while sum(sizes) < 9:
        before = len(keeper.outbox)
        keeper.step(clock)
        sizes.append(len(keeper.outbox) - before)
    assert max(sizes) <= 3
    assert taken(keeper) == [f"GU-{number}" for number in range(9)]


def test_a_disk_that_is_behind_is_given_no_more_and_nobody_is_forgotten(clock, now):
    keeper = Keeper()
    keeper.mark(Stub(1))
    keeper.step(clock)
    for number in (1, 2, 3):
        keeper.mark(Stub(number))
        now.s += 10 * EVERY_S
        keeper.step(clock)
    assert taken(keeper) == ["GU-1"]
    keeper.step(clock)
    assert taken(keeper) == ["GU-1", "GU-2", "GU-3"]


def test_a_station_that_leaves_has_a_last_word_unless_a_bug_spoilt_it(clock):
    keeper, good, bad, same = Keeper(), Stub(1), Stub(2), Stub(3)
    keeper.mark(good)
    keeper.mark(bad)
    keeper.leave(good, clock, "")
    keeper.leave(bad, clock, "Traceback")
    keeper.leave(same, clock, "")
    keeper.step(clock)
    assert taken(keeper) == ["GU-1"]


def test_a_snapshot_that_fails_is_one_station_s_bug(clock, now):
    keeper, good, bad = Keeper(), Stub(1), Stub(2)
    bad.station = SimpleNamespace(plan=plan(2))
    keeper.mark(good)
    keeper.mark(bad)
    keeper.step(clock)
    assert taken(keeper) == ["GU-1"]
    assert bad.bug.startswith("station 2: Traceback")


def test_a_station_is_born_with_its_memory_once():
    keeper, former = Keeper(), Stub(1).station
    former.on_event(ev.SetKey("HeartbeatInterval", "77"), 1.0)
    keeper.memories["GU-1"] = former.snapshot()
    assert keeper.born(plan(), SEED).configuration[keys.HEARTBEAT_INTERVAL] == 77
    assert keeper.born(plan(), SEED).configuration[keys.HEARTBEAT_INTERVAL] != 77
    keeper.memories["GU-1"] = former.snapshot()
    with pytest.raises(PlanError, match="GU-1: the memory of another version or product"):
        keeper.born(plan(connectors=2), SEED)


def test_an_id_sent_after_the_last_snapshot_never_comes_again():
    """RPC-2: calls alone change nothing that must be stored."""
    former = Stub(1).station
    memory = former.snapshot()
    former.message_id += 5_000
    again = Station(plan(), SEED)
    again.restore(memory)
    assert again.message_id > former.message_id


def test_what_came_is_on_disk_when_the_archive_is_closed(tmp_path):
    import _thread

    keeper = Keeper()
    archive = Archive(tmp_path, keeper.outbox, time.sleep)
    keeper.outbox += [("GU-1", b"older"), ("GU-2", b"two"), ("GU-1", b"newer")]
    _thread.start_new_thread(archive.run, ())
    assert archive.close(10.0) == ""
    assert recall(tmp_path, ["GU-1", "GU-2", "GU-3"]) == {"GU-1": b"newer", "GU-2": b"two"}


def test_a_disk_that_refuses_is_said_and_asked_again(tmp_path, monkeypatch):
    monkeypatch.setattr(engine.store, "BUSY_TIMEOUT_S", 0.01)
    DatabaseStore(tmp_path).close()
    meddler = sqlite3.connect(tmp_path / DATABASE, isolation_level=None)
    meddler.execute("BEGIN IMMEDIATE")
    keeper = Keeper()
    keeper.outbox.append(("GU-1", b"kept"))
    looks = []

    def look(_s):
        looks.append(archive.failure)
        if len(looks) == 2:
            meddler.execute("ROLLBACK")
        archive.closing = len(looks) == 3

    archive = Archive(tmp_path, keeper.outbox, look)
    archive.run()
    meddler.close()
    assert looks[0] == looks[2] == ""
    assert "1 stations' memories cannot be written: database is locked" in looks[1]
    assert recall(tmp_path, ["GU-1"]) == {"GU-1": b"kept"}
