"""Hardship: what goes wrong with stations and lines, when, for how long and for whom.

A plan is a list of `Hardship`. Which stations are struck, and when exactly, depends on the seed, the entry's
place in the plan, the station's identity and the number of the occasion, and on nothing else: any worker
finds out alone, both edges find the same, and a bigger fleet changes nobody's luck.

Times are station seconds (they follow `time_scale`), counted from the moment when the whole fleet has been
started. Latencies are real: networks do not know about compressed time.
"""

from collections.abc import Iterator, Sequence
from enum import StrEnum
from fnmatch import fnmatchcase
from itertools import count
from math import inf
from typing import Annotated, Any, Final, NamedTuple

import msgspec
from msgspec import Meta, Struct

from profiles import tomlfile
from profiles.network import Network, Share
from stations.core.streams import stream
from stations.errors import PlanError

_DAY_S: Final = 86_400.0

Seconds = Annotated[float, Meta(ge=0, le=31_536_000)]


class Verb(StrEnum):
    """What is done."""

    CUT = "cut"  # the connection dies and none can be made
    HOLD = "hold"  # half open: nothing arrives on either side and nobody is told
    SLOW = "slow"  # latency, jitter, bandwidth
    LOSE = "lose"  # the connection dies once
    REBOOT = "reboot"  # the station restarts by itself
    POWER_OFF = "power_off"  # mains cut, back at the end
    RESTART_CSMS = "restart_csms"  # the central system that comes with the project; others are only watched
    DEAF = "deaf"  # a slow reader: asks, and does not take the answers
    OVERSIZE = "oversize"  # one message of `size_bytes`
    REPEAT = "repeat"  # the station's latest CALL again, under the same id
    CHURN = "churn"  # connects and disconnects, again and again


MOMENTS: Final = frozenset({Verb.LOSE, Verb.REBOOT, Verb.OVERSIZE, Verb.REPEAT})
"""Verbs that last no time."""


class Hardship(Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """One entry of a plan: `[[hardship]]` in a fleet file, or a scenario's own."""

    verb: Annotated[Verb, Meta(description="what is done")]
    at_s: Annotated[
        Seconds, Meta(description="when, in station seconds after the whole fleet was started")
    ] = 0.0
    lasting_s: Annotated[Seconds, Meta(description="how long; absent: to the end of the run")] | None = None
    share: Annotated[Share, Meta(description="share of the stations below that is struck")] = 1.0
    stations: Annotated[str, Meta(min_length=1, description="identities that can be struck, a glob")] = "*"
    group: Annotated[str, Meta(description="group of the fleet that can be struck; absent: every group")] = ""
    spread_s: Annotated[Seconds, Meta(description="it begins somewhere within this long")] = 0.0
    return_spread_s: Annotated[Seconds, Meta(description="it ends somewhere within this long")] = 0.0
    every_s: Annotated[float, Meta(gt=0, description="again after this long, other stations")] | None = None
    times: Annotated[int, Meta(ge=1, description="how often, with every_s; absent: for ever")] | None = None
    name: Annotated[
        str, Meta(pattern=r"^[\w-]*$", description="phase of the run while it lasts; absent: the verb")
    ] = ""
    latency_ms: Annotated[float, Meta(ge=0, le=600_000, description="slow: added one-way delay")] = 0.0
    jitter_ms: Annotated[float, Meta(ge=0, le=600_000, description="slow: spread of that delay")] = 0.0
    bandwidth_kbit_s: Annotated[float, Meta(gt=0, description="slow: bandwidth limit")] | None = None
    close_code: (
        Annotated[int, Meta(ge=1000, le=4999, description="restart_csms: said to stations; absent: a crash")]
        | None
    ) = None
    size_bytes: Annotated[int, Meta(ge=1, le=16 << 20, description="oversize: the message")] = 1 << 20
    per_s: Annotated[
        float, Meta(gt=0, le=100, description="deaf: questions a second; churn: connections a second")
    ] = 5.0

    @property
    def phase(self) -> str:
        """What the run's phase is called meanwhile."""
        return self.name or self.verb.value


class Spell(NamedTuple):
    """One station's share of one occasion, in station seconds. `end_s` may be infinite."""

    begin_s: float
    end_s: float
    hardship: Hardship


class Window(NamedTuple):
    """One occasion as the whole fleet sees it: the first beginning to the last end."""

    begin_s: float
    end_s: float
    hardship: Hardship


def check(plan: Sequence[Hardship], where: str) -> None:
    """PlanError for what contradicts itself; `where` names the place in messages."""
    for number, entry in enumerate(plan):
        for wrong, mend in _contradictions(entry):
            raise PlanError(f"{where}[{number}] ({entry.verb}): {wrong}; mend: {mend}")


def _contradictions(entry: Hardship) -> Iterator[tuple[str, str]]:
    if entry.verb in MOMENTS and entry.lasting_s is not None:
        yield "lasts no time", "leave lasting_s out"
    if entry.verb in {Verb.RESTART_CSMS, Verb.DEAF, Verb.CHURN} and entry.lasting_s is None:
        yield "does not say how long", "add lasting_s"
    if entry.verb is Verb.SLOW and not (entry.latency_ms or entry.jitter_ms or entry.bandwidth_kbit_s):
        yield "does not say how slow", "add latency_ms, jitter_ms or bandwidth_kbit_s"
    if entry.every_s is not None and entry.every_s < _length_s(entry):
        yield "begins again before it has ended", f"make every_s at least {_length_s(entry):g}"
    if entry.times is not None and entry.every_s is None:
        yield "times means nothing by itself", "add every_s"


def _length_s(entry: Hardship) -> float:
    """From the first beginning to the last end of one occasion."""
    lasting_s = 0.0 if entry.verb in MOMENTS else inf if entry.lasting_s is None else entry.lasting_s
    return entry.spread_s + lasting_s + entry.return_spread_s


def read(entries: Any, where: str) -> list[Hardship]:
    """A scenario's entries, dicts with a fleet file's keys; PlanError names the place."""
    try:
        plan = msgspec.convert(entries, list[Hardship])
    except msgspec.ValidationError as error:
        raise PlanError(f"{where}: {error}; mend: see docs/scenarios.md") from None
    check(plan, where)
    return plan


class _File(Struct, forbid_unknown_fields=True):
    hardship: list[Hardship]


def parse(text: str, where: str) -> list[Hardship]:
    """A plan in TOML: `[[hardship]]` entries, in lines or inline; PlanError names the place."""
    plan: list[Hardship] = tomlfile.parse(text, _File, where).hardship
    check(plan, f"{where}, $.hardship")
    return plan


def occasions(entry: Hardship) -> Iterator[float]:
    """When each occasion begins."""
    if entry.every_s is None:
        yield entry.at_s
        return
    for number in count() if entry.times is None else range(entry.times):
        yield entry.at_s + number * entry.every_s


def windows(plan: Sequence[Hardship]) -> list[Iterator[Window]]:
    """For each entry its windows in order, for ever if it goes on for ever."""
    return [_windows(entry) for entry in plan]


def _windows(entry: Hardship) -> Iterator[Window]:
    for begin_s in occasions(entry):
        yield Window(begin_s, begin_s + _length_s(entry), entry)


def ends_s(plan: Sequence[Hardship]) -> float:
    """When the last of it is over; infinite if it never is."""
    if any(entry.every_s is not None and entry.times is None for entry in plan):
        return inf
    return max((begin_s + _length_s(entry) for entry in plan for begin_s in occasions(entry)), default=0.0)


def spells(plan: Sequence[Hardship], seed: int, identity: str, group: str) -> list[Iterator[Spell]]:
    """One station's timed verbs, by entry of the plan; entries that never strike it are left out."""
    return [
        _spells(entry, number, seed, identity)
        for number, entry in enumerate(plan)
        if entry.verb is not Verb.RESTART_CSMS
        and entry.share > 0
        and entry.group in {"", group}
        and fnmatchcase(identity, entry.stations)
        and (entry.every_s is not None or _struck(entry, number, 0, seed, identity))
    ]


def _spells(entry: Hardship, number: int, seed: int, identity: str) -> Iterator[Spell]:
    for occasion, begins_s in enumerate(occasions(entry)):
        if not _struck(entry, number, occasion, seed, identity):
            continue
        luck = stream(seed, identity, f"hardship/{number}/{occasion}/moment")
        begin_s = begins_s + luck.uniform(0.0, entry.spread_s)
        if entry.verb in MOMENTS:
            yield Spell(begin_s, begin_s, entry)
        else:
            # The end does not follow the beginning: power comes back when it comes back.
            ends_s = begins_s + entry.spread_s + (inf if entry.lasting_s is None else entry.lasting_s)
            yield Spell(begin_s, ends_s + luck.uniform(0.0, entry.return_spread_s), entry)


def _struck(entry: Hardship, number: int, occasion: int, seed: int, identity: str) -> bool:
    return stream(seed, identity, f"hardship/{number}/{occasion}").random() < entry.share


def weak_spots(network: Network, seed: int, identity: str) -> Iterator[Spell]:
    """The line's own cuts (`cuts_per_day`), some of them half open; seconds since the station was started."""
    if not network.cuts_per_day:
        return
    luck = stream(seed, identity, "line")
    cut, hold = Hardship(Verb.CUT), Hardship(Verb.HOLD)
    now_s = 0.0
    while True:
        now_s += luck.exponential(_DAY_S / network.cuts_per_day)
        half_open = luck.random() < network.half_open
        lasting_s = luck.exponential(network.cut_s)
        yield Spell(now_s, now_s + lasting_s, hold if half_open else cut)
        now_s += lasting_s
