"""Open files and ports: enough, or a line with the numbers."""

import resource

import pytest

from engine import limits
from stations.errors import PlanError


@pytest.fixture
def files(monkeypatch):
    """The process's limits on open files, as (soft, hard)."""
    state = {"now": (1_024, 20_000)}
    monkeypatch.setattr(resource, "getrlimit", lambda _: state["now"])
    monkeypatch.setattr(resource, "setrlimit", lambda _, new: state.update(now=new))
    return state


def test_the_soft_limit_is_raised_to_the_hard_one(files):
    limits.prepare(500)
    assert files["now"] == (20_000, 20_000)


def test_without_a_hard_limit_the_soft_one_is_raised_as_far_as_needed(files):
    files["now"] = (1_024, resource.RLIM_INFINITY)
    limits.prepare(5_000)
    assert 5_000 < files["now"][0] < 6_000


def test_too_many_stations_for_the_hard_limit_is_a_plan_error_with_the_numbers(files):
    with pytest.raises(
        PlanError, match=r"25,000 stations .* the hard limit is 20,000; mend: at most 19,\d\d\d"
    ):
        limits.prepare(25_000)
    assert files["now"] == (1_024, 20_000)


def test_where_no_station_has_room_fewer_of_them_is_no_mend(files):
    files["now"] = (100, 100)
    with pytest.raises(PlanError, match=r"the hard limit is 100; mend: a higher limit \(ulimit -Hn\)$"):
        limits.prepare(1)


def test_too_many_stations_for_the_ports_asks_for_source_addresses(files, monkeypatch, tmp_path):
    files["now"] = (100_000, 100_000)
    ports = tmp_path / "range"
    ports.write_text("32768\t60999\n")
    monkeypatch.setattr(limits, "_PORTS", ports)
    limits.prepare(28_232)
    limits.prepare(56_464, source_addresses=2)
    with pytest.raises(PlanError, match=r"28,233 stations .* have 28,232 .* at least 2 source addresses"):
        limits.prepare(28_233)
    ports.unlink()
    limits.prepare(60_000)


def test_workers_of_one_machine_share_its_ports(files, monkeypatch, tmp_path):
    files["now"] = (100_000, 100_000)
    ports = tmp_path / "range"
    ports.write_text("32768\t60999\n")
    monkeypatch.setattr(limits, "_PORTS", ports)
    limits.prepare(10_000, on_machine=28_232)
    with pytest.raises(PlanError, match=r"30,000 stations .* have 28,232 .* at least 2 source addresses"):
        limits.prepare(10_000, on_machine=30_000)
    limits.prepare(10_000, on_machine=30_000, source_addresses=2)
