"""The stations of this process, as Locust's users see them.

A user asks for a station when Locust starts it and gives one up when Locust stops it. Users are alike, so the
station given up is always the one leased last: a fleet that shrinks keeps its first stations, whichever users
Locust picked. Stations come from the master's leases (`engine.bridge.identities`).
"""

import logging
import time
from typing import Any, Final

import gevent
import msgspec
from gevent.event import Event
from locust.runners import MASTER_HEARTBEAT_TIMEOUT

from engine.bridge import messages, processes
from engine.bridge.collect import Courier
from engine.bridge.desk import Desk
from engine.bridge.identities import ranges_of
from engine.bridge.messages import (
    ASK,
    CLOCK,
    CLOCK_TOLD,
    GAUGES,
    GO,
    HELLO,
    LEASE,
    PULSE,
    RECEIPT,
    RETURN,
    RUN,
    STOP,
)
from engine.bridge.options import own_addresses
from engine.bridge.stations import STOP_GRACE_S, Stations
from engine.bridge.timepiece import Timepiece

log = logging.getLogger(__name__)

REPORT_INTERVAL_S: Final = 1.0
MASTER_GONE_LOOKS: Final = 3  # a master that ends as it should has told its workers long before the third
MASTER_SILENT_S: Final = 10.0
OWN_STANDSTILL_S: Final = 5.0  # later than this Locust would have ended a worker that ran


class Worker:
    """Users on one side, stations on the other; one test at a time."""

    def __init__(self, environment: Any, runner: Any) -> None:
        self._environment = environment
        self._runner = runner
        self._stations: Stations | None = None
        self._waiting: dict[Any, None] = {}  # users without a station yet, in order
        self._asked = 0  # stations asked for and not yet leased
        self._running: dict[int, Any] = {}  # station -> user, in order of lease
        self._leaving: dict[int, Any] = {}  # station that is closing -> user to end then, or None
        self._retire: list[int] = []
        self._return: list[int] = []
        self._flushing = False
        self._gone_looks = 0  # how often in a row the master was not there
        self._timepiece = Timepiece()
        self._courier = Courier(runner)
        self._left = Event()
        self._closed = Event()
        self._process = processes.own()
        self._master = self._process
        environment.stations = self
        runner.register_message(RUN, self._on_run)
        runner.register_message(LEASE, self._on_lease, concurrent=True)
        runner.register_message(GO, self._on_go, concurrent=True)
        runner.register_message(STOP, self._on_stop, concurrent=True)
        runner.register_message(CLOCK_TOLD, self._on_clock, concurrent=True)
        Desk(self, runner)
        gevent.spawn(self._report)
        self._send(HELLO, self._process)

    @property
    def name(self) -> str:
        """This worker's name in the run folder; the master never gives one twice."""
        return worker_name(self._runner.worker_index)

    @property
    def stations(self) -> Stations | None:
        """Those of the test that is on."""
        return self._stations

    # Locust's users

    def wanted(self, user: Any) -> None:
        """A user has started and stands for a station from now on."""
        self._waiting[user] = None
        self._flush_soon()

    def unwanted(self, user: Any) -> None:
        """A user shall stop; it ends when its station has closed."""
        if user in self._waiting:
            del self._waiting[user]
            user.ended()
        elif user.index in self._running:
            last, heir = self._running.popitem()
            if heir is not user:
                self._running[user.index] = heir
                heir.index, user.index = user.index, last
            self._leaving[last] = user
            self._retire.append(last)
            self._flush_soon()

    def cut_off(self, user: Any) -> None:
        """The stop timeout is over: nobody waits for this station any more."""
        if user.index in self._leaving:
            self._leaving[user.index] = None

    # the master

    def _on_run(self, msg: Any, **_event: Any) -> None:
        if self._stations is None:  # told twice: by the broadcast and as the answer to HELLO
            order = msgspec.convert(msg.data, messages.Order)
            if not order.settings.source_addresses:  # each machine has addresses of its own
                own = own_addresses(self._environment.parsed_options)
                settings = msgspec.structs.replace(order.settings, source_addresses=own)
                order = msgspec.structs.replace(order, settings=settings)
            self._master = order.master
            self._timepiece = Timepiece()
            self._stations = Stations(order, self.name, self._environment, self._on_left)
            self._asked = 0
            self._flush_soon()

    def _on_lease(self, msg: Any, **_event: Any) -> None:
        lease = msgspec.convert(msg.data, messages.Lease)
        leased = [index for first, end in lease.ranges for index in range(first, end)]
        stations = self._stations
        if stations is None or stations.run != lease.run:
            return
        self._asked -= len(leased)
        started = []
        for index in leased:
            if not self._waiting:
                self._return.append(index)
                continue
            user = next(iter(self._waiting))
            del self._waiting[user]
            user.index = index
            self._running[index] = user
            started.append(index)
        stations.deploy(started, lease.rate_per_s)
        self._flush_soon()

    def _on_go(self, msg: Any, **_event: Any) -> None:
        go = msgspec.convert(msg.data, messages.Go)
        if self._stations is not None and self._stations.run == go.run:
            self._stations.go(go.ago_s)

    def _on_clock(self, msg: Any, **_event: Any) -> None:
        stations = self._stations
        if stations is not None and stations.run == msg.data["run"]:
            told = msgspec.convert(msg.data, messages.ClockTold)
            offset_us = self._timepiece.told(told.sent_us, told.master_us, stations.wall_us())
            stations.clock_is_off(offset_us)

    def _on_stop(self, msg: Any, **_event: Any) -> None:
        stations = self._stations
        if stations is not None and stations.run == msg.data["run"]:
            self._runner.stop()

    # one turn of the hub's loop collects what many users and stations have to say

    def _flush_soon(self) -> None:
        if not self._flushing:
            self._flushing = True
            gevent.spawn(self._flush)

    def _flush(self) -> None:
        self._flushing = False
        stations = self._stations
        if stations is None:
            return
        if self._retire:
            leaving, self._retire = self._retire, []
            stations.retire(leaving)
        if self._return:
            returned, self._return = self._return, []
            self._send(RETURN, messages.Lease(stations.run, ranges_of(returned)))
        missing = len(self._waiting) - self._asked
        if missing > 0:
            self._asked += missing
            self._send(ASK, messages.Ask(stations.run, missing))

    def _send(self, kind: str, message: msgspec.Struct) -> None:
        self._runner.send_message(kind, messages.write(message))

    # the stations

    def _on_left(self, indices: list[int]) -> None:
        """Stations closed: as asked, or retired by a bug of ours and not to be run again."""
        for index in indices:
            if index in self._leaving:
                user = self._leaving.pop(index)
                self._return.append(index)
            else:
                user = self._running.pop(index, None)
            if user is not None:
                user.ended()
        if not self._leaving:
            self._left.set()
        self._flush_soon()

    def _report(self) -> None:
        while True:
            gevent.sleep(REPORT_INTERVAL_S)
            self._look_at_master()
            if self._stations is not None:
                gauges = {"run": self._stations.run, **self._stations.gauges}
                self._runner.send_message(GAUGES, gauges)
                self._send(CLOCK, messages.ClockAsked(self._stations.run, self._stations.wall_us()))
                self._beat(self._stations)

    @property
    def master_is_lost(self) -> bool:
        """Whether nothing will be heard of the master any more."""
        return self._gone_looks >= MASTER_GONE_LOOKS or self._master_silent_s() > MASTER_SILENT_S

    def _master_silent_s(self) -> float:
        heard_s = getattr(self._runner, "last_heartbeat_timestamp", None)
        return time.time() - heard_s if heard_s else 0.0

    def _look_at_master(self) -> None:
        """End without one: at once when it is gone from this machine; else Locust ends this worker in time.

        In time is before others are given its stations. One that stood still for longer than that comes too
        late: they may run elsewhere by now, so the links are cut without another word.
        """
        if (
            self._stations is not None
            and self._master_silent_s() > MASTER_HEARTBEAT_TIMEOUT + OWN_STANDSTILL_S
        ):
            self._stations.cut()
        self._gone_looks = self._gone_looks + 1 if processes.is_gone(self._master) else 0
        if self._gone_looks == MASTER_GONE_LOOKS:
            log.error("the master is gone: this worker stops its stations, closes its files and ends")
            gevent.spawn(self._runner.quit)

    def _beat(self, stations: Stations) -> None:
        for beat in stations.beats():
            self._send(PULSE, messages.Beat(stations.run, beat))

    # the end

    def on_test_stop(self, **_event: Any) -> None:
        """Bring everything home before Locust sends its last report: `quitting` would be too late."""
        stations = self._stations
        if stations is None:
            return
        if stations.closing:  # two of Ctrl-C, the master's word and Locust's own stop came together
            self._closed.wait()
            return
        stations.closing = True
        self._closed.clear()
        self._flush()
        grace_s = max(self._environment.stop_timeout, STOP_GRACE_S)
        self._left.clear()
        if self._leaving and not self._left.wait(grace_s):
            log.warning("%d stations did not close within %g s", len(self._leaving), grace_s)
        closing = stations.close()
        self._beat(stations)
        if hasattr(self._runner, "_send_stats"):
            self._runner._send_stats()  # noqa: SLF001 — else the last calls wait 3 s for the next report
        self._courier.deliver(closing, stations.apart)
        self._send(RECEIPT, closing)
        for user in [*self._waiting, *self._running.values(), *self._leaving.values()]:
            if user is not None:
                user.ended()
        for book in (self._waiting, self._running, self._leaving, self._retire, self._return):
            book.clear()
        self._stations = None
        self._closed.set()
        self._send(HELLO, self._process)  # the master may have begun another test meanwhile


def worker_name(index: int) -> str:
    """Name of the worker with this Locust index."""
    return f"{index:02d}"
