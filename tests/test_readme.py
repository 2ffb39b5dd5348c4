"""The README's commands do what it says, as they are printed there."""

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text()
PRINTED_RUN = "runs/2026-11-22T074100Z-steady-7f3a"
TOO_BUSY = 5  # untrusted: this machine could not keep time while other tests ran beside


def block(info: str) -> str:
    """The code of the README's block with this info string."""
    found = re.search(rf"^```{re.escape(info)}\n(.*?)^```", README, re.MULTILINE | re.DOTALL)
    assert found, f"the README has no block ```{info}"
    return found.group(1)


def commands(info: str) -> list[list[str]]:
    """Its commands without comments."""
    return [shlex.split(line, comments=True) for line in block(info).splitlines() if line.strip()]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the README's small run was made; the run has the name that the README prints."""
    folder = tmp_path_factory.mktemp("readme")
    for command in commands("sh demo"):
        ended = run(command, folder)
        assert ended.returncode in {0, TOO_BUSY}, ended.stdout
        assert "results:" in ended.stdout
    [made] = (folder / "runs").iterdir()
    made.rename(folder / PRINTED_RUN)
    return folder


def run(command: list[str], folder: Path) -> subprocess.CompletedProcess[str]:
    """As in the README, with the command of this environment, bounded."""
    program = Path(sys.executable).with_name(command[0])
    environ = {**os.environ, "PYTHONPATH": str(ROOT)}
    return subprocess.run(
        [program, *command[1:]],
        cwd=folder,
        env=environ,
        timeout=180,
        text=True,
        check=False,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )


def test_the_two_commands_are_targets_of_the_makefile():
    for command in commands("sh"):
        if command[0] == "make":
            rehearsal = subprocess.run(["make", "-n", command[1]], cwd=ROOT, capture_output=True, check=False)
            assert rehearsal.returncode == 0, command


@pytest.mark.parametrize("command", commands("sh run-folder"), ids=lambda command: command[1])
def test_a_command_on_a_run_folder_works_as_printed(command: list[str], folder: Path):
    ended = run(command, folder)
    assert ended.returncode in {0, TOO_BUSY}, ended.stdout
    assert "Traceback" not in ended.stdout
    assert ended.stdout.strip()


def test_the_report_is_one_file_that_needs_no_network(folder: Path):
    run(["greenup", "report", PRINTED_RUN], folder)
    page = (folder / PRINTED_RUN / "report.html").read_text()
    assert not re.search(r"""(src|href)=["']https?:""", page)


def test_the_python_of_the_readme_runs(folder: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(folder)
    names: dict[str, object] = {}
    exec(compile(block("python"), "README.md", "exec"), names)
    opened = names["run"]
    assert len(opened.calls) > 60  # type: ignore[attr-defined]
    assert (opened.calls["action"] == "BootNotification").sum() == 20  # type: ignore[attr-defined]
