"""Arrivals at a place: how many a day, when, and at which connector; who waits and who gives up.

A place is a small number of stations that drivers choose between (`stations` in the site file). Its plan is a
pure function of (seed, name of the place, day), so every worker that runs one of its stations finds the same
plan without talking to the others. Counts are over-dispersed: a Gamma factor per day, then Poisson.
"""

from collections.abc import Iterator
from math import inf
from typing import Final

import numpy as np
from msgspec import Struct, structs

from profiles import vehicles
from profiles.cars import Wish
from profiles.mixtures import DAY_BEGINS_H, Mixture, Sessions
from profiles.sitefile import Measured
from profiles.supply import PLATEAU_V
from profiles.visits import Visit
from stations.core.streams import Stream, stream
from stations.errors import StationBug

DAY_S: Final = 86_400.0
_CHANGE_S: Final = 90.0  # between a car that leaves and the next at the same connector
_LONGEST_DAYS: Final = 3  # no stay is longer
_KEPT_DAYS: Final = 3  # plans kept in memory: tomorrow, today, and yesterday for whoever is late at 04:00


class Parked(Struct, frozen=True, gc=False):
    """One planned stay."""

    arrive_s: float
    stay_s: float
    row: int  # in the day's draw; -1 for an attempt that fails


class Day(Struct, frozen=True):
    """The plan of one day: stays by (station, connector), earliest first."""

    sessions: Sessions
    stays: dict[tuple[int, int], list[Parked]]


class PlaceKind(Struct, frozen=True):
    """What all places of a group share."""

    site: Measured
    mixture: Mixture
    vehicles: str
    connectors: int  # of the group's product
    tags: int


class Place:
    """One place: its stations, who is parked there until when, and its plan day by day."""

    def __init__(self, kind: PlaceKind, seed: int, name: str, start_s: float) -> None:
        """`start_s`: local time at which the run begins; some cars are there already."""
        self.name = name
        self._kind, self._seed, self._start_s = kind, seed, start_s
        stations = max(1, round(kind.site.stations * kind.site.connectors / kind.connectors))
        luck = stream(seed, name, "popularity")
        liked = np.array([luck.lognormal(0.0, kind.site.popularity) for _ in range(stations)])
        self._liked = liked / liked.sum()
        self._free_at = np.full((stations, kind.connectors), -inf)
        self._days: dict[int, Day] = {}
        self._next_day = day_of(start_s) - _LONGEST_DAYS
        self._there: dict[tuple[int, int], tuple[Sessions, Parked]] | None = None

    def there(self, station: int, connector: int) -> tuple[Sessions, Parked] | None:
        """The car that stands at this connector when the run begins; asked for once."""
        if self._there is None:
            self._there = {}
            for number in range(self._next_day, day_of(self._start_s) + 1):
                plan = self.day(number)
                for at, stays in plan.stays.items():
                    for parked in stays:
                        if (
                            parked.row >= 0
                            and parked.arrive_s <= self._start_s < parked.arrive_s + parked.stay_s - 60
                        ):
                            self._there[at] = plan.sessions, parked
        return self._there.pop((station, connector), None)

    def day(self, number: int) -> Day:
        """The plan of day `number`, which begins at 04:00. Time goes forward: older days are forgotten."""
        while self._next_day <= number:
            self._days[self._next_day] = self._planned(self._next_day)
            self._days.pop(self._next_day - _KEPT_DAYS, None)
            self._next_day += 1
        try:
            return self._days[number]
        except KeyError:
            raise StationBug(
                f"day {number} of {self.name} was asked for after day {self._next_day - 1}"
            ) from None

    def _planned(self, number: int) -> Day:
        site = self._kind.site
        seed = stream(self._seed, f"{self.name}/{number}", "arrivals").bits64()
        luck = np.random.Generator(np.random.PCG64(seed))
        factor = luck.gamma(site.dispersion_shape) / site.dispersion_shape if site.dispersion_shape else 1.0
        share = 7.0 * site.day_shares[number % 7] / sum(site.day_shares)
        mean = site.per_connector_day * self._free_at.size * share * factor
        sessions = self._kind.mixture.draw(
            luck, "weekday" if number % 7 < 5 else "weekend", luck.poisson(mean)
        )
        failed = int(luck.poisson(site.failed * mean)) if len(sessions.hour) else 0
        stays: dict[tuple[int, int], list[Parked]] = {}
        for arrive_s, stay_s, row in _in_order(sessions, number, failed, luck):
            self._park(Parked(arrive_s, stay_s, row), luck, stays)
        return Day(sessions, stays)

    def _park(
        self, parked: Parked, luck: np.random.Generator, stays: dict[tuple[int, int], list[Parked]]
    ) -> None:
        """Put a car on a free connector of a liked station; else wait for the first, or give up."""
        free = self._free_at <= parked.arrive_s
        odds = np.cumsum(np.where(free.any(axis=1), self._liked, 0.0))
        if odds[-1] > 0.0:
            station = min(int(np.searchsorted(odds, luck.random() * odds[-1])), len(odds) - 1)
            sides = np.flatnonzero(free[station])
            side = int(sides[luck.integers(len(sides))])
        else:
            station, side = divmod(int(self._free_at.argmin()), self._free_at.shape[1])
            arrive_s = float(self._free_at[station, side]) + luck.exponential(180.0)
            if arrive_s - parked.arrive_s > 60.0 * self._kind.site.patience_min:
                return
            parked = structs.replace(parked, arrive_s=arrive_s)
        self._free_at[station, side] = parked.arrive_s + parked.stay_s + _CHANGE_S
        stays.setdefault((station, side + 1), []).append(parked)


def _in_order(
    sessions: Sessions, number: int, failed: int, luck: np.random.Generator
) -> Iterator[tuple[float, float, int]]:
    """(arrival, stay, row) by time of arrival. Attempts fail at the hours at which others succeed."""
    begin_s = number * DAY_S + DAY_BEGINS_H * 3600.0
    rows = [
        (begin_s + 3600.0 * float(hour), 3600.0 * float(dwell_h), row)
        for row, (hour, dwell_h) in enumerate(zip(sessions.hour, sessions.dwell_h, strict=True))
    ]
    for _ in range(failed):
        hour = float(sessions.hour[luck.integers(len(sessions.hour))])
        rows.append((begin_s + 3600.0 * hour, float(luck.lognormal(np.log(120.0), 1.2)), -1))
    return iter(sorted(rows))


class StationPlan:
    """The visits of one station of a place (`visits.Schedule`)."""

    __slots__ = ("_kind", "_opened", "_place", "_seed", "_station")

    def __init__(self, place: Place, kind: PlaceKind, seed: int, station: int) -> None:
        """`station`: its number within the place."""
        self._place, self._kind, self._seed, self._station = place, kind, seed, station
        self._opened = 0  # connectors asked for so far, one bit each

    def next_visit(self, connector: int, after_s: float) -> Visit | float:
        """The first visit after `after_s`; asked for the first time, the car that is there already."""
        if not self._opened >> connector & 1:
            self._opened |= 1 << connector
            there = self._place.there(self._station, connector)
            if there is not None:
                return self._rest(self._visit(*there, connector), after_s)
        today = day_of(after_s)
        for number in (today, today + 1):
            plan = self._place.day(number)
            for parked in plan.stays.get((self._station, connector), ()):
                if parked.arrive_s > after_s:
                    return self._visit(plan.sessions, parked, connector)
        # Nobody until the day after tomorrow: ask again tomorrow, not all stations at once.
        luck = stream(self._seed, f"{self._place.name}/{self._station}/{connector}/{today}", "ask")
        return (today + 1) * DAY_S + (DAY_BEGINS_H + luck.uniform(0.0, 20.0)) * 3600.0

    def _visit(self, sessions: Sessions, parked: Parked, connector: int) -> Visit:
        kind = self._kind
        luck = stream(self._seed, f"{self._place.name}/{self._station}/{connector}/{parked.arrive_s}", "car")
        tag = luck.integer(kind.tags)
        if parked.row < 0:
            wish = Wish(current_a=10.0, wake_s=inf)
            return Visit(parked.arrive_s, parked.stay_s, wish, 1, "patient", tag, failed=True)
        _, dwell_h, power_kw, energy_kwh, charge_h, finished = (
            float(column[parked.row]) for column in sessions
        )
        fitted = vehicles.Fitted(power_kw, energy_kwh, charge_h, dwell_h, bool(finished))
        name, phases, wish = self._car(fitted, luck)
        wish = self._at_tariff(wish, parked.arrive_s, luck)
        stay_s = parked.stay_s
        if finished and luck.random() < kind.site.leave_when_full:
            stay_s = min(stay_s, 3600.0 * charge_h + luck.uniform(300.0, 2400.0))
        return Visit(parked.arrive_s, stay_s, wish, phases, name, tag, kind.vehicles == vehicles.AS_MEASURED)

    def _car(self, fitted: vehicles.Fitted, luck: Stream) -> tuple[str, int, Wish]:
        if self._kind.vehicles == vehicles.AS_MEASURED:
            return vehicles.fitted(fitted, luck)
        name = vehicles.drawn_class(self._kind.vehicles, luck)
        return vehicles.drawn(name, luck, need_kwh=fitted.energy_kwh if fitted.finished else inf)

    def _at_tariff(self, wish: Wish, arrive_s: float, luck: Stream) -> Wish:
        """Cars told to wait for the cheap hours wake up then, a few minutes apart."""
        site = self._kind.site
        if site.tariff_start is None or site.tariff_end is None:
            return wish
        begin_s, end_s = _clock_s(site.tariff_start), _clock_s(site.tariff_end)
        waits_s = (begin_s - arrive_s) % DAY_S
        if waits_s > (begin_s - end_s) % DAY_S:  # the cheap hours are running
            return wish
        return structs.replace(wish, wake_s=waits_s + luck.uniform(0.0, 300.0))

    def _rest(self, visit: Visit, now_s: float) -> Visit:
        """What is left of a visit that began before `now_s`: less time, and less energy or none at all."""
        begin_s = stream(self._seed, f"{self._place.name}/{self._station}/{now_s}", "there").uniform(
            1.0, 30.0
        )
        wish = visit.wish
        slept_s = now_s - visit.arrive_s
        charged_s = max(slept_s - wish.wake_s, 0.0)
        done = charged_s * visit.phases * PLATEAU_V * wish.current_a / 3600.0 / max(wish.need_wh, 1.0)
        if done >= 1.0:
            wish = structs.replace(wish, wake_s=inf)
        else:
            wish = structs.replace(
                wish, need_wh=wish.need_wh * (1.0 - done), wake_s=max(wish.wake_s - slept_s, 6.0)
            )
        stay_s = visit.arrive_s + visit.stay_s - now_s - begin_s
        return structs.replace(visit, arrive_s=now_s + begin_s, stay_s=max(stay_s, 30.0), wish=wish)


def day_of(local_s: float) -> int:
    """Number of the day, from 04:00 to 04:00, that holds a local time; 0 is the first Monday."""
    return int((local_s - DAY_BEGINS_H * 3600.0) // DAY_S)


def _clock_s(clock: str) -> float:
    hours, _, minutes = clock.partition(":")
    return int(hours) * 3600.0 + int(minutes) * 60.0
