"""A diagnostics upload (§5.9, §8.2) as a small machine that its station drives with one alarm.

One upload at a time; a request that comes during one waits for its end, the latest wins (GD-4). `advance`
is called at `due` (the edge's clock), `transfer_ended` when a real upload ends; both return what to do.
"""

from enum import StrEnum
from typing import TYPE_CHECKING, Final, NamedTuple, TypeAlias

from stations.core.streams import Stream
from stations.core.transfers import Transfers, draw, pause_s
from stations.wire.messages import GetDiagnostics
from stations.wire.types import DiagnosticsStatus, format_datetime, parse_datetime

if TYPE_CHECKING:
    from stations.core.events import TransferWanted

_LONGEST_NAME: Final = 255  # fileName is CiString255


class Stage(StrEnum):
    """Where an upload stands."""

    WAITING = "waiting"  # for its first or next attempt
    UPLOADING = "uploading"
    OVER = "over"


class Notify(NamedTuple):
    """Send DiagnosticsStatusNotification."""

    status: DiagnosticsStatus


class Upload(NamedTuple):
    """Start a real upload; its end comes as `transfer_ended`."""

    location: str
    file_name: str


Step: TypeAlias = Notify | Upload
Steps: TypeAlias = list[Step]


def window(request: GetDiagnostics, now_unix: float) -> tuple[float, float]:
    """The span of Unix time asked for (GD-3): startTime to stopTime, open ends are the beginning and now."""
    start = 0.0 if request.start_time is None else max(0.0, parse_datetime(request.start_time))
    stop = now_unix if request.stop_time is None else min(now_unix, parse_datetime(request.stop_time))
    return start, stop


def file_name(request: GetDiagnostics, identity: str, now_unix: float) -> str | None:
    """The name to answer with, None when there is nothing from the time asked for (GD-1, GD-3)."""
    start, stop = window(request, now_unix)
    if start >= stop:
        return None
    moment = format_datetime(now_unix, millis=False).translate({ord(sign): None for sign in "-:"})
    safe = "".join(sign if sign.isalnum() or sign in "-_." else "_" for sign in identity)
    tail = f"-{moment}.log"
    return f"diagnostics-{safe}"[: _LONGEST_NAME - len(tail)] + tail


class DiagnosticsUpload:
    """One GetDiagnostics from request to end, and the one that waits behind it."""

    __slots__ = (
        "_fails",
        "_luck",
        "_model",
        "_next",
        "_retries_left",
        "_told",
        "due",
        "file_name",
        "request",
        "stage",
        "transfer",
    )

    def __init__(
        self, request: GetDiagnostics, name: str, now: float, luck: Stream, model: Transfers | None
    ) -> None:
        """`model` None asks for a real upload (GD-1). The first step is due at once, after the answer."""
        self._luck = luck
        self.transfer: TransferWanted | None = None  # the real one, latest
        self._next: tuple[GetDiagnostics, str, Transfers | None] | None = None
        self._begin(request, name, model, now)

    def _begin(self, request: GetDiagnostics, name: str, model: Transfers | None, now: float) -> None:
        self.request = request
        self._model = model
        self.file_name = name
        self.stage = Stage.WAITING
        self.due: float | None = now
        self._retries_left = max(0, request.retries or 0)  # E3.50: after the first attempt
        self._fails = False
        self._told = False

    @property
    def status(self) -> DiagnosticsStatus:
        """The answer to TriggerMessage: Idle unless uploading (DIAG-1)."""
        return DiagnosticsStatus.UPLOADING if self._told else DiagnosticsStatus.IDLE

    def ask_again(self, request: GetDiagnostics, name: str, now: float, model: Transfers | None) -> None:
        """Another GetDiagnostics: now if this one is over or has not begun, else behind it (GD-4)."""
        if self._told:
            self._next = request, name, model
        else:
            self._begin(request, name, model, now)

    def advance(self, now: float) -> Steps:
        """The alarm rang."""
        if self.stage is Stage.WAITING:
            return self._upload(now)
        if self.stage is Stage.UPLOADING:
            return self._uploaded(now, ok=not self._fails)
        return []

    def transfer_ended(self, now: float, *, ok: bool) -> Steps:
        """A real upload is over."""
        if self.stage is not Stage.UPLOADING or self._model is not None:
            return []
        return self._uploaded(now, ok=ok)

    def _upload(self, now: float) -> Steps:
        steps: Steps = [] if self._told else [Notify(DiagnosticsStatus.UPLOADING)]
        self.stage, self._told = Stage.UPLOADING, True
        if self._model is None:
            self.due = None
            return [*steps, Upload(self.request.location, self.file_name)]
        attempt = draw(self._model.upload, self._luck)
        self.due, self._fails = now + attempt.duration_s, not attempt.ok
        return steps

    def _uploaded(self, now: float, *, ok: bool) -> Steps:
        if not ok and self._retries_left:
            self._retries_left -= 1
            self.stage, self.due = Stage.WAITING, now + pause_s(self.request.retry_interval)
            return []
        self.stage, self.due, self._told = Stage.OVER, None, False
        if self._next is not None:
            waiting, self._next = self._next, None
            self._begin(*waiting, now)
        # GD-2, D: the failure is reported once, after the last attempt.
        return [Notify(DiagnosticsStatus.UPLOADED if ok else DiagnosticsStatus.UPLOAD_FAILED)]
