"""Runs the benchmarks one after the other and shows each figure beside last time's; at most 15 minutes.

    python benchmarks/table.py [--save] [NAME …]

`--save` makes this time the last time: benchmarks/figures.json, the table in docs/performance.md, and the
plan in docs/scale.md; of some NAMEs only their tables, so measure them in the form that the page names. Run
it on an otherwise idle machine; ratios travel to other machines, microseconds do not.
"""

import argparse
import json
import os
import platform
import signal
import subprocess
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any

import plan

from engine import compiled

HERE = Path(__file__).parent
LAST = HERE / "figures.json"
PAGE = HERE.parent / "docs" / "performance.md"
MARK = "<!-- benchmarks/table.py writes from here on -->"
TIME_OUT_S = 300.0
COMMANDS = {
    "roundtrip": ["roundtrip.py", "--seconds", "4"],
    "hot_path": ["hot_path.py"],
    "memory": ["memory.py"],
    "boot": ["boot.py"],
    "tls": ["tls.py"],
    "master": ["master.py", "--workers", "16", "63", "--seconds", "8"],
    "distribution": ["distribution.py", "--stations", "5000"],
    "scale": ["scale.py", "--stations", "5000", "--seconds", "30"],
    "station": ["station.py"],
    "vehicles": ["vehicles.py"],
    "wire": ["wire.py"],
    "recorder": ["recorder.py"],
    "store": ["store.py"],
    "embedded_csms": ["embedded_csms.py"],
}


def machine() -> str:
    """What the figures were measured on."""
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    models = [line.partition(": ")[2] for line in lines if line.startswith("model name")]
    python = f"Python {platform.python_version()}"
    system = f"{platform.system()} {platform.release()}"
    hot_path = f"hot path {compiled.form()}"
    return f"{len(models)} vCPU {models[0] if models else '?'}, {system}, {python}, {hot_path}"


def measured(name: str) -> dict[str, Any]:
    """The figures of one script; none when it failed, which is said."""
    script, *options = COMMANDS[name]
    command = [sys.executable, str(HERE / script), *options, "--json"]
    pipes: dict[str, Any] = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    running = subprocess.Popen(command, start_new_session=True, **pipes)
    try:
        told, complaint = running.communicate(timeout=TIME_OUT_S)
    except subprocess.TimeoutExpired:
        print(f"{name}: not done after {TIME_OUT_S:g} s", file=sys.stderr)
        return {}
    finally:
        with suppress(ProcessLookupError):  # whatever it has left: loads and central systems
            os.killpg(running.pid, signal.SIGKILL)
        running.wait()
    if running.returncode:
        print(f"{name}: {complaint[-2_000:]}", file=sys.stderr)
        return {}
    return flat(json.loads(told.splitlines()[-1]))


def flat(figures: dict[str, Any], before: str = "") -> dict[str, Any]:
    """Nested figures by dotted name."""
    found: dict[str, Any] = {}
    for key, value in figures.items():
        if isinstance(value, dict):
            found |= flat(value, f"{before}{key}.")
        else:
            found[before + key] = round(value, 3) if isinstance(value, float) else value
    return found


def table(name: str, now: dict[str, Any], last: dict[str, Any]) -> list[str]:
    command = " ".join(["python", f"benchmarks/{COMMANDS[name][0]}", *COMMANDS[name][1:]])
    rows = [f"\n`{command}`\n", "| figure | now | last time |", "|---|--:|--:|"]
    return rows + [f"| {key} | {value} | {last.get(key, '')} |" for key, value in now.items()]


def standing(tables: str, rows: list[str]) -> list[str]:
    """What the page says of the same command already; `rows` if that is nothing."""
    _, found, rest = tables.partition(rows[0])
    return [found + rest.partition("\n\n`python ")[0].rstrip("\n")] if found else rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of {', '.join(COMMANDS)}; default: all")
    parser.add_argument("--save", action="store_true")
    options = parser.parse_args()
    if unknown := set(options.names) - set(COMMANDS):
        parser.error(f"no such benchmark: {', '.join(sorted(unknown))}")
    last = json.loads(LAST.read_text()) if LAST.exists() else {}
    figures, lines = dict(last), [f"\nMachine: {machine()}."]
    for name in options.names or COMMANDS:
        figures[name] = measured(name) or last.get(name, {})  # what failed keeps its last figures
        rows = table(name, figures[name], last.get(name, {}))
        print("\n".join(rows), flush=True)
    if options.save:
        LAST.write_text(json.dumps(figures, indent=1) + "\n")
        head, _, tables = PAGE.read_text().partition(MARK)
        for name in [name for name in COMMANDS if figures.get(name)]:
            rows = table(name, figures[name], last.get(name, {}))
            measured_now = name in (options.names or COMMANDS)
            lines += rows if measured_now else standing(tables, rows)
        PAGE.write_text(head + MARK + "\n" + "\n".join(lines) + "\n")
        plan.save()


if __name__ == "__main__":
    main()
