"""The stations' ledger against the central system's records: lost, doubled, merged, billed otherwise.

A session is found by (station, transactionId); where ids were reused or never learned, by what the station
sent (station, connector, meterStart, start time). A start whose answer we never saw may legally be there or
not; what the central system acknowledged must be there, once, and as it was sent.
"""

from collections.abc import Hashable
from typing import TYPE_CHECKING, Any, Final

import msgspec
import numpy as np
import pandas as pd
from msgspec import Struct

from results.analysis.matching import WRONG, Match
from results.analysis.samples import RECONCILED_FILE
from results.exit_codes import ExitCode

if TYPE_CHECKING:
    from results.analysis.run import Run

EVIDENCE: Final = 20  # rows shown of each wrong verdict
_NO_ROW: Final = -1


class Tolerance(Struct, frozen=True):
    """How far records may be from what was sent."""

    time_s: float = 1.0  # databases round times
    energy_wh: int = 0


class Evidence(Struct, frozen=True, kw_only=True):
    """One session or record, as both sides know it."""

    verdict: Match
    station: str
    connector: int | None
    transaction_id: int | None
    id_tag: str | None
    sent: str
    recorded: str


class Reconciliation(Struct, frozen=True, kw_only=True):
    """All sessions of a run against one source."""

    run: str
    source: str
    sessions: int
    records: int
    outside: int  # records of other stations or times, not looked at
    counts: dict[Match, int]
    energy_sent_kwh: float
    energy_recorded_kwh: float
    energy_wrong_kwh: float  # of sessions that are wrong, what the difference amounts to
    tariff: float | None
    evidence: list[Evidence]

    @property
    def wrong(self) -> int:
        """Sessions and records that are not as they should be."""
        return sum(count for verdict, count in self.counts.items() if verdict in WRONG)

    @property
    def exit_code(self) -> ExitCode:
        """CORRECTNESS when anything is wrong."""
        return ExitCode.CORRECTNESS if self.wrong else ExitCode.PASS

    @property
    def at_stake(self) -> float | None:
        """Money, when a tariff per kWh was given."""
        return None if self.tariff is None else self.tariff * self.energy_wrong_kwh

    def json(self) -> str:
        """The same as a JSON document."""
        return msgspec.json.format(msgspec.json.encode(self)).decode()


def reconcile(
    run: "Run",
    records: pd.DataFrame,
    *,
    source: str = "",
    tolerance: Tolerance | None = None,
    tariff: float | None = None,
) -> tuple[Reconciliation, pd.DataFrame]:
    """Verdicts as a summary and as a frame, one row per session of ours and per record of nobody's.

    `records` comes from `results.analysis.records`. The summary is kept in the run folder for gates.
    """
    tolerance = tolerance or Tolerance()
    ledger = _ledger(run)
    inside = _inside(ledger, records, tolerance)
    theirs = records[inside].reset_index(drop=True)
    matched, extra = _match(ledger, theirs, tolerance)
    rows = _judged(ledger, theirs, matched, extra, tolerance)
    found = Reconciliation(
        run=run.record.id,
        source=source,
        sessions=len(ledger),
        records=len(theirs),
        outside=int((~inside).sum()),
        counts={verdict: count for verdict in Match if (count := int((rows["verdict"] == verdict).sum()))},
        energy_sent_kwh=_kwh(rows["sent_wh"]),
        energy_recorded_kwh=_kwh(theirs["meter_stop_wh"] - theirs["meter_start_wh"]),
        energy_wrong_kwh=_kwh(_wrong_wh(rows)),
        tariff=tariff,
        evidence=_evidence(rows),
    )
    (run.path / RECONCILED_FILE).write_text(found.json(), "utf-8")
    return found, rows


def _ledger(run: "Run") -> pd.DataFrame:
    """Our sessions with the number of MeterValues the central system acknowledged for each."""
    ledger = run.transactions
    values = run.read_calls(
        ["worker", "station", "transaction"],
        [("action", "==", "MeterValues"), ("outcome", "==", "ok"), ("transaction", ">", 0)],
    )
    counts = values.groupby(["worker", "station", "transaction"], observed=True).size()
    once = ~ledger.duplicated(["worker", "station", "sequence"], keep=False)
    keys = pd.MultiIndex.from_frame(ledger[["worker", "station", "sequence"]])
    acknowledged = counts.reindex(keys).fillna(0).astype("Int64").to_numpy()
    # A station deployed twice counts its transactions from 1 again: calls cannot tell which was meant.
    ledger["acknowledged_values"] = pd.Series(acknowledged, dtype="Int64").where(once)
    return ledger


def _inside(ledger: pd.DataFrame, records: pd.DataFrame, tolerance: Tolerance) -> "pd.Series[bool]":
    """Records that can be about this run: its stations, from its first start on."""
    if ledger.empty:
        return records["station"].isin([])
    begun = ledger["started"].min() - pd.Timedelta(seconds=tolerance.time_s + 1)
    inside: pd.Series[bool] = records["station"].isin(ledger["uid"].unique()) & (records["started"] >= begun)
    return inside


def _match(
    ledger: pd.DataFrame, theirs: pd.DataFrame, tolerance: Tolerance
) -> tuple["np.ndarray[Any, Any]", dict[int, int]]:
    """Per session the number of its record, or -1; per further copy of a session, whose copy it is."""
    matched = np.full(len(ledger), _NO_ROW)
    owner: dict[int, int] = {}
    ours = ledger.assign(row=np.arange(len(ledger)))
    records = theirs.assign(record=np.arange(len(theirs)))
    natural = ["uid", "connector", "meter_start_wh"]
    steps = (
        (["uid", "transaction_id", *natural[1:]], True),
        (["uid", "transaction_id"], False),
        (natural, True),
        (["id_tag_key", "meter_start_wh"], True),  # under another station or connector
    )
    for keys, near in steps:
        free = ours[matched[ours["row"]] == _NO_ROW]
        left = records[~records["record"].isin(owner)]
        for row, record in _pairs(free, left, keys, tolerance if near else None):
            if matched[row] == _NO_ROW and record not in owner:
                matched[row] = record
                owner[record] = row
    copies = _pairs(ours, records[~records["record"].isin(owner)], natural, tolerance)
    extra = {record: row for row, record in copies}
    return matched, extra


def _pairs(
    ours: pd.DataFrame, theirs: pd.DataFrame, keys: list[str], near: Tolerance | None
) -> list[tuple[int, int]]:
    """(session, record) pairs that agree on the keys, and in start time when asked; nearest starts first."""
    left = _keyed(ours, "uid")[[*keys, "started", "row"]]
    right = _keyed(theirs, "station")[[*keys, "started", "record"]]
    # A side that does not keep the connector is not asked for it.
    if "connector" in keys and right["connector"].isna().all():
        keys = [key for key in keys if key != "connector"]
    both = left.dropna(subset=keys).merge(right.dropna(subset=keys), on=keys)
    apart_s = (both["started_x"] - both["started_y"]).abs().dt.total_seconds()
    if near is not None:
        both, apart_s = both[apart_s <= near.time_s], apart_s[apart_s <= near.time_s]
    order = np.argsort(apart_s.to_numpy(), kind="stable")
    rows, records = (both[name].to_numpy()[order].tolist() for name in ("row", "record"))
    return list(zip(rows, records, strict=True))


def _keyed(frame: pd.DataFrame, station: str) -> pd.DataFrame:
    """Key columns of equal types on both sides; idTags compare without case (CiString)."""
    return frame.assign(
        uid=frame[station].astype("string"),
        connector=frame["connector"].astype("Int64"),
        transaction_id=frame["transaction_id"].astype("Int64").where(frame["transaction_id"] > 0),
        meter_start_wh=frame["meter_start_wh"].astype("Int64"),
        id_tag_key=frame["id_tag"].astype("string").str.lower(),
    )


def _judged(
    ledger: pd.DataFrame,
    theirs: pd.DataFrame,
    matched: "np.ndarray[Any, Any]",
    extra: dict[int, int],
    tolerance: Tolerance,
) -> pd.DataFrame:
    """Both sides next to each other with a verdict."""
    padded = theirs.reindex([*theirs.index, _NO_ROW]) if len(theirs) else theirs.reindex([_NO_ROW])
    found = padded.loc[matched].reset_index(drop=True).add_prefix("their_")
    rows = pd.concat([ledger.reset_index(drop=True), found], axis=1)
    rows["sent_wh"] = rows["meter_stop_wh"] - rows["meter_start_wh"]
    rows["their_wh"] = rows["their_meter_stop_wh"] - rows["their_meter_start_wh"]
    copied = np.isin(np.arange(len(ledger)), list(extra.values()))
    rows["verdict"] = _verdicts(rows, matched != _NO_ROW, copied, tolerance)
    taken = {*matched.tolist(), *extra}
    nobodys = np.array([number not in taken for number in range(len(theirs))], dtype=bool)
    orphans = theirs[nobodys].add_prefix("their_")
    orphans = orphans.assign(
        verdict=Match.ORPHAN, their_wh=orphans["their_meter_stop_wh"] - orphans["their_meter_start_wh"]
    )
    return pd.concat([rows, orphans], ignore_index=True) if len(orphans) else rows


def _verdicts(
    rows: pd.DataFrame, present: "np.ndarray[Any, Any]", copied: "np.ndarray[Any, Any]", tolerance: Tolerance
) -> "np.ndarray[Any, Any]":
    """One verdict per session; of several that apply, the first in this list."""

    def sure(condition: Any) -> "np.ndarray[Any, Any]":
        return np.asarray(pd.Series(condition, dtype="boolean").fillna(False), dtype=bool)

    answered = sure(rows["transaction_id"].notna()) & sure(rows["transaction_id"] > 0)
    accepted = answered & sure(rows["authorization"].isin(["Accepted", ""]))
    settled = sure(rows["state"] == "settled")
    stopped = sure(rows["meter_stop_wh"].notna())
    shared = answered & sure(rows.duplicated(["uid", "transaction_id"], keep=False))
    ended = sure(rows["their_stopped"].notna())
    apart = (rows["started"] - rows["their_started"]).abs().dt.total_seconds()
    apart_stop = (rows["stopped"] - rows["their_stopped"]).abs().dt.total_seconds()
    other_energy = sure((rows["sent_wh"] - rows["their_wh"]).abs() > tolerance.energy_wh)
    other_start = sure((rows["meter_start_wh"] - rows["their_meter_start_wh"]).abs() > tolerance.energy_wh)
    other_tag = sure(rows["id_tag"].str.lower() != rows["their_id_tag"].astype("string").str.lower())
    other_place = sure(rows["uid"].astype("string") != rows["their_station"]) | sure(
        rows["connector"].astype("Int64") != rows["their_connector"]
    )
    twice = copied | sure(rows["their_stops"] > 1)
    choices = [
        (~present & shared, Match.MERGED),
        (~present & accepted, Match.LOST),
        (~present, Match.UNKNOWN_ABSENT),
        (shared & (twice | other_energy), Match.MERGED),  # the other session's stop ended up here
        (twice, Match.DUPLICATED),
        (other_place, Match.STATION),
        (settled & ~ended, Match.LOST_STOP),
        (stopped & ended & other_energy | other_start, Match.ENERGY),
        (other_tag, Match.TAG),
        (sure(apart > tolerance.time_s) | (stopped & sure(apart_stop > tolerance.time_s)), Match.TIMES),
        (~stopped & ended, Match.TIMES),
        (sure(rows["their_meter_values"] < rows["acknowledged_values"]), Match.VALUES_MISSING),
        (~answered, Match.UNKNOWN_PRESENT),
        (~ended, Match.OPEN),
    ]
    conditions, verdicts = zip(*choices, strict=True)
    return np.select(conditions, [str(verdict) for verdict in verdicts], str(Match.EXACT))


def _wrong_wh(rows: pd.DataFrame) -> "pd.Series[Any]":
    """What the records are off by, session by session; a lost or unwanted one counts whole."""
    wrong = rows[rows["verdict"].isin([str(v) for v in WRONG])]
    twice = wrong["verdict"] == Match.DUPLICATED
    difference = (wrong["sent_wh"].fillna(0) - wrong["their_wh"].fillna(0)).abs()
    return difference.where(~twice, wrong["sent_wh"])


def _kwh(energy_wh: "pd.Series[Any]") -> float:
    return float(energy_wh.fillna(0).sum()) / 1_000


def _evidence(rows: pd.DataFrame) -> list[Evidence]:
    shown = []
    for verdict in Match:
        if verdict in WRONG:
            chosen = rows[rows["verdict"] == verdict].head(EVIDENCE)
            shown += [_evidence_of(verdict, row) for row in chosen.to_dict("records")]
    return shown


def _evidence_of(verdict: Match, row: dict[Hashable, Any]) -> Evidence:
    ours = verdict is not Match.ORPHAN
    place = "" if ours else "their_"
    return Evidence(
        verdict=verdict,
        station=str(row["uid"] if ours else row["their_station"]),
        connector=_whole(row[f"{place}connector"]),
        transaction_id=_whole(row[f"{place}transaction_id"]),
        id_tag=None if pd.isna(row[f"{place}id_tag"]) else str(row[f"{place}id_tag"]),
        sent=_side(row, "") if ours else "nothing",
        recorded=_side(row, "their_"),
    )


def _side(row: dict[Hashable, Any], prefix: str) -> str:
    if pd.isna(row[f"{prefix}started"]):
        return "nothing"
    stop = row[f"{prefix}meter_stop_wh"]
    ended = "running" if pd.isna(stop) else f"{stop} Wh at {row[f'{prefix}stopped']:%H:%M:%S}"
    return f"{row[f'{prefix}meter_start_wh']} Wh at {row[f'{prefix}started']:%Y-%m-%d %H:%M:%S} to {ended}"


def _whole(value: Any) -> int | None:
    return None if pd.isna(value) else int(value)
