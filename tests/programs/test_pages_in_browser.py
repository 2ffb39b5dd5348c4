"""The pages as a person uses them, in headless Chromium: on one process, and on a master with two workers.

What the page complains about (an exception, a script that our policy blocks, a request that failed without
our doing) fails the test.
"""

import json
import sqlite3
import time
from pathlib import Path

import pytest

from tests.support import browser
from tests.support.browser import Browser

pytestmark = [
    pytest.mark.realnet,
    pytest.mark.browser,
    pytest.mark.skipif(browser.PROGRAM is None, reason="there is no chromium on this machine"),
]

BROKEN = "<OCPPConf>\n  <UID>NEW\n</OCPPConf>\n"
INVALID = "<OCPPConf>\n  <HeartBeatInterval>5</HeartBeatInterval>\n</OCPPConf>\n"
GOOD = (
    "<OCPPConf>\n  <!-- written by hand -->\n  <UID>KERB-7</UID>\n"
    "  <HeartBeatInterval>45</HeartBeatInterval>\n</OCPPConf>\n"
)
# Nobody comes to plug in: a driver's transaction would be in the way of a station's new name.
IDLE = Path(__file__).parents[2] / "benchmarks" / "fleets" / "idle.toml"
TILE = "document.querySelector('#tile-{} .value').textContent"
SLO = 'version = 1\n\n[slos]\nboots = "count(calls{action=BootNotification}) >= 3"\n'


@pytest.fixture
def page():
    with Browser() as opened:
        yield opened
        expected = ("status of 400", "status of 504")  # a refused file is answered so, and shown
        assert not [words for words in opened.complaints if not any(one in words for one in expected)]


def number(page, tile):
    return int("".join(sign for sign in page.js(TILE.format(tile)) if sign.isdigit()) or 0)


def start(page, base, stations):
    """Fill Locust's form in and press its button."""
    page.open(base)
    page.wait("document.querySelector('[name=csmsUrl]')")
    page.type("[name=userCount]", str(stations))
    page.type("[name=spawnRate]", str(stations))
    page.type("[name=csmsUrl]", "http://wrong/")
    page.click("form button[type=submit]")
    page.wait("document.body.innerText.includes('the scheme must be ws:// or wss://')")
    page.type("[name=csmsUrl]", "")
    page.click("form button[type=submit]")
    page.wait("document.body.innerText.includes('RUNNING') || document.body.innerText.includes('SPAWNING')")


def bits(page):
    return page.text("#active"), page.text("#connected")


def upload(page, folder, text):
    path = Path(folder) / "OCPPConf.xml"
    path.write_text(text)
    page.choose_file("#file", path)
    page.wait("!document.querySelector('#save-conf').disabled")
    page.click("#save-conf")
    page.wait("document.querySelector('#save-conf').disabled")


def use_a_station(page, base, folder, uid):
    page.open(f"{base}fleet/station")
    page.type("#uid", uid)
    page.click("#finder button")
    page.wait(f"document.querySelector('#name').textContent === '{uid}'")
    page.wait("document.querySelector('#registration').textContent === 'Accepted'")
    assert bits(page) == ("1", "1")
    before = page.text("#data")
    assert "HeartBeatInterval" in before
    for bad, place in ((BROKEN, "line 3, column"), (INVALID, "line 2, column 3")):
        upload(page, folder, bad)
        page.wait(f"document.querySelector('#conf-answer').textContent.includes('{place}')")
        time.sleep(1.5)
        assert page.text("#data") == before, "a bad file changes nothing"
    upload(page, folder, GOOD)
    page.wait("document.querySelector('#conf-answer').classList.contains('good')")
    page.wait("document.querySelector('#name').textContent === 'KERB-7'")
    assert "45" in page.text("#data")
    page.click("#activate")
    page.wait("document.querySelector('#active').textContent === '0'")
    page.wait("document.querySelector('#connected').textContent === '0'")
    page.click("#activate")
    page.wait("document.querySelector('#connected').textContent === '1'")
    page.wait("document.querySelector('#registration').textContent === 'Accepted'")
    page.wait("document.querySelectorAll('#frames li').length > 1")
    file = page.js("fetch(document.querySelector('#get-conf').href).then(a => a.text())")
    assert "written by hand" in file
    assert "<UID>KERB-7</UID>" in file


def charge_by_hand(page):
    page.click("[data-deed=fault]")
    page.wait("document.querySelector('.status').textContent.includes('EVCommunicationError')")
    page.click("[data-deed=clear]")
    page.wait("!document.querySelector('.status').textContent.includes('EVCommunicationError')")
    page.click("#mains")
    page.wait("document.querySelector('#link').textContent === 'off'")
    page.click("#mains")
    page.wait("document.querySelector('#connected').textContent === '1'")


def known_to_the_central_system(folder):
    (database,) = Path(folder).glob("runs/*/csms.sqlite")
    with sqlite3.connect(database) as ledger:
        return {row[0] for row in ledger.execute("SELECT station FROM connections WHERE event = 'opened'")}


def test_a_run_from_the_form_to_the_last_click(locust, page, port, tmp_path):
    (tmp_path / "slo.toml").write_text(SLO)
    program = locust("--web-port", port, "--slo", "slo.toml", "--fleet", IDLE)
    base = f"http://127.0.0.1:{port}/"
    program.wait_until("Starting web interface")
    start(page, base, 6)
    page.open(f"{base}fleet/")
    page.wait(f"{TILE.format('stations')} === '6'")
    page.wait("document.querySelector('#legend-links').textContent.startsWith('connected 6')")
    page.wait("document.querySelector('#actions').textContent.includes('BootNotification')")
    page.wait("document.querySelectorAll('#chart-messages path').length > 1")
    page.wait("document.querySelector('#verdict').className.includes('trusted')")
    page.colours("dark")
    page.wait("document.documentElement.dataset.theme === 'dark'")
    use_a_station(page, base, tmp_path, "GU-000002")
    assert "KERB-7" in known_to_the_central_system(tmp_path)
    charge_by_hand(page)
    page.open(f"{base}fleet/station?uid=KERB-7&lang=fr")
    page.wait("document.querySelector('#activate').textContent === 'Déconnexion du serveur OCPP'")
    page.open(base)
    page.js("[...document.querySelectorAll('button')].find(b => b.textContent === 'Stop').click()")
    page.open(f"{base}fleet/?lang=en")
    page.wait("document.querySelector('#run').textContent.includes('ended')")
    page.wait("document.querySelector('#checks').textContent.includes('boots')")
    assert "✓ passed" in page.text("#checks")
    summary = page.js("fetch('download/summary').then(a => a.text())")
    assert "BootNotification" in summary
    report = page.js("fetch('download/report').then(a => a.text())")
    assert report.lstrip().lower().startswith("<!doctype html")
    program.interrupt()
    program.finish()
    assert json.loads(program.run_folders()[-1].read_text())["status"] == "stopped"


def test_a_station_of_another_process_is_reached(locust, page, port, tmp_path):
    """Master and two workers: the page belongs to a process that runs no station."""
    (control,) = free_ports(1)
    program = locust(
        *("--web-port", port, "--processes", 2, "--fleet", IDLE),
        *("--master-bind-host", "127.0.0.1", "--master-bind-port", control, "--master-port", control),
    )
    base = f"http://127.0.0.1:{port}/"
    program.wait_until("Starting web interface")
    program.wait_until(lambda: program.said.count("reported as ready") == 2)
    start(page, base, 8)
    page.open(f"{base}fleet/")
    page.wait(f"{TILE.format('stations')} === '8'")
    page.wait("document.querySelectorAll('#workers tbody tr').length === 2")
    page.wait("document.querySelector('#actions').textContent.includes('BootNotification')")
    use_a_station(page, base, tmp_path, "GU-000002")
    page.open(f"{base}fleet/station?uid=GU-000007")
    page.wait("document.querySelector('#registration').textContent === 'Accepted'")
    page.open(base)
    page.js("[...document.querySelectorAll('button')].find(b => b.textContent === 'Stop').click()")
    page.open(f"{base}fleet/")
    page.wait("document.querySelector('#run').textContent.includes('ended')")
    program.interrupt(everybody=True)
    program.finish()


def test_with_web_login_a_person_logs_in_first(locust, page, port):
    program = locust("--web-port", port, "--web-login", GREENUP_WEB_PASSWORD="correct horse")
    base = f"http://127.0.0.1:{port}/"
    program.wait_until("Starting web interface")
    page.open(f"{base}fleet/")
    page.wait("document.querySelector('[name=password]')")
    page.type("[name=username]", "greenup")
    page.type("[name=password]", "wrong wrong")
    page.click("button[type=submit]")
    page.wait("document.body.innerText.includes('wrong user name or password')")
    page.type("[name=username]", "greenup")
    page.type("[name=password]", "correct horse")
    page.click("button[type=submit]")
    page.wait("document.querySelector('[name=csmsUrl]')")
    page.open(f"{base}fleet/")
    page.wait("document.querySelector('#tiles')")
    program.interrupt()
    assert program.finish() == 0


def free_ports(count):
    import socket

    held = [socket.socket() for _ in range(count)]
    for one in held:
        one.bind(("127.0.0.1", 0))
    found = [one.getsockname()[1] for one in held]
    for one in held:
        one.close()
    return found
