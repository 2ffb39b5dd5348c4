"""How long a forecast takes: a day of a fleet and its power cut, on one core.

python benchmarks/forecast.py [--fleet mixed-city] [--stations 10000] [--json]
"""

import argparse
import json
from time import process_time

from engine import forecast
from profiles import fleets


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--fleet", default="mixed-city")
    parser.add_argument("--stations", type=int, default=10_000)
    parser.add_argument("--json", action="store_true", help="one JSON object as the last line")
    arguments = parser.parse_args()
    fleet = fleets.load(arguments.fleet)
    begin = process_time()
    day, storm = forecast.forecast(fleet, arguments.stations, seed=1, heartbeat_s=forecast.HEARTBEAT_S)
    cpu_s = process_time() - begin
    print(forecast.table(day, storm))
    print(f"{cpu_s:.1f} s of CPU")
    if arguments.json:
        print(json.dumps({"forecast_cpu_s": round(cpu_s, 1), "stations": arguments.stations}))


if __name__ == "__main__":
    main()
