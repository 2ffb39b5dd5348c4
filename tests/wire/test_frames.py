import contextlib
import json

import msgspec
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from stations.wire import frames
from stations.wire.errors import ErrorCode, PeerError
from stations.wire.frames import (
    Call,
    CallError,
    CallResult,
    decode,
    decode_confirmation,
    decode_payload,
    encode_call,
    encode_error,
    encode_result,
)
from stations.wire.messages import (
    AuthorizeConf,
    BootNotificationConf,
    GetConfiguration,
    Heartbeat,
    HeartbeatConf,
    MeterValuesConf,
    RemoteStopTransaction,
    StartTransactionConf,
    UnlockConnector,
)
from tests.support.payloads import REQUESTS, documents, payloads

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=8,
)


def refusal(data):
    with pytest.raises(PeerError) as caught:
        decode(data)
    return caught.value


def test_the_three_frames_have_exactly_their_elements():
    """RPC-1."""
    assert encode_call("19", "Heartbeat", Heartbeat()) == b'[2,"19","Heartbeat",{}]'
    assert encode_result("19", MeterValuesConf()) == b'[3,"19",{}]'
    assert encode_error("19", ErrorCode.NOT_IMPLEMENTED) == b'[4,"19","NotImplemented","",{}]'
    assert json.loads(encode_error("19", "GenericError", "é" * 300)) == [
        4,
        "19",
        "GenericError",
        "é" * 255,
        {},
    ]


def test_twenty_digit_message_ids_stay_strings():
    """RPC-2: the Green'Up writes 20 decimal digits, beyond any integer type."""
    frame = decode(encode_call("46740660243372615052", "Heartbeat", Heartbeat()))
    assert frame.id == "46740660243372615052"


def test_message_ids_beyond_36_characters_are_still_answered():
    """RPC-2: an over-long id is the peer's fault to record, not a reason to leave it unanswered."""
    assert len(decode(b'[2,"%s","Heartbeat",{}]' % (b"x" * 40)).id) > frames.MESSAGE_ID_MAX


def test_null_payload_is_an_empty_object_and_blank_space_does_not_matter():
    """RPC-1."""
    call = decode(b' [ 2 , "1" , "GetConfiguration" , null ] \r\n')
    assert decode_payload(GetConfiguration, call.payload) == GetConfiguration()
    result = decode('[3,"1",null]')
    assert decode_payload(MeterValuesConf, result.payload) == MeterValuesConf()


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (b'[4,"7","RpcFrameworkError","no",{}]', ("7", "RpcFrameworkError", "no")),
        (b'[4,"-1","FormatViolation","no"]', ("-1", "FormatViolation", "no")),
        (b'[4,"7","InternalError"]', ("7", "InternalError", "")),
        (b'[4,"7","InternalError",null,null]', ("7", "InternalError", None)),
    ],
)
def test_error_answers_are_understood_whatever_their_code_and_however_short(data, expected):
    """RPC-1: five elements are the rule; one that says which call failed must end that call anyway."""
    error = decode(data)
    assert isinstance(error, CallError)
    assert (error.id, error.code, error.description) == expected


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"hello",
        b"{}",
        b"[]",
        b"42",
        b"null",
        b'"x"',
        b"[2]",
        b'[5,"7","x"]',
        b'[true,"7","Reset",{}]',
        b'[2.0,"7","Reset",{}]',
        b'["2","7","Reset",{}]',
        b'[[],"7"]',
        b'[2,7,"Reset",{}]',
        b'[2,null,"Reset",{}]',
        b'[2,"7","Reset",{}',
        b'[2,"7","Reset",{}]x',
        b'\xef\xbb\xbf[2,"7","Reset",{}]',
        b'[2,"\xff","Reset",{}]',
        b"[" * 100_000,
        b"[" + b"9" * 5_000 + b"]",
        '[2,"\ud800","Reset",{}]',
    ],
)
def test_what_carries_no_readable_id_cannot_be_answered(data):
    """RPC-6: unknown message type numbers and unreadable text are ignored; the connection stays."""
    error = refusal(data)
    assert error.code is ErrorCode.FORMATION_VIOLATION
    assert error.message_id is None
    assert error.answers is None


@pytest.mark.parametrize(
    "data", [b'[2,"7"]', b'[2,"7","Reset"]', b'[2,"7",5,{}]', b'[2,"7","Reset",{},1]', b'[2,"7",null,{}]']
)
def test_a_call_of_the_wrong_shape_is_refused_by_its_id(data):
    """RPC-1, RPC-9: wrong array shape → FormationViolation."""
    error = refusal(data)
    assert (error.code, error.message_id, error.answers) == (ErrorCode.FORMATION_VIOLATION, "7", None)


@pytest.mark.parametrize(
    "data", [b'[3,"7"]', b'[3,"7",{},{}]', b'[4,"7"]', b'[4,"7",5]', b'[4,"7","a","",{},1]']
)
def test_an_answer_of_the_wrong_shape_names_the_call_it_ends(data):
    """RPC-1: nothing is sent back for a broken answer, but our call need not wait for its time-out."""
    error = refusal(data)
    assert (error.message_id, error.answers) == (None, "7")


@pytest.mark.parametrize(
    "payload", [b"[]", b"5", b'"x"', b"true", b'{"connectorId":1}x', b'{"connectorId\xff":1}']
)
def test_a_payload_that_is_no_object_is_a_formation_violation(payload):
    """RPC-9."""
    with pytest.raises(PeerError) as caught:
        decode_payload(UnlockConnector, payload)
    assert caught.value.code is ErrorCode.FORMATION_VIOLATION


@pytest.mark.parametrize(
    ("payload", "code"),
    [
        (b'{"connectorId":1e400}', "PropertyConstraintViolation"),
        (b'{"connectorId":9223372036854775808}', "PropertyConstraintViolation"),
        (b'{"connectorId":-1' + b"0" * 400 + b"}", "PropertyConstraintViolation"),
        (b'{"connectorId":1.5}', "TypeConstraintViolation"),
        (b'{"connectorId":true}', "TypeConstraintViolation"),
        (b'{"connectorid":1}', "FormationViolation"),
        (b"{}", "ProtocolError"),
        (b"null", "ProtocolError"),
    ],
)
def test_defects_of_a_request_get_the_code_of_the_table(payload, code):
    """RPC-9; field names are case-sensitive, booleans and fractions are no integers."""
    with pytest.raises(PeerError) as caught:
        decode_payload(UnlockConnector, payload)
    assert caught.value.code == code


def test_a_null_is_no_value_of_an_optional_field_in_a_request():
    """RPC-9, RPC-11; the word itself inside a string is harmless."""
    with pytest.raises(PeerError, match=r"null at `\$\.key`") as caught:
        decode_payload(GetConfiguration, b'{"key":null}')
    assert caught.value.code is ErrorCode.TYPE_CONSTRAINT_VIOLATION
    assert decode_payload(GetConfiguration, b'{"key":["null"]}').key == ["null"]


def test_answers_that_say_too_much_are_read_and_what_was_ignored_is_named():
    """RPC-9, RPC-11: real central systems send nulls and fields of their own."""
    raw = b'{"idTagInfo":{"status":"Accepted","expiryDate":null,"cost":{"a":[null]}},"currentTime":"x"}'
    conf, ignored = decode_confirmation(AuthorizeConf, raw)
    assert conf.id_tag_info.status == "Accepted"
    assert conf.id_tag_info.expiry_date is None
    assert ignored == ("$.idTagInfo.expiryDate", "$.idTagInfo.cost", "$.currentTime")
    assert decode_payload(AuthorizeConf, raw) == conf
    assert decode_confirmation(AuthorizeConf, b'{"idTagInfo":{"status":"Invalid"}}')[1] == ()


@pytest.mark.parametrize(
    ("conf", "raw", "code"),
    [
        (StartTransactionConf, b'{"idTagInfo":{"status":"Accepted"}}', "ProtocolError"),
        (StartTransactionConf, b'{"idTagInfo":{"status":"Accepted"},"transactionId":null}', "ProtocolError"),
        (
            StartTransactionConf,
            b'{"idTagInfo":{"status":"OK"},"transactionId":1}',
            "PropertyConstraintViolation",
        ),
        (HeartbeatConf, b'{"currentTime":"now"}', "PropertyConstraintViolation"),
        (BootNotificationConf, b"[]", "FormationViolation"),
        (BootNotificationConf, b"[null]", "FormationViolation"),
        (BootNotificationConf, b'{"x":null', "FormationViolation"),
    ],
)
def test_answers_that_say_too_little_or_the_wrong_thing_are_refused(conf, raw, code):
    """RPC-9."""
    with pytest.raises(PeerError) as caught:
        decode_payload(conf, raw)
    assert caught.value.code == code


def test_actions_keep_their_case():
    """RPC-7: `reset` is not `Reset`; the frame hands the action over as written."""
    assert decode(b'[2,"7","reset",{}]').action == "reset"


@given(st.sampled_from(sorted(REQUESTS)), st.text(max_size=36), st.data())
def test_a_frame_is_read_back_as_it_was_written(action, message_id, data):
    """RPC-1."""
    payload = data.draw(payloads(REQUESTS[action]))
    call = decode(encode_call(message_id, action, payload))
    assert isinstance(call, Call)
    assert (call.id, call.action) == (message_id, action)
    assert decode_payload(REQUESTS[action], call.payload) == payload
    result = decode(encode_result(message_id, payload))
    assert isinstance(result, CallResult)
    assert decode(encode_call(message_id, action, call.payload)) == call


ALMOST_FRAMES = st.one_of(
    st.binary(max_size=200),
    st.text(max_size=100),
    JSON.map(msgspec.json.encode),
    st.lists(JSON, max_size=6).map(lambda items: msgspec.json.encode([2, *items])),
    st.tuples(st.sampled_from([2, 3, 4]), st.text(), JSON, JSON).map(msgspec.json.encode),
)


@given(ALMOST_FRAMES, st.sampled_from(sorted(REQUESTS)))
@example(b'[2,"a","b",' + b"[" * 2_000 + b"]" * 2_000 + b"]", "Reset")
def test_any_bytes_are_a_frame_or_the_peer_s_error_and_nothing_else(data, action):
    """RPC-6, RPC-9."""
    try:
        frame = decode(data)
        if not isinstance(frame, CallError):
            decode_payload(REQUESTS[action], frame.payload)
            decode_payload(StartTransactionConf, frame.payload)
        error = None
    except PeerError as caught:
        error = caught
    if error is not None:
        assert error.code in ErrorCode
        assert error.message_id is None or error.answers is None
    if error is not None and error.message_id is not None:
        assert decode(encode_error(error.message_id, error.code, error.description)).code == error.code


@given(JSON, st.sampled_from(sorted(REQUESTS)), st.data())
def test_any_json_in_any_field_is_a_payload_or_the_peer_s_error(junk, action, data):
    """RPC-9."""
    kind = REQUESTS[action]
    document = data.draw(documents(kind))
    document[data.draw(st.sampled_from([*document, "extra"]))] = junk
    with contextlib.suppress(PeerError):
        decode_payload(kind, msgspec.json.encode(document))


def test_refused_calls_have_no_message_id_of_their_own_until_the_frame_is_known():
    with pytest.raises(PeerError) as caught:
        decode_payload(RemoteStopTransaction, b"{}")
    assert caught.value.message_id is None
