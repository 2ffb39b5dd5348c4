"""`run.plot`: the report's pictures one by one, for notebooks."""

from collections.abc import Callable
from functools import cached_property
from typing import TYPE_CHECKING

from matplotlib.figure import Figure

from results.analysis.charts import CHARTS
from results.analysis.timeline import Timeline
from stations.errors import PlanError

if TYPE_CHECKING:
    from results.analysis.interactive import Interactive
    from results.analysis.run import Run


class Plots:
    """A method per chart; each gives a Matplotlib figure, or None when there is nothing to show."""

    def __init__(self, run: "Run") -> None:
        self._timeline = Timeline(run)

    @cached_property
    def interactive(self) -> "Interactive":
        """The same charts in Plotly, `run.plot.interactive.heat_map()`; needs the `notebook` extra."""
        try:
            from results.analysis.interactive import Interactive  # noqa: PLC0415 — an extra of the install
        except ModuleNotFoundError as error:
            raise PlanError(f"interactive plots need {error.name}: pip install -e '.[notebook]'") from error
        return Interactive(self._timeline)

    def __dir__(self) -> list[str]:
        return [*CHARTS, "interactive"]

    def __getattr__(self, name: str) -> Callable[[], Figure | None]:
        if name not in CHARTS:
            raise AttributeError(f"no chart {name!r}; there are {', '.join(CHARTS)}")
        return lambda: CHARTS[name](self._timeline)
