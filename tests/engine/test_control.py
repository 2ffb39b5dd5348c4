"""The edge of the one station on the desk."""

import asyncio

from engine.clock import monotonic
from engine.control import Control
from engine.dial import DialSettings


class Sleeper:
    """A unit that only notes when it is woken."""

    def __init__(self):
        self.woken = []

    def on_deadline(self):
        self.woken.append(monotonic())


def test_the_earliest_deadline_wakes_whatever_is_asked_for_after_it():
    """WS-3: a link's far deadline, told last, must not put off the next attempt to connect."""

    async def tell():
        control = Control(asyncio.get_running_loop(), print, DialSettings())
        sleeper, began = Sleeper(), monotonic()
        for wait_s in (30.0, 0.05, 20.0):
            control.arm(sleeper, began + wait_s)
        await asyncio.sleep(0.2)
        assert len(sleeper.woken) == 1
        control.arm(sleeper, monotonic() + 0.01)
        await asyncio.sleep(0.2)
        assert len(sleeper.woken) == 2

    asyncio.run(tell())
