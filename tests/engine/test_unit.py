"""A unit with a station, a driver, an edge and a link made of paper."""

from types import SimpleNamespace

import pytest

from engine.burst import Burst
from engine.clock import Clock
from engine.journal import Journal
from engine.tally import Tally
from engine.unit import FOREVER, Stage, Unit
from stations.core import events as ev

pytestmark = pytest.mark.interpreted  # a compiled unit takes no station of paper

T0 = 1_000.0
UNIX_S = 1_700_000_000.0


class PaperClock(Clock):
    """A clock that stands still until told."""

    __slots__ = ("at",)

    def __init__(self, scale=1.0):
        super().__init__(scale, origin_s=T0, unix_s=UNIX_S)
        self.at = T0

    def now(self):
        return self.at


class PaperRecorder:
    def __init__(self):
        self.rows = []

    def __getattr__(self, table):
        return lambda *args, **columns: self.rows.append((table, args, columns))

    def of(self, table):
        return [(args, columns) for name, args, columns in self.rows if name == table]


class PaperLink:
    def __init__(self, clock):
        self.clock = clock
        self.did = []
        self.deadline = FOREVER

    def send(self, data):
        self.did.append(("send", data))
        self.clock.at += 0.002  # the write takes its time

    def ping(self, timeout_s):
        self.did.append(("ping", timeout_s))

    def close(self, code, reason):
        self.did.append(("close", code, reason))

    def drop(self):
        self.did.append(("drop",))

    def on_deadline(self):
        self.did.append(("deadline",))
        self.deadline = FOREVER


class PaperStation:
    """Does what its script says for each kind of event, and remembers what it was told."""

    def __init__(self, script=None):
        self.script = script or {}
        self.told = []
        self.due = None
        self.backlog = 0
        self.connectors = {n: SimpleNamespace(transaction=None, status="Available") for n in (1, 2)}

    def on_event(self, event, now, due=None):
        self.told.append((event, now, due))
        effects = self.script.get(type(event), [])
        return effects(event, now) if callable(effects) else list(effects)

    def deadline(self):
        return self.due

    def on_deadline(self, now):
        self.told.append(("deadline", now))
        self.due = None
        return list(self.script.get("deadline", []))

    def power_w(self, connector, now):
        return 1_000.0 * connector


class PaperEdge:
    def __init__(self, scale=1.0):
        self.clock = PaperClock(scale)
        self.recorder = PaperRecorder()
        self.journal = Journal(self.clock, self.recorder)
        self.tally = Tally()
        self.links = []
        self.armed = []
        self.ended = []
        self.persisted = 0
        self.transfers = []
        self.waits = False  # answers are not read before the edge says

    def open_link(self, unit, url, authorization):
        self.links.append(PaperLink(self.clock))
        return self.links[-1]

    def arrived(self, unit):
        if not self.waits:
            unit.read()

    def arm(self, unit, deadline_s):
        self.armed.append(deadline_s)

    def gone(self, unit, bug):
        self.ended.append((unit.index, bug))

    def persist(self, unit):
        self.persisted += 1

    def transfer(self, unit, wanted):
        self.transfers.append(wanted)


CONNECTS = {ev.PowerOn: [ev.OpenLink("ws://csms/GU-1", "Basic x")]}


def online(script=None, *, driver=None, scale=1.0):
    edge = PaperEdge(scale)
    station = PaperStation({**CONNECTS, **(script or {})})
    unit = Unit(7, station, driver, 2, edge)
    unit.power_on()
    edge.clock.at += 0.25 * scale
    unit.link_up("ocpp1.6")
    return edge, station, unit


def test_a_station_powers_on_with_its_clock_and_gets_its_link():
    edge, station, unit = online()
    power_on, link_up = (event for event, *_ in station.told)
    assert power_on.wall_offset_s == UNIX_S - T0
    assert link_up == ev.LinkUp("ocpp1.6")
    assert edge.tally.gauges(1, 0).links == {"open": 1}
    (args, columns) = edge.recorder.of("connection")[0]
    assert args == (7, int((UNIX_S + 0.25) * 1e6), "opened")
    assert columns == {"connect_us": 250_000}
    assert unit.link is edge.links[0]


def test_effects_are_performed_in_order_and_a_call_is_stamped_after_its_write():
    """C6: `sent` is when the bytes were handed to the socket."""
    call = ev.OpenCall("1", "Heartbeat", due=T0, free=T0)
    edge, _, _ = online({ev.LinkUp: [ev.Send(b"[2]", call), ev.Ping(10.0), ev.Send(b"[3]")]})
    assert edge.links[0].did == [("send", b"[2]"), ("ping", 10.0), ("send", b"[3]")]
    assert call.sent == pytest.approx(T0 + 0.252)


def test_an_ended_call_becomes_a_row_whose_durations_add_up():
    """C6: queue + own lag + service = done - due, in real microseconds."""
    call = ev.OpenCall(
        "1", "MeterValues", T0 - 2, T0 - 0.5, bytes_out=6, connector=1, transaction=3, offline=True
    )

    def answer(_, now):
        return [ev.CallEnded(call, ev.Outcome.CALLERROR, now, "Odd", 40)]

    edge, _, unit = online({ev.LinkUp: [ev.Send(b"[2,..]", call)], ev.Received: answer})
    edge.clock.at = T0 + 1.0
    unit.received(b"[4]")
    (row, _) = edge.recorder.of("call")[0]
    assert row[:6] == (7, 1, "MeterValues", "out", "callerror", "Odd")
    done_us, queue_us, gen_lag_us, service_us = row[6:10]
    assert done_us == int((UNIX_S + 1.0) * 1e6)
    assert queue_us == 1_500_000
    assert gen_lag_us == pytest.approx(752_000, abs=1)
    assert queue_us + gen_lag_us + service_us == pytest.approx(3_000_000, abs=3)
    assert row[10:] == (6, 40, 3, True)


def test_compressed_time_shrinks_no_latency():
    """C9, time scale: the station lives on core time, rows and waits of the transport are real."""
    call = ev.OpenCall("1", "Heartbeat", due=T0 + 15.0, free=T0 + 15.0)

    def answer(_, now):
        return [ev.CallEnded(call, ev.Outcome.OK, now)]

    edge, station, unit = online(
        {ev.LinkUp: [ev.Send(b"[]", call), ev.Ping(30.0)], ev.Received: answer}, scale=60.0
    )
    assert ("ping", 30.0) in edge.links[0].did, "the peer is given real seconds"
    edge.clock.at = T0 + 21.0
    station.due = T0 + 60.0
    unit.received(b"[3]")
    (row, _) = edge.recorder.of("call")[0]
    assert row[6] == int((UNIX_S + 21.0 / 60) * 1e6)
    assert sum(row[7:10]) == pytest.approx(100_000, abs=3)  # six core seconds
    assert edge.armed[-1] == pytest.approx(T0 + 1.0)


def test_commands_transactions_statuses_and_findings_are_written_down():
    changed = ev.TransactionChanged(1, "started", 2, "TAG", None, 100, UNIX_S)
    stopped = ev.TransactionChanged(1, "stopped", 2, "TAG", 9, 100, UNIX_S, 250, UNIX_S + 5.5, "Local")
    facts = [
        ev.StatusChanged(0, "Available", "NoError"),
        ev.StatusChanged(2, "Preparing", "NoError"),
        ev.StatusChanged(2, "Charging", "NoError"),
        ev.RegistrationChanged("Accepted"),
        changed,
        ev.CommandAnswered("Reset", T0, "Accepted", ok=True, bytes_in=30, bytes_out=20),
        ev.CommandAnswered("Foo", T0, "NotImplemented", ok=False, bytes_in=30, bytes_out=20),
        ev.Finding("RPC-5", "unknown id", b"[3]"),
        ev.Persist(),
    ]
    asked = ev.TransferWanted("firmware", "x")
    edge, _, unit = online({ev.LinkUp: facts, ev.Received: [stopped], ev.Swipe: [asked]})
    gauges = edge.tally.gauges(1, 0)
    assert gauges.connectors == {"Available": 1, "Charging": 1}
    assert gauges.registrations == {"Accepted": 1}
    assert (gauges.sessions, gauges.findings, edge.persisted) == (1, 1, 1)
    commands = [args for args, _ in edge.recorder.of("call")]
    assert [(args[2], args[3], args[4], args[5]) for args in commands] == [
        ("Reset", "in", "ok", "Accepted"),
        ("Foo", "in", "callerror", "NotImplemented"),
    ]
    assert commands[0][9] == 250_000  # received to answered
    assert edge.recorder.of("finding")[0][0][:4] == (7, "RPC-5", "unknown id", b"[3]")
    assert [args[2] for args, _ in edge.recorder.of("connection")] == ["opened", "accepted"]
    unit.received(b"")
    ledger = edge.recorder.of("transaction")
    assert [columns["state"] for _, columns in ledger] == ["started", "stopped"]
    assert ledger[1][1]["stopped_us"] == int((UNIX_S + 5.5) * 1e6)
    assert ledger[0][1]["stopped_us"] is None
    assert edge.tally.sessions == 0
    unit.happen(ev.Swipe("TAG"))
    assert edge.transfers == [asked]


def test_link_failures_and_ends_are_rows_and_events():
    """WS-3: every failure has its name."""
    edge, station, unit = online()
    edge.clock.at += 5.0
    unit.link_down(1008, "unknown station")
    assert unit.link is None
    unit.happen(ev.PowerOn(0.0))
    edge.clock.at += 1.0
    unit.link_refused(ev.LinkFailure.HTTP, "404 Not Found")
    unit.broke_rule("WS-4", "binary message", b"\x00")
    kinds = [(args[2], args[3:], columns) for args, columns in edge.recorder.of("connection")]
    assert kinds[1] == ("closed", ("unknown station",), {"duration_us": 5_000_000, "close_code": 1008})
    assert kinds[2] == ("http", ("404 Not Found",), {"connect_us": 1_000_000})
    assert [type(event) for event, *_ in station.told[2:]] == [ev.LinkDown, ev.PowerOn, ev.LinkRefused]
    gauges = edge.tally.gauges(1, 0)
    assert (gauges.links, gauges.refusals, gauges.findings) == ({"down": 1}, 1, 1)


def test_a_second_link_of_a_station_is_a_reconnect():
    edge, _, unit = online()
    unit.link_down(None, "reset")
    unit.happen(ev.PowerOn(0.0))
    unit.link_up("ocpp1.6")
    assert (edge.tally.connects, edge.tally.reconnects) == (2, 1)
    assert edge.recorder.of("connection")[1][0][2] == "lost"


def test_a_dropped_or_replaced_link_tells_the_station_nothing():
    edge, station, unit = online({ev.PowerOff: [ev.DropLink()]})
    unit.happen(ev.PowerOff())
    assert edge.links[0].did == [("drop",)]
    assert unit.link is None
    assert edge.tally.gauges(1, 0).links == {"down": 1}
    unit.happen(ev.PowerOn(0.0))
    unit.happen(ev.PowerOn(0.0))
    assert edge.links[1].did == [("drop",)]
    assert unit.link is edge.links[2]
    assert all(not isinstance(event, ev.LinkDown) for event, *_ in station.told)


def test_what_happens_while_effects_are_performed_comes_after_them():
    edge, station, unit = online({ev.Swipe: [ev.CloseLink(), ev.StatusChanged(1, "Preparing", "NoError")]})
    unit.link.close = unit.link_down
    seen = []
    station.script[ev.LinkDown] = lambda *_: seen.append(edge.tally.gauges(1, 0).connectors) or []
    unit.happen(ev.Swipe("TAG"))
    assert seen == [{"Available": 1, "Preparing": 1}]


def test_the_deadline_is_the_earliest_of_station_driver_and_link():
    class Driver:
        due = T0 + 3.0

        def deadline(self):
            return self.due

        def act(self, now, station):
            self.due = None
            return [ev.Swipe("TAG", (1,))]

    edge, station, unit = online(driver=Driver())
    assert edge.armed[-1] == T0 + 3.0
    station.due = T0 + 2.0
    unit.rearm()
    assert edge.armed[-1] == T0 + 2.0
    unit.link.deadline = T0 + 1.0
    unit.rearm()
    assert edge.armed[-1] == T0 + 1.0
    edge.clock.at = T0 + 1.0
    unit.on_deadline()
    assert edge.links[0].did == [("deadline",)]
    edge.clock.at = T0 + 3.5
    unit.on_deadline()
    assert station.told[-2:] == [("deadline", T0 + 3.5), (ev.Swipe("TAG", (1,)), T0 + 3.5, T0 + 3.0)]
    assert (edge.tally.deadlines, edge.tally.late_deadlines) == (1, 1)  # 1.5 s late
    before = len(edge.armed)
    unit.on_deadline()  # nothing due, nothing wanted
    assert len(edge.armed) == before


def test_a_driver_learns_the_local_time_of_its_start():
    started = []
    driver = SimpleNamespace(
        start=lambda now, local_s: started.append((now, local_s)), deadline=lambda: None, act=None
    )
    Unit(1, PaperStation(), driver, 1, PaperEdge()).power_on(32_400.0)
    assert started == [(T0, 32_400.0)]


@pytest.mark.parametrize("where", ["event", "deadline", "driver", "effect"])
def test_a_station_that_fails_is_retired_counted_and_reported(where):
    """C10: StationBug is ours; the run goes on with the others."""

    def fail(*_):
        raise KeyError("ours")

    driver = SimpleNamespace(deadline=lambda: T0 + 1.0, act=fail) if where == "driver" else None
    edge, station, unit = online({ev.Swipe: fail}, driver=driver)
    if where == "event":
        unit.happen(ev.Swipe("TAG"))
    elif where == "effect":
        station.script[ev.Swipe] = [ev.Effect()]
        unit.happen(ev.Swipe("TAG"))
    else:
        station.due = T0 + 1.0 if where == "deadline" else None
        station.on_deadline = fail
        edge.clock.at = T0 + 2.0
        unit.on_deadline()
    ((index, bug),) = edge.ended
    assert index == 7
    assert "station 7: Traceback" in bug
    assert unit.stage is Stage.ENDED
    gauges = edge.tally.gauges(0, 0)
    assert (gauges.links, gauges.registrations, gauges.connectors) == ({}, {}, {})
    assert edge.links[0].did[-1] == ("drop",)
    told = len(station.told)
    unit.happen(ev.Swipe("TAG"))
    unit.received(b"late")
    unit.retire(T0)
    unit.end()
    assert len(station.told) == told
    assert len(edge.ended) == 1


def test_the_last_words_of_a_station_that_fails_are_sent_before_it_is_retired():
    """C10, RPC table, last row: InternalError goes out, then the bug counts like any other."""
    words = ev.Send(b'[4,"x","InternalError","",{}]')
    edge, _, unit = online({ev.Swipe: [words, ev.Broken(KeyError("ours")), ev.Send(b"never")]})
    unit.happen(ev.Swipe("TAG"))
    assert edge.links[0].did == [("send", words.data), ("drop",)]
    assert "KeyError" in edge.ended[0][1]


def test_a_retiring_station_stops_its_transactions_delivers_closes_and_goes():
    call = ev.OpenCall("1", "StopTransaction", due=T0, free=T0)

    def stop(event, now):
        station.connectors[2].transaction = None
        station.backlog = 1
        return [
            ev.TransactionChanged(1, "stopped", 2, "TAG", 5, 0, UNIX_S, 9, UNIX_S, "Local"),
            ev.Send(b"stop", call),
        ]

    def delivered(_, now):
        station.backlog = 0
        return [ev.CallEnded(call, ev.Outcome.OK, now)]

    started = ev.TransactionChanged(1, "started", 2, "TAG", None, 0, UNIX_S)
    edge, station, unit = online(
        {
            ev.LinkUp: [started],
            ev.Swipe: stop,
            ev.Received: delivered,
            ev.Activate: [ev.CloseLink(1000, "off")],
        }
    )
    station.connectors[2].transaction = SimpleNamespace(id_tag="TAG")
    unit.retire(T0 + 10.0)
    assert [event for event, *_ in station.told[2:]] == [ev.PlugOut(1), ev.Swipe("TAG", (2,)), ev.PlugOut(2)]
    assert unit.stage is Stage.RETIRING
    assert T0 + 10.0 in edge.armed
    unit.received(b"[3]")
    assert edge.links[0].did[-1] == ("close", 1000, "off")
    assert edge.ended == []
    unit.link_down(1000, "off")
    assert edge.ended == [(7, "")]
    assert edge.tally.gauges(0, 0).sessions == 0


def test_a_retiring_station_without_a_link_goes_at_once():
    edge = PaperEdge()
    unit = Unit(7, PaperStation(CONNECTS), None, 2, edge)
    unit.power_on()
    unit.retire(T0 + 10.0)
    assert edge.ended == [(7, "")]
    assert edge.links[0].did == [("drop",)]


def test_patience_with_a_retiring_station_is_bounded():
    edge, station, unit = online()
    station.backlog = 1  # never delivered
    unit.retire(T0 + 10.0)
    unit.look()
    assert edge.tally.backlog == 1
    edge.clock.at = T0 + 9.0
    unit.on_deadline()
    assert edge.ended == []
    edge.clock.at = T0 + 10.0
    unit.on_deadline()
    assert edge.ended == [(7, "")]
    assert edge.recorder.of("connection")[-1][0][2:] == ("lost", "dropped at the end")
    unit.look()  # the loop's list may be older
    assert edge.tally.backlog == 0


def test_power_is_looked_at_while_transactions_run():
    started = ev.TransactionChanged(1, "started", 2, "TAG", None, 0, UNIX_S)
    settled = ev.TransactionChanged(1, "stopped", 2, "TAG", None, 0, UNIX_S)
    edge, station, unit = online({ev.LinkUp: [started], ev.Received: [settled]})
    unit.look()
    assert edge.tally.gauges(1, 0).power_w == 3_000.0
    unit.received(b"")
    station.power_w = lambda *_: 0.0
    unit.look()
    assert edge.tally.power_w == 0.0


def test_a_burst_holds_messages_until_it_is_written_and_stamps_each_after_its_write():
    """C6: waiting for the burst is our own lag, never the central system's service time."""
    calls = [ev.OpenCall(str(n), "Heartbeat", due=T0, free=T0) for n in range(2)]
    edge, station, unit = online({"deadline": [ev.Send(b"[2,1]", calls[0]), ev.Send(b"[2,2]", calls[1])]})
    burst = Burst(edge.clock)
    station.due = edge.clock.at
    unit.on_deadline(burst)
    assert edge.links[0].did == []
    edge.clock.at = T0 + 0.3
    burst.write()
    assert edge.links[0].did == [("send", b"[2,1]"), ("send", b"[2,2]")]
    assert [call.sent for call in calls] == [pytest.approx(T0 + 0.302), pytest.approx(T0 + 0.304)]
    burst.write()  # nothing is held any more
    unit.received(b"[3]")
    station.script[ev.Swipe] = [ev.Send(b"[2,3]")]
    unit.happen(ev.Swipe("TAG"))  # outside a turn of deadlines: written at once
    assert edge.links[0].did[2:] == [("send", b"[2,3]")]


@pytest.mark.parametrize("end", [ev.CloseLink(1000, "bye"), ev.DropLink()])
def test_a_burst_goes_out_before_the_link_of_one_of_its_messages_does(end):
    edge, station, unit = online({"deadline": [ev.Send(b"last words"), end]})
    station.due = edge.clock.at
    unit.on_deadline(Burst(edge.clock))
    assert [deed[0] for deed in edge.links[0].did] == [
        "send",
        "close" if isinstance(end, ev.CloseLink) else "drop",
    ]


def waiting(script=None):
    """A unit to which an answer has come that nobody has read, half a second ago."""
    edge, station, unit = online(script)
    edge.waits = True
    edge.clock.at = T0 + 1.0
    unit.received(b'[3,"1",{}]')
    edge.clock.at = T0 + 1.5
    station.told.clear()
    return edge, station, unit


def test_an_answer_that_waits_to_be_read_counts_as_come_when_it_came():
    """C6: reading late is not the central system's service time, and not unseen: what follows is late."""
    follows = ev.OpenCall("2", "Heartbeat", due=T0 + 1.0, free=T0 + 1.0)
    edge, station, unit = waiting({ev.Received: [ev.Send(b"[2]", follows)]})
    burst = Burst(edge.clock)
    unit.read(burst)
    assert station.told == [(ev.Received(b'[3,"1",{}]'), T0 + 1.0, None)]
    assert edge.links[0].did == []
    burst.write()
    assert follows.sent == pytest.approx(T0 + 1.502)
    unit.read()
    assert len(station.told) == 1


@pytest.mark.parametrize(
    "happens",
    [
        lambda unit: unit.happen(ev.Swipe("TAG")),
        lambda unit: unit.on_deadline(),
        lambda unit: unit.link_down(None, "reset"),
        lambda unit: unit.received(b'[3,"2",{}]'),
        lambda unit: unit.received(b'[2,"3","Reset",{}]'),
        lambda unit: unit.retire(FOREVER),
        lambda unit: unit.end(),
    ],
)
def test_whatever_happens_next_the_answer_that_came_is_read_before(happens):
    _, station, unit = waiting()
    station.due = T0 + 1.2
    happens(unit)
    assert station.told[0] == (ev.Received(b'[3,"1",{}]'), T0 + 1.0, None)


def test_a_call_of_the_central_system_is_answered_at_once():
    edge, _, unit = waiting({ev.Received: [ev.Send(b"[3]")]})
    unit.received(b'[2,"3","Reset",{}]')
    assert edge.links[0].did == [("send", b"[3]"), ("send", b"[3]")]


def test_the_end_of_a_link_that_the_answer_made_the_station_drop_is_no_news():
    edge, station, unit = waiting({ev.Received: [ev.DropLink()]})
    unit.link_down(None, "reset")
    assert [type(event) for event, *_ in station.told] == [ev.Received]
    assert edge.recorder.of("connection")[-1][0][3] == "dropped by the station"


def test_a_station_that_fails_over_an_answer_does_nothing_more():
    def fails(*_):
        raise ZeroDivisionError

    edge, station, unit = waiting({ev.Received: fails})
    station.due = T0 + 1.2
    unit.on_deadline()
    assert [index for index, _ in edge.ended] == [7]
    assert not any("deadline" in told for told in station.told)


def test_a_station_that_was_let_go_while_offline_does_not_dial_again():
    """The edge still holds the deadline of its next attempt; by then its UID may run elsewhere."""
    edge, station, unit = online({"deadline": [ev.OpenLink("ws://csms/GU-1", None)]})
    unit.link_down(None, "the server hung up without a close frame")
    station.due = edge.clock.at + 5.0
    unit.retire(T0 + 100.0)
    assert edge.ended == [(7, "")]
    edge.clock.at += 10.0
    unit.on_deadline()
    assert len(edge.links) == 1
    assert unit.link is None
