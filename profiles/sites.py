"""Site profiles by name: who comes, when, for how long, with which car. Numbers: `profiles/sites/*.toml`."""

from array import array
from functools import cache
from pathlib import Path
from typing import Final, Protocol, TypeAlias

from msgspec import structs

from profiles import tomlfile
from profiles.arrivals import Place, PlaceKind, StationPlan
from profiles.mixtures import Mixture
from profiles.sitefile import Measured, SiteFile, Steady, Variant
from profiles.supply import PLATEAU_V
from profiles.visits import Schedule, Visit
from profiles.wish import Wish
from stations.core.streams import Stream, stream
from stations.errors import PlanError

FOLDER: Final = Path(__file__).with_name("sites")

Site: TypeAlias = Steady | Measured
__all__ = ["Measured", "Site", "Steady", "Visits", "load", "names", "visits"]


def names() -> list[str]:
    """The ready sites."""
    return sorted(path.stem for path in FOLDER.glob("*.toml"))


@cache
def load(name: str, folder: Path = FOLDER) -> Site:
    """The site profile `name`, or the site file at that path (relative to `folder`)."""
    path = FOLDER / f"{name}.toml"
    if not path.is_file():
        if not name.endswith(".toml"):
            known = ", ".join(names())
            raise PlanError(
                f"site {name}: there is no such profile; mend: use one of {known}, or a path ending in .toml"
            )
        path = folder / name
    file: SiteFile = tomlfile.read(path, SiteFile, "site")
    if not isinstance(file, Variant):
        return file
    known_site = load(file.of)
    if not isinstance(known_site, Measured):
        raise PlanError(f"site {path.name}, $.of: {file.of} is not a measured site; mend: name one that is")
    changes = {key: value for key, value in structs.asdict(file).items() if key != "of" and value is not None}
    return structs.replace(known_site, **changes)


class Visits(Protocol):
    """Where the stations of one group get their visits from."""

    def schedule(self, station: str, rank: int) -> Schedule:
        """The visits of `station`, the `rank`-th of its group (0 and up)."""


def visits(
    site: Site, group: str, *, mix: str, connectors: int, tags: int, seed: int, start_s: float
) -> Visits:
    """The visits of a group's stations, whose product has so many connectors, from `start_s` on."""
    if isinstance(site, Steady):
        return _Steadily(site, seed, tags)
    return _Places(PlaceKind(site, Mixture(site), mix, connectors, tags, seed, group, start_s))


class _Places:
    """The places of a group: each is as many stations as drivers choose between."""

    def __init__(self, kind: PlaceKind) -> None:
        self._kind = kind
        self._places: dict[int, Place] = {}

    def schedule(self, _station: str, rank: int) -> Schedule:
        """The plan of the place's day is worked out when somebody asks for it."""
        number, station = divmod(rank, self._kind.stations)
        if self._kind.stations == 1:  # a house shares its place with nobody who would look for it here
            return StationPlan(Place(self._kind, number), 0)
        place = self._places.get(number)
        if place is None:
            place = self._places[number] = Place(self._kind, number)
        return StationPlan(place, station)


class _Steadily:
    """One car after the other at each connector."""

    def __init__(self, site: Steady, seed: int, tags: int) -> None:
        self._site, self._seed, self._tags = site, seed, tags

    def schedule(self, station: str, _rank: int) -> Schedule:
        """Depends on nothing but the station's name."""
        return _SteadySchedule(self._site, self._seed, station, self._tags)


class _SteadySchedule:
    __slots__ = ("_counts", "_seed", "_site", "_station", "_tags")

    def __init__(self, site: Steady, seed: int, station: str, tags: int) -> None:
        self._site, self._seed, self._station, self._tags = site, seed, station, tags
        self._counts = array("L", (0, 0))  # visits so far, by connector

    def opening(self, connector: int, now_s: float) -> float:
        """Nobody is there at the beginning."""
        return self.next_arrival(connector, now_s)

    def next_arrival(self, connector: int, after_s: float) -> float:
        """A gap after the last one."""
        self._counts[connector - 1] += 1
        return after_s + self._luck(connector).exponential(self._site.gap_s)

    def visit(self, connector: int, at_s: float, *, opening: bool = False) -> Visit:  # noqa: ARG002 — as others
        """The n-th visit's luck does not depend on when the others took place."""
        site, luck = self._site, self._luck(connector)
        luck.random()  # the gap's
        stay_s = luck.uniform(*site.stay_s)
        phases = luck.choice((1, 3))
        current_a = luck.uniform(*site.current_a)
        need_wh = phases * PLATEAU_V * current_a * stay_s / 3600.0 * luck.uniform(0.3, 0.7)
        wish = Wish(
            current_a=current_a,
            need_wh=need_wh if luck.random() < site.full else float("inf"),
            taper_s=2.0,
            wake_s=luck.uniform(0.5, 2.0),
            lag_s=luck.uniform(0.5, 1.5),
            soft_s=luck.uniform(0.5, 1.5),
            vehicle="demo",
        )
        return Visit(at_s, stay_s, wish, phases, luck.integer(self._tags))

    def _luck(self, connector: int) -> Stream:
        return stream(self._seed, f"{self._station}/{connector}/{self._counts[connector - 1]}", "visit")
