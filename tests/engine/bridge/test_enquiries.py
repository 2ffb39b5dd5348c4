"""A question of the page reaches one station of one worker, and what comes of it comes back."""

from types import SimpleNamespace

import gevent
import pytest

pytestmark = pytest.mark.locust

from engine.bridge import messages  # noqa: E402 — Locust patches the process: not while collecting
from engine.bridge.desk import Desk  # noqa: E402
from engine.bridge.identities import Leases  # noqa: E402
from engine.bridge.options import Settings  # noqa: E402
from engine.bridge.web import enquiries  # noqa: E402
from engine.bridge.web.enquiries import Enquiries, Names, Unanswered  # noqa: E402
from engine.facts import Answer  # noqa: E402
from profiles import fleets  # noqa: E402
from stations.errors import PlanError  # noqa: E402


class Channel:
    """Locust's own, in one process: what is sent is heard at once by whoever listens."""

    def __init__(self):
        self.listeners = {}
        self.sent = []

    def register_message(self, kind, listener, concurrent=False):
        self.listeners[kind] = listener

    def send_message(self, kind, data, client_id=None):
        self.sent.append((kind, client_id))
        gevent.spawn(self.listeners[kind], SimpleNamespace(data=data, node_id="worker"))


class Stations:
    """Stands for a worker's: answers like the loop thread, a moment later."""

    def __init__(self, run, channel):
        self.run = run
        self.on_answer = None
        self.silent = False

    def ask(self, ticket, station, question):
        if self.silent:
            return
        try:
            answer = Answer(ticket, question(f"unit {station}", None))
        except PlanError as mistake:
            answer = Answer(ticket, mistake=str(mistake))
        gevent.spawn(self.on_answer, answer)


class World:
    def __init__(self):
        self.channel = Channel()
        leases = Leases()
        leases.take("first", 10)
        leases.take("second", 10)
        settings = Settings(csms_url="ws://127.0.0.1:1/")
        self.trial = SimpleNamespace(
            run="r", leases=leases, ending=False, names={"second": "01"}, csms=None, settings=settings
        )
        self.conductor = SimpleNamespace(trial=self.trial)
        self.stations = Stations("r", self.channel)
        self.desk = Desk(SimpleNamespace(stations=self.stations), self.channel)
        self.desk._gallery = SimpleNamespace(
            look=lambda unit, _clock: {"uid": "GU-000013", "unit": unit},
            file=lambda _unit, _clock: b"\xff<OCPPConf/>",
            store=lambda document: lambda _unit, _clock: [document.conf.uid],
        )
        self.desk._run = "r"
        self.stations.on_answer = self.desk._on_answer
        self.master = Enquiries(self.conductor, self.channel)


@pytest.fixture
def world():
    return World()


def test_a_question_goes_to_the_worker_that_runs_the_station(world):
    assert world.master.look(12)["unit"] == "unit 12"
    assert world.channel.sent[0] == ("greenup-question", "second")
    assert world.master.ask(3, "file") == b"\xff<OCPPConf/>", "bytes stay bytes"
    assert ("greenup-question", "first") in world.channel.sent


def test_a_file_is_read_before_a_station_sees_it(world):
    assert world.master.ask(0, "store", {"data": b"<OCPPConf><UID>A</UID></OCPPConf>"}) == ["A"]
    with pytest.raises(PlanError, match=r"OCPPConf.xml, line 1, column \d+"):
        world.master.ask(0, "store", {"data": b"<OCPPConf><UID>A</OCPPConf>"})


def test_mistakes_come_back_in_words(world):
    with pytest.raises(PlanError, match="use one of"):
        world.master.ask(0, "explode")
    with pytest.raises(PlanError, match="station number 21 is not running"):
        world.master.ask(20, "look")
    world.stations.run = "another test"
    with pytest.raises(PlanError, match="no test is running on this worker"):
        world.master.ask(0, "look")
    world.conductor.trial = None
    with pytest.raises(PlanError, match="no test is running"):
        world.master.find("GU")


def test_a_silent_worker_is_named_in_time(world, monkeypatch):
    monkeypatch.setattr(enquiries, "ANSWER_WITHIN_S", 0.05)
    world.stations.silent = True
    with pytest.raises(Unanswered, match="worker 01 did not answer"):
        world.master.ask(12, "look")
    assert world.master._waiting == {}


def test_an_answer_nobody_waits_for_is_ignored(world):
    world.channel.listeners["greenup-answer"](SimpleNamespace(data={"run": "r", "ticket": 99, "told": 1}))
    assert world.master._waiting == {}


def test_another_test_has_other_stations(world):
    before = world.desk._gallery
    world.stations.run = world.trial.run = "next"
    world.channel.listeners["greenup-question"](
        SimpleNamespace(data=messages.write(messages.Question("next", 1, 0, "explode")))
    )
    assert world.desk._gallery is not before


@pytest.fixture
def names():
    return Names(fleets.load("demo").deploy(url_base="ws://h/", seed=1))


def test_a_station_is_found_by_its_uid_its_number_or_a_part(names):
    held = [(0, 100), (5_000, 30_000)]
    assert names.find("GU-012345", held) == [(12_344, "GU-012345")]
    assert names.find("gu-012345", held)[0] == (12_344, "GU-012345")
    assert names.find("7", held)[0] == (6, "GU-000007")
    assert len(names.find("", held)) == 20
    assert names.find("00009", held)[0] == (8, "GU-000009")
    assert names.find("GU-000300", held) == [], "nobody runs it"
    assert names.find("nothing like it", held) == []


def test_a_renamed_station_is_found_by_its_new_name_once_it_was_looked_at(names):
    names.renamed("GU-000001", 0)
    names.renamed("KERB-1", 0)
    assert names.find("kerb", [(0, 5)]) == [(0, "KERB-1")]
