"""The link alone: no station, no Locust, no record. What any number of layers is measured against.

    python benchmarks/bare_link.py URL --links 1000 --rate 5000 --seconds 10

Each link sends a MeterValues of the usual size at an even pace and waits for its answer; `--rate 0` sends
the next as soon as the answer is there. Prints CPU (user and system) in microseconds per round trip.
"""

import argparse
import asyncio
import sys
import time

import uvloop

from engine.dial import Dial, DialSettings
from engine.link import Link
from engine.loop import TICK_S
from stations.core.events import LinkFailure

_SAMPLES = ",".join(
    f'{{"value":"{value}","measurand":"{measurand}","unit":"{unit}","context":"Sample.Periodic"}}'
    for value, measurand, unit in (
        ("1234567", "Energy.Active.Import.Register", "Wh"),
        ("7261.5", "Power.Active.Import", "W"),
        ("31.4", "Current.Import", "A"),
        ("231.2", "Voltage", "V"),
    )
)
MESSAGE = (
    '[2,"10000000000000000001","MeterValues",{"connectorId":1,"transactionId":1,"meterValue":'
    f'[{{"timestamp":"2026-11-22T09:00:00.000Z","sampledValue":[{_SAMPLES}]}}]}}]'
).encode()


class Station:
    """Owner of a link that only counts."""

    up = 0
    answered = 0

    def __init__(self, dial: Dial, url: str, *, closed_loop: bool) -> None:
        self.closed_loop = closed_loop
        self.link = Link(self, dial, url)

    def link_up(self, subprotocol: str | None) -> None:
        """One more is ready."""
        assert subprotocol
        Station.up += 1

    def link_refused(self, failure: LinkFailure, detail: str) -> None:
        """A benchmark needs every link."""
        sys.exit(f"{failure}: {detail}")

    def link_down(self, code: int | None, reason: str) -> None:
        """The same."""
        sys.exit(f"link down: {code} {reason}")

    def received(self, data: bytes) -> None:
        """An answer."""
        assert data
        Station.answered += 1
        if self.closed_loop:
            self.link.send(MESSAGE)

    def broke_rule(self, rule: str, detail: str, frame: bytes) -> None:
        """The sink breaks none."""
        sys.exit(f"{rule}: {detail} {frame!r}")

    def rearm(self) -> None:
        """No deadline is watched here."""


async def _connected(options: argparse.Namespace) -> list[Station]:
    dial = Dial(asyncio.get_running_loop(), DialSettings())
    stations = []
    for number in range(options.links):
        stations.append(Station(dial, f"{options.url}/B{number}", closed_loop=not options.rate))
        if number % 20 == 0:
            await asyncio.sleep(0.01)
    while Station.up < options.links:  # noqa: ASYNC110 — a benchmark may poll
        await asyncio.sleep(0.01)
    return stations


async def _paced(stations: list[Station], rate: float) -> None:
    began, sent = time.monotonic(), 0
    while True:
        await asyncio.sleep(TICK_S)
        wanted = int((time.monotonic() - began) * rate)
        for number in range(sent, wanted):
            stations[number % len(stations)].link.send(MESSAGE)
        sent = wanted


async def measure(options: argparse.Namespace) -> float:
    stations = await _connected(options)
    if options.rate:
        pacing = asyncio.create_task(_paced(stations, options.rate))
    else:
        pacing = None
        for station in stations:
            station.link.send(MESSAGE)
    await asyncio.sleep(1.0)
    cpu_s, answered = time.process_time(), Station.answered
    await asyncio.sleep(options.seconds)
    cost_us = (time.process_time() - cpu_s) * 1e6 / (Station.answered - answered)
    if pacing is not None:
        pacing.cancel()
    return cost_us


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("url")
    parser.add_argument("--links", type=int, default=1000)
    parser.add_argument("--rate", type=float, default=5000.0, help="round trips per second of all links")
    parser.add_argument("--seconds", type=float, default=10.0)
    print(f"{uvloop.run(measure(parser.parse_args())):.2f}")


if __name__ == "__main__":
    main()
