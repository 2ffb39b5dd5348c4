"""A message of ours: what the outbox and the transaction queue hold."""

from msgspec import Struct

from stations.core.transaction_record import Transaction
from stations.wire.messages import Request


class Outgoing(Struct):
    """One message of ours before, while and (transaction queue) after it is sent.

    `payload` is a Struct, or the JSON of one `meterValue` entry for MeterValues.
    """

    action: str
    payload: Request | str
    due: float
    connector: int = 0
    transaction: Transaction | None = None
    about: object = None  # what the sender wants back at the end
    triggered: bool = False  # allowed while Pending (BOOT-7)
    attempts: int = 0  # transmissions so far
    late: bool = False  # waited for the link, then for its turn in the paced flush
