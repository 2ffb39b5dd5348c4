"""Where time comes from: the only place that turns real seconds into station seconds and back.

A station lives on *core time*: seconds on a monotonic clock, compressed by `scale` (design C9). With
`scale` 60 a station's day passes in 24 minutes. Sockets, timeouts of the transport and everything that is
recorded stay in real time: `core = origin + (real - origin) * scale`.

What stations write into their messages is a choice: real timestamps, so that a central system sees its own
time in them, or simulated ones, so that a session of six hours lasts six hours in its books too.
"""

import time
from typing import Final

from profiles.fleetfile import Timestamps
from stations.core.events import PowerOn
from stations.core.wall import WEEK_S, local_unix_s

monotonic: Final = time.monotonic


def wall_offset() -> float:
    """Unix time minus `monotonic()`, in seconds."""
    return time.time() - time.monotonic()


class Clock:
    """Core time of one edge. Wall time is read once: a step of the system clock moves no duration (HB-4)."""

    __slots__ = ("_origin_s", "_own_time", "_unix_origin_s", "scale", "us_per_s", "wall_offset_s")

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
        self._origin_s = monotonic() if origin_s is None else origin_s
        self._unix_origin_s = time.time() if unix_s is None else unix_s
        self.wall_offset_s: Final = self._unix_origin_s - self._origin_s
        if simulated_from_unix_s is None:
            self._own_time = (self._unix_origin_s - self._origin_s / scale, 1.0 / scale, True)
        else:
            self._own_time = (simulated_from_unix_s - self._origin_s, 1.0, False)

    def power_on(self) -> PowerOn:
        """Mains on, with a station's own clock as it goes in this run."""
        return PowerOn(*self._own_time)

    def now(self) -> float:
        """Core time now, in seconds."""
        return monotonic() if self.scale == 1.0 else self.core_s(monotonic())

    def core_s(self, real_s: float) -> float:
        """Core time at a moment of the real monotonic clock."""
        if self.scale == 1.0:
            return real_s
        return self._origin_s + (real_s - self._origin_s) * self.scale

    def real_s(self, core_s: float) -> float:
        """The moment of the real monotonic clock at which core time will be `core_s`."""
        if self.scale == 1.0:
            return core_s
        return self._origin_s + (core_s - self._origin_s) / self.scale

    def unix_us(self, core_s: float) -> int:
        """Real Unix time of a core moment, in microseconds: what the run folder stores."""
        return int((self._unix_origin_s + (core_s - self._origin_s) / self.scale) * 1e6)


def clock_of(scale: float, timestamps: Timestamps, start_local_s: float | None) -> Clock:
    """The clock of a run; simulated timestamps begin at the last such weekday and hour, or now for None."""
    if scale == 1.0 or timestamps is Timestamps.REAL:
        return Clock(scale)
    now = time.time()
    begin = now if start_local_s is None else local_unix_s(start_local_s % WEEK_S, now)
    return Clock(scale, unix_s=now, simulated_from_unix_s=begin)
