"""Locust's statistics fed in bulk say what an event per call would have said (C4)."""

import pytest

pytestmark = pytest.mark.locust

import time  # noqa: E402 — Locust patches the process: not before pytest has sorted this file out

import numpy as np  # noqa: E402
from hypothesis import given, settings  # noqa: E402
from hypothesis import strategies as st  # noqa: E402
from locust import stats as locust_stats  # noqa: E402
from locust.env import Environment  # noqa: E402

from engine.bridge import statistics  # noqa: E402
from results.columns import CallBatch  # noqa: E402
from results.schema import CALL_DTYPE  # noqa: E402

ACTIONS = ["Heartbeat", "MeterValues", "Reset"]
RESULTS = ["", "GenericError", "FormatViolation"]
OUTCOMES = ["ok", "callerror", "timeout", "cancelled"]
DIRECTIONS = ["out", "in"]

calls = st.lists(
    st.fixed_dictionaries(
        {
            "action": st.integers(0, 2),
            "result": st.integers(0, 2),
            "outcome": st.integers(0, 3),
            "direction": st.integers(0, 1),
            "queue_us": st.sampled_from([0, 499, 2_000_000]),
            "gen_lag_us": st.integers(0, 3_000),
            "service_us": st.one_of(st.integers(0, 200_000), st.integers(0, 60_000_000)),
            "bytes_in": st.integers(0, 5_000),
            "station": st.integers(0, 9),
        }
    ),
    max_size=60,
)


def batch_of(rows, done_s=None):
    packed = np.zeros(len(rows), dtype=CALL_DTYPE)
    for number, row in enumerate(rows):
        for name, value in row.items():
            packed[number][name] = value
    packed["done_us"] = int((done_s or time.time()) * 1e6)
    return CallBatch(packed, ACTIONS, RESULTS, OUTCOMES, DIRECTIONS)


def environment():
    made = Environment()
    made.create_local_runner()
    return made


def numbers(stats):
    entries = [stats.total, *(entry for _, entry in sorted(stats.entries.items()))]
    return [
        (
            entry.name,
            entry.method,
            entry.num_requests,
            entry.num_none_requests,
            entry.num_failures,
            pytest.approx(entry.total_response_time),
            entry.min_response_time,
            entry.max_response_time,
            dict(entry.response_times),
            entry.total_content_length,
            sum(entry.num_reqs_per_sec.values()),
            sum(entry.num_fail_per_sec.values()),
        )
        for entry in entries
    ]


def failures(stats):
    return {(error.method, error.name, error.to_name(), error.occurrences) for error in stats.errors.values()}


@settings(max_examples=50)
@given(st.lists(calls, max_size=3))
def test_bulk_and_one_event_per_call_give_the_same_numbers(batches):
    bulk, single = environment(), environment()
    for rows in batches:
        statistics.feed(bulk.stats, batch_of(rows))
        statistics.fire(single.events.request.fire, batch_of(rows))
    assert numbers(bulk.stats) == numbers(single.stats)
    assert failures(bulk.stats) == failures(single.stats)
    assert bulk.stats.errors.keys() == single.stats.errors.keys()


def test_each_call_counts_in_the_second_it_ended():
    made = environment()
    statistics.feed(made.stats, batch_of([{"service_us": 5_000}] * 3, done_s=1_000.5))
    statistics.feed(made.stats, batch_of([{"service_us": 5_000}] * 2, done_s=1_002.1))
    entry = made.stats.get("Heartbeat", "OCPP")
    assert dict(entry.num_reqs_per_sec) == {1_000: 3, 1_002: 2}
    assert entry.last_request_timestamp == pytest.approx(1_002.1)


@settings(max_examples=20)
@given(st.lists(calls, min_size=1, max_size=4))
def test_joined_batches_count_as_they_would_one_by_one(batches):
    apart, together = environment(), environment()
    made = [batch_of(rows, done_s=1_000.0) for rows in batches]
    for batch in made:
        statistics.feed(apart.stats, batch)
    statistics.feed(together.stats, statistics.joined(made))
    assert numbers(apart.stats) == numbers(together.stats)
    assert failures(apart.stats) == failures(together.stats)


def test_failures_are_few_fixed_words():
    made = environment()
    statistics.feed(made.stats, batch_of([{"outcome": 1, "result": 2}, {"outcome": 2}, {"outcome": 2}]))
    assert failures(made.stats) == {
        ("OCPP", "Heartbeat", "OCPP Heartbeat: callerror FormatViolation", 1),
        ("OCPP", "Heartbeat", "OCPP Heartbeat: timeout", 2),
    }


def test_calls_that_we_cancelled_ourselves_are_not_counted():
    made = environment()
    statistics.feed(made.stats, batch_of([{"outcome": 3}]))
    assert made.stats.num_requests == 0


def test_commands_of_the_central_system_have_no_response_time():
    made = environment()
    statistics.feed(made.stats, batch_of([{"direction": 1, "action": 2, "service_us": 900}]))
    entry = made.stats.get("Reset", "CSMS")
    assert (entry.num_requests, entry.num_none_requests, entry.response_times) == (1, 1, {})


def test_a_replaced_bucket_function_is_used(monkeypatch):
    monkeypatch.setattr(locust_stats, "bucket_response_time", lambda ms: int(ms) // 50 * 50)
    made = environment()
    statistics.feed(made.stats, batch_of([{"service_us": 149_000}, {"service_us": 120_000}]))
    assert made.stats.get("Heartbeat", "OCPP").response_times == {100: 2}


def test_every_call_is_fired_when_somebody_else_listens():
    made, seen = environment(), []
    batch = batch_of([{"station": 7, "service_us": 1_500, "outcome": 2}, {"direction": 1}])
    statistics.count(made, batch)
    assert made.stats.num_requests == 2
    made.events.request.add_listener(lambda **event: seen.append(event))
    statistics.count(made, batch)
    assert made.stats.num_requests == 4
    assert sorted(event["request_type"] for event in seen) == ["CSMS", "OCPP"]
    fired = next(event for event in seen if event["request_type"] == "OCPP")
    assert fired["response_time"] == 1.5
    assert fired["context"] == {"station": 7}
    assert repr(fired["exception"]) == "timeout"
