"""Two or more runs on one page: distributions over each other, figures side by side."""

import math
from pathlib import Path
from typing import TYPE_CHECKING, Final

from results.analysis.drawing import COLOURS, canvas, drawn, legend, logarithmic, svg
from results.analysis.render import milliseconds
from results.analysis.report import REPORT_FILE, badge, page, table
from results.analysis.run_figures import figures
from results.analysis.timeline import Timeline

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from results.analysis.run import Run

_TAIL: Final = [1 - 10 ** (-step / 12) for step in range(61)]


def write_comparison(runs: "list[Run]", path: Path | None = None) -> Path:
    """Write the page beside the last run's data, or where asked."""
    target = path or runs[-1].path / REPORT_FILE
    target.write_text(comparison_html(runs), "utf-8")
    return target


def comparison_html(runs: "list[Run]") -> str:
    """The whole document. It shows; `greenup compare` judges."""
    timelines = [Timeline(run) for run in runs]
    parts = [
        f"<h1>{len(runs)} runs</h1>",
        "".join(f"<p>{run.record.id} {badge(_trust(run), good=run.trust.trusted)}</p>" for run in runs),
        "<p class='note'>Single runs differ by luck; <code>greenup compare</code> says what is more.</p>",
        "<h2>Figures</h2>",
        _figures(runs),
        "<h2>Pictures</h2>",
        f"<figure>{svg(_distributions(timelines), 'Response distribution of each run')}</figure>",
        f"<figure>{svg(_over_time(timelines), 'Response p99 of each run over time')}</figure>",
    ]
    return page(f"{len(runs)} runs", parts)


def _trust(run: "Run") -> str:
    return "trusted" if run.trust else str(run.trust)


def _figures(runs: "list[Run]") -> str:
    found = [figures(run, None) for run in runs]
    names = list(dict.fromkeys(name for one in found for name in one))
    rows = [
        [name, *(milliseconds(math.exp(one[name].shown_log)) if name in one else "-" for one in found)]
        for name in names
    ]
    return table(["", *(run.record.id for run in runs)], rows)


@drawn
def _distributions(timelines: list[Timeline]) -> "Figure":
    figure, axes = canvas("Response distribution, tail stretched", "ms (log)", "percentile")
    for number, timeline in enumerate(timelines):
        histogram = timeline.whole()
        reached = [q for q in _TAIL if q <= 1 - 1 / max(histogram.count, 1)]
        values = [(histogram.quantile_us(q) or 0) / 1_000 for q in reached]
        colour = COLOURS[number % len(COLOURS)]
        axes.plot([1 / (1 - q) for q in reached], values, color=colour, label=timeline.run.record.id)
    axes.set_xscale("log")
    logarithmic(axes)
    ticks = [1, 2, 10, 100, 1_000, 10_000]
    axes.set_xticks(ticks, [f"{100 * (1 - 1 / tick):.6g} %" for tick in ticks])
    legend(axes, 2)
    return figure


@drawn
def _over_time(timelines: list[Timeline]) -> "Figure":
    figure, axes = canvas("Response p99 over time", "ms (log)")
    for number, timeline in enumerate(timelines):
        colour = COLOURS[number % len(COLOURS)]
        axes.plot(timeline.seconds, timeline.response_ms(0.99), color=colour, label=timeline.run.record.id)
    logarithmic(axes)
    legend(axes, 2)
    return figure
