"""What a run or a check says to the shell (C10). One number leaves the process; `verdict.json` has all."""

from collections.abc import Iterable
from enum import IntEnum
from typing import Final


class ExitCode(IntEnum):
    """Exit status of `greenup` commands and of Locust when it runs our stations."""

    PASS = 0
    THRESHOLDS = 1
    INPUT = 2
    REGRESSION = 3
    CORRECTNESS = 4
    UNTRUSTED = 5
    BRAKE = 6
    INTERNAL = 70
    INTERRUPTED = 130


# Our own bug and a Ctrl-C end everything else; below them the order of C10, the brake after what it explains.
PRECEDENCE: Final = (
    ExitCode.INTERNAL,
    ExitCode.INTERRUPTED,
    ExitCode.INPUT,
    ExitCode.UNTRUSTED,
    ExitCode.CORRECTNESS,
    ExitCode.BRAKE,
    ExitCode.THRESHOLDS,
    ExitCode.REGRESSION,
    ExitCode.PASS,
)

MEANING: Final = {
    ExitCode.PASS: "pass",
    ExitCode.THRESHOLDS: "a threshold failed",
    ExitCode.INPUT: "bad input: one line says where and how to mend it; nothing was started",
    ExitCode.REGRESSION: "worse than the baseline",
    ExitCode.CORRECTNESS: "the ledger or a finding says the central system did something wrong",
    ExitCode.UNTRUSTED: "not trusted or not complete: something was lost, too slow, or too little to judge",
    ExitCode.BRAKE: "aborted by a threshold marked as a brake",
    ExitCode.INTERNAL: "our own defect",
    ExitCode.INTERRUPTED: "Ctrl-C",
}


ALWAYS: Final = (ExitCode.PASS, ExitCode.INPUT, ExitCode.INTERNAL, ExitCode.INTERRUPTED)


def table(codes: Iterable[ExitCode] = tuple(ExitCode)) -> str:
    """What the codes mean, for the end of a --help; those of every command are added."""
    shown = sorted({*codes, *ALWAYS})
    return "exit codes:\n" + "\n".join(f"  {code:>3}  {MEANING[code]}" for code in shown)


def decisive(codes: Iterable[ExitCode]) -> ExitCode:
    """The one code that leaves the process when several apply; PASS when there is none."""
    return min(codes, key=PRECEDENCE.index, default=ExitCode.PASS)
