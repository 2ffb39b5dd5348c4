"""Seeded luck by name: one small generator per (run seed, station, purpose).

A stream's numbers depend on its three names and on nothing else, so adding a station, or drawing once more
for another purpose, changes nobody else's luck. `random.Random` holds 2.5 KB; a stream holds one integer.
"""

from collections.abc import Sequence
from hashlib import blake2b
from math import cos, exp, log, pi, sqrt
from typing import Final, TypeVar

T = TypeVar("T")

_MASK: Final = 0xFFFF_FFFF_FFFF_FFFF
_GOLDEN: Final = 0x9E37_79B9_7F4A_7C15  # 2**64 / golden ratio, odd: the step visits all 2**64 states
_UNIT: Final = 2.0**-53


def stream(seed: int, name: str, purpose: str) -> "Stream":
    """The stream of `purpose` for the station `name` in the run `seed`: the same numbers everywhere."""
    # `hash()` differs from process to process, so the names go through a digest. NUL keeps fields apart.
    digest = blake2b(f"{seed}\0{name}\0{purpose}".encode(), digest_size=8).digest()
    return Stream(int.from_bytes(digest, "little"))


class Stream:
    """A splitmix64 generator (Steele, Lea and Flood 2014). `state` is all there is to save or restore."""

    __slots__ = ("state",)

    def __init__(self, state: int) -> None:
        self.state = state & _MASK

    def bits64(self) -> int:
        """The next 64 random bits."""
        state = self.state = (self.state + _GOLDEN) & _MASK
        mixed = ((state ^ (state >> 30)) * 0xBF58_476D_1CE4_E5B9) & _MASK
        mixed = ((mixed ^ (mixed >> 27)) * 0x94D0_49BB_1331_11EB) & _MASK
        return mixed ^ (mixed >> 31)

    def random(self) -> float:
        """Uniform in [0, 1) with 53 bits."""
        return (self.bits64() >> 11) * _UNIT

    def integer(self, n: int) -> int:
        """Uniform in 0 … n-1. The bias of the multiply-shift is below n / 2**64."""
        return (self.bits64() * n) >> 64

    def uniform(self, low: float, high: float) -> float:
        """Uniform in [low, high]."""
        return low + (high - low) * self.random()

    def normal(self, mean: float = 0.0, deviation: float = 1.0) -> float:
        """Gaussian (Box-Muller; the second value is not kept, so that `state` stays one integer)."""
        radius = sqrt(-2.0 * log(1.0 - self.random()))  # 1 - random() is never 0
        return mean + deviation * radius * cos(2.0 * pi * self.random())

    def lognormal(self, mu: float, sigma: float) -> float:
        """A Gaussian, exponentiated: median exp(mu)."""
        return exp(self.normal(mu, sigma))

    def exponential(self, mean: float) -> float:
        """Waiting time with the given mean."""
        return -mean * log(1.0 - self.random())

    def choice(self, items: Sequence[T], weights: Sequence[float] | None = None) -> T:
        """One of `items`, equally likely or by `weights` (not negative, not all zero)."""
        if weights is None:
            return items[self.integer(len(items))]
        left = self.random() * sum(weights)
        for item, weight in zip(items, weights, strict=True):
            left -= weight
            if left < 0.0:
                return item
        # Rounding in the sum may leave a crumb: it belongs to the last item that can be drawn at all.
        return next(item for item, weight in zip(reversed(items), reversed(weights), strict=True) if weight)
