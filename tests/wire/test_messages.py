"""Every payload against the official JSON schemas, both ways (RPC-9)."""

import json
from decimal import Decimal

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import inspect

from stations.wire import messages
from stations.wire.errors import ErrorCode, PeerError
from stations.wire.frames import decode_confirmation, decode_payload
from stations.wire.messages import (
    OPERATIONS,
    ChargingSchedulePeriod,
    MeterValue,
    SampledValue,
    StopTransaction,
)
from stations.wire.types import Action, FeatureProfile, UnitOfMeasure
from tests.support.payloads import (
    CONFIRMATIONS,
    REQUESTS,
    documents,
    inner,
    largest,
    optional,
    payloads,
    smallest,
    spoilt,
)
from tests.support.schemas import complaints, schema

ACTIONS = sorted(OPERATIONS)
PAYLOADS = [(action, confirmation) for action in ACTIONS for confirmation in (False, True)]


def payload_type(action, confirmation):
    return CONFIRMATIONS[action] if confirmation else REQUESTS[action]


def test_all_operations_of_all_six_profiles_are_there():
    assert set(OPERATIONS) == {action.value for action in Action}
    assert len(OPERATIONS) == 28
    assert {operation.profile for operation in OPERATIONS.values()} == set(FeatureProfile)
    both_ways = {name for name, row in OPERATIONS.items() if row.from_station and row.from_central}
    assert both_ways == {"DataTransfer"}
    assert sum(row.from_station for row in OPERATIONS.values()) == 10
    assert sum(row.from_central for row in OPERATIONS.values()) == 19


def same(kind, official):
    """Whether a type and a schema say the same, member by member."""
    kind = inner(kind)
    if isinstance(kind, inspect.StructType):
        assert official["type"] == "object"
        assert official["additionalProperties"] is False
        assert kind.forbid_unknown_fields
        fields = {field.encode_name: field for field in kind.fields}
        assert set(fields) == set(official["properties"])
        assert {name for name, field in fields.items() if not optional(field)} == set(
            official.get("required", ())
        )
        for name, field in fields.items():
            same(field.type, official["properties"][name])
    elif isinstance(kind, inspect.ListType):
        assert official["type"] == "array"
        assert kind.min_length is None or official.get("minItems", 1) == kind.min_length
        same(kind.item_type, official["items"])
    elif isinstance(kind, inspect.EnumType):
        assert {member.value for member in kind.cls} - set(official["enum"]) <= {"Hertz"}
        assert set(official["enum"]) <= {member.value for member in kind.cls}
    elif isinstance(kind, inspect.StrType):
        assert official["type"] == "string"
        assert kind.max_length == official.get("maxLength")
        assert (kind.pattern is not None) == (official.get("format") == "date-time")
    elif isinstance(kind, inspect.FloatType):
        assert official == {"type": "number", "multipleOf": Decimal("0.1")}
    else:
        assert official == {
            "type": {inspect.IntType: "integer", inspect.BoolType: "boolean"}[type(kind)],
        }


@pytest.mark.parametrize(("action", "confirmation"), PAYLOADS)
def test_every_payload_has_the_fields_limits_and_values_of_the_official_schema(action, confirmation):
    """RPC-9, and BOOT-2 for the lengths of BootNotification."""
    same(
        inspect.type_info(payload_type(action, confirmation)),
        schema(action, confirmation=confirmation),
    )


@pytest.mark.parametrize(("action", "confirmation"), PAYLOADS)
@pytest.mark.parametrize("example", [smallest, largest])
def test_the_smallest_and_the_largest_form_of_every_message_are_valid(action, confirmation, example):
    """RPC-9, RPC-11: what is absent is not sent, and what is sent is in the schema."""
    kind = payload_type(action, confirmation)
    sent = msgspec.json.encode(msgspec.convert(example(kind), kind))
    assert json.loads(sent) == example(kind)
    assert complaints(action, sent, confirmation=confirmation) == []


@given(st.sampled_from(PAYLOADS), st.data())
def test_whatever_the_types_allow_the_official_schema_allows(which, data):
    """RPC-9, RPC-11."""
    action, confirmation = which
    payload = data.draw(payloads(payload_type(action, confirmation)))
    sent = msgspec.json.encode(payload)
    assert complaints(action, sent, confirmation=confirmation) == []
    assert b":null" not in sent
    assert decode_payload(type(payload), sent) == payload


# The official files forget some cardinalities and do not look into date-times.
BEYOND_THE_SCHEMA = ("chargingSchedulePeriod", "sampledValue", "yesterday")


@pytest.mark.parametrize("action", ACTIONS)
def test_each_rule_of_the_schema_broken_once_is_refused_with_its_code(action):
    """RPC-9: the table of error codes, at every place of every request."""
    kind = REQUESTS[action]
    for code, place, document in spoilt(kind, largest(kind)):
        raw = json.dumps(document).encode()
        with pytest.raises(PeerError) as caught:
            decode_payload(kind, raw)
        assert caught.value.code is code, place
        if not any(
            mark in raw.decode() if mark == "yesterday" else mark in place for mark in BEYOND_THE_SCHEMA
        ):
            assert complaints(action, raw), place


@given(st.sampled_from(ACTIONS), st.data())
def test_a_random_request_spoilt_in_one_place_is_refused_with_its_code(action, data):
    """RPC-9."""
    kind = REQUESTS[action]
    ways = list(spoilt(kind, data.draw(documents(kind))))
    code, place, document = data.draw(st.sampled_from(ways))
    with pytest.raises(PeerError) as caught:
        decode_payload(kind, json.dumps(document).encode())
    assert caught.value.code is code, place


@pytest.mark.parametrize("action", ACTIONS)
def test_an_answer_is_refused_only_for_what_it_lacks_or_says_wrongly(action):
    """RPC-9, RPC-11: unknown fields and nulls in optional places are ignored, and named as evidence."""
    kind = CONFIRMATIONS[action]
    for code, place, document in spoilt(kind, largest(kind)):
        raw = json.dumps(document).encode()
        tolerated = code is ErrorCode.FORMATION_VIOLATION
        if tolerated:
            payload, ignored = decode_confirmation(kind, raw)
            assert msgspec.to_builtins(payload) == largest(kind), place
            assert [path.endswith("unheardOf") for path in ignored] == [True]
        elif b"null" not in raw:
            with pytest.raises(PeerError) as caught:
                decode_payload(kind, raw)
            assert caught.value.code is code, place


@pytest.mark.parametrize("limit", ["8.1", "0.3", "16", "1e1", "123456789.7", "8.10", "-0.1", "32.0"])
def test_limits_with_one_decimal_are_compared_as_decimals(limit):
    """SC-3: 8.1 / 0.1 is not a whole number in floating point, and still a legal limit."""
    raw = b'{"startPeriod":0,"limit":%s}' % limit.encode()
    assert msgspec.json.decode(raw, type=ChargingSchedulePeriod).limit == float(limit)


@pytest.mark.parametrize("limit", [8.15, 0.05, 16.000001])
def test_a_limit_with_two_decimals_cannot_even_be_built(limit):
    """SC-3."""
    with pytest.raises(ValueError, match="decimal"):
        ChargingSchedulePeriod(0, limit)


def test_hertz_is_a_unit_of_meter_values_and_not_of_transaction_data():
    """MV-4."""
    sample = MeterValue("2026-01-01T00:00:00Z", [SampledValue("50.0", unit=UnitOfMeasure.HERTZ)])
    sent = msgspec.json.encode(messages.MeterValues(connector_id=1, meter_value=[sample]))
    assert complaints("MeterValues", sent) == []
    with pytest.raises(ValueError, match="Hertz"):
        StopTransaction(
            meter_stop=1, timestamp="2026-01-01T00:00:00Z", transaction_id=1, transaction_data=[sample]
        )


def test_the_guide_s_messages_are_written_key_by_key_as_printed():
    """LG-1, TX-1: the order of keys on the wire."""
    boot = messages.BootNotification(
        charge_box_serial_number="260988",
        charge_point_model="059004",
        charge_point_vendor="Legrand",
        firmware_version="V01.01.65/V01.01.08",
        meter_type="internal",
    )
    assert list(json.loads(msgspec.json.encode(boot))) == [
        "chargeBoxSerialNumber",
        "chargePointModel",
        "chargePointVendor",
        "firmwareVersion",
        "meterType",
    ]
    assert list(largest(messages.StartTransaction)) == [
        "connectorId",
        "idTag",
        "meterStart",
        "reservationId",
        "timestamp",
    ]
    assert list(largest(messages.StopTransaction)) == [
        "idTag",
        "meterStop",
        "timestamp",
        "transactionId",
        "reason",
        "transactionData",
    ]
