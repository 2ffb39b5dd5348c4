"""The inspector itself: a referee that whistles at nothing would prove nothing."""

import json

import pytest

from stations.core.events import LinkDown, LinkUp, PowerOff, PowerOn, Received
from tests.support.inspector import Inspector, RuleBroken
from tests.support.people import plan

BOOT = ("BootNotification", {"chargePointVendor": "Legrand", "chargePointModel": "059004"})
START = {"connectorId": 1, "idTag": "A", "meterStart": 100, "timestamp": "2026-01-05T00:00:10Z"}
STOP = {"transactionId": 7, "meterStop": 300, "timestamp": "2026-01-05T00:10:00Z"}


def metered(wh, stamp="2026-01-05T00:05:00Z", transaction=7, connector=1, **sample):
    value = {"timestamp": stamp, "sampledValue": [{"value": str(wh), **sample}]}
    return {"connectorId": connector, "transactionId": transaction, "meterValue": [value]}


class Match:
    """Plays both sides against the inspector."""

    def __init__(self, connectors=1):
        self.referee = Inspector([plan(1, connectors=connectors)])
        self.now = 0.0
        self.count = 0
        self.referee.happened(0, PowerOn(0.0), 0.0)
        self.referee.happened(0, LinkUp(), 0.0)

    def wait(self, seconds):
        self.now += seconds
        return self

    def says(self, *frame):
        self.referee.sent(0, json.dumps(frame).encode(), self.now)
        return self

    def hears(self, *frame):
        self.referee.happened(0, Received(json.dumps(frame).encode()), self.now)
        return self

    def happens(self, event):
        self.referee.happened(0, event, self.now)
        return self

    def calls(self, action, payload):
        self.count += 1
        return self.says(2, f"id{self.count}", action, payload)

    def gets(self, payload):
        return self.hears(3, f"id{self.count}", payload)

    def boots(self, status="Accepted", interval=300):
        stamp = "2026-01-05T00:00:00Z"
        return self.calls(*BOOT).gets({"status": status, "interval": interval, "currentTime": stamp})

    def reports(self, connector, status, error="NoError"):
        payload = {"connectorId": connector, "status": status, "errorCode": error}
        return self.calls("StatusNotification", payload).gets({})

    def ready(self):
        self.boots()
        for connector in range(self.referee.views[0].connectors + 1):
            self.reports(connector, "Available")
        return self

    def starts(self, transaction=7):
        info = {"status": "Accepted"}
        return self.calls("StartTransaction", START).gets({"transactionId": transaction, "idTagInfo": info})


def test_an_ordinary_life_is_in_order():
    match = Match().ready().reports(1, "Preparing").starts().reports(1, "Charging")
    match.calls("MeterValues", metered(150)).gets({}).calls("MeterValues", metered(0.2, unit="kWh")).gets({})
    match.calls("StopTransaction", STOP).gets({}).reports(1, "Finishing").reports(1, "Available")
    match.hears(2, "c1", "ClearCache", {}).says(3, "c1", {"status": "Accepted"})
    match.referee.finish(match.now + 5)
    assert match.referee.counts["ST-1"] >= 4


FOULS = {
    "BOOT-1 nothing before BootNotification": lambda m: m.calls("Heartbeat", {}),
    "BOOT-1 nothing without power": lambda m: m.ready().happens(PowerOff()).calls("Heartbeat", {}),
    "BOOT-4 statuses first": lambda m: m.boots().starts(),
    "BOOT-5 too early": lambda m: m.boots("Pending", 60).wait(59).calls(*BOOT),
    "BOOT-6 rejected is silent": lambda m: m.boots("Rejected", 60).wait(61).calls("Heartbeat", {}),
    "BOOT-6 rejected answers nothing": lambda m: (
        m.boots("Rejected", 60).hears(2, "c1", "ClearCache", {}).says(3, "c1", {"status": "Accepted"})
    ),
    "BOOT-7 pending sends nothing of its own": lambda m: m.boots("Pending").calls("Heartbeat", {}),
    "WS-7 no second boot": lambda m: m.ready().happens(LinkDown()).happens(LinkUp()).calls(*BOOT),
    "WS-8 answers of the old socket": lambda m: (
        m.ready()
        .hears(2, "c1", "ClearCache", {})
        .happens(LinkDown())
        .happens(LinkUp())
        .says(3, "c1", {"status": "Accepted"})
    ),
    "RPC-1 shape": lambda m: m.says(2, "id", "Heartbeat"),
    "RPC-2 id used twice": lambda m: (
        m.ready()
        .says(2, "x", "Heartbeat", {})
        .hears(3, "x", {"currentTime": "2026-01-05T00:00:00Z"})
        .says(2, "x", "Heartbeat", {})
    ),
    "RPC-2 id too long": lambda m: m.says(2, "x" * 37, *BOOT),
    "RPC-3 two calls at once": lambda m: m.ready().calls("Heartbeat", {}).wait(9.9).calls("Heartbeat", {}),
    "RPC-9 schema": lambda m: m.ready().calls("StatusNotification", {"connectorId": 1}),
    "RPC-9 schema of an answer": lambda m: (
        m.ready().hears(2, "c1", "ClearCache", {}).says(3, "c1", {"status": "Perhaps"})
    ),
    "CMD-3 late answer": lambda m: (
        m.ready().hears(2, "c1", "ClearCache", {}).wait(1.5).says(3, "c1", {"status": "Accepted"})
    ),
    "ST-1 not in the table": lambda m: m.ready().reports(1, "Finishing"),
    "ST-1 connector 0 has no cable": lambda m: m.ready().reports(0, "Preparing"),
    "ST-10 with Faulted": lambda m: m.ready().reports(1, "Faulted", "EVCommunicationError"),
    "ST-14 no news": lambda m: m.ready().reports(1, "Available"),
    "ST-15 connectors are counted": lambda m: m.ready().reports(2, "Available"),
    "Q-1 unknown transaction": lambda m: m.ready().calls("StopTransaction", STOP),
    "Q-1 order of times": lambda m: (
        m.ready().starts().calls("MeterValues", metered(150, "2026-01-05T00:00:01Z"))
    ),
    "Q-3 too early again": lambda m: (
        m.ready()
        .calls("StartTransaction", START)
        .hears(4, "id4", "InternalError", "", {})
        .wait(9)
        .calls("StartTransaction", START)
    ),
    "Q-4 overtaking": lambda m: (
        m.ready().starts().calls("MeterValues", metered(150)).wait(10).calls("StopTransaction", STOP)
    ),
    "TX-1 connector 0 starts nothing": lambda m: m.ready().calls(
        "StartTransaction", {**START, "connectorId": 0}
    ),
    "TX-8 no start was given up": lambda m: m.ready().calls("StopTransaction", {**STOP, "transactionId": -1}),
    "MV-3 another connector": lambda m: m.ready().starts().calls("MeterValues", metered(150, connector=0)),
    "MV-5 backwards": lambda m: (
        m.ready().starts().calls("MeterValues", metered(150)).gets({}).calls("MeterValues", metered(149))
    ),
    "MV-5 stop below start": lambda m: m.ready().starts().calls("StopTransaction", {**STOP, "meterStop": 99}),
}


@pytest.mark.parametrize("foul", FOULS)
def test_a_foul_is_whistled_with_its_rule(foul):
    with pytest.raises(RuleBroken) as caught:
        FOULS[foul](Match())
    assert caught.value.rule == foul.split()[0]


def test_a_command_without_an_answer_is_noticed_at_the_end():
    match = Match().ready().hears(2, "c1", "ClearCache", {})
    with pytest.raises(RuleBroken, match="CMD-3"):
        match.referee.finish(match.now + 2)


def test_a_given_up_start_allows_minus_one():
    """TX-8, Q-3: three transmissions, the waits between them, then dependants with -1."""
    match = Match().ready()
    for wait_s in (0, 10, 20):
        match.wait(wait_s).calls("StartTransaction", START)
        match.hears(4, f"id{match.count}", "InternalError", "", {})
    match.calls("StopTransaction", {**STOP, "transactionId": -1}).gets({})


def test_a_lost_socket_costs_no_attempt_and_needs_no_wait():
    """Q-5, WS-8."""
    match = Match().ready().calls("StartTransaction", START).happens(LinkDown()).happens(LinkUp())
    match.calls("StartTransaction", START)
    assert match.referee.views[0].head.transmissions == 1


def test_a_triggered_message_is_welcome_while_pending():
    """BOOT-7, TM-5."""
    match = Match().boots("Pending")
    match.hears(2, "c1", "TriggerMessage", {"requestedMessage": "Heartbeat"}).says(
        3, "c1", {"status": "Accepted"}
    )
    match.calls("Heartbeat", {})
