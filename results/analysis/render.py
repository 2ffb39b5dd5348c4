"""A summary as text for terminals and CI logs, as Markdown and as a small piece of HTML."""

import sys
from collections.abc import Iterator, Sequence
from html import escape
from itertools import islice
from textwrap import wrap
from typing import Final

from results.analysis.drift import lines as drift_lines
from results.analysis.latency import NOT_FAILURES
from results.analysis.summary import ActionLine, Sessions, Summary

WIDTH: Final = 100

_HEAD: Final = ("action", "count", "failed", "per s", "p50", "p95", "p99", "max", "service p95")


def summary_text(summary: Summary) -> str:
    """At most 100 columns, no colour: readable in a CI log. Times in milliseconds."""
    return "\n".join(line.rstrip() for line in _text_lines(summary)) + "\n"


def summary_markdown(summary: Summary) -> str:
    """For a CI page: the verdict first, one table, the rest as lines."""
    lines = [
        f"### {_verdict(summary)}: {summary.id}",
        "",
        _headline(summary),
        "",
        *(f"- {reason}" for reason in summary.reasons),
        "",
        _md_row([*_HEAD[:4], *(f"{name} ms" for name in _HEAD[4:])]),
        _md_row(["---", *["---:"] * (len(_HEAD) - 1)]),
        *(_md_row(_cells(line)) for line in [*summary.actions, summary.total]),
        "",
        *(f"  - {line.strip()}" if line.startswith(" ") else f"- {line}" for line in _facts(summary)),
    ]
    return "\n".join(lines) + "\n"


def summary_html(summary: Summary) -> str:
    """For a notebook: inherits the page's colours, so that it is readable in the dark."""
    head = "".join(f"<th>{escape(name)}</th>" for name in _HEAD)
    rows = "".join(
        "<tr>" + "".join(f"<td>{escape(cell)}</td>" for cell in _cells(line)) + "</tr>"
        for line in [*islice(summary.actions, 12), summary.total]
    )
    reasons = "".join(f"<li>{escape(reason)}</li>" for reason in summary.reasons)
    facts = "<br>".join(escape(fact) for fact in _facts(summary))
    return (
        f"<b>{_verdict(summary)}</b> {escape(summary.id)} — {escape(_headline(summary))}"
        f"<ul>{reasons}</ul><table><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table>"
        f"<small>Times in milliseconds, {escape(summary.percentiles)}.</small><p>{facts}</p>"
    )


def table_text(head: Sequence[str], rows: Sequence[Sequence[str]], gap: str = "  ") -> list[str]:
    """Aligned columns: the first to the left, the others to the right."""
    widths = [max(len(row[place]) for row in [head, *rows]) for place in range(len(head))]
    lines = [[row[0].ljust(widths[0]), *map(str.rjust, row[1:], widths[1:])] for row in [head, *rows]]
    return [gap.join(lines[0]), gap.join("-" * width for width in widths), *map(gap.join, lines[1:])]


def milliseconds(value: float | None) -> str:
    """Three significant digits, no unit; a dash for nothing."""
    if value is None:
        return "-"
    if value < 100:
        return f"{value:.3g}" if value >= 0.1 or value == 0 else f"{value:.2f}"
    return f"{value:,.0f}"


def _text_lines(summary: Summary) -> Iterator[str]:
    yield f"{summary.id}  [{summary.status}]"
    yield _headline(summary)
    yield _verdict(summary)
    yield from (f"  - {reason}" for reason in summary.reasons)
    yield ""
    if summary.total.count:
        yield from table_text(_HEAD, [_cells(line) for line in [*summary.actions, summary.total]])
        yield f"response times in ms (due to answered), {summary.percentiles}; service = sent to answered"
    else:
        yield "no calls were recorded"
    if summary.commands:
        yield ""
        yield from table_text(
            ("command of the CSMS", "count", "p95 ms", "answers"),
            [[c.action, f"{c.count:,}", milliseconds(c.p95_ms), _pairs(c.answers)] for c in summary.commands],
        )
    yield ""
    for fact in _facts(summary):
        yield from wrap(fact, WIDTH, subsequent_indent="    ") if not fact.startswith(" ") else [fact]
    yield f"folder: {summary.path}"
    yield f'python: import results; run = results.open("{summary.path}")'


def _headline(summary: Summary) -> str:
    scale = ""
    if summary.time_scale != 1:
        scale = f", time compressed {summary.time_scale:g} times, timestamps {summary.timestamps}"
    phase = "" if summary.phase is None else f" of phase {summary.phase}"
    return (
        f"{many(summary.stations, 'station')} on {many(summary.workers, 'worker')}, "
        f"{summary.duration_s:,.1f} s{phase}{scale}"
    )


def _verdict(summary: Summary) -> str:
    return "TRUSTED" if summary.trusted else "NOT TRUSTED"


def _cells(line: ActionLine) -> list[str]:
    times = (line.p50_ms, line.p95_ms, line.p99_ms, line.max_ms, line.service_p95_ms)
    rate = f"{line.per_s:,.1f}"
    return [line.action, f"{line.count:,}", f"{line.failures:,}", rate, *map(milliseconds, times)]


def _facts(summary: Summary) -> Iterator[str]:
    yield from (f"scenario: {line}" for line in summary.said)
    yield from _session_facts(summary.sessions)
    failures = {k: v for k, v in summary.total.outcomes.items() if k not in NOT_FAILURES}
    if failures or summary.total.cancelled:
        yield f"failed calls: {_pairs(failures)}; cancelled by us: {summary.total.cancelled:,}"
    links, own = summary.links, summary.health
    yield (
        f"links: {links.opened:,} opened, {links.accepted:,} accepted; ended: {_pairs(links.ended)}; "
        f"failed attempts: {_pairs(links.failed)}"
    )
    yield (
        f"own lag: p99 {milliseconds(own.gen_lag_p99_ms)} ms, max {milliseconds(own.gen_lag_max_ms)} ms; "
        f"loop delay max {milliseconds(own.loop_delay_max_ms)} ms; "
        f"CPU max {milliseconds(own.cpu_percent_max)} %; memory max {milliseconds(own.rss_mb_max)} MB; "
        f"rows dropped {own.dropped_rows:,}"
    )
    yield from (f"drift: {line}" for line in drift_lines(summary.drift))
    yield from _finding_facts(summary)


def _session_facts(s: Sessions) -> Iterator[str]:
    waiting = f", {s.waiting:,} waiting for an answer" if s.waiting else ""
    abandoned = f", {s.abandoned:,} abandoned" if s.abandoned else ""
    offline = f", {s.offline:,} begun offline" if s.offline else ""
    yield (
        f"sessions: {s.started:,} started, {s.settled:,} settled, {s.running:,} running"
        f"{waiting}{abandoned}{offline}; {s.energy_kwh:,.1f} kWh"
    )


def _finding_facts(summary: Summary) -> Iterator[str]:
    if not summary.findings:
        yield "findings about the CSMS: none"
        return
    yield f"findings about the CSMS: {many(summary.finding_kinds, 'kind')}"
    for finding in summary.findings:
        yield f"  {finding.rule:<8} {finding.count:>8,} x  {finding.example[:75]}"
    if summary.finding_kinds > len(summary.findings):
        yield f"  … and {summary.finding_kinds - len(summary.findings):,} kinds more"


def many(count: int, noun: str) -> str:
    """A count with its noun, in the plural where it is not one."""
    return f"{count:,} {noun}{'' if count == 1 else 's'}"


def _pairs(counts: dict[str, int]) -> str:
    ordered = sorted(counts.items(), key=lambda item: -item[1])
    more = ", …" if len(ordered) > 6 else ""
    return ", ".join(f"{name} {count:,}" for name, count in ordered[:6]) + more or "none"


def _md_row(cells: Sequence[str]) -> str:
    return "| " + " | ".join(cells) + " |"


def say(text: str) -> None:
    """A command's answer on standard output."""
    sys.stdout.write(text.rstrip("\n") + "\n" if text else "")
    sys.stdout.flush()
