"""What can happen to a station, and what it can ask its edge to do.

The whole contract between the core and an edge is three calls on `Station`:
`on_event(event, now, due) -> effects`, `deadline()` and `on_deadline(now) -> effects`.
`now` is seconds on the edge's monotonic clock; the core never asks the time.
`due` is when the plan wanted the event (a driver's scheduled moment); it defaults to `now`.

Events are facts, never requests to skip a rule. Effects are performed by the edge in list order.
"""

from enum import StrEnum
from typing import TypeAlias

from msgspec import Struct

from stations.core.kinds import Effect, Event
from stations.core.plan import Plan
from stations.core.traffic import CallEnded, OpenCall, Outcome, Received, Send
from stations.core.vehicle import Vehicle

# What others take from here though it is defined elsewhere; nobody imports `*`.
__all__ = ["CallEnded", "Effect", "Event", "OpenCall", "Outcome", "Received", "Send"]


class LinkFailure(StrEnum):
    """Why there is no WebSocket (WS-2, WS-3, C3). A fact with a name, never an exception that escapes."""

    REFUSED = "refused"  # TCP connection refused or reset
    UNREACHABLE = "unreachable"  # no route, timeout before TCP was up, address exhausted
    DNS = "dns"  # the host name does not resolve
    TLS = "tls"  # handshake or verification failed
    HTTP = "http"  # the upgrade was answered with another status; detail holds it
    HANDSHAKE = "handshake"  # 101 that breaks RFC 6455 (accept key, extension, EOF, garbage)
    SUBPROTOCOL = "subprotocol"  # 101 without `ocpp1.6` (WS-2)
    TIMEOUT = "timeout"  # the upgrade was never answered


class _Event(Event, Struct, gc=False):
    """One that is told as a Struct."""


class PowerOn(_Event):
    """Mains are back. The station's own clock shows `now * wall_rate + wall_offset_s` in Unix time.

    The rate is 1 unless time is compressed and timestamps stay real. In a time of the run's own
    (`wall_told` false) no currentTime sets the clock.
    """

    wall_offset_s: float
    wall_rate: float = 1.0
    wall_told: bool = True


class PowerOff(_Event):
    """Power cut: everything volatile is forgotten, the socket drops without a close handshake."""


class LinkUp(_Event):
    """The WebSocket is open. `subprotocol` is what the server selected."""

    subprotocol: str | None = "ocpp1.6"


class LinkRefused(_Event):
    """A connection attempt failed."""

    failure: LinkFailure
    detail: str = ""


class LinkDown(_Event):
    """An open WebSocket ended. `code` is the peer's close code, None when the TCP stream just died."""

    code: int | None = None
    reason: str = ""


class PlugIn(_Event):
    """The cable connects station and vehicle."""

    connector: int
    vehicle: Vehicle


class PlugOut(_Event):
    """The cable is pulled: at the vehicle first, at the station once its lock lets go (ST-5)."""

    connector: int


class PlugOutEv(_Event):
    """The cable is pulled at the vehicle only (ST-7, ST-8)."""

    connector: int


class Swipe(_Event):
    """A badge at the reader; `connectors` None: the reader does not know the side (TX-11)."""

    id_tag: str
    connectors: tuple[int, ...] | None = None


class Fault(_Event):
    """Hardware fault on a connector, 0 for the whole station (ST-9)."""

    connector: int
    error_code: str
    vendor_error_code: str = ""


class ClearFault(_Event):
    """The fault is gone; the status below shows again (ST-11)."""

    connector: int


class EvPause(_Event):
    """The vehicle stops drawing."""

    connector: int


class EvResume(_Event):
    """The vehicle draws again."""

    connector: int


class LockFailure(_Event):
    """The cable lock jams, or works again (ST-12, UC-3)."""

    connector: int
    failing: bool


class SetKey(_Event):
    """A configuration key written behind OCPP's back, read-only keys too."""

    key: str
    value: str


class SeedCache(_Event):
    """An entry put into the authorization cache."""

    id_tag: str
    status: str


class Reboot(_Event):
    """The station restarts by itself (watchdog, service button): reason Reboot (TX-6)."""


class Activate(_Event):
    """The web page's «Connexion au serveur OCPP» switch: False closes the link and stays offline."""

    active: bool


class Reconfigure(_Event):
    """The web page stored an OCPPConf.xml: `plan` is what it makes of the station's, `keys` what it presets.

    `connection`: it says where to connect, as whom or with which password, whatever was configured before.
    """

    plan: Plan
    keys: dict[str, str] = {}
    connection: bool = False


class TransferEnded(_Event):
    """A real file transfer has ended; one that the station no longer wants is news of no interest to it."""

    wanted: "TransferWanted"  # the very effect that asked for it
    ok: bool
    detail: str = ""


class _Effect(Effect, Struct, gc=False):
    """One that is told as a Struct."""


class OpenLink(_Effect):
    """Connect to `url` (identity included). `authorization` is the whole header value, None for none."""

    url: str
    authorization: str | None = None


class CloseLink(_Effect):
    """Close the WebSocket politely."""

    code: int = 1000
    reason: str = ""


class DropLink(_Effect):
    """Abort the connection without a close handshake."""


class Ping(_Effect):
    """Send a WebSocket ping (WS-5); the edge reports a dead link as LinkDown when `timeout_s` passes."""

    timeout_s: float


class CommandAnswered(_Effect):
    """Fact: a CALL of the central system was answered. `result` is the conf status, '' or an error code."""

    action: str
    received: float
    result: str
    ok: bool  # False: answered with CALLERROR
    bytes_in: int
    bytes_out: int


class TransactionChanged(_Effect):
    """Fact for the ledger (C8): the transaction as the station knows it, after a change.

    `state`: "started", "acknowledged", "stopped", "settled" (stop acknowledged) or "abandoned" (given up).
    Rows are a journal: readers keep the last one per (station, sequence).
    """

    sequence: int  # 1, 2, 3 … per station
    state: str
    connector: int
    id_tag: str
    transaction_id: int | None
    meter_start_wh: int
    started_s: float  # Unix time as sent
    meter_stop_wh: int | None = None
    stopped_s: float | None = None
    reason: str = ""
    offline: bool = False  # the start happened without a connection
    authorization: str = ""  # idTagInfo.status of StartTransaction.conf


class StatusChanged(_Effect):
    """Fact for live views: a connector shows another status (sent or not, ST-6)."""

    connector: int
    status: str
    error_code: str


class RegistrationChanged(_Effect):
    """Fact for live views: "Accepted", "Pending", "Rejected" or "" (not registered)."""

    status: str


class Finding(_Effect):
    """Fact: the central system broke a rule in our sight (C8); `rule` is an id such as RPC-5."""

    rule: str
    detail: str
    frame: bytes = b""


class Broken(_Effect):
    """Fact: a bug of ours (C10), after the central system has been told as much as it can be."""

    error: Exception


class Persist(_Effect):
    """The non-volatile state changed: a store on disk takes `Station.snapshot()`."""


class TransferWanted(_Effect):
    """Real file transfer (GD-1, UF-1); answered by `TransferEnded`. Only when the plan asks for real ones."""

    kind: str  # "diagnostics" or "firmware"
    location: str
    file_name: str = ""
    data: bytes = b""  # the file to upload


Effects: TypeAlias = list[Effect]
