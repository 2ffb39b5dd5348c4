"""What the machine itself does to anybody's lag: no program on it can be more punctual than that.

    python benchmarks/machine.py [--share 0.7] [--seconds 10]

Hosts of virtual machines take speed away for tens of milliseconds, and no counter of the guest tells. So
there are two references:

- `ideal_lag_ms`: the own lag of a program that takes a share of a core, evenly, and only calculates;
- `Witness`: a process beside a benchmark (1-2 % of a core) that does the same bit of arithmetic every few
  milliseconds. Timed in CPU time, so that waiting for a busy core does not count, it shows the moments at
  which the machine stood still. All others, but for some time to catch up after them, are calm.
"""

import argparse
import os
import subprocess
import sys
import time
from tempfile import TemporaryFile
from typing import Self

import numpy as np
import numpy.typing as npt

PERIOD_S = 0.005
TURNS = 500  # of arithmetic, some 20 us
STALL = 3.0  # times the usual cost: other programs on the host account for two, nothing for this
CATCH_UP_S = 0.4  # a worker with 70 % to do works off 0.1 s of standstill in less

Floats = npt.NDArray[np.float64]


def arithmetic(turns: int) -> int:
    """Some calculation that touches no memory."""
    value = 1
    for _ in range(turns):
        value = value * 69_069 + 1 & 0xFFFF_FFFF
    return value


def turns_per_s(seconds: float = 3.0) -> float:
    """On average, as the machine is."""
    began_s, turns = time.monotonic(), 0
    while time.monotonic() < began_s + seconds:
        arithmetic(TURNS)
        turns += TURNS
    return turns / (time.monotonic() - began_s)


def calculate(share: float, seconds: float) -> Floats:
    """Lags in ms of a schedule of calculations, one a period, that take `share` of a core."""
    turns = int(turns_per_s() * share * PERIOD_S)
    began_s, lags_ms = time.monotonic(), []
    for number in range(int(seconds / PERIOD_S)):
        due_s = began_s + number * PERIOD_S
        time.sleep(max(0.0, due_s - time.monotonic()))
        lags_ms.append((time.monotonic() - due_s) * 1e3)
        arithmetic(turns)
    return np.array(lags_ms)


def ideal_lag_ms(share: float, seconds: float) -> float:
    """The 99th percentile of `calculate` in a process of its own."""
    command = [sys.executable, __file__, "--share", f"{share:.2f}", "--seconds", str(seconds), "--quiet"]
    return float(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def watch() -> None:
    """Write moments and costs to standard output, as long as somebody waits for them."""
    parent = os.getppid()
    while os.getppid() == parent:
        time.sleep(PERIOD_S)
        arithmetic(TURNS)  # out of the cold
        before = time.thread_time_ns()
        arithmetic(TURNS)
        print(f"{time.time():.6f} {time.thread_time_ns() - before}", flush=True)


def stalls(at_s: Floats, costs: Floats) -> Floats:
    """Of those moments with a cost of the same work: at which the machine stood still, or nearly so."""
    return at_s[costs > STALL * np.quantile(costs, 0.2)]


def calm(stalls_s: Floats, moments_s: Floats) -> npt.NDArray[np.bool_]:
    """Which moments lie neither at one of the ascending `stalls_s` nor within CATCH_UP_S of the last one."""
    if not len(stalls_s):
        return np.ones(len(moments_s), dtype=bool)
    last = np.searchsorted(stalls_s, moments_s + PERIOD_S) - 1
    return np.asarray((last < 0) | (moments_s - stalls_s[last.clip(0)] > CATCH_UP_S))


class Witness:
    """A process of its own; use as a context, then ask."""

    def __enter__(self) -> Self:
        self._said = TemporaryFile("w+")
        self._process = subprocess.Popen([sys.executable, __file__, "--watch"], stdout=self._said)
        while not os.fstat(self._said.fileno()).st_size:
            time.sleep(PERIOD_S)
        return self

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        self._process.wait()
        with self._said as said:
            said.seek(0)
            at_s, costs = np.array([line.split() for line in said], dtype=float).T
        self._stalls_s = stalls(at_s, costs)

    def calm(self, moments_s: Floats) -> npt.NDArray[np.bool_]:
        """Which of these Unix times were calm."""
        return calm(self._stalls_s, moments_s)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--share", type=float, default=0.7, help="of a core")
    parser.add_argument("--seconds", type=float, default=10.0)
    parser.add_argument("--quiet", action="store_true", help="the 99th percentile alone")
    parser.add_argument("--watch", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.watch:
        watch()
        return
    if options.quiet:
        print(np.quantile(calculate(options.share, options.seconds), 0.99))
        return
    since_s = time.time()
    with Witness() as witness:
        p50, p99, most = np.quantile(calculate(options.share, options.seconds), (0.5, 0.99, 1.0))
    moments_s = np.linspace(since_s + 0.5, since_s + options.seconds, 10_000)
    print(f"calm for {witness.calm(moments_s).mean():.0%} of the time")
    print(f"a program that only calculates, {options.share:.0%} of a core, on schedule:")
    print(f"own lag p50 {p50:.2f} ms, p99 {p99:.2f} ms, at most {most:.2f} ms")


if __name__ == "__main__":
    main()
