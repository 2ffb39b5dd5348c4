"""One page about a run: counts, failures and percentiles by action; sessions, links, findings, own health."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Final

import msgspec
import numpy as np
import pandas as pd
from msgspec import Struct

from results.analysis.drift import Drift
from results.analysis.latency import NOT_FAILURES, call_spreads
from results.analysis.quantiles import EXACT_CALLS, Group, Spread, grouped

if TYPE_CHECKING:
    from results.analysis.run import Run

FINDINGS_SHOWN: Final = 20
_RESPONSE: Final = (0.5, 0.95, 0.99)
ENDED_LINKS: Final = frozenset({"closed", "lost", "cut"})
# Every other kind of `connections` is an attempt that failed.
NO_FAILED_ATTEMPT: Final = ENDED_LINKS | {"opened", "accepted", "hardship", "calm"}


class ActionLine(Struct, frozen=True):
    """One OCPP action that the stations sent; times in milliseconds, None without a call."""

    action: str
    count: int
    failures: int
    cancelled: int
    per_s: float
    p50_ms: float | None
    p95_ms: float | None
    p99_ms: float | None
    max_ms: float | None
    service_p95_ms: float | None
    outcomes: dict[str, int]


class CommandLine(Struct, frozen=True):
    """One OCPP action that the central system sent; the time is ours, received to answered."""

    action: str
    count: int
    answers: dict[str, int]
    p95_ms: float | None


class Sessions(Struct, frozen=True):
    """The ledger in one line."""

    started: int = 0
    settled: int = 0
    waiting: int = 0  # stopped, the central system has not acknowledged yet
    running: int = 0
    abandoned: int = 0
    offline: int = 0
    energy_kwh: float = 0.0


class Links(Struct, frozen=True):
    """What happened to connections."""

    opened: int = 0
    accepted: int = 0
    ended: dict[str, int] = {}
    failed: dict[str, int] = {}


class FindingLine(Struct, frozen=True):
    """One kind of rule broken by the central system."""

    rule: str
    kind: str
    count: int
    example: str


class OwnHealth(Struct, frozen=True):
    """The load generator itself."""

    gen_lag_p99_ms: float | None = None
    gen_lag_max_ms: float | None = None
    loop_delay_p99_ms: float | None = None  # the worst second's 99th percentile
    loop_delay_max_ms: float | None = None
    cpu_percent_max: float | None = None
    rss_mb_max: float | None = None
    dropped_rows: int = 0


class Summary(Struct, frozen=True, kw_only=True):
    """All of it; `results.analysis.render` makes text, Markdown and HTML."""

    id: str
    name: str
    path: str
    status: str
    phase: str | None
    duration_s: float
    stations: int
    workers: int
    time_scale: float
    timestamps: str
    trusted: bool
    reasons: list[str]
    percentiles: str  # "exact" or "within 0.39 %"
    actions: list[ActionLine]
    total: ActionLine
    commands: list[CommandLine]
    sessions: Sessions
    links: Links
    findings: list[FindingLine]
    finding_kinds: int
    health: OwnHealth
    said: list[str] = []  # what the scenario found out
    drift: list[Drift] = []  # of a run that is judged by it

    def json(self) -> str:
        """The same as a JSON document."""
        return msgspec.json.format(msgspec.json.encode(self)).decode()


def summarise(run: "Run", phase: str | None = None, exact_calls: int = EXACT_CALLS) -> Summary:
    """Summarise a run, or one phase of its calls. Memory stays bounded whatever the number of calls."""
    counts = _counts(run, phase)
    seconds = max(run.seconds_in(phase), 1e-6)
    actions, total = _actions(run, phase, counts, seconds, exact_calls)
    findings = _findings(run)
    return Summary(
        id=run.record.id,
        name=run.record.name,
        path=str(run.path),
        status=run.record.status,
        phase=phase,
        duration_s=seconds,
        stations=int(run.stations["station"].nunique()),
        workers=len({*run.record.workers, *run.record.receipts}),
        time_scale=run.record.time_scale,
        timestamps=run.record.timestamps,
        trusted=run.trust.trusted,
        reasons=list(run.trust.reasons),
        percentiles="exact" if total.count <= exact_calls else "within 0.39 %",
        actions=actions,
        total=total,
        commands=_commands(run, phase, counts),
        sessions=sessions(run.transactions),
        links=_links(run.connections),
        findings=findings[:FINDINGS_SHOWN],
        finding_kinds=len(findings),
        health=_health(run, phase),
        said=list(run.record.scenario.get("said", [])),
        drift=run.drift if run.record.scenario.get("drift") else [],
    )


def sessions(ledger: pd.DataFrame) -> Sessions:
    """Counts of the ledger by state, and the energy of the stopped ones."""
    states = ledger["state"].value_counts().to_dict()
    return Sessions(
        started=len(ledger),
        settled=states.get("settled", 0),
        waiting=states.get("stopped", 0),
        running=states.get("started", 0) + states.get("acknowledged", 0),
        abandoned=states.get("abandoned", 0),
        offline=int(ledger["offline"].sum()),
        energy_kwh=float(ledger["energy_wh"].sum()) / 1000,
    )


def _counts(run: "Run", phase: str | None) -> pd.DataFrame:
    """Calls by direction, action, outcome and result."""
    by = ["direction", "action", "outcome", "result"]
    counts: dict[Group, int] = {}
    for batch in run.scan_calls(by, phase=phase):
        groups, codes = grouped(batch, by)
        for group, count in zip(groups, np.bincount(codes).tolist(), strict=True):
            counts[group] = counts.get(group, 0) + count
    return pd.DataFrame([(*group, count) for group, count in counts.items()], columns=[*by, "count"])


def _actions(
    run: "Run", phase: str | None, counts: pd.DataFrame, seconds: float, exact_calls: int
) -> tuple[list[ActionLine], ActionLine]:
    sent = counts[counts["direction"] == "out"]
    lines = []
    for by, chosen in ((["action"], sent), ([], sent.assign(action="all"))):
        answered: dict[str, Any] = {"phase": phase, "exact_calls": exact_calls}
        response = call_spreads(run, by, quantiles=_RESPONSE, **answered)
        service = call_spreads(run, by, kind="service", quantiles=(0.95,), **answered)
        for action, rows in chosen.groupby("action"):
            key = (action,) if by else ()
            lines.append(_line(str(action), rows, response.get(key), service.get(key), seconds))
    if not lines:
        return [], _line("all", sent, None, None, seconds)
    return sorted(lines[:-1], key=lambda line: -line.count), lines[-1]


def _line(
    action: str, rows: pd.DataFrame, response: Spread | None, service: Spread | None, seconds: float
) -> ActionLine:
    outcomes = {str(k): int(v) for k, v in rows.groupby("outcome")["count"].sum().items()}
    p50, p95, p99 = _quantiles_ms(response, _RESPONSE)
    return ActionLine(
        action=action,
        count=sum(outcomes.values()),
        failures=sum(count for outcome, count in outcomes.items() if outcome not in NOT_FAILURES),
        cancelled=outcomes.get("cancelled", 0),
        per_s=sum(outcomes.values()) / seconds,
        p50_ms=p50,
        p95_ms=p95,
        p99_ms=p99,
        max_ms=None if response is None else response.largest / 1000,
        service_p95_ms=_quantiles_ms(service, (0.95,))[0],
        outcomes=outcomes,
    )


def _commands(run: "Run", phase: str | None, counts: pd.DataFrame) -> list[CommandLine]:
    received = counts[counts["direction"] == "in"]
    if received.empty:
        return []
    service = call_spreads(run, ["action"], kind="service", direction="in", quantiles=(0.95,), phase=phase)
    lines = []
    for action, rows in received.groupby("action"):
        named = rows.assign(answer=rows["result"].where(rows["result"] != "", rows["outcome"]))
        answers = {str(k): int(v) for k, v in named.groupby("answer")["count"].sum().items()}
        p95 = _quantiles_ms(service.get((action,)), (0.95,))[0]
        lines.append(CommandLine(str(action), sum(answers.values()), answers, p95))
    return sorted(lines, key=lambda line: -line.count)


def _links(connections: pd.DataFrame) -> Links:
    kinds = {str(k): int(v) for k, v in connections["kind"].value_counts().items() if v}
    ended = connections[connections["kind"].isin(list(ENDED_LINKS))]
    reasons: dict[str, int] = {}
    for kind, code in zip(ended["kind"], ended["close_code"], strict=True):
        reason = f"{kind} {code}" if pd.notna(code) else str(kind)
        reasons[reason] = reasons.get(reason, 0) + 1
    failed = {kind: n for kind, n in kinds.items() if kind not in NO_FAILED_ATTEMPT}
    return Links(kinds.get("opened", 0), kinds.get("accepted", 0), reasons, failed)


def _findings(run: "Run") -> list[FindingLine]:
    lines = [
        FindingLine(str(rule), str(kind), int(rows["count"].sum()), str(rows["detail"].iloc[0]))
        for (rule, kind), rows in run.findings.groupby(["rule", "kind"], observed=True)
    ]
    return sorted(lines, key=lambda line: (-line.count, line.rule))


def _health(run: "Run", phase: str | None) -> OwnHealth:
    lag = call_spreads(run, [], kind="gen_lag", quantiles=(0.99,), phase=phase).get(())
    health = run.health
    return OwnHealth(
        gen_lag_p99_ms=_quantiles_ms(lag, (0.99,))[0],
        gen_lag_max_ms=None if lag is None else lag.largest / 1000,
        loop_delay_p99_ms=_most(health["loop_delay_p99_us"], 1e-3),
        loop_delay_max_ms=_most(health["loop_delay_max_us"], 1e-3),
        cpu_percent_max=_most(health["cpu_percent"], 1),
        rss_mb_max=_most(health["rss_bytes"], 1e-6),
        dropped_rows=sum(receipt.dropped for receipt in run.record.receipts.values()),
    )


def _most(column: "pd.Series[Any]", scale: float) -> float | None:
    return float(column.max()) * scale if column.notna().any() else None


def _quantiles_ms(spread: Spread | None, quantiles: Sequence[float]) -> list[float | None]:
    return [None if spread is None else spread.quantile_us(q) / 1000 for q in quantiles]
