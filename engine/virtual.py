"""The second edge: a clock that jumps to the next deadline, and a network in memory.

Whole days of whole fleets run in seconds, and the same seed runs the same day byte for byte: for tests, dry
runs and forecasts. The world knows nothing of OCPP; the central system is anybody who implements `Central`.
Stations are the same `engine.unit.Unit`s as on the real edge.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from heapq import heappop, heappush
from math import inf
from typing import Any, Final, Protocol

from engine.clock import Clock
from engine.edge import Wire
from engine.journal import Journal
from engine.ordeal import Ordeal
from engine.rough import Rough
from engine.tally import Tally
from engine.unit import Unit
from engine.virtual_line import Central, Latency, Line, Tap
from profiles import hardship as hardships
from profiles.drivers import Driver
from profiles.hardship import Hardship, Verb, Window
from stations.core.events import (
    CallEnded,
    CommandAnswered,
    Effect,
    Event,
    Finding,
    PowerOff,
    TransactionChanged,
    TransferEnded,
    TransferWanted,
)
from stations.core.plan import Plan
from stations.core.station import Station
from stations.core.streams import stream
from stations.errors import StationBug

MONDAY_UNIX_S: Final = 1_767_571_200.0
"""Monday 5 January 2026, 00:00 UTC: where a world starts when nobody says otherwise."""

_WEEK_S: Final = 7 * 86_400
_TRANSFER_S: Final = 20.0  # a file transfer that the plan wants for real takes this long here, and succeeds
_WAKES_AT_ONCE: Final = 1_000  # more than any station needs at one moment: its deadline does not advance


class Deployed(Protocol):
    """A station and its people; `profiles.fleets.Deployed` is one."""

    @property
    def plan(self) -> Plan:
        """What the station is told."""

    @property
    def driver(self) -> Driver | None:
        """Who plugs and swipes there, None for nobody."""


class JumpingClock(Clock):
    """Core time that stands still until the world moves it; real time is the same here."""

    __slots__ = ("time_s",)

    def __init__(self, unix_s: float) -> None:
        super().__init__(origin_s=0.0, unix_s=unix_s)
        self.time_s = 0.0

    def now(self) -> float:
        """Seconds since the world began."""
        return self.time_s


class Listener(Journal):
    """Hands facts to a function instead of writing rows."""

    __slots__ = ("_tell",)

    def __init__(self, tell: Callable[[int, Effect], None] | None) -> None:
        """`tell(station index, fact)`; None: nobody wants to know."""
        self._tell = tell

    def _pass_on(self, station: int, effect: Effect) -> None:
        if self._tell is not None:
            self._tell(station, effect)

    def call(self, station: int, effect: CallEnded) -> None:
        """One of our CALLs is over."""
        self._pass_on(station, effect)

    def command(self, station: int, effect: CommandAnswered, now: float) -> None:  # noqa: ARG002 — Journal's
        """A CALL of the central system was answered."""
        self._pass_on(station, effect)

    def transaction(self, station: int, effect: TransactionChanged, now: float) -> None:  # noqa: ARG002 — Journal's
        """A line of the ledger."""
        self._pass_on(station, effect)

    def finding(self, station: int, effect: Finding, now: float) -> None:  # noqa: ARG002 — Journal's
        """The central system broke a rule."""
        self._pass_on(station, effect)

    def opened(self, station: int, now: float, since: float) -> None:
        """Connections are the tally's business here."""

    def accepted(self, station: int, now: float, since: float) -> None:
        """Connections are the tally's business here."""

    def refused(self, station: int, now: float, since: float, kind: str, detail: str) -> None:
        """Connections are the tally's business here."""

    def ended(
        self, station: int, now: float, since: float, code: int | None, reason: str, *, ours: bool
    ) -> None:
        """Connections are the tally's business here."""

    def hardship(self, station: int, now: float, verb: str, *, begins: bool) -> None:
        """Whoever runs a plan here knows it."""


class World:
    """Stations, their people, a network and a central system on one jumping clock: an `engine.unit.Edge`.

    `now` starts at 0 and is in seconds; Unix time is `start_unix_s + now`. Hardship is told in the present
    tense and takes effect at once; `at` says it beforehand. A station's bug ends the world: StationBug.
    """

    def __init__(
        self,
        deployed: Sequence[Deployed],
        central: Central,
        *,
        seed: int = 0,
        start_unix_s: float = MONDAY_UNIX_S,
        latency: Latency | None = None,
        journal: Journal | None = None,
        tap: Tap | None = None,
        hardship: Sequence[Hardship] = (),
    ) -> None:
        """`journal`: where facts go, by default nowhere. `tap`: an observer at the stations' sockets.

        `hardship` begins when `start` has powered the last station on.
        """
        self.clock: Clock = JumpingClock(start_unix_s)
        self.now = 0.0
        self.central = central
        self.journal = journal or Listener(None)
        self.tally = Tally()
        self.tap: Final = tap
        self.central_up = True
        self.unreachable: set[int] = set()  # stations whose packets are lost: no connection is made
        self.held: set[int] = set()  # stations whose packets wait: their connections are half open
        self.extra_s: dict[int, float] = {}  # one-way delay on top of the latency
        self._start_unix_s: Final = start_unix_s
        self._latency: Final = latency or Latency()
        self._heap: list[tuple[float, int, Callable[[Any], None], Any]] = []
        self._count = 0
        self._drivers: Final = [each.driver for each in deployed]
        self.plans: Final = [each.plan for each in deployed]
        self._luck: Final = [stream(seed, plan.identity, "network") for plan in self.plans]
        self.units: Final = [
            Unit(index, Station(plan, seed), self._drivers[index], plan.product.connectors, self)
            for index, plan in enumerate(self.plans)
        ]
        self.ordeal: Final = Ordeal(hardship, seed, self)
        self._hardship: Final = hardship
        self._trouble_s = inf  # when the ordeal is looked at next
        for unit, each in zip(self.units, deployed, strict=True):
            self.ordeal.enrol(unit, getattr(each, "group", ""), getattr(each, "network", None))
        self._await_trouble()
        self._armed = [inf] * len(self.units)  # each unit's earliest wake-up in the heap
        self._last_wake = (0.0, -1, 0)  # moment, unit, how often already

    @property
    def stations(self) -> list[Station]:
        """By index."""
        return [unit.station for unit in self.units]

    # The clock.

    def at(self, when_s: float, step: Callable[[Any], None], argument: object = None) -> None:
        """Call `step(argument)` when the clock stands at `when_s`; the past is now. FIFO at equal times."""
        self._count += 1
        heappush(self._heap, (max(when_s, self.now), self._count, step, argument))

    def run(self, until_s: float) -> None:
        """Let everything happen up to and including `until_s`."""
        heap, clock = self._heap, self.clock
        assert isinstance(clock, JumpingClock)
        while heap and heap[0][0] <= until_s:
            self.now, _, step, argument = heappop(heap)
            clock.time_s = self.now
            step(argument)
        self.now = clock.time_s = max(until_s, self.now)

    def start(self, per_s: float = 10.0) -> None:
        """Power the stations on, `per_s` of them each second, each with its people."""
        for unit in self.units:
            self.at(self.now + unit.index / per_s, self._switch_on, unit)
        self.at(self.now + len(self.units) / per_s, self._all_started)

    def _switch_on(self, unit: Unit) -> None:
        self._tapped(unit.index, self.clock.power_on())
        unit.power_on((self._start_unix_s - MONDAY_UNIX_S + self.now) % _WEEK_S)

    def _all_started(self, _: object) -> None:
        self.ordeal.begin()
        self._await_trouble()
        for windows in hardships.windows([each for each in self._hardship if each.verb is Verb.RESTART_CSMS]):
            self._await_restart(self.now, windows)

    def _await_restart(self, zero_s: float, windows: Iterator[Window]) -> None:
        window = next(windows, None)
        if window is not None:
            self.at(zero_s + window.begin_s, self._restart, (zero_s, window, windows))

    def _restart(self, restart: tuple[float, Window, Iterator[Window]]) -> None:
        zero_s, window, windows = restart
        self.restart_central(window.hardship.lasting_s or 0.0)
        self._await_restart(zero_s, windows)

    def _await_trouble(self) -> None:
        if self.ordeal.next_s < self._trouble_s:
            self._trouble_s = self.ordeal.next_s
            self.at(self._trouble_s, self._trouble)

    def _trouble(self, _: object) -> None:
        self._trouble_s = inf
        while self.ordeal.next_s <= self.now:
            self.ordeal.step()
        self._await_trouble()

    # What units ask of their edge.

    def open_link(self, unit: Unit, url: str, authorization: str | None) -> Wire:
        """Start connecting."""
        return self.ordeal.wire(unit, url, authorization)

    def dial(self, owner: Unit | Rough, unit: Unit, url: str, authorization: str | None) -> Line:
        """The network in memory."""
        assert owner.index == unit.index
        return Line(self, owner, url, authorization)

    def arrived(self, unit: Unit) -> None:
        """Read at once."""
        unit.read()

    def arm(self, unit: Unit, deadline_s: float) -> None:
        """One wake-up per unit that counts, the earliest: one that is too early only looks again."""
        if deadline_s < self._armed[unit.index]:
            self._armed[unit.index] = deadline_s
            self.at(deadline_s, self._wake, unit)

    def _wake(self, unit: Unit) -> None:
        if self._armed[unit.index] > self.now:
            return  # left behind by an earlier re-arming
        self._armed[unit.index] = inf
        moment, index, times = self._last_wake
        times = times + 1 if (moment, index) == (self.now, unit.index) else 0
        if times > _WAKES_AT_ONCE:
            raise StationBug(f"{self.plans[index].identity}: its deadline stays at {moment}")
        self._last_wake = (self.now, unit.index, times)
        unit.on_deadline()

    def gone(self, unit: Unit, bug: str) -> None:
        """A unit has ended; a bug is raised here, where somebody is looking."""
        if bug:
            raise StationBug(f"{self.plans[unit.index].identity} at {self.now:.3f} s: {bug}")

    def persist(self, unit: Unit) -> None:
        """Nothing here outlives the process."""

    def transfer(self, unit: Unit, wanted: TransferWanted) -> None:
        """Every transfer succeeds after a while."""
        self.at(self.now + _TRANSFER_S, unit.happen, TransferEnded(wanted, ok=True))

    def delay_s(self, index: int) -> float:
        """One way through the network, drawn anew for every message."""
        delay_s = self._latency.median_s
        if self._latency.sigma:
            delay_s *= self._luck[index].lognormal(0.0, self._latency.sigma)
        return delay_s + self.extra_s.get(index, 0.0)

    # What happens. `group` is the indices that are struck; None strikes everybody.

    def happen(self, index: int, event: Event) -> None:
        """One event at one station, now."""
        self._tapped(index, event)
        self.units[index].happen(event)

    def _tapped(self, index: int, event: Event) -> None:
        if self.tap is not None:
            self.tap.happened(index, event, self.now)

    def power_off(self, group: Iterable[int] | None = None) -> None:
        """Mains cut."""
        for unit in self._struck(group):
            self.happen(unit.index, PowerOff())

    def power_on(self, group: Iterable[int] | None = None) -> None:
        """Mains back; the people have never been away."""
        for unit in self._struck(group):
            self.happen(unit.index, self.clock.power_on())

    def cut(self, group: Iterable[int] | None = None) -> None:
        """Connections die at once and none can be made until `restore`."""
        for unit in self._struck(group):
            self.unreachable.add(unit.index)
            self._kill(unit)

    def hold(self, group: Iterable[int] | None = None) -> None:
        """Half-open: nothing arrives on either side and nobody is told, until `restore`."""
        self.held.update(unit.index for unit in self._struck(group))

    def slow(self, extra_s: float, group: Iterable[int] | None = None) -> None:
        """Every message takes `extra_s` longer, each way, until `restore`."""
        self.extra_s.update((unit.index, extra_s) for unit in self._struck(group))

    def restore(self, group: Iterable[int] | None = None) -> None:
        """End of `cut`, `hold` and `slow`; what was held is delivered."""
        for unit in self._struck(group):
            self.unreachable.discard(unit.index)
            self.held.discard(unit.index)
            self.extra_s.pop(unit.index, None)
            if isinstance(unit.link, Line):
                unit.link.release()

    def restart_central(self, down_s: float) -> None:
        """The central system dies with all its connections and is back after `down_s`."""
        self.central_up = False
        for unit in self.units:
            self._kill(unit)
        self.at(self.now + down_s, self._central_back)

    def _central_back(self, _: object) -> None:
        self.central_up = True

    def _kill(self, unit: Unit) -> None:
        if isinstance(unit.link, Line):
            unit.link.die("connection reset")

    def _struck(self, group: Iterable[int] | None) -> list[Unit]:
        return self.units if group is None else [self.units[index] for index in group]
