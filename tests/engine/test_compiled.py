"""The hot path compiled (make fast): what may be in it, and that no old one runs in place of its source."""

import ast
import importlib.util
import json
import subprocess
import sys
from hashlib import sha256
from pathlib import Path

import pytest

from engine import compiled
from stations.errors import PlanError

ROOT = Path(__file__).parents[2]
SPEC = importlib.util.spec_from_file_location("compile_hot_path", ROOT / "deploy" / "compile.py")
SCRIPT = importlib.util.module_from_spec(SPEC)
SPEC.loader.exec_module(SCRIPT)


@pytest.fixture
def digests(monkeypatch, tmp_path):
    """A compiled hot path of one module."""
    (tmp_path / "wheel.py").write_text("SPOKES = 8\n")
    monkeypatch.setattr(compiled, "ROOT", tmp_path)
    monkeypatch.setattr(compiled, "DIGESTS", tmp_path / "compiled.json")
    monkeypatch.setattr(compiled, "COMPILED", True)
    compiled.DIGESTS.write_text(json.dumps({"wheel.py": sha256(b"SPOKES = 8\n").hexdigest()}))
    return tmp_path


def test_a_compiled_hot_path_of_these_sources_runs(digests):
    compiled.check()
    assert compiled.form() == "compiled"


@pytest.mark.parametrize(
    "spoil",
    [
        lambda folder: (folder / "wheel.py").write_text("SPOKES = 9\n"),
        lambda folder: (folder / "wheel.py").unlink(),
        lambda folder: (folder / "compiled.json").unlink(),
    ],
    ids=["source changed", "source gone", "unknown sources"],
)
def test_one_of_other_sources_is_refused_with_the_mend(digests, spoil):
    spoil(digests)
    with pytest.raises(PlanError, match=r"make fast.*make fast-undo"):
        compiled.check()


def test_sources_alone_are_never_out_of_date(digests, monkeypatch):
    monkeypatch.setattr(compiled, "COMPILED", False)
    (digests / "wheel.py").write_text("SPOKES = 9\n")
    compiled.check()
    assert compiled.form() == "interpreted"


def test_undoing_leaves_no_compiled_module_whatever_was_in_the_list_once(monkeypatch, tmp_path):
    monkeypatch.setattr(SCRIPT, "ROOT", tmp_path)
    monkeypatch.setattr(SCRIPT, "DIGESTS", tmp_path / "engine" / "compiled.json")
    names = ["greenup__mypyc.x.so", "engine/compiled.json", "engine/wheel.x.so", "stations/core/gone.x.so"]
    for name in [*names, "engine/wheel.py"]:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    SCRIPT.undo()
    assert [path.name for path in tmp_path.rglob("*") if path.is_file()] == ["wheel.py"]


def test_what_writes_the_digests_and_what_reads_them_agree_where_they_are():
    assert SCRIPT.DIGESTS == compiled.DIGESTS
    assert SCRIPT.ROOT == compiled.ROOT == ROOT


@pytest.mark.skipif(not compiled.COMPILED, reason="the hot path is not compiled: see make fast")
def test_both_forms_send_the_same_bytes_all_day():
    script = str(ROOT / "tests" / "support" / "frames_of_a_day.py")
    (ours, theirs) = (
        json.loads(subprocess.run([sys.executable, script, *choice], check=True, capture_output=True).stdout)
        for choice in ([], ["sources"])
    )
    assert (ours.pop("form"), theirs.pop("form")) == ("compiled", "interpreted")
    assert ours == theirs
    assert ours["frames"] > 5_000


def begins_with_a_float(node):
    return (
        isinstance(node, ast.Tuple) and node.elts and isinstance(getattr(node.elts[0], "value", None), float)
    )


@pytest.mark.parametrize("module", SCRIPT.MODULES)
def test_a_compiled_module_holds_nothing_that_mypyc_gets_wrong(module):
    """Structs lose their keywords; a Final tuple that begins with a float is "not set" when it is read."""
    for node in ast.walk(ast.parse((ROOT / module).read_text())):
        if isinstance(node, ast.ClassDef):
            assert "Struct" not in {getattr(base, "id", "") for base in node.bases}, node.name
        if isinstance(node, ast.AnnAssign) and "Final" in ast.unparse(node.annotation):
            fixed = "..." not in ast.unparse(node.annotation)
            assert not (fixed and begins_with_a_float(node.value)), ast.unparse(node)
