"""What load a fleet will put on a central system: its day on the virtual edge, and a power cut at 18:00.

Sessions, statuses, authorizations and boots are played in full: stations, cars and people are those of a run.
Only the two kinds of message that a clock sends are left out of the play and added by arithmetic, because
they are nine in ten and carry no surprise: MeterValues every MeterValueSampleInterval of a transaction,
Heartbeats in the time between. Milliseconds on the line are left out too: the finest figure is of a second.
A test holds the arithmetic against a day with everything in it.
"""

from argparse import ArgumentParser, Namespace
from math import inf
from pathlib import Path
from typing import Final

import numpy as np
from msgspec import Struct, structs

from engine import forecast_svg
from engine.central import YesCentral
from engine.quiet import HEARTBEAT_S as QUIET_HEARTBEAT_S
from engine.quiet import prompt, quieted
from engine.virtual import MONDAY_UNIX_S, Listener, World
from engine.virtual_line import Line
from profiles import fleets
from profiles.arrivals import DAY_S
from profiles.fleetfile import MOST_STATIONS
from profiles.fleets import Deployment, Fleet
from profiles.mixtures import Floats, Whole
from results.command_line import MOST_SEED, output_file, whole
from stations.core.events import Effect, TransactionChanged
from stations.core.keys import METER_VALUE_SAMPLE_INTERVAL
from stations.core.plan import Product
from stations.core.streams import stream

BIN_S: Final = 900.0
BINS: Final = int(DAY_S / BIN_S)
HEARTBEAT_S: Final = 300
CUT_FOR_S: Final = 120.0
STORM_S: Final = 900
_LEAD_S: Final = 600.0  # boots and cars that are there already; not counted
_URL: Final = "ws://virtual.invalid/"  # RFC 6761: a name that never resolves; nothing dials it
_SHORT: Final = {"StatusNotification": "StatusNotif.", "BootNotification": "BootNotif."}


class Day(Struct):
    """A day in quarters of an hour from the fleet's 00:10; rates are per second."""

    stations: int
    calls_per_s: dict[str, Floats]
    sessions: Floats  # running transactions, mean
    power_kw: Floats  # at the end of each quarter
    energy_kwh: float
    transactions: int


class Storm(Struct):
    """The minutes after the power comes back, second by second."""

    calls: Whole
    connects: Whole
    boots: int
    back_s: dict[int, float]  # percent of the stations booted → seconds after the power came back


class _Hearing(YesCentral):
    """Counts CALLs and connections by time instead of in total."""

    def __init__(
        self, start_unix_s: float, heartbeat_s: int, *, zero_s: float, bin_s: float, bins: int
    ) -> None:
        super().__init__(start_unix_s, heartbeat_s=heartbeat_s)
        self.heard_per_bin: dict[str, Whole] = {}
        self.connects = np.zeros(bins, np.int64)
        self._zero_s, self._bin_s, self._bins = zero_s, bin_s, bins

    def opened(self, line: Line, now: float) -> None:
        """A WebSocket is open."""
        super().opened(line, now)
        place = int((now - self._zero_s) // self._bin_s)
        if 0 <= place < self._bins:
            self.connects[place] += 1

    def heard(self, line: Line, data: bytes, now: float) -> None:
        """One message."""
        before = self.calls.total()
        super().heard(line, data, now)
        place = int((now - self._zero_s) // self._bin_s)
        if self.calls.total() > before and 0 <= place < self._bins:
            action = data.split(b'"', 4)[3].decode()
            if action not in self.heard_per_bin:
                self.heard_per_bin[action] = np.zeros(self._bins, np.int64)
            self.heard_per_bin[action][place] += 1


class _Ledger:
    """Transactions as they begin and end, for the arithmetic."""

    def __init__(self, start_unix_s: float, sample_s: list[int]) -> None:
        self._start_unix_s, self._sample_s = start_unix_s, sample_s
        self._spans: dict[tuple[int, int], _Span] = {}

    def tell(self, station: int, effect: Effect) -> None:
        """A fact of a station."""
        if not isinstance(effect, TransactionChanged) or effect.state not in {"started", "stopped"}:
            return
        end_s = inf if effect.stopped_s is None else effect.stopped_s - self._start_unix_s
        begin_s = effect.started_s - self._start_unix_s
        self._spans[station, effect.sequence] = _Span(station, begin_s, end_s, self._sample_s[station])

    def spans(self) -> list["_Span"]:
        """All transactions; one that still runs has no end."""
        return list(self._spans.values())


class _Span(Struct, frozen=True):
    station: int
    begin_s: float
    end_s: float
    sample_s: int  # MeterValueSampleInterval of the station


def day_of(deployment: Deployment, *, heartbeat_s: int = HEARTBEAT_S, seed: int = 1) -> Day:
    """Twenty-four hours of a deployment that starts at 00:00 of its day."""
    plain = [prompt(deployment.station(index)) for index in range(deployment.count)]
    start_unix_s = MONDAY_UNIX_S + deployment.start_local_s
    ledger = _Ledger(start_unix_s, [_sample_interval(station.plan.product) for station in plain])
    central = _Hearing(start_unix_s, QUIET_HEARTBEAT_S, zero_s=_LEAD_S, bin_s=BIN_S, bins=BINS)
    journal = Listener(ledger.tell)
    world = World(quieted(plain), central, seed=seed, start_unix_s=start_unix_s, journal=journal)
    world.start(per_s=max(deployment.count / _LEAD_S * 2.0, 10.0))
    powers_kw = []
    for number in range(BINS):
        world.run(_LEAD_S + (number + 1) * BIN_S)
        powers_kw.append(_power_kw(world))
    spans = ledger.spans()
    calls = {action: counts / BIN_S for action, counts in central.heard_per_bin.items()}
    calls |= _clocked(spans, deployment.count, heartbeat_s)
    return Day(
        stations=deployment.count,
        calls_per_s=dict(sorted(calls.items(), key=lambda item: -item[1].sum())),
        sessions=_overlap(spans) / BIN_S,
        power_kw=np.array(powers_kw),
        energy_kwh=float(np.sum(powers_kw) * BIN_S / 3600.0),
        transactions=sum(span.end_s > _LEAD_S for span in spans),
    )


def storm_of(deployment: Deployment, *, heartbeat_s: int = HEARTBEAT_S, seed: int = 1) -> Storm:
    """The power fails at 18:00 and comes back for all at once; the deployment starts ten minutes before.

    Stations take about as long to come up as after a reset, each its own time.
    """
    start_unix_s = MONDAY_UNIX_S + deployment.start_local_s
    back_s = _LEAD_S + CUT_FOR_S
    central = _Hearing(start_unix_s, heartbeat_s, zero_s=back_s, bin_s=1.0, bins=STORM_S)
    plain = [prompt(deployment.station(index)) for index in range(deployment.count)]
    world = World(plain, central, seed=seed, start_unix_s=start_unix_s)
    world.start(per_s=max(deployment.count / _LEAD_S * 2.0, 10.0))
    world.run(_LEAD_S)
    world.power_off()
    for index, station in enumerate(plain):
        luck = stream(seed, station.plan.identity, "boot time")
        boot_s = station.plan.product.reboot_delay_s * luck.uniform(0.7, 1.5)
        world.at(back_s + boot_s, lambda at: world.power_on([at]), index)
    world.run(back_s + STORM_S)
    total = np.sum(list(central.heard_per_bin.values()), axis=0)
    boots = central.heard_per_bin.get("BootNotification", np.zeros(STORM_S, np.int64))
    share = np.cumsum(boots) / deployment.count
    back = {percent: float(np.searchsorted(share, percent / 100.0) + 1) for percent in (50, 90, 99)}
    return Storm(total, central.connects, int(boots.sum()), back)


def _power_kw(world: World) -> float:
    watts = 0.0
    for unit in world.units:
        station = unit.station
        for number in range(1, station.plan.product.connectors + 1):
            if station.connectors[number].transaction is not None:
                watts += station.power_w(number, world.now)
    return watts / 1000.0


def _overlap(spans: list[_Span]) -> Floats:
    """Seconds of transactions in each bin."""
    total = np.zeros(BINS)
    edges = _LEAD_S + BIN_S * np.arange(BINS + 1)
    for span in spans:
        total += np.diff(np.clip(edges, span.begin_s, span.end_s))
    return total


def _clocked(spans: list[_Span], stations: int, heartbeat_s: int) -> dict[str, Floats]:
    """Rates of what a clock sends: samples in transactions, heartbeats of stations that are silent."""
    samples = np.zeros(BINS)
    for sample_s in {span.sample_s for span in spans if span.sample_s}:
        samples += _overlap([span for span in spans if span.sample_s == sample_s]) / sample_s
    # HB-2: any message stands for a heartbeat.
    busy_s = _overlap(_united([span for span in spans if 0 < span.sample_s < heartbeat_s]))
    silent_s = np.maximum(stations * BIN_S - busy_s, 0.0)
    return {"MeterValues": samples / BIN_S, "Heartbeat": silent_s / heartbeat_s / BIN_S}


def _united(spans: list[_Span]) -> list[_Span]:
    """The times at which at least one side of a station is in a transaction."""
    united: list[_Span] = []
    for span in sorted(spans, key=lambda span: (span.station, span.begin_s)):
        last = united[-1] if united else None
        if last is not None and last.station == span.station and span.begin_s <= last.end_s:
            united[-1] = structs.replace(last, end_s=max(last.end_s, span.end_s))
        else:
            united.append(span)
    return united


def _sample_interval(product: Product) -> int:
    written = product.keys.get(METER_VALUE_SAMPLE_INTERVAL.name)
    return int(written) if written is not None else int(METER_VALUE_SAMPLE_INTERVAL.default)


def add_arguments(parser: ArgumentParser) -> None:
    """Arguments of `greenup forecast`."""
    parser.add_argument("fleet", help="name or path of a fleet file")
    parser.add_argument("--stations", metavar="N", type=whole(1, MOST_STATIONS), help="size (as written)")
    parser.add_argument(
        "--seed", metavar="N", type=whole(0, MOST_SEED), default=1, help="same seed, same day (1)"
    )
    parser.add_argument(
        "--heartbeat",
        metavar="S",
        type=whole(1, 86_400),
        default=HEARTBEAT_S,
        help="interval the CSMS will set, s (300)",
    )
    parser.add_argument(
        "--picture", metavar="FILE", type=output_file, help="write an SVG picture of the day there"
    )


def forecast(fleet: Fleet, stations: int | None, *, seed: int, heartbeat_s: int) -> tuple[Day, Storm]:
    """A fleet's day, and its power cut."""
    at_midnight = fleet.deploy(stations, url_base=_URL, seed=seed, start="00:00")
    before_six = fleet.deploy(stations, url_base=_URL, seed=seed, start="17:50")
    day = day_of(at_midnight, heartbeat_s=heartbeat_s, seed=seed)
    return day, storm_of(before_six, heartbeat_s=heartbeat_s, seed=seed)


def table(day: Day, storm: Storm) -> str:
    """The forecast for people: rates by hour, peaks, and the storm."""
    actions = list(day.calls_per_s)
    lines = [f"{day.stations} stations, {day.transactions} transactions, {day.energy_kwh:,.0f} kWh"]
    lines.append("hour   " + "".join(f"{_SHORT.get(action, action)[:12]:>13}" for action in actions))
    lines[-1] += f"{'all/s':>9}{'sessions':>10}{'kW':>9}"
    for hour in range(24):
        part = slice(4 * hour, 4 * hour + 4)
        rates = [day.calls_per_s[action][part].mean() for action in actions]
        lines.append(
            f"{hour:02d}:10  "
            + "".join(f"{rate:>13.3f}" for rate in rates)
            + f"{sum(rates):>9.2f}{day.sessions[part].mean():>10.0f}{day.power_kw[part].max():>9.0f}"
        )
    total = np.sum(list(day.calls_per_s.values()), axis=0)
    lines.append(
        f"highest quarter of an hour: {total.max():.1f} messages/s, {day.sessions.max():.0f} sessions, "
        f"{day.power_kw.max():,.0f} kW"
    )
    back = ", ".join(f"{percent} % after {seconds:.0f} s" for percent, seconds in storm.back_s.items())
    lines.append(
        f"power cut at 18:00 for {CUT_FOR_S:.0f} s: up to {storm.connects.max()} connections/s and "
        f"{storm.calls.max()} messages/s when it is back; BootNotification from {back}"
    )
    return "\n".join(lines)


def run(arguments: Namespace) -> str:
    """`greenup forecast`: the table; the picture if asked for."""
    fleet = fleets.load(arguments.fleet)
    day, storm = forecast(fleet, arguments.stations, seed=arguments.seed, heartbeat_s=arguments.heartbeat)
    if arguments.picture is not None:
        forecast_svg.write(day, storm, fleet.file.title, Path(arguments.picture))
    return table(day, storm)
