"""A plugged car: the current it takes under the limit offered, and the exact energy, in closed form.

Between two moments at which something changes (a limit, the knee of the battery, a pause), the active current
per phase is `settled + excess · exp(-(t - since)/lag_s)`: a constant, an approach to a new limit, or a taper.
With the voltage a sum of cosines (`profiles.supply`) power and energy have antiderivatives, so a car costs
nothing while nobody looks, and its energy does not depend on how often it was read.

The battery side limits the current to `cut + remaining / (power per ampere · taper_s)`: linear in the energy
that is missing, therefore an exponential taper at full offer, and a later knee when the offer is lower.
"""

from math import exp, inf, log, sqrt
from typing import Final

from profiles.supply import FAST_WEIGHTS, IDLE, Supply, Swing
from profiles.wish import Piece, Wish
from stations.core.reading import Reading
from stations.core.streams import stream

RESPONSE_DEAD_S: Final = 2.0  # a new limit is felt after this (measured on-board chargers)
_SETTLED: Final = 5.0  # lags after which an approach counts as done
_JITTER: Final = 0.0006 * 6**0.5  # of the current, from sample to sample; times a triangular number
_SCATTER: Final = (
    0x9E37_79B1  # odd, near 2**32 / golden ratio: neighbouring moments lie far apart in the table
)
NOISES: Final = 0x100
_MOMENTS: Final = 0x1000
_LAST: Final = _MOMENTS - 1
_WORD: Final = 0xFF_FFFF
_GONE: Final = 28.0  # lags after which nothing is left of an excess in double precision
_B1: Final = 1.0  # active current of L1, L2, L3 relative to their mean
_B2: Final = 1.006
_B3: Final = 0.994
_WAIT, _RAMP, _TAPER, _STEP, _PAUSE, _STOP = range(6)
_DRAWING: Final = frozenset((_RAMP, _TAPER, _STEP))


def _jitters() -> tuple[float, ...]:
    """Factors on the current; cars and moments pick from them by a hash."""
    luck = stream(0, "meter", "jitter")
    return tuple(1.0 + _JITTER * (luck.random() - luck.random()) for _ in range(_MOMENTS))


_JITTERS: Final = _jitters()


class Car:
    """One vehicle at one socket; implements `stations.core.vehicle.Vehicle`."""

    __slots__ = (
        "_apply_at",
        "_ask",
        "_base_wh",
        "_drawn_s",
        "_excess",
        "_lag",
        "_limit",
        "_open",
        "_paused",
        "_settled",
        "_since",
        "_stage",
        "_step",
        "_until",
        "_window_at",
        "_windowed",
        "noise",
        "phases",
        "supply",
        "wish",
    )

    def __init__(self, wish: Wish, supply: Supply, phases: int, noise: int) -> None:
        """`phases`: 1 or 3. `noise`, below NOISES: which of the meter's jitters it shows."""
        self.wish = wish
        self.supply = supply
        self.phases = phases
        self.noise = noise
        self._ask = 0.0  # the limit that will count from _apply_at on
        self._limit = 0.0  # the limit that counts
        self._apply_at = inf
        self._open = True  # the contactor
        self._paused = self._windowed = False
        self._window_at = inf
        self._stage = _STOP
        self._step = -1
        self._until = inf
        self._since = self._settled = self._excess = 0.0
        self._lag = 1.0
        self._base_wh = 0.0  # energy less the antiderivative of the power: a constant of the stretch
        self._drawn_s = 0.0

    # The station's side -----------------------------------------------------------------------------------

    def offer(self, now: float, limit_a: float) -> None:
        """Tell the car its limit per phase in A; 0 opens the contactor at once."""
        self._advance(now)
        if limit_a <= 0.0:
            self._open, self._ask, self._limit, self._apply_at = True, 0.0, 0.0, inf
            self._flow(now, _STOP)
        elif self._open:
            self._open, self._ask, self._limit = False, limit_a, limit_a
            self._wake(now)
        elif limit_a != self._ask:
            self._ask, self._apply_at = limit_a, now + RESPONSE_DEAD_S

    def pause(self, now: float, *, paused: bool) -> None:
        """The driver's app or the car itself stops (True) or resumes (False) drawing."""
        self._advance(now)
        if paused == self._paused:
            return
        self._paused = paused
        if paused:
            self._flow(now, _PAUSE)
        elif not self._open:
            self._wake(now)

    def drawing(self, now: float) -> bool:
        """Whether current flows."""
        self._advance(now)
        return self._flowing()

    def next_change(self, now: float) -> float | None:
        """When `drawing` changes next if the offer stays; a car that dips for ever may answer too early."""
        drawing = self.drawing(now)
        ahead = self.twin()
        for _ in range(40):
            moment = min(ahead._until, ahead._apply_at)  # noqa: SLF001 — a copy of this very car
            if moment == inf:
                return None
            if ahead.drawing(moment) != drawing:
                return moment
        return moment

    def reading(self, now: float) -> Reading:
        """Instantaneous values and the exact energy so far."""
        if now >= self._until or now >= self._apply_at:
            self._advance(now)
        supply = self.supply
        swing = supply.swing(now)
        settled, excess = self._settled, self._excess
        if self._stage not in _DRAWING or (settled <= 0.0 and excess <= 0.0):
            return Reading(supply.volts(swing, 0.0, 0.0, 0.0), IDLE, IDLE, IDLE, self._base_wh)
        energy_wh = self._base_wh + self._joules(now, swing) / 3600.0
        active = settled + excess * exp((self._since - now) / self._lag) if excess else settled
        # Only the last bits of the product count: so it stays a machine word.
        active *= _JITTERS[((int(now * 8.0) & _WORD) * _SCATTER >> 12) + self.noise & _LAST]
        reactive = self.wish.reactive_var  # the car controls the active current, the meter sees both
        if self.phases == 1:
            volts = supply.volts(swing, active, 0.0, 0.0)
            volt = volts[0]
            crossways = reactive / volt
            current = (sqrt(active * active + crossways * crossways), 0.0, 0.0)
            return Reading(volts, current, (volt * active, 0.0, 0.0), (reactive, 0.0, 0.0), energy_wh)
        a1, a2, a3 = active * _B1, active * _B2, active * _B3
        volts = v1, v2, v3 = supply.volts(swing, a1, a2, a3)
        b1, b2, b3 = reactive / v1, reactive / v2, reactive / v3
        current = (sqrt(a1 * a1 + b1 * b1), sqrt(a2 * a2 + b2 * b2), sqrt(a3 * a3 + b3 * b3))
        return Reading(volts, current, (v1 * a1, v2 * a2, v3 * a3), (reactive,) * 3, energy_wh)

    def drawn_s(self, now: float) -> float:
        """Seconds for which current has flowed so far."""
        self._advance(now)
        return self._drawn_s + (now - self._since if self._flowing() else 0.0)

    def pieces(self, now: float, until: float) -> list[Piece]:
        """What it will do from `now` to `until` if nobody offers anything else; the car is not moved."""
        ahead = self.twin()
        ahead._advance(now)  # noqa: SLF001 — a copy of this very car
        found = [ahead._piece()]  # noqa: SLF001 — as above
        while (moment := min(ahead._until, ahead._apply_at)) < until:  # noqa: SLF001 — as above
            ahead._advance(moment)  # noqa: SLF001 — as above
            found.append(ahead._piece())  # noqa: SLF001 — as above
        return found

    def twin(self) -> "Car":
        """A car in the same state, to look ahead with."""
        twin = Car(self.wish, self.supply, self.phases, self.noise)
        twin._ask, twin._limit, twin._apply_at = self._ask, self._limit, self._apply_at
        twin._open, twin._paused = self._open, self._paused
        twin._windowed, twin._window_at = self._windowed, self._window_at
        twin._stage, twin._step, twin._until = self._stage, self._step, self._until
        twin._since, twin._settled, twin._excess = self._since, self._settled, self._excess
        twin._lag, twin._base_wh, twin._drawn_s = self._lag, self._base_wh, self._drawn_s
        return twin

    def _piece(self) -> Piece:
        flowing = self._flowing()
        settled, excess = (self._settled, self._excess) if flowing else (0.0, 0.0)
        return Piece(self._since, settled, excess, self._lag, self._energy(self._since))

    # What happens by itself -------------------------------------------------------------------------------

    def _advance(self, now: float) -> None:
        while True:
            moment = min(self._until, self._apply_at)
            if now < moment:
                return
            if moment == self._apply_at:
                self._limit, self._apply_at = self._ask, inf
                if self._stage in (_RAMP, _TAPER):
                    self._resume(moment)
                elif self._stage == _WAIT and self._until == inf:  # the old limit was below the minimum
                    self._wake(moment)
            else:
                self._turn(moment)

    def _turn(self, now: float) -> None:
        """The stage has run its course."""
        if self._stage in (_TAPER, _STEP):
            self._next_step(now)
        elif self._stage == _WAIT:
            if self._drawn_s == 0.0 and self.wish.window is not None:
                self._window_at = now + self.wish.window.from_s
            self._resume(now)
        elif self._stage == _PAUSE or self._window_at <= now:
            self._resume(now)
        elif self.wish.taper_s == 0.0:
            self._next_step(now)
        else:
            self._taper(now)

    def _wake(self, now: float) -> None:
        if self._paused:
            return
        if self._step >= 0:  # it had finished before the contactor opened
            self._flow(now, _PAUSE)
            return
        self._flow(now, _WAIT, now + self.wish.wake_s)

    def _window_level(self, now: float) -> float:
        """Share of the current that a pause or a dip leaves."""
        window = self.wish.window
        if window is None:
            return 1.0
        while self._window_at <= now:
            self._windowed = not self._windowed
            if self._windowed:
                self._window_at = now + window.lasts_s
            else:
                self._window_at = now + window.every_s if window.every_s else inf
        return window.level if self._windowed else 1.0

    def _resume(self, now: float) -> None:
        """Approach what offer, on-board charger, window and battery allow from here on."""
        wish = self.wish
        level = self._window_level(now)
        if level == 0.0:
            self._flow(now, _PAUSE, self._window_at)
            return
        if self._limit < wish.minimum_a:
            self._starve(now)
            return
        missing_wh = wish.need_wh - self._energy(now)
        if missing_wh <= 0.0:
            self._next_step(now)
            return
        before = self._current(now)
        lag_s = wish.soft_s if self._stage == _WAIT else wish.lag_s
        grip_a = sqrt(max((self._limit * wish.grip) ** 2 - (wish.reactive_var / 230.0) ** 2, 0.0))
        target = min(grip_a, wish.current_a)
        if level < 1.0:  # a whole one stays the car's own number: it is held once
            target *= level
        until = self._knee(target, missing_wh) + now + lag_s * (target - before) / target
        if until < now + _SETTLED * lag_s and wish.taper_s:  # the battery limits from the start
            target = min(target, self._allowed(missing_wh))
            until = now + _SETTLED * lag_s
        until = min(max(until, now), self._window_at)
        self._flow(now, _RAMP, until, settled=target, excess=before - target, lag_s=lag_s)

    def _allowed(self, missing_wh: float) -> float:
        """What the battery takes with so much energy missing."""
        wish = self.wish
        cut_a = wish.cut * wish.current_a
        return cut_a + missing_wh * 3600.0 / (self._watts_per_a(cut_a) * wish.taper_s)

    def _starve(self, now: float) -> None:
        """The offer is below the car's minimum: it does not start, or goes on with next to nothing."""
        if self._flowing() and self.wish.sip_a:
            self._flow(now, _RAMP, settled=self.wish.sip_a)
        else:
            self._flow(now, _WAIT)

    def _knee(self, target: float, missing_wh: float) -> float:
        """Seconds at `target` A until the battery begins to limit."""
        wish = self.wish
        if missing_wh == inf:
            return inf
        watts_per_a = self._watts_per_a(target)
        reserve_wh = max(target - wish.cut * wish.current_a, 0.0) * watts_per_a * wish.taper_s / 3600.0
        return (missing_wh - reserve_wh) * 3600.0 / (watts_per_a * target)

    def _taper(self, now: float) -> None:
        """The battery limits: exponentially down to the cut, from whatever flows or may flow now."""
        wish = self.wish
        cut_a = wish.cut * wish.current_a
        start = min(self._allowed(max(wish.need_wh - self._energy(now), 0.0)), self._current(now))
        if start <= cut_a:
            self._next_step(now)
            return
        self._flow(now, _TAPER, now + wish.taper_s * log(start / cut_a), excess=start, lag_s=wish.taper_s)

    def _next_step(self, now: float) -> None:
        """After the end: steps of little current, then nothing."""
        self._step += 1
        if self._step >= len(self.wish.tail):
            self._flow(now, _PAUSE)
            return
        share, seconds = self.wish.tail[self._step]
        self._flow(now, _STEP, now + seconds, settled=share * self.wish.current_a)

    # Sums -------------------------------------------------------------------------------------------------

    def _flow(
        self,
        now: float,
        stage: int,
        until: float = inf,
        *,
        settled: float = 0.0,
        excess: float = 0.0,
        lag_s: float = 1.0,
    ) -> None:
        """Close the books at `now` and start another curve."""
        energy_wh = self._energy(now)
        if self._flowing():
            self._drawn_s += now - self._since
        self._since, self._settled, self._excess, self._lag = now, settled, excess, lag_s
        self._stage, self._until = stage, until
        self._base_wh = energy_wh - self._integral(now) if stage in _DRAWING else energy_wh

    def _flowing(self) -> bool:
        return self._stage in _DRAWING and (self._settled > 0.0 or self._excess > 0.0)

    def _current(self, now: float) -> float:
        return self._settled + self._excess * exp((self._since - now) / self._lag)

    def _watts_per_a(self, current_a: float) -> float:
        feeder = self.supply.feeder
        volts = sum(feeder.level_v) if self.phases == 3 else feeder.level_v[0]
        return volts - self.phases * feeder.resistance_ohm * current_a

    def _energy(self, now: float) -> float:
        if self._stage not in _DRAWING:
            return self._base_wh
        return self._base_wh + self._integral(now)

    def _integral(self, now: float) -> float:
        """Antiderivative of the power at `now`, in Wh."""
        return self._joules(now, self.supply.swing(now)) / 3600.0

    def _joules(self, now: float, swing: Swing) -> float:
        a, b, lag = self._settled, self._excess, self._lag
        u = now - self._since
        supply, balance = self.supply, balance_of(self.phases)
        slow, fast, faster = balance.slow, balance.fast, balance.faster
        feeder = supply.feeder
        v1, v2, v3 = feeder.level_v
        level_v = balance.g1 * v1 + balance.g2 * v2 + balance.g3 * v3
        drop_ohm = balance.squares * feeder.resistance_ohm
        total = a * (slow * swing[3] + fast * swing[4] + faster * swing[5])
        if not b or u >= _GONE * lag:
            return total + a * u * (level_v - drop_ohm * a)
        decay = exp(-u / lag)
        tail = b * lag * decay
        square = a * a * u - (2.0 * a + 0.5 * b * decay) * tail
        total += (a * u - tail) * level_v - drop_ohm * square
        waning = supply.waning(now, 1.0 / lag)
        return total + b * decay * (slow * waning[0] + fast * waning[1] + faster * waning[2])


class Balance:
    """How the phases share the current of a car, g1 to g3 of its mean, and what follows for its power."""

    __slots__ = ("fast", "faster", "g1", "g2", "g3", "slow", "squares")

    def __init__(self, g1: float, g2: float, g3: float) -> None:
        self.g1: Final = g1
        self.g2: Final = g2
        self.g3: Final = g3
        self.squares: Final = g1 * g1 + g2 * g2 + g3 * g3  # weight of the voltage drop
        self.slow: Final = g1 + g2 + g3  # of the waves that the phases have in common
        self.fast: Final = _weight(g1, g2, g3, 0)
        self.faster: Final = _weight(g1, g2, g3, 1)


def _weight(g1: float, g2: float, g3: float, wave: int) -> float:
    return g1 * FAST_WEIGHTS[0][wave] + g2 * FAST_WEIGHTS[1][wave] + g3 * FAST_WEIGHTS[2][wave]


_ONE_PHASE: Final = Balance(1.0, 0.0, 0.0)
_THREE_PHASES: Final = Balance(_B1, _B2, _B3)


def balance_of(phases: int) -> Balance:
    """Of a car that charges on one phase, or on three."""
    return _ONE_PHASE if phases == 1 else _THREE_PHASES
