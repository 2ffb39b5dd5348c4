"""What reading costs: CPU seconds and peak memory of the summary and the report of a synthetic run.

`python benchmarks/analysis.py [--calls 20000000] [--json]`; the run is written first, which takes a while.
Each command runs in a process of its own.
"""

import argparse
import importlib.util
import json
import os
import shutil
import sys
import tempfile
from pathlib import Path
from typing import Any

STATIONS, SECONDS = 5_000, 3_600
COMMANDS = ("summary", "check", "report")


def sample_run() -> Any:
    path = Path(__file__).with_name("sample_run.py")
    spec = importlib.util.spec_from_file_location("sample_run", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["sample_run"] = module
    spec.loader.exec_module(module)
    return module


def measure(command: str, run: Path) -> dict[str, float]:
    """CPU seconds and peak MB of one command."""
    child = os.fork()
    if child == 0:
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        os.execv(sys.executable, [sys.executable, "-m", "results.analysis", command, str(run)])
    _, status, used = os.wait4(child, 0)
    assert status == 0, command
    return {"cpu_s": used.ru_utime + used.ru_stime, "peak_mb": used.ru_maxrss / 1024}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--calls", type=int, default=20_000_000)
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="greenup-analysis-"))
    try:
        module = sample_run()
        run = module.write(folder, module.Sample(calls=given.calls, seconds=SECONDS, stations=STATIONS))
        size = sum(path.stat().st_size for path in run.rglob("*") if path.is_file())
        found = {command: measure(command, run) for command in COMMANDS}
        report_mb = (run / "report.html").stat().st_size / 1e6
    finally:
        shutil.rmtree(folder)
    print(f"{given.calls:,} calls in {size / 1e6:,.0f} MB; report {report_mb:.2f} MB")
    print(f"{'':10}{'CPU s':>8}{'peak MB':>10}")
    for command, figures in found.items():
        print(f"{command:10}{figures['cpu_s']:>8.1f}{figures['peak_mb']:>10.0f}")
    if given.json:
        flat = {f"{c}_{name}": round(v, 1) for c, figures in found.items() for name, v in figures.items()}
        print(json.dumps(flat | {"calls": given.calls, "report_mb": round(report_mb, 2)}))


if __name__ == "__main__":
    main()
