"""The one place where the two worlds of a worker meet (C4): Locust's hub, and the thread of the stations.

Commands go over as `Loop.post`; facts come back as batches, about ten a second, each announced by one wake-up
of a gevent `async_` watcher. Nothing else is shared: no lock, no logging, no greenlet per message.
"""

from collections.abc import Callable
from typing import Any, Final

import gevent
from gevent import monkey
from gevent.event import Event

from engine.clock import monotonic
from engine.facts import FactBatch
from engine.keeper import Keeper
from engine.loop import Loop, LoopSettings
from engine.orders import Command, Stop
from results.recorder import Recorder

CLOSING_MARGIN_S: Final = 10.0


def native_thread(function: Callable[..., object], arguments: tuple[object, ...]) -> object:
    """Start a thread of the operating system, which Locust's monkey patch hides."""
    return monkey.get_original("_thread", "start_new_thread")(function, arguments)


def native_sleep(seconds: float) -> None:
    """Sleep in such a thread."""
    monkey.get_original("time", "sleep")(seconds)


class Crossing:
    """The loop thread of one test, and the greenlet that brings its facts to the hub."""

    def __init__(
        self,
        settings: LoopSettings,
        recorder: Recorder,
        on_facts: Callable[[FactBatch], None],
        keeper: Keeper,
    ) -> None:
        self._on_facts = on_facts
        self._arrived = Event()
        self._stopped = Event()
        self._wakeup: Any = gevent.get_hub().loop.async_()
        self._wakeup.start(self._arrived.set)
        self._loop = Loop(settings, recorder, self._wakeup.send, keeper)
        self._drainer = gevent.spawn(self._drain)
        self._loop.start(native_thread)

    def post(self, command: Command) -> None:
        """Hand one command to the stations."""
        self._loop.post(command)

    def wall_us(self) -> int:
        """The clock of the stations' thread, µs since 1970: read once, then carried on."""
        return int((monotonic() + self._loop.clock.wall_offset_s) * 1e6)

    def close(self, timeout_s: float) -> bool:
        """Stop all stations, bring the last facts over, end the thread. False: it did not end in time."""
        self._loop.post(Stop(timeout_s))
        stopped: bool = self._stopped.wait(timeout_s + CLOSING_MARGIN_S)
        self._drainer.kill()
        self._wakeup.stop()
        self._wakeup.close()
        return stopped

    def _drain(self) -> None:
        try:
            while not self._stopped.is_set():
                self._arrived.wait()
                self._arrived.clear()
                stopped = self._loop.stopped  # read first: facts that came before it are all there
                while self._loop.facts:
                    self._on_facts(self._loop.facts.popleft())
                if stopped:
                    self._stopped.set()
        except (KeyboardInterrupt, Exception):
            # Ctrl-C hits whichever greenlet runs. The facts of the shutdown are still to come, so another
            # drainer takes over; the exception goes its way to Locust.
            self._arrived.set()
            self._drainer = gevent.spawn(self._drain)
            raise
