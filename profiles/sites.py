"""Site profiles by name: who comes, when, for how long, with which car. Numbers: `profiles/sites/*.toml`."""

from functools import cache
from pathlib import Path
from typing import Annotated, Final, TypeAlias

from msgspec import Meta, Struct

from profiles import tomlfile
from profiles.cars import Wish
from profiles.visits import Schedule, Visit
from stations.core.streams import stream
from stations.errors import PlanError

FOLDER: Final = Path(__file__).with_name("sites")


class Steady(Struct, frozen=True, tag_field="kind", tag="steady", forbid_unknown_fields=True):
    """Cars one after the other at every connector, at any hour: for demonstrations and plain load."""

    title: str
    gap_s: Annotated[float, Meta(gt=0, description="mean time for which a connector stays free")]
    stay_s: Annotated[
        tuple[Annotated[float, Meta(gt=0)], Annotated[float, Meta(gt=0)]],
        Meta(description="shortest and longest stay"),
    ]
    current_a: Annotated[
        tuple[Annotated[float, Meta(gt=0)], Annotated[float, Meta(gt=0)]],
        Meta(description="lowest and highest current per phase that cars take"),
    ]
    full: Annotated[float, Meta(ge=0, le=1, description="share of cars that are full before they leave")] = (
        0.3
    )

    def schedule(self, seed: int, _site: str, station: str, _rank: int, tags: int) -> Schedule:
        """The visits of one station."""
        return _SteadySchedule(self, seed, station, tags)


class _SteadySchedule:
    __slots__ = ("_counts", "_seed", "_site", "_station", "_tags")

    def __init__(self, site: Steady, seed: int, station: str, tags: int) -> None:
        self._site, self._seed, self._station, self._tags = site, seed, station, tags
        self._counts: dict[int, int] = {}

    def next_visit(self, connector: int, after_s: float) -> Visit:
        """A gap after the last one; the n-th visit's luck does not depend on when the others took place."""
        site = self._site
        n = self._counts[connector] = self._counts.get(connector, 0) + 1
        luck = stream(self._seed, f"{self._station}/{connector}/{n}", "visit")
        gap_s, stay_s = luck.exponential(site.gap_s), luck.uniform(*site.stay_s)
        phases = luck.choice((1, 3))
        current_a = luck.uniform(*site.current_a)
        need_wh = phases * 230.0 * current_a * stay_s / 3600.0 * luck.uniform(0.3, 0.7)
        wish = Wish(
            current_a=current_a,
            need_wh=need_wh if luck.random() < site.full else float("inf"),
            taper_s=2.0,
            wake_s=luck.uniform(0.5, 2.0),
            lag_s=luck.uniform(0.5, 1.5),
        )
        return Visit(after_s + gap_s, stay_s, wish, phases, "demo", luck.integer(self._tags))


Site: TypeAlias = Steady


@cache
def load(name: str, folder: Path = FOLDER) -> Site:
    """The site profile `name`, or the site file at that path (relative to `folder`)."""
    ready = FOLDER / f"{name}.toml"
    if ready.is_file():
        return tomlfile.read(ready, Site, "site")
    if name.endswith(".toml"):
        return tomlfile.read(folder / name, Site, "site")
    names = ", ".join(sorted(path.stem for path in FOLDER.glob("*.toml")))
    raise PlanError(
        f"site {name}: there is no such profile; mend: use one of {names}, or the path of a .toml file"
    )
