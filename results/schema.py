"""What a run folder holds: every table, every column with its unit, and the version of the whole.

One fact, one place: the recorder writes by these tables, `results.analysis` reads by them and
docs/results-schema.md is printed from them. Times are microseconds since 1970 UTC, durations microseconds.
Adding a column at the end of a table keeps the version; any other change raises it.
"""

import struct
from typing import Final, NamedTuple

import numpy as np
import pyarrow as pa

SCHEMA_VERSION: Final = 1

MOMENT: Final = pa.timestamp("us", "UTC")
# A name column repeats few values. int16 and int8 codes: pandas cannot read unsigned ones as categories.
NAME: Final = pa.dictionary(pa.int16(), pa.string())
FEW_NAMES: Final = pa.dictionary(pa.int8(), pa.string())

DURATION_MAX_US: Final = 2**32 - 1  # 71 minutes; a longer wait is stored as this


class Column(NamedTuple):
    """One column of a table."""

    name: str
    type: pa.DataType
    unit: str
    meaning: str
    nullable: bool = False


class Table(NamedTuple):
    """One table of a run folder: `<run>/<name>/worker=<id>/part-*.parquet`."""

    name: str
    meaning: str
    columns: tuple[Column, ...]
    rotate_s: float  # the open stream becomes a closed Parquet part after this long

    def schema(self, metadata: dict[str, str] | None = None) -> pa.Schema:
        """The Arrow schema of this table's files."""
        fields = [pa.field(c.name, c.type, nullable=c.nullable) for c in self.columns]
        encoded: dict[bytes | str, bytes | str] = {
            k.encode(): v.encode() for k, v in (metadata or {}).items()
        }
        return pa.schema(fields, metadata=encoded or None)


# The hot path packs one CALL into these bytes (results.recorder); the writer makes columns of them.
CALL: Final = struct.Struct("<qIIIIIIIHHBBBB")
CALL_DTYPE: Final = np.dtype(
    [
        ("done_us", "<i8"),
        ("queue_us", "<u4"),
        ("gen_lag_us", "<u4"),
        ("service_us", "<u4"),
        ("station", "<u4"),
        ("bytes_out", "<u4"),
        ("bytes_in", "<u4"),
        ("transaction", "<u4"),
        ("action", "<u2"),
        ("result", "<u2"),
        ("connector", "u1"),
        ("direction", "u1"),
        ("outcome", "u1"),
        ("offline", "u1"),
    ]
)

CALLS: Final = Table(
    "calls",
    "One row per OCPP CALL that ended, both directions. A call that was never answered is a row too.",
    (
        Column("done", MOMENT, "UTC", "when the call ended: answered, or given up"),
        Column("station", pa.uint32(), "index", "number of the station in the run; name in `stations`"),
        Column("connector", pa.uint8(), "number", "OCPP connectorId the call speaks of; 0 for the station"),
        Column("action", NAME, "", "OCPP action"),
        Column("direction", FEW_NAMES, "", "out: station to central system; in: central system to station"),
        Column(
            "outcome",
            FEW_NAMES,
            "",
            "ok, callerror, timeout, closed, invalid or cancelled; cancelled calls are our own doing "
            "(power cut, reset) and count neither as failures nor as answers",
        ),
        Column(
            "result",
            NAME,
            "",
            "out: CALLERROR code, any string a central system may invent; in: status answered; else empty",
        ),
        Column(
            "queue_us", pa.uint32(), "µs", "due to the station's line being free: the central system's time"
        ),
        Column("gen_lag_us", pa.uint32(), "µs", "line free to bytes handed to the socket: our own lag"),
        Column(
            "service_us",
            pa.uint32(),
            "µs",
            "out: sent to answer; in: received to our answer. queue + gen_lag + service = response",
        ),
        Column("bytes_out", pa.uint32(), "bytes", "the message we sent"),
        Column("bytes_in", pa.uint32(), "bytes", "the message we received; 0 without an answer"),
        Column("transaction", pa.uint32(), "number", "the station's own transaction number; 0 for none"),
        Column("offline", pa.bool_(), "", "waited for the link; due was moved to when it was back"),
    ),
    rotate_s=60,
)

TRANSACTIONS: Final = Table(
    "transactions",
    "The ledger: a journal of every transaction as the station knows it; the last row of a "
    "(worker, station, deployment, sequence) is its state.",
    (
        Column("at", MOMENT, "UTC", "when this change was written down"),
        Column("station", pa.uint32(), "index", "number of the station"),
        Column(
            "deployment", pa.uint16(), "number", "1 for the station's first life in this worker, 2 after …"
        ),
        Column("sequence", pa.uint32(), "number", "1, 2, 3 … per station and deployment"),
        Column("state", FEW_NAMES, "", "started, acknowledged, stopped, settled or abandoned"),
        Column("connector", pa.uint8(), "number", "OCPP connectorId"),
        Column("id_tag", pa.string(), "", "idTag of StartTransaction"),
        Column(
            "transaction_id", pa.int64(), "", "id given by the central system; null before it answered", True
        ),
        Column("meter_start_wh", pa.int64(), "Wh", "meterStart as sent"),
        Column("started", MOMENT, "UTC", "timestamp of StartTransaction as sent"),
        Column("meter_stop_wh", pa.int64(), "Wh", "meterStop as sent; null while running", True),
        Column("stopped", MOMENT, "UTC", "timestamp of StopTransaction as sent; null while running", True),
        Column("reason", NAME, "", "reason of StopTransaction; empty while running"),
        Column("offline", pa.bool_(), "", "the start happened without a connection"),
        Column("authorization", NAME, "", "idTagInfo.status of StartTransaction.conf; empty before"),
    ),
    rotate_s=60,
)

CONNECTIONS: Final = Table(
    "connections",
    "What happened to links: one row per attempt that failed, per link opened, accepted and ended.",
    (
        Column("at", MOMENT, "UTC", "when it happened"),
        Column("station", pa.uint32(), "index", "number of the station"),
        Column(
            "kind",
            NAME,
            "",
            "opened; accepted (BootNotification Accepted); closed (close handshake); lost (the stream died); "
            "cut (ended by hardship of ours); hardship, calm (hardship of ours strikes the station, is over; "
            "detail names it); or why an attempt failed: refused, unreachable, dns, tls, http, "
            "handshake, subprotocol, timeout, barred (hardship of ours)",
        ),
        Column("detail", NAME, "", "HTTP status, close reason or system error, at most 100 characters"),
        Column("connect_us", pa.int64(), "µs", "start of the attempt to open or failure", True),
        Column("duration_us", pa.int64(), "µs", "how long the link had been open when this happened", True),
        Column("close_code", pa.uint16(), "", "WebSocket close code of the peer", True),
    ),
    rotate_s=60,
)

FINDINGS: Final = Table(
    "findings",
    "Rules the central system broke in our sight: the first examples of each (rule, kind) with their frame, "
    "then one row a second with the count of the further ones.",
    (
        Column("at", MOMENT, "UTC", "when it was seen; for counts, the last time"),
        Column("rule", NAME, "", "rule id, such as RPC-5; see docs/findings.md"),
        Column(
            "kind", NAME, "", "the detail without its numbers and names: what makes two findings the same"
        ),
        Column("detail", pa.string(), "", "what was seen"),
        Column("station", pa.uint32(), "index", "number of the station; null in rows that only count", True),
        Column("count", pa.uint32(), "number", "how many times; sum over rows"),
        Column("frame", pa.string(), "", "the message, secrets masked, cut at 2,000 characters", True),
    ),
    rotate_s=600,
)

HEALTH: Final = Table(
    "health",
    "One row per worker and second: whether the load generator itself kept time.",
    (
        Column("at", MOMENT, "UTC", "end of the second"),
        Column("loop_delay_max_us", pa.int64(), "µs", "longest delay of the station loop", True),
        Column("loop_delay_p99_us", pa.int64(), "µs", "99th percentile of the loop's delay", True),
        Column("gen_lag_max_us", pa.int64(), "µs", "longest own lag of a call", True),
        Column("gen_lag_p99_us", pa.int64(), "µs", "99th percentile of our own lag", True),
        Column("dropped_deadlines", pa.int64(), "number", "deadlines served more than a period late", True),
        Column("deadlines", pa.int64(), "number", "deadlines served", True),
        Column("cpu_percent", pa.float64(), "%", "CPU of this process, 100 = one core", True),
        Column("rss_bytes", pa.int64(), "bytes", "resident memory of this process", True),
        Column("open_files", pa.int64(), "number", "open file descriptors", True),
        Column("gc_pause_max_us", pa.int64(), "µs", "longest pause of Python's garbage collector", True),
        Column("stations", pa.int64(), "number", "stations deployed in this worker", True),
        Column("connected", pa.int64(), "number", "stations with an open WebSocket", True),
        Column("accepted", pa.int64(), "number", "stations registered Accepted", True),
        Column("charging", pa.int64(), "number", "transactions running", True),
        Column("backlog", pa.int64(), "number", "messages waiting for a link", True),
        Column(
            "clock_offset_us",
            pa.int64(),
            "µs",
            "the clock that stamps this worker's rows, minus the master's",
            True,
        ),
        Column(
            "canary_p99_us",
            pa.int64(),
            "µs",
            "99th percentile of a link to an echo in the same loop: the floor of what this worker measures",
            True,
        ),
        Column("pending_rows", pa.int64(), "number", "rows waiting for the writer", True),
        Column(
            "dropped_rows", pa.int64(), "number", "rows lost so far: disk full, unwritable or too slow", True
        ),
    ),
    rotate_s=600,
)

HISTOGRAMS: Final = Table(
    "histograms",
    "Response, service and own lag per second, action and outcome as sparse log-linear histograms "
    "(results.histogram); add counts to merge, never average percentiles.",
    (
        Column("second", MOMENT, "UTC", "start of the second in which the calls ended"),
        Column("action", NAME, "", "OCPP action"),
        Column("direction", FEW_NAMES, "", "out or in"),
        Column("outcome", FEW_NAMES, "", "as in calls"),
        Column("kind", FEW_NAMES, "", "response, service or gen_lag"),
        Column("bin", pa.uint16(), "bin", "bin number of results.histogram"),
        Column("count", pa.uint32(), "number", "calls in this bin"),
    ),
    rotate_s=60,
)

STATIONS: Final = Table(
    "stations",
    "Who the station numbers are; a row for each time a station was deployed.",
    (
        Column("at", MOMENT, "UTC", "when it was deployed"),
        Column("station", pa.uint32(), "index", "number used in the other tables"),
        Column("deployment", pa.uint16(), "number", "how often this worker has deployed it so far"),
        Column("uid", pa.string(), "", "identity on the wire"),
        Column("product", NAME, "", "product reference"),
        Column("personality", FEW_NAMES, "", "greenup or spec"),
    ),
    rotate_s=600,
)

TABLES: Final = {
    t.name: t for t in (CALLS, TRANSACTIONS, CONNECTIONS, FINDINGS, HEALTH, HISTOGRAMS, STATIONS)
}

# Parquet: the columns in which delta encoding beats a dictionary (measured by benchmarks/recorder.py).
DELTA_TYPES: Final = (MOMENT, pa.int64(), pa.uint32(), pa.uint16())
