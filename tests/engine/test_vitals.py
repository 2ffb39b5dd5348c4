"""The generator's own health, one row a second."""

import gc

import numpy as np

from engine.clock import monotonic
from engine.facts import Gauges
from engine.tally import Tally
from engine.vitals import Vitals
from results.columns import CallBatch
from results.schema import CALL_DTYPE, HEALTH

GAUGES = Gauges(
    stations=3,
    waiting=1,
    links={"open": 2, "connecting": 1},
    registrations={"Accepted": 2},
    connectors={"Charging": 1},
    sessions=1,
    power_w=7_000.0,
    backlog=4,
    connects=2,
    reconnects=0,
    refusals=0,
    findings=0,
    rules={},
)


def batch(lags_us, direction=0):
    rows = np.zeros(len(lags_us), CALL_DTYPE)
    rows["gen_lag_us"] = lags_us
    rows["direction"] = direction
    return CallBatch(rows, [], [], [], ["out", "in"])


def test_a_row_has_only_columns_of_the_schema_and_says_what_was_seen():
    vitals, tally = Vitals(), Tally()
    try:
        for late_s in [0.001] * 99 + [0.5]:
            vitals.tick(late_s)
        vitals.calls(batch([100, 200, 9_000]))
        vitals.calls(batch([1_000_000], direction=1))  # commands have no lag of ours
        tally.count_deadline(0.002)
        tally.count_deadline(2.0)
        gc.collect()
        row = vitals.row(monotonic() + 1.0, GAUGES, tally)
        assert set(row) <= {column.name for column in HEALTH.columns}
        assert row["loop_delay_max_us"] == 500_000
        assert 1_000 <= row["loop_delay_p99_us"] < 20_000
        assert row["gen_lag_max_us"] == 9_000
        assert (row["deadlines"], row["dropped_deadlines"]) == (2, 1)
        assert row["gc_pause_max_us"] > 0
        assert row["rss_bytes"] > 10_000_000
        assert row["open_files"] >= 3
        seen = (row["stations"], row["connected"], row["accepted"], row["charging"], row["backlog"])
        assert seen == (3, 2, 2, 1, 4)
    finally:
        vitals.close()


def test_each_row_is_of_its_own_second():
    vitals, tally = Vitals(), Tally()
    try:
        vitals.tick(0.5)
        vitals.calls(batch([9_000]))
        tally.count_deadline(2.0)
        vitals.row(monotonic(), GAUGES, tally)
        row = vitals.row(monotonic(), GAUGES, tally)
        assert (row["loop_delay_max_us"], row["deadlines"], row["dropped_deadlines"]) == (0, 0, 0)
        assert "gen_lag_max_us" not in row  # no call, no lag: null, never a good zero
    finally:
        vitals.close()


def test_a_closed_vitals_listens_to_the_collector_no_more():
    before = list(gc.callbacks)
    vitals = Vitals()
    vitals.close()
    assert gc.callbacks == before


def test_the_canary_and_the_clock_stand_in_the_row_when_something_is_known_of_them():
    vitals = Vitals()
    try:
        row = vitals.row(monotonic(), GAUGES, Tally())
        assert {"canary_p99_us", "clock_offset_us"}.isdisjoint(row)
        for waited_s in (0.001, 0.002, 0.003):
            vitals.echo(waited_s)
        vitals.clock_offset_us = -250
        row = vitals.row(monotonic(), GAUGES, Tally())
        assert (row["canary_p99_us"], row["clock_offset_us"]) == (2_000, -250)
        row = vitals.row(monotonic(), GAUGES, Tally())
        assert "canary_p99_us" not in row, "each second has its own songs"
        assert row["clock_offset_us"] == -250
    finally:
        vitals.close()
