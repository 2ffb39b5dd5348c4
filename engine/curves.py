"""A sample of within-session series: what the meter shows while cars of a site profile or a fleet charge."""

import csv
from argparse import ArgumentParser, Namespace
from collections.abc import Iterator
from heapq import heapify, heappop, heappush
from pathlib import Path
from typing import Final

from msgspec import Struct

from profiles import fleets
from profiles.curves import Sample, series
from profiles.drivers import Place, car_of
from profiles.fleets import Deployment
from profiles.visits import Visit
from results.command_line import MOST_SEED, output_file, positive, whole
from stations.errors import PlanError

COLUMNS: Final = ("session", "vehicle", *Sample._fields)

_URL: Final = "ws://virtual.invalid/"  # RFC 6761: a name that never resolves; nothing dials it
SHORTEST_STEP_S: Final = 0.1
_BADGE_S: Final = 10.0  # from the plug to the contactor


class Curve(Struct, frozen=True):
    """One session."""

    vehicle: str
    finished: bool  # the car ended before it was unplugged
    samples: list[Sample]


def curves(deployment: Deployment, count: int, step_s: float, longest_s: float) -> Iterator[Curve]:
    """The first sessions with energy at the fleet's stations, in the order of their beginning."""
    made = 0
    for place, limit_a, visit in _visits(deployment):
        car = car_of(place, 1, visit, 0.0)
        begin_s = visit.arrive_s + _BADGE_S
        end_s = begin_s + min(visit.stay_s - _BADGE_S, longest_s)
        if visit.failed or end_s < begin_s + 2 * step_s:
            continue
        car.offer(begin_s, limit_a)
        samples = series(car, begin_s, end_s, step_s)
        yield Curve(visit.wish.vehicle, not car.drawing(end_s), samples)
        made += 1
        if made == count:
            return


def _visits(deployment: Deployment) -> Iterator[tuple[Place, float, Visit]]:
    """Visits at the first connectors as time goes by, without the cars that were there already."""
    places = [deployment.place(index) for index in range(deployment.count)]
    limits_a = [deployment.station(index).plan.product.max_current_a for index in range(deployment.count)]
    schedules = [place.schedule() for place in places]
    begin_s = deployment.start_local_s
    # Stations of one place share a plan that forgets the past: nobody is asked about a later day early.
    coming = [(schedule.next_arrival(1, begin_s), index, True) for index, schedule in enumerate(schedules)]
    heapify(coming)
    while True:
        at_s, index, arrives = heappop(coming)
        visit = schedules[index].visit(1, at_s) if arrives else None
        if visit is not None:
            yield places[index], limits_a[index], visit
            heappush(coming, (at_s + visit.stay_s, index, False))
        else:
            heappush(coming, (schedules[index].next_arrival(1, at_s), index, True))


def write(made: Iterator[Curve], path: Path) -> int:
    """The series as CSV; the number of sessions."""
    count = 0
    try:
        with path.open("w", newline="", encoding="utf-8") as file:
            table = csv.writer(file, lineterminator="\n")
            table.writerow(COLUMNS)
            for count, curve in enumerate(made, start=1):
                for sample in curve.samples:
                    table.writerow([count, curve.vehicle, *(f"{value:.3f}" for value in sample)])
    except OSError as error:
        raise PlanError(
            f"{path}: cannot be written ({error.strerror}); mend: name another file with --out"
        ) from None
    return count


def add_arguments(parser: ArgumentParser) -> None:
    """Arguments of `greenup curves`."""
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument(
        "--profile", metavar="NAME", help="site profile: work-fr, home-fr, home-no, public-nl …"
    )
    what.add_argument("--fleet", metavar="FLEET", help="name or path of a fleet file instead")
    parser.add_argument(
        "--vehicles", default="as-measured", metavar="MIX", help="vehicle mix, as france-2025"
    )
    parser.add_argument("--sessions", metavar="N", type=whole(1, 1_000_000), default=20, help="how many (20)")
    parser.add_argument(
        "--step", metavar="S", type=positive, default=60.0, help="seconds between two samples (60)"
    )
    parser.add_argument(
        "--longest", metavar="H", type=positive, default=12.0, help="hours of a session that are shown (12)"
    )
    parser.add_argument(
        "--seed", metavar="N", type=whole(0, MOST_SEED), default=1, help="same seed, same curves (1)"
    )
    parser.add_argument(
        "--out", metavar="FILE", type=output_file, default="curves.csv", help="CSV file (curves.csv)"
    )


def run(arguments: Namespace) -> int:
    """`greenup curves`: generate and write; the number of sessions."""
    if arguments.step < SHORTEST_STEP_S:
        raise PlanError(f"--step {arguments.step:g}: too short; mend: at least {SHORTEST_STEP_S} s")
    stations = 2 * arguments.sessions
    if arguments.fleet:
        fleet = fleets.load(arguments.fleet)
    else:
        fleet = fleets.of_site(arguments.profile, 2 * stations, mix=arguments.vehicles)
    deployment = fleet.deploy(stations, url_base=_URL, seed=arguments.seed)
    made = curves(deployment, arguments.sessions, arguments.step, 3600.0 * arguments.longest)
    return write(made, Path(arguments.out))
