"""The report's pictures in Plotly: zoom, values under the pointer, series switched on and off. For notebooks.

A picture is drawn once, by Matplotlib (results.analysis.charts); here its lines, areas, dots and bands become
Plotly's, with the same numbers. Works without a network: plotly.js comes with the package.
"""

import re
from collections.abc import Callable, Iterator
from typing import Any, Final

import numpy as np
from matplotlib.collections import PathCollection, QuadMesh
from matplotlib.colors import to_hex
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator
from plotly import graph_objects

from results.analysis.charts import CHARTS
from results.analysis.timeline import Timeline

# Matplotlib's artists are Any below: what they give is typed as broadly as what they take.

_DASHES: Final = {"-": "solid", "--": "dash", ":": "dot", "-.": "dashdot"}
_STEPS: Final = {"default": "linear", "steps-mid": "hvh", "steps-post": "hv", "steps-pre": "vh"}
_OWN_LABEL: Final = re.compile(r"_child\d+$|^$")  # Matplotlib's name for what has none


class Interactive:
    """A method per chart; each gives a Plotly figure, or None when there is nothing to show."""

    def __init__(self, timeline: Timeline) -> None:
        self._timeline = timeline

    def __dir__(self) -> list[str]:
        return list(CHARTS)

    def __getattr__(self, name: str) -> Callable[[], graph_objects.Figure | None]:
        if name not in CHARTS:
            raise AttributeError(f"no chart {name!r}; there are {', '.join(CHARTS)}")

        def draw() -> graph_objects.Figure | None:
            drawing = CHARTS[name](self._timeline)
            return None if drawing is None else interactive(drawing)

        return draw


def interactive(drawing: Figure) -> graph_objects.Figure:
    """A chart of ours as a Plotly figure; a second y axis stays on the right."""
    bars = {mappable.colorbar.ax for mappable in _mappables(drawing) if mappable.colorbar}
    figure = graph_objects.Figure()
    first, *further = [axes for axes in drawing.axes if axes not in bars]
    for number, axes in enumerate((first, *further), 1):
        for trace in (*_areas(axes), *_lines(axes), *_dots(axes), *_meshes(axes)):
            figure.add_trace(trace.update(yaxis=f"y{number}"))
        _bands(figure, axes)
    figure.update_layout(
        title=first.get_title(loc="left"),
        template="plotly_white",
        hovermode="closest" if _mappables(drawing) else "x unified",
        xaxis=_axis(first.xaxis),
        yaxis=_axis(first.yaxis),
        legend={"orientation": "h", "y": -0.25},
    )
    right = {"overlaying": "y", "side": "right", "showgrid": False, "tickmode": "auto"}
    for axes in further:
        figure.update_layout(yaxis2=_axis(axes.yaxis) | right)
    return figure


def _lines(axes: Any) -> Iterator[graph_objects.Scatter]:
    for line in axes.get_lines():
        if not _is_mark(axes, line):
            yield graph_objects.Scatter(
                x=np.asarray(line.get_xdata(), float),
                y=np.asarray(line.get_ydata(), float),
                name=_label(line),
                mode="lines",
                line={
                    "color": to_hex(line.get_color()),
                    "dash": _DASHES[str(line.get_linestyle())],
                    "width": line.get_linewidth(),
                    "shape": _STEPS[line.get_drawstyle()],
                },
                showlegend=bool(_label(line)),
            )


def _areas(axes: Any) -> Iterator[graph_objects.Scatter]:
    """Layers of a stack: the outline of each has its height at every x, which is what people want to read."""
    for layer in axes.collections:
        if isinstance(layer, PathCollection | QuadMesh):
            continue
        pieces = [_heights(path.vertices) for path in layer.get_paths()]
        x, height = (np.concatenate(values) for values in zip(*pieces, strict=True))
        yield graph_objects.Scatter(
            x=x,
            y=height,
            name=_label(layer),
            mode="lines",
            line={"width": 0.5, "color": to_hex(layer.get_facecolor()[0])},
            stackgroup="layers",
        )


def _heights(outline: Any) -> tuple[Any, Any]:
    """Height at each x of an outline that runs along the bottom and back along the top."""
    half = (len(outline) - 1) // 2
    bottom, top = outline[1:half], outline[half + 1 : -1][::-1]
    return bottom[:, 0], np.abs(top[:, 1] - bottom[:, 1])


def _dots(axes: Any) -> Iterator[graph_objects.Scatter]:
    for dots in axes.collections:
        if isinstance(dots, PathCollection):
            places = np.asarray(dots.get_offsets())
            yield graph_objects.Scatter(
                x=places[:, 0],
                y=places[:, 1],
                mode="markers",
                showlegend=False,
                marker={
                    "color": dots.get_array(),
                    "colorscale": "Viridis",
                    "colorbar": _bar(dots),
                    "size": 6,
                },
                hovertemplate="%{x:,.4g}, %{y:,.4g}, %{marker.color:,.0f}<extra></extra>",
            )


def _meshes(axes: Any) -> Iterator[graph_objects.Heatmap]:
    for mesh in axes.collections:
        if isinstance(mesh, QuadMesh):
            corners = np.asarray(mesh.get_coordinates())
            counts: Any = np.ma.filled(np.ma.asarray(mesh.get_array(), float), np.nan)
            steps = np.arange(0, np.ceil(np.log10(max(np.nanmax(counts), 1))) + 1)
            yield graph_objects.Heatmap(
                x=corners[0, :, 0],
                y=corners[:, 0, 1],
                z=np.log10(counts),
                customdata=counts,
                colorscale="Viridis",
                colorbar=_bar(mesh) | {"tickvals": steps, "ticktext": [f"{10**step:,.0f}" for step in steps]},
                hovertemplate="%{x:,.4g}, %{y:,.4g}: %{customdata:,.0f}<extra></extra>",
            )


def _bands(figure: graph_objects.Figure, axes: Any) -> None:
    """Phases and marks as upright lines, seconds in which we did not keep time as bands."""
    for line in axes.get_lines():
        if _is_mark(axes, line):
            dash = _DASHES[str(line.get_linestyle())]
            figure.add_vline(float(line.get_xdata()[0]), line={"dash": dash, "width": 1}, opacity=0.5)
    for text in axes.texts:
        figure.add_annotation(
            x=float(text.xy[0]),
            y=float(text.xy[1]),
            yref="paper",
            text=text.get_text().strip(),
            showarrow=False,
            xanchor="left",
        )
    for patch in axes.patches:
        start, width = patch.get_x(), patch.get_width()
        figure.add_vrect(
            start, start + width, fillcolor=to_hex(patch.get_facecolor()), opacity=0.15, line_width=0
        )


def _is_mark(axes: Any, line: Any) -> bool:
    """Whether it runs from the bottom to the top of the picture, whatever the values: axvline's lines do."""
    return bool(line.get_transform() == axes.get_xaxis_transform())


def _mappables(drawing: Figure) -> list[Any]:
    return [
        artist
        for axes in drawing.axes
        for artist in axes.collections
        if isinstance(artist, PathCollection | QuadMesh)
    ]


def _bar(mappable: Any) -> dict[str, Any]:
    return {"title": {"text": mappable.colorbar.ax.get_ylabel(), "side": "right"}}


def _axis(axis: Any) -> dict[str, Any]:
    scale = "log" if axis.get_scale() == "log" else "linear"
    found = {"title": axis.get_label_text(), "type": scale, "rangemode": "tozero"}
    if isinstance(axis.get_major_locator(), FixedLocator):
        labels = [label.get_text() for label in axis.get_ticklabels()]
        found |= {"tickvals": axis.get_ticklocs(), "ticktext": labels}
    return found


def _label(artist: Any) -> str:
    return _OWN_LABEL.sub("", str(artist.get_label()))
