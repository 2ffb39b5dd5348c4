"""Does a series rise with time? A robust slope at like load, and how sure it is.

The slope is Theil and Sen's, the median of the slopes between pairs, taken only between windows of like load,
as hydrologists take it between like seasons (Hirsch, Slack and Smith 1982, "Techniques of trend analysis for
monthly water quality data"): so a fleet that breathes, or a day's rise and fall, is no trend. Its error comes
from the scatter around the line, robust too, and is widened because neighbouring windows are alike, which
makes noise look like a trend: 43 windows that remember half of each other's noise count like 14.
"""

from collections.abc import Callable
from dataclasses import dataclass
from math import log, sqrt
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from results.analysis.student import survival

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

LOAD_CLASS: Final = 1.2  # loads within a factor of this are compared with each other
FEWEST: Final = 24  # windows; below, the test has no say
_MAD_TO_DEVIATION: Final = 1.4826  # of normal noise
_FEWEST_FREE: Final = 3  # degrees of freedom: with fewer no drift, however plain, would be seen
_MOST_MEMORY: Final = 0.9  # the autocorrelation of a few dozen values is known no better


@dataclass(frozen=True, slots=True)
class Trend:
    """What a series does over its whole span."""

    windows: int  # that could be compared with others of like load
    span: float = 0.0  # from the first of them to the last, in the unit of the times
    start: float = 0.0  # level at the first, on the fitted line
    growth: float = 0.0  # of the fitted line, from the first window to the last
    late_growth: float = 0.0  # the same, if all of it went on as the second half did
    p: float = 1.0  # how likely so much rise is without a trend, one-sided


def rising(times: Floats, values: Floats, load: Floats) -> Trend:
    """The trend of `values`; missing ones (NaN) are left out. `load` is any measure of it, above 0."""
    known = np.isfinite(values) & np.isfinite(load) & (load > 0)
    times, values = times[known], values[known]
    classes = _classes(load[known])
    compared = np.isin(classes, [one for one in np.unique(classes) if (classes == one).sum() > 1])
    times, values, classes = times[compared], values[compared], classes[compared]
    if len(times) < FEWEST:
        return Trend(len(times))
    slope = _slope(times, values, classes)
    span = float(times[-1] - times[0])
    late = times >= times[0] + span / 2
    return Trend(
        len(times),
        span,
        float(np.median(values - slope * (times - times[0]))),
        slope * span,
        _slope(times[late], values[late], classes[late]) * span,
        _p(times, values, classes, slope),
    )


def _classes(load: Floats) -> Ints:
    """Numbers of like loads; one class lies around the median, so that ordinary noise does not split it."""
    if not len(load):
        return np.zeros(0, dtype=np.int64)
    return np.rint(np.log(load / np.median(load)) / log(LOAD_CLASS)).astype(np.int64)


def _slope(times: Floats, values: Floats, classes: Ints) -> float:
    earlier, later = np.triu_indices(len(classes), 1)
    alike = classes[earlier] == classes[later]
    earlier, later = earlier[alike], later[alike]
    if not len(earlier):
        return 0.0
    return float(np.median((values[later] - values[earlier]) / (times[later] - times[earlier])))


def _p(times: Floats, values: Floats, classes: Ints, slope: float) -> float:
    left, apart = _centred(values - slope * times, classes, np.median), _centred(times, classes, np.mean)
    deviation = _MAD_TO_DEVIATION * float(np.median(np.abs(left)))
    if slope <= 0:
        return 1.0
    if not deviation:
        return 0.0
    wider = _memory(left)
    error = deviation * sqrt(wider / float((apart * apart).sum()))
    return survival(slope / error, max(_FEWEST_FREE, round(len(left) / wider) - 2))


def _centred(values: Floats, classes: Ints, middle: Callable[[Floats], Any]) -> Floats:
    centred = values.copy()
    for one in np.unique(classes):
        centred[classes == one] -= middle(values[classes == one])
    return centred


def _memory(left: Floats) -> float:
    """By how much the variance of a slope is wider because neighbours are alike."""
    ranks = left.argsort().argsort() - (len(left) - 1) / 2  # one wild window must not hide that
    n = len(ranks)
    first = float((ranks[1:] * ranks[:-1]).sum() / (ranks * ranks).sum())
    r = min(max((n * first + 2) / (n - 4), 0.0), _MOST_MEMORY)  # without its line a short series shows less
    return 1 + 2 * sum((1 - k / n) * r**k for k in range(1, n))
