"""A disk that refuses is one line and exit code 2; anything else that fails is ours, with its traceback."""

import errno
import os
import shutil

import pytest

from engine.cli import main
from results.analysis import verdicts


@pytest.fixture
def run_path(sample_path, tmp_path):
    """A copy that may be written to."""
    return shutil.copytree(sample_path, tmp_path / sample_path.name)


def check_with(monkeypatch, run_path, failure):
    def refuse(*_arguments):
        raise failure

    monkeypatch.setattr(verdicts, "write", refuse)
    return main(["check", str(run_path)])


def test_a_full_disk_is_one_line(run_path, capsys, monkeypatch):
    failure = OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), "verdict.json")
    assert check_with(monkeypatch, run_path, failure) == 2
    words = "verdict.json: cannot be written (No space left on device); make room or name another"
    assert capsys.readouterr().err == f"greenup check: {words}\n"


def test_a_defect_of_ours_is_no_bad_input(run_path, capsys, monkeypatch):
    assert check_with(monkeypatch, run_path, OSError("ours")) == 70
    assert "Traceback" in capsys.readouterr().err


def test_a_mapping_that_is_no_text_is_one_line(run_path, capsys):
    mapping = run_path / "latin.toml"
    mapping.write_bytes("product = 'caf\xe9'".encode("latin-1"))
    (run_path / "theirs.csv").touch()
    words = ["reconcile", str(run_path), "--source", str(run_path / "theirs.csv"), "--mapping", str(mapping)]
    assert main(words) == 2
    said = capsys.readouterr().err
    assert "latin.toml: is not UTF-8 text" in said
    assert said.count("\n") == 1
