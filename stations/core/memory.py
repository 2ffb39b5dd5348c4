"""The non-volatile memory: what a station still knows after a power cut, as bytes (BOOT-11, SC-4, TX-10).

Configuration, availability, meter registers, running transactions, the queue of transaction messages, local
list and cache, charging profiles, reservations, a firmware update, the security profile to return to, and the
counters that make names unique.
"""

from typing import TYPE_CHECKING, Any, Final

import msgspec
from msgspec import Raw, Struct
from msgspec.structs import asdict

from stations.core.firmware import FirmwareUpdate
from stations.core.outgoing import Outgoing
from stations.core.reservation import Reservations
from stations.core.smartcharging import ChargingProfiles
from stations.core.tokens import Tokens
from stations.core.transaction_record import Transaction
from stations.errors import PlanError
from stations.wire.messages import OPERATIONS, Request

if TYPE_CHECKING:
    from stations.core.connector import Connector
    from stations.core.station import Station

VERSION: Final = 2
_SENT_SINCE: Final = 1_000_000  # calls need no snapshot; no id of theirs may come again (RPC-2)


class Message(Struct, omit_defaults=True):
    """One entry of the queue; `transaction` is its place in `Memory.transactions`."""

    action: str
    connector: int
    payload: Raw  # a payload, or a JSON string with a MeterValue
    transaction: int | None = None


class Side(Struct, omit_defaults=True):
    """One connector, or the station as a whole."""

    register_wh: float = 0.0
    operative: bool = True
    scheduled: bool = False
    transaction: int | None = None  # running: its place in `Memory.transactions`
    owner: tuple[str, str | None] | None = None


class Kept(Struct):
    """A `Transaction`, field by field."""

    sequence: int
    connector: int
    id_tag: str
    meter_start_wh: int
    started_s: float
    started_at: float
    offline: bool = False
    parent_id_tag: str | None = None
    reservation_id: int | None = None
    transaction_id: int | None = None
    authorization: str = ""
    refused: bool = False
    withheld: bool = False
    interval_wh: float = 0.0
    aligned_wh: float = 0.0
    last_s: float = 0.0
    last_wh: int = 0
    data: list[str] | None = None
    meter_stop_wh: int | None = None
    stopped_s: float | None = None
    reason: str = ""


class Memory(Struct, omit_defaults=True):
    """Everything."""

    version: int
    active: bool
    accepted_url: str
    firmware: str
    sequence: int
    last_start_s: float
    message_id: str  # beyond 64 bits
    keys: dict[str, str]
    sides: list[Side]
    transactions: list[Kept]
    queue: list[Message]
    tokens: Any = None
    profiles: Any = None
    reservations: Any = None
    update: Any = None
    fallback: int | None = None


def snapshot(station: "Station", now: float) -> bytes:
    """What must survive, as of `now`."""
    transactions: list[Transaction] = []
    sides = [_side(connector, transactions, now) for connector in station.connectors]
    queue = [_message(outgoing, transactions) for outgoing in station.queue or ()]
    memory = Memory(
        version=VERSION,
        active=station.active,
        accepted_url=station.accepted_url,
        firmware=station.firmware,
        sequence=station.sequence,
        last_start_s=station.last_start_s,
        message_id=str(station.message_id),
        keys=station.configuration.overrides(),
        sides=sides,
        transactions=[_kept(transaction) for transaction in transactions],
        queue=queue,
        tokens=None if station.tokens is None else station.tokens.snapshot(),
        profiles=None if station.profiles is None else station.profiles.snapshot(),
        reservations=None if station.reservations is None else station.reservations.snapshot(),
        update=None if station.update is None else station.update.snapshot(),
        fallback=station.fallback,
    )
    return msgspec.json.encode(memory)


def _side(connector: "Connector", transactions: list[Transaction], now: float) -> Side:
    return Side(
        connector.energy_wh(now),
        connector.operative,
        connector.scheduled,
        _place(connector.transaction, transactions),
        connector.owner,
    )


def _place(transaction: Transaction | None, transactions: list[Transaction]) -> int | None:
    """A transaction is written once, however many messages speak of it."""
    if transaction is None:
        return None
    for place, known in enumerate(transactions):
        if known is transaction:
            return place
    transactions.append(transaction)
    return len(transactions) - 1


def _kept(transaction: Transaction) -> Kept:
    return Kept(*(getattr(transaction, name) for name in Kept.__struct_fields__))


def _message(outgoing: Outgoing, transactions: list[Transaction]) -> Message:
    return Message(
        outgoing.action,
        outgoing.connector,
        Raw(msgspec.json.encode(outgoing.payload)),
        _place(outgoing.transaction, transactions),
    )


def restore(station: "Station", data: bytes) -> None:
    """Take back what `snapshot` gave, before the station is powered on; PlanError if it is something else."""
    try:
        memory = msgspec.json.decode(data, type=Memory)
    except msgspec.MsgspecError as error:
        raise PlanError(f"{station.plan.identity}: not a station's memory: {error}") from None
    if memory.version != VERSION or len(memory.sides) != len(station.connectors):
        raise PlanError(f"{station.plan.identity}: the memory of another version or product")
    station.active = memory.active
    station.accepted_url = memory.accepted_url
    station.firmware = memory.firmware
    station.sequence = memory.sequence
    station.last_start_s = memory.last_start_s
    station.message_id = int(memory.message_id) + _SENT_SINCE
    station.fallback = memory.fallback
    station.configuration.restore(memory.keys)
    transactions = [Transaction(**asdict(kept)) for kept in memory.transactions]
    for connector, side in zip(station.connectors, memory.sides, strict=True):
        _restore_side(connector, side, transactions)
    station.connectors[0].aligned_wh = sum(
        side.register_wh for side in memory.sides
    )  # MV-5: the main meter's
    station.queue = [_restored(message, transactions) for message in memory.queue] or None
    _restore_parts(station, memory)


def _restore_side(connector: "Connector", side: Side, transactions: list[Transaction]) -> None:
    connector.register_wh = connector.aligned_wh = side.register_wh
    connector.operative, connector.scheduled = side.operative, side.scheduled
    connector.transaction = None if side.transaction is None else transactions[side.transaction]
    connector.owner = side.owner


def _restored(message: Message, transactions: list[Transaction]) -> Outgoing:
    transaction = None if message.transaction is None else transactions[message.transaction]
    payload: Request | str
    if bytes(message.payload)[:1] == b'"':
        payload = msgspec.json.decode(message.payload, type=str)
    else:
        payload = msgspec.json.decode(message.payload, type=OPERATIONS[message.action].request)
    return Outgoing(message.action, payload, 0.0, message.connector, transaction)


def _restore_parts(station: "Station", memory: Memory) -> None:
    if memory.tokens is not None:
        station.tokens = Tokens()
        station.tokens.restore(memory.tokens)
    if memory.profiles is not None:
        station.profiles = ChargingProfiles()
        station.profiles.restore(memory.profiles)
    if memory.reservations is not None:
        station.reservations = Reservations()
        station.reservations.restore(memory.reservations)
    if memory.update is not None:
        station.update = FirmwareUpdate.restored(memory.update, station.luck)
