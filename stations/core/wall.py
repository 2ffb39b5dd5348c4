"""The station's wall clock and how it writes times.

Timers, metering and elapsed times use the edge's monotonic clock; only what goes on the wire and absolute
schedules use this clock, which currentTime corrects (BOOT-3, HB-4).
"""

from datetime import UTC, datetime, timedelta
from functools import lru_cache
from math import floor
from typing import TYPE_CHECKING, Final

from stations.core.plan import Personality, Product
from stations.core.product_faults import WRONG_CLOCK
from stations.wire.types import format_datetime, parse_datetime

if TYPE_CHECKING:
    from stations.core.station import Station

_FRACTIONS: Final = tuple(f".{thousandths:03d}" for thousandths in range(1000))
_MONDAY_S: Final = 4 * 86_400.0  # 1970 began on a Thursday
WEEK_S: Final = 7 * 86_400.0
STEP_S: Final = 1.0  # smaller differences are the answer's travel time, not a wrong clock
NO_CLOCK_S: Final = 4_102_444_800.0  # the year 2100: no clock of a station shows 1969 or this
WRONG_CLOCK_S: Final = 60.0  # a central system this far from the edge's own clock is a finding


def unix_s(station: "Station", at: float | None = None) -> float:
    """Unix time of a moment on the edge's clock, by the station's own clock; now by default."""
    return (station.now if at is None else at) * station.wall_rate + station.wall_offset_s


def wait_s(station: "Station", unix: float) -> float:
    """Seconds on the edge's clock until the station's own clock shows `unix`; negative when it is past."""
    return (unix - unix_s(station)) / station.wall_rate


def adjust(station: "Station", current_time: str, rule: str) -> None:
    """BOOT-3, HB-4: set the clock from a confirmation's currentTime; far from ours, it breaks `rule`."""
    if not station.wall_told:
        return
    told = parse_datetime(current_time)
    if abs(told - unix_s(station)) < STEP_S or WRONG_CLOCK in station.plan.product.faults:
        return
    own = unix_s(station) + station.rtc_offset_s - station.wall_offset_s
    if abs(told - own) > WRONG_CLOCK_S:
        station.find(rule, f"currentTime is {told - own:+.0f} s off")
    if not 0 <= told < NO_CLOCK_S:
        return
    step_s = told - unix_s(station)
    station.wall_offset_s += step_s
    station.clock_stepped(step_s)


def stamp(station: "Station", unix: float) -> str:
    """A time as this product and firmware write it (LG-1)."""
    local, millis = _style(station.plan.product.personality, station.firmware)
    if not millis:
        return "".join(_clock(int(unix), local))
    moment_ms = unix * 1000.0
    whole_ms = floor(moment_ms)
    rest = moment_ms - whole_ms
    if rest > 0.5 or (rest == 0.5 and whole_ms & 1):  # `round`, which compiled code has no short way to
        whole_ms += 1
    clock, zone = _clock(whole_ms // 1000, local)
    return f"{clock}{_FRACTIONS[whole_ms % 1000]}{zone}"


@lru_cache(maxsize=512)
def _clock(seconds: int, local: bool) -> tuple[str, str]:
    """Date and time, and zone, of one second: stations sample in the same ones."""
    offset_min = _offset_min(seconds // 3600) if local else 0
    text = format_datetime(seconds, millis=False, offset_min=offset_min)
    return (text[:19], text[19:])


def whole_seconds(product: Product, firmware: str) -> bool:
    """Whether timestamps of this product carry no milliseconds."""
    return not _style(product.personality, firmware)[1]


@lru_cache(maxsize=256)
def _style(personality: Personality, firmware: str) -> tuple[bool, bool]:
    """(local offset, milliseconds). The guide's firmware of 2019 (V01.01) prints both, later ones neither."""
    if personality is Personality.SPEC:
        return False, True
    first_generation = firmware.startswith(("V00.", "V01.00.", "V01.01."))
    return first_generation, first_generation


def local_unix_s(week_s: float, before: float) -> float:
    """The last moment up to `before` at which the local clock showed `week_s` since Monday 00:00."""
    for offset_min in (_offset_min(int(before // 3600)), 60, 120):  # the week may hold a change of the hour
        local_s = before + 60.0 * offset_min
        moment = before - (local_s - _MONDAY_S - week_s) % WEEK_S
        if _offset_min(int(moment // 3600)) == offset_min:
            return moment
    return moment  # the hour that spring leaves out


@lru_cache(maxsize=256)
def _offset_min(unix_h: int) -> int:
    """Central European time: summer from the last Sunday of March to that of October, 01:00 UTC."""
    moment = datetime.fromtimestamp(unix_h * 3600, UTC)
    summer = _last_sunday(moment.year, 3) <= moment < _last_sunday(moment.year, 10)
    return 120 if summer else 60


def _last_sunday(year: int, month: int) -> datetime:
    last = datetime(year, month, 31, 1, tzinfo=UTC)  # March and October have 31 days
    return last - timedelta(days=(last.weekday() + 1) % 7)
