"""What the central system may be told to do badly: settings, read from TOML or JSON. Off by default.

Each fault has a name, seen in real central systems, and strikes a `share` of its occasions among the
stations whose identity matches the glob `stations`. `csms.misdeeds` draws and commits; every act is a row in
`misdeeds`.
"""

import tomllib
from http import HTTPStatus
from pathlib import Path
from statistics import NormalDist
from typing import Annotated, Any, Final, TypeAlias

import msgspec
from msgspec import Meta, Struct, field

from stations.errors import PlanError
from stations.wire.messages import OPERATIONS
from stations.wire.types import Action

Share: TypeAlias = Annotated[float, Meta(ge=0, le=1)]
Milliseconds: TypeAlias = Annotated[float, Meta(ge=0, le=3_600_000)]
Seconds: TypeAlias = Annotated[float, Meta(ge=0, le=86_400)]
CloseCode: TypeAlias = Annotated[int, Meta(ge=1000, le=4999)]

_NORMAL: Final = NormalDist()
ANY_ACTION: Final = "*"


class Fixed(Struct, tag="fixed", tag_field="kind", forbid_unknown_fields=True):
    """Always the same delay."""

    ms: Milliseconds

    def delay_s(self, _luck: float) -> float:
        """Seconds for a number drawn from 0 to 1."""
        return self.ms / 1000


class Uniform(Struct, tag="uniform", tag_field="kind", forbid_unknown_fields=True):
    """Every delay from `low_ms` to `high_ms` is as likely."""

    low_ms: Milliseconds
    high_ms: Milliseconds

    def __post_init__(self) -> None:
        if self.high_ms < self.low_ms:
            raise ValueError("high_ms must not be below low_ms")

    def delay_s(self, luck: float) -> float:
        """Seconds for a number drawn from 0 to 1."""
        return (self.low_ms + luck * (self.high_ms - self.low_ms)) / 1000


class Lognormal(Struct, tag="lognormal", tag_field="kind", forbid_unknown_fields=True):
    """The long tail of a loaded back end: half of the delays are below `median_ms`."""

    median_ms: Annotated[float, Meta(gt=0, le=3_600_000)]
    sigma: Annotated[float, Meta(ge=0, le=5)]

    def delay_s(self, luck: float) -> float:
        """Seconds for a number drawn from 0 to 1."""
        stretch = NormalDist().inv_cdf(min(max(luck, 1e-9), 1 - 1e-9)) * self.sigma
        return float(self.median_ms * 2.718281828459045**stretch) / 1000


Latency: TypeAlias = Fixed | Uniform | Lognormal


class Fault(Struct, tag_field="name", forbid_unknown_fields=True, kw_only=True, frozen=True):
    """Anything done wrong on purpose."""

    share: Share = 1.0
    stations: str = "*"

    @property
    def name(self) -> str:
        """The fault's name in files, in the API and in the `misdeeds` table."""
        return str(self.__struct_config__.tag)


class CallFault(Fault, kw_only=True, frozen=True):
    """A fault of the answer to one CALL; `actions` empty: any action."""

    actions: list[Action] = field(default_factory=list)


class CallErrorAnswer(CallFault, tag="callerror", kw_only=True, frozen=True):
    """The CALL is refused with a CALLERROR of any code and has no effect."""

    code: str = "InternalError"
    description: str = "refused on purpose"


class DroppedAnswer(CallFault, tag="dropped-answer", kw_only=True, frozen=True):
    """The CALL takes effect and is never answered."""


class LateAnswer(CallFault, tag="late-answer", kw_only=True, frozen=True):
    """The CALL takes effect; its answer comes after the station has given up (RPC-5)."""

    delay_s: Seconds = 60.0


class ForeignId(CallFault, tag="foreign-id", kw_only=True, frozen=True):
    """The answer carries the message id `id` instead of the CALL's (RPC-5)."""

    id: str = "-1"


class NoSubprotocol(Fault, tag="no-subprotocol", kw_only=True, frozen=True):
    """The handshake is accepted without a subprotocol (WS-2), and the socket stays silent."""


class RefusedHandshake(Fault, tag="refused-handshake", kw_only=True, frozen=True):
    """The upgrade is answered with an HTTP status (WS-3)."""

    status: int = 404

    def __post_init__(self) -> None:
        if not 400 <= HTTPStatus(self.status) <= 599:
            raise ValueError(f"status {self.status} does not refuse anything; use 400 to 599")


class CloseAfterConnect(Fault, tag="close-after-connect", kw_only=True, frozen=True):
    """The socket is closed `after_s` seconds after the handshake."""

    code: CloseCode = 1008
    reason: str = "unknown station"
    after_s: Seconds = 0.0


class DuplicateTransactionId(Fault, tag="duplicate-transaction-id", kw_only=True, frozen=True):
    """StartTransaction is answered with the id of another station's transaction."""


class ZeroTransactionId(Fault, tag="zero-transaction-id", kw_only=True, frozen=True):
    """StartTransaction is answered with transactionId 0."""


class MissingTransactionId(Fault, tag="missing-transaction-id", kw_only=True, frozen=True):
    """StartTransaction is answered without a transactionId: against the schema."""


class MergedTransactions(Fault, tag="merged-transactions", kw_only=True, frozen=True):
    """A start is answered with the id that the station's other connector is using, and not recorded."""


class LostStart(Fault, tag="lost-start", kw_only=True, frozen=True):
    """StartTransaction is answered and not recorded."""


class DoubledStart(Fault, tag="doubled-start", kw_only=True, frozen=True):
    """StartTransaction is recorded twice, under two ids; the station is told the first."""


class LostStop(Fault, tag="lost-stop", kw_only=True, frozen=True):
    """StopTransaction is answered and not recorded."""


class AlteredEnergy(Fault, tag="altered-energy", kw_only=True, frozen=True):
    """meterStop is recorded `offset_wh` off what was sent."""

    offset_wh: int = 1000


class LostMeterValues(Fault, tag="lost-meter-values", kw_only=True, frozen=True):
    """MeterValues is answered and not recorded."""


class WrongClock(Fault, tag="wrong-clock", kw_only=True, frozen=True):
    """currentTime is `offset_s` off. `share` counts stations: one is told right always, or never."""

    offset_s: float = 3600.0


class Restart(Fault, tag="restart", kw_only=True, frozen=True):
    """`after_s` after the settings took effect every connection drops; no new one for `down_s` seconds.

    `every_s` repeats it; `code` is the close code, absent: the TCP streams just end. `share` and `stations`
    choose nobody: a restart is for all.
    """

    after_s: Seconds = 0.0
    down_s: Seconds = 0.0
    every_s: Annotated[float, Meta(ge=1, le=86_400)] | None = None
    code: CloseCode | None = None


AnyFault: TypeAlias = (
    CallErrorAnswer
    | DroppedAnswer
    | LateAnswer
    | ForeignId
    | NoSubprotocol
    | RefusedHandshake
    | CloseAfterConnect
    | DuplicateTransactionId
    | ZeroTransactionId
    | MissingTransactionId
    | MergedTransactions
    | LostStart
    | DoubledStart
    | LostStop
    | AlteredEnergy
    | LostMeterValues
    | WrongClock
    | Restart
)


class Behaviour(Struct, forbid_unknown_fields=True, frozen=True):
    """The whole file: a seed, latencies per action (`*` for the rest) and any number of faults."""

    seed: int = 0
    latency: dict[str, Latency] = field(default_factory=dict)
    fault: list[AnyFault] = field(default_factory=list)

    def __post_init__(self) -> None:
        for action in self.latency:
            if action != ANY_ACTION and action not in OPERATIONS:
                raise ValueError(f"latency.{action}: not an OCPP 1.6 action, nor `*`")


def convert(document: Any) -> Behaviour:
    """Settings from parsed TOML or JSON; ValueError names the place."""
    return msgspec.convert(document, Behaviour, strict=False)


def read_behaviour(path: Path) -> Behaviour:
    """Settings of a TOML file; PlanError names the file and the place in it."""
    try:
        return convert(tomllib.loads(path.read_text("utf-8")))
    except OSError as exc:
        raise PlanError(f"cannot read behaviour file {path}: {exc.strerror}") from exc
    except UnicodeDecodeError as exc:
        raise PlanError(f"{path}: is not UTF-8 text (byte {exc.start}); save it as UTF-8") from exc
    except ValueError as exc:  # tomllib's and msgspec's errors alike
        raise PlanError(f"{path}: {exc}") from exc
