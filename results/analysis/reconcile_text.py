"""A reconciliation as text and Markdown."""

from collections.abc import Iterator

from results.analysis.matching import WRONG, Match
from results.analysis.reconcile import Reconciliation
from results.analysis.render import table_text

_SHOWN: dict[Match, str] = {
    Match.EXACT: "as it was sent",
    Match.LOST: "acknowledged to the station, not recorded",
    Match.LOST_STOP: "its stop was acknowledged, the record is still open",
    Match.DUPLICATED: "recorded more than once",
    Match.MERGED: "shares one id and one record with another session",
    Match.ORPHAN: "recorded, and no station of ours made it",
    Match.ENERGY: "energy or meter differs",
    Match.TIMES: "start or stop time differs",
    Match.TAG: "idTag differs",
    Match.STATION: "recorded under another station or connector",
    Match.VALUES_MISSING: "fewer meter values than were acknowledged",
    Match.OPEN: "still running, recorded as open",
    Match.UNKNOWN_PRESENT: "we never saw the answer; it is recorded (legal)",
    Match.UNKNOWN_ABSENT: "we never saw an acceptance; it is not recorded (legal)",
}


def reconciliation_text(found: Reconciliation, examples: int = 5) -> str:
    """For terminals and logs: counts, energy, then the first examples of what is wrong."""
    rows = [[_mark(v) + str(v), f"{found.counts[v]:,}", _SHOWN[v]] for v in Match if v in found.counts]
    lines = [
        f"{found.sessions:,} sessions of {found.run} against {found.records:,} records of {found.source}",
        *(line.rstrip() for line in _left_last(rows)),
        *_energy(found),
        *_examples(found, examples),
        "nothing is wrong" if not found.wrong else f"{found.wrong:,} sessions or records are wrong",
    ]
    return "\n".join(lines) + "\n"


def reconciliation_markdown(found: Reconciliation) -> str:
    """For CI pages."""
    rows = [f"| {_mark(v)}{v} | {found.counts[v]:,} | {_SHOWN[v]} |" for v in Match if v in found.counts]
    title = "### ✅ ledger agrees" if not found.wrong else f"### ❌ {found.wrong:,} sessions are wrong"
    lines = [title, "", "| verdict | count | |", "|---|---:|---|", *rows, "", *_energy(found)]
    return "\n".join(lines) + "\n"


def _energy(found: Reconciliation) -> Iterator[str]:
    yield f"energy sent {found.energy_sent_kwh:,.3f} kWh, recorded {found.energy_recorded_kwh:,.3f} kWh"
    if found.at_stake is not None:
        wrong = f"{found.energy_wrong_kwh:,.3f} kWh"
        yield f"at stake: {wrong}, {found.at_stake:,.2f} at {found.tariff:g} per kWh"
    if found.outside:
        yield f"{found.outside:,} records of other stations or earlier times were left out"


def _examples(found: Reconciliation, examples: int) -> Iterator[str]:
    shown: dict[Match, int] = {}
    for row in found.evidence:
        shown[row.verdict] = shown.get(row.verdict, 0) + 1
        if shown[row.verdict] <= examples:
            place = (
                f"{row.station}/{row.connector if row.connector is not None else '?'} id {row.transaction_id}"
            )
            yield f"  {row.verdict}: {place} tag {row.id_tag}: sent {row.sent}; recorded {row.recorded}"


def _left_last(rows: list[list[str]]) -> list[str]:
    width = max((len(row[2]) for row in rows), default=0)
    return table_text(
        ("verdict", "count", "meaning".ljust(width)), [[*r[:2], r[2].ljust(width)] for r in rows]
    )


def _mark(verdict: Match) -> str:
    return "! " if verdict in WRONG else "  "
