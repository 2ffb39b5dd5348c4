"""Matplotlib figures as inline SVG that follows the page's light or dark colours: no script, no network."""

import io
import math
import re
from collections.abc import Callable, Sequence
from functools import wraps
from typing import TYPE_CHECKING, Any, Final, ParamSpec, TypeVar

import matplotlib as mpl
from matplotlib.figure import Figure
from matplotlib.ticker import NullFormatter, StrMethodFormatter

if TYPE_CHECKING:
    from matplotlib.axes import Axes

P = ParamSpec("P")
T = TypeVar("T")

# Okabe and Ito's colours for colour-blind readers, those that stand out on white and on black.
COLOURS: Final = ("#1f83c4", "#e69f00", "#009e73", "#d55e00", "#cc79a7", "#56b4e9", "#8c8c00", "#7f7f7f")
BAD: Final = "#d55e00"
_ROOMY_DECADES: Final = 2.5  # on an axis of more, numbers between the powers of ten would overlap

# Matplotlib knows no CSS: these stand for the page's colours until the SVG is written.
_INK: Final = "#010203"
_FAINT: Final = "#020304"
_STYLE: Final[dict[str, Any]] = {
    "svg.fonttype": "none",  # text stays text: small, searchable, in the page's font
    "svg.hashsalt": "greenup",
    "font.size": 9,
    "axes.edgecolor": _INK,
    "axes.labelcolor": _INK,
    "axes.titlesize": 10,
    "axes.titlelocation": "left",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "grid.color": _FAINT,
    "grid.linewidth": 0.6,
    "text.color": _INK,
    "xtick.color": _INK,
    "ytick.color": _INK,
    "legend.frameon": False,
    "legend.fontsize": 8,
    "lines.linewidth": 1.4,
    "figure.facecolor": "none",
    "axes.facecolor": "none",
    "savefig.facecolor": "none",
}
_METADATA: Final = re.compile(r"<metadata>.*?</metadata>", re.DOTALL)
_HEAD: Final = re.compile(r"^.*?(?=<svg)", re.DOTALL)


def canvas(
    title: str, y_label: str, x_label: str = "seconds since the start", *, height: float = 2.6
) -> "tuple[Figure, Axes]":
    """A figure as wide as the page's text, with one pair of axes."""
    figure = Figure(figsize=(8.4, height), layout="constrained")
    axes = figure.add_subplot()
    axes.set_title(title)
    axes.set_ylabel(y_label)
    axes.set_xlabel(x_label)
    return figure, axes


def drawn(chart: Callable[P, T]) -> Callable[P, T]:
    """For a function that draws: everything it makes has our style."""

    @wraps(chart)
    def styled(*args: P.args, **kwargs: P.kwargs) -> T:
        with mpl.rc_context(_STYLE):
            return chart(*args, **kwargs)

    return styled


def logarithmic(axes: "Axes") -> None:
    """A logarithmic y axis with plain numbers. Call it when everything is drawn."""
    axes.set_yscale("log")
    low, high = axes.get_ylim()
    roomy = math.log10(high / low) <= _ROOMY_DECADES
    axes.yaxis.set_minor_formatter(_plain_minor if roomy else NullFormatter())
    axes.yaxis.set_major_formatter(StrMethodFormatter("{x:,g}"))


def _plain_minor(value: float, _position: float) -> str:
    """Between powers of ten, 2 and 5 are enough."""
    leading = round(value / 10 ** math.floor(math.log10(value)))
    return f"{value:,g}" if leading in {2, 5} else ""


def legend(axes: "Axes", columns: int = 5) -> None:
    """A legend below the axes, where it hides nothing."""
    if axes.get_legend_handles_labels()[0]:
        axes.figure.legend(loc="outside lower left", ncols=columns, frameon=False, fontsize=8)


def svg(figure: Figure, description: str) -> str:
    """The figure as an SVG element with a text for those who cannot see it."""
    out = io.StringIO()
    with mpl.rc_context(_STYLE):
        figure.savefig(out, format="svg", dpi=110, metadata={"Date": None, "Creator": None})
    text = _HEAD.sub("", _METADATA.sub("", out.getvalue()))
    text = re.sub(r'(<svg\b[^>]*?)\swidth="[^"]*"', r"\1", text, count=1)
    text = re.sub(r'(<svg\b[^>]*?)\sheight="[^"]*"', r"\1", text, count=1)
    text = text.replace(_INK, "currentColor").replace(_FAINT, "var(--faint, #8884)")
    return text.replace("<svg", f'<svg role="img" aria-label="{_attribute(description)}"', 1).strip()


def shade(axes: "Axes", spans: Sequence[tuple[float, float]], label: str) -> None:
    """Bands behind the lines: seconds in which the load generator did not keep time."""
    for number, (start, end) in enumerate(spans):
        axes.axvspan(start, end, color=BAD, alpha=0.15, linewidth=0, label=label if number == 0 else None)


def _attribute(text: str) -> str:
    return text.replace("&", "&amp;").replace('"', "&quot;").replace("<", "&lt;")
