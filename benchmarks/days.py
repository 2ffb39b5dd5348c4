"""A whole day of a fleet in virtual time with every kind of trouble: is each transaction booked, to the Wh?

    python benchmarks/days.py [--stations 1000] [--seed 1]

Cut links, half-open links, slow links, restarts of the central system and power cuts, for twelve hours, each
of another part of the fleet. An inspector reads every frame (tests/support/inspector.py); at the end the
central system's books must have each transaction once, with the energy that the cars took.
"""

import argparse
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))  # the tests are no package of the project

from tests.support.day import DAY_S, Day

KEYS = {
    "LocalAuthorizeOffline": "true",
    "AllowOfflineTxForUnknownId": "true",
    "MeterValuesSampledData": "Energy.Active.Import.Register",
    "TransactionMessageAttempts": "20",  # on a half-open link three attempts are soon used up
}


def trouble(day: Day, stations: int) -> None:
    for hour in range(2, 14):
        cut = [index for index in range(stations) if (index + hour) % 5 == 0]
        day.at(hour, "cut", cut)
        day.at(hour + 0.4, "restore", cut)
        held = [index for index in range(stations) if (index + hour) % 11 == 1]
        day.at(hour + 0.5, "hold", held)
        day.at(hour + 0.7, "restore", held)
        dark = [index for index in range(stations) if (index + hour) % 13 == 2]
        day.at(hour + 0.1, "power_off", dark)
        day.at(hour + 0.3, "power_on", dark)
    day.at(6.2, "restart_central", 900.0)
    day.at(10.1, "restart_central", 5.0)
    day.at(12.2, "slow", 3.0, range(0, stations, 7))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--stations", type=int, default=1_000, help="default 1000")
    parser.add_argument("--seed", type=int, default=1, help="default 1")
    arguments = parser.parse_args()
    started = time.perf_counter()
    day = Day(arguments.seed, stations=arguments.stations, official_every=100, **KEYS)
    trouble(day, arguments.stations)
    day.finish()
    day.check_books()
    day.check_energy()
    seconds = time.perf_counter() - started
    entries = day.central.entries.values()
    told = sorted(fact.reason == "PowerLoss" for fact in day.facts.values())
    print(f"{arguments.stations} stations, {day.world.now / DAY_S:.2f} days in {seconds:.0f} s")
    print(f"{sum(day.central.calls.values())} calls, each inspected")
    print(
        f"{len(day.facts)} transactions of stations, {len(entries)} in the central system's books: none lost,"
    )
    print(f"none doubled; {sum(entry.energy_wh for entry in entries) / 1000:.3f} kWh billed")
    print(
        f"{sum(fact.offline for fact in day.facts.values())} begun offline, {sum(told)} ended by a power cut"
    )


if __name__ == "__main__":
    main()
