"""A firmware update (§5.19, §8.1) as a small machine that its station drives with one alarm.

    waiting -> downloading -> downloaded -> installing -> restarting -> over
       ^___________|              (waits for transactions)      (Installed after the boot)

`advance` is called at `due`, `transfer_ended` when a real download ends, `let_install` when the last
transaction is over and `booted` when the station is accepted again. Each returns what the station does, in
order. `due` is on the edge's clock; only retrieveDate is wall time.
"""

import re
from collections.abc import Callable, Sequence
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Final, NamedTuple, TypeAlias
from urllib.parse import unquote, urlsplit

from stations.core.streams import Stream
from stations.core.transfers import REAL_INSTALL, Transfers, draw, pause_s
from stations.wire.messages import UpdateFirmware
from stations.wire.types import FirmwareStatus, parse_datetime

if TYPE_CHECKING:
    from stations.core.events import TransferWanted

INVALID_IMAGE: Final = "invalid image"  # detail of a real transfer that brought no firmware (TC_044_3)
_VERSION: Final = re.compile(r"V\d+(?:\.\d+)+")
_NEVER: Final = "1970-01-01T00:00:00Z"
_LONGEST_VERSION: Final = 50  # firmwareVersion is CiString50


class Stage(StrEnum):
    """Where an update stands."""

    WAITING = "waiting"  # for retrieveDate, or between attempts
    DOWNLOADING = "downloading"
    DOWNLOADED = "downloaded"  # transactions run: they end first (UF-2)
    INSTALLING = "installing"
    RESTARTING = "restarting"
    OVER = "over"


class Notify(NamedTuple):
    """Send FirmwareStatusNotification."""

    status: FirmwareStatus


class Fetch(NamedTuple):
    """Start a real download; its end comes as `transfer_ended`."""

    location: str


class Hold(NamedTuple):
    """Make idle connectors Unavailable until `Release`; their stored availability stays (ST-13)."""


class Release(NamedTuple):
    """Give the connectors their stored availability back (UF-4)."""


class Restart(NamedTuple):
    """Reboot into this firmware version."""

    version: str


Step: TypeAlias = Notify | Fetch | Hold | Release | Restart
Steps: TypeAlias = list[Step]
Wait: TypeAlias = Callable[[float], float]
"""Seconds of the edge's clock until the station's wall clock shows a Unix time."""


def _no_clock_yet(unix_s: float) -> float:
    """Out of the store: what is waited for counts again when the station begins."""
    return unix_s


class FirmwareUpdate:
    """One UpdateFirmware from request to end."""

    __slots__ = (
        "_fails",
        "_luck",
        "_retries_left",
        "_retrieve_unix",
        "_retry_interval_s",
        "_told",
        "due",
        "location",
        "model",
        "stage",
        "transfer",
    )

    def __init__(
        self, request: UpdateFirmware, now: float, wait_s: Wait, luck: Stream, model: Transfers | None
    ) -> None:
        """`model` None asks for a real download (UF-1)."""
        self.location = request.location
        self.stage = Stage.WAITING
        self._retrieve_unix = parse_datetime(request.retrieve_date)
        self.due: float | None = now + max(0.0, wait_s(self._retrieve_unix))  # a past date is now
        self._retries_left = max(0, request.retries or 0)
        self._retry_interval_s = pause_s(request.retry_interval)
        self._luck = luck
        self.model = model  # as the location and the configuration are now
        self._fails = False  # what a modelled step was drawn to end with
        self.transfer: TransferWanted | None = None  # the real one, latest
        self._told = False  # Downloading is reported once, not for each attempt

    @property
    def replaceable(self) -> bool:
        """Whether a second request takes this one's place; later it is ignored (UF-3)."""
        return self.stage in {Stage.WAITING, Stage.OVER}

    @property
    def status(self) -> FirmwareStatus:
        """The answer to TriggerMessage (FW-1, TM-2)."""
        return _STATUS[self.stage] if self._told else FirmwareStatus.IDLE

    def advance(self, now: float, *, busy: bool) -> Steps:
        """The alarm rang. `busy` says that a transaction runs."""
        if self.stage is Stage.WAITING:
            return self._download(now)
        if self.stage is Stage.DOWNLOADING:
            return self._downloaded(now, ok=not self._fails, busy=busy)
        if self.stage is Stage.INSTALLING:
            return self._installed()
        return []

    def transfer_ended(self, now: float, *, ok: bool, detail: str, busy: bool) -> Steps:
        """A real download is over."""
        if self.stage is not Stage.DOWNLOADING or self.model is not None:
            return []
        self._fails = detail == INVALID_IMAGE
        return self._downloaded(now, ok=ok or self._fails, busy=busy)

    def let_install(self, now: float) -> Steps:
        """The last transaction is over (UF-2)."""
        return self._install(now) if self.stage is Stage.DOWNLOADED else []

    def booted(self) -> Steps:
        """The station was accepted after the restart into the new firmware (UF-2, TC_044_1)."""
        if self.stage is not Stage.RESTARTING:
            return []
        self._end()
        return [Release(), Notify(FirmwareStatus.INSTALLED)]

    def reschedule(self, now: float, wait_s: Wait) -> None:
        """The wall clock was set: retrieveDate is wall time, pauses between attempts are not (HB-4)."""
        if self.stage is Stage.WAITING and not self._told:
            self.due = now + max(0.0, wait_s(self._retrieve_unix))

    # ---- stages -------------------------------------------------------------------------------------

    def _download(self, now: float) -> Steps:
        steps: Steps = [] if self._told else [Notify(FirmwareStatus.DOWNLOADING)]
        self.stage, self._told = Stage.DOWNLOADING, True
        if self.model is None:
            self.due = None
            return [*steps, Fetch(self.location)]
        attempt = draw(self.model.download, self._luck)
        self.due, self._fails = now + attempt.duration_s, not attempt.ok
        return steps

    def _downloaded(self, now: float, *, ok: bool, busy: bool) -> Steps:
        if not ok and self._retries_left:
            self._retries_left -= 1
            self.stage, self.due = Stage.WAITING, now + self._retry_interval_s
            return []
        if not ok:
            self._end()
            return [Notify(FirmwareStatus.DOWNLOAD_FAILED)]  # UF-1, TC_044_2: after the last attempt
        self.stage, self.due = Stage.DOWNLOADED, None
        steps: Steps = [Notify(FirmwareStatus.DOWNLOADED), Hold()]
        return steps if busy else steps + self._install(now)

    def _install(self, now: float) -> Steps:
        attempt = draw(REAL_INSTALL if self.model is None else self.model.install, self._luck)
        # A real image has been judged by its content; a modelled one is judged by the draw.
        self._fails = self._fails if self.model is None else not attempt.ok
        self.stage, self.due = Stage.INSTALLING, now + attempt.duration_s
        return [Notify(FirmwareStatus.INSTALLING)]

    def _installed(self) -> Steps:
        if self._fails:
            self._end()
            return [Notify(FirmwareStatus.INSTALLATION_FAILED), Release()]  # TC_044_3: the old version stays
        self.stage, self.due = Stage.RESTARTING, None
        return [Restart(image_version(self.location))]

    def _end(self) -> None:
        self.stage, self.due = Stage.OVER, None

    # ---- non-volatile memory ------------------------------------------------------------------------

    def snapshot(self) -> list[Any]:
        """What survives a restart, as plain values."""
        return [
            self.stage.value,
            self.location,
            self._retrieve_unix,
            self._retries_left,
            self._retry_interval_s,
            self._told,
        ]

    @classmethod
    def restored(cls, snapshot: Sequence[Any], luck: Stream) -> "FirmwareUpdate":
        """An update out of the store; when the station begins it gets its model and goes on."""
        update = cls(UpdateFirmware(snapshot[1], _NEVER), 0.0, _no_clock_yet, luck, None)
        update.restore(snapshot, 0.0, _no_clock_yet)
        return update

    def restore(self, snapshot: Sequence[Any], now: float, wait_s: Wait) -> None:
        """Go on after a restart: an update that had not come to its own restart begins again."""
        stage, self.location, self._retrieve_unix, *rest = snapshot
        self._retries_left, self._retry_interval_s, self._told = rest
        self.stage = Stage(stage)
        self.due = None
        if self.stage not in {Stage.RESTARTING, Stage.OVER}:
            self.stage, self.due = Stage.WAITING, now + max(0.0, wait_s(self._retrieve_unix))
            self._told = False  # FW-1: Downloading comes before Downloaded, the second time too


_STATUS: Final = {
    Stage.WAITING: FirmwareStatus.DOWNLOADING,  # between two attempts
    Stage.DOWNLOADING: FirmwareStatus.DOWNLOADING,
    Stage.DOWNLOADED: FirmwareStatus.DOWNLOADED,
    Stage.INSTALLING: FirmwareStatus.INSTALLING,
    Stage.RESTARTING: FirmwareStatus.INSTALLING,
    Stage.OVER: FirmwareStatus.IDLE,
}


def image_version(location: str) -> str:
    """The version an image brings, read from its file name.

    `…/V01.02.00_V01.01.10.bin` is V01.02.00/V01.01.10; a name without such numbers counts as it stands,
    without its extension.
    """
    name = unquote(urlsplit(location).path).rstrip("/").rpartition("/")[2]
    versions = _VERSION.findall(name)
    stem = name.partition(".")[0]
    return ("/".join(versions) or stem or "unnamed")[:_LONGEST_VERSION]
