"""A message of ours: what the outbox and the transaction queue hold."""

from typing import final

from stations.core.transaction_record import Transaction
from stations.wire.messages import Request


@final
class Outgoing:
    """One message of ours before, while and (transaction queue) after it is sent.

    `payload` is a Struct, or the JSON of one `meterValue` entry for MeterValues.
    """

    __slots__ = (
        "about",
        "action",
        "attempts",
        "connector",
        "due",
        "late",
        "payload",
        "transaction",
        "triggered",
    )

    def __init__(  # noqa: PLR0917 — by position, as the constructor of a Struct
        self,
        action: str,
        payload: Request | str,
        due: float,
        connector: int = 0,
        transaction: Transaction | None = None,
        about: object = None,
        triggered: bool = False,
        attempts: int = 0,
        late: bool = False,
    ) -> None:
        self.action = action
        self.payload = payload
        self.due = due
        self.connector = connector
        self.transaction = transaction
        self.about = about  # what the sender wants back at the end
        self.triggered = triggered  # allowed while Pending (BOOT-7)
        self.attempts = attempts  # transmissions so far
        self.late = late  # waited for the link, then for its turn in the paced flush
