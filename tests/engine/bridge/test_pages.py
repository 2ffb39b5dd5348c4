"""Our pages on Locust's server: who gets in, who may change something, and what they show."""

import json
import re
import sys
from types import SimpleNamespace

import pytest

pytestmark = pytest.mark.locust

from locust import User, task  # noqa: E402 — Locust patches the process: not while collecting
from locust.argument_parser import get_parser  # noqa: E402
from locust.env import Environment  # noqa: E402

from engine.bridge.web import guard, login, pages, tab  # noqa: E402
from engine.bridge.web.enquiries import Unanswered  # noqa: E402
from engine.bridge.web.words import WORDS  # noqa: E402
from stations.errors import PlanError  # noqa: E402

HERE = "http://127.0.0.1:8089"
PASSWORD = "correct horse"


class Someone(User):
    @task
    def wait(self):
        """Nothing."""


class Asked:
    """Stands for `Enquiries`: remembers what was asked."""

    def __init__(self):
        self.heard = []
        self.answer = {}

    def ask(self, station, kind, arguments=None):
        self.heard.append((station, kind, arguments))
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer

    def look(self, station):
        return self.ask(station, "look")

    def find(self, text):
        return [(0, f"GU-{text}")]


class Site:
    """Locust's web application with our pages in it, and somebody's browser."""

    def __init__(self, *, web_login=False, host="127.0.0.1"):
        environment = Environment(user_classes=[Someone])
        environment.parsed_options = get_parser().parse_args([])
        environment.create_local_runner()
        self.ui = environment.create_web_ui(host, 8089, web_login=web_login, delayed_start=True)
        self.asked = Asked()
        self.live = SimpleNamespace(picture=None)
        self.conductor = SimpleNamespace(trial=None, finished=None)
        guard.install(self.ui)
        pages.install(self.ui, self.conductor, self.live, self.asked)
        tab.install(self.ui, self.live)
        self.client = self.ui.app.test_client()

    def get(self, path, **options):
        return self.client.get(path, base_url=HERE, **options)

    def post(self, path, data=None, **headers):
        headers = {name.replace("_", "-"): value for name, value in headers.items()}
        return self.client.post(path, base_url=HERE, data=data, headers=headers)

    def token(self):
        return re.search(r'greenup-token" content="([^"]+)"', self.get("/fleet/").text)[1]


@pytest.fixture(autouse=True)
def plain_command_line(monkeypatch):
    """Locust reads it again for each page it serves."""
    monkeypatch.setattr(sys, "argv", ["locust"])


@pytest.fixture
def site():
    return Site()


def test_a_station_is_changed_with_the_token_of_the_session_only(site):
    path, deed = "/fleet/station/0/plug", json.dumps({"connector": 1})
    assert site.post(path, deed).status_code == 403, "no page was opened"
    token = site.token()
    assert site.post(path, deed).status_code == 403
    assert site.post(path, deed, X_Greenup_Token="guessed").status_code == 403
    assert site.asked.heard == []
    assert site.post(path, deed, X_Greenup_Token=token).status_code == 200
    assert site.asked.heard == [(0, "plug", {"connector": 1})]
    assert Site().token() != token


@pytest.mark.parametrize(
    "headers",
    [
        {"Sec_Fetch_Site": "cross-site"},
        {"Sec_Fetch_Site": "same-site"},  # another port of this machine
        {"Origin": "http://evil.example"},
        {"Origin": "null"},
        {"Origin": "http://127.0.0.1:9999"},
    ],
    ids=str,
)
def test_forms_of_other_sites_are_refused_everywhere(site, headers):
    """Also on Locust's own routes, which take any form that is posted to them."""
    token = site.token()
    for path in ("/swarm", "/stop", "/stats/reset", "/user", "/fleet/station/0/plug"):
        answer = site.post(path, {"user_count": 1, "spawn_rate": 1}, X_Greenup_Token=token, **headers)
        assert (path, answer.status_code) == (path, 403)
    assert site.asked.heard == []


def test_programs_and_own_pages_may_use_locusts_interface(site):
    assert site.post("/stats/reset").text == "ok"
    assert site.post("/stats/reset", Origin=HERE).text == "ok"
    assert site.post("/stats/reset", Origin=HERE, Sec_Fetch_Site="same-origin").text == "ok"


def test_a_page_of_this_machine_answers_to_no_other_name(site):
    """A name of somebody else's, pointed at 127.0.0.1, must not make its pages ours."""
    for name in ("evil.example:8089", "127.0.0.1.evil.example"):
        assert site.client.get("/fleet/", base_url=f"http://{name}").status_code == 403
    assert site.client.get("/fleet/", base_url="http://localhost:8089").status_code == 200
    assert Site(host="0.0.0.0").client.get("/fleet/", base_url="http://load.example").status_code == 200


def test_no_answer_may_be_read_or_framed_by_another_site(site):
    for path in ("/", "/stats/requests", "/fleet/", "/fleet/data"):
        headers = site.get(path, headers={"Origin": "http://evil.example"}).headers
        assert headers.getlist("Access-Control-Allow-Origin") == [HERE]
        assert headers["X-Frame-Options"] == "SAMEORIGIN"
    asked = site.client.options(
        "/fleet/station/0/plug",
        base_url=HERE,
        headers={"Origin": "http://evil.example", "Access-Control-Request-Method": "POST"},
    )
    assert asked.headers["Access-Control-Allow-Origin"] == HERE
    assert "default-src 'self'" in site.get("/fleet/").headers["Content-Security-Policy"]


def test_the_session_stays_in_this_browser_and_on_this_port(site):
    cookie = site.get("/fleet/").headers["Set-Cookie"]
    assert cookie.startswith("greenup_8089=")
    assert "HttpOnly" in cookie
    assert "SameSite=Strict" in cookie


def test_pages_keep_their_own_rules(site):
    """Nothing inline that our policy would block, nothing from elsewhere."""
    for path in ("/fleet/", "/fleet/station"):
        page = site.get(path).text
        assert not re.search(r"<script(?![^>]*(src=|application/json))", page)
        assert " style=" not in page
        assert "built-in method" not in page
        assert not re.search(r'(?:src|href)="(?:https?:)?//', page)


@pytest.mark.parametrize(
    "name", ["fleet.js", "station.js", "charts.js", "common.js", "theme.js", "tab.js", "style.css"]
)
def test_static_files_are_small_and_ours(site, name):
    answer = site.get(f"/fleet/static/{name}")
    assert answer.status_code == 200
    assert len(answer.data) < 12_000
    assert b"http://www.w3.org/2000/svg" in answer.data or b"http" not in answer.data.replace(b"HTTP", b"")


def test_french_and_english_by_the_browser_and_by_choice(site):
    french = {"Accept-Language": "fr-FR,fr;q=0.9,en;q=0.5"}
    assert "Statuts OCPP" in site.get("/fleet/station", headers=french).text
    assert "OCPP statuses" in site.get("/fleet/station", headers={"Accept-Language": "de"}).text
    assert "OCPP statuses" in site.get("/fleet/station?lang=en", headers=french).text
    assert "OCPP statuses" in site.get("/fleet/station", headers=french).text, "the choice is remembered"
    assert "Statuts OCPP" in site.get("/fleet/station?lang=fr").text
    assert "OCPP statuses" in Site().get("/fleet/station?lang=tlh").text


def test_both_languages_say_everything():
    assert WORDS["en"].keys() == WORDS["fr"].keys()
    for key, english in WORDS["en"].items():
        assert (
            re.findall(r"\{\w*\}", english) == re.findall(r"\{\w*\}", WORDS["fr"][key]) or key == "own_bugs"
        )
        assert WORDS["fr"][key]


def test_every_word_that_a_page_asks_for_is_there(site):
    """A missing word would be an empty label, a method of dict would be worse."""
    source = "".join(site.get(f"/fleet/static/{name}.js").text for name in ("fleet", "station", "common"))
    source += "".join(path.read_text() for path in (pages_folder() / "templates/greenup").glob("*.html"))
    asked = set(re.findall(r"\bwords\.(\w+)", source)) - {"textContent"}
    assert asked <= WORDS["en"].keys()
    assert not asked & set(dir(dict))


def pages_folder():
    from pathlib import Path

    return Path(pages.__file__).parent


@pytest.mark.parametrize("path", ["/fleet/station/0", "/fleet/station/0/OCPPConf.xml"])
def test_mistakes_and_silence_are_told_in_words(site, path):
    site.asked.answer = PlanError("the station has not booted, or is gone")
    answer = site.get(path)
    assert (answer.status_code, answer.get_json()["mistake"]) == (
        400,
        "the station has not booted, or is gone",
    )
    site.asked.answer = Unanswered("worker 01 did not answer within 5 s")
    assert site.get(path).status_code == 504


def test_a_file_goes_to_the_station_whole_and_no_further_than_is_allowed(site):
    site.asked.answer = ["line 2: unknown element"]
    token, path = site.token(), "/fleet/station/3/OCPPConf.xml"
    answer = site.post(path, b"<OCPPConf/>", X_Greenup_Token=token)
    assert answer.get_json() == {"warnings": ["line 2: unknown element"]}
    site.post(path, b"x" * 2_000_000, X_Greenup_Token=token)
    (_, kind, small), (_, _, large) = site.asked.heard
    assert (kind, small) == ("store", {"data": b"<OCPPConf/>"})
    assert len(large["data"]) == 256 * 1024 + 1
    assert site.post(path, b"<OCPPConf/>").status_code == 403


def test_only_known_deeds_are_passed_on(site):
    token = site.token()
    for deed, data in (("store", "{}"), ("look", "{}"), ("explode", "{}"), ("plug", "[]")):
        assert site.post(f"/fleet/station/0/{deed}", data, X_Greenup_Token=token).status_code == 404
    assert site.asked.heard == []


def test_downloads_say_what_is_missing(site):
    assert "start one first" in site.get("/fleet/download/summary").get_json()["mistake"]
    site.conductor.trial = SimpleNamespace(folder=SimpleNamespace(path=None))
    assert "when the run has ended" in site.get("/fleet/download/report").get_json()["mistake"]


def test_locusts_page_gets_the_tab_the_links_and_the_script(site):
    index = site.get("/").text
    assert '<script src="./fleet/static/tab.js"></script></body>' in index
    assert '"extended_tabs": [{"title": "Fleet", "key": "fleet"}]' in index
    assert "./fleet/download/report" in index
    (table,) = site.get("/stats/requests").get_json()["extended_stats"]
    assert {"name": "stations running", "value": "0"} in table["data"]
    assert "tab.js" not in site.get("/fleet/").text


# --web-login


@pytest.fixture
def locked(monkeypatch):
    monkeypatch.setenv(login.PASSWORD, PASSWORD)
    monkeypatch.setattr(login, "PAUSE_S", 0.0)
    return Site(web_login=True)


def routes_of(site):
    for rule in site.ui.app.url_map.iter_rules():
        if rule.endpoint.startswith("fleet.") and rule.endpoint != "fleet.enter":
            path = rule.rule.replace("<int:index>", "0").replace("<path:filename>", "style.css")
            for method in rule.methods & {"GET", "POST"}:
                yield method, re.sub(r"<\w+>", "plug", path)


def test_no_page_works_without_login_when_it_is_on(locked):
    routes = list(routes_of(locked))
    assert len(routes) >= 10
    for method, path in [*routes, ("GET", "/"), ("POST", "/swarm"), ("GET", "/stats/requests")]:
        answer = locked.client.open(path, method=method, base_url=HERE)
        assert answer.status_code == 302, (method, path)
        assert "/login" in answer.headers["Location"]
    assert locked.asked.heard == []


def test_the_password_opens_and_nothing_else_does(locked):
    for user, word in (("greenup", "wrong"), ("root", PASSWORD), ("", ""), ("greenup", "")):
        answer = locked.post("/fleet/login", {"username": user, "password": word})
        assert answer.headers["Location"].endswith("/login")
        assert "wrong user name or password" in locked.get("/login").text
        assert locked.get("/fleet/").status_code == 302
    assert (
        locked.post("/fleet/login", {"username": "greenup", "password": PASSWORD}).headers["Location"] == "/"
    )
    assert locked.get("/fleet/").status_code == 200
    assert PASSWORD not in locked.get("/").text
    assert locked.post("/fleet/station/0/connect", "{}", X_Greenup_Token=locked.token()).status_code == 200


def test_a_login_without_a_password_is_refused_before_the_start(monkeypatch):
    monkeypatch.delenv(login.PASSWORD, raising=False)
    with pytest.raises(PlanError, match="set GREENUP_WEB_PASSWORD"):
        login.check()
    monkeypatch.setenv(login.PASSWORD, "short")
    with pytest.raises(PlanError, match="8 characters"):
        login.check()
    monkeypatch.setenv(login.PASSWORD, PASSWORD)
    login.check()
