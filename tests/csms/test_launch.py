"""The central system as a process: start, end, sudden death of it and of its parent."""

import asyncio
import json
import os
import signal
import socket
import sqlite3
import subprocess
import sys
import time
import urllib.request
from contextlib import closing
from pathlib import Path

import pytest
import uvloop
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed

from csms.launch import start_embedded
from csms.server import raise_open_file_limit
from stations.errors import PlanError

pytestmark = pytest.mark.realnet
LIMIT_S = 30


def wait_until(condition):
    give_up = time.monotonic() + LIMIT_S
    while not condition():
        assert time.monotonic() < give_up
        time.sleep(0.05)


def is_alive(pid):
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return "Z" not in Path(f"/proc/{pid}/stat").read_text().split(")")[1].split()[0]


def test_it_starts_answers_and_stops(tmp_path):
    with start_embedded(tmp_path / "a.sqlite", arguments=["--restricted"]) as csms:
        with urllib.request.urlopen(csms.api_url + "/health") as answer:
            assert json.load(answer)["status"] == "ok"
        assert csms.url.startswith("ws://127.0.0.1:")
    assert csms.process.returncode == 0
    assert csms.stop() == 0
    assert not (tmp_path / "a.sqlite-wal").exists()
    assert not csms.log.exists()


def test_why_it_does_not_start_is_said(tmp_path):
    with pytest.raises(PlanError, match=r"faults\.toml"):
        start_embedded(tmp_path / "a.sqlite", arguments=["--behaviour", str(tmp_path / "faults.toml")])
    with pytest.raises(PlanError, match="name a writable folder"):
        start_embedded(tmp_path / "nowhere" / "a.sqlite")
    with pytest.raises(PlanError, match="within 0 s"):
        start_embedded(tmp_path / "a.sqlite", ready_timeout_s=0)


def test_it_ends_when_its_parent_is_killed(tmp_path):
    script = (
        "import sys, time; from pathlib import Path; from csms.launch import start_embedded\n"
        "print(start_embedded(Path(sys.argv[1])).pid, flush=True); time.sleep(60)"
    )
    parent = subprocess.Popen(
        [sys.executable, "-c", script, str(tmp_path / "a.sqlite")], stdout=subprocess.PIPE
    )
    pid = int(parent.stdout.readline())
    parent.kill()
    parent.wait()
    parent.stdout.close()
    wait_until(lambda: not is_alive(pid))


def test_it_starts_from_a_process_that_gevent_has_patched(tmp_path):
    script = (
        "from gevent import monkey; monkey.patch_all()\n"
        "import sys, gevent; from pathlib import Path; from csms.launch import start_embedded\n"
        "turns = []\n"
        "def others():\n"
        "    while True: turns.append(1); gevent.sleep(0.001)\n"
        "gevent.spawn(others)\n"
        "with start_embedded(Path(sys.argv[1])) as csms: assert len(turns) > 10; print('up')\n"
        "assert csms.process.returncode == 0\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, str(tmp_path / "a.sqlite")],
        capture_output=True,
        timeout=LIMIT_S,
        check=False,
    )
    assert (done.returncode, done.stdout) == (0, b"up\n"), done.stderr


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_it_gracefully_with_code_0(tmp_path, number):
    csms = start_embedded(tmp_path / "a.sqlite")
    csms.process.send_signal(number)
    assert csms.process.wait(LIMIT_S) == 0


def test_a_port_that_is_taken_is_one_line_and_code_2(tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        done = subprocess.run(
            [sys.executable, "-m", "csms", "--database", tmp_path / "a.sqlite", "--port", str(port)],
            capture_output=True,
            timeout=LIMIT_S,
            check=False,
        )
    assert done.returncode == 2
    assert done.stderr.count(b"\n") == 1
    assert str(port).encode() in done.stderr
    assert done.stdout == b""


def test_people_get_a_sentence_and_programs_one_line_of_json(tmp_path):
    command = [
        sys.executable,
        "-m",
        "csms",
        "--port",
        "0",
        "--api-port",
        "0",
        "--database",
        tmp_path / "a.sqlite",
    ]
    process = subprocess.Popen(command, stdout=subprocess.PIPE)
    line = process.stdout.readline()
    process.terminate()
    assert b"stations: ws://127.0.0.1:" in line
    assert b"Ctrl-C" in line
    assert process.wait(LIMIT_S) == 0
    process.stdout.close()


async def charge_until_killed(url, pid, acknowledged):
    """Twenty stations start and stop transactions until the central system is gone."""

    async def station(number):
        async with connect(f"{url}/GU-{number}", subprotocols=["ocpp1.6"], proxy=None) as ws:

            async def ask(action, payload):
                await ws.send(json.dumps([2, "i", action, payload]))
                return json.loads(await ws.recv())[2]

            await ask("BootNotification", {"chargePointVendor": "L", "chargePointModel": "M"})
            for turn in range(1_000_000):
                when = f"2026-05-04T10:{turn // 60 % 60:02}:{turn % 60:02}Z"
                started = {"connectorId": 1, "idTag": "T", "meterStart": turn, "timestamp": when}
                transaction_id = (await ask("StartTransaction", started))["transactionId"]
                acknowledged.append((f"GU-{number}", transaction_id, "start"))
                stopped = {"transactionId": transaction_id, "meterStop": turn + 5, "timestamp": when}
                await ask("StopTransaction", stopped)
                acknowledged.append((f"GU-{number}", transaction_id, "stop"))

    async def kill():
        while len(acknowledged) < 400:  # noqa: ASYNC110 — a story, bounded by its caller
            await asyncio.sleep(0.01)
        os.kill(pid, signal.SIGKILL)

    await asyncio.gather(kill(), *(station(number) for number in range(20)), return_exceptions=True)


def test_what_was_acknowledged_survives_kill_9(tmp_path):
    """Every answered StartTransaction and StopTransaction is in the ledger, and ids go on where they were."""
    path = tmp_path / "a.sqlite"
    acknowledged = []
    csms = start_embedded(path)
    try:
        uvloop.run(asyncio.wait_for(charge_until_killed(csms.url, csms.pid, acknowledged), LIMIT_S))
    finally:
        csms.process.kill()
        csms.process.wait()
    with closing(sqlite3.connect(path)) as db:
        found = {
            (row[0], row[1]): row[2]
            for row in db.execute("SELECT station, transaction_id, stopped FROM transactions")
        }
    assert len(acknowledged) >= 400
    for station, transaction_id, kind in acknowledged:
        assert (station, transaction_id) in found
        assert kind == "start" or found[station, transaction_id] is not None

    async def go_on(url):
        async with connect(f"{url}/GU-0", subprotocols=["ocpp1.6"], proxy=None) as ws:
            payload = {"connectorId": 2, "idTag": "T", "meterStart": 0, "timestamp": "2026-05-04T12:00:00Z"}
            await ws.send(json.dumps([2, "i", "StartTransaction", payload]))
            return json.loads(await ws.recv())[2]["transactionId"]

    with start_embedded(path) as again:
        assert uvloop.run(go_on(again.url)) > max(transaction_id for _station, transaction_id in found)


def connections(api_url):
    with urllib.request.urlopen(api_url + "/health") as answer:
        return json.load(answer)["connections"]


def test_many_connections_fit_into_one_process(tmp_path):
    count = min(2000, raise_open_file_limit() - 200)

    async def crowd(url):
        host, port = url.removeprefix("ws://").removesuffix("/ocpp").split(":")
        request = (
            "GET /ocpp/GU-%d HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nSec-WebSocket-Version: 13\r\n"
            "Sec-WebSocket-Protocol: ocpp1.6\r\n\r\n"
        )
        writers = []
        for number in range(count):
            reader, writer = await asyncio.open_connection(host, int(port))
            writer.write((request % number).encode())
            assert b" 101 " in await reader.readuntil(b"\r\n\r\n")
            writers.append(writer)
        connected = await asyncio.to_thread(connections, csms.api_url)
        for writer in writers:
            writer.close()
        return connected

    with start_embedded(tmp_path / "a.sqlite") as csms:
        assert uvloop.run(crowd(csms.url)) == count


def test_connections_end_with_1001_when_it_is_told_to_stop(tmp_path):
    async def watch(csms):
        async with connect(f"{csms.url}/GU-1", subprotocols=["ocpp1.6"], proxy=None) as ws:
            csms.process.terminate()
            with pytest.raises(ConnectionClosed) as caught:
                await ws.recv()
            return caught.value.rcvd.code

    with start_embedded(tmp_path / "a.sqlite") as csms:
        assert uvloop.run(watch(csms)) == 1001
