"""A comparison as text, Markdown and CSV."""

import csv
import io
from typing import TYPE_CHECKING, Final

from results.analysis.compare import Comparison, Line
from results.analysis.render import table_text
from results.analysis.run_figures import figures

if TYPE_CHECKING:
    from collections.abc import Sequence

    from results.analysis.run import Run

HEAD: Final = ("metric", "base", "candidate", "ratio", "98 % interval", "p", "verdict")


def comparison_text(comparison: Comparison) -> str:
    """For terminals and logs. A ratio above 1 is worse, whatever the metric."""
    lines = [
        f"runs: {len(comparison.base)} baseline, {len(comparison.candidate)} candidate, {comparison.design}",
        *(f"warning: {warning}" for warning in comparison.warnings),
        "",
        *(line.rstrip() for line in table_text(HEAD, [cells(line) for line in comparison.lines])),
        "ratio above 1 is worse; p is one-sided, corrected over all metrics",
    ]
    return "\n".join(lines) + "\n"


def comparison_markdown(comparison: Comparison) -> str:
    """For CI pages."""
    rows = ["| " + " | ".join(cells(line)) + " |" for line in comparison.lines]
    head = ["| " + " | ".join(HEAD) + " |", "|---" + "|---:" * 5 + "|---|"]
    warnings = [f"- {warning}" for warning in comparison.warnings]
    return "\n".join([f"### Comparison, {comparison.design}", "", *warnings, "", *head, *rows]) + "\n"


def drift_csv(runs: "Sequence[Run]", phase: str | None) -> str:
    """One row per run, one column per metric: what change-point detectors read."""
    found = [{name: f.shown for name, f in figures(run, phase).items()} for run in runs]
    names = list(dict.fromkeys(name for row in found for name in row))
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(["time", "run", *names])
    for run, row in zip(runs, found, strict=True):
        values = [f"{row[name]:.6g}" if name in row else "" for name in names]
        writer.writerow([run.record.started_us // 1_000_000, run.record.id, *values])
    return out.getvalue()


def cells(line: Line) -> list[str]:
    """A line's texts under `HEAD`."""
    interval = "-"
    if line.ratio_low is not None and line.ratio_high is not None:
        interval = f"{line.ratio_low:.3f} to {line.ratio_high:.3f}"
    p_value = "-" if line.p_value is None else f"{line.p_value:.3g}"
    values = [_plain(line.base), _plain(line.candidate), f"{line.ratio:.3f}"]
    return [line.metric, *values, interval, p_value, line.words()]


def _plain(value: float) -> str:
    """Four digits or whole numbers: 12,345 and not 1.234e+04."""
    return f"{value:,.0f}" if abs(value) >= 1_000 else f"{value:.4g}"
