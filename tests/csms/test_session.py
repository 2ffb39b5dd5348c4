"""OCPP-J's calls in both directions, without a socket: what goes in, what comes out."""

import asyncio
import json
from types import SimpleNamespace

import msgspec
import pytest

from csms.answers import HANDLERS
from csms.central import Central
from csms.ledger import Ledger
from csms.registration import BootPolicy, BootRule
from csms.rows import Frame
from csms.session import Outcome, Session
from csms.tags import TagBook
from stations.wire.messages import OPERATIONS, ChangeConfiguration, Reset, TriggerMessage
from stations.wire.types import MessageTrigger, RegistrationStatus, ResetType

BOOT = {"chargePointVendor": "Legrand", "chargePointModel": "059004"}
START = {"connectorId": 1, "idTag": "T", "meterStart": 1, "timestamp": "2026-05-04T10:00:00Z"}
SOFT = Reset(ResetType.SOFT)


class FakeWire:
    def __init__(self):
        self.frames = []
        self.ends = []

    def send(self, data):
        self.frames.append(json.loads(data))

    def close(self, code, reason=""):
        self.ends.append(code)

    def abort(self):
        self.ends.append(None)


@pytest.fixture
def play(tmp_path):
    """Run a test function with one session of a registered station and its wire, inside an event loop."""

    async def perform(tell, registration):
        loop = asyncio.get_running_loop()
        ledger = Ledger(
            tmp_path / "ledger.sqlite",
            lambda calls: loop.call_soon_threadsafe(lambda: [call() for call in calls]),
        )
        central = Central(ledger, TagBook(), BootPolicy(BootRule()), record_frames=True)
        central.registered["GU-1"] = registration
        wire = FakeWire()
        session = Session(central, "GU-1", wire, HANDLERS)
        try:
            await asyncio.wait_for(tell(SimpleNamespace(session=session, wire=wire, central=central)), 20)
        finally:
            ledger.close()

    def run(tell, registration=RegistrationStatus.ACCEPTED):
        asyncio.run(perform(tell, registration))

    return run


def put(stage, *frame):
    stage.session.received(json.dumps(list(frame)).encode())


async def wait_for_frames(stage, count):
    while len(stage.wire.frames) < count:  # noqa: ASYNC110 — bounded by the fixture
        await asyncio.sleep(0.001)


def test_every_operation_of_a_station_has_an_answer():
    assert set(HANDLERS) == {name for name, known in OPERATIONS.items() if known.from_station}


def test_an_unknown_action_is_not_implemented_and_a_command_not_supported(play):
    """RPC-7, with case-sensitive names."""

    async def tell(stage):
        put(stage, 2, "1", "heartbeat", {})
        put(stage, 2, "2", "Reset", {"type": "Soft"})
        assert [frame[:3] for frame in stage.wire.frames] == [
            [4, "1", "NotImplemented"],
            [4, "2", "NotSupported"],
        ]

    play(tell)


@pytest.mark.parametrize(
    ("payload", "code"),
    [
        ({"idTag": "A", "x": 1}, "FormationViolation"),
        ({}, "ProtocolError"),
        ({"idTag": 1}, "TypeConstraintViolation"),
        ({"idTag": "A" * 21}, "PropertyConstraintViolation"),
        ([], "FormationViolation"),
    ],
)
def test_a_payload_against_the_schema_is_refused_with_its_code(play, payload, code):
    """RPC-9 and the table of section 2."""

    async def tell(stage):
        put(stage, 2, "1", "Authorize", payload)
        assert [frame[:3] for frame in stage.wire.frames] == [[4, "1", code]]

    play(tell)


def test_what_is_no_frame_is_counted_and_answered_only_when_it_has_an_id(play):
    """RPC-6."""

    async def tell(stage):
        for data in (b"hello", b"{}", b"[2]", b"[9,1,2]", b"\xff\xfe", b'[2,5,"Heartbeat",{}]'):
            stage.session.received(data)
        assert stage.wire.frames == []
        stage.session.received(b'[2,"7","Heartbeat"]')
        assert [frame[:3] for frame in stage.wire.frames] == [[4, "7", "FormationViolation"]]
        assert stage.central.statistics.unreadable == 7

    play(tell)


def test_an_id_that_is_being_answered_is_never_executed_twice(play):
    """RPC-8: a StartTransaction waits for its commit; the same id meanwhile is refused."""

    async def tell(stage):
        put(stage, 2, "1", "StartTransaction", START)
        put(stage, 2, "1", "StartTransaction", START)
        assert [frame[:3] for frame in stage.wire.frames] == [[4, "1", "GenericError"]]
        await wait_for_frames(stage, 2)
        assert stage.wire.frames[1][:2] == [3, "1"]
        assert stage.central.statistics.overlapping_calls == 1

    play(tell)


def test_two_calls_at_once_are_both_answered_and_noticed(play):
    """RPC-3: stations may have one CALL outstanding; ours count."""

    async def tell(stage):
        put(stage, 2, "1", "StartTransaction", START)
        put(stage, 2, "2", "Heartbeat", {})
        await wait_for_frames(stage, 2)
        assert {frame[1] for frame in stage.wire.frames} == {"1", "2"}
        assert stage.central.statistics.overlapping_calls == 1

    play(tell)


@pytest.mark.parametrize("registration", [None, RegistrationStatus.REJECTED, RegistrationStatus.PENDING])
def test_before_it_is_accepted_a_station_may_only_boot(play, registration):
    """BOOT-1, BOOT-6, BOOT-7, BOOT-8: SecurityError for anything else (JE3.8)."""

    async def tell(stage):
        put(stage, 2, "1", "Heartbeat", {})
        put(stage, 2, "2", "BootNotification", BOOT)
        await wait_for_frames(stage, 2)
        put(stage, 2, "3", "Heartbeat", {})
        assert [frame[:2] for frame in stage.wire.frames] == [[4, "1"], [3, "2"], [3, "3"]]
        assert stage.wire.frames[0][2] == "SecurityError"

    play(tell, registration)


def test_a_pending_station_may_send_what_it_was_triggered_to_once(play):
    """BOOT-7, TM-5."""

    async def tell(stage):
        stage.session.call("TriggerMessage", TriggerMessage(MessageTrigger.HEARTBEAT), 5)
        for message_id in ("1", "2"):
            put(stage, 2, message_id, "Heartbeat", {})
        assert [frame[0] for frame in stage.wire.frames] == [2, 3, 4]

    play(tell, RegistrationStatus.PENDING)


def test_one_call_at_a_time_goes_to_a_station(play):
    """RPC-3, the other way."""

    async def tell(stage):
        first = stage.session.call("Reset", SOFT, 5)
        second = stage.session.call("Reset", SOFT, 5)
        [[kind, message_id, action, payload]] = stage.wire.frames
        assert (kind, action, payload) == (2, "Reset", {"type": "Soft"})
        put(stage, 3, message_id, {"status": "Accepted"})
        result = await first
        assert (result.outcome, msgspec.json.decode(result.payload)) == (Outcome.OK, {"status": "Accepted"})
        other_id = stage.wire.frames[1][1]
        assert other_id != message_id  # RPC-2
        put(stage, 4, other_id, "SomethingOfTheirOwn", "no", {})
        result = await second
        assert (result.outcome, result.code) == (Outcome.CALLERROR, "SomethingOfTheirOwn")

    play(tell)


def test_late_foreign_and_repeated_answers_complete_nothing(play):
    """RPC-5."""

    async def tell(stage):
        late = stage.session.call("Reset", SOFT, 0.01)
        assert (await late).outcome == Outcome.TIMEOUT
        late_id = stage.wire.frames[0][1]
        waiting = stage.session.call("Reset", SOFT, 5)
        put(stage, 3, late_id, {"status": "Accepted"})
        put(stage, 3, "someone else's", {"status": "Accepted"})
        assert not waiting.done()
        put(stage, 3, stage.wire.frames[1][1], {"status": "Rejected"})
        put(stage, 3, stage.wire.frames[1][1], {"status": "Accepted"})
        assert msgspec.json.decode((await waiting).payload) == {"status": "Rejected"}
        assert stage.central.statistics.unexpected_answers == 3

    play(tell)


def test_an_answer_against_the_schema_is_invalid(play):
    async def tell(stage):
        command = stage.session.call("Reset", SOFT, 5)
        put(stage, 3, stage.wire.frames[0][1], {"status": "Perhaps"})
        result = await command
        assert (result.outcome, result.code) == (Outcome.INVALID, "PropertyConstraintViolation")

    play(tell)


def test_nothing_outstanding_survives_the_connection(play):
    """WS-8."""

    async def tell(stage):
        commands = [stage.session.call("Reset", SOFT, 5) for _ in range(3)]
        stage.central.sessions["GU-1"] = stage.session
        stage.session.closed(1006, "")
        assert [(await command).outcome for command in commands] == [Outcome.CLOSED] * 3
        assert len(stage.wire.frames) == 1
        assert stage.central.sessions == {}

    play(tell)


def test_an_abandoned_command_is_not_sent(play):
    async def tell(stage):
        first = stage.session.call("Reset", SOFT, 5)
        stage.session.call("Reset", SOFT, 5).cancel()
        third = stage.session.call("ClearCache", msgspec.Raw(b"{}"), 5)
        put(stage, 3, stage.wire.frames[0][1], {"status": "Accepted"})
        await first
        assert [frame[2] for frame in stage.wire.frames] == ["Reset", "ClearCache"]
        third.cancel()
        put(stage, 3, stage.wire.frames[1][1], {"status": "Accepted"})

    play(tell)


def test_a_bug_of_ours_is_an_internal_error_and_is_counted(play, monkeypatch, caplog):
    async def tell(stage):
        monkeypatch.setitem(HANDLERS, "Heartbeat", lambda _exchange, _request: 1 / 0)
        put(stage, 2, "1", "Heartbeat", {})
        assert stage.wire.frames[0][:3] == [4, "1", "InternalError"]
        assert stage.central.statistics.bugs == 1

    play(tell)
    assert "ZeroDivisionError" in caplog.text


def test_a_password_on_its_way_to_a_station_is_not_kept(play):
    """C11, SEC-3: frames are recorded here, but for those with an AuthorizationKey."""

    async def tell(stage):
        change = ChangeConfiguration("AuthorizationKey", "s3cret-s3cret-s3cret")
        stage.session.call("ChangeConfiguration", change, 5)
        assert stage.wire.frames[0][3]["value"] == "s3cret-s3cret-s3cret"
        kept = [row.frame for row in stage.central.ledger._gathering.rows[Frame]]
        assert not any("s3cret" in frame for frame in kept)
        assert len(kept) == 1

    play(tell)


def test_a_session_ends_with_a_code_or_a_cut(play):
    async def tell(stage):
        stage.session.disconnect(1008, "no")
        stage.session.disconnect(None)
        assert stage.wire.ends == [1008, None]

    play(tell)
