"""The commands that read run folders. `greenup` and `python -m results.analysis` only dispatch to them."""

import argparse
import errno
import sys
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Final

from results.analysis import folder_commands
from results.analysis.drift import lines
from results.analysis.render import say, summary_markdown, summary_text
from results.analysis.run import Run, open_run
from results.analysis.summary import Summary
from results.command_line import amount, output_file, positive, whole
from results.exit_codes import ExitCode, decisive
from results.secrets import safe_url
from stations.errors import PlanError

_OF_THE_DISK: Final = {errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES, errno.EPERM}
EMBEDDED_DATABASE: Final = "csms.sqlite"  # where a run that started the embedded CSMS keeps its ledger


@dataclass(frozen=True, slots=True)
class Command:
    """One command: its line of help, its arguments, what it does (giving an exit code), and how to use it."""

    help: str
    add_arguments: Callable[[argparse.ArgumentParser], None]
    run: Callable[[argparse.Namespace], int]
    examples: str
    codes: tuple[ExitCode, ...] = ()  # beside those of every command


def run_command(name: str, arguments: argparse.Namespace) -> int:
    """Run one command; bad input is one line on stderr and exit code 2, a defect of ours is 70."""
    try:
        return COMMANDS[name].run(arguments)
    except PlanError as error:
        mistake = str(error)
    except Exception as error:  # noqa: BLE001 — Python's own exit code 1 would say that a threshold failed
        if not isinstance(error, OSError) or error.errno not in _OF_THE_DISK:
            traceback.print_exc()
            return ExitCode.INTERNAL
        mistake = (
            f"{error.filename or 'a file'}: cannot be written ({error.strerror}); make room or name another"
        )
    sys.stderr.write(f"greenup {name}: {mistake}\n")
    return ExitCode.INPUT


def _summary_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("run", metavar="RUN", help="run folder, such as runs/2026-11-22T074103Z-steady-7f3a")
    parser.add_argument("--phase", help="only the calls of this phase, such as steady")
    parser.add_argument(
        "--format", choices=["text", "json", "markdown"], default="text", help="default: text"
    )


def _summary(arguments: argparse.Namespace) -> int:
    summary = open_run(arguments.run).summary(arguments.phase)
    forms: dict[str, Callable[[Summary], str]] = {
        "text": summary_text,
        "markdown": summary_markdown,
        "json": Summary.json,
    }
    say(forms[arguments.format](summary))
    trust = ExitCode.PASS if summary.trusted else ExitCode.UNTRUSTED
    return decisive([trust, *(drift.exit_code for drift in summary.drift)])


def _drift_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("run", metavar="RUN", help="run folder of a long run")


def _drift(arguments: argparse.Namespace) -> int:
    found = open_run(arguments.run).drift
    say("\n".join(lines(found)))
    return decisive(drift.exit_code for drift in found)


def _check_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("run", metavar="RUN", help="run folder")
    parser.add_argument(
        "--slo", metavar="FILE", help="thresholds (docs/gates.md); without, only trust is checked"
    )
    parser.add_argument(
        "--baseline", metavar="RUN", nargs="+", default=[], help="runs for thresholds `vs baseline`"
    )
    parser.add_argument("--junit", type=output_file, metavar="FILE", help="write JUnit XML")
    parser.add_argument(
        "--markdown",
        type=output_file,
        metavar="FILE",
        help="append Markdown, such as to $GITHUB_STEP_SUMMARY",
    )
    parser.add_argument("--annotations", action="store_true", help="print GitHub annotations of what failed")
    parser.add_argument("--on-untrusted", choices=["fail", "warn"], default="fail", help="default: fail")
    parser.add_argument("--format", choices=["text", "json"], default="text", help="default: text")


def _check(arguments: argparse.Namespace) -> int:
    from results.analysis import ci, gate, slo, verdicts  # noqa: PLC0415 — the summary shall start quickly

    run = open_run(arguments.run)
    warn = arguments.on_untrusted == "warn"
    if arguments.slo:
        baseline = [open_run(path) for path in arguments.baseline]
        verdict = gate.check(run, slo.load(arguments.slo), baseline, warn_untrusted=warn)
    else:
        trust = verdicts.trust_checks(run, warn_only=warn)
        verdict = verdicts.decide(run.record.id, [*trust, *verdicts.drift_checks(run)])
    verdicts.write(verdict, run.path)
    if arguments.junit or arguments.markdown:
        ci.write_files(verdict, run.summary(), arguments.junit, arguments.markdown)
    if arguments.format == "json":
        say((run.path / verdicts.VERDICT_FILE).read_text())
    else:
        say("\n".join(verdicts.verdict_text(verdict)))
    if arguments.annotations:
        say("\n".join(ci.annotations(verdict)))
    return verdict.exit_code


def _compare_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "runs", metavar="RUN", nargs="*", help="candidate runs; without --base the first half is the baseline"
    )
    parser.add_argument("--base", metavar="RUN", nargs="+", help="runs of the baseline")
    parser.add_argument("--history", action="store_true", help="the baseline is a history of sessions (weak)")
    parser.add_argument("--phase", help="default: steady where every run has it")
    parser.add_argument(
        "--csv", type=output_file, metavar="FILE", help="write one row per run for drift detectors"
    )
    parser.add_argument(
        "--html",
        type=output_file,
        metavar="FILE",
        help="write a self-contained page with verdict and pictures",
    )
    parser.add_argument(
        "--format", choices=["text", "json", "markdown"], default="text", help="default: text"
    )


def _compare(arguments: argparse.Namespace) -> int:
    from results.analysis.compare import Comparison, compare  # noqa: PLC0415 — the summary shall start quickly
    from results.analysis.compare_text import (  # noqa: PLC0415 — the same
        comparison_markdown,
        comparison_text,
        drift_csv,
    )

    base, candidate = _arms(arguments)
    untrusted = [run for run in (*base, *candidate) if not run.trust]
    if untrusted:
        say("\n".join(f"{run.path}: {run.trust}" for run in untrusted))
        say("not compared: only trusted runs are")
        return ExitCode.UNTRUSTED
    found = compare(base, candidate, phase=arguments.phase, history=arguments.history)
    forms: dict[str, Callable[[Comparison], str]] = {
        "text": comparison_text,
        "markdown": comparison_markdown,
        "json": Comparison.json,
    }
    say(forms[arguments.format](found))
    if arguments.csv:
        Path(arguments.csv).write_text(drift_csv([*base, *candidate], arguments.phase), "utf-8")
    if arguments.html:
        _reports().write_comparison([*base, *candidate], Path(arguments.html), found)
    return found.exit_code


def _arms(arguments: argparse.Namespace) -> tuple[list[Run], list[Run]]:
    runs = [open_run(path) for path in arguments.runs]
    if arguments.base is not None:
        return [open_run(path) for path in arguments.base], runs
    if not runs or len(runs) % 2:
        raise PlanError("name as many candidate as baseline runs, baseline first, or use --base RUN …")
    half = len(runs) // 2
    return runs[:half], runs[half:]


def _reconcile_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("run", metavar="RUN", help="run folder")
    parser.add_argument(
        "--source", help="SQLite file, CSV file or database URL of the CSMS; default: the run's embedded one"
    )
    parser.add_argument(
        "--mapping", help="steve, citrineos, arthexis, greenup or a mapping file (docs/reconcile.md)"
    )
    parser.add_argument("--time-tolerance", metavar="S", type=amount, default=1.0, help="seconds; default 1")
    parser.add_argument(
        "--energy-tolerance", metavar="WH", type=whole(0, 1_000_000_000), default=0, help="Wh; default 0"
    )
    parser.add_argument("--tariff", metavar="PRICE", type=amount, help="per kWh: shows what is at stake")
    parser.add_argument(
        "--csv", type=output_file, metavar="FILE", help="write every session with its verdict"
    )
    parser.add_argument(
        "--format", choices=["text", "json", "markdown"], default="text", help="default: text"
    )


def _reconcile(arguments: argparse.Namespace) -> int:
    from results.analysis.reconcile import (  # noqa: PLC0415 — the summary shall start quickly
        Reconciliation,
        Tolerance,
        reconcile,
    )
    from results.analysis.reconcile_text import (  # noqa: PLC0415 — the same
        reconciliation_markdown,
        reconciliation_text,
    )
    from results.analysis.records import load_mapping, read_records  # noqa: PLC0415 — the same

    run = open_run(arguments.run)
    source = arguments.source or str(run.path / EMBEDDED_DATABASE)
    records = read_records(source, load_mapping(arguments.mapping) if arguments.mapping else None)
    found, rows = reconcile(
        run,
        records,
        source=safe_url(source),
        tolerance=Tolerance(arguments.time_tolerance, arguments.energy_tolerance),
        tariff=arguments.tariff,
    )
    forms: dict[str, Callable[[Reconciliation], str]] = {
        "text": reconciliation_text,
        "markdown": reconciliation_markdown,
        "json": Reconciliation.json,
    }
    say(forms[arguments.format](found))
    if arguments.csv:
        rows.to_csv(arguments.csv, index=False)
    return found.exit_code


def _report_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("run", metavar="RUN", nargs="+", help="run folder; several are compared")
    parser.add_argument(
        "--output", type=output_file, metavar="FILE", help="default: report.html in the (last) run folder"
    )


def _report(arguments: argparse.Namespace) -> int:
    runs = [open_run(path) for path in arguments.run]
    target = Path(arguments.output) if arguments.output else None
    say(f"report: {_reports().write(runs, target)}")
    return ExitCode.PASS


def _reports() -> ModuleType:
    """`results.analysis.report_many`; PlanError where Matplotlib, an extra of the install, is missing."""
    try:
        from results.analysis import report_many  # noqa: PLC0415 — Matplotlib only when somebody draws
    except ModuleNotFoundError as error:
        raise PlanError(f"reports need {error.name}: pip install -e '.[report]'") from error
    return report_many


def _watch_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("run", metavar="RUN", help="run folder of a run that goes on")
    parser.add_argument(
        "--slo", metavar="FILE", required=True, help="thresholds; those with abort = true count"
    )
    parser.add_argument("--interval", metavar="S", type=positive, default=5.0, help="seconds; default 5")


def _watch(arguments: argparse.Namespace) -> int:
    from results.analysis import slo, watch  # noqa: PLC0415 — the summary shall start quickly

    run = open_run(arguments.run)
    return watch.watch(run.path, slo.load(arguments.slo), say, interval_s=arguments.interval)


COMMANDS: Final = {
    "summary": Command(
        "counts, failures and percentiles of a run",
        _summary_arguments,
        _summary,
        """\
  greenup summary runs/2026-11-22T074100Z-steady-7f3a
  greenup summary runs/2026-11-22T074100Z-blackout-91c2 --phase recovery
      only the calls of a phase: how the central system answered while everybody came back
  greenup summary RUN --format json | jq .actions""",
        (ExitCode.THRESHOLDS, ExitCode.UNTRUSTED),
    ),
    "check": Command(
        "a run against thresholds: verdict and exit code",
        _check_arguments,
        _check,
        """\
  greenup check runs/2026-11-22T074100Z-steady-7f3a --slo slo.toml
      each threshold with its value and margin; verdict.json in the run folder
  greenup check RUN --slo slo.toml --junit junit.xml --markdown "$GITHUB_STEP_SUMMARY"
      for a pipeline
  greenup check RUN --slo slo.toml --baseline runs/nightly/*
      with thresholds such as p99(response) vs baseline < +10%""",
        (ExitCode.THRESHOLDS, ExitCode.REGRESSION, ExitCode.CORRECTNESS, ExitCode.UNTRUSTED, ExitCode.BRAKE),
    ),
    "report": Command(
        "one self-contained HTML file about a run",
        _report_arguments,
        _report,
        """\
  greenup report runs/2026-11-22T074100Z-steady-7f3a
      writes report.html into the run folder
  greenup report runs/before runs/after --output compared.html""",
    ),
    "reconcile": Command(
        "the stations' ledger against the CSMS's own records",
        _reconcile_arguments,
        _reconcile,
        """\
  greenup reconcile runs/2026-11-22T074100Z-steady-7f3a
      against the database of the embedded CSMS
  greenup reconcile RUN --source postgresql://reader@db/steve --mapping steve
  greenup reconcile RUN --source export.csv --mapping mine.toml --tariff 0.25 --csv sessions.csv""",
        (ExitCode.CORRECTNESS,),
    ),
    "ship": Command(
        "this machine's part of a run to a shared place",
        folder_commands.ship_arguments,
        folder_commands.ship_folder,
        """\
  greenup ship runs/2026-11-22T074100Z-steady-7f3a --to s3://bucket/runs --follow""",
    ),
    "fetch": Command(
        "a run from a shared place",
        folder_commands.fetch_arguments,
        folder_commands.fetch_folder,
        """\
  greenup fetch s3://bucket/runs/2026-11-22T074100Z-steady-7f3a
      into runs/, where every other command finds it""",
    ),
    "salvage": Command(
        "a killed run's open files closed, for readers of Parquet",
        folder_commands.salvage_arguments,
        folder_commands.salvage_folder,
        """\
  greenup salvage runs/2026-11-22T074100Z-steady-7f3a
      results.open reads a killed run as it is; afterwards pandas and DuckDB see all of it too""",
    ),
    "watch": Command(
        "a run that goes on: code 6 when a brake's threshold breaks",
        _watch_arguments,
        _watch,
        """\
  greenup watch runs/2026-11-22T074100Z-steady-7f3a --slo slo.toml
      ends with 0 when the run ends, with 6 when a threshold marked abort = true breaks""",
        (ExitCode.BRAKE,),
    ),
    "drift": Command(
        "what drifts or leaks in a long run, on either side",
        _drift_arguments,
        _drift,
        """\
  greenup drift runs/2026-11-22T201500Z-steady-5f1d
      a run of hours that was not played by `soak`, which says it by itself""",
        (ExitCode.THRESHOLDS, ExitCode.UNTRUSTED),
    ),
    "compare": Command(
        "candidate runs against baseline runs",
        _compare_arguments,
        _compare,
        """\
  greenup compare runs/new/* --base runs/old/*
  greenup compare runs/tonight/* --history --base history/* --csv drift.csv
      against past nights: weaker, and it says so""",
        (ExitCode.REGRESSION, ExitCode.UNTRUSTED),
    ),
}
