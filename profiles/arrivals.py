"""Arrivals at a place: how many a day, when, and at which connector; who waits and who gives up.

A place is a small number of stations that drivers choose between (`stations` in the site file). Its plan is a
pure function of (seed, name of the place, day), so every worker that runs one of its stations finds the same
plan without talking to the others. Counts are over-dispersed: a Gamma factor per day, then Poisson.
"""

from math import inf
from typing import Final, TypeAlias

import numpy as np
from msgspec import Struct, structs
from numpy.typing import NDArray

from profiles import vehicles
from profiles.mixtures import DAY_BEGINS_H, Mixture, Sessions
from profiles.sitefile import Measured
from profiles.supply import PLATEAU_V
from profiles.visits import Visit
from profiles.wish import Wish
from stations.core.streams import Stream, stream
from stations.errors import StationBug

DAY_S: Final = 86_400.0
_CHANGE_S: Final = 90.0  # between a car that leaves and the next at the same connector
_LONGEST_DAYS: Final = 3  # no stay is longer
_KEPT_DAYS: Final = 3  # may be asked for: tomorrow, today, and yesterday by whoever is late at 04:00
_LATE_S: Final = 6 * 3600.0  # of an edge at the most, in compressed time
_ROUNDING_S: Final = 1.0  # clocks of an edge round; two cars are further apart at one connector

Stays: TypeAlias = NDArray[np.void]
_STAY: Final = np.dtype(
    [
        ("arrive_s", "f8"),
        ("stay_s", "f4"),
        ("power_kw", "f4"),  # these four as in `mixtures.Sessions`; no power: an attempt that fails
        ("energy_kwh", "f4"),
        ("charge_h", "f4"),
        ("finished", "?"),
        ("slot", "u2"),  # connectors of the place, counted through
    ]
)
_NOBODY: Final[Stays] = np.zeros(0, _STAY)


class PlaceKind(Struct, frozen=True):
    """What all places of a group share."""

    site: Measured
    mixture: Mixture
    vehicles: str
    connectors: int  # of the group's product
    tags: int
    seed: int
    group: str
    start_s: float  # local time at which the run begins; some cars are there already

    @property
    def stations(self) -> int:
        """Stations between which drivers choose."""
        return max(1, round(self.site.stations * self.site.connectors / self.connectors))


class Place:
    """One place: the plan of its days, as rows of all that is still to come or not long over."""

    __slots__ = ("_next_day", "_stays", "kind", "number")

    def __init__(self, kind: PlaceKind, number: int) -> None:
        """The `number`-th place of a group. Nothing is planned before somebody asks."""
        self.kind, self.number = kind, number
        self._next_day = day_of(kind.start_s) - _LONGEST_DAYS
        self._stays = _NOBODY

    @property
    def name(self) -> str:
        """Names the streams of its luck."""
        return f"{self.kind.group}/{self.number}"

    def stays(self, day: int) -> Stays:
        """What is planned up to day number `day`. Time goes forward: older days are forgotten."""
        while self._next_day <= day:
            self._stays = self._planned(self._next_day)
            self._next_day += 1
        if day < self._next_day - _KEPT_DAYS:
            raise StationBug(f"day {day} of {self.name} was asked for after day {self._next_day - 1}")
        return self._stays

    def _planned(self, day: int) -> Stays:
        """The rows so far, without what was over before the day before `day`, and those of `day`."""
        kind, site = self.kind, self.kind.site
        luck = np.random.Generator(
            np.random.PCG64(stream(kind.seed, f"{self.name}/{day}", "arrivals").bits64())
        )
        factor = luck.gamma(site.dispersion_shape) / site.dispersion_shape if site.dispersion_shape else 1.0
        share = 7.0 * site.day_shares[day % 7] / sum(site.day_shares)
        mean = site.per_connector_day * kind.stations * kind.connectors * share * factor
        sessions = kind.mixture.draw(luck, "weekday" if day % 7 < 5 else "weekend", luck.poisson(mean))
        failed = int(luck.poisson(site.failed * mean)) if len(sessions.hour) else 0
        kept = self._stays
        kept = kept[kept["arrive_s"] + kept["stay_s"] > _begin_s(day - 1) - _LATE_S]
        coming = _in_order(sessions, day, failed, luck)
        parked = coming[self._parked(coming, kept, luck)]
        return np.concatenate((kept, parked)) if len(kept) + len(parked) else _NOBODY

    def _parked(self, coming: Stays, there: Stays, luck: np.random.Generator) -> list[int]:
        """Put each car on a free connector of a liked station; else it waits for the first, or gives up."""
        kind = self.kind
        fame = stream(kind.seed, self.name, "popularity")
        liked = np.array([fame.lognormal(0.0, kind.site.popularity) for _ in range(kind.stations)])
        free_at = np.full((kind.stations, kind.connectors), -inf)
        np.maximum.at(free_at.reshape(-1), there["slot"], there["arrive_s"] + there["stay_s"] + _CHANGE_S)
        found = []
        for n in range(len(coming)):
            arrive_s = float(coming["arrive_s"][n])
            free = free_at <= arrive_s
            odds = np.cumsum(np.where(free.any(axis=1), liked, 0.0))
            if odds[-1] > 0.0:
                station = min(int(np.searchsorted(odds, luck.random() * odds[-1])), len(odds) - 1)
                sides = np.flatnonzero(free[station])
                side = int(sides[luck.integers(len(sides))])
            else:
                station, side = divmod(int(free_at.argmin()), kind.connectors)
                begin_s = float(free_at[station, side]) + luck.exponential(180.0)
                if begin_s - arrive_s > 60.0 * kind.site.patience_min:
                    continue
                coming["arrive_s"][n] = arrive_s = begin_s
            free_at[station, side] = arrive_s + float(coming["stay_s"][n]) + _CHANGE_S
            coming["slot"][n] = station * kind.connectors + side
            found.append(n)
        return found


def _in_order(sessions: Sessions, day: int, failed: int, luck: np.random.Generator) -> Stays:
    """By time of arrival, not yet at a connector. Attempts fail at the hours at which others succeed."""
    rows = np.zeros(len(sessions.hour) + failed, _STAY)
    good, bad = rows[: len(sessions.hour)], rows[len(sessions.hour) :]
    good["arrive_s"] = _begin_s(day) + 3600.0 * sessions.hour
    good["stay_s"] = 3600.0 * sessions.dwell_h
    good["power_kw"], good["energy_kwh"] = sessions.power_kw, sessions.energy_kwh
    good["charge_h"], good["finished"] = sessions.charge_h, sessions.finished
    for row in bad:
        row["arrive_s"] = good["arrive_s"][luck.integers(len(good))]
        row["stay_s"] = luck.lognormal(np.log(120.0), 1.2)
    return rows[np.argsort(rows["arrive_s"], kind="stable")]


class StationPlan(Struct, frozen=True, gc=False):
    """The visits of one station of a place (`visits.Schedule`); each is worked out when it takes place."""

    place: Place
    station: int  # its number within the place

    def opening(self, connector: int, now_s: float) -> float:
        """A car that is there already is seen to within half a minute."""
        rows = self.place.stays(day_of(now_s))
        there = (rows["arrive_s"] <= now_s) & (now_s < rows["arrive_s"] + rows["stay_s"] - 60.0)
        if (there & (rows["power_kw"] > 0.0) & (rows["slot"] == self._slot(connector))).any():
            return now_s + self._luck(connector, now_s, "there").uniform(1.0, 30.0)
        return self.next_arrival(connector, now_s)

    def next_arrival(self, connector: int, after_s: float) -> float:
        """The first arrival after `after_s`; if nobody comes until tomorrow, when to ask again."""
        today = day_of(after_s)
        for day in (today, today + 1):
            rows = self.place.stays(day)
            later = rows["arrive_s"][(rows["slot"] == self._slot(connector)) & (rows["arrive_s"] > after_s)]
            if len(later):
                return float(later.min())
        # Nobody until the day after tomorrow: ask again tomorrow, not all stations at once.
        return _begin_s(today + 1) + 3600.0 * self._luck(connector, today, "ask").uniform(0.0, 20.0)

    def visit(self, connector: int, at_s: float, *, opening: bool = False) -> Visit | None:
        """Who comes at `at_s`; at the opening also the rest of somebody who has been there for a while."""
        rows = self.place.stays(day_of(at_s))
        there = (rows["arrive_s"] - _ROUNDING_S <= at_s) & (at_s < rows["arrive_s"] + rows["stay_s"])
        found = rows[there & (rows["slot"] == self._slot(connector))]
        if not len(found):
            return None
        visit = self._visit(found[0].item(), connector)
        if at_s < visit.arrive_s + _ROUNDING_S:
            return visit
        return _rest(visit, at_s) if opening else None

    def _slot(self, connector: int) -> int:
        return self.station * self.place.kind.connectors + connector - 1

    def _luck(self, connector: int, moment: float, purpose: str) -> Stream:
        place = self.place
        return stream(place.kind.seed, f"{place.name}/{self.station}/{connector}/{moment}", purpose)

    def _visit(self, row: tuple[float, float, float, float, float, bool, int], connector: int) -> Visit:
        arrive_s, stay_s, power_kw, energy_kwh, charge_h, finished, _ = row
        kind = self.place.kind
        luck = self._luck(connector, arrive_s, "car")
        tag = luck.integer(kind.tags)
        if not power_kw:
            wish = Wish(current_a=10.0, wake_s=inf, vehicle="patient")
            return Visit(arrive_s, stay_s, wish, 1, tag, failed=True)
        fitted = vehicles.Fitted(power_kw, energy_kwh, charge_h, stay_s / 3600.0, finished)
        phases, wish = self._car(fitted, luck)
        wish = self._at_tariff(wish, arrive_s, luck)
        if finished and luck.random() < kind.site.leave_when_full:
            stay_s = min(stay_s, 3600.0 * charge_h + luck.uniform(300.0, 2400.0))
        return Visit(arrive_s, stay_s, wish, phases, tag, kind.vehicles == vehicles.AS_MEASURED)

    def _car(self, fitted: vehicles.Fitted, luck: Stream) -> tuple[int, Wish]:
        mix = self.place.kind.vehicles
        if mix == vehicles.AS_MEASURED:
            return vehicles.fitted(fitted, luck)
        name = vehicles.drawn_class(mix, luck)
        return vehicles.drawn(name, luck, need_kwh=fitted.energy_kwh if fitted.finished else inf)

    def _at_tariff(self, wish: Wish, arrive_s: float, luck: Stream) -> Wish:
        """Cars told to wait for the cheap hours wake up then, a few minutes apart."""
        site = self.place.kind.site
        if site.tariff_start is None or site.tariff_end is None:
            return wish
        begin_s, end_s = _clock_s(site.tariff_start), _clock_s(site.tariff_end)
        waits_s = (begin_s - arrive_s) % DAY_S
        if waits_s > (begin_s - end_s) % DAY_S:  # the cheap hours are running
            return wish
        return structs.replace(wish, wake_s=waits_s + luck.uniform(0.0, 300.0))


def _rest(visit: Visit, now_s: float) -> Visit:
    """What is left of a visit that began before `now_s`: less time, and less energy or none at all."""
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
    stay_s = visit.arrive_s + visit.stay_s - now_s
    return structs.replace(visit, arrive_s=now_s, stay_s=max(stay_s, 30.0), wish=wish)


def day_of(local_s: float) -> int:
    """Number of the day, from 04:00 to 04:00, that holds a local time; 0 is the first Monday."""
    return int((local_s - DAY_BEGINS_H * 3600.0) // DAY_S)


def _begin_s(day: int) -> float:
    return day * DAY_S + DAY_BEGINS_H * 3600.0


def _clock_s(clock: str) -> float:
    hours, _, minutes = clock.partition(":")
    return int(hours) * 3600.0 + int(minutes) * 60.0
