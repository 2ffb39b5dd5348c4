"""The call machine, received frames, the transaction queue."""

import json
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stations.core import calls
from stations.core.dispatch import ANSWERS
from stations.core.events import Broken, CommandAnswered, Outcome, Received, Send, Swipe
from stations.core.plan import Personality
from stations.errors import StationBug
from stations.wire.messages import Heartbeat
from tests.support.bench import SILENT, bench

ACCEPTED = {"idTagInfo": {"status": "Accepted"}}


# ---- our CALLs


def test_message_ids_are_twenty_digits_and_never_used_twice():
    """RPC-2, LG-1: a string, also after a restart and a restore."""
    station = bench(keys={"HeartbeatInterval": "10"}).run(3000)
    station.power(on=False).power()
    again = bench(power=False)
    again.station.restore(station.station.snapshot())
    again.power()
    ids = [call.id for call in station.calls + again.calls]
    assert len(set(ids)) == len(ids)
    assert all(len(one) == 20 and one.isdigit() for one in ids)


def test_only_one_call_is_open_at_a_time_and_commands_are_answered_meanwhile():
    """RPC-3, CMD-3: the other direction is independent."""
    station = bench(connectors=2)
    station.answer["Authorize"] = SILENT
    count = len(station.calls)
    station.feed(Swipe("A", (1,))).plug(2)
    assert station.actions(count) == ["StatusNotification", "Authorize"]
    assert station.command("GetConfiguration", key=["UID"])["configurationKey"]
    station.reply(station.sent("Authorize")[0], ACCEPTED)
    assert station.actions(count)[2:] == ["StatusNotification"]


@pytest.mark.parametrize(
    ("action", "seconds"), [("BootNotification", 30), ("Authorize", 20), ("Heartbeat", 10)]
)
def test_time_outs_come_from_the_products_keys(action, seconds):
    """RPC-4: confBottNotificationTime, confAuthorizeTime, confBasicTime."""
    station = bench(power=False)
    station.answer[action] = SILENT
    station.power().swipe().run(400)
    end = next(end for end in station.ended() if end.call.action == action)
    assert (end.outcome, end.done - end.call.sent) == (Outcome.TIMEOUT, seconds)


@pytest.mark.parametrize(
    ("action", "seconds"), [("BootNotification", 30), ("Authorize", 20), ("Heartbeat", 10)]
)
def test_a_central_system_is_given_its_whole_real_time_where_time_is_compressed(action, seconds):
    """RPC-4, C9: 60 station seconds in one of the central system's."""
    station = bench(power=False, patience=60.0)
    station.answer[action] = SILENT
    station.power().swipe().run(60 * 400)
    end = next(end for end in station.ended() if end.call.action == action)
    assert (end.outcome, end.done - end.call.sent) == (Outcome.TIMEOUT, 60 * seconds)


@pytest.mark.parametrize("action", ["BootNotification", "Authorize", "StatusNotification"])
def test_message_timeout_is_the_time_out_of_every_call(action):
    """RPC-4 (E3.82): spec only; 0 leaves it to the product's keys."""
    station = bench(personality=Personality.SPEC, keys={"MessageTimeout": "7"}, power=False)
    station.answer[action] = SILENT
    station.power().plug().swipe().run(60)
    ended = next(fact for fact in station.ended() if fact.call.action == action)
    assert ended.outcome is Outcome.TIMEOUT
    assert ended.done - ended.call.sent == 7
    assert bench().command("ChangeConfiguration", key="MessageTimeout", value="7") == {
        "status": "NotSupported"
    }


def test_a_changed_time_out_counts_for_the_next_call():
    """RPC-4, CC-3."""
    station = bench()
    station.command("ChangeConfiguration", key="confAuthorizeTime", value="5")
    station.answer["Authorize"] = SILENT
    station.swipe().run(6)
    assert [end.done for end in station.ended() if end.outcome is Outcome.TIMEOUT] == [5.0]


@pytest.mark.parametrize(
    "frame",
    ['[3,"nobody",{}]', '[4,"nobody","InternalError","",{}]', '[4,"-1","InternalError","",{}]'],
)
def test_an_answer_to_nobody_is_ignored_and_found(frame):
    """RPC-5: it must not complete another CALL."""
    station = bench()
    station.answer["Authorize"] = SILENT
    station.swipe().raw(frame.encode())
    assert station.findings() == ["RPC-5"]
    assert station.station.open_call.action == "Authorize"


def test_a_late_start_transaction_answer_is_ignored_and_the_retry_counts():
    """RPC-4, RPC-5: D, Q-4: another id, the same payload."""
    station = bench()
    station.answer["StartTransaction"] = SILENT
    station.plug().swipe().run(15)
    first = station.sent("StartTransaction")[0]
    station.reply(first, {"transactionId": 7, **ACCEPTED})
    assert station.station.connectors[1].transaction.transaction_id is None
    assert station.findings() == ["RPC-4", "RPC-5"]
    station.run(5)
    second = station.sent("StartTransaction")[1]
    assert second.id != first.id
    assert second.payload == first.payload
    station.reply(second, {"transactionId": 8, **ACCEPTED})
    assert station.station.connectors[1].transaction.transaction_id == 8


def test_an_error_is_counted_whatever_its_code():
    """RPC-5, C8: real central systems invent codes."""
    station = bench()
    station.answer["Authorize"] = "FormatViolation"
    station.swipe()
    end = station.ended()[-2] if station.ended()[-1].call.action != "Authorize" else station.ended()[-1]
    assert (end.outcome, end.error) == (Outcome.CALLERROR, "FormatViolation")


def test_an_answer_that_breaks_the_schema_is_invalid_and_one_that_says_too_much_is_not():
    """RPC-9, RPC-11."""
    station = bench()
    station.answer["Authorize"] = {"idTagInfo": {"status": "Sure"}}
    station.swipe()
    assert station.findings() == ["RPC-9"]
    assert any(end.outcome is Outcome.INVALID for end in station.ended())
    station.answer["Authorize"] = {"idTagInfo": {"status": "Accepted", "expiryDate": None}, "note": 1}
    station.swipe()
    assert station.findings() == ["RPC-9", "RPC-11"]
    assert station.station.connectors[1].presented.granted


# ---- received frames


@pytest.mark.parametrize(
    ("frame", "code"),
    [
        ('[2,"i","StartCharging",{}]', "NotImplemented"),
        ('[2,"i","reset",{"type":"Hard"}]', "NotImplemented"),
        ('[2,"i","Heartbeat",{}]', "NotSupported"),
        ('[2,"i","Reset",[]]', "FormationViolation"),
        ('[2,"i","Reset",{"type":"Hard","now":true}]', "FormationViolation"),
        ('[2,"i","Reset"]', "FormationViolation"),
        ('[2,"i","Reset",{}]', "ProtocolError"),
        ('[2,"i","Reset",{"type":1}]', "TypeConstraintViolation"),
        ('[2,"i","Reset",{"type":"Warm"}]', "PropertyConstraintViolation"),
        ('[2,"i","ChangeConfiguration",{"key":"%s","value":""}]' % ("k" * 51), "PropertyConstraintViolation"),
        ('[2,"i","SignedUpdateFirmware",{}]', "NotImplemented"),
    ],
)
def test_a_defective_call_is_refused_with_the_code_of_the_table_and_has_no_effect(frame, code):
    """RPC-7, RPC-9, SEC-4."""
    station = bench()
    count = len(station.calls)
    station.raw(frame.encode())
    assert station.answers["i"][0] == 4
    assert station.answers["i"][2] == code
    station.run(60)
    assert station.station.registration == "Accepted"
    assert station.actions(count) == []


@pytest.mark.parametrize(
    ("frame", "rule"),
    [('[9,"x",{}]', "RPC-6")]
    + [(frame, "RPC-1") for frame in ("", "{}", "nonsense", "[]", "[2]", "[2,7,{}]", "\x00")],
)
def test_what_cannot_be_answered_is_ignored(frame, rule):
    """RPC-6, RPC-1: stay connected, say nothing."""
    station = bench()
    before = len(station.effects)
    station.raw(frame.encode())
    assert not any(isinstance(effect, Send) for effect in station.effects[before:])
    assert station.findings() == [rule]
    assert station.station.online


@pytest.mark.parametrize(
    ("action", "found"), [("GetSecrets", ["RPC-7"]), ("reset", ["RPC-7"]), ("GetLog", []), ("Heartbeat", [])]
)
def test_an_action_that_nobody_defined_is_a_finding(action, found):
    """RPC-7: those of the security whitepaper are refused and are no finding."""
    station = bench()
    station.raw(json.dumps([2, "i", action, {}]).encode())
    assert station.answers["i"][0] == 4
    assert station.findings() == found


def test_a_call_without_an_answer_is_a_finding_when_its_time_is_over():
    """RPC-4."""
    station = bench()
    station.answer["Authorize"] = SILENT
    station.swipe()
    assert station.findings() == []
    station.run(25)
    assert station.findings() == ["RPC-4"]


def test_a_broken_answer_with_our_id_ends_our_call():
    """RPC-1: an answer of the wrong shape is an answer all the same."""
    station = bench()
    station.answer["Authorize"] = SILENT
    station.swipe()
    station.raw(json.dumps([3, station.sent("Authorize")[0].id]).encode())
    assert [end.outcome for end in station.ended()].count(Outcome.INVALID) == 1


def test_two_calls_in_a_row_are_answered_in_order_and_one_id_is_served_once():
    """RPC-8: never execute twice."""
    station = bench()
    station.raw(b'[2,"a","ClearCache",{}]').raw(b'[2,"b","GetLocalListVersion",{}]')
    assert list(station.answers) == ["a", "b"]
    station.answers.clear()
    station.raw(b'[2,"b","ChangeConfiguration",{"key":"ConnectionTimeOut","value":"7"}]')
    assert station.answers["b"][2] == "GenericError"
    assert station.findings() == ["RPC-8"]
    assert (
        station.command("GetConfiguration", key=["ConnectionTimeOut"])["configurationKey"][0]["value"] == "60"
    )


def test_an_over_long_message_id_is_found_and_answered():
    """RPC-2."""
    station = bench()
    station.raw(json.dumps([2, "x" * 37, "ClearCache", {}]).encode())
    assert station.findings() == ["RPC-2"]
    assert station.answers["x" * 37][0] == 3


def test_an_absent_feature_profile_is_not_supported():
    """RPC-7."""
    station = bench(keys={"SupportedFeatureProfiles": "Core"})
    assert station.command("GetLocalListVersion") == "NotSupported"
    assert station.command("ClearCache") == {"status": "Accepted"}


def test_the_answer_precedes_the_messages_it_causes():
    """CMD-1."""
    station = bench()
    before = len(station.effects)
    station.command("TriggerMessage", requestedMessage="Heartbeat")
    frames = [json.loads(effect.data) for effect in station.effects[before:] if isinstance(effect, Send)]
    assert [frame[0] for frame in frames] == [3, 2]


def test_a_handler_that_fails_is_told_as_internal_error_and_is_a_bug_all_the_same(monkeypatch):
    """The last row of the RPC table, C10: the peer gets its CALLERROR, our bug is not swallowed."""

    def fails(station, request):
        calls.place(station, Heartbeat())
        station.changed = True
        raise StationBug("a table without a row")

    monkeypatch.setitem(ANSWERS, "ClearCache", fails)
    station = bench().station
    effects = station.on_event(Received(b'[2,"x","ClearCache",{}]'), 1.0)
    answer, fact, broken = effects[:3]
    assert json.loads(answer.data)[:3] == [4, "x", "InternalError"]
    assert (fact.result, fact.ok) == ("InternalError", False)
    assert isinstance(broken, Broken)
    with pytest.raises(StationBug, match="without a row"):
        raise broken.error


def test_answered_commands_are_facts():
    station = bench()
    station.command("ClearCache")
    station.command("Heartbeat")
    facts = [effect for effect in station.effects if isinstance(effect, CommandAnswered)]
    assert [(fact.action, fact.result, fact.ok) for fact in facts] == [
        ("ClearCache", "Accepted", True),
        ("Heartbeat", "NotSupported", False),
    ]
    assert facts[0].bytes_in > 20
    assert facts[0].bytes_out == len(b'[3,"cs-1",{"status":"Accepted"}]')


@settings(max_examples=300)
@given(st.binary(max_size=80) | st.text(max_size=80).map(str.encode))
def test_no_bytes_upset_a_station(data):
    """RPC-6."""
    station = bench()
    station.feed(Received(data))
    assert station.station.online
    assert station.station.registration == "Accepted"


# ---- the transaction queue


def offline_rules(**keys):
    return {"LocalAuthorizeOffline": "true", "AllowOfflineTxForUnknownId": "true", **keys}


@pytest.mark.parametrize("personality", Personality)
def test_a_transaction_that_ran_offline_is_delivered_in_order_with_its_own_times(personality):
    """TX-9, Q-1, Q-2, MV-3."""
    station = bench(personality=personality, keys=offline_rules())
    station.cut(stay_down=True).run(1)
    station.plug().swipe().run(65)
    station.swipe().run(500)
    count = len(station.calls)
    assert station.station.backlog == 4
    station.mend().run(400)
    sent = [call for call in station.calls[count:] if call.action != "StatusNotification"]
    assert [call.action for call in sent[:4]] == [
        "StartTransaction",
        "MeterValues",
        "MeterValues",
        "StopTransaction",
    ]
    start, first, second, stop = sent[:4]
    assert [round(station.unix(call)) for call in (start, stop)] == [1, 66]
    assert [call.payload["transactionId"] for call in (first, second, stop)] == [1001] * 3
    assert all(call.call.offline for call in sent[:4])
    assert start.call.due == station.station.online_at
    for before, after in pairwise(sent[:4]):
        assert 0.25 <= after.at - before.at <= 0.75, "a flush is paced"
        assert after.call.due == after.call.free == after.at, "our pause is nobody's queue (C6)"
    assert [entry.offline for entry in station.journal()] == [True] * 4


def test_what_happens_during_a_flush_waits_its_turn_and_is_not_paced_itself():
    """Q-1, Q-2: no newer member overtakes; what was queued online goes out as fast as it is answered."""
    station = bench(keys=offline_rules(MeterValueSampleInterval="10"))
    station.plug().swipe().run(1)
    station.cut(stay_down=True).run(300)
    station.mend().run(400)
    samples = station.sent("MeterValues")
    taken = [call.payload["meterValue"][0]["timestamp"] for call in samples]
    assert taken == sorted(taken)
    assert station.station.backlog == 0
    assert not samples[-1].call.offline


def test_a_link_that_is_lost_during_a_flush_begins_it_anew():
    """Q-5, WS-8: no message is lost with the pause, none is doubled."""
    station = bench(keys=offline_rules())
    station.cut(stay_down=True)
    station.plug().swipe().run(125)
    station.swipe().run(500)
    station.mend()
    count = len(station.calls)
    while not station.sent("StartTransaction", count):
        station.run(0.1)
    station.cut().run(200)
    actions = [call.action for call in station.calls[count:] if call.action != "StatusNotification"]
    assert actions == ["StartTransaction", *["MeterValues"] * 4, "StopTransaction"]


def test_failed_messages_wait_longer_each_time_and_are_dropped_at_last():
    """Q-3, Q-4: attempts 3, interval 60: 60 s, 120 s, drop; other messages go on meanwhile."""
    keys = {"TransactionMessageRetryInterval": "60", "MeterValueSampleInterval": "0"}
    station = bench(keys=keys)
    station.answer["StartTransaction"] = "InternalError"
    station.plug().swipe().run(30)
    station.swipe()
    assert station.status() == "Finishing"
    station.unplug()
    assert station.actions()[-1] == "StatusNotification"
    station.run(400)
    starts = station.sent("StartTransaction")
    assert [round(call.at) for call in starts] == [0, 60, 180]
    assert len({call.id for call in starts}) == 3
    assert len({json.dumps(call.payload) for call in starts}) == 1
    stop = station.sent("StopTransaction")[0]
    assert stop.at == 180
    assert stop.payload["transactionId"] == -1
    assert [entry.state for entry in station.journal()] == ["started", "stopped", "abandoned", "settled"]


def test_a_changed_retry_interval_counts_for_the_head_that_waits():
    """Q-3, CC-3: two transmissions so far, so twice the new interval from now on."""
    station = bench(keys={"TransactionMessageRetryInterval": "60", "MeterValueSampleInterval": "0"})
    station.answer["StartTransaction"] = "InternalError"
    station.plug().swipe().run(70)
    station.command("ChangeConfiguration", key="TransactionMessageRetryInterval", value="5")
    station.run(100)
    assert [round(call.at) for call in station.sent("StartTransaction")] == [0, 60, 80]


def test_messages_of_a_transaction_without_an_id_carry_minus_one():
    """TX-8."""
    station = bench(keys={"TransactionMessageAttempts": "1"})
    station.answer["StartTransaction"] = SILENT
    station.plug().swipe().run(35)
    station.swipe()
    assert station.sent("MeterValues")[0].payload["transactionId"] == -1
    assert station.sent("StopTransaction")[0].payload["transactionId"] == -1


@pytest.mark.parametrize("attempts", ["0", "1"])
def test_no_attempts_and_one_mean_one_transmission(attempts):
    """Q-4."""
    station = bench(keys={"TransactionMessageAttempts": attempts})
    station.answer["MeterValues"] = SILENT
    station.plug().swipe().run(55)
    assert len(station.sent("MeterValues")) == 1
    assert station.station.backlog == 0


def test_a_waiting_head_does_not_count_as_the_central_systems_fault_twice():
    """Q-4, C6: what waited behind a retry had no free line until the retry."""
    station = bench(keys={"TransactionMessageRetryInterval": "25"})
    refusals = iter(["InternalError"])
    station.answer["StartTransaction"] = lambda *_: next(refusals, {"transactionId": 5, **ACCEPTED})
    station.plug().swipe().run(31)
    starts = station.sent("StartTransaction")
    assert [(call.call.due, call.call.free) for call in starts] == [(0.0, 0.0), (25.0, 25.0)]
    assert station.sent("MeterValues")[0].call.due == 30.0


def test_a_restart_keeps_the_queue_and_its_order_and_forgets_the_attempts():
    """Q-5, BOOT-11."""
    station = bench(keys=offline_rules(TransactionMessageAttempts="2"))
    station.answer["StartTransaction"] = "InternalError"
    station.plug().swipe().run(5)
    station.power(on=False)
    station.run(60).power()
    station.run(15)
    assert [call.action for call in station.calls if call.action == "StartTransaction"] == [
        "StartTransaction"
    ] * 3
    assert station.station.queue is None
    assert station.sent("StopTransaction")[0].payload["reason"] == "PowerLoss"


def test_the_queue_is_bounded_and_loses_only_meter_values():
    """Q-6."""
    station = bench(personality=Personality.SPEC, keys=offline_rules(MeterValueSampleInterval="1"))
    station.cut(stay_down=True)
    station.plug().swipe().run(1500)
    station.swipe()
    assert station.station.backlog == 1000
    queue = [outgoing.action for outgoing in station.station.queue]
    assert (queue[0], queue[-1], queue.count("MeterValues")) == ("StartTransaction", "StopTransaction", 998)


def test_meter_values_that_were_answered_badly_are_not_sent_again():
    """Q-3: an answer was given; sending again would double the values."""
    station = bench()
    station.answer["MeterValues"] = lambda *_: b"[]"
    station.answer["StopTransaction"] = {"idTagInfo": {"status": 7}}
    station.plug().swipe()
    station.answer["MeterValues"] = {"unexpected": 1}
    station.run(31)
    station.swipe().run(100)
    assert len(station.sent("MeterValues")) == 1
    assert len(station.sent("StopTransaction")) == 1
    assert [entry.state for entry in station.journal()][-1] == "settled"


def test_both_sides_share_one_queue_in_the_order_of_events():
    """Q-1."""
    station = bench(connectors=2, keys=offline_rules(MeterValueSampleInterval="0"))
    station.cut(stay_down=True)
    for number, moment in ((2, 3), (1, 4)):
        station.run(moment).plug(number).feed(Swipe(f"T{number}", (number,)))
    station.run(1).feed(Swipe("T2", (2,)))
    station.mend().run(100)
    order = [
        (call.action, call.payload.get("connectorId"))
        for call in station.calls
        if "Transaction" in call.action
    ]
    assert order == [("StartTransaction", 2), ("StartTransaction", 1), ("StopTransaction", None)]
    assert station.sent("StopTransaction")[0].payload["transactionId"] == 1001
