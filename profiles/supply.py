"""The voltage at a station: a level, a daily swing, slow and fast noise, and a drop with the current drawn.

The noise is a sum of a few cosines whose frequencies are drawn from the spectrum of the wanted process, so
the voltage at any moment, and its integral over any span, are closed forms: nobody steps second by second,
and looking more often changes nothing. Amplitudes restate published one-minute series of twelve cars (EV-CPW,
Ziyat et al., IEEE Access 11 (2023) 138445); level and swing for a European 230 V grid are an assumption.
"""

from cmath import rect
from functools import lru_cache
from math import cos, pi, sin, tan
from typing import Final, TypeAlias

from msgspec import Struct

from stations.core.streams import stream

PLATEAU_V: Final = 231.0  # usual voltage under load
_DAY_S: Final = 86_400.0
_EVENING_S: Final = 19 * 3600.0  # the swing is lowest when the neighbourhood cooks
_DROP_OHM: Final = (0.3, 0.4)  # measured at stations: 0.32-0.37
_DAY_V: Final = (0.3, 0.9)  # amplitude of the daily swing
_SLOW: Final = (4, 0.9, 600.0)  # cosines, standard deviation in V, correlation time in s
_FAST: Final = (2, 0.5, 25.0)

# Slow waves come from upstream, common to the phases; the fast ones are mostly the neighbours' own.
FAST_WEIGHTS: Final = ((0.6, 1.0), (-0.5, 1.05), (0.8, 0.7))
(_F1, _G1), (_F2, _G2), (_F3, _G3) = FAST_WEIGHTS

Phases: TypeAlias = tuple[float, float, float]  # L1, L2, L3
Waves: TypeAlias = list[tuple[float, float, float]]  # amplitude · cosine, amplitude · sine, angular frequency
IDLE: Final[Phases] = (0.0, 0.0, 0.0)
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


class Feeder(Struct, frozen=True):
    """A stretch of a site's grid."""

    level_v: Phases  # open-circuit mean on L1, L2, L3
    resistance_ohm: float  # drop per ampere, line and neutral together
    day: _Wave
    noise: _Course


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


class Supply(Struct, frozen=True, gc=False):
    """The voltage at one station."""

    feeder: Feeder
    shift: int  # in the time of the feeder's noise, in units of _SHIFT_S

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

    def waves(self, now: float) -> Waves:
        """The oscillations at `now`: the day, four slow ones, two fast ones."""
        amplitude, omega, phase = self.feeder.day
        angle = omega * now + phase
        found = [(amplitude * cos(angle), amplitude * sin(angle), omega)]
        shifted = now + self.shift * _SHIFT_S
        for amplitude, omega, phase in self.feeder.noise:
            angle = omega * shifted + phase
            found.append((amplitude * cos(angle), amplitude * sin(angle), omega))
        return found

    def swing(self, now: float) -> Swing:
        """The same, summed up for whoever draws a steady current: it is looked at for every meter sample."""
        # Written out: a loop over seven waves takes twice as long, and a named tuple unpacks slowly.
        feeder = self.feeder
        amplitude, w0, phase = feeder.day
        day = rect(amplitude, w0 * now + phase)
        (a1, w1, p1), (a2, w2, p2), (a3, w3, p3), (a4, w4, p4), (a5, w5, p5), (a6, w6, p6) = feeder.noise
        shifted = now + self.shift * _SHIFT_S
        one, two = rect(a1, w1 * shifted + p1), rect(a2, w2 * shifted + p2)
        three, four = rect(a3, w3 * shifted + p3), rect(a4, w4 * shifted + p4)
        fast, faster = rect(a5, w5 * shifted + p5), rect(a6, w6 * shifted + p6)
        return (
            (day + one + two + three + four).real,
            fast.real,
            faster.real,
            day.imag / w0 + one.imag / w1 + two.imag / w2 + three.imag / w3 + four.imag / w4,
            fast.imag / w5,
            faster.imag / w6,
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
