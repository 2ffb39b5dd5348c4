"""One transaction as its station knows it (C8): plain values, kept over restarts until settled."""

from typing import Final, final

UNKNOWN_ID: Final = -1  # TX-8: the transactionId never arrived


@final
class Transaction:
    """From its start to the acknowledgement of its stop; energies in Wh of the life register.

    `memory.Kept` is the stored form of the same fields.
    """

    __slots__ = (
        "aligned_wh",
        "authorization",
        "connector",
        "data",
        "id_tag",
        "interval_wh",
        "last_s",
        "last_wh",
        "meter_start_wh",
        "meter_stop_wh",
        "offline",
        "parent_id_tag",
        "reason",
        "refused",
        "reservation_id",
        "sequence",
        "started_at",
        "started_s",
        "stopped_s",
        "transaction_id",
        "withheld",
    )

    def __init__(  # noqa: PLR0917 — by position, as the constructor of a Struct
        self,
        sequence: int,
        connector: int,
        id_tag: str,
        meter_start_wh: int,
        started_s: float,
        started_at: float,
        offline: bool = False,
        parent_id_tag: str | None = None,
        reservation_id: int | None = None,
        transaction_id: int | None = None,
        authorization: str = "",
        refused: bool = False,
        withheld: bool = False,
        interval_wh: float = 0.0,
        aligned_wh: float = 0.0,
        last_s: float = 0.0,
        last_wh: int = 0,
        data: list[str] | None = None,
        meter_stop_wh: int | None = None,
        stopped_s: float | None = None,
        reason: str = "",
    ) -> None:
        self.sequence = sequence
        self.connector = connector
        self.id_tag = id_tag
        self.meter_start_wh = meter_start_wh
        self.started_s = started_s  # Unix time as sent
        self.started_at = started_at  # the edge's clock
        self.offline = offline
        self.parent_id_tag = parent_id_tag
        self.reservation_id = reservation_id
        self.transaction_id = transaction_id  # None until StartTransaction.conf
        self.authorization = authorization  # idTagInfo.status of StartTransaction.conf
        self.refused = refused  # TX-3: the central system did not accept it
        self.withheld = withheld  # TX-3: no energy any more
        self.interval_wh = interval_wh  # register at the last sample: what `.Interval` counts from (MV-5)
        self.aligned_wh = aligned_wh  # the same for clock-aligned values
        self.last_s = last_s  # time and register of the last stored sample (TX-10)
        self.last_wh = last_wh
        self.data = data  # transactionData so far, each a MeterValue as JSON (MV-7)
        self.meter_stop_wh = meter_stop_wh
        self.stopped_s = stopped_s
        self.reason = reason
