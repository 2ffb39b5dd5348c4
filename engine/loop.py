"""The real edge: every station of a worker on one uvloop in one native thread (C4).

The world outside posts commands and takes batches of facts; both go through a deque, with no lock, no
executor and no logging in the loop's thread. One timer of a few milliseconds drives everything that is not
a socket: commands, the wheel of deadlines, paced starts and stops, the batch of facts.

The garbage collector. Stations are built of containers that live as long as the run, and a full collection
walks all of them: 100 ms and more for 10,000 stations, as our own lag. What a ramp has built is therefore
frozen once a second (`gc.freeze` only relinks lists); young objects are collected as ever, at a higher
threshold, because a round trip makes and frees its objects by reference counting alone. A station that goes
takes its reference cycles apart itself (`Unit.end`, `Link.drop`), so that freezing leaks nothing.
"""

import asyncio
import contextlib
import gc
import sys
from collections import deque
from collections.abc import Callable
from traceback import format_exception
from typing import TYPE_CHECKING, Any, ClassVar, Final

import uvloop
from msgspec import Struct

from engine.burst import Burst
from engine.canary import Canary
from engine.clock import Clock, clock_of, monotonic
from engine.dial import Dial, DialSettings, tls_context
from engine.edge import Wire
from engine.facts import Answer, FactBatch
from engine.journal import Journal
from engine.keeper import Keeper
from engine.link import Link
from engine.ordeal import Ordeal
from engine.orders import Ask, Begin, ClockOffset, Command, Deploy, Happen, Retire, Stop
from engine.rough import Rough
from engine.tally import Tally
from engine.unit import FOREVER, Unit
from engine.vitals import Vitals
from engine.wheel import Wheel
from profiles.fleetfile import Timestamps
from profiles.hardship import Hardship
from results.recorder import Recorder
from stations.core.events import Event, TransferEnded, TransferWanted
from stations.errors import PlanError

if TYPE_CHECKING:
    from profiles.fleets import Deployed

# A wake-up from sleep costs 25-60 us, more than a round trip, and what runs first after it finds cold caches:
# deadlines are served in groups, and so are answers, each stamped when it came. Half a tick, on average,
# counts as our own lag.
TICK_S: Final = 0.002
IDLE_TICK_S: Final = 0.02  # when no deadline is near; commands wait this long at most
WHEEL_S: Final = 0.001
BATCH_S: Final = 0.1
HEALTH_S: Final = 1.0
TURN_S: Final = 0.003  # of deadlines between two looks at the sockets
CHANGES_S: Final = 0.001  # of events and stops from outside, and of starts, in the same turn
LOOK_EVERY_S: Final = 5.0  # each station's power and backlog
CATCH_UP_S: Final = 0.1  # of missed starts after a stall; the rest is not made up for in a burst
STOP_MARGIN_S: Final = 1.0

_YOUNG_OBJECTS: Final = 10_000
# The GIL's convoy: without a short interval a busy hub keeps the loop waiting 5 ms at every system call.
_SWITCH_INTERVAL_S: Final = 0.0005


class LoopSettings(Struct, frozen=True):
    """What all stations of a worker share."""

    seed: int = 0
    time_scale: float = 1.0  # core seconds per real second (C9)
    timestamps: Timestamps = Timestamps.REAL  # of compressed time
    start_local_s: float | None = None  # local time at the start, since Monday 00:00; None: drivers know
    retire_timeout_s: float = 10.0  # real; patience with a station that is asked to go
    hardship: list[Hardship] = []  # begins with `Begin`
    dial: DialSettings = DialSettings()


class Loop:
    """A worker's stations. `post`, `facts` and `stopped` may be used from any thread, the rest from none."""

    def __init__(
        self,
        settings: LoopSettings,
        recorder: Recorder,
        on_facts: Callable[[], object],
        keeper: Keeper | None = None,
    ) -> None:
        """`on_facts` is called in the loop's thread after each batch. PlanError: TLS files do not load."""
        if settings.dial.ca_file is not None or settings.dial.certificate_file is not None:
            tls_context(settings.dial)
        self.settings: Final = settings
        self.facts: Final[deque[FactBatch]] = deque()
        self.stopped = False  # set after the last batch, before its `on_facts`
        self.recorder: Final = recorder
        self.keeper: Final = keeper or Keeper()
        self.clock: Clock = clock_of(settings.time_scale, settings.timestamps, settings.start_local_s)
        self.journal: Journal = Journal(self.clock, recorder)
        self.tally: Tally = Tally()
        self._ordeal: Ordeal = Ordeal(settings.hardship, settings.seed, self)
        self._on_facts = on_facts
        self._inbox: deque[Command] = deque()
        self._units: dict[int, Unit] = {}
        self._waiting: dict[int, Deployed] = {}  # deployed, not started
        self._starts: deque[int] = deque()
        self._rate_per_s = 0.0
        self._credit = 0.0  # starts that the rate allows by now
        self._due: deque[Unit] = deque()
        self._burst = Burst(self.clock)
        self._letters: list[Unit] = []  # units with an answer that nobody has read yet
        self._changes: deque[tuple[Unit, Event | None]] = deque()  # events from outside; None: retire
        self._to_look: list[Unit] = []
        self._retired: list[int] = []
        self._bugs: list[str] = []
        self._answers: list[Answer] = []
        self._shortages: list[str] = []
        self._stop_by = FOREVER
        self._working = False  # another turn of work is scheduled
        self._grown = False  # stations were built since the last freeze

    def start(self, start_new_thread: Callable[..., object]) -> None:
        """Run in a native thread: `_thread.start_new_thread`, the original one under a monkey patch."""
        sys.setswitchinterval(min(sys.getswitchinterval(), _SWITCH_INTERVAL_S))
        start_new_thread(self._run, ())

    def post(self, command: Command) -> None:
        """Give a command; the loop takes it within a tick."""
        self._inbox.append(command)

    # The thread.

    def _run(self) -> None:
        try:
            self._live()
        except Exception as error:  # noqa: BLE001 — nobody above would hear of it
            self._bugs.append("loop: " + "".join(format_exception(error)))
        self._send_facts(None)
        self.stopped = True
        self._on_facts()

    def _live(self) -> None:
        thresholds = gc.get_threshold()
        gc.set_threshold(_YOUNG_OBJECTS, *thresholds[1:])
        loop = uvloop.new_event_loop()
        loop.set_exception_handler(self._complain)
        self._loop = loop
        self._dial = Dial(loop, self.settings.dial, self._shortages.append)
        self._canary = Canary(loop)
        loop.run_until_complete(self._canary.open())
        self._vitals = Vitals()
        now = monotonic()
        self._began = now
        self._wheel: Wheel[Unit] = Wheel(WHEEL_S, now)
        self._last_tick, self._asked_s = now, TICK_S
        self._next_batch = now + BATCH_S
        self._next_health = now + HEALTH_S
        try:
            loop.call_later(TICK_S, self._tick)
            loop.run_forever()
        finally:
            for unit in list(self._units.values()):
                unit.end()
            self._vitals.close()
            self._canary.close()
            _close(loop)
            gc.set_threshold(*thresholds)

    def _complain(self, _loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        # asyncio would log it. Whatever comes here has escaped a link or the loop itself: our bug.
        error = context.get("exception")
        trace = "".join(format_exception(error)) if error is not None else ""
        self._bugs.append(f"loop: {context.get('message')} {trace}"[:4_000])

    def _tick(self) -> None:
        now = monotonic()
        elapsed_s = now - self._last_tick
        self._last_tick = now
        self._vitals.tick(max(0.0, elapsed_s - self._asked_s))
        self._read_letters(self._burst)
        while self._inbox:
            command = self._inbox.popleft()
            self._TAKE[type(command)](self, command)
        if self._starts:
            most = max(1.0, self._rate_per_s * CATCH_UP_S)
            self._credit = min(self._credit + elapsed_s * self._rate_per_s, most)
        self._due += self._wheel.due(now)
        if not self._working:
            self._work()
        if now >= self._next_batch:
            self._next_batch = max(self._next_batch + BATCH_S, now)
            self._batch(now)
        if self._stop_by < FOREVER and (not self._units or now >= self._stop_by + STOP_MARGIN_S):
            self._loop.stop()
        else:
            near = self._starts or self._working
            self._asked_s = TICK_S if near else max(TICK_S, self._wheel.next(IDLE_TICK_S))
            self._loop.call_later(self._asked_s, self._tick)

    def _work(self) -> None:
        """One turn of each kind of work; sockets get theirs in between."""
        # Shares of their own: a power cut of everybody holds up no deadline, late deadlines hold up no stop.
        self._working = False
        until = monotonic() + TURN_S
        while self._due and monotonic() < until:
            self._due.popleft().on_deadline(self._burst)
        self._burst.write()
        until = monotonic() + CHANGES_S
        while self._changes and monotonic() < until:
            unit, event = self._changes.popleft()
            if event is None:
                unit.retire(min(monotonic() + self.settings.retire_timeout_s, self._stop_by))
            else:
                self._let_happen(unit, event)
        until = monotonic() + CHANGES_S
        while self._ordeal.next_s <= self.clock.now() and monotonic() < until:
            self._ordeal.step()
        self.keeper.step(self.clock)
        until = monotonic() + CHANGES_S
        while self._starts and self._credit >= 1.0 and monotonic() < until:
            self._begin(self._starts.popleft())
        if self._due or self._changes or self._ordeal.next_s <= self.clock.now():
            self._working = True
            self._loop.call_soon(self._work)

    # Commands.

    def _take_happen(self, command: Happen) -> None:
        unit = self._units.get(command.station)
        if unit is not None:
            self._changes.append((unit, command.event))

    def _take_ask(self, command: Ask) -> None:
        self._answers.append(self._ask(command))

    def _take_begin(self, command: Begin) -> None:
        self._ordeal.begin(command.ago_s * self.clock.scale)

    def _take_clock_offset(self, command: ClockOffset) -> None:
        self._vitals.clock_offset_us = command.offset_us

    def _take_retire(self, command: Retire) -> None:
        for index in command.stations:
            self._retire(index)

    def _take_stop(self, command: Stop) -> None:
        if self._stop_by == FOREVER:
            self._stop_by = monotonic() + command.timeout_s
            self._ordeal.end()
            for index in [*self._waiting, *self._units]:
                self._retire(index)

    def _let_happen(self, unit: Unit, event: Event) -> None:
        try:
            unit.happen(event)
        except PlanError as mistake:  # whoever posted it should have known
            self._bugs.append(f"station {unit.index}: {mistake}")

    def _ask(self, command: Ask) -> Answer:
        unit = self._units.get(command.station)
        if unit is None:
            return Answer(command.ticket, mistake="the station has not booted, or is gone")
        try:
            return Answer(command.ticket, command.question(unit, self.clock))
        except PlanError as mistake:
            return Answer(command.ticket, mistake=str(mistake))
        except Exception as error:  # noqa: BLE001 — our bug, reported; the station and the loop go on
            self._bugs.append(f"station {command.station}: " + "".join(format_exception(error)))
            return Answer(command.ticket, mistake="this is a bug of ours; the log has it")

    def _deploy(self, command: Deploy) -> None:
        if self._stop_by < FOREVER:
            self._retired += [index for index, _ in command.stations]
            return
        self._rate_per_s = command.rate_per_s
        for index, deployed in command.stations:
            self._waiting[index] = deployed
            self._starts.append(index)

    _TAKE: ClassVar[dict[type[Command], Callable[["Loop", Any], None]]] = {
        Deploy: _deploy,
        Retire: _take_retire,
        Happen: _take_happen,
        Ask: _take_ask,
        Begin: _take_begin,
        Stop: _take_stop,
        ClockOffset: _take_clock_offset,
    }

    def _retire(self, index: int) -> None:
        if self._waiting.pop(index, None) is not None:
            self._retired.append(index)
        unit = self._units.get(index)
        if unit is not None:
            self._changes.append((unit, None))

    def _begin(self, index: int) -> None:
        deployed = self._waiting.get(index)
        if deployed is None:
            return  # retired before its turn
        if index in self._units:
            self._starts.append(index)  # its former life is still ending
            self._credit = 0.0
            return
        del self._waiting[index]
        self._credit -= 1.0
        plan = deployed.plan
        product = plan.product
        now = self.clock.now()
        self.recorder.station(
            index, plan.identity, product.model, product.personality.value, self.clock.unix_us(now)
        )
        try:
            station = self.keeper.born(plan, self.settings.seed)
        except Exception as error:  # noqa: BLE001 — as in Unit: our bug, reported, the others go on
            told = str(error) if isinstance(error, PlanError) else "".join(format_exception(error))
            self._bugs.append(f"station {index}: {told}")
            self._retired.append(index)
            return
        self._grown = True
        unit = self._units[index] = Unit(index, station, deployed.driver, product.connectors, self)
        self._ordeal.enrol(unit, deployed.group, deployed.network)
        local_s = self.settings.start_local_s
        if local_s is not None:
            local_s += now - self.clock.core_s(self._began)
        unit.power_on(local_s)

    # Facts.

    def _batch(self, now: float) -> None:
        if not self._to_look:
            self._to_look = list(self._units.values())
        share = int(len(self._units) * BATCH_S / LOOK_EVERY_S) + 1
        for unit in self._to_look[-share:]:
            unit.look()
        del self._to_look[-share:]
        self._canary.sing(self._vitals.echo)
        health = None
        if now >= self._next_health:
            self._next_health = max(self._next_health + HEALTH_S, now)
            if self._grown:
                self._grown = False
                gc.collect(0)
                gc.freeze()
            gauges = self.tally.gauges(len(self._units), len(self._waiting))
            health = self._vitals.row(now, gauges, self.tally)
            self.recorder.health(self.clock.unix_us(self.clock.core_s(now)), **health)
        self._send_facts(health)
        self._on_facts()

    def _send_facts(self, health: dict[str, float] | None) -> None:
        calls = self.recorder.drain()
        if calls is not None:
            self._vitals.calls(calls)
        retired, self._retired = self._retired, []
        bugs, self._bugs = self._bugs, []
        answers, self._answers = self._answers, []
        gauges = self.tally.gauges(len(self._units), len(self._waiting))
        shortages = self._shortages.copy()
        self._shortages.clear()
        self.facts.append(FactBatch(gauges, calls, retired, bugs, health, answers, shortages))

    # What units ask of their edge.

    def open_link(self, unit: Unit, url: str, authorization: str | None) -> Wire:
        """A new link of the unit, through whatever weather it has."""
        return self._ordeal.wire(unit, url, authorization)

    def dial(self, owner: Unit | Rough, unit: Unit, url: str, authorization: str | None) -> Link:
        """A socket."""
        lenient = unit.station.plan.product.subprotocol_lenient
        return Link(owner, self._dial, url, authorization, lenient=lenient)

    def arrived(self, unit: Unit) -> None:
        """An answer has come: it is read with the others of this tick, or at once by a loop that idles."""
        if not self._letters and self._asked_s > TICK_S:
            self._loop.call_soon(self._read_letters)
        self._letters.append(unit)

    def _read_letters(self, burst: Burst | None = None) -> None:
        letters, self._letters = self._letters, []
        for unit in letters:
            unit.read(burst)

    def arm(self, unit: Unit, deadline_s: float) -> None:
        """Into the wheel."""
        self._wheel.arm(unit, deadline_s)

    def gone(self, unit: Unit, bug: str) -> None:
        """A unit has ended."""
        del self._units[unit.index]
        self._ordeal.dismiss(unit.index)
        self.keeper.leave(unit, self.clock, bug)
        self._retired.append(unit.index)
        if bug:
            self._bugs.append(bug)

    def persist(self, unit: Unit) -> None:
        """Soon, in slices."""
        self.keeper.mark(unit)

    def transfer(self, unit: Unit, wanted: TransferWanted) -> None:
        """No files are moved here: a plan that asks for real ones is told that they failed."""
        unit.happen(TransferEnded(wanted, ok=False, detail="this edge moves no files"))


def _close(loop: uvloop.Loop) -> None:
    """Cancel what still dials, let transports close, and close the loop; never raises."""
    with contextlib.suppress(Exception):
        tasks = asyncio.all_tasks(loop)
        for task in tasks:
            task.cancel()
        loop.run_until_complete(asyncio.sleep(0.01))
    loop.close()
