"""Tables of a run as CSV on standard output: `python -m results.analysis.export summary|findings RUN`."""

import argparse
import csv
import sys
from collections.abc import Callable
from typing import Final, TextIO

from results.analysis.run import Run, open_run
from results.exit_codes import ExitCode
from stations.errors import PlanError

_SUMMARY: Final = (
    "action",
    "count",
    "failures",
    "cancelled",
    "per_s",
    "p50_ms",
    "p95_ms",
    "p99_ms",
    "max_ms",
    "service_p95_ms",
)
_FINDINGS: Final = ("at", "rule", "kind", "detail", "station", "count", "frame")


def summary_csv(run: Run, file: TextIO) -> None:
    """One line per action of the stations, and one for all of them."""
    summary = run.summary()
    rows = csv.writer(file)
    rows.writerow(_SUMMARY)
    rows.writerows([getattr(line, name) for name in _SUMMARY] for line in [*summary.actions, summary.total])


def findings_csv(run: Run, file: TextIO) -> None:
    """Examples with frames (redacted when they were recorded), and rows that only count."""
    columns = [name for name in _FINDINGS if name in run.findings.columns]
    run.findings[columns].to_csv(file, index=False)


TABLES: Final[dict[str, Callable[[Run, TextIO], None]]] = {"summary": summary_csv, "findings": findings_csv}


def main(words: list[str] | None = None) -> int:
    """Write one table; bad input is one line on standard error."""
    parser = argparse.ArgumentParser(prog="python -m results.analysis.export", description=__doc__)
    parser.add_argument("table", choices=sorted(TABLES))
    parser.add_argument("run", metavar="RUN", help="run folder")
    arguments = parser.parse_args(words)
    try:
        TABLES[arguments.table](open_run(arguments.run), sys.stdout)
    except PlanError as mistake:
        sys.stderr.write(f"{mistake}\n")
        return ExitCode.INPUT
    return ExitCode.PASS


if __name__ == "__main__":
    sys.exit(main())
