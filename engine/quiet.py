"""Stations for dry runs: without the messages that only a clock sends, without milliseconds on the line."""

from collections.abc import Iterable
from typing import Final

from msgspec import structs

from profiles.fleets import Deployed

HEARTBEAT_S: Final = 86_400
_KEYS: Final = {"MeterValueSampleInterval": "0", "HeartbeatInterval": str(HEARTBEAT_S)}


def quieted(stations: Iterable[Deployed]) -> list[Deployed]:
    """The same stations, no samples and hardly a heartbeat. Products stay shared."""
    quiet = {}
    found = []
    for station in stations:
        product = station.plan.product
        if id(product) not in quiet:
            quiet[id(product)] = structs.replace(product, keys={**product.keys, **_KEYS})
        plan = structs.replace(station.plan, product=quiet[id(product)])
        found.append(structs.replace(station, plan=plan))
    return found


def prompt(station: Deployed) -> Deployed:
    """The same station on a line that breaks as often, but loses no time."""
    if station.network is None:
        return station
    network = structs.replace(station.network, latency_ms=0.0, jitter_ms=0.0, bandwidth_kbit_s=None)
    return structs.replace(station, network=network)
