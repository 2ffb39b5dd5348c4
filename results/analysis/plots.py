"""`run.plot`: the report's pictures one by one, for notebooks."""

from collections.abc import Callable
from typing import TYPE_CHECKING

from matplotlib.figure import Figure

from results.analysis.charts import CHARTS
from results.analysis.timeline import Timeline

if TYPE_CHECKING:
    from results.analysis.run import Run


class Plots:
    """A method per chart; each gives a Matplotlib figure, or None when there is nothing to show."""

    def __init__(self, run: "Run") -> None:
        self._timeline = Timeline(run)

    def __dir__(self) -> list[str]:
        return list(CHARTS)

    def __getattr__(self, name: str) -> Callable[[], Figure | None]:
        if name not in CHARTS:
            raise AttributeError(f"no chart {name!r}; there are {', '.join(CHARTS)}")
        return lambda: CHARTS[name](self._timeline)
