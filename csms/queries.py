"""Reading the ledger for the API: short read-only connections beside the writer (WAL)."""

import sqlite3
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import Any, Final

from msgspec import Struct

from csms.rows import Start
from csms.tags import Tag
from stations.wire.types import AuthorizationStatus, RegistrationStatus

# What may be listed: name -> (table or view, column of the newest-first order, exact-match filters).
LISTS: Final[dict[str, tuple[str, str, tuple[str, ...]]]] = {
    "transactions": ("transactions", "transaction_id", ("station", "connector", "id_tag", "transaction_id")),
    "orphan-stops": ("orphan_stops", "id", ("station", "transaction_id")),
    "meter-values": ("meter_values", "id", ("station", "connector", "transaction_id")),
    "connectors": ("connectors", "id", ("station", "connector", "status")),
    "statuses": ("statuses", "id", ("station", "connector", "status")),
    "connections": ("connections", "id", ("station", "event")),
    "notifications": ("notifications", "id", ("station", "action")),
    "misdeeds": ("misdeeds", "id", ("station", "fault")),
    "frames": ("frames", "id", ("station", "direction")),
    "tags": ("tags", "id_tag", ("id_tag", "status")),
}


class Page(Struct):
    """Which rows of a list: exact values of columns, at most `limit` rows after the first `offset`."""

    filters: dict[str, str]
    limit: int = 100
    offset: int = 0
    open_only: bool = False  # transactions without a stop


class Recovered(Struct):
    """What an earlier life of the central system left in the database."""

    registered: dict[str, RegistrationStatus | None]
    tags: list[Tag]
    open_transactions: list[Start]


def _read(path: Path) -> sqlite3.Connection:
    db = sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True, timeout=5.0)
    db.row_factory = sqlite3.Row
    return db


def list_rows(path: Path, name: str, page: Page) -> list[dict[str, Any]]:
    """Rows of one of LISTS, newest first; ValueError for a filter that the list does not have."""
    table, order, filters = LISTS[name]
    unknown = set(page.filters) - set(filters)
    if unknown:
        raise ValueError(
            f"{name} cannot be filtered by {', '.join(sorted(unknown))}; use {', '.join(filters)}"
        )
    conditions = [f"{column} = ?" for column in page.filters]
    if page.open_only:
        conditions.append("stopped IS NULL")
    where = f"WHERE {' AND '.join(conditions)}" if conditions else ""
    sql = f"SELECT * FROM {table} {where} ORDER BY {order} DESC LIMIT ? OFFSET ?"  # noqa: S608 — own names only
    with closing(_read(path)) as db:
        return [dict(row) for row in db.execute(sql, (*page.filters.values(), page.limit, page.offset))]


def describe_stations(path: Path, stations: Sequence[str]) -> dict[str, dict[str, Any]]:
    """The `stations` rows of these identities."""
    wanted = ", ".join("?" * len(stations))
    with closing(_read(path)) as db:
        found = db.execute(f"SELECT * FROM stations WHERE station IN ({wanted})", stations)  # noqa: S608 — marks only
        return {row["station"]: dict(row) for row in found}


def count_rows(path: Path) -> dict[str, int]:
    """How many rows each table has."""
    tables = ("stations", "starts", "stops", "meter_values", "statuses", "connections", "misdeeds", "frames")
    with closing(_read(path)) as db:
        return {
            table: int(db.execute(f"SELECT count(*) FROM {table}").fetchone()[0])  # noqa: S608 — own names only
            for table in tables
        }


def recover(path: Path) -> Recovered:
    """Registrations, tags and open transactions, as the start of a new process needs them."""
    with closing(_read(path)) as db:
        registered = {
            row["station"]: RegistrationStatus(row["registration"]) if row["registration"] else None
            for row in db.execute("SELECT station, registration FROM stations")
        }
        tags = [
            Tag(row["id_tag"], AuthorizationStatus(row["status"]), row["parent_id_tag"], row["expiry_date"])
            for row in db.execute("SELECT * FROM tags")
        ]
        open_transactions = [
            Start(**{name: row[name] for name in Start.__struct_fields__})
            for row in db.execute(
                "SELECT * FROM starts WHERE NOT EXISTS (SELECT 1 FROM stops WHERE"
                " stops.station = starts.station AND stops.transaction_id = starts.transaction_id)"
                " ORDER BY transaction_id"
            )
        ]
    return Recovered(registered, tags, open_transactions)
