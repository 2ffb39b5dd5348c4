"""Which group a station belongs to, from its index alone."""

from math import gcd
from typing import Final

_LONGEST: Final = 10_000  # stations after which the mixture of groups repeats at the latest


class Turns:
    """Groups in a fixed order that repeats, so that the size of the fleet changes nobody's group."""

    def __init__(self, counts: list[int]) -> None:
        """`counts`: stations per group, which give the proportion."""
        self._order = _interleaved(counts)
        self._per_turn = [self._order.count(group) for group in range(len(counts))]
        seen = [0] * len(counts)
        self._before = []
        for group in self._order:
            self._before.append(seen[group])
            seen[group] += 1

    def member(self, index: int) -> tuple[int, int]:
        """Group of station `index`, and its rank among the stations of that group."""
        turn, slot = divmod(index, len(self._order))
        group = self._order[slot]
        return group, turn * self._per_turn[group] + self._before[slot]


def _interleaved(counts: list[int]) -> list[int]:
    """Smooth weighted round robin: any run of stations holds the groups in about the right proportion."""
    common = gcd(*counts)
    weights = [count // common for count in counts]
    total = sum(weights)
    if total > _LONGEST:
        weights = [max(1, round(weight * _LONGEST / total)) for weight in weights]
        total = sum(weights)
    credit = [0] * len(weights)
    order = []
    for _ in range(total):
        credit = [have + weight for have, weight in zip(credit, weights, strict=True)]
        best = max(range(len(credit)), key=credit.__getitem__)
        credit[best] -= total
        order.append(best)
    return order
