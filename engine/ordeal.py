"""Carries out a plan of hardship (profiles.hardship) on the stations of an edge, real or virtual.

One heap holds the next moment of each station and entry; nothing here costs a task or a timer. The edge asks
`next_s`, and calls `step` when that moment has come. Times are the edge's core seconds.
"""

from collections.abc import Callable, Iterator, Sequence
from heapq import heappop, heappush
from itertools import count
from math import inf
from typing import TYPE_CHECKING, ClassVar, Final, Protocol, cast

from engine import blame
from engine.clock import Clock
from engine.edge import Cable, Wire
from engine.journal import Journal
from engine.rough import Rough
from engine.unit import Stage
from engine.weather import Weather
from profiles import hardship
from profiles.hardship import MOMENTS, Hardship, Spell, Verb
from profiles.network import Network
from stations.core import events as ev
from stations.core import link as station_link
from stations.core.streams import stream

if TYPE_CHECKING:
    from engine.unit import Unit


class Dialler(Protocol):
    """What hardship needs of an edge."""

    clock: Clock
    journal: Journal

    def dial(self, owner: "Unit | Rough", unit: "Unit", url: str, authorization: str | None) -> Cable:
        """A wire that tells `owner` what happens."""


class _Moment:
    """Where one station stands in one entry of the plan."""

    __slots__ = ("life", "offset_s", "spell", "spells")

    def __init__(self, life: "_Life", spells: Iterator[Spell], offset_s: float) -> None:
        self.life = life
        self.spells = spells
        self.offset_s = offset_s  # of the spells' time zero
        self.spell: Spell | None = None  # in force; None: the next one is awaited


class _Life:
    """One deployed station under hardship; a moment of a life that is over passes unnoticed."""

    __slots__ = ("over", "unit", "weather")

    def __init__(self, unit: "Unit", weather: Weather) -> None:
        self.unit = unit
        self.weather = weather
        self.over = False


class Ordeal:
    """The hardship of one edge. `begin` starts the plan's clock; poor lines are poor from the start."""

    def __init__(self, plan: Sequence[Hardship], seed: int, edge: Dialler) -> None:
        self._plan: Final = plan
        self._seed: Final = seed
        self._edge: Final = edge
        self._heap: list[tuple[float, int, _Moment, Spell | None]] = []
        self._count = count()
        self._lives: dict[int, _Life] = {}
        self._groups: dict[int, str] = {}
        self._zero_s: float | None = None

    # Who is here.

    def enrol(self, unit: "Unit", group: str = "", network: Network | None = None) -> None:
        """A station is started."""
        if network is None and not self._plan:
            return
        luck = stream(self._seed, unit.station.plan.identity, "weather")
        life = self._lives[unit.index] = _Life(unit, Weather(network, luck))
        self._groups[unit.index] = group
        now = self._edge.clock.now()
        if network is not None:
            identity = unit.station.plan.identity
            self._await(_Moment(life, hardship.weak_spots(network, self._seed, identity), now), now)
        if self._zero_s is not None:
            self._enter(life, group, self._zero_s, now)

    def dismiss(self, index: int) -> None:
        """A station has ended."""
        life = self._lives.pop(index, None)
        if life is not None:
            life.over = True
            del self._groups[index]

    def begin(self, ago_s: float = 0.0) -> None:
        """The whole fleet has been started, `ago_s` core seconds ago: the plan's clock runs. Once."""
        if self._zero_s is not None:
            return
        now = self._edge.clock.now()
        self._zero_s = now - ago_s
        for index, life in self._lives.items():
            self._enter(life, self._groups[index], self._zero_s, now)

    def end(self) -> None:
        """No more of it: what stands still may go on, so that everybody can say goodbye."""
        self._heap.clear()
        for life in list(self._lives.values()):
            for entry in list(life.weather.now):
                if entry.verb is not Verb.POWER_OFF:
                    self._finish(life, entry)

    def _enter(self, life: _Life, group: str, zero_s: float, now: float) -> None:
        identity = life.unit.station.plan.identity
        for spells in hardship.spells(self._plan, self._seed, identity, group):
            self._await(_Moment(life, spells, zero_s), now)

    # When.

    @property
    def next_s(self) -> float:
        """The next moment at which something begins or ends."""
        return self._heap[0][0] if self._heap else inf

    def step(self) -> None:
        """Let the next thing happen, whose moment has come."""
        _, _, moment, spell = heappop(self._heap)
        life = moment.life
        if life.over or life.unit.stage is not Stage.RUNNING:
            return
        if moment.spell is not None:
            self._finish(life, moment.spell.hardship)
            moment.spell = None
        elif spell is not None and self._strike(life, spell.hardship):
            moment.spell = spell
            self._push(spell.end_s + moment.offset_s, moment, None)
            return
        self._await(moment, self._edge.clock.now())

    def _await(self, moment: _Moment, now: float) -> None:
        """The next spell that is not over already."""
        for spell in moment.spells:
            if spell.end_s + moment.offset_s >= now:
                self._push(spell.begin_s + moment.offset_s, moment, spell)
                return

    def _push(self, when_s: float, moment: _Moment, spell: Spell | None) -> None:
        if when_s < inf:
            heappush(self._heap, (when_s, next(self._count), moment, spell))

    # What.

    def _strike(self, life: _Life, entry: Hardship) -> bool:
        """Something begins; whether it lasts."""
        unit, weather = life.unit, life.weather
        self._edge.journal.hardship(unit.index, self._edge.clock.now(), _told(entry), begins=True)
        if entry.verb in MOMENTS:
            self._ONCE[entry.verb](self, life, entry)
            return False
        if weather.begins(entry):
            if weather.breaks_links:
                blame.excuse(unit, self._edge.clock.now(), lasting=True)
            if entry.verb is Verb.CUT:
                blame.lose_link(unit, "hardship: cut")
            elif entry.verb is Verb.POWER_OFF:
                unit.happen(ev.PowerOff())
            else:
                self._roughen(life)
        self._tell_line(unit)
        return True

    def _finish(self, life: _Life, entry: Hardship) -> None:
        unit, weather = life.unit, life.weather
        self._edge.journal.hardship(unit.index, self._edge.clock.now(), _told(entry), begins=False)
        over = weather.ends(entry)
        if over and entry.verb is Verb.POWER_OFF:
            unit.happen(self._edge.clock.power_on())
        self._tell_line(unit)
        if entry.verb is not Verb.SLOW and not weather.breaks_links:
            blame.excuse(unit, self._edge.clock.now(), lasting=False)

    def _lose(self, life: _Life, _entry: Hardship) -> None:
        blame.excuse(life.unit, self._edge.clock.now(), lasting=True)
        blame.lose_link(life.unit, "hardship: lost")
        if not life.weather.breaks_links:
            blame.excuse(life.unit, self._edge.clock.now(), lasting=False)

    def _reboot(self, life: _Life, _entry: Hardship) -> None:
        life.unit.happen(ev.Reboot())

    def _oversize(self, life: _Life, entry: Hardship) -> None:
        line = self._roughen(life)
        if line is not None:
            line.oversize(entry.size_bytes)
            if not life.weather.breaks_links:  # whoever closes on it does right
                blame.excuse(life.unit, self._edge.clock.now(), lasting=False)

    def _repeat(self, life: _Life, _entry: Hardship) -> None:
        line = self._roughen(life)
        if line is not None:
            line.repeat()

    _ONCE: ClassVar[dict[Verb, Callable[["Ordeal", _Life, Hardship], None]]] = {
        Verb.LOSE: _lose,
        Verb.REBOOT: _reboot,
        Verb.OVERSIZE: _oversize,
        Verb.REPEAT: _repeat,
    }

    # Lines.

    def wire(self, unit: "Unit", url: str, authorization: str | None) -> Wire:
        """The unit dials: through bad weather when there is some, else straight."""
        life = self._lives.get(unit.index)
        if life is None or life.weather.calm:
            return self._edge.dial(unit, unit, url, authorization)
        return self._rough(life, url, authorization)

    def _rough(self, life: _Life, url: str, authorization: str | None, wire: Cable | None = None) -> Rough:
        unit, edge = life.unit, self._edge
        return Rough(
            unit, life.weather, edge.clock, lambda owner: edge.dial(owner, unit, url, authorization), wire
        )

    def _roughen(self, life: _Life) -> Rough | None:
        """Bad weather comes between a unit and the wire that it has."""
        unit = life.unit
        link = unit.link
        if link is None or isinstance(link, Rough):
            return link
        station = unit.station
        url, authorization = station_link.url(station), station_link.authorization(station)
        cable = cast("Cable", link)  # nothing else stands there
        rough = unit.link = self._rough(life, url, authorization, cable)
        cable.hand_to(rough)
        return rough

    def _tell_line(self, unit: "Unit") -> None:
        if isinstance(unit.link, Rough):
            unit.link.changed()


def _told(entry: Hardship) -> str:
    return entry.verb.value if not entry.name else f"{entry.verb.value} ({entry.name})"
