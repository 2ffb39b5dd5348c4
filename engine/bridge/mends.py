"""What Locust 2.47 does that hurts thousands of stations, mended from outside, each only while it is there.

* Every `spawn` message makes a worker build Locust's argument parser once per option: 90 ms of the hub, each
  second of a ramp. The result never changes, so it is remembered.
* A worker counts as missing after three missed heartbeats; a garbage collection over 30,000 stations, or a
  machine that starts 10,000 TLS links, is quiet for longer than that.
* The hub and the station loop share the interpreter lock: with Python's 5 ms switch interval a busy hub
  delays the loop's every system call by 5 ms.
* gevent prints a traceback for each Ctrl-C.
"""

import functools
import sys
from typing import Final

import gevent
from locust import argument_parser, runners

MISSED_HEARTBEATS: Final = 10
SWITCH_INTERVAL_S: Final = 0.0005


def remember_default_arguments() -> None:
    """Let Locust look its own defaults up once, not once per option and spawn message."""
    stock = getattr(argument_parser, "default_args_dict", None)
    if stock is not None and not hasattr(stock, "cache_info"):
        argument_parser.default_args_dict = functools.cache(stock)


def be_patient_with_workers() -> None:
    """A worker is missing after ten missed heartbeats."""
    if hasattr(runners, "HEARTBEAT_LIVENESS"):
        runners.HEARTBEAT_LIVENESS = max(runners.HEARTBEAT_LIVENESS, MISSED_HEARTBEATS)


def switch_threads_quickly() -> None:
    """In processes that run stations."""
    sys.setswitchinterval(SWITCH_INTERVAL_S)


def interrupt_without_traceback() -> None:
    """Ctrl-C mostly finds the hub waiting: the main greenlet is told all the same, nothing is printed."""
    hub = gevent.get_hub()
    hub.NOT_ERROR = (*hub.NOT_ERROR, KeyboardInterrupt)


def apply() -> None:
    """In every process, before Locust makes its runner."""
    remember_default_arguments()
    be_patient_with_workers()
