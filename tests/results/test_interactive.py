import re
import sys

import numpy as np
import pytest

import results
from results.analysis.charts import CHARTS
from stations.errors import PlanError


@pytest.fixture(scope="module")
def run(sample, tmp_path_factory):
    folder = sample.write(
        tmp_path_factory.mktemp("runs"), sample.Sample(calls=20_000, seconds=60, stations=50, freeze_s=5)
    )
    return results.open(folder)


def shown(values):
    return np.asarray(values, float)


@pytest.mark.parametrize("name", CHARTS)
def test_every_chart_has_the_same_lines_in_plotly(run, name):
    drawing, figure = getattr(run.plot, name)(), getattr(run.plot.interactive, name)()
    if drawing is None:
        assert figure is None
        return
    assert figure.data
    assert figure.layout.title.text == drawing.axes[0].get_title(loc="left")
    for axes in drawing.axes:
        for line in axes.get_lines():
            if line.get_transform() != axes.get_xaxis_transform():
                (trace,) = [t for t in figure.data if (t.name or "") in {line.get_label(), ""}]
                np.testing.assert_array_equal(shown(trace.y), shown(line.get_ydata()))
                np.testing.assert_array_equal(shown(trace.x), shown(line.get_xdata()))


def test_layers_of_failures_are_calls_per_second(run):
    outcomes = run.plot._timeline.outcomes
    figure = run.plot.interactive.failures()
    assert {trace.name for trace in figure.data} == set(outcomes.columns) - {"ok"}
    for trace in figure.data:
        middles = np.interp(run.plot._timeline.seconds[2:-2], trace.x, trace.y)
        assert max(middles) == outcomes[trace.name].max() > 0
        assert min(trace.y) == outcomes[trace.name].min()


def test_the_heat_map_counts_every_call(run):
    (map_,) = run.plot.interactive.heat_map().data
    counted = sum(histogram.count for histogram in run.plot._timeline.histograms.values())
    assert np.nansum(map_.customdata) == counted > 10_000
    assert len(map_.x) == map_.customdata.shape[1] + 1


def test_two_scales_phases_and_percentiles_come_along(run):
    load = run.plot.interactive.load()
    assert {trace.yaxis for trace in load.data} == {"y", "y2"}
    assert load.layout.yaxis2.title.text == "stations"
    assert {note.text for note in load.layout.annotations} == {"steady", "drain"}
    tail = run.plot.interactive.high_percentiles().layout.xaxis
    assert tail.type == "log"
    assert "99.9 %" in tail.ticktext


def test_a_page_needs_no_network(run):
    page = run.plot.interactive.knee().to_html()
    assert len(page) > 1_000_000, "plotly.js is in it"
    assert not re.search(r"<(script|link)[^>]+(src|href)=\W?https?:", page)


def test_without_plotly_one_line_says_what_to_install(run, monkeypatch):
    monkeypatch.setitem(sys.modules, "plotly", None)
    monkeypatch.delitem(sys.modules, "results.analysis.interactive", raising=False)
    with pytest.raises(PlanError, match=r"need plotly: pip install -e '\.\[notebook\]'"):
        _ = results.open(run.path).plot.interactive
    with pytest.raises(AttributeError, match="there are load"):
        _ = run.plot.nothing
