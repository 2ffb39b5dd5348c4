import _thread
import importlib.util
import sys
import time
from pathlib import Path

import pytest

import results
from results.recorder import Recorder


@pytest.fixture
def new_recorder(tmp_path):
    made = []

    def make(folder=tmp_path, worker="00", **options):
        options = {"start_new_thread": _thread.start_new_thread, "sleep": time.sleep} | options
        made.append(Recorder(folder, worker, **options))
        return made[-1]

    yield make
    for recorder in made:
        recorder.close(timeout_s=5)


@pytest.fixture
def recorder(new_recorder):
    return new_recorder()


def load_script(name):
    path = Path(__file__).parents[2] / "benchmarks" / f"{name}.py"
    spec = importlib.util.spec_from_file_location(name, path)
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="session")
def sample():
    """`sample.write(folder, sample.Sample(...))` makes a synthetic run folder."""
    return load_script("sample_run")


@pytest.fixture(scope="session")
def sample_path(sample, tmp_path_factory):
    """A finished, trusted run of 20,000 calls; nobody writes to it."""
    return sample.write(tmp_path_factory.mktemp("runs"), sample.Sample(calls=20_000, seconds=60, stations=50))


@pytest.fixture
def sample_run(sample_path):
    return results.open(sample_path)
