"""One self-contained HTML file about a run: verdict first, then pictures, tables and how to repeat it.

No script, no network: it opens from a disk or a mail, prints, and follows light and dark. Its size depends on
the number of windows and actions, not on the number of calls.
"""

import shlex
from collections.abc import Iterable, Iterator, Mapping, Sequence
from html import escape
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import msgspec

from results.analysis.charts import CHARTS, moment
from results.analysis.drawing import svg
from results.analysis.drift import Outcome
from results.analysis.render import many, milliseconds
from results.analysis.samples import RECONCILED_FILE
from results.analysis.summary import ActionLine, Summary
from results.analysis.timeline import Timeline
from results.analysis.verdicts import VERDICT_FILE
from results.catalogue import CATALOGUE, severity_of

if TYPE_CHECKING:
    from results.analysis.run import Run

REPORT_FILE: Final = "report.html"
FINDINGS_SHOWN: Final = 20
_ACTION_HEAD: Final = (
    *("action", "count", "failed", "per s", "p50 ms", "p95 ms", "p99 ms", "max ms", "service p95 ms"),
)


def write_report(run: "Run", path: Path | None = None) -> Path:
    """Write the report beside the data, or where asked."""
    target = path or run.path / REPORT_FILE
    target.write_text(report_html(run), "utf-8")
    return target


def report_html(run: "Run") -> str:
    """The whole document."""
    summary = run.summary()
    parts = [*_verdict(run, summary), *_numbers(summary), *_pictures(run), *_findings(run), *_repeat(run)]
    return page(f"{summary.name}: {summary.id}", parts)


def page(title: str, parts: Iterable[str]) -> str:
    """A document with our style around some parts."""
    style = files("results.analysis").joinpath("report.css").read_text("utf-8")
    return (
        f'<!doctype html>\n<html lang="en"><head><meta charset="utf-8"><title>{escape(title)}</title>'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<style>{style}</style></head>\n<body>\n" + "\n".join(parts) + "\n</body></html>\n"
    )


def table(head: Sequence[str], rows: Iterable[Sequence[str]], kind: str = "") -> str:
    """An HTML table of plain texts."""
    heads = "".join(f'<th scope="col">{escape(cell)}</th>' for cell in head)
    body = "".join("<tr>" + "".join(f"<td>{escape(cell)}</td>" for cell in row) + "</tr>" for row in rows)
    return (
        f'<div class="scroll"><table class="{kind}"><thead><tr>{heads}</tr></thead>'
        f"<tbody>{body}</tbody></table></div>"
    )


def badge(text: str, *, good: bool | None) -> str:
    """A word that is seen first; not by colour alone. None: neither good nor bad is known."""
    kind, mark = {True: ("good", "✓"), False: ("bad", "✗"), None: ("open", "?")}[good]
    return f'<span class="badge {kind}">{mark} {escape(text)}</span>'


def _verdict(run: "Run", summary: Summary) -> Iterator[str]:
    yield f"<h1>{escape(summary.name)}</h1>"
    yield (
        f'<p class="note">{escape(summary.id)} · {moment(run.record.started_us)} · '
        f"{summary.duration_s:,.0f} s · {summary.stations:,} stations · {many(summary.workers, 'worker')} · "
        f"{escape(summary.status)}</p>"
    )
    yield f"<p>{badge('trusted' if summary.trusted else 'not trusted', good=summary.trusted)}</p>"
    if summary.reasons:
        yield "<ul>" + "".join(f"<li>{escape(reason)}</li>" for reason in summary.reasons) + "</ul>"
    if summary.time_scale != 1:
        yield (
            f"<p>Time was compressed {summary.time_scale:g} times: timestamps in messages are "
            f"{summary.timestamps}, latencies are real.</p>"
        )
    yield from _drift(summary)
    yield from _checks(_kept(run.path / VERDICT_FILE))
    yield from _ledger(_kept(run.path / RECONCILED_FILE))


def _drift(summary: Summary) -> Iterator[str]:
    if not summary.drift:
        return
    growing = [drift for drift in summary.drift if drift.exit_code]
    unknown = sum(drift.outcome is Outcome.UNKNOWN for drift in summary.drift)
    title = f"{len(growing)} of {len(summary.drift)} measures drift" if growing else "no drift was seen"
    more = f" {unknown} could not be judged." if unknown else ""
    yield f"<h2>Drift</h2><p>{badge(title, good=not growing)}{more}</p>"
    rows = [("central system" if not d.ours else "load generator", d.name, d.value) for d in summary.drift]
    yield table(("side", "measure", "at like load"), rows, "words")


def _checks(verdict: Mapping[str, Any] | None) -> Iterator[str]:
    if verdict is None:
        return
    good = verdict["exit_code"] == 0
    yield f"<h2>Thresholds</h2><p>{badge(verdict['meaning'], good=good)}</p>"
    rows = [
        (c["status"], c["name"], c["wanted"], c["value"], c.get("margin", ""), c.get("note", ""))
        for c in sorted(verdict["checks"], key=lambda c: c["status"] == "passed")
    ]
    yield table(("status", "check", "wanted", "value", "margin", ""), rows, "words")


def _ledger(found: Mapping[str, Any] | None) -> Iterator[str]:
    if found is None:
        return
    wrong = sum(n for verdict, n in found["counts"].items() if not _fine(verdict))
    title = "ledger agrees" if not wrong else f"{wrong:,} sessions or records are wrong"
    yield f"<h2>Ledger</h2><p>{badge(title, good=not wrong)} against {escape(found['source'])}</p>"
    yield table(("verdict", "sessions"), [(v, f"{n:,}") for v, n in found["counts"].items()])
    sent, recorded = found["energy_sent_kwh"], found["energy_recorded_kwh"]
    yield f"<p>Energy sent {sent:,.3f} kWh, recorded {recorded:,.3f} kWh.</p>"


def _fine(verdict: str) -> bool:
    return verdict in {"exact", "running", "unanswered_present", "unanswered_absent"}


def _numbers(summary: Summary) -> Iterator[str]:
    yield "<h2>Calls</h2>"
    yield table(_ACTION_HEAD, [_action(line) for line in [*summary.actions, summary.total]])
    yield (
        f'<p class="note">Response is due to answered, {escape(summary.percentiles)}; service is sent to '
        "answered. Calls that were never answered count with the time they took.</p>"
    )
    s, links, own = summary.sessions, summary.links, summary.health
    rows = [
        (
            "sessions",
            (
                f"{s.started:,} started, {s.settled:,} settled, {s.running:,} running, "
                f"{s.waiting:,} stopped and waiting for an answer, {s.abandoned:,} abandoned"
            ),
        ),
        ("energy", f"{s.energy_kwh:,.1f} kWh"),
        ("links", f"{links.opened:,} opened, {links.accepted:,} accepted"),
        ("links ended", _pairs(links.ended)),
        ("failed attempts", _pairs(links.failed)),
        (
            "failed calls",
            _pairs({k: v for k, v in summary.total.outcomes.items() if k not in {"ok", "cancelled"}}),
        ),
        ("own lag", f"p99 {milliseconds(own.gen_lag_p99_ms)} ms, max {milliseconds(own.gen_lag_max_ms)} ms"),
        ("own loop delay", f"max {milliseconds(own.loop_delay_max_ms)} ms"),
        ("own CPU", f"max {milliseconds(own.cpu_percent_max)} % of a core"),
        ("rows dropped", f"{own.dropped_rows:,}"),
    ]
    yield table(("", ""), rows, "words")
    if summary.commands:
        yield "<h2>Commands of the central system</h2>"
        commands = [
            (c.action, f"{c.count:,}", milliseconds(c.p95_ms), _pairs(c.answers)) for c in summary.commands
        ]
        yield table(("command", "count", "p95 ms", "answers"), commands, "words")


def _action(line: ActionLine) -> list[str]:
    times = (line.p50_ms, line.p95_ms, line.p99_ms, line.max_ms, line.service_p95_ms)
    return [
        line.action,
        f"{line.count:,}",
        f"{line.failures:,}",
        f"{line.per_s:,.1f}",
        *map(milliseconds, times),
    ]


def _pictures(run: "Run") -> Iterator[str]:
    timeline = Timeline(run)
    if not timeline.by_action:
        return
    yield "<h2>Pictures</h2>"
    for name, chart in CHARTS.items():
        figure = chart(timeline)
        if figure is not None:
            told = " ".join((chart.__doc__ or name).split())
            yield f"<figure>{svg(figure, told)}<figcaption class='note'>{escape(told)}</figcaption></figure>"


def _findings(run: "Run") -> Iterator[str]:
    found = run.findings
    if found.empty:
        yield "<h2>Findings</h2><p>The central system broke no rule in our sight.</p>"
        return
    kinds = found.groupby(["rule", "kind"], observed=True)["count"].sum().sort_values(ascending=False)
    yield f"<h2>Findings</h2><p>{len(kinds):,} kinds, the most frequent first.</p>"
    rows = []
    for index, count in kinds.head(FINDINGS_SHOWN).to_dict().items():
        rule, kind = str(index[0]), str(index[1])  # type: ignore[index]  # the two columns grouped by
        example = found[(found["rule"] == rule) & (found["kind"] == kind)].iloc[0]
        title = CATALOGUE[rule].title if rule in CATALOGUE else ""
        frame = "" if _missing(example["frame"]) else str(example["frame"])[:300]
        rows.append((rule, str(severity_of(rule)), f"{count:,}", title, str(example["detail"]), frame))
    yield table(("rule", "severity", "count", "meaning", "first seen", "frame"), rows, "words")


def _repeat(run: "Run") -> Iterator[str]:
    record = run.record
    yield "<h2>How to repeat it</h2>"
    if record.command:
        # The first word is the file in which Python found Locust: nothing that can be typed elsewhere.
        yield f"<pre>{escape(shlex.join(['locust', *record.command[1:]]))}</pre>"
    rows = [
        ("seed", str(record.seed)),
        ("arguments", ", ".join(f"{k}={v}" for k, v in record.arguments.items() if v not in (None, ""))),
        ("versions", _joined(record.versions)),
        ("machine", _joined(record.host)),
        ("clock", _joined(record.clock)),
        ("folder", str(run.path)),
    ]
    yield table(("", ""), rows, "words")


def _kept(path: Path) -> Mapping[str, Any] | None:
    try:
        found: Mapping[str, Any] = msgspec.json.decode(path.read_bytes())
    except (FileNotFoundError, msgspec.DecodeError):  # none, or cut off by a full disk: as good as none
        return None
    return found


def _missing(value: Any) -> bool:
    return not isinstance(value, str)


def _joined(pairs: Mapping[str, Any]) -> str:
    return ", ".join(f"{name} {value}" for name, value in pairs.items())


def _pairs(counts: Mapping[str, int]) -> str:
    return (
        ", ".join(f"{name} {count:,}" for name, count in sorted(counts.items(), key=lambda p: -p[1]))
        or "none"
    )
