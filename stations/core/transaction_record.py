"""One transaction as its station knows it (C8): plain values, kept over restarts until settled."""

from msgspec import Struct

UNKNOWN_ID = -1  # TX-8: the transactionId never arrived


class Transaction(Struct):
    """From its start to the acknowledgement of its stop; energies in Wh of the life register."""

    sequence: int
    connector: int
    id_tag: str
    meter_start_wh: int
    started_s: float  # Unix time as sent
    started_at: float  # the edge's clock
    offline: bool = False
    parent_id_tag: str | None = None
    reservation_id: int | None = None
    transaction_id: int | None = None  # None until StartTransaction.conf
    authorization: str = ""  # idTagInfo.status of StartTransaction.conf
    refused: bool = False  # TX-3: the central system did not accept it
    withheld: bool = False  # TX-3: no energy any more
    interval_wh: float = 0.0  # register at the last sample: what `.Interval` counts from (MV-5)
    aligned_wh: float = 0.0  # the same for clock-aligned values
    last_s: float = 0.0  # time and register of the last stored sample (TX-10)
    last_wh: int = 0
    data: list[str] | None = None  # transactionData so far, each a MeterValue as JSON (MV-7)
    meter_stop_wh: int | None = None
    stopped_s: float | None = None
    reason: str = ""
