"""What the central system's own process needs while a run goes on: memory, open files, CPU.

Known for the embedded one, and for any other whose process is on this machine, or that shows its metrics the
way Prometheus reads them. A row every few seconds in the run folder; `results.analysis.drift` reads them.
"""

import csv
import logging
import time
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Final, Protocol
from urllib.request import urlopen

import gevent
import psutil

from engine.bridge.messages import NOTICES
from results.csms_process import COLUMNS, CSMS_FILE, Sighting
from stations.errors import PlanError

if TYPE_CHECKING:
    from engine.bridge.trial import Trial

log = logging.getLogger(NOTICES)

INTERVAL_S: Final = 5.0
PATIENCE_S: Final = 3.0
PAGE_MAX_BYTES: Final = 4 << 20
MEMORY: Final = "process_resident_memory_bytes"  # as Prometheus' own client libraries call them
FILES: Final = "process_open_fds"
CPU: Final = "process_cpu_seconds_total"


class Source(Protocol):
    """Something that can be looked at; OSError or psutil.Error when it is not there."""

    def look(self) -> Sighting: ...  # noqa: D102 — the class says it


class _Process:
    """A process of this machine with all that it has started."""

    def __init__(self, pid: int) -> None:
        self._root = psutil.Process(pid)
        self._cpu = _Rate()

    def look(self) -> Sighting:
        family = [self._root]
        with suppress(psutil.Error):
            family += self._root.children(recursive=True)
        rss_bytes, cpu_s = self._root.memory_info().rss, 0.0
        files: int | None = 0
        for process in family:
            with suppress(psutil.NoSuchProcess):
                times = process.cpu_times()
                cpu_s += times.user + times.system
                rss_bytes += process.memory_info().rss if process is not self._root else 0
            try:
                files = None if files is None else files + process.num_fds()
            except psutil.Error:  # somebody else's: how many is not told
                files = None
        return Sighting(_now_us(), rss_bytes, files, self._cpu.percent(cpu_s))


class _Page:
    """A page of metrics in Prometheus' text format; what comes with labels is added up."""

    def __init__(self, url: str) -> None:
        self._url, _, metric = url.partition("#")
        self._memory = metric or MEMORY
        self._cpu = _Rate()

    def look(self) -> Sighting:
        with urlopen(self._url, timeout=PATIENCE_S) as answer:  # noqa: S310 — http or https, checked
            text = answer.read(PAGE_MAX_BYTES).decode("utf-8", "replace")
        memory, files, cpu_s = (_metric(text, name) for name in (self._memory, FILES, CPU))
        if memory is None:
            raise OSError(f"no metric {self._memory}")
        return Sighting(
            _now_us(),
            int(memory),
            None if files is None else int(files),
            None if cpu_s is None else self._cpu.percent(cpu_s),
        )


class _Rate:
    """CPU seconds to percent of a core."""

    def __init__(self) -> None:
        self._before: tuple[float, float] | None = None

    def percent(self, cpu_s: float) -> float | None:
        """None the first time, and after the process was another one."""
        now, before = time.monotonic(), self._before
        self._before = (now, cpu_s)
        if before is None or cpu_s < before[1] or now <= before[0]:
            return None
        return 100.0 * (cpu_s - before[1]) / (now - before[0])


def source(said: str) -> Source:
    """What `--csms-memory` names: a process id, or a URL[#METRIC]; PlanError when it is not there."""
    made: Source
    try:
        if said.isdecimal():
            made = _Process(int(said))
        elif said.startswith(("http://", "https://")):
            made = _Page(said)
        else:
            raise PlanError(f"--csms-memory {said}: give a process id, or http://host:port/metrics[#METRIC]")
        made.look()
    except (OSError, ValueError, psutil.Error) as error:
        raise PlanError(
            f"--csms-memory {said}: {error}; name a process of this machine or its metrics"
        ) from None
    return made


class CsmsVitals:
    """Looks at one central system until it is stopped. One greenlet of the master."""

    def __init__(self, seen: Source, folder: Path, interval_s: float = INTERVAL_S) -> None:
        self._source = seen
        self._path = folder / CSMS_FILE
        self._interval_s = interval_s
        with self._path.open("w", newline="", encoding="utf-8") as file:
            csv.writer(file).writerow(COLUMNS)
        self._greenlet = gevent.spawn(self._run)

    def stop(self) -> None:
        """No more rows."""
        self._greenlet.kill(block=False)

    def _run(self) -> None:
        away = False
        while True:
            try:
                seen = self._source.look()
            except (OSError, ValueError, psutil.Error) as error:
                if not away:
                    log.warning("the central system's process is not seen: %s", error)
                away = True
            else:
                away = False
                with self._path.open("a", newline="", encoding="utf-8") as file:
                    csv.writer(file).writerow(seen.row())
            gevent.sleep(self._interval_s)


def watch(trial: "Trial") -> None:
    """Look at the central system of a test, where it can be seen."""
    seen = str(trial.csms.pid) if trial.csms is not None else trial.settings.csms_memory
    if seen:
        trial.csms_vitals = CsmsVitals(source(seen), trial.folder.path)


def _metric(text: str, name: str) -> float | None:
    """The sum over all samples of a metric; None when there is none."""
    found = [
        float(line.rpartition("}")[2].split()[0] if "{" in line else line.split()[1])
        for line in text.splitlines()
        if line.startswith((f"{name} ", f"{name}{{"))
    ]
    return sum(found) if found else None


def _now_us() -> int:
    return time.time_ns() // 1_000
