"""Locust's web page starts, changes and stops a fleet; its form knows our arguments and refuses nonsense."""

import json
import urllib.parse
import urllib.request

import pytest

pytestmark = pytest.mark.realnet


class Page:
    """The page as a browser would use it."""

    def __init__(self, port):
        self._base = f"http://127.0.0.1:{port}"

    def get(self, path):
        with urllib.request.urlopen(self._base + path, timeout=10) as answer:
            return answer.read().decode()

    def post(self, path, **form):
        data = urllib.parse.urlencode(form).encode()
        with urllib.request.urlopen(self._base + path, data=data, timeout=60) as answer:
            return json.loads(answer.read())

    def up(self):
        try:
            return bool(self.get("/"))
        except OSError:
            return False

    def state(self):
        stats = json.loads(self.get("/stats/requests"))
        return stats["state"], stats["user_count"]

    def boots(self):
        rows = json.loads(self.get("/stats/requests"))["stats"]
        return sum(row["num_requests"] for row in rows if row["name"] == "BootNotification")


@pytest.fixture
def page(port):
    return Page(port)


def test_a_fleet_is_run_twice_from_the_page(locust, page, port):
    program = locust("--web-port", port, "--basic-auth-key", "hush-hush", "--seed", 7)
    program.wait_until(page.up)

    form = page.get("/")
    for field in ("csms_url", "fleet", "personality", "seed", "duration", "time_scale", "basic_auth_key"):
        assert f'"{field}"' in form or f"{field}&#34;" in form or field in form
    assert "hush-hush" not in form

    refused = page.post("/swarm", user_count=3, spawn_rate=3, csms_url="http://wrong/")
    assert refused["success"] is False
    assert "ws:// or wss://" in refused["message"]
    refused = page.post("/swarm", user_count=3, spawn_rate=3, seed="many")
    assert (refused["success"], refused["message"]) == (False, "--seed many: not a number")
    assert page.state() == ("ready", 0)
    assert not program.run_folders()

    # A browser posts every field, the empty ones too.
    assert page.post("/swarm", user_count=4, spawn_rate=4, source_address="", duration="")["success"] is True
    program.wait_until(lambda: page.state() == ("running", 4))
    program.wait_until(lambda: page.boots() == 4)

    assert page.post("/swarm", user_count=2, spawn_rate=4)["success"] is True
    program.wait_until(lambda: page.state() == ("running", 2))
    assert page.post("/swarm", user_count=5, spawn_rate=5)["success"] is True
    program.wait_until(lambda: page.state() == ("running", 5))
    program.wait_until(lambda: page.boots() == 7)
    assert page.post("/stop")["success"] is True
    program.wait_until(lambda: page.state()[0] == "stopped")

    assert page.post("/swarm", user_count=1, spawn_rate=1, seed=8)["success"] is True
    program.wait_until(lambda: page.state() == ("running", 1))
    program.wait_until(lambda: page.boots() == 1)
    assert page.post("/stop")["success"] is True
    program.wait_until(lambda: page.state()[0] == "stopped")
    program.wait_until(lambda: program.record()["status"] == "stopped")

    first, second = [json.loads(path.read_text()) for path in program.run_folders()]
    assert (first["seed"], second["seed"]) == (7, 8)
    assert "hush-hush" not in json.dumps([first, second])
    program.interrupt()
    assert program.finish() == 0, "nothing was running"


def test_autostart_ends_after_its_duration_and_quits(locust, page, port):
    program = locust(
        *("--web-port", port, "--autostart", "--autoquit", 0, "--duration", "3s", "-u", 2, "-r", 2)
    )
    assert program.passed(program.finish())
    assert program.record()["status"] == "finished"


def test_a_taken_web_port_is_one_line(locust, taken_port):
    program = locust("--web-port", taken_port)
    assert program.finish() == 2
    (line,) = program.said.strip().splitlines()
    assert f"--web-port {taken_port}: Address already in use" in line
