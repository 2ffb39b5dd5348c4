"""docs/results-schema.md, printed from `results.schema`: `python -m results.schema_page`."""

import sys
from typing import Final

import pyarrow as pa

from results.schema import MOMENT, SCHEMA_VERSION, TABLES, Column, Table

_INTRODUCTION: Final = f"""# The run folder

Schema version {SCHEMA_VERSION}. Printed from `results/schema.py` by `python -m results.schema_page`.

    runs/2026-11-22T074103Z-steady-7f3a/
      run.json                                 written first ("status": "running"), sealed at the end
      verdict.json                             what `greenup check` found
      csms_process.csv                         memory, files and CPU of the CSMS's process, where it is seen
      junit.xml, summary.md                    the same for CI systems, after a run with --slo
      receipts/worker=00.json                  what a worker says it wrote: rows, parts, hashes, rows dropped
      calls/worker=00/part-00000.parquet       closed parts: 1 million rows or one minute
      calls/worker=00/_open-00007.arrows       the part being written; after a crash, what is left of it
      transactions/ connections/ findings/ health/ histograms/ stations/      the same for the other tables

`results.open(path)` reads all of it, also while a run goes on and after a crash. One table of a finished run
is one line of pandas: `pd.read_parquet("runs/…/calls")`; `worker` comes from the folder names. A table
without a row, such as the findings of a faultless run, has no folder; `results.open` shows it empty.

Times are microseconds since 1970 in UTC, durations microseconds. `response = queue + gen_lag + service`.

**What a crash costs.** Rows wait in memory for at most a second or so, then they are in the kernel as whole
Arrow batches: SIGKILL of a worker loses its last second or two, nothing before. A power cut of the machine
may lose what the kernel had not written yet; closed parts are synced to the disk. A run that was killed says
`"status": "running"` for ever, misses receipts, and is reported as not trusted. `pd.read_parquet`
sees closed parts only: when a run ends, its master closes what lost workers left open; when the master was
killed too, `greenup salvage RUN` does.

**What a bad disk costs.** The load goes on. Rows that cannot be written, or that wait behind more than a
million others of their table, are dropped; the receipt, the health rows and the summary show how many, and
the run is not trusted.

**Secrets.** Passwords and keys are masked in run.json and in the frames kept with findings.
"""


def render_schema() -> str:
    """The whole page."""
    return _INTRODUCTION + "".join(_section(table) for table in TABLES.values())


def _section(table: Table) -> str:
    rows = "".join(_row(column) for column in table.columns)
    head = "| column | type | unit | meaning |\n|---|---|---|---|\n"
    return f"\n## {table.name}\n\n{table.meaning}\n\n{head}{rows}"


def _row(column: Column) -> str:
    kind = _kind(column.type) + (", may be null" if column.nullable else "")
    return f"| `{column.name}` | {kind} | {column.unit} | {column.meaning} |\n"


def _kind(kind: pa.DataType) -> str:
    if pa.types.is_dictionary(kind):
        return "name"
    return "moment" if kind == MOMENT else str(kind)


if __name__ == "__main__":
    sys.stdout.write(render_schema())
