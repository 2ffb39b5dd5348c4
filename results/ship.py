"""Run folders to and from another place: a shared path or an object store, anything fsspec knows.

A process of its own beside a worker (`greenup ship RUN --to s3://bucket/runs --follow`), because object-store
clients bring threads and event loops that have no place in a Locust worker. Only closed parts travel: an
object store cannot append. What is lost when the machine dies is what was not closed yet: at most one minute
of calls and transactions. Each machine ships its own workers; only the master's has run.json.
"""

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final

import fsspec

from results.partition import STREAMS
from results.run import RUN_FILE, RUNNING, check_folder, read_record
from results.secrets import safe_url
from stations.errors import PlanError

ATTEMPTS: Final = 5
_FIRST_WAIT_S: Final = 1.0
_STREAMS: Final = f"*/worker=*/{STREAMS}"
# What makes a run whole, in the order in which it must arrive: a reader trusts run.json last.
_DATA: Final = (
    "*/worker=*/part-*.parquet",
    _STREAMS,
    "receipts/*.json",
    "*.json",
    "*.html",
)


def ship(
    run: Path,
    url: str,
    *,
    follow: bool = False,
    sleep: Callable[[float], None] = time.sleep,
    interval_s: float = 5.0,
) -> int:
    """Copy what is not there yet to `url/<run id>/`; with `follow` until the run has ended. Files copied."""
    if not run.is_dir():
        raise PlanError(f"{run}: no such run folder")
    if not follow and not any(run.glob("*/worker=*")) and not (run / RUN_FILE).exists():
        raise PlanError(f"{run}: holds no part of a run; name the run's own folder")
    if not url.strip():
        raise PlanError("--to: is empty; name a folder or a URL")
    system, root = _place(url)
    target = f"{root.rstrip('/')}/{run.name}"
    if "file" in system.protocol:  # an object store may only be away for a moment
        check_folder(f"--to {url}", Path(target))
    sent: dict[str, int] = {}
    while True:
        ended = not follow or _has_ended(run)
        for path in _files(run, streams=ended):
            _send(system, path, f"{target}/{path.relative_to(run).as_posix()}", sent, sleep)
        if ended:
            return len(sent)
        sleep(interval_s)


def fetch(url: str, folder: Path) -> Path:
    """Copy a whole run from `url` into `folder/<run id>/`, so that everything can read it."""
    system, root = _place(url)
    found = [name for name in system.find(root) if _wanted(name)] if system.exists(root) else []
    if not found:
        raise PlanError(f"{safe_url(url)}: no run there; name the folder that holds {RUN_FILE}")
    base = root.rstrip("/")
    target = folder / base.rpartition("/")[2]
    for name in found:
        local = target / name.removeprefix(base).lstrip("/")
        try:
            local.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise PlanError(
                f"--runs {folder}: cannot write there ({error.strerror}); name another"
            ) from error
        system.get_file(name, str(local))
    return target


def _place(url: str) -> tuple[Any, str]:
    try:
        system, root = fsspec.core.url_to_fs(url)
    except (ImportError, ValueError, OSError) as error:
        raise PlanError(f"{safe_url(url)}: cannot be reached ({safe_url(str(error))})") from error
    return system, str(root)


def _files(run: Path, *, streams: bool) -> Iterator[Path]:
    """What may be copied now; open streams only when nobody writes to them any more."""
    for pattern in _DATA:
        if streams or pattern != _STREAMS:
            yield from sorted(run.glob(pattern))


def _has_ended(run: Path) -> bool:
    if (run / RUN_FILE).exists():
        return read_record(run).status != RUNNING
    # A machine without the master knows its end by its workers' receipts: one for each partition.
    workers = {path.name for path in run.glob("calls/worker=*")}
    return bool(workers) and workers <= {path.stem for path in run.glob("receipts/*.json")}


def _send(
    system: Any,
    path: Path,
    target: str,
    sent: dict[str, int],
    sleep: Callable[[float], None],
) -> None:
    size = path.stat().st_size
    if sent.get(target) == size:
        return
    wait_s = _FIRST_WAIT_S
    for attempt in range(1, ATTEMPTS + 1):
        try:
            system.makedirs(target.rpartition("/")[0], exist_ok=True)
            system.put_file(str(path), target)
        except OSError as error:
            if attempt == ATTEMPTS:
                raise PlanError(f"{path}: could not be copied after {ATTEMPTS} attempts ({error})") from error
            sleep(wait_s)
            wait_s *= 2
        else:
            sent[target] = size
            return


def _wanted(name: str) -> bool:
    return name.endswith((".parquet", ".arrows", ".json", ".html"))
