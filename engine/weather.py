"""What one station suffers at this moment, and how good its line is meanwhile."""

from typing import Final

from profiles.hardship import Hardship, Verb
from profiles.network import Network
from stations.core.streams import Stream

_BYTES_PER_KBIT: Final = 125.0
_STUCK: Final = frozenset({Verb.HOLD, Verb.CHURN})


class Weather:
    """The hardships in force at one station; several may overlap."""

    __slots__ = ("_base", "_luck", "now")

    def __init__(self, base: Network | None, luck: Stream) -> None:
        """`base`: the line on a good day, None for a perfect one. Its cuts are hardships of their own."""
        self.now: list[Hardship] = []
        self._base = base if base is not None and base.slow else None
        self._luck = luck

    def begins(self, hardship: Hardship) -> bool:
        """A hardship that lasts; False when its verb is in force already."""
        first = not self.has(hardship.verb)
        self.now.append(hardship)
        return first

    def ends(self, hardship: Hardship) -> bool:
        """It is over; False when its verb stays in force."""
        self.now.remove(hardship)
        return not self.has(hardship.verb)

    def has(self, verb: Verb) -> bool:
        """Whether this is going on."""
        return any(hardship.verb is verb for hardship in self.now)

    def rate_per_s(self, verb: Verb) -> float:
        """`per_s` of a verb that is going on; 0 when it is not."""
        return next((hardship.per_s for hardship in self.now if hardship.verb is verb), 0.0)

    @property
    def stuck(self) -> bool:
        """Nothing passes, in either direction."""
        return any(hardship.verb in _STUCK for hardship in self.now)

    @property
    def deaf(self) -> bool:
        """Nothing is read."""
        return any(hardship.verb in _STUCK or hardship.verb is Verb.DEAF for hardship in self.now)

    @property
    def breaks_links(self) -> bool:
        """A link that ends now ends because of us."""
        return any(hardship.verb is not Verb.SLOW for hardship in self.now)

    @property
    def calm(self) -> bool:
        """Nothing is wrong, and the line is perfect."""
        return self._base is None and not self.now

    def latency_s(self) -> float:
        """One way, drawn anew for every message; real seconds."""
        latency_ms = jitter_ms = 0.0
        for part in self._slow_parts():
            latency_ms += part.latency_ms
            jitter_ms += part.jitter_ms
        if jitter_ms:
            latency_ms = max(0.0, self._luck.normal(latency_ms, jitter_ms))
        return latency_ms / 1000.0

    def writing_s(self, size_bytes: int) -> float:
        """How long a message of this size occupies the line."""
        limits = [part.bandwidth_kbit_s for part in self._slow_parts() if part.bandwidth_kbit_s is not None]
        return size_bytes / (min(limits) * _BYTES_PER_KBIT) if limits else 0.0

    def _slow_parts(self) -> list[Network | Hardship]:
        slow: list[Network | Hardship] = [hardship for hardship in self.now if hardship.verb is Verb.SLOW]
        return slow if self._base is None else [self._base, *slow]
