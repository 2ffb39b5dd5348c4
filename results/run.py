"""The run folder: made before anything starts, readable at any moment, finished by one atomic rewrite."""

import contextlib
import errno
import os
import platform
import secrets as luck
import shutil
import tempfile
import time
from collections.abc import Collection, Iterable, Mapping
from importlib import metadata
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final

import msgspec
from msgspec import Struct, field

from results.limits import DEFAULT_LIMITS
from results.partition import DISK_ERRORS, close_left_open
from results.receipt import Receipt
from results.schema import SCHEMA_VERSION
from results.secrets import command_without_secrets, without_secrets
from stations.errors import PlanError

RUN_FILE: Final = "run.json"
LEAST_FREE_BYTES: Final = 16 << 20  # with less the first minute of a run would fill the disk

RUNNING: Final = "running"
FINISHED: Final = "finished"  # reached its planned end
STOPPED: Final = "stopped"  # Ctrl-C or the web page's button
ABORTED: Final = "aborted"  # a brake: a threshold marked `abort` broke

PHASES: Final = ("ramp", "steady", "drain")  # of every run
RECOVERY: Final = "recovery"  # after hardship, which names phases of its own

_PACKAGES: Final = (
    "greenup-swarm",
    "locust",
    "gevent",
    "uvloop",
    "websockets",
    "msgspec",
    "numpy",
    "pyarrow",
    "pandas",
)


class Mark(Struct, frozen=True):
    """From `at_us` on the run was in `phase` or a hardship began or ended (`note`)."""

    at_us: int
    phase: str = ""
    note: str = ""


class RunRecord(Struct, kw_only=True):
    """run.json: everything needed to understand and repeat the run. Times in µs since 1970."""

    schema_version: int = SCHEMA_VERSION
    id: str
    name: str
    status: str = RUNNING
    started_us: int
    ended_us: int | None = None
    seed: int | None = None
    arguments: dict[str, Any] = {}
    command: list[str] = []
    time_scale: float = 1.0
    timestamps: str = "real"  # or "simulated": what stations of compressed time write
    versions: dict[str, str] = {}
    host: dict[str, Any] = {}
    clock: dict[str, Any] = {}
    marks: list[Mark] = []
    phases: list[str] = field(
        default_factory=lambda: list(PHASES)
    )  # every name that a phase of this run may have, reached or not
    workers: list[str] = []  # who was expected to record
    lost_workers: list[str] = []
    receipts: dict[str, Receipt] = {}
    standstills_s: dict[str, float] = {}  # worker -> the longest time in which its stations did nothing
    station_bugs: int = 0  # stations retired because our own code failed
    shortages: list[str] = []  # what the run lacked: open files, source ports, any call at all
    untrusted: list[str] = []  # reasons known when the run ended; readers add what the health rows say
    exit_code: int | None = None
    scenario: dict[str, Any] = {}  # what the scenario found out; `said`: lines for the summary


class RunFolder(Struct):
    """A run folder being written. One process, the master, owns run.json; workers own their partitions."""

    path: Path
    record: RunRecord = field()

    def mark(self, at_us: int, phase: str = "", note: str = "") -> None:
        """Write down that a phase or a hardship begins."""
        self.record.marks.append(Mark(at_us, phase, note))
        self._write_if_possible()

    def expect(self, workers: Iterable[str]) -> None:
        """Write down who will record, so that a missing worker is seen."""
        self.record.workers = sorted({*self.record.workers, *workers})
        self._write_if_possible()

    def metadata(self) -> dict[str, str]:
        """What every data file repeats about its run."""
        return {
            "greenup.run": self.record.id,
            "greenup.schema_version": str(SCHEMA_VERSION),
            "greenup.clock": msgspec.json.encode(self.record.clock).decode(),
        }

    def finish(
        self,
        receipts: Iterable[Receipt],
        *,
        ended_us: int,
        status: str = FINISHED,
        lost_workers: Collection[str] = (),
        standstills_s: Mapping[str, float] = MappingProxyType({}),
        station_bugs: int = 0,
        shortages: Collection[str] = (),
        exit_code: int | None = None,
    ) -> RunRecord:
        """Seal the run. May be called again with more receipts; a disk that refuses makes it untrusted."""
        record = self.record
        record.receipts |= {receipt.worker: receipt for receipt in receipts}
        record.status, record.ended_us, record.exit_code = status, ended_us, exit_code
        record.lost_workers = sorted({*record.lost_workers, *lost_workers})
        record.standstills_s |= standstills_s
        record.station_bugs = station_bugs
        record.shortages = list(shortages)
        record.untrusted = doubts(record)
        try:
            self._write()
        except OSError as error:
            record.untrusted.append(f"{RUN_FILE} could not be sealed: {error.strerror or error}")
        with contextlib.suppress(*DISK_ERRORS):  # then only `results.open` sees what the lost ones left open
            close_left_open(self.path, [w for w in record.lost_workers if w not in record.receipts])
        return record

    def _write_if_possible(self) -> None:
        """A full disk stops no load: the record keeps what it has, and `finish` says what was refused."""
        with contextlib.suppress(*DISK_ERRORS):
            self._write()

    def _write(self) -> None:
        """Whole or not at all: a reader and a crash see the old file or the new one."""
        unfinished = self.path / f".{RUN_FILE}.tmp"
        with unfinished.open("wb") as file:
            file.write(msgspec.json.format(msgspec.json.encode(self.record)))
            file.flush()
            os.fsync(file.fileno())
        unfinished.replace(self.path / RUN_FILE)


def create(
    root: Path | str,
    name: str,
    *,
    arguments: Mapping[str, Any],
    seed: int | None,
    started_us: int,
    secret: Collection[str] = (),
    command: Iterable[str] = (),
    time_scale: float = 1.0,
    timestamps: str = "real",
    phases: Iterable[str] = PHASES,
    workers: Iterable[str] = (),
) -> RunFolder:
    """Make `root/<sortable id>/` with run.json in it; PlanError in one line when that cannot be.

    `secret` names the arguments to mask; whatever looks like a password or key is masked too.
    """
    run_id = _new_id(name, started_us)
    record = RunRecord(
        id=run_id,
        name=name,
        started_us=started_us,
        seed=seed,
        arguments=without_secrets(arguments, secret),
        command=command_without_secrets(command, secret),
        time_scale=time_scale,
        timestamps=timestamps,
        phases=list(phases),
        versions=versions(),
        host=host(),
        clock=_clock(),
        workers=sorted(workers),
    )
    folder = RunFolder(Path(root) / run_id, record)
    try:
        folder.path.mkdir(parents=True)
        folder._write()  # noqa: SLF001 — same module: the first write proves that the folder takes bytes
        _ask_for_room(folder.path)
    except OSError as error:
        why = error.strerror or error
        raise PlanError(
            f"{root}: cannot write a run folder here ({why}); name another with --runs"
        ) from error
    return folder


def _ask_for_room(path: Path) -> None:
    """OSError, and the folder is gone again, when the disk has no room for a run."""
    if shutil.disk_usage(path).free < LEAST_FREE_BYTES:
        shutil.rmtree(path)
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def read_record(path: Path | str) -> RunRecord:
    """run.json of a run folder; PlanError when this is not one, or of a newer version."""
    file = Path(path) / RUN_FILE
    try:
        record = msgspec.json.decode(file.read_bytes(), type=RunRecord)
    except OSError as error:
        raise PlanError(
            f"{path}: not a run folder (no readable {RUN_FILE}); name one made by a run"
        ) from error
    except msgspec.MsgspecError as error:
        raise PlanError(
            f"{file}: not a run record ({error}); restore the file or name another run"
        ) from error
    if record.schema_version != SCHEMA_VERSION:
        raise PlanError(
            f"{file}: schema version {record.schema_version}, this program reads {SCHEMA_VERSION}; "
            "use the release that wrote it"
        )
    record.receipts = _receipts_on_disk(Path(path)) | record.receipts
    return record


def _receipts_on_disk(path: Path) -> dict[str, Receipt]:
    """What workers wrote down themselves: they may outlive the master that would have collected it."""
    found = {}
    for file in sorted((path / "receipts").glob("worker=*.json")):
        with contextlib.suppress(OSError, msgspec.MsgspecError):  # unfinished: as good as none
            receipt = msgspec.json.decode(file.read_bytes(), type=Receipt)
            found[receipt.worker] = receipt
    return found


def doubts(record: RunRecord) -> list[str]:
    """Why a finished run's numbers may not be whole, as far as its record can tell."""
    reasons = [f"worker {worker} was lost" for worker in record.lost_workers]
    missing = sorted({*record.workers} - record.receipts.keys() - {*record.lost_workers})
    reasons += [f"worker {worker} gave no receipt" for worker in missing]
    if not record.receipts:
        reasons.append("no worker gave a receipt")
    for worker, receipt in sorted(record.receipts.items()):
        if not receipt.complete:
            reasons.append(f"worker {worker} did not finish recording: {receipt.failure}")
        if receipt.dropped:
            reasons.append(
                f"worker {worker} dropped {receipt.dropped} rows: {receipt.failure or 'disk too slow'}"
            )
    reasons += [
        f"worker {worker} stood still for {stood_s:.0f} s"
        for worker, stood_s in sorted(record.standstills_s.items())
        if stood_s > DEFAULT_LIMITS.bad_seconds
    ]
    if record.station_bugs:
        reasons.append(f"{record.station_bugs} stations retired by bugs of the simulator")
    return reasons + record.shortages


def versions() -> dict[str, str]:
    """Python and the packages that a result may depend on."""
    found = {"python": platform.python_version()}
    for package in _PACKAGES:
        try:
            found[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            continue
    return found


def host() -> dict[str, Any]:
    """The machine, as far as a reader of the figures needs it."""
    return {
        "name": platform.node(),
        "system": platform.platform(),
        "machine": platform.machine(),
        "cpus": os.cpu_count(),
        "memory_bytes": os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"),
    }


def _clock() -> dict[str, Any]:
    """Which clocks the times come from, and how they lie to each other at the start."""
    wall, monotonic = time.get_clock_info("time"), time.get_clock_info("monotonic")
    return {
        "wall": wall.implementation,
        "monotonic": monotonic.implementation,
        "wall_minus_monotonic_us": (time.time_ns() - time.monotonic_ns()) // 1_000,
    }


def _new_id(name: str, started_us: int) -> str:
    moment = time.strftime("%Y-%m-%dT%H%M%SZ", time.gmtime(started_us / 1e6))
    plain = "".join(c if c.isalnum() or c == "-" else "-" for c in name.lower()).strip("-")[:40]
    return f"{moment}-{plain or 'run'}-{luck.token_hex(2)}"


def check_folder(given: str, folder: Path) -> None:
    """PlanError, which names what was `given`, when nothing can be written into a folder."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        raise PlanError(f"{given}: cannot write there ({error.strerror}); name another folder") from error
