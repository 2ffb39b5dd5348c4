"""The line that lives while a headless run goes on."""

import io
import logging

import pytest

pytestmark = pytest.mark.locust

from locust.stats import RequestStats  # noqa: E402 — Locust patches the process: not while collecting

from engine.bridge.progress import added, line  # noqa: E402

WORKERS = [
    {"stations": 3, "waiting": 1, "links": {"open": 3}, "registrations": {"Accepted": 2}, "sessions": 1,
     "power_w": 7_400.0, "backlog": 2, "reconnects": 1, "gen_lag_p99_us": 900, "calls": 5, "run": "x"},
    {"stations": 2, "waiting": 0, "links": {"open": 1, "down": 1}, "registrations": {"Accepted": 1},
     "sessions": 0, "power_w": 0.0, "backlog": 0, "reconnects": 0, "gen_lag_p99_us": 2_400, "calls": 4},
]  # fmt: skip


def test_workers_add_up_and_the_worst_lag_counts():
    totals = added(WORKERS)
    assert totals["stations"] == 5
    assert totals["links.open"] == 4
    assert totals["gen_lag_p99_us"] == 2_400


def test_a_line_says_what_a_person_asks():
    said = line(65.0, added(WORKERS), 12.0, RequestStats())
    assert said.startswith("01:05  3/6 stations up  1 charging, 7 kW  12 calls/s  p95 0 ms  0 failed")
    assert said.endswith("1 reconnects  2 queued  own lag p99 2.4 ms")
    assert len(said) < 160


def test_nothing_known_is_zero_not_an_error():
    assert line(0.0, added([]), 0.0, RequestStats()).startswith("00:00  0/0 stations up")


@pytest.fixture
def terminal(monkeypatch):
    from engine.bridge import progress

    class Screen(io.StringIO):
        def isatty(self):
            return True

    monkeypatch.setenv("COLUMNS", "60")
    handler = logging.StreamHandler(Screen())
    logging.getLogger().addHandler(handler)
    yield progress._Terminal(handler.stream), handler.stream
    logging.getLogger().removeHandler(handler)


def seen(text):
    """What a terminal shows: the few controls that are used, carried out."""
    rows, row = [""], 0
    for piece in text.replace("\r", "\0").replace("\x1b[J", "\1").replace("\x1b[1A", "\2"):
        if piece == "\0":
            continue
        if piece == "\1":
            rows[row:] = [""]
        elif piece == "\2":
            row -= 1
        elif piece == "\n":
            row += 1
            rows += [""] * (row + 1 - len(rows))
        else:
            rows[row] += piece
    return rows


def test_on_a_narrow_terminal_rows_are_folded_and_rewritten(terminal):
    screen, stream = terminal
    for second in range(3):
        screen.show(line(float(second), added(WORKERS), 12.0, RequestStats())[:110])
    rows = seen(stream.getvalue())
    assert len(rows) == 2
    assert rows[0].startswith("00:02  3/6 stations up")
    assert all(len(row) < 60 for row in rows)
    screen.erase()
    assert seen(stream.getvalue()) == [""]


def test_what_is_logged_stands_above_the_progress_and_stays(terminal):
    screen, stream = terminal
    screen.show("00:01  1/1 stations up")
    logging.getLogger("greenup.test").warning("restart your central system now")
    screen.show("00:02  1/1 stations up")
    assert seen(stream.getvalue()) == ["restart your central system now", "00:02  1/1 stations up"]


def test_attempts_that_fail_are_told_when_there_are_any():
    """A central system that accepts TCP and never answers gives no failed call, only attempts."""
    assert "attempts to connect" not in line(5.0, added(WORKERS), 12.0, RequestStats())
    refused = added([*WORKERS, {**WORKERS[0], "refusals": 20}])
    assert "  20 attempts to connect failed  " in line(5.0, refused, 12.0, RequestStats())


def test_a_station_without_a_link_is_not_up():
    """The central system has died: everybody was accepted by it, nobody can speak."""
    down = [{**worker, "links": {"down": worker["stations"]}} for worker in WORKERS]
    assert "  0/6 stations up  " in line(5.0, added(down), 0.0, RequestStats())
