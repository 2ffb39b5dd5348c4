"""Drivers of test stations: they come, charge, and leave, by the dice of a stream."""

from dataclasses import dataclass
from math import inf
from typing import Any

from stations.core.events import PlugIn, PlugOut, Swipe
from stations.core.plan import Plan, Product
from stations.core.streams import stream
from tests.support.vehicle import SteadyCar


@dataclass
class Stationed:
    """A station and its driver, as `engine.virtual` wants them."""

    plan: Plan
    driver: Any = None


def plan(number, *, connectors=2, keys=None, **product):
    """A station without luck: the Green'Up with two sides, one sample a minute."""
    identity = f"GU-{number:06d}"
    return Plan(
        identity,
        f"ws://central/ocpp/{identity}",
        Product("059014", connectors, keys={"MeterValueSampleInterval": "60", **(keys or {})}, **product),
        serial=str(number),
    )


class Regulars:
    """Each connector: a visit, a pause, a visit … Every car that ever came is in `cars`."""

    def __init__(self, identity, connectors, *, seed=0, pause_s=(600, 7_200), stay_s=(300, 10_800)):
        self._luck = stream(seed, identity, "regulars")
        self._pause_s, self._stay_s = pause_s, stay_s
        self._next = dict.fromkeys(range(1, connectors + 1), inf)
        self._step = dict.fromkeys(self._next, 0)
        self._tags = dict.fromkeys(self._next, "")
        self._identity = identity
        self._visits = 0
        self.cars: list[tuple[int, SteadyCar]] = []

    def start(self, now, local_s):
        for number in self._next:
            self._next[number] = now + self._luck.uniform(10, self._pause_s[1])

    def deadline(self):
        soonest = min(self._next.values())
        return None if soonest == inf else soonest

    def act(self, now, station):
        number = min(self._next, key=self._next.get)
        step = self._step[number]
        self._step[number] = (step + 1) % len(_STEPS)
        return _STEPS[step](self, number, now, station)

    def stop_coming(self):
        """Those who are there leave as they would; nobody new comes."""
        self._pause_s = (inf, inf)
        for number, step in self._step.items():
            if step == 0:
                self._next[number] = inf

    def _arrive(self, number, now, _station):
        self._visits += 1
        self._tags[number] = f"TAG{self._visits:03d}{self._identity[-6:]}"
        self._next[number] = now + self._luck.uniform(1, 20)
        car = SteadyCar(
            amps=self._luck.choice([8.0, 10.0, 16.0, 32.0]),
            phases=self._luck.choice([1, 3]),
            capacity_wh=self._luck.uniform(1_000, 40_000),
        )
        self.cars.append((number, car))
        return [PlugIn(number, car)]

    def _badge(self, number, now, _station):
        self._next[number] = now + self._luck.uniform(*self._stay_s)
        return [Swipe(self._tags[number], (number,))]

    def _badge_again(self, number, now, station):
        self._next[number] = now + self._luck.uniform(2, 30)
        running = station.connectors[number].transaction
        mine = running is not None and running.id_tag == self._tags[number]
        return [Swipe(self._tags[number], (number,))] if mine else []

    def _leave(self, number, now, station):
        """The lock may hold the cable: try again in a while."""
        if station.connectors[number].locked:
            self._step[number] = _STEPS.index(Regulars._badge_again)
            self._next[number] = now + 60
            return []
        self._next[number] = now + self._luck.uniform(*self._pause_s) if self._pause_s[0] < inf else inf
        return [PlugOut(number)]


_STEPS = [Regulars._arrive, Regulars._badge, Regulars._badge_again, Regulars._leave]
