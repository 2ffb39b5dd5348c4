"""Compressed time on real sockets: stations hurry, the central system does not have to."""

import pytest

import results
from tests.support.stage import LOCUSTFILES

pytestmark = pytest.mark.realnet


def test_sixty_seconds_in_one_do_not_flood_the_embedded_central_system_nor_time_out(locust):
    program = locust(
        *("-f", LOCUSTFILES / "evening_peak.py", "--headless", "-u", 20, "-r", 20, "--duration", "12s"),
    )
    assert program.passed(program.finish(120)), program.said
    run = results.open(program.run_folders()[-1].parent)
    calls = run.calls
    sent = calls[calls["direction"] == "out"]
    assert set(sent["outcome"]) <= {"ok", "cancelled"}
    heartbeats = (sent["action"] == "Heartbeat").sum()
    assert heartbeats <= 20, "one in 30 real seconds, not one in half a second"
    assert len(run.findings) == 0
