"""Watch a run while it goes on, and say when a threshold marked `abort` breaks.

A process of its own, so that the load generator carries no pandas: it reads the run folder, open streams
included, which is at most a second or two behind. Only the last windows are read, whatever the run's length.
"""

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final

import pyarrow as pa
import pyarrow.compute as pc
from msgspec import structs

from results.analysis.files import Where, expression
from results.analysis.gate import amount, needed_samples
from results.analysis.run import Run
from results.analysis.samples import samples_of
from results.analysis.slo import Slo, SloFile
from results.exit_codes import ExitCode
from results.run import RUNNING, read_record
from results.schema import CALLS
from stations.errors import PlanError

USUAL_WINDOW_US: Final = 30_000_000
_BEHIND_US: Final = 2_000_000  # rows of the last two seconds may not be on disk yet
_SECOND_US: Final = 1_000_000


class RecentRun(Run):
    """A run of which only the calls from a moment on are read."""

    def __init__(self, path: Path, since_us: int) -> None:
        super().__init__(path)
        self._since_us = since_us

    def and_phase(self, where: Where, phase: str | None) -> Where:
        """The filter, narrowed to the phase and to what is recent."""
        recent: Any = pc.field("done") >= pa.scalar(self._since_us, pa.timestamp("us", "UTC"))
        narrowed = super().and_phase(where, phase)
        both: Where = recent if narrowed is None else recent & expression(narrowed, CALLS)
        return both


def brakes(slos: SloFile) -> list[Slo]:
    """The thresholds marked `abort`; PlanError when there is none."""
    found = [slo for slo in slos.slos if slo.abort]
    if not found:
        raise PlanError(f"{slos.path}: no threshold has abort = true; nothing to watch")
    return found


def broken(path: Path, slos: list[Slo], now_us: int) -> Iterator[str]:
    """What breaks now, in words: each threshold over its own window up to the present."""
    for slo in slos:
        window_us = slo.threshold.window_us or USUAL_WINDOW_US
        end_us = (now_us - _BEHIND_US) // _SECOND_US * _SECOND_US
        run = RecentRun(path, end_us - window_us)
        if now_us < run.record.started_us + slo.grace_us:
            continue
        whole = structs.replace(slo.threshold, window=None, window_us=None)
        value, count = samples_of(run, whole).value(whole, end_us - window_us, end_us)
        if value is not None and count >= max(needed_samples(slo), 1) and not whole.holds(value):
            yield f"{slo.name}: {amount(value, whole)} over {window_us / 1e6:g} s, wanted {whole.text}"


def watch(
    path: Path,
    slos: SloFile,
    tell: Callable[[str], None],
    *,
    interval_s: float = 5.0,
    sleep: Callable[[float], None] = time.sleep,
) -> ExitCode:
    """Look every few seconds until the run ends (PASS) or a brake's threshold breaks (BRAKE)."""
    wanted = brakes(slos)
    while read_record(path).status == RUNNING:
        found = list(broken(path, wanted, time.time_ns() // 1_000))
        if found:
            for line in found:
                tell(line)
            return ExitCode.BRAKE
        sleep(interval_s)
    return ExitCode.PASS
