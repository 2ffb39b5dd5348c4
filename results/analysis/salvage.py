"""A run whose every process was killed: what they left open becomes closed parts, for readers of Parquet."""

import time
from pathlib import Path
from typing import TYPE_CHECKING, Final

from results.partition import DISK_ERRORS, STREAMS, close_left_open
from results.run import RUNNING
from stations.errors import PlanError

if TYPE_CHECKING:
    from results.analysis.run import Run

QUIET_S: Final = 10.0  # workers write down their health every second


def salvage(run: "Run") -> list[Path]:
    """Close what the run's workers without a receipt left open; the parts made.

    PlanError while somebody seems to write still, or when the disk refuses.
    """
    streams = list(run.path.glob(f"*/worker=*/{STREAMS}"))
    last = max((stream.stat().st_mtime for stream in streams), default=0.0)
    if run.record.status == RUNNING and time.time() - last < QUIET_S:
        raise PlanError(f"{run.path}: somebody writes to it; try again when the run has ended")
    workers = {stream.parent.name.removeprefix("worker=") for stream in streams}
    try:
        return close_left_open(run.path, sorted(workers - run.record.receipts.keys()))
    except DISK_ERRORS as error:
        raise PlanError(f"{run.path}: cannot be written ({error})") from error
