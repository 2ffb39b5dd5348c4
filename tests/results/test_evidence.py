import pytest
from hypothesis import given
from hypothesis import strategies as st

from results.evidence import EXAMPLES, FRAME_CHARACTERS, KINDS, OTHER_KIND, Evidence, kind_of, redacted


@pytest.mark.parametrize(
    ("detail", "kind"),
    [
        ("answer to unknown id 4711", "answer to unknown id #"),
        ("currentTime is -3601 s off", "currentTime is # s off"),
        ("subprotocol 'ocpp2.0.1' instead of ocpp1.6", "subprotocol … instead of ocpp1.6"),
        ("id 5b0c3f3e-8a2f-4d8f-9a0b-001122334455 is not open", "id # is not open"),
        ("at 2026-09-21T14:13:20Z", "at #"),
    ],
)
def test_what_differs_only_in_numbers_and_names_is_one_kind(detail, kind):
    assert kind_of(detail) == kind


SECRETS = [
    '[2,"1","ChangeConfiguration",{"key":"AuthorizationKey","value":"SECRET"}]',
    '[2,"1","ChangeConfiguration",{"value" : "SECRET","key":"authorizationkey"}]',
    '[2,"1","ChangeConfiguration",{"key":"AuthorizationKey","value":"a\\"SECRET"}]',
    '[2,"1","GetDiagnostics",{"location":"ftp://user:SECRET@host/x"}]',
    '[2,"1","DataTransfer",{"data":{"wifiPassword":"SECRET"}}]',
    '[2,"1","ChangeConfiguration",{"key":"AuthorizationKey","value":"SECRET',
]


@pytest.mark.parametrize("frame", SECRETS)
def test_secrets_in_frames_are_masked(frame):
    """C11: also when the frame is cut."""
    assert "SECRET" not in redacted(frame)
    row = Evidence().note(0, 1, "RPC-9", "bad", frame.encode())
    assert "SECRET" not in row[6]


def test_a_secret_cut_in_two_by_the_limit_does_not_slip_through():
    frame = '[2,"1","ChangeConfiguration",{"key":"AuthorizationKey","value":"' + "S" * 50_000
    assert "SSS" not in Evidence().note(0, 1, "RPC-9", "bad", frame.encode())[6]


def test_the_first_of_each_kind_are_kept_and_the_rest_counted():
    evidence = Evidence()
    rows = [evidence.note(n, n, "RPC-5", f"id {n}", b"[]") for n in range(EXAMPLES + 7)]
    assert [row is not None for row in rows] == [True] * EXAMPLES + [False] * 7
    ((at, rule, kind, _, station, count, frame),) = evidence.counts()
    assert (at, rule, kind, station, count, frame) == (EXAMPLES + 6, "RPC-5", "id #", None, 7, None)
    assert evidence.counts() == []


def test_kinds_without_end_cost_bounded_memory():
    evidence = Evidence()
    rows = [evidence.note(0, 1, f"X-{n}", "x", b"") for n in range(KINDS)]
    assert all(rows)
    many = [evidence.note(0, 1, "Y-1", "word" + "abc"[n % 3] * (n + 1), b"") for n in range(500)]
    assert sum(row is not None for row in many) == EXAMPLES
    (counted,) = evidence.counts()
    assert counted[2] == OTHER_KIND
    assert counted[5] == 500 - EXAMPLES


@given(st.binary(max_size=300), st.text(max_size=50))
def test_any_bytes_make_a_row_of_bounded_size(frame, detail):
    row = Evidence().note(0, 1, "RPC-1", detail, frame * 40)
    assert row[6] is None or len(row[6]) <= FRAME_CHARACTERS
