"""A central system in memory that says yes: for dry runs and forecasts on `engine.virtual`.

It keeps no books beyond counts; the program of the package `csms` is the one that does.
"""

from collections import Counter
from typing import Final

from engine.virtual_line import SUBPROTOCOL, Line, Refusal
from stations.wire.frames import Call, PeerError, decode, encode_error, encode_result
from stations.wire.messages import (
    OPERATIONS,
    AuthorizeConf,
    BootNotificationConf,
    Confirmation,
    DataTransferConf,
    HeartbeatConf,
    IdTagInfo,
    StartTransactionConf,
    StopTransactionConf,
)
from stations.wire.types import (
    Action,
    AuthorizationStatus,
    DataTransferStatus,
    RegistrationStatus,
    format_datetime,
)

_YES: Final = IdTagInfo(AuthorizationStatus.ACCEPTED)

# Answers that depend on nothing.
_ALWAYS: Final[dict[str, Confirmation]] = {
    Action.AUTHORIZE: AuthorizeConf(_YES),
    Action.DATA_TRANSFER: DataTransferConf(DataTransferStatus.UNKNOWN_VENDOR_ID),
    Action.STOP_TRANSACTION: StopTransactionConf(),
}


class YesCentral:
    """Accepts every station, tag and transaction after `think_s`; transaction ids count up from 1."""

    def __init__(self, start_unix_s: float, *, heartbeat_s: int = 300, think_s: float = 0.0) -> None:
        self.calls: Counter[str] = Counter()  # CALLs heard, by action
        self.transactions = 0  # ids given out
        self.unreadable = 0
        self._start_unix_s = start_unix_s
        self._heartbeat_s = heartbeat_s
        self._think_s = think_s

    def admits(self, line: Line, now: float) -> str | Refusal | None:  # noqa: ARG002 — everybody, always
        """Any station is welcome."""
        return SUBPROTOCOL

    def opened(self, line: Line, now: float) -> None:
        """Nothing to keep."""

    def closed(self, line: Line, now: float) -> None:
        """Nothing to forget."""

    def heard(self, line: Line, data: bytes, now: float) -> None:
        """Answer a CALL; answers to us cannot come, we never ask."""
        try:
            frame = decode(data)
        except PeerError:
            self.unreadable += 1
            return
        if not isinstance(frame, Call):
            self.unreadable += 1
            return
        self.calls[frame.action] += 1
        confirmation = self._answer(frame.action, now)
        if confirmation is None:
            line.say(encode_error(frame.id, "NotImplemented"), self._think_s)
        else:
            line.say(encode_result(frame.id, confirmation), self._think_s)

    def _answer(self, action: str, now: float) -> Confirmation | None:
        if action in _ALWAYS:
            return _ALWAYS[action]
        if action == Action.START_TRANSACTION:
            self.transactions += 1
            return StartTransactionConf(_YES, self.transactions)
        if action == Action.HEARTBEAT:
            return HeartbeatConf(self._time(now))
        if action == Action.BOOT_NOTIFICATION:
            return BootNotificationConf(self._time(now), self._heartbeat_s, RegistrationStatus.ACCEPTED)
        operation = OPERATIONS.get(action)
        return operation.confirmation() if operation is not None and operation.from_station else None

    def _time(self, now: float) -> str:
        return format_datetime(self._start_unix_s + now)
