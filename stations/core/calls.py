"""The call machine: at most one CALL of ours is open (RPC-3); the others wait for the line.

Two sources feed the line: the outbox (everything that must not be delivered late) and, when that is empty,
the transaction queue (`backlog.py`), which keeps its messages until they are delivered or given up.
What may go out depends on the registration (BOOT-1, BOOT-6, BOOT-7).
"""

from typing import TYPE_CHECKING, Final, cast

from msgspec.structs import fields

from stations.core import backlog
from stations.core.alarms import Alarm
from stations.core.dispatch import ENDS, rings
from stations.core.events import CallEnded, OpenCall, Outcome, Send
from stations.core.keys import (
    CONF_AUTHORIZE_TIME,
    CONF_BASIC_TIME,
    CONF_BOTT_NOTIFICATION_TIME,
    MESSAGE_TIMEOUT,
)
from stations.core.outgoing import Outgoing
from stations.core.product_faults import MESURAND
from stations.errors import StationBug
from stations.wire.errors import PeerError
from stations.wire.frames import CallError, CallResult, decode_confirmation, encode_call
from stations.wire.messages import OPERATIONS, Confirmation, Request
from stations.wire.types import Action, RegistrationStatus

if TYPE_CHECKING:
    from stations.core.station import Station

_ACCEPTED: Final = RegistrationStatus.ACCEPTED  # by name an enum's members are slow to reach
_CALL: Final = Alarm.CALL
_PENDING: Final = RegistrationStatus.PENDING

_TIME_OUT: Final = MESSAGE_TIMEOUT.name  # RPC-4: if it is set, every CALL has it
_TIME_OUTS: Final = {
    Action.AUTHORIZE.value: CONF_AUTHORIZE_TIME.name,
    Action.BOOT_NOTIFICATION.value: CONF_BOTT_NOTIFICATION_TIME.name,
}
_BASIC_TIME_OUT: Final = CONF_BASIC_TIME.name

_CONFIRMATIONS: Final = {action: operation.confirmation for action, operation in OPERATIONS.items()}
_EMPTY: Final = {
    action: operation.confirmation()
    for action, operation in OPERATIONS.items()
    if not any(field.required for field in fields(operation.confirmation))
}  # most answers are `{}`: one shared confirmation each
_OK: Final = Outcome.OK

DEAD_AFTER_S: Final = 300.0  # nothing heard for so long …
DEAD_AFTER_CALLS: Final = (
    3  # … and so many CALLs unanswered: a half-open link (WS-5 for stations without pings)
)


def place(
    station: "Station", request: Request, *, connector: int = 0, about: object = None, triggered: bool = False
) -> None:
    """Queue a CALL that is worth sending now or not at all."""
    put(station, Outgoing(type(request).__name__, request, station.due, connector, None, about, triggered))


def put(station: "Station", outgoing: Outgoing) -> None:
    """Queue a message outside the transaction queue."""
    if station.outbox is None:
        station.outbox = [outgoing]
    else:
        station.outbox.append(outgoing)


def pump(station: "Station") -> None:
    """Use the free line: called once at the end of every event if anything waits for it."""
    if not station.link_up:
        return
    if station.registration is not _ACCEPTED:
        outgoing = _before_acceptance(station)
    elif station.outbox:
        outgoing = station.outbox.pop(0)
    else:
        outgoing = backlog.head(station)
    if outgoing is not None:
        _transmit(station, outgoing)


def _before_acceptance(station: "Station") -> Outgoing | None:
    outbox = station.outbox or []
    for index, outgoing in enumerate(outbox):
        boots = outgoing.action == Action.BOOT_NOTIFICATION  # BOOT-1
        if boots or (outgoing.triggered and station.registration is _PENDING):  # BOOT-7
            del outbox[index]
            return outgoing
    return None


def _transmit(station: "Station", outgoing: Outgoing) -> None:
    action, due, offline = outgoing.action, outgoing.due, outgoing.late
    if due < station.online_at:
        due = station.online_at  # it waited for the link: not the central system's queue (C6)
        offline = True
    station.message_id += 1
    message_id = str(station.message_id)  # RPC-2: 20 digits, a counter
    transaction, payload = outgoing.transaction, outgoing.payload
    if type(payload) is str:
        data = backlog.meter_values_frame(message_id, outgoing, payload)
    else:
        data = encode_call(message_id, action, cast("Request", payload))
    faults = station.plan.product.faults
    if faults and MESURAND in faults:
        data = data.replace(b'"measurand"', b'"mesurand"')
    sequence = 0 if transaction is None else transaction.sequence
    connector = outgoing.connector
    call = OpenCall(
        message_id, action, due, max(due, station.line_free_at), 0.0, len(data), connector, sequence, offline
    )
    station.open_call = call
    station.outgoing = outgoing
    outgoing.attempts += 1
    station.last_call_at = due  # HB-2; by the schedule, so that lateness does not add up
    acting = station.configuration.acting
    time_out_s = acting[_TIME_OUT] or acting[_TIME_OUTS.get(action, _BASIC_TIME_OUT)]
    station.alarms.set(_CALL, station.now + time_out_s * station.plan.patience)
    station.effects.append(Send(data, call))


def answered(station: "Station", frame: CallResult, data: bytes) -> None:
    """A CALLRESULT: it completes the open CALL or nothing (RPC-5)."""
    call = station.open_call
    if call is None or frame.id != call.id:
        station.find("RPC-5", "CALLRESULT with an id that is not open", data)
        return
    station.attempts = 0  # WS-3: the back-off starts afresh
    if bytes(frame.payload) == b"{}" and (empty := _EMPTY.get(call.action)) is not None:
        end(station, _OK, empty, "", len(data))
        return
    try:
        confirmation, ignored = decode_confirmation(_CONFIRMATIONS[call.action], frame.payload)
    except PeerError as error:
        station.find("RPC-9", f"{call.action}.conf: {error}", data)
        end(station, Outcome.INVALID, None, error=str(error.code), bytes_in=len(data))
        return
    if ignored:
        station.find("RPC-11", f"{call.action}.conf has {', '.join(ignored)}", data)
    end(station, _OK, confirmation, bytes_in=len(data))


def refused(station: "Station", frame: CallError, data: bytes) -> None:
    """A CALLERROR, whatever its code says."""
    call = station.open_call
    if call is None or frame.id != call.id:
        station.find("RPC-5", f"CALLERROR {frame.code} with an id that is not open", data)
        return
    end(station, Outcome.CALLERROR, None, error=frame.code, bytes_in=len(data))


def end(
    station: "Station",
    outcome: Outcome,
    confirmation: Confirmation | None,
    error: str = "",
    bytes_in: int = 0,
) -> None:
    """Close the open CALL, write the fact down and tell whoever sent it."""
    call, outgoing = station.open_call, station.outgoing
    if call is None or outgoing is None:
        raise StationBug(f"{outcome} without an open CALL")
    station.open_call = station.outgoing = None
    station.line_free_at = now = station.now
    station.alarms.drop(_CALL)
    station.effects.append(CallEnded(call, outcome, now, error, bytes_in))
    ENDS[outgoing.action](station, outgoing, outcome, confirmation)


def abandon_all(station: "Station", outcome: Outcome) -> None:
    """WS-8: the socket is gone. Transaction messages stay in their queue, everything else ends here."""
    if station.open_call is not None:
        end(station, outcome, None)
    outbox, station.outbox = station.outbox, None
    for outgoing in outbox or ():
        ENDS[outgoing.action](station, outgoing, outcome, None)


@rings(Alarm.CALL)
def _timed_out(station: "Station", _connector: int, _at: float) -> None:
    """RPC-4: no answer in time; a late one will be ignored (RPC-5)."""
    station.silent_calls += 1
    silence_s = station.now - station.heard_at
    if station.open_call is not None:
        station.find("RPC-4", f"{station.open_call.action} without an answer")
    end(station, Outcome.TIMEOUT, None)
    if station.silent_calls >= DEAD_AFTER_CALLS and silence_s > DEAD_AFTER_S:
        station.link_is_dead()
