"""How a firmware writes time (LG-1): the guide's of 2019 in local time with offset, a later one in UTC."""

from enum import Enum
from functools import lru_cache
from typing import Final

from stations.wire.types import format_datetime, parse_datetime

_HOUR_S: Final = 3600
_DAY_S: Final = 24 * _HOUR_S
_EPOCH_WEEKDAY: Final = 3  # 1 January 1970 was a Thursday, counted from Monday


class TimestampStyle(Enum):
    """The two ways seen on real units."""

    LOCAL_MILLIS = "local time with milliseconds and offset"
    UTC_SECONDS = "UTC without milliseconds"


# By firmwareVersion as reported. The guide's examples come from the first; the log of 2024 does not name its
# firmware, so that every other version writes as that log does.
STYLES: Final = {"V01.01.65/V01.01.08": TimestampStyle.LOCAL_MILLIS}


def stamp(unix_s: float, firmware: str) -> str:
    """A moment as this firmware writes it on the wire."""
    if STYLES.get(firmware) is TimestampStyle.LOCAL_MILLIS:
        return format_datetime(unix_s, millis=True, offset_min=french_offset_min(unix_s))
    return format_datetime(unix_s, millis=False)


def french_offset_min(unix_s: float) -> int:
    """Minutes that French local time is ahead of UTC: 120 in summer, 60 in winter."""
    return _offset_min(int(unix_s // _HOUR_S))


@lru_cache(maxsize=256)
def _offset_min(hour: int) -> int:
    # Directive 2000/84/EC: summer time from the last Sunday of March to that of October, at 01:00 UTC.
    year = format_datetime(hour * _HOUR_S)[:4]
    begin, end = (
        _sunday_before(parse_datetime(f"{year}-{after}-01T00:00:00Z")) + _HOUR_S for after in ("04", "11")
    )
    return 120 if begin <= hour * _HOUR_S < end else 60


def _sunday_before(midnight_s: float) -> float:
    days = int(midnight_s // _DAY_S)
    return midnight_s - ((days + _EPOCH_WEEKDAY) % 7 + 1) * _DAY_S
