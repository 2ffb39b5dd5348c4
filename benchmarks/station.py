"""Cost of one station without link, Locust and records: bytes while idle, µs per MeterValues round trip.

    python benchmarks/station.py [--json]

A round trip is: deadline → sample → CALL, then its answer → CallEnded; the vehicle costs nothing here. Memory
is what Python allocated for booted, idle, two-sided stations, their plans not counted. A reference loop that
formats and decodes the same frame by hand is measured in the same run, so that machines can be compared.
"""

import argparse
import gc
import json
import time
import tracemalloc
from collections.abc import Callable, Sequence

from stations.core.events import Event, LinkUp, OpenLink, PlugIn, PowerOn, Received, Send, Swipe
from stations.core.plan import Personality, Plan, Product
from stations.core.reading import Reading
from stations.core.station import Station
from stations.core.vehicle import Vehicle

STATIONS = 500
REPEATS = 60
UNIX_S = 1_700_000_000.0
ACCEPTED = {"idTagInfo": {"status": "Accepted"}}
ANSWERS = {
    "BootNotification": {"status": "Accepted", "currentTime": "2023-11-14T22:13:20Z", "interval": 86_400},
    "Authorize": ACCEPTED,
    "StartTransaction": {"transactionId": 77, **ACCEPTED},
}


class SteadyVehicle:
    """Always draws the same, and takes no time to say so."""

    phases = 1
    _reading = Reading((230.0,) * 3, (16.0, 0.0, 0.0), (3680.0, 0.0, 0.0), (0.0,) * 3, 1234.5)

    def offer(self, _now: float, _limit_a: float) -> None:
        """Takes what it takes."""

    def pause(self, _now: float, *, paused: bool) -> None:
        """Never pauses."""

    def drawing(self, _now: float) -> bool:
        """Always."""
        return True

    def next_change(self, _now: float) -> None:
        """Never."""

    def reading(self, _now: float) -> Reading:
        """The same for ever."""
        return self._reading


def feed(station: Station, event: Event, now: float) -> None:
    """One event and everything that follows from it, answered at once."""
    effects = station.on_event(event, now)
    for effect in effects:
        if isinstance(effect, OpenLink):
            effects += station.on_event(LinkUp(), now)
        elif isinstance(effect, Send) and effect.call is not None:
            answer = json.dumps([3, effect.call.id, ANSWERS.get(effect.call.action, {})]).encode()
            effects += station.on_event(Received(answer), now)


def booted(index: int, personality: Personality, connectors: int) -> Station:
    uid = f"GU-{index:06d}"
    product = Product("059014", connectors, personality=personality)
    station = Station(Plan(uid, f"ws://localhost:9000/ocpp/{uid}", product, serial=str(index)), 1)
    feed(station, PowerOn(UNIX_S), 0.0)
    return station


def bytes_per_idle_station() -> float:
    plans_and_caches = [booted(index, Personality.GREENUP, 2) for index in range(STATIONS)]
    plans = [station.plan for station in plans_and_caches]
    gc.collect()
    tracemalloc.start()
    stations = []
    for plan in plans:
        station = Station(plan, 1)
        feed(station, PowerOn(UNIX_S), 0.0)
        stations.append(station)
    gc.collect()
    used = tracemalloc.get_traced_memory()[0]
    tracemalloc.stop()
    return used / len(stations)


def charging(
    personality: Personality, cars: Sequence[Vehicle] = (SteadyVehicle(),) * STATIONS
) -> list[Station]:
    stations = [booted(index, personality, 1) for index in range(STATIONS)]
    for index, (station, car) in enumerate(zip(stations, cars, strict=True)):
        now = 1.0 + index / STATIONS  # as a fleet samples: many stations in the same second
        feed(station, PlugIn(1, car), now)
        feed(station, Swipe("TAG"), now)
        station.on_deadline(now + 10.0)
    return stations


def round_trips(stations: list[Station]) -> bool:
    """One turn; whether it was a turn of meter values and nothing else."""
    sent = 0
    for station in stations:
        at = station.deadline()
        for effect in station.on_deadline(at):
            if type(effect) is Send:
                station.on_event(Received(b'[3,"%s",{}]' % effect.call.id.encode()), at)
                sent += effect.call.action == "MeterValues"
    return sent == len(stations)


def by_hand(stations: list[Station]) -> bool:
    """The reference: the same frame formatted, and its answer decoded, by the standard library."""
    for index, _ in enumerate(stations):
        call = [2, str(index), "MeterValues", {"connectorId": 1, "transactionId": 77, "meterValue": []}]
        json.dumps(call).encode()
        json.loads(b'[3,"%d",{}]' % index)
    return True


def best_us(step: Callable[[list[Station]], bool], stations: list[Station]) -> float:
    best = float("inf")
    for _ in range(REPEATS):
        started = time.perf_counter()
        if step(stations):
            best = min(best, (time.perf_counter() - started) / len(stations) * 1e6)
    return round(best, 2)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--json", action="store_true", help="one JSON object as the last line")
    arguments = parser.parse_args()
    figures = {"bytes_per_idle_station": round(bytes_per_idle_station())}
    for personality in Personality:
        figures[f"{personality}_us_per_roundtrip"] = best_us(round_trips, charging(personality))
    figures["reference_us"] = best_us(by_hand, charging(Personality.SPEC))
    figures["ratio"] = round(figures["greenup_us_per_roundtrip"] / figures["reference_us"], 2)
    for name, value in figures.items():
        print(f"{name:28} {value:>10}")
    if arguments.json:
        print(json.dumps(figures))


if __name__ == "__main__":
    main()
