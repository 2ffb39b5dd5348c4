"""What one station's line and mains suffer at this moment."""

from typing import Final

from profiles.hardship import Hardship, Verb
from profiles.network import Network
from stations.core.streams import Stream

_BYTES_PER_KBIT: Final = 125.0


class Weather:
    """Counts of the hardships in force (several may overlap), and how slow the line is."""

    __slots__ = ("_base", "_luck", "counts", "slows")

    def __init__(self, base: Network | None, luck: Stream) -> None:
        """`base`: the quality of the line on a good day, None for a perfect one."""
        self.counts: dict[Verb, int] = {}
        self.slows: list[Hardship] = []
        self._base = base
        self._luck = luck

    def change(self, hardship: Hardship, by: int) -> bool:
        """One more (+1) or one less (-1) of a hardship that lasts; whether its verb began or ended."""
        count = self.counts.get(hardship.verb, 0) + by
        self.counts[hardship.verb] = count
        if hardship.verb is Verb.SLOW:
            (self.slows.append if by > 0 else self.slows.remove)(hardship)
        return count == (by > 0)

    @property
    def cut(self) -> bool:
        """No connection can be made."""
        return self.counts.get(Verb.CUT, 0) > 0

    @property
    def held(self) -> bool:
        """Nothing arrives, nobody is told."""
        return self.counts.get(Verb.HOLD, 0) > 0

    @property
    def deaf(self) -> Hardship | None:
        """The station does not read, and asks."""
        return None

    @property
    def breaks_links(self) -> bool:
        """Links that end now end because of us."""
        return any(count > 0 for verb, count in self.counts.items() if verb is not Verb.SLOW)

    @property
    def calm(self) -> bool:
        """Nothing at all is wrong."""
        return self._base is None and not any(self.counts.values())

    def latency_s(self) -> float:
        """One way, drawn anew for every message."""
        latency_ms = jitter_ms = 0.0
        for part in (self._base, *self.slows):
            if part is not None:
                latency_ms += part.latency_ms
                jitter_ms += part.jitter_ms
        if jitter_ms:
            latency_ms = max(0.0, self._luck.normal(latency_ms, jitter_ms))
        return latency_ms / 1000.0

    def writing_s(self, size_bytes: int) -> float:
        """How long a message of this size occupies the line."""
        limits = [part.bandwidth_kbit_s for part in (self._base, *self.slows) if part is not None]
        slowest = min((limit for limit in limits if limit is not None), default=None)
        return 0.0 if slowest is None else size_bytes / (slowest * _BYTES_PER_KBIT)
