import _thread
import time

import pytest

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
