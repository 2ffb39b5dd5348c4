"""Charging sessions of a fleet on the virtual edge, as a table: what a real run would have shown, in seconds.

Every row comes out of the same drivers, cars and stations as a run: the station on `engine.virtual` accepts
the badge, offers current, meters and stops. `kwh` is a difference of its meter register. `charge_h` counts
minutes in which current flowed, as meters that report by the minute do; `pmax_kw` is the highest mean of a
quarter of an hour, from the register read every five minutes.
"""

import csv
from argparse import ArgumentParser, Namespace
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from math import ceil
from pathlib import Path
from typing import Final

import numpy as np
from msgspec import Struct

from engine.central import YesCentral
from engine.quiet import HEARTBEAT_S, quieted
from engine.virtual import MONDAY_UNIX_S, World
from profiles import fleets
from profiles.arrivals import DAY_S
from profiles.cars import Car
from profiles.drivers import Driver, People, StationView
from profiles.fleetfile import MOST_STATIONS
from profiles.fleets import Deployment, Fleet
from profiles.mixtures import DAY_BEGINS_H
from results.command_line import MOST_SEED, output_file, whole
from stations.core.events import Event, PlugIn, PlugOut
from stations.core.plan import Plan
from stations.core.station import Station
from stations.errors import PlanError

COLUMNS: Final = (
    "plug_in", "dwell_h", "kwh", "charge_h", "pmax_kw", "site", "vehicle", "station", "connector",
)  # fmt: skip

_SAMPLE_S: Final = 300.0
_WINDOW_S: Final = 900.0
_MINUTE_S: Final = 60.0
_URL: Final = "ws://virtual.invalid/"  # RFC 6761: a name that never resolves; nothing dials it
_LONGEST_STAY_S: Final = 3 * DAY_S


class Session(Struct, frozen=True):
    """One stay at a connector."""

    plug_in_s: float  # local time since Monday 00:00 of the first week
    dwell_h: float
    kwh: float
    charge_h: float
    pmax_kw: float
    site: str
    vehicle: str
    station: str
    connector: int

    def row(self) -> tuple[str, str, str, str, str, str, str, str, int]:
        """In the order of `COLUMNS`."""
        moment = datetime.fromtimestamp(MONDAY_UNIX_S, UTC) + timedelta(seconds=self.plug_in_s)
        return (
            moment.replace(tzinfo=None).isoformat(timespec="seconds"),
            f"{self.dwell_h:.4f}",
            f"{self.kwh:.3f}",
            f"{self.charge_h:.4f}",
            f"{self.pmax_kw:.3f}",
            self.site,
            self.vehicle,
            self.station,
            self.connector,
        )


class _Stay:
    """A car that is plugged, while it is watched."""

    __slots__ = ("begin_s", "car", "out_s", "registers_wh")

    def __init__(self, begin_s: float, car: Car, register_wh: int) -> None:
        self.begin_s = begin_s
        self.car = car
        self.registers_wh = [register_wh]
        self.out_s: float | None = None


class Witness(Driver):
    """Stands beside the people of one station and writes down who came and went."""

    def __init__(self, people: People, where: str, watch: "Watch") -> None:
        self._people = people
        self._where = where
        self._watch = watch
        self._stays: dict[int, _Stay] = {}

    def start(self, now: float, local_s: float) -> None:
        """As the people."""
        self._people.start(now, local_s)

    def deadline(self) -> float | None:
        """As the people."""
        return self._people.deadline()

    def act(self, now: float, station: StationView) -> list[Event]:
        """As the people, and look."""
        assert isinstance(station, Station)
        for connector, stay in list(self._stays.items()):
            if stay.out_s is not None:
                self._left(connector, stay, station, now)
        events = self._people.act(now, station)
        for event in events:
            if isinstance(event, PlugIn):
                self._came(event, station, now)
            elif isinstance(event, PlugOut) and event.connector in self._stays:
                self._stays[event.connector].out_s = now
        return events

    def _came(self, event: PlugIn, station: Station, now: float) -> None:
        assert isinstance(event.vehicle, Car)
        register_wh = station.meter_wh(event.connector, now)
        stay = self._stays[event.connector] = _Stay(now, event.vehicle, register_wh)
        world = self._watch.world

        def sample(_: object) -> None:
            if self._stays.get(event.connector) is stay:
                stay.registers_wh.append(station.meter_wh(event.connector, world.now))
                world.at(world.now + _SAMPLE_S, sample)

        world.at(now + _SAMPLE_S, sample)

    def _left(self, connector: int, stay: _Stay, station: Station, now: float) -> None:
        """The cable was pulled a moment ago: did it come out?"""
        out_s, stay.out_s = stay.out_s, None
        if station.connectors[connector].plugged:
            return
        assert out_s is not None
        del self._stays[connector]
        stay.registers_wh.append(station.meter_wh(connector, now))
        self._watch.sessions.append(_session(stay, out_s, self._where, station.plan.identity, connector))


class Watch:
    """A fleet on the virtual edge under observation."""

    def __init__(self, deployment: Deployment, seed: int) -> None:
        self.sessions: list[Session] = []
        # Nothing that a session is made of depends on samples and heartbeats.
        central = YesCentral(MONDAY_UNIX_S, heartbeat_s=HEARTBEAT_S)
        stations = []
        for deployed in quieted(deployment.station(index) for index in range(deployment.count)):
            assert isinstance(deployed.driver, People)
            stations.append(_Watched(deployed.plan, Witness(deployed.driver, deployed.site, self)))
        self.world = World(stations, central, seed=seed)

    def run(self, days: int) -> list[Session]:
        """The sessions that begin within `days` from the first 04:00, all to their end."""
        first_s = DAY_BEGINS_H * 3600.0
        last_s = first_s + days * DAY_S
        self.world.start(per_s=100.0)
        self.world.run(last_s + _LONGEST_STAY_S)
        return sorted(
            (session for session in self.sessions if first_s <= session.plug_in_s < last_s),
            key=lambda session: (session.plug_in_s, session.station, session.connector),
        )


class _Watched(Struct):
    plan: Plan
    driver: Driver | None


def _session(stay: _Stay, out_s: float, site: str, station: str, connector: int) -> Session:
    dwell_s = out_s - stay.begin_s
    flow_s = stay.car.drawn_s(out_s)
    energy_wh = stay.registers_wh[-1] - stay.registers_wh[0]
    charge_s = 0.0
    if energy_wh:
        charge_s = dwell_s if dwell_s - flow_s < _MINUTE_S else ceil(flow_s / _MINUTE_S) * _MINUTE_S
    return Session(
        plug_in_s=stay.begin_s,
        dwell_h=dwell_s / 3600.0,
        kwh=energy_wh / 1000.0,
        charge_h=charge_s / 3600.0,
        pmax_kw=_peak_kw(stay.registers_wh, dwell_s, flow_s),
        site=site,
        vehicle=stay.car.wish.vehicle,
        station=station,
        connector=connector,
    )


def _peak_kw(registers_wh: list[int], dwell_s: float, flow_s: float) -> float:
    """Highest mean over a quarter of an hour, or over the time with current if that is shorter."""
    read_s = np.append(np.arange(len(registers_wh) - 1) * _SAMPLE_S, dwell_s)
    if dwell_s <= _WINDOW_S:
        highest_wh = float(registers_wh[-1] - registers_wh[0])
    else:
        begin_s = np.append(read_s[read_s <= dwell_s - _WINDOW_S], dwell_s - _WINDOW_S)
        begin_wh, end_wh = (np.interp(at, read_s, registers_wh) for at in (begin_s, begin_s + _WINDOW_S))
        highest_wh = float((end_wh - begin_wh).max())
    return highest_wh * 3.6 / min(_WINDOW_S, max(flow_s, 1.0))


def of_fleet(fleet: Fleet, stations: int | None, *, days: int, seed: int) -> list[Session]:
    """Sessions of a fleet over some days; the first day is a Monday."""
    return Watch(fleet.deploy(stations, url_base=_URL, seed=seed, start="00:00"), seed).run(days)


def of_profile(profile: str, connectors: int, *, days: int, seed: int, mix: str) -> list[Session]:
    """Sessions at `connectors` connectors of one site profile."""
    fleet = fleets.of_site(profile, connectors, mix=mix)
    return of_fleet(fleet, None, days=days, seed=seed)


def write(sessions: Iterable[Session], path: Path) -> None:
    """The table as CSV."""
    try:
        with path.open("w", newline="", encoding="utf-8") as file:
            table = csv.writer(file, lineterminator="\n")
            table.writerow(COLUMNS)
            table.writerows(session.row() for session in sessions)
    except OSError as error:
        raise PlanError(
            f"{path}: cannot be written ({error.strerror}); mend: name another file with --out"
        ) from None


def add_arguments(parser: ArgumentParser) -> None:
    """Arguments of `greenup sessions`."""
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument(
        "--profile", metavar="NAME", help="site profile: work-fr, home-fr, home-no, public-nl …"
    )
    what.add_argument("--fleet", metavar="FLEET", help="name or path of a fleet file instead")
    parser.add_argument(
        "--connectors",
        metavar="N",
        type=whole(1, MOST_STATIONS),
        default=100,
        help="connectors of the profile (100)",
    )
    parser.add_argument(
        "--stations", metavar="N", type=whole(1, MOST_STATIONS), help="stations of the fleet (as written)"
    )
    parser.add_argument(
        "--vehicles", default="as-measured", metavar="MIX", help="vehicle mix, as france-2025"
    )
    parser.add_argument(
        "--days", metavar="N", type=whole(1, 3_660), default=60, help="days, the first one a Monday (60)"
    )
    parser.add_argument(
        "--seed", metavar="N", type=whole(0, MOST_SEED), default=1, help="same seed, same sessions (1)"
    )
    parser.add_argument(
        "--out", metavar="FILE", type=output_file, default="sessions.csv", help="CSV file (sessions.csv)"
    )


def run(arguments: Namespace) -> list[Session]:
    """`greenup sessions`: generate and write; the sessions."""
    if arguments.fleet:
        fleet = fleets.load(arguments.fleet)
        sessions = of_fleet(fleet, arguments.stations, days=arguments.days, seed=arguments.seed)
    else:
        sessions = of_profile(
            arguments.profile,
            arguments.connectors,
            days=arguments.days,
            seed=arguments.seed,
            mix=arguments.vehicles,
        )
    write(sessions, Path(arguments.out))
    return sessions
