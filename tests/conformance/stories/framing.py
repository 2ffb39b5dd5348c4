"""Section 2: frames, ids, codes; the hostile ones too."""

import asyncio
import json
import re

from websockets.exceptions import ConnectionClosed

from tests.conformance.bench import Bench
from tests.conformance.centre import SILENCE, Refusal, now_text
from tests.conformance.story import story

DEFECTS = [
    ("NotImplemented", "NoSuchThing", {}),
    ("NotImplemented", "getconfiguration", {}),
    ("FormationViolation", "Reset", []),
    ("FormationViolation", "Reset", "Soft"),
    ("FormationViolation", "Reset", {"type": "Soft", "extra": 1}),
    ("FormationViolation", "ClearCache", {"extra": 1}),
    ("ProtocolError", "Reset", {}),
    ("ProtocolError", "ChangeConfiguration", {"key": "HeartbeatInterval"}),
    ("ProtocolError", "RemoteStartTransaction", {}),
    ("ProtocolError", "SendLocalList", {"listVersion": 1}),
    ("TypeConstraintViolation", "RemoteStopTransaction", {"transactionId": "1"}),
    ("TypeConstraintViolation", "ChangeConfiguration", {"key": "HeartbeatInterval", "value": 2}),
    ("TypeConstraintViolation", "UnlockConnector", {"connectorId": 1.5}),
    ("TypeConstraintViolation", "UnlockConnector", {"connectorId": None}),
    ("TypeConstraintViolation", "GetConfiguration", {"key": "HeartbeatInterval"}),
    ("PropertyConstraintViolation", "Reset", {"type": "soft"}),
    ("PropertyConstraintViolation", "RemoteStartTransaction", {"idTag": "x" * 21}),
    ("PropertyConstraintViolation", "ChangeAvailability", {"connectorId": 1, "type": "Broken"}),
    ("PropertyConstraintViolation", "TriggerMessage", {"requestedMessage": "Nonsense"}),
    (
        "PropertyConstraintViolation",
        "ReserveNow",
        {"connectorId": 1, "expiryDate": "tomorrow", "idTag": "A", "reservationId": 1},
    ),
    (
        "PropertyConstraintViolation",
        "GetCompositeSchedule",
        {"connectorId": 1, "duration": 60, "chargingRateUnit": "kW"},
    ),
    (
        "OccurenceConstraintViolation",
        "SetChargingProfile",
        {
            "connectorId": 0,
            "csChargingProfiles": {
                "chargingProfileId": 1,
                "stackLevel": 0,
                "chargingProfilePurpose": "ChargePointMaxProfile",
                "chargingProfileKind": "Absolute",
                "chargingSchedule": {"chargingRateUnit": "A", "chargingSchedulePeriod": []},
            },
        },
    ),
]


@story("RPC-7", "RPC-9", "CC-1", quick=True)
async def each_defect_has_its_code(t: Bench):
    await t.up()
    wrong = []
    for number, (code, action, payload) in enumerate(DEFECTS):
        answer = await t.csms.frame([2, f"defect-{number}", action, payload])
        got = answer[2] if answer[0] == 4 else answer
        if got != code:
            wrong.append(f"{action} {json.dumps(payload)[:90]}: {got}, not {code}")
    assert not wrong, "\n".join(wrong)
    assert len(t.csms.all("BootNotification")) == 1, "RPC-9: no side effects"


@story("RPC-1", "RPC-6", "WS-4", quick=True)
async def hostile_text_is_borne_in_silence_or_refused(t: Bench):
    await t.up()
    texts = [
        "hello",
        "{}",
        "[]",
        "[2]",
        '[2,"a"]',
        '[2,"b","Reset"]',
        '[2,5,"Reset",{"type":"Soft"}]',
        '[2,null,"Reset",{"type":"Soft"}]',
        '[7,"c","Reset",{}]',
        '["2","d","Reset",{"type":"Hard"}]',
        '[2,"e","Reset",{"type":"Hard"},{}]',
        '[3,"never-asked",{}]',
        '[4,"never-asked","GenericError","",{}]',
        "[3]",
        '[4,"x"]',
        "null",
        "1e999",
        '[2,"f",5,{}]',
        "[" * 2000,
        '[2,"g","DataTransfer",{"vendorId":"' + "v" * 300 + '"}]',
        '[2,"' + "i" * 200 + '","ClearCache",{}]',
        '[2,"h","ClearCache",{"a":' + "[" * 600 + "]" * 600 + "}]",
        "\u0000\u0001",
        '[2,"nul","GetConfiguration",{"key":["\\u0000"]}]',
        '[2,"sur","GetConfiguration",{"key":["\\ud800"]}]',
    ]
    ended = []
    for text in texts:
        await t.csms.raw(text)
        try:
            assert await t.csms.configured("HeartbeatInterval")
        except ConnectionClosed as closed:
            ended.append(f"{text[:60]!r}: {closed}")
            count = len(t.csms.links)
            await t.csms.until(
                lambda count=count: len(t.csms.links) > count or t.csms.link.state == 1, "back"
            )
    assert not ended, "\n".join(ended)
    await t.csms.raw(b"\x00\xffbinary")  # may end the link (WS-4), as nothing above may
    await asyncio.sleep(0.5)
    await t.csms.until(lambda: t.csms.link.state == 1, "back")
    t.csms.faults = [fault for fault in t.csms.faults if "answer to nothing" not in fault]
    assert await t.csms.configured("HeartbeatInterval")
    await t.csms.none("BootNotification", 1.5)


@story("RPC-1")
async def a_null_payload_is_an_empty_one(t: Bench):
    await t.up()
    answer = await t.csms.frame([2, "null-1", "ClearCache", None])
    assert answer[0] == 3


@story("RPC-2", quick=True)
async def message_ids_are_never_used_twice(t: Bench):
    t.csms.interval_s = 1
    await t.up()
    await asyncio.sleep(4)
    assert len(t.csms.all("Heartbeat")) >= 3


@story("RPC-3", quick=True)
async def one_call_at_a_time_and_answers_meanwhile(t: Bench):
    await t.up()
    t.csms.policies["StatusNotification"] = lambda _: _later(0.6)
    t.plug_in(1)
    t.plug_in(2)
    await t.csms.status(1, "Preparing")
    assert await t.csms.configured("HeartbeatInterval")
    await t.csms.status(2, "Preparing")


async def _later(seconds: float):
    await asyncio.sleep(seconds)
    return {}


@story("RPC-4", "RPC-5", quick=True)
async def a_late_answer_completes_nothing(t: Bench):
    t.csms.call_timeout_s = 0.9
    await t.up(keys={"confBasicTime": "1", "confAuthorizeTime": "1"})
    t.csms.policies["Authorize"] = lambda _: SILENCE
    t.plug_in()
    t.swipe()
    lost = await t.csms.next("Authorize")
    await asyncio.sleep(2.5)
    await t.csms.answer(lost, {"idTagInfo": {"status": "Accepted"}})
    await t.csms.none("StartTransaction", 1.5)


@story("RPC-4", "RPC-5", "Q-3", "Q-4", "TX-2")
async def a_late_start_answer_is_ignored_and_the_retrys_counts(t: Bench):
    keys = {"confBasicTime": "1", "TransactionMessageRetryInterval": "1", "TransactionMessageAttempts": "3"}
    t.csms.call_timeout_s = 0.9
    await t.up(keys=keys)
    t.csms.policies["StartTransaction"] = lambda _: SILENCE
    t.plug_in()
    t.swipe()
    first = await t.csms.next("StartTransaction")
    t.csms.policies["StartTransaction"] = lambda _: {
        "transactionId": -5,
        "idTagInfo": {"status": "Accepted"},
    }
    second = await t.csms.next("StartTransaction")
    assert second.message_id != first.message_id
    assert second.payload == first.payload
    await t.csms.answer(first, {"transactionId": 99, "idTagInfo": {"status": "Accepted"}})
    await asyncio.sleep(0.3)
    assert await t.csms.ask("RemoteStopTransaction", transactionId=99) == "Rejected"
    assert await t.csms.ask("RemoteStopTransaction", transactionId=-5) == "Accepted"
    stop = await t.csms.next("StopTransaction")
    assert stop.payload["transactionId"] == -5


@story("RPC-5")
async def a_foreign_answer_completes_nothing(t: Bench):
    await t.up()
    t.csms.policies["Authorize"] = lambda _: SILENCE
    t.plug_in()
    t.swipe()
    call = await t.csms.next("Authorize")
    await t.csms.raw('[3,"not-yours",{"idTagInfo":{"status":"Accepted"}}]')
    await t.csms.none("StartTransaction", 0.7)
    await t.csms.answer(call, {"idTagInfo": {"status": "Accepted"}})
    await t.csms.next("StartTransaction")


@story("RPC-5", "AUTH-7")
async def an_answer_that_breaks_its_schema_is_a_failure(t: Bench):
    await t.up()
    for nonsense in ({}, {"idTagInfo": {"status": "Fine"}}, {"idTagInfo": 5}):
        t.csms.policies["Authorize"] = lambda _, nonsense=nonsense: nonsense
        t.plug_in()
        t.swipe()
        await t.csms.next("Authorize")
        await t.csms.none("StartTransaction", 0.5)
        t.plug_out()
        await t.csms.status(1, "Available")


@story("RPC-8", quick=True)
async def two_calls_in_a_row_are_answered_in_order(t: Bench):
    await t.up()
    t.csms._sent |= {"row-1": "GetConfiguration", "row-2": "ClearCache", "row-3": "GetLocalListVersion"}
    await t.csms.raw('[2,"row-1","GetConfiguration",{}]')
    await t.csms.raw('[2,"row-2","ClearCache",{}]')
    await t.csms.raw('[2,"row-3","GetLocalListVersion",{}]')
    await t.csms.until(lambda: "row-3" in t.csms.answers, "three answers", 3)
    assert [name for name in t.csms.answers if name.startswith("row")] == ["row-1", "row-2", "row-3"]


@story("RPC-10")
async def times_with_offsets_and_fractions_are_read(t: Bench):
    await t.up()
    for number, text in enumerate(
        (
            "2099-01-01T00:00:00+05:30",
            "2099-01-01T00:00:00.123456Z",
            "2099-01-01T00:00:00Z",
            "2099-01-01T00:00:00",
        ),
    ):
        status = await t.csms.ask(
            "ReserveNow", connectorId=1, expiryDate=text, idTag="A", reservationId=7 + number * 0
        )
        assert status == "Accepted", (text, status)


@story("RPC-10", "CC-4", "GF-1", quick=True)
async def keys_compare_without_case_and_echo_as_spelt(t: Bench):
    await t.up()
    assert await t.csms.configure("hEARTBEATiNTERVAL", "77") == "Accepted"
    assert await t.csms.configured("HeartbeatInterval") == "77"
    answer = await t.csms.call("GetConfiguration", key=["NoSuchKey", "heartbeatinterval"])
    assert answer["unknownKey"] == ["NoSuchKey"]
    assert answer["configurationKey"] == [{"key": "heartbeatinterval", "readonly": False, "value": "77"}]


@story("RPC-10", "AUTH-8", quick=True)
async def tags_compare_without_case(t: Bench):
    await t.up()
    await t.charging(tag="AbCd")
    t.swipe("aBcD")
    await t.csms.next("StopTransaction")


@story("RPC-10", "TX-1")
async def sent_times_are_iso_8601(t: Bench):
    await t.up()
    await t.charging()
    start = t.csms.all("StartTransaction")[0]
    assert re.fullmatch(
        r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)", start.payload["timestamp"]
    )


@story("RPC-11")
async def nothing_is_sent_as_null(t: Bench):
    await t.up(keys={"MeterValueSampleInterval": "1"})
    await t.charging()
    await t.csms.next("MeterValues")
    t.swipe()
    await t.csms.next("StopTransaction")
    assert not [call.text for call in t.csms.calls if "null" in call.text]


@story("RPC-4", "BOOT-8")
async def callerrors_to_any_call_are_borne(t: Bench):
    await t.up(keys={"MeterValueSampleInterval": "1", "TransactionMessageAttempts": "1"})
    for action in ("StatusNotification", "MeterValues", "Heartbeat", "StartTransaction", "StopTransaction"):
        t.csms.policies[action] = lambda _: Refusal("InternalError", "no")
    t.plug_in()
    t.swipe()
    await t.csms.next("StartTransaction")
    t.swipe()
    t.plug_out()
    await t.csms.status(1, "Available")
    t.csms.policies.clear()
    assert await t.csms.configured("HeartbeatInterval")
    assert now_text()
