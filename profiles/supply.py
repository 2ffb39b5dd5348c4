"""The voltage at a station: a level, a daily swing, slow and fast noise, and a drop with the current drawn.

The noise is a sum of a few cosines whose frequencies are drawn from the spectrum of the wanted process, so
the voltage at any moment, and its integral over any span, are closed forms: nobody steps second by second,
and looking more often changes nothing. Amplitudes restate published one-minute series of twelve cars (EV-CPW,
Ziyat et al., IEEE Access 11 (2023) 138445); level and swing for a European 230 V grid are an assumption.
"""

from functools import lru_cache
from math import cos, pi, sin, tan
from typing import Final, TypeAlias

from stations.core.streams import stream

PLATEAU_V: Final = 231.0  # usual voltage under load
_DAY_S: Final = 86_400.0
_EVENING_S: Final = 19 * 3600.0  # the swing is lowest when the neighbourhood cooks
_DROP_OHM: Final[tuple[float, ...]] = (0.3, 0.4)  # measured at stations: 0.32-0.37
_DAY_V: Final[tuple[float, ...]] = (0.3, 0.9)  # amplitude of the daily swing
_SLOW: Final = (4, 0.9, 600.0)  # cosines, standard deviation in V, correlation time in s
_FAST: Final = (2, 0.5, 25.0)

# Slow waves come from upstream, common to the phases; the fast ones are mostly the neighbours' own.
_F1: Final = 0.6
_G1: Final = 1.0
_F2: Final = -0.5
_G2: Final = 1.05
_F3: Final = 0.8
_G3: Final = 0.7
FAST_WEIGHTS: Final[tuple[tuple[float, float], ...]] = ((_F1, _G1), (_F2, _G2), (_F3, _G3))

Phases: TypeAlias = tuple[float, float, float]  # L1, L2, L3
IDLE: Phases = (0.0, 0.0, 0.0)
Swing: TypeAlias = tuple[float, float, float, float, float, float]
"""At a moment: V of the slow waves together and of the two fast ones; of each the antiderivative in V·s."""

_Wave: TypeAlias = tuple[float, float, float]  # amplitude in V, angular frequency in 1/s, phase
_Course: TypeAlias = tuple[_Wave, _Wave, _Wave, _Wave, _Wave, _Wave]


def _noise(number: int) -> _Course:
    """One course of the noise: slow waves, then fast ones."""
    luck = stream(0, str(number), "voltage noise")
    waves = []
    for count, deviation_v, correlation_s in (_SLOW, _FAST):
        for n in range(count):
            # Exponential correlation has a Lorentzian spectrum: frequencies are Cauchy, here stratified.
            share = min(max((n + luck.random()) / count, 0.02), 0.93)
            omega = tan(pi / 2 * share) / correlation_s
            waves.append((deviation_v * (2.0 / count) ** 0.5, omega, luck.uniform(0, 2 * pi)))
    one, two, three, four, fast, faster = waves
    return one, two, three, four, fast, faster


# Feeders share these courses, and stations feeders, each somewhere else in its time: a supply holds no float.
_NOISES: Final = tuple(_noise(number) for number in range(64))
_FEEDERS: Final = 256
_SHIFTS: Final = 256
_SHIFT_S: Final = 39_079.0  # longer than the noise remembers


class Feeder:
    """A stretch of a site's grid."""

    __slots__ = ("day", "level_v", "noise", "resistance_ohm")

    def __init__(self, level_v: Phases, resistance_ohm: float, day: _Wave, noise: _Course) -> None:
        self.level_v: Final = level_v  # open-circuit mean on L1, L2, L3
        self.resistance_ohm: Final = resistance_ohm  # drop per ampere, line and neutral together
        self.day: Final = day
        self.noise: Final = noise


@lru_cache(maxsize=16_384)
def _feeder(seed: int, site: str, midnight_s: int, number: int) -> Feeder:
    mean_v = stream(seed, site, "grid level").normal(234.0, 2.5)
    luck = stream(seed, f"{site}/{number}", "feeder")
    level_v = (
        mean_v + luck.normal(0, 0.8),
        mean_v + luck.normal(0, 0.8),
        mean_v + luck.normal(0, 0.8),
    )
    resistance_ohm = luck.uniform(*_DROP_OHM)
    omega = 2 * pi / _DAY_S
    day = (luck.uniform(*_DAY_V), omega, pi - omega * (midnight_s + _EVENING_S))
    return Feeder(level_v, resistance_ohm, day, luck.choice(_NOISES))


def supply_of(seed: int, site: str, name: str, midnight_s: float = 0.0) -> "Supply":
    """The supply of station `name`: the same whenever it is asked for again.

    `midnight_s`: the edge clock's reading at some local midnight, for the daily swing.
    """
    luck = stream(seed, name, "supply")
    feeder = _feeder(seed, site, round(midnight_s), luck.integer(_FEEDERS))
    return Supply(feeder, luck.integer(_SHIFTS))


def _waning(wave: _Wave, now: float, rate: float) -> float:
    amplitude, omega, phase = wave
    angle = omega * now + phase
    return amplitude * (omega * sin(angle) - rate * cos(angle)) / (omega * omega + rate * rate)


class Supply:
    """The voltage at one station."""

    __slots__ = ("feeder", "shift")

    def __init__(self, feeder: Feeder, shift: int) -> None:
        self.feeder: Final = feeder
        self.shift: Final = shift  # in the time of the feeder's noise, in units of _SHIFT_S

    @property
    def oscillations(self) -> list[tuple[float, float, float]]:
        """Amplitude in V, angular frequency in 1/s and phase of each wave: day, slow ones, fast ones."""
        feeder, shift_s = self.feeder, self.shift * _SHIFT_S
        return [feeder.day, *((wave[0], wave[1], wave[2] + wave[1] * shift_s) for wave in feeder.noise)]

    def equivalent_a(self, current_a: float, volts: float) -> float:
        """The current that draws here the power which `current_a` draws at `volts`, drop included."""
        feeder = self.feeder
        level_v = sum(feeder.level_v) / 3.0
        return current_a * volts / (level_v - feeder.resistance_ohm * current_a * volts / level_v)

    def waning(self, now: float, rate: float) -> Phases:
        """The antiderivative at `now` of the waves times a current, there 1 A, that wanes by `rate` a second.

        Of the slow waves together and of the two fast ones, in V·s.
        """
        feeder = self.feeder
        one, two, three, four, fast, faster = feeder.noise
        shifted = now + self.shift * _SHIFT_S
        return (
            _waning(feeder.day, now, rate)
            + _waning(one, shifted, rate)
            + _waning(two, shifted, rate)
            + _waning(three, shifted, rate)
            + _waning(four, shifted, rate),
            _waning(fast, shifted, rate),
            _waning(faster, shifted, rate),
        )

    def swing(self, now: float) -> Swing:
        """The same, summed up for whoever draws a steady current: it is looked at for every meter sample."""
        # Written out: a loop over seven waves takes twice as long, and a named tuple unpacks slowly.
        feeder = self.feeder
        a0, w0, p0 = feeder.day
        (a1, w1, p1), (a2, w2, p2), (a3, w3, p3), (a4, w4, p4), (a5, w5, p5), (a6, w6, p6) = feeder.noise
        shifted = now + self.shift * _SHIFT_S
        day, one, two, three = w0 * now + p0, w1 * shifted + p1, w2 * shifted + p2, w3 * shifted + p3
        four, fast, faster = w4 * shifted + p4, w5 * shifted + p5, w6 * shifted + p6
        return (
            a0 * cos(day) + a1 * cos(one) + a2 * cos(two) + a3 * cos(three) + a4 * cos(four),
            a5 * cos(fast),
            a6 * cos(faster),
            a0 * sin(day) / w0
            + a1 * sin(one) / w1
            + a2 * sin(two) / w2
            + a3 * sin(three) / w3
            + a4 * sin(four) / w4,
            a5 * sin(fast) / w5,
            a6 * sin(faster) / w6,
        )

    def volts(self, swing: Swing, a1: float, a2: float, a3: float) -> Phases:
        """Voltage per phase while these currents flow."""
        common, fast, faster, _, _, _ = swing
        feeder = self.feeder
        drop, (v1, v2, v3) = feeder.resistance_ohm, feeder.level_v
        return (
            v1 - drop * a1 + common + _F1 * fast + _G1 * faster,
            v2 - drop * a2 + common + _F2 * fast + _G2 * faster,
            v3 - drop * a3 + common + _F3 * fast + _G3 * faster,
        )
