"""Parts of the run folder over Locust's own channel, for workers that share no path with their master.

`--collect`: such a worker records in a folder of its own, `--runs` seen from where it was started. When the
test has stopped and its files are closed, it sends them one after the other, 8 MB at a time, each piece
answered before the next one is sent, so that neither side holds more. Parts are compressed already. The
master compares each file with the hash in the worker's receipt. A worker that dies has sent nothing: its
files stay where they are, can be brought by hand or with `greenup ship`, and the run is untrusted.
"""

import hashlib
import logging
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final

import msgspec
from gevent.event import AsyncResult
from gevent.timeout import Timeout

from engine.bridge.messages import PART, PART_TAKEN, Closing, Order, Part, PartTaken, write
from engine.bridge.trial import Trial
from results.run import RUN_FILE
from results.schema import TABLES

log = logging.getLogger(__name__)

PIECE_BYTES: Final = 8_000_000
PATIENCE_S: Final = 20.0  # with one answer
_TABLE_FILE: Final = re.compile(r"(\w+)/worker=(\w+)/(part-\d{5}\.parquet|_open-\d{5}\.arrows)")
_RECEIPT_FILE: Final = re.compile(r"receipts/worker=(\w+)\.json")


def folder_of(order: Order) -> tuple[Path, bool]:
    """Where a worker records, and whether that is its master's own folder."""
    shared = Path(order.folder)
    if not order.settings.collect or (shared / RUN_FILE).exists():
        return shared, True
    return Path(order.settings.runs) / order.run, False


class Courier:
    """The worker's side."""

    def __init__(self, runner: Any) -> None:
        self._runner = runner
        self._answer: Any = AsyncResult()
        runner.register_message(PART_TAKEN, self._on_taken, concurrent=True)

    def deliver(self, closing: Closing, folder: Path | None) -> None:
        """Send all closed files of `folder`; what is wrong is logged, and seen by the master."""
        if folder is None:
            return
        receipt = closing.receipt
        files = [(part.file, part.sha256) for table in receipt.tables.values() for part in table.parts]
        own = f"receipts/worker={receipt.worker}.json"
        files.append((own, hashlib.sha256((folder / own).read_bytes()).hexdigest()))
        try:
            for file, sha256 in files:
                for part in pieces(closing.run, folder, file, sha256):
                    self._send(part)
        except (OSError, Timeout) as error:
            log.error("not all files reached the master (%s); they are in %s", error, folder.resolve())  # noqa: TRY400 — the line says it all

    def _send(self, part: Part) -> None:
        self._answer = AsyncResult()
        self._runner.send_message(PART, write(part))
        mistake = self._answer.get(timeout=PATIENCE_S)
        if mistake:
            raise OSError(mistake)

    def _on_taken(self, msg: Any, **_event: Any) -> None:
        self._answer.set(msgspec.convert(msg.data, PartTaken).mistake)


def pieces(run: str, folder: Path, file: str, sha256: str) -> Iterator[Part]:
    """One file in pieces, at least one."""
    with (folder / file).open("rb") as opened:
        size = (folder / file).stat().st_size
        offset = 0
        while True:
            data = opened.read(PIECE_BYTES)
            end = offset + len(data)
            yield Part(run, file, offset, data, sha256 if end >= size else "")
            if end >= size or not data:
                return
            offset = end


def receive(runner: Any, trial_of: Callable[[dict[str, Any]], Trial | None]) -> None:
    """The master's side: whatever comes is written into the run folder."""

    def take(msg: Any, **_event: Any) -> None:
        trial = trial_of(msg.data)
        if trial is None:
            return
        part = msgspec.convert(msg.data, Part)
        trial.hear()
        try:
            keep(trial.folder.path, trial.names[msg.node_id], part)
            mistake = ""
        except (OSError, ValueError) as error:
            mistake = f"{part.file}: {error}"
            log.error("%s", mistake)  # noqa: TRY400 — the line says it all
        runner.send_message(PART_TAKEN, write(PartTaken(trial.run, mistake)), client_id=msg.node_id)

    runner.register_message(PART, take)


def keep(folder: Path, worker: str, part: Part) -> None:
    """Write one piece; ValueError when the file is not the worker's to write, or came out wrong."""
    table, receipt = _TABLE_FILE.fullmatch(part.file), _RECEIPT_FILE.fullmatch(part.file)
    if table is not None and table[1] in TABLES:
        whose = table[2]
    else:
        whose = receipt[1] if receipt is not None else ""
    if whose != worker:
        raise ValueError(f"not a file of worker {worker}")
    path = folder / part.file
    unfinished = path.with_name(f"_{path.name}.tmp")
    path.parent.mkdir(parents=True, exist_ok=True)
    with unfinished.open("ab" if part.offset else "wb") as file:
        if file.tell() != part.offset:
            raise ValueError(f"a piece at {part.offset} after {file.tell()} bytes")
        file.write(part.data)
    if part.sha256:
        with unfinished.open("rb") as file:
            found = hashlib.file_digest(file, "sha256").hexdigest()
        if found != part.sha256:
            unfinished.unlink()
            raise ValueError("its hash is not the one in the receipt")
        unfinished.replace(path)
