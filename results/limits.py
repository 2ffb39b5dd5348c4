"""When a second of a worker is bad, and how many bad ones a run may have before nobody should trust it (C6).

Known to the analysis that judges a finished run, and to the live page that judges the one under way.
"""

from typing import Final

from msgspec import Struct


class Limits(Struct, frozen=True, forbid_unknown_fields=True):
    """When a second of a worker is bad, and how many bad seconds a run may have."""

    loop_delay_p99_us: int = 20_000
    # As wide as the loop delay that causes it: a second of a small worker holds some fifty calls, so its 99th
    # percentile is its worst call, and up to 4 ms of that is the tick of the timer wheel.
    gen_lag_p99_us: int = 20_000
    # Two passes through the loop: whatever makes it late by this much is in every service time as well.
    canary_p99_us: int = 20_000
    clock_offset_us: int = 1_000_000  # either way; beyond it, rows of workers stand in different seconds
    cpu_percent: float = 85.0
    bad_seconds_share: float = 0.01
    bad_seconds: int = 3  # in a short run a single hiccup of the machine is more than 1 %
    dropped_deadlines_share: float = 0.001


DEFAULT_LIMITS: Final = Limits()
