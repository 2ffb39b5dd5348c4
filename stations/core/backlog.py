"""The transaction queue (§3.7): StartTransaction, MeterValues and StopTransaction in order of their events.

Each was written when its event happened, so that what ran offline is delivered with its own times (TX-9).

The head stays in the queue until it is delivered or given up, so that nothing is lost with a socket (WS-8)
or a restart (BOOT-11). While it waits for its next attempt nothing behind it is sent (Q-4).
"""

from typing import TYPE_CHECKING, Final

from stations.core.alarms import Alarm, keys_of
from stations.core.dispatch import changes, rings
from stations.core.events import Outcome, TransactionChanged
from stations.core.keys import TRANSACTION_MESSAGE_ATTEMPTS, TRANSACTION_MESSAGE_RETRY_INTERVAL
from stations.core.transaction_record import UNKNOWN_ID, Transaction
from stations.wire.messages import StopTransaction
from stations.wire.types import Action

if TYPE_CHECKING:
    from stations.core.outgoing import Outgoing
    from stations.core.station import Station

PACE_S: Final[tuple[float, ...]] = (0.25, 0.75)
"""Pause before the next message that waited for the link: many queues are no attack (WS-3)."""

CAPACITY: Final = 1000  # beyond it intermediate MeterValues go first

_WAITS: Final = keys_of(Alarm.RETRY, Alarm.PACE)
_METER_VALUES: Final = Action.METER_VALUES.value
_OK: Final = Outcome.OK  # by name an enum's members are slow to reach
_INTERRUPTED: Final = frozenset({Outcome.CLOSED, Outcome.CANCELLED})  # WS-8, Q-5


def add(station: "Station", outgoing: "Outgoing") -> None:
    """Queue a transaction message behind all older ones (Q-1, Q-2)."""
    queue = station.queue
    if queue is None:
        station.queue = [outgoing]
    else:
        queue.append(outgoing)
        if len(queue) > CAPACITY:
            _make_room(queue)
    station.changed = True


def _make_room(queue: "list[Outgoing]") -> None:
    """Q-6: drop the oldest MeterValues behind the head; never a start or a stop."""
    for index in range(1, len(queue)):
        if queue[index].action == _METER_VALUES:
            del queue[index]
            return


def head(station: "Station") -> "Outgoing | None":
    """The next message to send, None while the head waits for its next attempt (Q-4)."""
    queue = station.queue
    if not queue or station.alarms.any_of(_WAITS):
        return None
    outgoing = queue[0]
    if outgoing.due < station.paced_at:
        outgoing.due, outgoing.late = station.paced_at, True  # our own pause, not their queue (C6)
    if type(outgoing.payload) is StopTransaction and outgoing.transaction is not None:
        outgoing.payload.transaction_id = _id_of(outgoing.transaction)
    return outgoing


def _id_of(transaction: Transaction) -> int:
    """TX-8: whatever is behind StartTransaction in the queue knows its answer, or that there will be none."""
    return UNKNOWN_ID if transaction.transaction_id is None else transaction.transaction_id


def meter_values_frame(message_id: str, outgoing: "Outgoing", meter_value: str) -> bytes:
    """The whole CALL around one prepared MeterValue; the transactionId may be younger than it (MV-3)."""
    transaction = outgoing.transaction
    running = "" if transaction is None else f'"transactionId":{_id_of(transaction)},'
    return (
        f'[2,"{message_id}","MeterValues",{{"connectorId":{outgoing.connector},'
        f'{running}"meterValue":[{meter_value}]}}]'
    ).encode()


def processed(station: "Station", outgoing: "Outgoing", outcome: Outcome) -> bool:
    """A transmission of the head is over. True if it is delivered; else it waits, or is given up (Q-3)."""
    delivered = outcome is _OK or _delivered(outgoing, outcome)
    if not delivered and not _gives_up(station, outgoing, outcome):
        return False
    queue = station.queue
    if queue and queue[0] is outgoing:
        del queue[0]
    if not queue:
        station.queue = None
    elif queue[0].due < station.online_at and station.serving:
        station.alarms.set(Alarm.PACE, station.now + station.luck.uniform(*PACE_S))
    station.changed = True
    if not delivered:
        _give_up(station, outgoing)
    return delivered


def _delivered(outgoing: "Outgoing", outcome: Outcome) -> bool:
    """An answer that makes no sense has been given all the same; only a start needs what is in it."""
    return outcome is Outcome.INVALID and outgoing.action != Action.START_TRANSACTION


def _gives_up(station: "Station", outgoing: "Outgoing", outcome: Outcome) -> bool:
    """Whether this was the last attempt; if not, the next one is arranged."""
    if outcome in _INTERRUPTED:
        outgoing.attempts -= 1  # a lost socket is no failure to process
        return False
    attempts = max(1, station.configuration[TRANSACTION_MESSAGE_ATTEMPTS])
    if outgoing.attempts >= attempts:
        return True
    _pause(station, outgoing)
    return False


def _pause(station: "Station", outgoing: "Outgoing") -> None:
    """Q-3: the interval times the transmissions so far."""
    pause_s = station.configuration[TRANSACTION_MESSAGE_RETRY_INTERVAL] * outgoing.attempts
    station.alarms.set(Alarm.RETRY, station.now + pause_s)


@changes(TRANSACTION_MESSAGE_RETRY_INTERVAL)
def _interval_changed(station: "Station") -> None:
    """CC-3: a head that is waiting waits anew."""
    if station.queue and station.alarms.at(Alarm.RETRY) is not None:
        _pause(station, station.queue[0])


def _give_up(station: "Station", outgoing: "Outgoing") -> None:
    transaction = outgoing.transaction
    if transaction is None or outgoing.action == _METER_VALUES:
        return
    if transaction.transaction_id is None:
        transaction.transaction_id = UNKNOWN_ID
    journal(station, transaction, "abandoned")


@rings(Alarm.RETRY)
def _retry(station: "Station", _connector: int, at: float) -> None:
    """Q-3: the head may be sent again. What waited behind it had no free line until now (C6)."""
    station.line_free_at = max(station.line_free_at, at)
    if station.queue:
        station.queue[0].due = at


@rings(Alarm.PACE)
def _next_turn(station: "Station", _connector: int, at: float) -> None:
    """The flush goes on: what waits has waited for us since the link came up (C6)."""
    station.paced_at = at
    station.line_free_at = max(station.line_free_at, at)


def journal(station: "Station", transaction: Transaction, state: str) -> None:
    """The ledger's next row for this transaction (C8)."""
    station.changed = True
    station.effects.append(
        TransactionChanged(
            transaction.sequence,
            state,
            transaction.connector,
            transaction.id_tag,
            transaction.transaction_id,
            transaction.meter_start_wh,
            transaction.started_s,
            transaction.meter_stop_wh,
            transaction.stopped_s,
            transaction.reason,
            transaction.offline,
            transaction.authorization,
        )
    )
