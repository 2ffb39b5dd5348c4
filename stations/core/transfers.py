"""File transfers that are only modelled: how long one takes and whether it works, drawn from a stream.

A fleet moves no files: ten thousand stations fetching an image would load everything but the CSMS. Real
transfers are the edge's business (`TransferWanted`, `TransferEnded`) and only happen when the plan asks.
"""

from math import log
from typing import Final, NamedTuple
from urllib.parse import urlsplit

from msgspec import Struct

from stations.core.streams import Stream

LONGEST_S: Final = 3600.0  # a drawn time is cut here: no station hangs for ever


class Odds(Struct, frozen=True):
    """Time and luck of one kind of step: lognormal seconds, and the share of attempts that fail."""

    median_s: float
    spread: float = 0.4  # sigma of the logarithm: 0.4 puts 95 % within a factor of 2.2
    failures: float = 0.0


class Transfers(Struct, frozen=True):
    """What a product's modelled transfers are like."""

    download: Odds = Odds(45.0)
    install: Odds = Odds(60.0)
    upload: Odds = Odds(15.0)


# Somebody watches a station that fetches real images: what is installed is nothing, so it does not take long.
REAL_INSTALL: Final = Odds(2.0, spread=0.0)

# A location that the station cannot reach at all: every attempt fails at once.
UNREACHABLE: Final = Transfers(Odds(0.0, failures=1.0), Odds(0.0), Odds(0.0, failures=1.0))


def protocol_of(location: str) -> str:
    """The protocol of a URL in capitals; nothing if it names no host that could be asked (UF-1, GD-1)."""
    try:
        parts = urlsplit(location)
        host, _port = parts.hostname, parts.port
    except ValueError:
        return ""
    return parts.scheme.upper() if host else ""


SHORTEST_PAUSE_S: Final = 1.0
"""Between attempts, whatever was asked for: a million retries without a pause must not stop the station."""


def pause_s(retry_interval: int | None) -> float:
    """From one attempt to the next (UF-1, GD-2)."""
    return max(SHORTEST_PAUSE_S, retry_interval or 0)


class Draw(NamedTuple):
    """One attempt: when it will be over, and how."""

    duration_s: float
    ok: bool


def draw(odds: Odds, luck: Stream) -> Draw:
    """The next attempt's time and result."""
    duration_s = min(luck.lognormal(log(odds.median_s), odds.spread), LONGEST_S) if odds.median_s else 0.0
    return Draw(duration_s, luck.random() >= odds.failures)
