"""Where time comes from: the only place that turns real seconds into station seconds and back.

A station lives on *core time*: seconds on a monotonic clock, compressed by `scale` (design C9). With
`scale` 60 a station's day passes in 24 minutes. Sockets, timeouts of the transport and everything that is
recorded stay in real time: `core = origin + (real - origin) * scale`.

What stations write into their messages is a choice: real timestamps, so that a central system sees its own
time in them, or simulated ones, so that a session of six hours lasts six hours in its books too.
"""

import time
from typing import Final

from mypy_extensions import mypyc_attr

from profiles.fleetfile import Timestamps
from stations.core.events import PowerOn
from stations.core.wall import WEEK_S, local_unix_s

monotonic: Final = time.monotonic


def wall_offset() -> float:
    """Unix time minus `monotonic()`, in seconds."""
    return time.time() - time.monotonic()


@mypyc_attr(allow_interpreted_subclasses=True)
class Clock:
    """Core time of one edge. Wall time is read once: a step of the system clock moves no duration (HB-4)."""

    __slots__ = ("_own_time", "_shift_s", "scale", "unix_us_at_zero", "us_per_s", "wall_offset_s")

    def __init__(
        self,
        scale: float = 1.0,
        *,
        origin_s: float | None = None,
        unix_s: float | None = None,
        simulated_from_unix_s: float | None = None,
    ) -> None:
        """`scale` is core seconds per real second; the origin defaults to the moment of construction.

        `simulated_from_unix_s`: what the clocks of stations show at the origin, if they go at their own pace.
        """
        self.scale: Final = scale
        self.us_per_s: Final = 1e6 / scale  # real microseconds in one core second
        origin_s = monotonic() if origin_s is None else origin_s
        unix_s = time.time() if unix_s is None else unix_s
        self._shift_s = origin_s - origin_s * scale  # exactly 0 at scale 1
        self.unix_us_at_zero: Final = unix_s * 1e6 - origin_s * self.us_per_s  # real, of core moment 0
        self.wall_offset_s: Final = unix_s - origin_s
        if simulated_from_unix_s is None:
            self._own_time = (unix_s - origin_s / scale, 1.0 / scale, True)
        else:
            self._own_time = (simulated_from_unix_s - origin_s, 1.0, False)

    def power_on(self) -> PowerOn:
        """Mains on, with a station's own clock as it goes in this run."""
        return PowerOn(*self._own_time)

    def now(self) -> float:
        """Core time now, in seconds."""
        return monotonic() * self.scale + self._shift_s

    def core_s(self, real_s: float) -> float:
        """Core time at a moment of the real monotonic clock."""
        return real_s * self.scale + self._shift_s

    def real_s(self, core_s: float) -> float:
        """The moment of the real monotonic clock at which core time will be `core_s`."""
        return (core_s - self._shift_s) / self.scale

    def unix_us(self, core_s: float) -> int:
        """Real Unix time of a core moment, in microseconds: what the run folder stores."""
        return int(core_s * self.us_per_s + self.unix_us_at_zero)


def clock_of(scale: float, timestamps: Timestamps, start_local_s: float | None) -> Clock:
    """The clock of a run; simulated timestamps begin at the last such weekday and hour, or now for None."""
    if scale == 1.0 or timestamps is Timestamps.REAL:
        return Clock(scale)
    now = time.time()
    begin = now if start_local_s is None else local_unix_s(start_local_s % WEEK_S, now)
    return Clock(scale, unix_s=now, simulated_from_unix_s=begin)
