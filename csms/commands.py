"""Sending one operation to many stations: paced, timed out, with every result kept."""

import asyncio
import time
from collections import OrderedDict
from collections.abc import Iterable
from itertools import count
from typing import Annotated, Any, Final

import msgspec
from msgspec import Meta, Raw, Struct

from csms.central import Central
from csms.session import CommandResult, Outcome
from stations.wire.errors import PeerError
from stations.wire.frames import decode_payload
from stations.wire.messages import OPERATIONS, Payload

KEPT_JOBS: Final = 100  # finished ones beyond it are forgotten, oldest first
PACE_TICK_S: Final = 0.01


class Order(Struct, forbid_unknown_fields=True):
    """What the API's POST /commands asks for.

    `stations` is a glob over the connected stations or a list of identities. `unchecked` sends the action and
    the payload as they stand, also against the schema, for tests of stations.
    """

    action: str
    stations: str | list[str]
    payload: dict[str, Any] = {}
    timeout_s: Annotated[float, Meta(gt=0, le=3600)] = 30.0
    rate_per_s: Annotated[float, Meta(gt=0, le=100_000)] | None = None
    wait: bool = True
    unchecked: bool = False


class Job(Struct):
    """An order on its way."""

    id: int
    action: str
    stations: list[str]
    begun_s: float
    results: list[CommandResult]
    ended_s: float | None = None
    task: "asyncio.Task[None] | None" = None

    def counts(self) -> dict[str, int]:
        """How many results of each outcome there are."""
        found: dict[str, int] = {}
        for result in self.results:
            found[result.outcome] = found.get(result.outcome, 0) + 1
        return found


class Commands:
    """Running and finished jobs."""

    def __init__(self, central: Central) -> None:
        self._central = central
        self._jobs: OrderedDict[int, Job] = OrderedDict()
        self._ids = count(1)

    def begin(self, order: Order) -> Job:
        """Start sending; ValueError when the action or its payload is not OCPP 1.6's."""
        payload = _payload(order)
        stations = self._central.select(order.stations)
        job = Job(next(self._ids), order.action, stations, time.time(), [])
        job.task = asyncio.get_running_loop().create_task(self._run(job, payload, order))
        self._jobs[job.id] = job
        self._forget_old()
        return job

    def job(self, job_id: int) -> Job | None:
        """A job that is still remembered."""
        return self._jobs.get(job_id)

    def stop(self) -> None:
        """Give up on whatever is being sent."""
        for job in self._jobs.values():
            if job.task is not None:
                job.task.cancel()

    def jobs(self) -> Iterable[Job]:
        """All that are remembered, oldest first."""
        return self._jobs.values()

    async def _run(self, job: Job, payload: Payload | Raw, order: Order) -> None:
        begun_s = time.monotonic()
        waiting: list[asyncio.Future[CommandResult]] = []
        for number, station in enumerate(job.stations):
            if order.rate_per_s is not None:
                ahead_s = begun_s + number / order.rate_per_s - time.monotonic()
                if ahead_s > PACE_TICK_S:
                    await asyncio.sleep(ahead_s)
            session = self._central.sessions.get(station)
            if session is None:
                job.results.append(CommandResult(station, Outcome.ABSENT))
                self._central.statistics.count_command(Outcome.ABSENT)
            else:
                result = session.call(order.action, payload, order.timeout_s)
                result.add_done_callback(lambda done: job.results.append(done.result()))
                waiting.append(result)
        if waiting:
            await asyncio.wait(waiting)
        job.ended_s = time.time()

    def _forget_old(self) -> None:
        for job_id in list(self._jobs):
            if len(self._jobs) <= KEPT_JOBS:
                break
            if self._jobs[job_id].ended_s is not None:
                del self._jobs[job_id]


def _payload(order: Order) -> Payload | Raw:
    raw = Raw(msgspec.json.encode(order.payload))
    if order.unchecked:
        return raw
    operation = OPERATIONS.get(order.action)
    if operation is None or not operation.from_central:
        known = sorted(name for name, known in OPERATIONS.items() if known.from_central)
        raise ValueError(f"{order.action!r} is no operation to stations; use one of {', '.join(known)}")
    try:
        return decode_payload(operation.request, raw)
    except PeerError as error:
        raise ValueError(f"payload of {order.action}: {error.description}") from error
