"""The real edge: stations of the product on uvloop against a small central system on loopback."""

import _thread
import asyncio
import json
import threading
import time
from types import SimpleNamespace

import pandas as pd
import pytest
from msgspec import structs
from websockets.asyncio.server import serve

import engine.keeper
from engine.dial import DialSettings
from engine.loop import Loop, LoopSettings
from engine.orders import Ask, Begin, Deploy, Happen, Retire, Stop
from profiles import fleets
from profiles.fleetfile import Timestamps
from profiles.fleets import Deployed
from profiles.hardship import Hardship, Verb
from profiles.network import Network
from results.recorder import Recorder
from stations.core.events import PlugIn, Swipe
from stations.core.plan import Plan, Product
from stations.errors import PlanError, StationBug
from stations.wire.types import parse_datetime
from tests.support.vehicle import SteadyCar

pytestmark = pytest.mark.realnet
PATIENCE_S = 20.0
QUICK = Product(model="059004", connectors=1, keys={"serverReconnectionTime": "1"})


class Central:
    """Answers every call, or nothing when told; runs in a thread of its own."""

    def __init__(self):
        self.seen = []  # (identity, action, payload)
        self.silent = set()  # actions that get no answer
        self.open = {}
        self.port = 0
        self._up = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._main()))
        self._thread.start()
        assert self._up.wait(PATIENCE_S)

    async def _main(self):
        self._loop = asyncio.get_running_loop()
        self._ended = asyncio.Event()
        async with serve(self._station, "127.0.0.1", 0, subprotocols=["ocpp1.6"]) as server:
            self.port = server.sockets[0].getsockname()[1]
            self._up.set()
            await self._ended.wait()

    async def _station(self, connection):
        identity = connection.request.path.rpartition("/")[2]
        self.open[identity] = connection
        async for message in connection:
            kind, ident, *rest = json.loads(message)
            if kind == 2:
                action, payload = rest
                self.seen.append((identity, action, payload))
                if action not in self.silent:
                    await connection.send(json.dumps([3, ident, self._answer(action)]))

    def _answer(self, action):
        accepted = {"idTagInfo": {"status": "Accepted"}}
        return {
            "BootNotification": {
                "status": "Accepted",
                "currentTime": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
                "interval": 300,
            },
            "Authorize": accepted,
            "StartTransaction": {"transactionId": len(self.seen), **accepted},
            "StopTransaction": accepted,
        }.get(action, {})

    def command(self, identity, action, payload):
        """Send a CALL to a station."""
        frame = json.dumps([2, f"c{action}", action, payload])
        asyncio.run_coroutine_threadsafe(self.open[identity].send(frame), self._loop).result(PATIENCE_S)

    @property
    def said_available(self):
        return sum(
            payload.get("status") == "Available" and payload["connectorId"] > 0 for *_, payload in self.seen
        )

    def cut_everybody(self):
        def cut():
            for connection in self.open.values():
                connection.transport.abort()

        self._loop.call_soon_threadsafe(cut)

    def count(self, action):
        return sum(seen == action for _, seen, _ in self.seen)

    def close(self):
        self._loop.call_soon_threadsafe(self._ended.set)
        self._thread.join(PATIENCE_S)


def traced_thread(function, arguments):
    """A native thread that coverage sees into."""
    threading.Thread(target=function, args=arguments).start()


class Run:
    """A loop and everything it has said."""

    def __init__(self, folder, central, settings=None):
        self.url = f"ws://127.0.0.1:{central.port}/ocpp"
        self.folder = folder
        self.recorder = Recorder(folder, "00", start_new_thread=_thread.start_new_thread, sleep=time.sleep)
        self._wake = threading.Event()
        self.loop = Loop(settings or LoopSettings(), self.recorder, self._wake.set)
        self.batches = []
        self.loop.start(traced_thread)

    def deploy(self, count, rate_per_s=1000.0, *, first=0, product=QUICK, driver=None):
        plans = [Plan(f"GU-{i}", f"{self.url}/GU-{i}", product) for i in range(first, first + count)]
        stations = [(first + n, Deployed(plan, driver)) for n, plan in enumerate(plans)]
        self.loop.post(Deploy(stations, rate_per_s))

    def until(self, condition):
        """Take batches until `condition(gauges)`."""
        give_up = time.monotonic() + PATIENCE_S
        while not (self.batches and condition(self.batches[-1].gauges)):
            assert time.monotonic() < give_up, self.batches[-1:]
            self._wake.wait(1.0)
            self._wake.clear()
            self._collect()
        return self.batches[-1].gauges

    def _collect(self):
        while self.loop.facts:
            self.batches.append(self.loop.facts.popleft())

    def close(self, timeout_s=5.0):
        self.loop.post(Stop(timeout_s))
        give_up = time.monotonic() + timeout_s + PATIENCE_S
        while not self.loop.stopped:
            assert time.monotonic() < give_up
            time.sleep(0.005)
        self._collect()
        receipt = self.recorder.close()
        assert receipt.complete
        return receipt

    @property
    def retired(self):
        return [index for batch in self.batches for index in batch.retired]

    @property
    def bugs(self):
        return [bug for batch in self.batches for bug in batch.bugs]

    def table(self, name):
        return pd.read_parquet(self.folder / name)


@pytest.fixture
def central():
    central = Central()
    yield central
    central.close()


@pytest.fixture
def run(tmp_path, central):
    run = Run(tmp_path, central)
    yield run
    if not run.loop.stopped:
        run.close()


def accepted(count):
    return lambda gauges: gauges.registrations.get("Accepted", 0) == count


def test_stations_boot_report_and_are_counted(run, central):
    """BOOT-1, BOOT-4 end to end, and what the gauges, rows and receipts say of it."""
    run.deploy(20)
    gauges = run.until(lambda g: accepted(20)(g) and g.connectors.get("Available") == 20)
    assert gauges.links == {"open": 20}
    assert (gauges.stations, gauges.waiting, gauges.connects, gauges.reconnects) == (20, 0, 20, 0)
    receipt = run.close()
    assert run.bugs == []
    assert sorted(run.retired) == list(range(20))
    assert central.count("BootNotification") == 20
    calls = run.table("calls")
    assert len(calls) == receipt.tables["calls"].rows == sum(len(b.calls) for b in run.batches if b.calls)
    boots = calls[calls["action"] == "BootNotification"]
    assert set(boots["station"]) == set(range(20))
    assert (boots["outcome"] == "ok").all()
    assert (boots["service_us"] > 0).all()
    assert set(run.table("connections")["kind"]) >= {"opened", "accepted", "closed"}
    assert sorted(run.table("stations")["uid"]) == sorted(f"GU-{i}" for i in range(20))


def test_starts_are_paced(run):
    """C5: Locust spawns in bursts, stations boot at the rate."""
    began = time.monotonic()
    run.deploy(30, 100.0)
    gauges = run.until(accepted(30))
    assert time.monotonic() - began > 0.25
    assert gauges.waiting == 0


def test_a_session_runs_from_events_and_ends_with_its_station(run, central):
    """C5: a station that is stopped ends its transaction, delivers it, and closes."""
    run.deploy(1)
    run.until(accepted(1))
    visit = fleets.load("demo").deploy(1, url_base=run.url).station(0).driver
    visit.start(run.loop.clock.now(), 0.0)
    free = SimpleNamespace(connectors=[SimpleNamespace(status="Available")] * 3)
    plug = None
    while plug is None:  # the first car of the fleet's own driver
        events = visit.act(visit.deadline(), free)
        plug = next((event for event in events if isinstance(event, PlugIn)), None)
    run.loop.post(Happen(0, PlugIn(1, plug.vehicle)))
    run.loop.post(Happen(0, Swipe("TAG-1", (1,))))
    run.loop.post(Happen(99, Swipe("TAG-1", (1,))))  # nobody there
    run.until(lambda g: g.sessions == 1 and central.count("StartTransaction") == 1)
    run.loop.post(Retire([0, 99]))
    gauges = run.until(lambda g: g.stations == 0)
    assert gauges.sessions == 0
    assert run.retired == [0]
    run.close()
    states = run.table("transactions")["state"].tolist()
    assert states == ["started", "acknowledged", "stopped", "settled"]
    assert run.bugs == []


def test_a_station_may_be_retired_before_its_turn_and_come_back_after_its_end(run):
    run.deploy(3, 1.0)
    run.loop.post(Retire([2]))
    run.until(lambda g: g.stations == 1 and g.waiting == 1)
    assert run.retired == [2]
    run.loop.post(Retire([0]))
    run.deploy(1, 1000.0)  # station 0 again
    run.until(lambda g: accepted(2)(g) and run.retired == [2, 0])
    run.close()
    assert sorted(run.retired) == [0, 0, 1, 2]
    stations = run.table("stations")
    assert stations[stations["station"] == 0]["deployment"].tolist() == [1, 2]


def test_the_run_goes_on_when_every_connection_dies(run, central):
    """WS-3, WS-7: stations reconnect by their rules, without a new BootNotification."""
    run.deploy(5)
    run.until(accepted(5))
    central.cut_everybody()
    run.until(lambda g: g.links.get("open", 0) < 5)
    gauges = run.until(lambda g: g.reconnects == 5 and g.links == {"open": 5})
    assert gauges.connects == 10
    run.close()
    assert central.count("BootNotification") == 5
    assert (run.table("connections")["kind"] == "lost").sum() == 5
    assert run.bugs == []


def test_commands_of_the_central_system_are_answered_and_recorded(run, central):
    """CMD end to end: direction `in`."""
    run.deploy(1)
    run.until(accepted(1))
    central.command("GU-0", "GetConfiguration", {"key": ["HeartbeatInterval"]})
    run.until(lambda _: any(b.calls and 1 in b.calls.rows["direction"] for b in run.batches))
    run.close()
    calls = run.table("calls")
    command = calls[calls["direction"] == "in"]
    assert command["action"].tolist() == ["GetConfiguration"]
    assert command["bytes_out"].iloc[0] > 0


def test_a_failing_driver_retires_its_station_and_no_other(run):
    """C10: our bug, counted and shown; the run goes on."""

    class Broken:
        def start(self, now, local_s):
            pass

        def deadline(self):
            return 0.0

        def act(self, now, station):
            raise ZeroDivisionError("ours")

    run.deploy(1, driver=Broken())
    run.deploy(3, first=1)
    run.until(accepted(3))
    run.close()
    assert len(run.bugs) == 1
    assert "ZeroDivisionError" in run.bugs[0]
    assert run.retired[0] == 0


def test_a_station_that_cannot_be_built_is_a_bug_and_no_other_suffers(run, monkeypatch):
    """C10"""
    real = engine.keeper.Station

    def build(plan, seed):
        if plan.identity == "GU-1":
            raise StationBug("no such station")
        return real(plan, seed)

    monkeypatch.setattr(engine.keeper, "Station", build)
    run.deploy(3)
    run.until(lambda g: accepted(2)(g) and run.retired == [1])
    assert "StationBug" in run.bugs[0]


def test_a_silent_central_system_cannot_hold_up_the_stop(run, central):
    """C5: shutdown is bounded and idempotent."""
    central.silent = {"StatusNotification"}
    run.deploy(5)
    run.until(accepted(5))
    run.loop.post(Stop(0.3))
    run.close(0.3)
    run.loop.post(Stop(0.3))
    run.deploy(1)
    assert sorted(run.retired) == list(range(5))
    assert run.batches[-1].gauges.stations == 0
    calls = run.table("calls")
    assert set(calls["action"]) >= {"BootNotification"}


def test_a_stop_while_starts_wait_retires_those_too(run):
    run.deploy(50, 1.0)
    run.until(lambda g: g.waiting > 0)
    run.loop.post(Stop(5.0))
    run.deploy(1, first=50)  # too late
    run.close()
    assert sorted(run.retired) == list(range(51))


@pytest.mark.parametrize("timestamps", list(Timestamps))
def test_time_can_be_compressed(tmp_path, central, timestamps):
    """C9, BOOT-3: at scale 120 a heartbeat of 300 s comes within seconds; latencies stay real."""
    days_ago_s = (time.time() - 7 * 86_400) % (7 * 86_400)  # 1970 began on a Thursday, weeks on Monday
    settings = LoopSettings(time_scale=120.0, timestamps=timestamps, start_local_s=days_ago_s)
    run = Run(tmp_path, central, settings)
    run.deploy(2)
    run.until(lambda _: central.count("Heartbeat") >= 2)
    for event in (PlugIn(1, SteadyCar()), Swipe("A", (1,))):
        run.loop.post(Happen(0, event))
    run.until(lambda _: central.count("StartTransaction") == 1)
    run.close()
    calls = run.table("calls")
    assert (calls["service_us"] < PATIENCE_S * 1e6).all()
    took_s = (calls["done"].max() - calls["done"].min()).total_seconds()
    assert took_s < PATIENCE_S
    assert "BOOT-3" not in set(run.table("findings")["rule"])
    stamps = [parse_datetime(sent["timestamp"]) for *_, sent in central.seen if "timestamp" in sent]
    off_s = max(abs(stamp - time.time()) for stamp in stamps)
    assert off_s < PATIENCE_S if timestamps is Timestamps.REAL else off_s > 120.0


def test_what_a_slow_line_holds_back_leaves_when_its_latency_is_over(run, central):
    """A burst is written after deadlines are armed: the line itself must ask to be woken."""
    plan = Plan("GU-0", f"{run.url}/GU-0", QUICK)
    slow = Deployed(plan, None, network=Network(latency_ms=30.0))
    run.loop.post(Deploy([(0, slow)], 1000.0))
    run.until(accepted(1))
    run.close()
    calls = run.table("calls")
    assert (calls["service_us"] >= 55_000).all()
    assert calls["service_us"].max() < 2e6


def test_answers_that_a_slow_reader_left_in_the_socket_are_late_and_nobodys_fault(tmp_path, central):
    """RPC-5: the station gives a call up while it reads nothing; what then comes in is no finding."""
    keys = {"confBasicTime": "1", "serverReconnectionTime": "1"}
    deaf = Hardship(Verb.DEAF, at_s=0.5, lasting_s=3.0, per_s=5.0)
    run = Run(tmp_path, central, LoopSettings(hardship=[deaf]))
    run.deploy(1, product=structs.replace(QUICK, keys=keys))
    run.until(accepted(1))
    run.loop.post(Begin(0.0))
    time.sleep(1.0)
    run.loop.post(Happen(0, PlugIn(1, SteadyCar())))  # it has something to say, and hears no answer
    time.sleep(4.0)
    run.loop.post(Happen(0, Swipe("A", (1,))))
    run.until(lambda _: central.count("StartTransaction") == 1)
    run.close()
    calls = run.table("calls")
    assert "cancelled" in set(calls["outcome"])
    assert set(calls["outcome"]) <= {"ok", "cancelled"}
    assert calls.sort_values("done")["outcome"].iloc[-1] == "ok", "it goes on over the same link"
    assert list(run.table("connections")["kind"]).count("opened") == 1
    assert not (tmp_path / "findings").exists() or len(run.table("findings")) == 0


def test_health_is_told_every_second(run):
    run.deploy(2)
    run.until(lambda _: sum(batch.health is not None for batch in run.batches) >= 2)
    health = [batch.health for batch in run.batches if batch.health]
    assert health[-1]["connected"] == 2
    run.close()
    assert len(run.table("health")) >= 2


def test_tls_files_are_checked_before_anything_starts(tmp_path, central):
    recorder = SimpleNamespace()
    with pytest.raises(PlanError, match="no-such"):
        Loop(LoopSettings(dial=DialSettings(ca_file="/no-such.pem")), recorder, print)


def test_what_escapes_into_the_loop_is_a_bug_and_ends_nothing(run):
    run.deploy(1)
    run.until(accepted(1))
    run.loop._loop.call_soon_threadsafe(lambda: 1 / 0)
    run.until(lambda _: run.bugs != [])
    assert "ZeroDivisionError" in run.bugs[0]
    run.deploy(1, first=1)
    run.until(accepted(2))


def test_stops_and_starts_get_through_when_every_deadline_is_late(run):
    """An overload is when stations are taken away: no kind of work may starve another."""

    class Busybody:
        def start(self, now, local_s):
            pass

        def deadline(self):
            return 0.0  # always late

        def act(self, now, station):
            until = time.monotonic() + 0.002
            while time.monotonic() < until:
                pass
            return []

    run.deploy(5, driver=Busybody())
    run.until(lambda g: g.stations == 5)
    run.deploy(1, first=5)
    run.loop.post(Retire([0, 1, 2, 3, 4]))
    run.until(accepted(1))
    run.until(lambda _: sorted(run.retired) == [0, 1, 2, 3, 4])


def test_a_question_to_one_station_is_answered_with_the_next_facts(run):
    """The station's page: what it tells, the asker's mistake, a station that is not there, a bug of ours."""

    def mistaken(_unit, _clock):
        raise PlanError("no such side")

    def buggy(_unit, _clock):
        raise ZeroDivisionError

    run.deploy(1)
    run.until(lambda gauges: gauges.registrations.get("Accepted") == 1)
    questions = [
        (0, lambda unit, _clock: unit.station.plan.identity),
        (0, mistaken),
        (5, mistaken),
        (0, buggy),
    ]
    for ticket, (station, question) in enumerate(questions):
        run.loop.post(Ask(ticket, station, question))
    run.until(lambda _gauges: sum(len(batch.answers) for batch in run.batches) == 4)
    answers = {answer.ticket: answer for batch in run.batches for answer in batch.answers}
    assert answers[0].told == "GU-0"
    assert answers[1].mistake == "no such side"
    assert "not booted" in answers[2].mistake
    assert "bug of ours" in answers[3].mistake
    assert any("ZeroDivisionError" in bug for batch in run.batches for bug in batch.bugs)


def test_hardship_strikes_real_sockets_and_everybody_comes_back(tmp_path, central):
    """The plan of the virtual edge, on TCP: cut, half open, power, slow; what ends is put down as ours."""
    plan = [
        Hardship(Verb.CUT, at_s=0.2, lasting_s=0.8, stations="GU-0"),
        Hardship(Verb.POWER_OFF, at_s=0.2, lasting_s=0.8, stations="GU-1"),
        Hardship(Verb.HOLD, at_s=0.2, lasting_s=0.8, stations="GU-2"),
        Hardship(Verb.SLOW, at_s=0.2, latency_ms=300, stations="GU-3"),
        Hardship(Verb.LOSE, at_s=0.2, stations="GU-4"),
    ]
    run = Run(tmp_path, central, LoopSettings(hardship=plan))
    product = structs.replace(QUICK, reboot_delay_s=0.1)
    run.deploy(6, product=product)
    run.until(accepted(6))
    run.loop.post(Begin(0.0))
    run.until(lambda gauges: gauges.links.get("open", 0) <= 4)
    central.command("GU-2", "GetLocalListVersion", {})
    central.command("GU-3", "GetLocalListVersion", {})
    gauges = run.until(lambda g: g.reconnects >= 3 and accepted(6)(g) and g.links == {"open": 6})
    assert gauges.sessions == 0
    run.close()
    assert run.bugs == []
    links = run.table("connections")
    kinds = {station: list(rows["kind"]) for station, rows in links.groupby("station")}
    assert kinds[0][:4] == ["opened", "accepted", "hardship", "cut"]
    assert "calm" in kinds[0]
    assert kinds[1].count("accepted") == 2, "power brings a new boot"
    assert kinds[2] == ["opened", "accepted", "hardship", "calm", "closed"]
    assert kinds[3] == ["opened", "accepted", "hardship", "calm", "closed"]
    assert kinds[4][:4] == ["opened", "accepted", "hardship", "cut"]
    assert kinds[5] == ["opened", "accepted", "closed"]
    assert "lost" not in set(links["kind"])
    calls = run.table("calls")
    assert (calls["direction"] == "in").sum() == 2, "held and slow commands arrive in the end"
    assert set(calls["outcome"]) <= {"ok", "cancelled"}


def test_protocol_abuse_on_real_sockets_leaves_the_stations_well(tmp_path, central):
    plan = [
        Hardship(Verb.DEAF, lasting_s=1, per_s=50, stations="GU-0"),
        Hardship(Verb.CHURN, lasting_s=1, per_s=20, stations="GU-1"),
        Hardship(Verb.OVERSIZE, size_bytes=200_000, stations="GU-2"),
        Hardship(Verb.REPEAT, stations="GU-3"),
    ]
    run = Run(tmp_path, central, LoopSettings(hardship=plan))
    run.deploy(5)
    run.until(lambda _: central.said_available == 5)
    run.loop.post(Begin(0.0))
    run.until(lambda _: central.count("DataTransfer"))
    run.loop.post(Happen(3, PlugIn(1, SteadyCar())))
    run.until(lambda g: g.reconnects >= 1 and g.links == {"open": 5})
    run.close()
    assert run.bugs == []
    assert central.count("Heartbeat") >= 30
    assert central.count("DataTransfer") == 1
    told = [(who, payload.get("status")) for who, _, payload in central.seen]
    assert told.count(("GU-3", "Preparing")) == 2
    calls = run.table("calls")
    assert (calls["outcome"] == "ok").all()
    assert "DataTransfer" not in set(calls["action"])
