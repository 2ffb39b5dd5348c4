"""Messages of one turn of the loop, written together at its end.

The first write to a central system that sleeps has to wake it: 20 us of our time on loopback, and nearly
nothing for the writes that follow while it is awake. The answers come back together too. A message waits for
the turn it belongs to, milliseconds at most, and is stamped after its own write: the wait is our own lag.
"""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from engine.clock import Clock
    from engine.edge import Wire
    from stations.core.events import Send


class Burst:
    """Held-back messages in the order in which stations sent them: append to `held`, then `write`."""

    __slots__ = ("_clock", "held")

    def __init__(self, clock: "Clock") -> None:
        self._clock = clock
        self.held: list[tuple[Wire, Send]] = []

    def write(self) -> None:
        """Write everything that is held."""
        held, self.held = self.held, []
        now = self._clock.now
        for link, message in held:
            link.send(message.data)
            call = message.call
            if call is not None:
                call.sent = now()
