"""A link through bad weather: stands between a unit and its wire, on either edge, and costs no task.

What is written and what arrives waits here for as long as the line takes; the unit's one deadline wakes it.
Stations on a perfect line that nothing strikes have none of this.

* cut: an attempt is refused, unless the cut ends before the attempt gives up.
* hold: both directions stand still and nobody is told; what waits goes on when the hold ends.
* slow: every message takes its latency and its time on the line, in order.
* deaf (a slow reader): nothing is read from the socket while questions are written.
* churn: the wire below connects and disconnects, while the station believes in its link.

Messages that only mean to annoy have ids of their own; their answers never reach the station.
"""

from collections import deque
from collections.abc import Callable
from itertools import count
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from engine import blame
from engine.clock import Clock
from engine.edge import Cable
from engine.weather import Weather
from profiles.hardship import Verb
from stations.core.events import LinkFailure
from stations.wire.frames import encode_call
from stations.wire.messages import DataTransfer, Heartbeat, Payload

if TYPE_CHECKING:
    from engine.unit import Unit

FOREVER: Final = float("inf")
UNREACHABLE_S: Final = 1.0  # a network that is not there says so
GIVE_UP_S: Final = 30.0  # patience with an attempt, or a goodbye, that nobody answers
LONG_S: Final = 3.0  # stations wait 10 s for most answers (RPC-4), and a line is used twice
HANDSHAKE_TRIPS: Final = 4  # one way each: TCP and the upgrade, there and back

_MARK: Final = "annoying-"
_OURS: Final = f'"{_MARK}'.encode()
_HEAD_BYTES: Final = 64  # an OCPP-J message id is at most 36 characters long
_CALL: Final = b"[2,"

_Step: TypeAlias = tuple[float, Callable[..., None], tuple[Any, ...]]


class Rough:
    """An `engine.edge.Wire` to its unit, an `engine.link.Owner` to the wire below. Times are real seconds."""

    __slots__ = (
        "_by",
        "_churned",
        "_clock",
        "_dial",
        "_echo",
        "_echoes",
        "_ended",
        "_ids",
        "_in",
        "_in_free",
        "_out",
        "_out_free",
        "_paused",
        "_trick_at",
        "_twice",
        "_unit",
        "_up",
        "_verdict",
        "_weather",
        "_wire",
        "index",
    )

    def __init__(
        self,
        unit: "Unit",
        weather: Weather,
        clock: Clock,
        dial: "Callable[[Rough], Cable]",
        wire: Cable | None = None,
    ) -> None:
        """`dial` makes a wire below that has this as its owner; `wire`: the unit has one already."""
        self.index: Final = unit.index
        self._unit = unit
        self._weather = weather
        self._clock = clock
        self._dial = dial
        self._wire = wire
        self._up = wire is not None and unit.online
        self._ended = False
        self._paused = False
        self._churned = False  # the wire below is a churn's
        self._by = FOREVER  # when patience ends: with an attempt, or with the peer
        self._verdict: tuple[int | None, str] = (None, "")
        self._trick_at = FOREVER  # the next question of a deaf station, the next connection of a churn
        self._in: deque[_Step] = deque()
        self._out: deque[_Step] = deque()
        self._in_free = self._out_free = 0.0  # when each direction has passed on what it got
        self._twice = 0  # CALLs still to be sent twice
        self._echo = b""  # id of the CALL that was
        self._echoes = 0
        self._ids = count(1)
        if wire is None:
            self._attempt()
        self._adapt()

    def _now(self) -> float:
        return self._clock.real_s(self._clock.now())

    # To the unit: a wire.

    @property
    def deadline(self) -> float:
        """The earliest of what waits."""
        soonest = min(self._by, self._trick_at)
        if self._wire is not None:
            soonest = min(soonest, self._wire.deadline)
        if self._out and not self._weather.stuck:
            soonest = min(soonest, self._out[0][0])
        if self._in and not self._weather.deaf:
            soonest = min(soonest, self._in[0][0])
        return soonest

    def send(self, data: bytes) -> None:
        """One text message, on its way when the line is free."""
        if not self._up:
            return
        self._pass(data)
        if self._twice and data.startswith(_CALL):
            self._twice -= 1
            self._echo, self._echoes = _id_in(data), 2
            self._pass(data)

    def _pass(self, data: bytes) -> None:
        now, weather = self._now(), self._weather
        self._out_free = max(self._out_free, now + weather.writing_s(len(data)))
        when = max(self._out_free + weather.latency_s(), self._out[-1][0] if self._out else 0.0)
        if self._wire is not None and when <= now and not self._out and not weather.stuck:
            self._wire.send(data)
        else:
            self._excuse(when - now)
            self._out.append((when, self._write, (data,)))
            self._unit.line_waits()

    def _write(self, data: bytes) -> None:
        if self._wire is not None:
            self._wire.send(data)

    def ping(self, timeout_s: float) -> None:
        """As far as anybody answers."""
        if self._weather.deaf:
            self._expect(timeout_s, (None, "no pong in time"))
        elif self._wire is not None:
            self._wire.ping(timeout_s)

    def close(self, code: int, reason: str) -> None:
        """Say goodbye after what was said before."""
        if not self._up:
            self.drop()
            self._unit.link_refused(LinkFailure.UNREACHABLE, "given up by the station")
        elif self._weather.stuck or self._wire is None:
            self._expect(GIVE_UP_S, (code, "no answer to the close frame"))
        elif self._out:
            self._out.append((self._out[-1][0], self._wire.close, (code, reason)))
        else:
            self._wire.close(code, reason)

    def drop(self) -> None:
        """Abort; nothing follows."""
        self._ended = True
        self._by = self._trick_at = FOREVER
        self._in.clear()
        self._out.clear()
        if self._wire is not None:
            self._wire.drop()
            self._wire = None

    def on_deadline(self) -> None:
        """Something has waited long enough."""
        now = self._now()
        if self._wire is not None and self._wire.deadline <= now:
            self._wire.on_deadline()
        if self._by <= now and not self._ended:
            self._give_up()
        if self._trick_at <= now and not self._ended:
            self._trick(now)
        while self._out and self._out[0][0] <= now and not self._weather.stuck:
            _, step, arguments = self._out.popleft()
            step(*arguments)
        while self._in and self._in[0][0] <= now and not self._weather.deaf:
            _, step, arguments = self._in.popleft()
            step(*arguments)

    def _expect(self, within_s: float, verdict: tuple[int | None, str]) -> None:
        if self._by == FOREVER:
            self._by, self._verdict = self._now() + within_s, verdict

    def _give_up(self) -> None:
        up, verdict = self._up, self._verdict
        failure = LinkFailure.UNREACHABLE if self._weather.has(Verb.CUT) else LinkFailure.TIMEOUT
        self.drop()
        if up:
            self._unit.link_down(*verdict)
        else:
            self._unit.link_refused(failure, "no network")

    # To the wire below: an owner.

    def link_up(self, subprotocol: str | None) -> None:
        """It is open; a churn only wanted to see that."""
        if self._weather.has(Verb.CHURN):
            self._again()
            return
        self._by = FOREVER
        self._up = True
        self._arrive(self._unit.link_up, (subprotocol,), trips=HANDSHAKE_TRIPS)

    def link_refused(self, failure: LinkFailure, detail: str) -> None:
        """The attempt failed."""
        self._wire = None
        if self._weather.has(Verb.CHURN):
            self._again()
        else:
            self._arrive(self._end, (self._unit.link_refused, failure, detail))

    def link_down(self, code: int | None, reason: str) -> None:
        """It has ended."""
        self._wire = None
        if self._weather.has(Verb.CHURN):
            self._again()
            return
        self._out.clear()
        self._arrive(self._end, (self._unit.link_down, code, reason))

    def received(self, data: bytes) -> None:
        """One text message; answers to our annoyances stay here."""
        head = data[:_HEAD_BYTES]
        if _OURS in head:
            return
        if self._echoes and self._echo in head and not head.startswith(_CALL):
            self._echoes -= 1
            if self._echoes == 0:
                return
        self._arrive(self._unit.received, (data,), len(data))

    def broke_rule(self, rule: str, detail: str, frame: bytes) -> None:
        """The peer's doing, whatever the weather."""
        self._unit.broke_rule(rule, detail, frame)

    def rearm(self) -> None:
        """A deadline of the wire has moved."""
        self._unit.rearm()

    def _arrive(
        self, step: Callable[..., None], arguments: tuple[Any, ...], size_bytes: int = 0, *, trips: int = 1
    ) -> None:
        now, weather = self._now(), self._weather
        self._in_free = max(self._in_free, now + weather.writing_s(size_bytes))
        when = max(self._in_free + trips * weather.latency_s(), self._in[-1][0] if self._in else 0.0)
        if when <= now and not self._in and not weather.deaf:
            step(*arguments)
        else:
            self._excuse(when - now)
            self._in.append((when, step, arguments))
            self._unit.rearm()

    def _excuse(self, delay_s: float) -> None:
        """A line that alone uses up a station's patience is not the central system's slowness."""
        if delay_s >= LONG_S:
            arrives = self._clock.now() + delay_s * self._clock.scale
            self._unit.excused_until = max(self._unit.excused_until, arrives)

    def _end(self, tell: Callable[..., None], *arguments: object) -> None:
        self.drop()
        tell(*arguments)

    # The weather changes.

    def changed(self) -> None:
        """Something began or ended."""
        if self._ended:
            return
        if not self._weather.deaf and self._up:
            self._by = FOREVER  # whatever was waited for can arrive again
        if self._churned and not self._weather.has(Verb.CHURN):
            self._after_churn()
        if self._wire is None and not self._up and not self._ended:
            self._attempt()
        if not self._ended:
            self._adapt()
            self._unit.rearm()

    def _after_churn(self) -> None:
        self._churned = False
        if self._up:
            blame.lose_link(self._unit, "hardship: churn")
        elif self._wire is not None:
            self._wire.drop()
            self._wire = None

    def _attempt(self) -> None:
        """Dial, if there is a network; otherwise wait for one, within patience."""
        weather = self._weather
        if weather.has(Verb.CUT):
            self._by = min(self._by, self._now() + UNREACHABLE_S)
        elif weather.stuck:
            self._by = min(self._by, self._now() + GIVE_UP_S)
        else:
            self._by = FOREVER  # the wire has a patience of its own
            self._wire = self._dial(self)

    def _adapt(self) -> None:
        """Read or do not, and begin or end the tricks."""
        weather = self._weather
        if self._wire is not None and not self._churned and weather.deaf is not self._paused:
            self._paused = weather.deaf
            (self._wire.pause if self._paused else self._wire.resume)()
        wanted = weather.has(Verb.CHURN) or (self._up and weather.has(Verb.DEAF))
        if not wanted:
            self._trick_at = FOREVER
        elif self._trick_at == FOREVER:
            self._trick_at = self._now()

    # Protocol abuse.

    def oversize(self, size_bytes: int) -> None:
        """One message of this size at the least."""
        if self._up and self._wire is not None:
            self._wire.send(self._annoyance(DataTransfer(vendor_id="x", data="A" * size_bytes)))

    def repeat(self) -> None:
        """The next CALL goes out twice under one id."""
        self._twice += 1

    def _annoyance(self, request: Payload) -> bytes:
        return encode_call(f"{_MARK}{next(self._ids)}", type(request).__name__, request)

    def _trick(self, now: float) -> None:
        weather = self._weather
        if weather.has(Verb.CHURN):
            self._trick_at = FOREVER  # until this connection is seen
            if self._wire is not None:
                self._wire.drop()
            self._paused, self._churned = False, True
            self._wire = self._dial(self)
        else:
            self._trick_at = now + 1.0 / weather.rate_per_s(Verb.DEAF)
            self._write(self._annoyance(Heartbeat()))

    def _again(self) -> None:
        """The connection of a churn has come, or not: the next one."""
        if self._wire is not None:
            self._wire.drop()
            self._wire = None
        self._trick_at = self._now() + 1.0 / self._weather.rate_per_s(Verb.CHURN)
        self._unit.rearm()


def _id_in(call: bytes) -> bytes:
    return call.split(b'"', 2)[1]
