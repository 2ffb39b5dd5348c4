"""`--state`: a fleet goes on where it was killed."""

import os
import signal
import sqlite3
import time

import pytest

from tests.support.programs import refused

pytestmark = pytest.mark.realnet

STATIONS = 8
NOBODY = ("--csms-url", "ws://127.0.0.1:9/ocpp")


def rows(ledger, query):
    with sqlite3.connect(ledger) as database:
        return database.execute(query).fetchall()


def test_a_killed_run_goes_on_where_it_was(locust, central_system, tmp_path, port):
    """TX-10: what the kill cut off stops with PowerLoss after the next boot; registers go on."""
    ledger = tmp_path / "their.sqlite"
    arguments = (
        *("--headless", "-u", STATIONS, "-r", STATIONS, "--state", "state", "--csms-url", central_system.url),
        *("--processes", 2, "--master-bind-port", port, "--master-port", port),
    )
    killed = locust(*arguments)
    killed.wait_until(lambda: len(rows(ledger, "SELECT * FROM starts")) >= STATIONS // 2, 60.0)
    time.sleep(2.5)  # SIGKILL costs the last second or two
    os.killpg(killed.process.pid, signal.SIGKILL)
    killed.process.wait()
    running = {
        (ident, station, connector): start_wh
        for ident, station, connector, start_wh in rows(
            ledger,
            "SELECT transaction_id, station, connector, meter_start_wh FROM starts "
            "WHERE transaction_id NOT IN (SELECT transaction_id FROM stops) "
            f"AND received_s < {time.time() - 2.5}",
        )
    }
    assert running

    def stopped():
        return {
            ident: (wh, why)
            for ident, wh, why in rows(ledger, "SELECT transaction_id, meter_stop_wh, reason FROM stops")
        }

    again = locust(*arguments, "--duration", "90s")
    again.wait_until(lambda: {ident for ident, *_ in running} <= set(stopped()), 30.0)
    for (ident, *_), start_wh in running.items():
        stop_wh, reason = stopped()[ident]
        assert reason == "PowerLoss"
        assert stop_wh >= start_wh

    places = {tuple(place) for _, *place in running}

    def later():
        known = max(ident for ident, *_ in running)
        started = rows(
            ledger, f"SELECT station, connector, meter_start_wh FROM starts WHERE transaction_id > {known}"
        )
        return {
            (station, connector): wh for station, connector, wh in started if (station, connector) in places
        }

    again.wait_until(later, 60.0)
    for ident, *place in running:
        if tuple(place) in later():
            assert later()[tuple(place)] >= stopped()[ident][0], "the register never goes back"
    again.interrupt()
    assert again.finish() == 130


def test_a_folder_that_cannot_be_used_is_one_line(tmp_path):
    (tmp_path / "file").touch()
    assert "cannot write there" in refused(tmp_path, *NOBODY, "--state", "file/inside")


def test_the_memories_of_another_fleet_are_refused(tmp_path):
    from engine.store import DatabaseStore

    store = DatabaseStore(tmp_path)
    store.save("GU-000001", b"{}")
    store.close()
    said = refused(tmp_path, *NOBODY, "--state", tmp_path)
    assert "GU-000001: not a station's memory" in said
    assert said.endswith("name another folder")


def test_a_central_system_that_forgets_is_refused(tmp_path):
    """Its fresh ledger would give old ids to new sessions, and call our PowerLoss stops wrong."""
    assert "the embedded CSMS forgets with each run" in refused(tmp_path, "--state", tmp_path)
