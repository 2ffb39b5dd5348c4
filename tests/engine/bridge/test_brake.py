import pytest

from engine.bridge import brake

pytestmark = pytest.mark.locust


def test_only_a_threshold_marked_abort_is_a_brake(tmp_path):
    file = tmp_path / "slo.toml"
    file.write_text('version = 1\n[slos]\na = "count(calls) > 1"\nb = {check = "…", abort = false}\n')
    assert not brake.is_wanted("")
    assert not brake.is_wanted(str(file))
    file.write_text(file.read_text().replace("false", "true"))
    assert brake.is_wanted(str(file))
