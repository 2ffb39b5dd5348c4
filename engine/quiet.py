"""Stations without the messages that only a clock sends, for dry runs that do not need them."""

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
