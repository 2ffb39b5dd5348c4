"""Seeded luck: who is struck depends on nothing but seed, fault, station and occasion."""

from csms.behaviour import CallErrorAnswer, LostStop, WrongClock, convert
from csms.misdeeds import Misdeeds, luck


def misdeeds(*faults, seed=1, latency=None):
    recorded = []
    settings = convert({"seed": seed, "fault": list(faults), "latency": latency or {}})
    return Misdeeds(settings, recorded.append), recorded


def struck(seed, stations=("A", "B")):
    drawn, _ = misdeeds({"name": "lost-stop", "share": 0.5}, seed=seed)
    return {station: [drawn.strike(LostStop, station) is not None for _ in range(64)] for station in stations}


def test_luck_is_even_and_repeatable():
    drawn = [luck(1, "x", "GU-1", occasion) for occasion in range(2000)]
    assert 0 <= min(drawn) < max(drawn) < 1
    assert 0.47 < sum(drawn) / len(drawn) < 0.53
    assert drawn[:3] == [luck(1, "x", "GU-1", occasion) for occasion in range(3)]


def test_the_same_seed_strikes_the_same_occasions_whatever_other_stations_do():
    assert struck(1, ("A", "B")) == struck(1, ("B", "A"))
    assert struck(1)["A"] == struck(1, ("A",))["A"]
    assert struck(1) != struck(2)
    assert 16 < sum(struck(1)["A"]) < 48


def test_a_fault_strikes_only_the_stations_and_actions_it_names():
    drawn, _ = misdeeds({"name": "callerror", "stations": "GU-*", "actions": ["Heartbeat"]})
    assert drawn.strike_call(CallErrorAnswer, "GU-1", "Heartbeat")
    assert drawn.strike_call(CallErrorAnswer, "GU-1", "Authorize") is None
    assert drawn.strike_call(CallErrorAnswer, "XX-1", "Heartbeat") is None
    assert drawn.strike(LostStop, "GU-1") is None


def test_every_act_is_recorded_and_counted():
    drawn, recorded = misdeeds({"name": "lost-stop"})
    fault = drawn.strike(LostStop, "GU-1")
    drawn.commit(fault, 5.0, "GU-1", action="StopTransaction", transaction_id=3, detail="why")
    [row] = recorded
    assert (row.fault, row.station, row.action, row.transaction_id, row.detail) == (
        "lost-stop",
        "GU-1",
        "StopTransaction",
        3,
        "why",
    )
    assert drawn.committed == {"lost-stop": 1}


def test_a_station_is_told_the_wrong_time_always_or_never():
    drawn, _ = misdeeds({"name": "wrong-clock", "share": 0.5, "offset_s": -60})
    stations = [f"GU-{number}" for number in range(50)]
    first = [drawn.wrong_clock(station) for station in stations]
    assert first == [drawn.wrong_clock(station) for station in stations]
    assert {fault for fault in first if fault} == {WrongClock(share=0.5, offset_s=-60)}
    assert 5 < sum(fault is None for fault in first) < 45


def test_latency_is_by_action_with_a_star_for_the_rest():
    drawn, _ = misdeeds(
        latency={
            "*": {"kind": "fixed", "ms": 10},
            "MeterValues": {"kind": "uniform", "low_ms": 100, "high_ms": 200},
        }
    )
    assert drawn.active
    assert drawn.delay_s("GU-1", "Heartbeat") == 0.01
    delays = {drawn.delay_s("GU-1", "MeterValues") for _ in range(20)}
    assert len(delays) == 20
    assert 0.1 <= min(delays) <= max(delays) <= 0.2
    assert misdeeds()[0].delay_s("GU-1", "Heartbeat") == 0.0
