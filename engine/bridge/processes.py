"""Who master and workers are as processes of a machine, and whether one is surely gone.

Heartbeats say that nothing is heard of a process; only its own machine can say that it does not exist any
more. Of a process elsewhere nothing is known.
"""

import os
from functools import cache
from pathlib import Path

import msgspec
import psutil

_BOOT: Path = Path("/proc/sys/kernel/random/boot_id")


class Process(msgspec.Struct, frozen=True):
    """One process, for ever: a process id alone may be somebody else's by now."""

    machine: str
    pid: int
    started_s: float  # Unix time


@cache
def machine() -> str:
    """This boot of this machine and its space of process ids; containers that share a name differ in it."""
    return f"{_BOOT.read_text().strip()} {os.readlink('/proc/self/ns/pid')}"  # noqa: PTH115 — no real path


def own() -> Process:
    """This process."""
    process = psutil.Process()
    return Process(machine(), process.pid, process.create_time())


def is_near(process: Process) -> bool:
    """Whether it is or was one of this machine."""
    return process.machine == machine()


def is_gone(process: Process) -> bool:
    """Whether it was one of this machine and does not run any more; a zombie does not."""
    if not is_near(process):
        return False
    try:
        found = psutil.Process(process.pid)
        same = abs(found.create_time() - process.started_s) < 1.0
        return not same or found.status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True
