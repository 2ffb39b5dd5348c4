"""What the operating system must allow before stations start: open files and source ports."""

import os
import resource
from pathlib import Path
from typing import Final

from stations.errors import PlanError

SPARE_FILES: Final = 256  # run folder, control channels, libraries; one descriptor per station besides
_PORTS: Final = Path("/proc/sys/net/ipv4/ip_local_port_range")


def open_files() -> int:
    """How many this process has open."""
    return len(os.listdir("/proc/self/fd"))  # noqa: PTH208 — names only


def prepare(
    stations: int, *, source_addresses: int = 0, others_open: int | None = None, on_machine: int = 0
) -> None:
    """Make room for this worker's `stations`, or say in numbers what is missing (PlanError).

    Raises the soft limit on open files as far as the hard one goes. `source_addresses` is how many were
    given; none is the same as one. `others_open`: open files that are no stations, by default all of now.
    `on_machine`: stations of all workers of this machine, where they are known: they share its source ports.
    """
    _raise_open_files(stations, open_files() if others_open is None else others_open)
    _check_ports(max(stations, on_machine), max(1, source_addresses))


def _raise_open_files(stations: int, others: int) -> None:
    needed = stations + SPARE_FILES + others
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    unlimited = resource.RLIM_INFINITY
    if hard != unlimited and needed > hard:
        room = hard - needed + stations
        fewer = f"at most {room:,} stations per worker (--processes), or " if room > 0 else ""
        raise PlanError(
            f"{stations:,} stations in one worker need {needed:,} open files, the hard limit is {hard:,}; "
            f"mend: {fewer}a higher limit (ulimit -Hn)"
        )
    if soft != unlimited and (soft < hard or hard == unlimited):
        resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, needed) if hard == unlimited else hard, hard))


def _check_ports(stations: int, source_addresses: int) -> None:
    try:
        low, high = map(int, _PORTS.read_text().split())
    except (OSError, ValueError):
        return  # not Linux: nothing is known, and connecting will tell
    ports = high - low + 1
    if stations > ports * source_addresses:
        raise PlanError(
            f"{stations:,} stations need as many source ports towards one central system; "
            f"{source_addresses} source address(es) have {ports * source_addresses:,} ({_PORTS}); "
            f"mend: give at least {-(-stations // ports)} source addresses, or widen the range"
        )
