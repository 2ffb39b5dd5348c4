"""What a check of a run comes to: single checks, exit codes, and verdict.json with all of them (C10)."""

from collections.abc import Iterable, Sequence
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Final

import msgspec
from msgspec import Struct

from results.exit_codes import MEANING, ExitCode, decisive
from results.limits import DEFAULT_LIMITS, Limits
from results.run import ABORTED

if TYPE_CHECKING:
    from results.analysis.run import Run

VERDICT_FILE: Final = "verdict.json"


class Status(StrEnum):
    """How one check ended. What could not be evaluated never passes."""

    PASSED = "passed"
    FAILED = "failed"
    ERROR = "error"  # not evaluated: too few samples, nothing recorded, not trusted


class Check(Struct, frozen=True, kw_only=True):
    """One thing that had to be true."""

    suite: str  # slo, regression, ledger, conformance, drift or generator
    name: str
    subject: str = ""  # what it is about: an action, a worker
    wanted: str
    value: str
    status: Status
    margin: str = ""  # how far from the threshold, as a share of it
    code: ExitCode = ExitCode.THRESHOLDS  # what a failure means
    unknown: ExitCode = ExitCode.UNTRUSTED  # what it means that it could not be evaluated
    note: str = ""

    @property
    def exit_code(self) -> ExitCode:
        """PASS, the code of its failure, or what it means that it could not be evaluated."""
        if self.status is Status.PASSED:
            return ExitCode.PASS
        return self.code if self.status is Status.FAILED else self.unknown


class Verdict(Struct, frozen=True, kw_only=True):
    """All checks of a run and the number that leaves the process."""

    run: str
    exit_code: ExitCode
    meaning: str
    checks: list[Check]

    @property
    def passed(self) -> bool:
        """Whether nothing failed."""
        return self.exit_code is ExitCode.PASS

    def not_passed(self) -> list[Check]:
        """What failed or could not be evaluated, the most severe first."""
        order = [
            ExitCode.UNTRUSTED,
            ExitCode.CORRECTNESS,
            ExitCode.BRAKE,
            ExitCode.THRESHOLDS,
            ExitCode.REGRESSION,
        ]
        bad = [check for check in self.checks if check.status is not Status.PASSED]
        return sorted(bad, key=lambda check: order.index(check.exit_code))


def decide(run: str, checks: Sequence[Check]) -> Verdict:
    """The verdict over some checks."""
    code = decisive([check.exit_code for check in checks])
    return Verdict(run=run, exit_code=code, meaning=MEANING[code], checks=list(checks))


def trust_checks(run: "Run", limits: Limits = DEFAULT_LIMITS, *, warn_only: bool = False) -> list[Check]:
    """Whether the run counts at all: one check per reason against it, or a single one that passed."""
    reasons = run.judged(limits).reasons
    aborted = _aborted_checks(run)
    if not reasons or warn_only:
        note = "; ".join(reasons)
        return [_trust_check("trusted", "yes" if not reasons else "no", Status.PASSED, note), *aborted]
    return [_trust_check(reason, "no", Status.ERROR) for reason in reasons] + aborted


def drift_checks(run: "Run") -> list[Check]:
    """Of a run that is judged by drift, one check per measure. What cannot be told passes, and is said."""
    asked = run.drift if run.record.scenario.get("drift") else []
    return [
        Check(
            suite="drift",
            name=drift.name,
            wanted="no drift",
            value=drift.value,
            status=Status.FAILED if drift.exit_code else Status.PASSED,
            code=drift.exit_code,
        )
        for drift in asked
    ]


def write(verdict: Verdict, folder: Path) -> Path:
    """verdict.json in the run folder."""
    path = folder / VERDICT_FILE
    path.write_bytes(msgspec.json.format(msgspec.json.encode(verdict)))
    return path


def verdict_text(verdict: Verdict) -> Iterable[str]:
    """Lines for a terminal: what did not pass first."""
    marks = {Status.PASSED: "ok  ", Status.FAILED: "FAIL", Status.ERROR: "ERR "}
    passed = [check for check in verdict.checks if check.status is Status.PASSED]
    for check in [*verdict.not_passed(), *passed]:
        margin = f"  ({check.margin})" if check.margin else ""
        note = f"  {check.note}" if check.note else ""
        yield f"{marks[check.status]}  {check.name}: {check.value}, wanted {check.wanted}{margin}{note}"
    yield f"verdict: {verdict.meaning} (exit code {int(verdict.exit_code)})"


def _trust_check(name: str, value: str, status: Status, note: str = "") -> Check:
    return Check(
        suite="generator",
        name=name,
        wanted="a trusted run",
        value=value,
        status=status,
        code=ExitCode.UNTRUSTED,
        note=note,
    )


def _aborted_checks(run: "Run") -> list[Check]:
    if run.record.status != ABORTED:
        return []
    return [
        Check(
            suite="slo",
            name="run reached its end",
            wanted="no brake",
            value="aborted",
            status=Status.FAILED,
            code=ExitCode.BRAKE,
        )
    ]
