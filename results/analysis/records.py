"""A central system's own records of its sessions, as one frame: from SQLite, any SQL database, or a CSV file.

Reads only: SQLite is opened read-only, other databases in a read-only transaction that is rolled back, and a
mapping's query must be a SELECT.
"""

import re
import sqlite3
import tomllib
from contextlib import closing
from pathlib import Path
from typing import Any, Final

import msgspec
import pandas as pd
from msgspec import Struct

from results.secrets import safe_url
from stations.errors import PlanError

COLUMNS: Final = (
    *("station", "connector", "transaction_id", "id_tag", "started", "meter_start"),
    *("stopped", "meter_stop", "stops", "meter_values"),
)
_NEEDED: Final = frozenset({"station", "transaction_id", "started", "meter_start", "stopped", "meter_stop"})
_MAPPINGS: Final = Path(__file__).parent / "mappings"
_WH: Final = {"Wh": 1, "kWh": 1_000}
_SELECT: Final = re.compile(r"\s*(?:--[^\n]*\n\s*)*(?:select|with)\b", re.IGNORECASE)


class Mapping(Struct, forbid_unknown_fields=True):
    """How a central system keeps its sessions: a `query` with our column names, or `columns` of a CSV."""

    product: str
    version: str
    energy: str = "Wh"  # or kWh
    time: str = "utc"  # ISO or database times, naive ones in UTC; or unix_s, or a zone such as Europe/Paris
    meter_values: str = "counted"  # or "any": only their absence is told; or "none": not kept
    query: str = ""
    tables: dict[str, list[str]] = {}
    columns: dict[str, str] = {}  # ours → theirs
    station: str = ""  # regular expression with one group, for identities that carry a path or a prefix
    otherwise: str = ""  # the mapping of a version whose tables are others


class _MissingError(PlanError):
    """A table or column of the mapping is not in the database."""


def ready_mappings() -> list[str]:
    """Names of the mappings that come with the project."""
    return sorted(path.stem for path in _MAPPINGS.glob("*.toml"))


def load_mapping(name: str) -> Mapping:
    """A mapping by ready name or file; PlanError names the file and what is wrong."""
    ready = _MAPPINGS / f"{name}.toml"
    path = ready if ready.exists() else Path(name)
    try:
        mapping = msgspec.convert(tomllib.loads(path.read_text("utf-8")), Mapping)
    except OSError as error:
        known = ", ".join(ready_mappings())
        raise PlanError(f"{name}: no such mapping; name a file or one of {known}") from error
    except UnicodeDecodeError as error:
        raise PlanError(f"{path}: is not UTF-8 text (byte {error.start}); save it as UTF-8") from error
    except (tomllib.TOMLDecodeError, msgspec.ValidationError) as error:
        raise PlanError(f"{path}: {error}") from error
    if mapping.energy not in _WH:
        raise PlanError(f"{path}: energy is {mapping.energy!r}; write Wh or kWh")
    if bool(mapping.query) == bool(mapping.columns):
        raise PlanError(f"{path}: write a query for a database or [columns] for a CSV file, one of both")
    if mapping.query and not _SELECT.match(mapping.query):
        raise PlanError(f"{path}: the query must be a SELECT: nothing is ever written")
    return mapping


def read_records(source: str, mapping: Mapping | None = None) -> pd.DataFrame:
    """The records of a source: an SQLite file, a database URL, or a CSV file.

    Without a mapping, a CSV has our column names and anything else is the embedded central system's database.
    """
    if source.lower().endswith(".csv"):
        return _typed(_csv(source, mapping), mapping or Mapping("CSV", "", columns={}), source)
    chosen = mapping or load_mapping("greenup")
    path = source.removeprefix("sqlite:///")
    try:
        found = _sql(source, chosen) if "://" in path else _sqlite(Path(path), chosen)
    except _MissingError as error:
        if not chosen.otherwise:
            raise
        try:
            return read_records(source, load_mapping(chosen.otherwise))
        except _MissingError:
            raise error from None
    return _typed(found, chosen, safe_url(source))


def _csv(source: str, mapping: Mapping | None) -> pd.DataFrame:
    try:
        found = pd.read_csv(source, dtype=str, keep_default_na=False, na_values=[""])
    except (OSError, ValueError) as error:
        raise PlanError(f"{source}: cannot be read as CSV ({error})") from error
    if mapping is None:
        return found
    theirs = {their: ours for ours, their in mapping.columns.items()}
    missing = sorted(theirs.keys() - set(found.columns))
    if missing:
        raise PlanError(f"{source}: no column {missing[0]!r}; it has {', '.join(found.columns)}")
    return found.rename(columns=theirs)


def _sqlite(path: Path, mapping: Mapping) -> pd.DataFrame:
    if not path.exists():
        raise PlanError(f"{path}: no such database or CSV file")
    try:
        with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as connection:
            for table, columns in mapping.tables.items():
                info = connection.execute("SELECT name FROM pragma_table_info(?)", (table,)).fetchall()
                _check_table(str(path), mapping, table, columns, {row[0] for row in info})
            return pd.read_sql_query(mapping.query, connection)
    except (sqlite3.Error, pd.errors.DatabaseError) as error:
        raise PlanError(f"{path}: {error}; is this a {mapping.product} database?") from error


def _sql(url: str, mapping: Mapping) -> pd.DataFrame:
    try:
        import sqlalchemy  # noqa: PLC0415 — an extra of the install, wanted by few
    except ImportError as error:
        raise PlanError("databases other than SQLite need SQLAlchemy: pip install -e '.[sql]'") from error
    shown = safe_url(url)
    try:
        engine = sqlalchemy.create_engine(url)
        with engine.connect() as connection:
            if engine.dialect.name == "postgresql":
                connection.execute(sqlalchemy.text("SET TRANSACTION READ ONLY"))
            elif engine.dialect.name in {"mysql", "mariadb"}:
                connection.execute(sqlalchemy.text("START TRANSACTION READ ONLY"))
            inspector = sqlalchemy.inspect(connection)
            for table, columns in mapping.tables.items():
                there = inspector.get_columns(table) if inspector.has_table(table) else []
                _check_table(shown, mapping, table, columns, {column["name"] for column in there})
            found = pd.read_sql_query(sqlalchemy.text(mapping.query), connection)
            connection.rollback()
            return found
    except (sqlalchemy.exc.SQLAlchemyError, ModuleNotFoundError) as error:
        raise PlanError(f"{shown}: {safe_url(str(error).splitlines()[0])}") from error


def _check_table(source: str, mapping: Mapping, table: str, columns: list[str], there: set[str]) -> None:
    told = f"the mapping is for {mapping.product} {mapping.version}; copy and adapt it"
    if not there:
        raise _MissingError(f"{source}: no table {table!r}; {told}")
    missing = [column for column in columns if column not in there]
    if missing:
        raise _MissingError(f"{source}: table {table!r} has no column {missing[0]!r}; {told}")


def _typed(found: pd.DataFrame, mapping: Mapping, source: str) -> pd.DataFrame:
    missing = sorted(_NEEDED - set(found.columns))
    if missing:
        raise PlanError(f"{source}: no column {missing[0]!r} for the reconciliation; map it")
    records = pd.DataFrame(index=found.index)
    records["station"] = _stations(found["station"], mapping, source)
    records["id_tag"] = found["id_tag"].astype("string") if "id_tag" in found else pd.NA
    for name in ("connector", "transaction_id", "stops", "meter_values"):
        records[name] = _numbers(found.get(name), found.index, source, name).astype("Int64")
    for name in ("meter_start", "meter_stop"):
        energy = _numbers(found[name], found.index, source, name) * _WH[mapping.energy]
        records[f"{name}_wh"] = energy.round().astype("Int64")
    for name in ("started", "stopped"):
        records[name] = _moments(found[name], mapping.time, source, name)
    if mapping.meter_values == "none":
        records["meter_values"] = pd.Series(pd.NA, index=records.index, dtype="Int64")
    elif mapping.meter_values == "any":
        records["meter_values"] = records["meter_values"].where(records["meter_values"] == 0)
    return records


def _stations(column: "pd.Series[Any]", mapping: Mapping, source: str) -> "pd.Series[Any]":
    names = column.astype("string")
    if not mapping.station:
        return names
    picked = names.str.extract(mapping.station, expand=False)
    if picked.isna().any() or not isinstance(picked, pd.Series):
        raise PlanError(
            f"{source}: station {names[picked.isna()].iloc[0]!r} does not match {mapping.station!r}"
        )
    return picked


def _numbers(
    column: "pd.Series[Any] | None", index: "pd.Index[Any]", source: str, name: str
) -> "pd.Series[Any]":
    if column is None:
        return pd.Series(pd.NA, index=index, dtype="Float64")
    try:
        return pd.to_numeric(column).astype("Float64")
    except (ValueError, TypeError) as error:
        raise PlanError(f"{source}: {name}: {error}") from error


def _moments(column: "pd.Series[Any]", zone: str, source: str, name: str) -> "pd.Series[Any]":
    try:
        if zone == "unix_s":
            micros = (pd.to_numeric(column).astype("Float64") * 1e6).round().astype("Int64")
            return pd.to_datetime(micros, unit="us", utc=True).astype("datetime64[us, UTC]")
        if zone == "utc":
            return pd.to_datetime(column, utc=True, format="ISO8601").astype("datetime64[us, UTC]")
        local = pd.to_datetime(column, format="ISO8601").dt.tz_localize(zone)
        return local.dt.tz_convert("UTC").astype("datetime64[us, UTC]")
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise PlanError(f"{source}: {name} is not {zone} time: {error}") from error
