"""Locust's statistics, fed from batches of recorded calls instead of one event per call (C4).

A batch becomes one entry per action through `StatsEntry.unserialize` and `extend`, the very calls Locust's
master makes with each worker's report: 24 times cheaper than an event per call, the same numbers, and each
call counted in the second it ended. When somebody besides Locust listens to `request`, every call is fired.

`OCPP` is the station asking (response time from when the call was due, C6), `CSMS` the central system asking
(no response time: it would be our own). Cancelled calls were our own doing and are not counted.
"""

from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Final

import numpy as np
import numpy.typing as npt
from locust import stats as locust_stats
from locust.stats import RequestStats, StatsEntry, StatsError
from msgspec import Struct

from results.columns import CallBatch

METHODS: Final = {"out": "OCPP", "in": "CSMS"}
NOT_COUNTED: Final = "cancelled"
GOOD: Final = "ok"

_bucket_of_locust: Final = locust_stats.bucket_response_time


class CallFailed(Exception):  # noqa: N818 — read as a sentence in Locust's failure table
    """How a call failed, as Locust shows it: few fixed words, never an id."""

    def __repr__(self) -> str:
        return str(self)


class Kind(Struct):
    """The calls of one batch that share direction and action."""

    method: str
    name: str
    rows: npt.NDArray[Any]
    response_ms: npt.NDArray[np.float64] | None
    failures: list[tuple[str, npt.NDArray[Any]]]  # words, rows


def kinds(batch: CallBatch) -> Iterator[Kind]:
    """The counted calls of a batch by direction and action."""
    rows = batch.rows
    if NOT_COUNTED in batch.outcomes:
        rows = rows[rows["outcome"] != batch.outcomes.index(NOT_COUNTED)]
    keys = rows["direction"].astype(np.uint32) << 16 | rows["action"]
    order = np.argsort(keys, kind="stable")
    found, starts = np.unique(keys[order], return_index=True)
    for key, part in zip(found.tolist(), np.split(order, starts[1:]), strict=False):
        mine = rows[part]
        direction = batch.directions[key >> 16]
        yield Kind(
            METHODS[direction],
            batch.actions[key & 0xFFFF],
            mine,
            _response_ms(mine) if direction == "out" else None,
            list(_failures(batch, mine)),
        )


def _response_ms(rows: npt.NDArray[Any]) -> npt.NDArray[np.float64]:
    response_us = rows["queue_us"].astype(np.int64) + rows["gen_lag_us"] + rows["service_us"]
    times: npt.NDArray[np.float64] = response_us / 1_000
    return times


def _failures(batch: CallBatch, rows: npt.NDArray[Any]) -> Iterator[tuple[str, npt.NDArray[Any]]]:
    words = rows["outcome"].astype(np.uint32) << 16 | rows["result"]
    for word in np.unique(words).tolist():
        outcome = batch.outcomes[word >> 16]
        if outcome != GOOD:
            yield f"{outcome} {batch.results[word & 0xFFFF]}".strip(), rows[words == word]


def joined(batches: Sequence[CallBatch]) -> CallBatch:
    """Batches of one recorder as one, in order; its name tables only ever grow."""
    latest = batches[-1]
    rows = np.concatenate([batch.rows for batch in batches])
    return CallBatch(rows, latest.actions, latest.results, latest.outcomes, latest.directions)


def feed(stats: RequestStats, batch: CallBatch) -> None:
    """Add a batch to Locust's statistics. In the hub's thread only."""
    for kind in kinds(batch):
        entry = StatsEntry.unserialize(_as_entry(kind), stats)
        stats.entries[kind.name, kind.method].extend(entry)
        stats.total.extend(entry)
        for words, rows in kind.failures:
            _count_error(stats, kind, words, rows)


def _as_entry(kind: Kind) -> dict[str, Any]:
    """What a worker would report about these calls (`locust.stats.StatsEntryDict`)."""
    done_us = kind.rows["done_us"]
    failed = [rows["done_us"] for _, rows in kind.failures]
    times = kind.response_ms
    return {
        "name": kind.name,
        "method": kind.method,
        "start_time": int(done_us.min()) / 1e6,
        "last_request_timestamp": int(done_us.max()) / 1e6,
        "num_requests": len(done_us),
        "num_none_requests": len(done_us) if times is None else 0,
        "num_failures": sum(map(len, failed)),
        "total_response_time": 0 if times is None else float(times.sum()),
        "min_response_time": None if times is None else float(times.min()),
        "max_response_time": 0 if times is None else float(times.max()),
        "total_content_length": int(kind.rows["bytes_in"].sum()),
        "response_times": {} if times is None else _histogram(times),
        "num_reqs_per_sec": _per_second(done_us),
        "num_fail_per_sec": _per_second(np.concatenate(failed)) if failed else {},
    }


def _histogram(times_ms: npt.NDArray[np.float64]) -> dict[int, int]:
    """Locust's own buckets: whole ms below 100 ms, then two significant digits; or the user's own."""
    if locust_stats.bucket_response_time is not _bucket_of_locust:
        counts: dict[int, int] = defaultdict(int)
        for value in times_ms.tolist():
            counts[locust_stats.bucket_response_time(value)] += 1
        return counts
    step = np.select([times_ms < 100, times_ms < 1_000, times_ms < 10_000], [1, 10, 100], 1_000)
    return _tally((np.rint(times_ms / step) * step).astype(np.int64))


def _per_second(moments_us: npt.NDArray[Any]) -> dict[int, int]:
    return _tally(moments_us // 1_000_000)


def _tally(values: npt.NDArray[Any]) -> dict[int, int]:
    found, counts = np.unique(values, return_counts=True)
    return dict(zip(found.tolist(), counts.tolist(), strict=True))


def _count_error(stats: RequestStats, kind: Kind, words: str, rows: npt.NDArray[Any]) -> None:
    key = StatsError.create_key(kind.method, kind.name, words)
    error = stats.errors.setdefault(key, StatsError(kind.method, kind.name, words))
    first_s, last_s = int(rows["done_us"].min()) / 1e6, int(rows["done_us"].max()) / 1e6
    error.occurrences += len(rows)
    error.first_seen = first_s if error.first_seen is None else min(error.first_seen, first_s)
    error.last_seen = last_s if error.last_seen is None else max(error.last_seen, last_s)


def fire(request: Callable[..., None], batch: CallBatch) -> None:
    """One `request` event per call, for plug-ins that listen: CSV loggers, OpenTelemetry, your own."""
    for kind in kinds(batch):
        words: dict[tuple[int, int], str] = {}
        for text, rows in kind.failures:
            words |= dict.fromkeys(((r["outcome"], r["result"]) for r in rows), text)
        times = [None] * len(kind.rows) if kind.response_ms is None else kind.response_ms.tolist()
        for row, response_ms in zip(kind.rows, times, strict=True):
            failure = words.get((row["outcome"], row["result"]))
            request(
                request_type=kind.method,
                name=kind.name,
                response_time=response_ms,
                response_length=int(row["bytes_in"]),
                exception=CallFailed(failure) if failure else None,
                start_time=int(row["done_us"]) / 1e6 - (response_ms or 0) / 1_000,
                context={"station": int(row["station"])},
            )


def somebody_else_listens(environment: Any) -> bool:
    """Whether `request` has a listener besides the runner's own."""
    listeners = environment.events.request._handlers  # noqa: SLF001 — Locust offers no other way to ask
    return any(listener.__module__ != "locust.runners" for listener in listeners)


def count(environment: Any, batch: CallBatch) -> None:
    """Bring a batch into Locust's statistics, the cheap way unless somebody wants each call."""
    if somebody_else_listens(environment):
        fire(environment.events.request.fire, batch)
    else:
        feed(environment.stats, batch)
