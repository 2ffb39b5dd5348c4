import importlib.util
import sys
from pathlib import Path

import pytest

from engine.cli import main
from engine.cli.bench import bench, parser, turns
from stations.errors import PlanError

NOW_US = 1_790_000_000_000_000


@pytest.fixture
def sample():
    path = Path(__file__).parents[2] / "benchmarks" / "sample_run.py"
    spec = importlib.util.spec_from_file_location("sample_run", path)
    module = importlib.util.module_from_spec(spec)
    sys.modules["sample_run"] = module
    spec.loader.exec_module(module)
    return module


def test_sides_take_turns_so_that_drift_touches_both():
    assert turns(2) == ["base", "candidate", "candidate", "base"]
    assert turns(5).count("base") == 5


def test_a_bench_runs_both_sides_in_turns_and_compares_only_its_own_runs(sample, tmp_path, capsys):
    asked = []

    def fake_run(words):
        asked.append(words)
        number, folder = len(asked), Path(words[words.index("--runs") + 1])
        slower = 1.5 if folder.name == "candidate" else 1.0
        what = sample.Sample(
            calls=3_000, seconds=6, stations=5, seed=number, slower=slower,
            start_us=NOW_US + number * 10_000_000,
        )  # fmt: skip
        sample.write(folder, what)
        return 0

    old = sample.write(tmp_path / "candidate", sample.Sample(calls=300, seconds=3, stations=2, slower=99.0))
    given = parser().parse_args([
        "--repeat", "3", "--runs", str(tmp_path), "--interleave", "ws://old", "--csms-url ws://new",
        "--", "ramp", "--stations", "5",
    ])  # fmt: skip
    assert bench(given, fake_run) == 3
    assert [words[4] for words in asked] == [
        "ws://old",
        "ws://new",
        "ws://new",
        "ws://old",
        "ws://old",
        "ws://new",
    ]
    assert all(words[:3] == ["ramp", "--stations", "5"] for words in asked)
    said = capsys.readouterr().out
    assert "3 baseline, 3 candidate, interleaved" in said
    assert old.exists()


def test_a_run_that_is_not_trusted_ends_the_job_with_its_code(sample, tmp_path, capsys):
    asked = []

    def fake_run(words):
        asked.append(words)
        what = sample.Sample(calls=300, seconds=3, stations=2, lost_worker=len(asked) == 2)
        sample.write(Path(words[words.index("--runs") + 1]), what)
        return 0

    given = parser().parse_args(["--interleave", "x", "y", "--runs", str(tmp_path)])
    assert bench(given, fake_run) == 5
    assert len(asked) == 2
    assert "worker 01 was lost; a comparison needs trusted runs" in capsys.readouterr().out


def test_bad_input_ends_the_job_at_once(tmp_path):
    given = parser().parse_args(["--interleave", "x", "y", "--runs", str(tmp_path)])
    asked = []
    assert bench(given, lambda words: asked.append(words) or 2) == 2
    assert len(asked) == 1
    given.repeat = 2
    with pytest.raises(PlanError, match="decide nothing"):
        bench(given, lambda _words: 0)


def test_options_that_no_shell_would_read_are_one_line_and_code_2(capsys):
    assert main(["bench", "--interleave", "--fleet 'demo", "ws://new"]) == 2
    said = capsys.readouterr().err
    assert said.startswith("greenup bench: --interleave --fleet 'demo: No closing quotation; ")
    assert said.count("\n") == 1


def test_too_few_repeats_are_one_line_and_code_2(capsys):
    assert main(["bench", "--interleave", "x", "y", "--repeat", "1"]) == 2
    assert capsys.readouterr().err.count("\n") == 1
