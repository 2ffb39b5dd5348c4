"""What the ledger's writer appends: one Struct per table, its fields being the columns of `schema.sql`."""

from functools import cache
from typing import Final

from msgspec import Struct


class Row(Struct, gc=False):
    """One row on its way to the database."""


class Seen(Row):
    """A station connected, perhaps for the first time."""

    station: str
    first_seen_s: float


class Boot(Row):
    """An answered BootNotification."""

    station: str
    first_seen_s: float
    vendor: str
    model: str
    serial: str | None
    firmware: str | None
    registration: str
    booted_s: float
    boots: int = 1


class Connection(Row):
    """A WebSocket was opened, closed or refused."""

    at_s: float
    station: str
    event: str
    code: int | None = None
    detail: str = ""


class Start(Row):
    """A StartTransaction. `copy` other than 0 stores the same session twice (fault `doubled-start`)."""

    transaction_id: int
    station: str
    connector: int
    id_tag: str
    started: str
    started_s: float
    meter_start_wh: int
    reservation_id: int | None
    authorization: str
    received_s: float
    copy: int = 0


class Stop(Row):
    """A StopTransaction."""

    station: str
    transaction_id: int
    stopped: str
    stopped_s: float
    meter_stop_wh: int
    id_tag: str | None
    reason: str
    transaction_data: str | None
    received_s: float


class MeterValues(Row):
    """One MeterValue of a MeterValues; `sampled_values` is the JSON array of its SampledValues."""

    station: str
    connector: int
    transaction_id: int | None
    sampled: str
    sampled_s: float
    sampled_values: str
    received_s: float


class Status(Row):
    """A StatusNotification."""

    station: str
    connector: int
    status: str
    error_code: str
    info: str | None
    vendor_id: str | None
    vendor_error_code: str | None
    timestamp: str | None
    received_s: float


class Notification(Row):
    """A DiagnosticsStatusNotification, FirmwareStatusNotification or DataTransfer; payload as JSON."""

    station: str
    action: str
    payload: str
    received_s: float


class Misdeed(Row):
    """A defect committed on purpose (`csms.behaviour`)."""

    at_s: float
    fault: str
    station: str
    action: str = ""
    transaction_id: int | None = None
    detail: str = ""


class Frame(Row):
    """One OCPP-J message as it was on the wire; direction `in` is from the station."""

    at_s: float
    station: str
    direction: str
    frame: str


_NOTHING: Final = "ON CONFLICT DO NOTHING"
_REBOOTED: Final = (
    "ON CONFLICT (station) DO UPDATE SET vendor = excluded.vendor, model = excluded.model,"
    " serial = excluded.serial, firmware = excluded.firmware, registration = excluded.registration,"
    " booted_s = excluded.booted_s, boots = boots + 1"
)

# Row type -> (table, what to do when the row is there already). Written in this order within one commit.
TABLES: Final[dict[type[Row], tuple[str, str]]] = {
    Seen: ("stations", _NOTHING),
    Boot: ("stations", _REBOOTED),
    Connection: ("connections", ""),
    Start: ("starts", _NOTHING),
    MeterValues: ("meter_values", ""),
    Stop: ("stops", _NOTHING),
    Status: ("statuses", ""),
    Notification: ("notifications", ""),
    Misdeed: ("misdeeds", ""),
    Frame: ("frames", ""),
}


@cache
def insert_sql(row_type: type[Row], rows: int) -> str:
    """One INSERT for `rows` rows: one step of SQLite, so the writer asks for the GIL once per chunk."""
    table, conflict = TABLES[row_type]
    columns = row_type.__struct_fields__
    values = ", ".join(["(" + ", ".join("?" * len(columns)) + ")"] * rows)
    return f"INSERT INTO {table} ({', '.join(columns)}) VALUES {values} {conflict}"  # noqa: S608 — own names only
