"""The repository keeps its own promises: sizes, documented dependencies, an image that can be built."""

import ast
import re
import subprocess
import tomllib
from itertools import chain
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PACKAGES = ("stations", "profiles", "engine", "csms", "results")
MODULES = sorted(path for package in PACKAGES for path in (ROOT / package).rglob("*.py"))
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())


def tracked_files() -> list[Path]:
    """Every file git knows; the working tree when the checkout has no git (an unpacked archive)."""
    listing = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=False)
    names = listing.stdout.split("\0") if listing.returncode == 0 else []
    return [ROOT / name for name in names if name and (ROOT / name).is_file()]


@pytest.mark.parametrize("module", MODULES, ids=lambda path: str(path.relative_to(ROOT)))
def test_a_module_is_small(module: Path):
    """House rule: 400 lines a file, 60 lines a function. messages.py and types.py list the specification."""
    source = module.read_text()
    if module.name not in {"messages.py", "types.py"}:
        assert source.count("\n") <= 450, "split it: one module, one fact"
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            assert node.end_lineno - node.lineno < 60, f"{node.name} is too long"


@pytest.mark.parametrize("scenario", sorted((ROOT / "locustfiles").glob("*.py")), ids=lambda path: path.name)
def test_a_locustfile_is_a_choice_not_a_program(scenario: Path):
    source = scenario.read_text()
    assert source.count("\n") <= 60
    assert ast.get_docstring(ast.parse(source)), "say which question the scenario answers"


def test_every_dependency_is_pinned_and_explained():
    constraints = (ROOT / "constraints.txt").read_text()
    explained = (ROOT / "docs" / "dependencies.md").read_text()
    extras = PROJECT["project"]["optional-dependencies"].values()
    groups = PROJECT["dependency-groups"].values()
    names = filter(
        lambda name: isinstance(name, str), chain(PROJECT["project"]["dependencies"], *extras, *groups)
    )
    for name in names:
        assert re.search(rf"^{re.escape(name)}==", constraints, re.MULTILINE | re.IGNORECASE), name
        assert re.search(rf"\b{re.escape(name)}\b", explained), name
    assert "://" not in constraints


def test_the_image_copies_what_exists_and_runs_as_an_ordinary_user():
    dockerfile = (ROOT / "Dockerfile").read_text()
    for line in dockerfile.splitlines():
        if line.startswith("COPY ") and "--from" not in line:
            *sources, _target = line.split()[1:]
            for source in sources:
                assert (ROOT / source).exists(), line
    assert re.search(r"^USER (?!root)", dockerfile, re.MULTILINE)
    packaged = set(PROJECT["tool"]["hatch"]["build"]["targets"]["wheel"]["packages"])
    assert packaged == set(PACKAGES)
    for package in packaged:
        assert f"COPY {package} {package}" in dockerfile


@pytest.mark.parametrize("role", ["standalone", "master", "worker", "report"])
def test_the_image_has_a_command_for_each_role(role: str):
    assert re.search(rf"^  {role}\)", (ROOT / "deploy" / "entrypoint.sh").read_text(), re.MULTILINE)


def test_the_entrypoint_is_valid_shell():
    assert subprocess.run(["sh", "-n", ROOT / "deploy" / "entrypoint.sh"], check=False).returncode == 0


def test_the_repository_names_no_machine():
    private = re.compile(r"/(?:work|root|home)/\w+/|\.r-seed-")
    for path in tracked_files():
        if path.suffix in {".png", ".parquet", ".arrows"} or path == Path(__file__):
            continue
        found = private.search(path.read_text(errors="replace"))
        assert not found, f"{path.relative_to(ROOT)}: {found and found.group()}"


def test_links_in_the_documentation_lead_somewhere():
    for page in [ROOT / "README.md", *ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md")]:
        for target in re.findall(r"\]\(([^)#\s]+)(?:#[^)]*)?\)", page.read_text()):
            if "://" not in target and not target.startswith("mailto:"):
                assert (page.parent / target).exists(), f"{page.name}: {target}"
