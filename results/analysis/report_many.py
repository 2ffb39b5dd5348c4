"""Two or more runs on one page: the verdict of a comparison, figures side by side, distributions together."""

from collections.abc import Iterator
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Final

from results.analysis.compare import Comparison, Line, Outcome
from results.analysis.compare_text import HEAD, cells
from results.analysis.drawing import COLOURS, canvas, drawn, legend, logarithmic, svg
from results.analysis.render import milliseconds
from results.analysis.report import REPORT_FILE, badge, page, table, write_report
from results.analysis.run_figures import figures
from results.analysis.timeline import Timeline

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from results.analysis.run import Run

_TAIL: Final = [1 - 10 ** (-step / 12) for step in range(61)]
_OUTCOME_COLOURS: Final = {
    Outcome.REGRESSED: COLOURS[3],
    Outcome.NO_WORSE: COLOURS[2],
    Outcome.INCONCLUSIVE: COLOURS[7],
}


def write(runs: "list[Run]", path: Path | None = None) -> Path:
    """The report of one run, or the page about several."""
    return write_report(runs[0], path) if len(runs) == 1 else write_comparison(runs, path)


def write_comparison(
    runs: "list[Run]", path: Path | None = None, comparison: Comparison | None = None
) -> Path:
    """Write the page beside the last run's data, or where asked."""
    target = path or runs[-1].path / REPORT_FILE
    target.write_text(comparison_html(runs, comparison), "utf-8")
    return target


def comparison_html(runs: "list[Run]", comparison: Comparison | None = None) -> str:
    """The whole document. Without a comparison it only shows; the runs of one are base, then candidate."""
    timelines = [Timeline(run) for run in runs]
    named = _names(runs, comparison)
    parts = [
        f"<h1>{len(runs)} runs</h1>",
        *(_verdict(comparison) if comparison else _no_verdict()),
        "<h2>Figures</h2>",
        _figures(runs),
        "<h2>Pictures</h2>",
        f"<figure>{svg(_distributions(timelines, named), 'Response distribution of each run')}</figure>",
        f"<figure>{svg(_over_time(timelines, named), 'Response p99 of each run over time')}</figure>",
        "<h2>Runs</h2>",
        "".join(
            f"<p>{escape(run.record.id)} {badge(_trust(run), good=run.trust.trusted)}</p>" for run in runs
        ),
    ]
    return page(f"{len(runs)} runs", parts)


def _verdict(comparison: Comparison) -> Iterator[str]:
    outcomes = [line.outcome for line in comparison.lines]
    told = [f"{outcomes.count(outcome)} {outcome}" for outcome in Outcome if outcome in outcomes]
    sure = None if Outcome.INCONCLUSIVE in outcomes else True
    good = False if Outcome.REGRESSED in outcomes else sure
    yield f"<p>{badge(', '.join(told), good=good)}</p>"
    yield (
        f"<p>{len(comparison.base)} baseline and {len(comparison.candidate)} candidate runs, "
        f"{comparison.design}.</p>"
    )
    yield from (f"<p class='note'>{escape(warning)}</p>" for warning in comparison.warnings)
    decided = [line for line in comparison.lines if line.ratio_low is not None]
    if decided:
        yield f"<figure>{svg(_forest(decided), 'Ratio of candidate to baseline with 98 % interval')}</figure>"
    yield table(HEAD, [cells(line) for line in comparison.lines])
    yield (
        "<p class='note'>A ratio above 1 is worse, whatever the metric; p is one-sided, corrected over all "
        "metrics.</p>"
    )


def _no_verdict() -> Iterator[str]:
    yield "<p class='note'>Single runs differ by luck; <code>greenup compare</code> says what is more.</p>"


def _trust(run: "Run") -> str:
    return "trusted" if run.trust else str(run.trust)


def _names(runs: "list[Run]", comparison: Comparison | None) -> list[tuple[str, str]]:
    """(label, colour) of each run: the two sides of a comparison have a colour each."""
    if comparison is None:
        return [(run.record.id, COLOURS[n % len(COLOURS)]) for n, run in enumerate(runs)]
    sides = ["base"] * len(comparison.base) + ["candidate"] * len(comparison.candidate)
    colours = {"base": COLOURS[0], "candidate": COLOURS[1]}
    # Matplotlib leaves names that begin with _ out of the legend: one of each side is enough.
    return [(side if side not in sides[:n] else f"_{side}", colours[side]) for n, side in enumerate(sides)]


def _figures(runs: "list[Run]") -> str:
    found = [figures(run, None) for run in runs]
    names = list(dict.fromkeys(name for one in found for name in one))
    rows = [
        [run.record.id, *(_figure(one[n].shown) if n in one else "-" for n in names)]
        for run, one in zip(runs, found, strict=True)
    ]
    return table(["", *names], rows)


def _figure(value: float) -> str:
    """A share of failures is small, and none is only what is 0."""
    return f"{value:.2g}" if value < 0.1 else milliseconds(value)


@drawn
def _forest(lines: list[Line]) -> "Figure":
    """Each metric's ratio with its interval: what reaches over 1 may be luck."""
    height = 1.0 + 0.28 * len(lines)
    figure, axes = canvas(
        "Candidate to baseline, with 98 % interval", "", "ratio, above 1 is worse", height=height
    )
    for place, line in enumerate(reversed(lines)):
        colour = _OUTCOME_COLOURS[line.outcome]
        axes.plot([line.ratio_low or 0, line.ratio_high or 0], [place, place], color=colour)
        axes.plot([line.ratio], [place], marker="o", color=colour)
    axes.axvline(1, color=COLOURS[7], linewidth=0.8)
    axes.set_yticks(range(len(lines)), [line.metric for line in reversed(lines)])
    axes.grid(visible=False, axis="y")
    return figure


@drawn
def _distributions(timelines: list[Timeline], named: list[tuple[str, str]]) -> "Figure":
    figure, axes = canvas("Response distribution, tail stretched", "ms (log)", "percentile")
    for timeline, (name, colour) in zip(timelines, named, strict=True):
        histogram = timeline.whole()
        reached = [q for q in _TAIL if q <= 1 - 1 / max(histogram.count, 1)]
        values = [(histogram.quantile_us(q) or 0) / 1_000 for q in reached]
        axes.plot([1 / (1 - q) for q in reached], values, color=colour, label=name)
    axes.set_xscale("log")
    logarithmic(axes)
    ticks = [1, 2, 10, 100, 1_000, 10_000]
    axes.set_xticks(ticks, [f"{100 * (1 - 1 / tick):.6g} %" for tick in ticks])
    legend(axes, 2)
    return figure


@drawn
def _over_time(timelines: list[Timeline], named: list[tuple[str, str]]) -> "Figure":
    figure, axes = canvas("Response p99 over time", "ms (log)")
    for timeline, (name, colour) in zip(timelines, named, strict=True):
        axes.plot(timeline.seconds, timeline.response_ms(0.99), color=colour, label=name)
    logarithmic(axes)
    legend(axes, 2)
    return figure
