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

from stations.core.plan import Plan
from stations.core.vehicle import Vehicle


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


class Event(Struct, gc=False):
    """Something that happened to the station."""


class PowerOn(Event):
    """Mains are back. The station's own clock shows `now * wall_rate + wall_offset_s` in Unix time.

    The rate is 1 unless time is compressed and timestamps stay real. In a time of the run's own
    (`wall_told` false) no currentTime sets the clock.
    """

    wall_offset_s: float
    wall_rate: float = 1.0
    wall_told: bool = True


class PowerOff(Event):
    """Power cut: everything volatile is forgotten, the socket drops without a close handshake."""


class LinkUp(Event):
    """The WebSocket is open. `subprotocol` is what the server selected."""

    subprotocol: str | None = "ocpp1.6"


class LinkRefused(Event):
    """A connection attempt failed."""

    failure: LinkFailure
    detail: str = ""


class LinkDown(Event):
    """An open WebSocket ended. `code` is the peer's close code, None when the TCP stream just died."""

    code: int | None = None
    reason: str = ""


class Received(Event):
    """One whole text message from the central system."""

    data: bytes


class PlugIn(Event):
    """The cable connects station and vehicle."""

    connector: int
    vehicle: Vehicle


class PlugOut(Event):
    """The cable is pulled: at the vehicle first, at the station once its lock lets go (ST-5)."""

    connector: int


class PlugOutEv(Event):
    """The cable is pulled at the vehicle only (ST-7, ST-8)."""

    connector: int


class Swipe(Event):
    """A badge at the reader; `connectors` None: the reader does not know the side (TX-11)."""

    id_tag: str
    connectors: tuple[int, ...] | None = None


class Fault(Event):
    """Hardware fault on a connector, 0 for the whole station (ST-9)."""

    connector: int
    error_code: str
    vendor_error_code: str = ""


class ClearFault(Event):
    """The fault is gone; the status below shows again (ST-11)."""

    connector: int


class EvPause(Event):
    """The vehicle stops drawing."""

    connector: int


class EvResume(Event):
    """The vehicle draws again."""

    connector: int


class LockFailure(Event):
    """The cable lock jams, or works again (ST-12, UC-3)."""

    connector: int
    failing: bool


class SetKey(Event):
    """A configuration key written behind OCPP's back, read-only keys too."""

    key: str
    value: str


class SeedCache(Event):
    """An entry put into the authorization cache."""

    id_tag: str
    status: str


class Reboot(Event):
    """The station restarts by itself (watchdog, service button): reason Reboot (TX-6)."""


class Activate(Event):
    """The web page's «Connexion au serveur OCPP» switch: False closes the link and stays offline."""

    active: bool


class Reconfigure(Event):
    """The web page stored an OCPPConf.xml: `plan` is what it makes of the station's, `keys` what it presets.

    `connection`: it says where to connect, as whom or with which password, whatever was configured before.
    """

    plan: Plan
    keys: dict[str, str] = {}
    connection: bool = False


class TransferEnded(Event):
    """A real file transfer has ended; one that the station no longer wants is news of no interest to it."""

    wanted: "TransferWanted"  # the very effect that asked for it
    ok: bool
    detail: str = ""


class Outcome(StrEnum):
    """How one of our CALLs ended (C6). A missing answer is an outcome, never an absent row."""

    OK = "ok"
    CALLERROR = "callerror"
    TIMEOUT = "timeout"
    CLOSED = "closed"  # the socket ended before the answer
    INVALID = "invalid"  # answered with a payload that breaks the schema
    CANCELLED = "cancelled"  # our own power cut or reset


class OpenCall(Struct):
    """One CALL of ours from plan to answer; times in seconds on the edge's clock (C6).

    queue = free - due, gen_lag = sent - free, service = done - sent.
    The edge stamps `sent` right after the bytes went to the socket; the core never reads it.
    """

    id: str
    action: str
    due: float
    free: float
    sent: float = 0.0
    bytes_out: int = 0
    connector: int = 0
    transaction: int = 0  # sequence number of the transaction in this station's ledger, 0 for none
    offline: bool = False  # waited for the link: due was moved to the moment the station was online again


class Effect(Struct, gc=False):
    """Something the edge must do, or a fact it must write down."""


class OpenLink(Effect):
    """Connect to `url` (identity included). `authorization` is the whole header value, None for none."""

    url: str
    authorization: str | None = None


class CloseLink(Effect):
    """Close the WebSocket politely."""

    code: int = 1000
    reason: str = ""


class DropLink(Effect):
    """Abort the connection without a close handshake."""


class Send(Effect, gc=True):
    """Put one text message on the wire; `call` is set when it is a CALL of ours, to be stamped."""

    data: bytes
    call: OpenCall | None = None


class Ping(Effect):
    """Send a WebSocket ping (WS-5); the edge reports a dead link as LinkDown when `timeout_s` passes."""

    timeout_s: float


class CallEnded(Effect, gc=True):
    """Fact: one of our CALLs is over. `error` is the CALLERROR code (any string) or ''."""

    call: OpenCall
    outcome: Outcome
    done: float
    error: str = ""
    bytes_in: int = 0


class CommandAnswered(Effect):
    """Fact: a CALL of the central system was answered. `result` is the conf status, '' or an error code."""

    action: str
    received: float
    result: str
    ok: bool  # False: answered with CALLERROR
    bytes_in: int
    bytes_out: int


class TransactionChanged(Effect):
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


class StatusChanged(Effect):
    """Fact for live views: a connector shows another status (sent or not, ST-6)."""

    connector: int
    status: str
    error_code: str


class RegistrationChanged(Effect):
    """Fact for live views: "Accepted", "Pending", "Rejected" or "" (not registered)."""

    status: str


class Finding(Effect):
    """Fact: the central system broke a rule in our sight (C8); `rule` is an id such as RPC-5."""

    rule: str
    detail: str
    frame: bytes = b""


class Broken(Effect):
    """Fact: a bug of ours (C10), after the central system has been told as much as it can be."""

    error: Exception


class Persist(Effect):
    """The non-volatile state changed: a store on disk takes `Station.snapshot()`."""


class TransferWanted(Effect):
    """Real file transfer (GD-1, UF-1); answered by `TransferEnded`. Only when the plan asks for real ones."""

    kind: str  # "diagnostics" or "firmware"
    location: str
    file_name: str = ""
    data: bytes = b""  # the file to upload


Effects: TypeAlias = list[Effect]
