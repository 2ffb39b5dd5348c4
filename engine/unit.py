"""One deployed station: its core, its driver and its link, whichever edge drives it.

The unit asks the station, performs what the station wants in order, and writes down what the station says.
It has one deadline, the earliest of station, driver and link, in real seconds of the edge's clock.

A station that fails is our bug (C10): it is retired, counted and reported with its traceback, and the run
goes on with the others.
"""

from collections.abc import Callable
from enum import IntEnum
from traceback import format_exception
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from mypy_extensions import mypyc_attr

from engine import blame
from engine.burst import Burst
from engine.edge import Edge, Watch, Wire
from engine.showing import CONNECTING, DOWN, OPEN, Showing
from engine.wheel import NEVER
from profiles.drivers import Driver
from stations.core import events as ev
from stations.errors import PlanError

if TYPE_CHECKING:
    from stations.core.station import Station

FOREVER: Final = float("inf")
_TRACEBACK_CHARACTERS: Final = 4_000
_RESULT: Final = b"[3"  # how a CALLRESULT begins
Performers: TypeAlias = dict[type[ev.Effect], Callable[[Any, Any, float], None]]


class Stage(IntEnum):
    """How far a unit's life has come."""

    RUNNING = 0
    RETIRING = 1  # ends transactions and delivers what waits
    CLOSING = 2  # closes the link
    ENDED = 3


_RUNNING: Final = Stage.RUNNING  # an enum's members are slow to reach by name


@mypyc_attr(allow_interpreted_subclasses=True)
class Unit:
    """A station in a world. All methods run in the edge's thread; `happen` is the way in for events."""

    __slots__ = (
        "_burst",
        "_busy",
        "_connects",
        "_driver_due",
        "_edge",
        "_later",
        "_letter",
        "_letter_at",
        "_open_calls",
        "_perform",
        "_showing",
        "_since",
        "_wakes_at",
        "armed",
        "driver",
        "excused_until",
        "index",
        "link",
        "retire_by",
        "stage",
        "station",
        "watch",
    )

    def __init__(
        self, index: int, station: "Station", driver: Driver | None, connectors: int, edge: Edge
    ) -> None:
        self.index = index
        self.station = station
        self.driver = driver
        self.watch: Watch | None = None  # set while somebody looks at its frames
        self.link: Wire | None = None
        self.armed = NEVER  # its tick in engine.wheel
        self.stage = Stage.RUNNING
        self.retire_by = FOREVER  # real seconds: when patience with a retiring station ends
        self.excused_until = -FOREVER  # core seconds; see engine.blame
        self._edge = edge
        self._driver_due = FOREVER  # core seconds
        self._burst: Burst | None = None  # takes what is sent during `on_deadline`
        self._busy = False
        self._later: list[ev.Event] | None = None  # what happened while effects were being performed
        self._letter: bytes | None = None  # a message of the peer that nobody has looked into yet
        self._letter_at = 0.0  # core seconds: when it came
        self._since = 0.0  # core seconds: start of the attempt, then opening of the link
        self._connects = 0
        self._open_calls = 0
        self._wakes_at = FOREVER  # core seconds: the edge calls by then at the latest
        self._perform = _PERFORM
        self._showing = Showing(edge.tally, station, connectors)

    # The life of a unit.

    def power_on(self, local_s: float | None = None) -> None:
        """Mains on. `local_s` is the local time now, since Monday 00:00; None: the driver knows."""
        if self.driver is not None:
            if local_s is not None:
                self.driver.start(self._edge.clock.now(), local_s)
            self._look_at_driver(self.driver)
        self.happen(self._edge.clock.power_on())

    def retire(self, by: float) -> None:
        """Stop gracefully: end transactions, deliver what waits, close the link; at `by` at the latest."""
        if self.stage is not Stage.RUNNING:
            return
        self.driver, self._driver_due = None, FOREVER
        self.stage, self.retire_by = Stage.RETIRING, by
        for number in self._showing.sides:
            transaction = self.station.connectors[number].transaction
            if transaction is not None:
                self.happen(ev.Swipe(transaction.id_tag, (number,)))
            self.happen(ev.PlugOut(number))
        self._settle()

    def end(self, bug: str = "") -> None:
        """Leave the world at once."""
        self.read()
        if self.stage is Stage.ENDED:
            return
        self.stage, self._busy = Stage.ENDED, True  # nothing happens to it any more
        self.drop_link("dropped at the end")
        self._showing.leave()
        self.driver = self.watch = None
        self._edge.gone(self, bug)

    def _settle(self) -> None:
        """While retiring: close when everything is delivered, leave when the link is gone."""
        if self.stage is Stage.RETIRING and self.link is not None and self.online:
            if self._open_calls or self._showing.running or self.station.backlog:
                return
            self.stage = Stage.CLOSING
            self.happen(ev.Activate(active=False))
        elif self.link is None or not self.online:
            self.end()

    # What happens.

    def happen(self, event: ev.Event, due: float | None = None) -> None:
        """The station is told, and what it wants is done. `due`: when a plan wanted the event, core time."""
        if self._letter is not None:
            self.read()
        if self._busy:
            if self.stage is not Stage.ENDED:
                self._later = self._later or []
                self._later.append(event)
            return
        self._tell(event, self._edge.clock.now(), due)

    def _tell(self, event: ev.Event, now: float, due: float | None = None) -> None:
        self._busy = True
        perform = self._perform
        try:
            for effect in self.station.on_event(event, now, due):
                perform[type(effect)](self, effect, now)
            while self._later:
                for effect in self.station.on_event(self._later.pop(0), now):
                    perform[type(effect)](self, effect, now)
        except PlanError:  # the event cannot be: an unknown key, a side the product lacks; nothing changed
            self._busy = False
            raise
        except Exception as error:  # noqa: BLE001 — any escape is our bug (C10): retired and reported
            self._bug(error)
            return
        self._busy = False
        self.rearm()

    def on_deadline(self, burst: Burst | None = None) -> None:
        """The edge says that the deadline may have come; `burst` takes what is sent, to be written later."""
        if self._letter is not None:
            self.read(burst)
        if self._busy:  # it has ended; the edge may still hold a deadline of its life
            return
        self._burst = burst
        self._wakes_at = FOREVER
        clock = self._edge.clock
        now = clock.now()
        link = self.link
        if link is not None and link.deadline < FOREVER and link.deadline <= clock.real_s(now):
            link.on_deadline()
        due = self.station.deadline()
        if due is not None and due <= now:
            self._ring(now, due)
        if self._driver_due <= now and self.driver is not None:
            self._drive(self.driver, now)
        if self.stage is not _RUNNING and self.retire_by <= clock.real_s(now):
            self.end()
        self.rearm()
        self._burst = None

    def _ring(self, now: float, due: float) -> None:
        """Something the station waited for is due."""
        edge = self._edge
        edge.tally.count_deadline((now - due) / edge.clock.scale)
        self._busy = True
        perform = self._perform
        try:
            for effect in self.station.on_deadline(now):
                perform[type(effect)](self, effect, now)
        except Exception as error:  # noqa: BLE001 — as in `happen`
            self._bug(error)
            return
        self._busy = False

    def rearm(self) -> None:
        """Tell the edge the earliest deadline of station, driver and link."""
        if self.stage is not _RUNNING:
            if self.stage is Stage.ENDED:
                return
            self._edge.arm(self, self.retire_by)
            self._settle()
        due = self.station.deadline()
        if due is None or self._driver_due < due:
            due = self._driver_due
        if due < self._wakes_at:  # an edge that wakes us earlier is told then
            self._wakes_at = due
            edge = self._edge
            edge.arm(self, edge.clock.real_s(due))
        link = self.link
        if link is not None and link.deadline < FOREVER:
            self._edge.arm(self, link.deadline)

    def line_waits(self) -> None:
        """The link holds something back, perhaps since a burst was written: nobody else would wake it."""
        if self.link is not None and self.link.deadline < FOREVER:
            self._edge.arm(self, self.link.deadline)

    def send_driver_away(self) -> None:
        """From now on nothing happens at the station but what is done by hand."""
        self.driver, self._driver_due = None, FOREVER

    def look(self) -> None:
        """Refresh the gauges that cost something: once in a while, not at each event."""
        if self.stage is not Stage.ENDED:
            self._showing.look(self.station, self._edge.clock.now())

    def _drive(self, driver: Driver, now: float) -> None:
        planned = self._driver_due
        try:
            happening = driver.act(now, self.station)
        except Exception as error:  # noqa: BLE001 — as in `happen`
            self._bug(error)
            return
        self._look_at_driver(driver)
        for event in happening:
            self.happen(event, planned)

    def _look_at_driver(self, driver: Driver) -> None:
        due = driver.deadline()
        self._driver_due = FOREVER if due is None else due

    def _bug(self, error: Exception) -> None:
        where = f"station {self.index}: "
        self.end(where + "".join(format_exception(error))[-_TRACEBACK_CHARACTERS:])

    @property
    def online(self) -> bool:
        """The WebSocket is open."""
        return self._showing.link == OPEN

    # What the link says (engine.link.Owner).

    def link_up(self, subprotocol: str | None) -> None:
        """The WebSocket is open."""
        edge = self._edge
        now = edge.clock.now()
        edge.journal.opened(self.index, now, self._since)
        self._since = now
        edge.tally.connects += 1
        edge.tally.reconnects += self._connects > 0
        self._connects += 1
        self._showing.link_is(OPEN)
        self.happen(ev.LinkUp(subprotocol))

    def link_refused(self, failure: ev.LinkFailure, detail: str) -> None:
        """The attempt failed."""
        edge = self._edge
        kind = blame.of_refusal(failure, self._since, self.excused_until)
        edge.journal.refused(self.index, edge.clock.now(), self._since, kind, detail)
        edge.tally.refusals += 1
        self.link = None
        self._showing.link_is(DOWN)
        self.happen(ev.LinkRefused(failure, detail))

    def link_down(self, code: int | None, reason: str) -> None:
        """The open WebSocket ended."""
        link = self.link
        self.read()  # it came before the end
        if self.link is link:
            self._record_end(code, reason)
            self.happen(ev.LinkDown(code, reason))

    def received(self, data: bytes) -> None:
        """One text message: stamped now, read when the edge says, or before anything else happens here."""
        if self.watch is not None:
            self.watch.note("in", data)
        if self._busy:
            self.happen(ev.Received(data))
            return
        if self._letter is not None:
            self.read()
        edge = self._edge
        self._letter, self._letter_at = data, edge.clock.now()
        if data.startswith(_RESULT):
            edge.arrived(self)
        else:  # whoever calls us measures how long we take
            self.read()

    def read(self, burst: Burst | None = None) -> None:
        """Look into the message that has come, if there is one; `burst` takes what is sent for it."""
        data = self._letter
        if data is None or self._busy:
            return
        self._letter, self._burst = None, burst
        self._tell(ev.Received(data), self._letter_at)
        self._burst = None

    def broke_rule(self, rule: str, detail: str, frame: bytes) -> None:
        """The peer broke a transport rule."""
        self._found(ev.Finding(rule, detail, frame), self._edge.clock.now())

    def drop_link(self, why: str) -> None:
        """Abort the link, if there is one, without a word to the station."""
        if self.link is None:
            return
        self.link.drop()
        if self.online:
            self._record_end(None, why)
        self.link = None
        self._showing.link_is(DOWN)

    def _record_end(self, code: int | None, reason: str) -> None:
        edge = self._edge
        now = edge.clock.now()
        ours = blame.ours(self._since, now, self.excused_until, edge.clock.scale)
        edge.journal.ended(self.index, now, self._since, code, reason, ours=ours)
        self.link = None
        self._showing.link_is(DOWN)

    # What the station wants.

    def _send(self, effect: ev.Send, _now: float) -> None:
        link, call, burst = self.link, effect.call, self._burst
        if call is not None:
            self._open_calls += 1
        if link is not None:
            if self.watch is not None:
                self.watch.note("out", effect.data)
            if burst is not None:  # it stamps when it writes
                burst.held.append((link, effect))
                return
            link.send(effect.data)
        if call is not None:
            # The bytes are with the kernel here: both loops write at once when they can (C6).
            call.sent = self._edge.clock.now()

    def _write_burst(self) -> None:
        """Keep the order: what was sent before goes out before the link does."""
        if self._burst is not None:
            self._burst.write()

    def _open_link(self, effect: ev.OpenLink, now: float) -> None:
        self.drop_link("replaced")
        self._since = now
        self._showing.link_is(CONNECTING)
        self.link = self._edge.open_link(self, effect.url, effect.authorization)

    def _close_link(self, effect: ev.CloseLink, _now: float) -> None:
        self._write_burst()
        if self.link is not None:
            self.excused_until = min(self.excused_until, self._since)  # this end is the station's own wish
            self.link.close(effect.code, effect.reason)

    def _drop_link(self, _effect: ev.DropLink, _now: float) -> None:
        self._write_burst()
        self.drop_link("dropped by the station")

    def _ping(self, effect: ev.Ping, _now: float) -> None:
        if self.link is not None:
            self.link.ping(effect.timeout_s)  # the peer's time is not compressed

    def _call_ended(self, effect: ev.CallEnded, _now: float) -> None:
        self._open_calls -= 1
        if effect.outcome is not ev.Outcome.OK:
            effect.outcome = blame.of_call(effect, self.excused_until)
        self._edge.journal.call(self.index, effect)

    def _command_answered(self, effect: ev.CommandAnswered, _now: float) -> None:
        self._edge.journal.command(self.index, effect, self._edge.clock.now())

    def _transaction_changed(self, effect: ev.TransactionChanged, now: float) -> None:
        self._showing.transaction(effect)
        self._edge.journal.transaction(self.index, effect, now)

    def _status_changed(self, effect: ev.StatusChanged, _now: float) -> None:
        self._showing.status(effect.connector, effect.status)

    def _registration_changed(self, effect: ev.RegistrationChanged, now: float) -> None:
        self._showing.registration(effect.status)
        if effect.status == "Accepted":
            self._edge.journal.accepted(self.index, now, self._since)

    def _found(self, effect: ev.Finding, now: float) -> None:
        if blame.provoked(effect, now, self.excused_until, self._edge.clock.scale):
            return
        self._edge.tally.rules[effect.rule] += 1
        self._edge.journal.finding(self.index, effect, now)

    def _broken(self, effect: ev.Broken, _now: float) -> None:
        """The peer has its InternalError; now it is the bug it always was."""
        self._write_burst()
        raise effect.error

    def _persist(self, _effect: ev.Persist, _now: float) -> None:
        self._edge.persist(self)

    def _transfer(self, effect: ev.TransferWanted, _now: float) -> None:
        self._edge.transfer(self, effect)

    @staticmethod
    def performers() -> Performers:
        """Which method does what a station wants; `engine.control` lays some of its own over them."""
        return {
            ev.OpenLink: Unit._open_link,
            ev.CloseLink: Unit._close_link,
            ev.DropLink: Unit._drop_link,
            ev.Send: Unit._send,
            ev.Ping: Unit._ping,
            ev.CallEnded: Unit._call_ended,
            ev.CommandAnswered: Unit._command_answered,
            ev.TransactionChanged: Unit._transaction_changed,
            ev.StatusChanged: Unit._status_changed,
            ev.RegistrationChanged: Unit._registration_changed,
            ev.Finding: Unit._found,
            ev.Broken: Unit._broken,
            ev.Persist: Unit._persist,
            ev.TransferWanted: Unit._transfer,
        }


_PERFORM: Final = Unit.performers()
