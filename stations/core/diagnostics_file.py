"""What a real diagnostics upload carries (GD-1, GD-3): a page of text about the station as it is now.

Secrets stay out (GF-4). The time asked for bounds what has a time: transactions and log entries (GD-3).
"""

from collections.abc import Iterator
from typing import TYPE_CHECKING

from stations.core import wall
from stations.core.keys import KEYS
from stations.core.transaction_record import Transaction
from stations.wire.types import format_datetime

if TYPE_CHECKING:
    from stations.core.station import Station


def written(station: "Station", span: tuple[float, float]) -> bytes:
    """The file for a span of Unix time."""
    return ("\n".join(_lines(station, *span)) + "\n").encode()


def _lines(station: "Station", start: float, stop: float) -> Iterator[str]:
    product = station.plan.product
    yield f"station {station.plan.identity} ({product.vendor} {product.model}, serial {station.plan.serial})"
    yield f"firmware {station.firmware}, meter {product.meter_type}"
    yield f"time {format_datetime(wall.unix_s(station))}"
    yield f"asked for {format_datetime(start)} to {format_datetime(stop)}"
    yield f"registration {station.registration or 'none'}, link {station.link}"
    for connector in station.connectors[1:]:
        yield (
            f"connector {connector.number}: {connector.status}, {connector.error_code},"
            f" register {station.meter_wh(connector.number, station.now)} Wh,"
            f" limit {station.limit_a(connector.number):g} A"
        )
    for transaction in _transactions(station):
        if transaction.started_s <= stop and (transaction.stopped_s or stop) >= start:
            yield _told(transaction)
    yield f"messages waiting: {station.backlog}"
    if station.log is not None:
        yield from station.log.between(start, stop)
    for key in KEYS.values():
        if key.readable and key.known_to(station.configuration.personality):
            yield f"{key.name} = {station.configuration.text(key)}"


def _transactions(station: "Station") -> list[Transaction]:
    """Running ones and those whose messages wait, in the order of their starts."""
    running = [connector.transaction for connector in station.connectors]
    waiting = [outgoing.transaction for outgoing in station.queue or ()]
    known = {one.sequence: one for one in (*running, *waiting) if one is not None}
    return [known[sequence] for sequence in sorted(known)]


def _told(transaction: Transaction) -> str:
    end = "runs" if transaction.stopped_s is None else f"to {format_datetime(transaction.stopped_s)}"
    return (
        f"transaction {transaction.sequence}: connector {transaction.connector},"
        f" id {transaction.transaction_id}, from {format_datetime(transaction.started_s)}, {end}"
    )
