"""The pictures a performance engineer of a central system needs.

Each takes a timeline and gives a figure, or None when the run has nothing to show in it.
"""

import math
from collections.abc import Callable
from typing import TYPE_CHECKING, Final

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.ticker import StrMethodFormatter

from results.analysis.drawing import BAD, COLOURS, canvas, drawn, legend, logarithmic, shade
from results.analysis.samples import time_to_accepted
from results.analysis.summary import ENDED_LINKS, NO_FAILED_ATTEMPT
from results.analysis.timeline import Timeline
from results.analysis.trust import bad_seconds
from results.histogram import lower_bound_us

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Chart = Callable[[Timeline], Figure | None]

ACTIONS_SHOWN: Final = 6
_PERCENTILES: Final = ((0.5, "p50"), (0.95, "p95"), (0.99, "p99"))
_NAME_WIDTH: Final = 0.08  # of the picture, for the name of a phase
_TAIL: Final = np.concatenate([np.linspace(0, 0.9, 40), 1 - np.logspace(-1, -5, 80)])


@drawn
def load(timeline: Timeline) -> Figure | None:
    """Stations and calls over time."""
    figure, axes = canvas("Load: stations and calls", "calls per second")
    calls = timeline.outcomes
    axes.plot(timeline.seconds, calls.sum(axis=1, min_count=1), color=COLOURS[0], label="calls ended")
    if "ok" in calls:
        axes.plot(timeline.seconds, calls["ok"], color=COLOURS[5], linestyle=":", label="answered well")
    axes.set_ylim(bottom=0)
    stations = axes.twinx()
    stations.plot(
        timeline.seconds,
        timeline.health("connected", worst=False),
        color=COLOURS[1],
        label="stations connected",
    )
    stations.set_ylabel("stations")
    stations.set_ylim(bottom=0)
    stations.grid(visible=False)
    _finish(timeline, axes)
    return figure


@drawn
def response_over_time(timeline: Timeline) -> Figure | None:
    """Response percentiles of all calls; the gap to service is time spent waiting for the line."""
    figure, axes = canvas("Response over time, all calls", "ms (log)")
    for (quantile, name), colour in zip(_PERCENTILES, COLOURS, strict=False):
        axes.plot(timeline.seconds, timeline.response_ms(quantile), color=colour, label=name)
    axes.plot(timeline.seconds, timeline.largest, color=COLOURS[3], linewidth=0.7, label="max")
    axes.plot(
        timeline.seconds,
        timeline.service_ms(0.99),
        color=COLOURS[2],
        linestyle=":",
        label="p99 of service alone",
    )
    logarithmic(axes)
    _finish(timeline, axes)
    return figure


@drawn
def response_by_action(timeline: Timeline) -> Figure | None:
    """p99 of the most frequent actions."""
    figure, axes = canvas("Response p99 by action", "ms (log)")
    for action, colour in zip(timeline.actions[:ACTIONS_SHOWN], COLOURS, strict=False):
        axes.plot(timeline.seconds, timeline.response_ms(0.99, action), color=colour, label=action)
    logarithmic(axes)
    _finish(timeline, axes)
    return figure


@drawn
def knee(timeline: Timeline) -> Figure | None:
    """Response against load: where the curve bends, capacity ends."""
    figure, axes = canvas("Response against load", "p95 ms (log)", "calls per second")
    rate = timeline.outcomes.sum(axis=1, min_count=1).to_numpy()
    p95 = timeline.response_ms(0.95)
    seen = np.isfinite(p95) & (rate > 0)
    if not seen.any():
        return None
    dots = axes.scatter(rate[seen], p95[seen], c=timeline.seconds[seen], cmap="viridis", s=10, linewidths=0)
    figure.colorbar(dots, label="seconds since the start")
    logarithmic(axes)
    return figure


@drawn
def high_percentiles(timeline: Timeline) -> Figure | None:
    """The distribution on an axis that shows the tail."""
    figure, axes = canvas("Response distribution, tail stretched", "ms (log)", "percentile")
    for action, colour in zip(timeline.actions[:ACTIONS_SHOWN], COLOURS, strict=False):
        histogram = timeline.whole(action)
        reached = _TAIL[1 - 1 / histogram.count >= _TAIL]
        values = [(histogram.quantile_us(q) or 0) / 1_000 for q in reached]
        axes.plot(1 / (1 - reached), values, color=colour, label=action)
    axes.set_xscale("log")
    logarithmic(axes)
    ticks = [1, 2, 10, 100, 1_000, 10_000]
    axes.set_xticks(ticks, [f"{100 * (1 - 1 / t):.6g} %" for t in ticks])
    legend(axes)
    return figure


@drawn
def heat_map(timeline: Timeline) -> Figure | None:
    """How many calls took how long, when: shows freezes and double humps that lines hide."""
    if not timeline.histograms:
        return None
    figure, axes = canvas("Response heat map", "ms (log)")
    # Sixteen bins per octave are enough for the eye.
    edges_us = np.unique(np.concatenate([np.arange(0, 257, 16), lower_bound_us(np.arange(256, 3_584, 8))]))
    total = sum(histogram.counts for histogram in timeline.histograms.values())
    used = np.flatnonzero(total)
    low, high = (int(lower_bound_us(bin_number)) for bin_number in (used[0], used[-1] + 1))
    rows = np.flatnonzero((edges_us >= max(low // 2, 16)) & (edges_us <= high * 1.1))
    bounds = lower_bound_us(np.arange(3_584))
    place = np.digitize(bounds, edges_us[rows]) - 1
    counts = np.zeros((len(rows), len(timeline.starts_us)))
    for number, histogram in timeline.histograms.items():
        np.add.at(counts[:, number], place[place >= 0], histogram.counts[place >= 0])
    shown = np.ma.masked_less(counts[:-1], 1)
    width_s = timeline.window_us / 1e6
    borders = np.append(timeline.seconds - width_s / 2, timeline.seconds[-1] + width_s / 2)
    mesh = axes.pcolormesh(
        borders, edges_us[rows] / 1_000, shown, cmap="viridis", norm="log", rasterized=True
    )
    figure.colorbar(mesh, label="calls", format=StrMethodFormatter("{x:,g}"))
    logarithmic(axes)
    return figure


@drawn
def failures(timeline: Timeline) -> Figure | None:
    """Failed calls by kind."""
    kinds = [name for name in timeline.outcomes.columns if name != "ok"]
    if not kinds:
        return None
    figure, axes = canvas("Failed calls by kind", "per second")
    layers = [timeline.outcomes[kind] for kind in kinds]
    axes.stackplot(timeline.seconds, layers, labels=kinds, colors=[*COLOURS[3:], *COLOURS[:3]], step="mid")
    axes.set_ylim(bottom=0)
    _finish(timeline, axes)
    return figure


@drawn
def boot_storm(timeline: Timeline) -> Figure | None:
    """How many stations were accepted how long after they were switched on or cut off."""
    _, waits = time_to_accepted(timeline.run)
    if not len(waits):
        return None
    figure, axes = canvas("Boot and reconnect storm", "stations", "seconds until connected and accepted")
    waits_s = np.sort(waits) / 1e6
    axes.step(waits_s, np.arange(1, len(waits_s) + 1), where="post", color=COLOURS[0])
    axes.set_xlim(left=0)
    axes.set_ylim(bottom=0)
    return figure


@drawn
def recovery(timeline: Timeline) -> Figure | None:
    """Links that opened, ended and could not be made."""
    links = timeline.run.connections
    if links.empty:
        return None
    figure, axes = canvas("Links: opened, ended, refused", "per second")
    kinds = links["kind"].astype(str)
    groups = {
        "opened": kinds == "opened",
        "ended": kinds.isin(list(ENDED_LINKS)),
        "failed attempts": ~kinds.isin(list(NO_FAILED_ATTEMPT)),
    }
    for (name, chosen), colour in zip(groups.items(), (COLOURS[2], COLOURS[1], COLOURS[3]), strict=True):
        per_s = timeline.events(links.loc[chosen, "at"]) / timeline.covered_s
        axes.plot(timeline.seconds, per_s, color=colour, label=name, drawstyle="steps-mid")
    axes.set_ylim(bottom=0)
    _finish(timeline, axes)
    return figure


@drawn
def sessions(timeline: Timeline) -> Figure | None:
    """Sessions that run, and the energy of those that ended."""
    ledger = timeline.run.transactions
    if ledger.empty:
        return None
    figure, axes = canvas("Sessions and energy", "sessions")
    begun = np.cumsum(timeline.events(ledger["started"]))
    stopped = ledger.dropna(subset=["stopped"])
    ended = np.cumsum(timeline.events(stopped["stopped"]))
    axes.plot(timeline.seconds, begun - ended, color=COLOURS[0], label="running")
    axes.set_ylim(bottom=0)
    energy = axes.twinx()
    order = np.argsort(stopped["stopped"].to_numpy())
    at_s = (stopped["stopped"].astype("int64").to_numpy()[order] - timeline.run.span_us[0]) / 1e6
    kwh = stopped["energy_wh"].to_numpy(float)[order].cumsum() / 1_000
    energy.step(at_s, kwh, where="post", color=COLOURS[1], label="energy of ended sessions")
    energy.set_ylabel("kWh")
    energy.set_ylim(bottom=0)
    energy.grid(visible=False)
    _finish(timeline, axes)
    return figure


@drawn
def backlog(timeline: Timeline) -> Figure | None:
    """Transaction messages that wait for a link."""
    waiting = timeline.health("backlog", worst=False)
    if not np.nansum(waiting):
        return None
    figure, axes = canvas("Messages waiting for a link", "messages")
    axes.plot(timeline.seconds, waiting, color=COLOURS[4], drawstyle="steps-mid")
    axes.set_ylim(bottom=0)
    _finish(timeline, axes)
    return figure


@drawn
def own_health(timeline: Timeline) -> Figure | None:
    """Whether the load generator kept time."""
    if timeline.run.health.empty:
        return None
    figure, axes = canvas("Our own health, worst worker", "ms (log)")
    for column, label, colour in (
        ("loop_delay_max_us", "loop delay, max", COLOURS[0]),
        ("gen_lag_p99_us", "own lag, p99", COLOURS[2]),
        ("gen_lag_max_us", "own lag, max", COLOURS[5]),
    ):
        axes.plot(timeline.seconds, timeline.health(column, worst=True) / 1_000, color=colour, label=label)
    logarithmic(axes)
    cpu = axes.twinx()
    cpu.plot(timeline.seconds, timeline.health("cpu_percent", worst=True), color=COLOURS[1], label="CPU")
    cpu.set_ylabel("% of a core")
    cpu.set_ylim(0, 105)
    cpu.grid(visible=False)
    _finish(timeline, axes)
    return figure


CHARTS: Final[dict[str, Chart]] = {
    chart.__name__: chart
    for chart in (
        *(load, response_over_time, response_by_action, knee, high_percentiles, heat_map),
        *(failures, boot_storm, recovery, sessions, backlog, own_health),
    )
}


def bad_spans(timeline: Timeline) -> list[tuple[float, float]]:
    """(from, to) in seconds since the start where a limit of our own health was broken."""
    health = timeline.run.health
    broken = bad_seconds(health).any(axis=1)
    ends = (
        health.loc[broken, "at"].astype("int64").to_numpy() // 1_000_000
        - timeline.run.span_us[0] // 1_000_000
    )
    seconds = np.unique(ends)
    if not len(seconds):
        return []
    borders = np.flatnonzero(np.diff(seconds) > 1)
    firsts, lasts = seconds[np.append(0, borders + 1)], seconds[np.append(borders, len(seconds) - 1)]
    return [(float(first - 1), float(last)) for first, last in zip(firsts, lasts, strict=True)]


def _finish(timeline: Timeline, axes: "Axes") -> None:
    """What all charts over time share: limits, phases, bad seconds, legend."""
    first, last = timeline.run.span_us
    axes.set_xlim(0, (last - first) / 1e6)
    shade(axes, bad_spans(timeline), "we did not keep time")
    height, before = 0.99, -math.inf
    for name, start, _ in timeline.run.phases[1:]:
        at = (start - first) / 1e6
        axes.axvline(at, color=COLOURS[7], linewidth=0.8, linestyle="--")
        # A short phase's name would run into the next one's: that goes a line lower.
        height = 0.99 if at - before > _NAME_WIDTH * (last - first) / 1e6 else height - 0.08
        before = at
        place = ("data", "axes fraction")
        axes.annotate(f" {name}", (at, height), xycoords=place, fontsize=7, va="top", ha="left")
    for mark in timeline.run.record.marks:
        if mark.note:
            axes.axvline((mark.at_us - first) / 1e6, color=BAD, linewidth=0.8, linestyle=":")
    legend(axes)


def moment(time_us: int) -> str:
    """A moment for people."""
    return f"{pd.Timestamp(time_us, unit='us', tz='UTC'):%Y-%m-%d %H:%M:%S} UTC"
