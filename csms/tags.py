"""Who may charge: the tag table, open or restricted, and ConcurrentTx (§4.1, §4.8, §7.2)."""

import csv
from collections.abc import Iterable
from pathlib import Path
from typing import Final

from msgspec import Struct

from stations.errors import PlanError
from stations.wire.messages import IdTagInfo
from stations.wire.types import AuthorizationStatus, parse_datetime

COLUMNS: Final = ("id_tag", "status", "parent_id_tag", "expiry_date")
MAX_ID_TAG_CHARS: Final = 20  # IdToken, §7.28


class Tag(Struct, frozen=True, forbid_unknown_fields=True):
    """One known tag. `status` is what Authorize answers while `expiry_date` (ISO 8601) has not passed."""

    id_tag: str
    status: AuthorizationStatus = AuthorizationStatus.ACCEPTED
    parent_id_tag: str | None = None
    expiry_date: str | None = None

    def __post_init__(self) -> None:
        for name in ("id_tag", "parent_id_tag"):
            text = getattr(self, name)
            if text is not None and not 1 <= len(text) <= MAX_ID_TAG_CHARS:
                raise ValueError(f"{name} {text!r} must have 1 to {MAX_ID_TAG_CHARS} characters")
        if self.expiry_date is not None:
            parse_datetime(self.expiry_date)


class Place(Struct, frozen=True):
    """Where a tag is charging."""

    station: str
    connector: int


class TagBook:
    """The tags in memory, as every swipe needs them. They compare case-insensitively (RPC-10)."""

    def __init__(
        self, tags: Iterable[Tag] = (), *, restricted: bool = False, one_transaction_per_tag: bool = False
    ) -> None:
        self.restricted = restricted
        self.one_transaction_per_tag = one_transaction_per_tag
        self._tags = {tag.id_tag.casefold(): tag for tag in tags}
        self._open: dict[str, dict[int, Place]] = {}  # folded tag -> transactionId -> place
        self._tag_of: dict[int, str] = {}  # open transactionId -> folded tag

    def put(self, tag: Tag) -> None:
        """Add a tag or replace it."""
        self._tags[tag.id_tag.casefold()] = tag

    def forget(self, id_tag: str) -> bool:
        """Remove a tag; False when it was not known."""
        return self._tags.pop(id_tag.casefold(), None) is not None

    def __len__(self) -> int:
        return len(self._tags)

    def authorize(self, id_tag: str, now_s: float) -> IdTagInfo:
        """The answer to Authorize, and idTagInfo of StopTransaction.conf. `now_s` is Unix time."""
        tag = self._tags.get(id_tag.casefold())
        if tag is None:
            return IdTagInfo(AuthorizationStatus.INVALID if self.restricted else AuthorizationStatus.ACCEPTED)
        status = tag.status
        if (
            status is AuthorizationStatus.ACCEPTED
            and tag.expiry_date is not None
            and parse_datetime(tag.expiry_date) <= now_s
        ):
            status = AuthorizationStatus.EXPIRED
        return IdTagInfo(status, tag.expiry_date, tag.parent_id_tag)

    def authorize_start(self, id_tag: str, place: Place, now_s: float) -> IdTagInfo:
        """The same for StartTransaction, where a tag that is charging elsewhere is ConcurrentTx (§7.2).

        An open transaction at the same place is the same session sent again, or one whose stop was lost:
        neither is concurrent.
        """
        info = self.authorize(id_tag, now_s)
        if self.one_transaction_per_tag and info.status is AuthorizationStatus.ACCEPTED:
            elsewhere = self._open.get(id_tag.casefold(), {}).values()
            if any(other != place for other in elsewhere):
                info.status = AuthorizationStatus.CONCURRENT_TX
        return info

    def started(self, id_tag: str, transaction_id: int, place: Place) -> None:
        """A transaction of this tag is open from now on."""
        folded = id_tag.casefold()
        self._open.setdefault(folded, {})[transaction_id] = place
        self._tag_of[transaction_id] = folded

    def stopped(self, station: str, transaction_id: int) -> None:
        """The transaction is over, if it is one of this station."""
        folded = self._tag_of.get(transaction_id)
        if folded is not None and self._open[folded][transaction_id].station == station:
            del self._tag_of[transaction_id], self._open[folded][transaction_id]
            if not self._open[folded]:
                del self._open[folded]


def read_tags(path: Path) -> list[Tag]:
    """Tags of a CSV file with the columns `COLUMNS` (the first is enough); PlanError names file and line."""
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            rows = csv.DictReader(file, strict=True)
            _check_columns(path, rows.fieldnames or ())
            return [_tag(path, rows.line_num, row) for row in rows]
    except OSError as exc:
        raise PlanError(f"cannot read tags file {path}: {exc.strerror}") from exc
    except (csv.Error, UnicodeDecodeError) as exc:
        raise PlanError(f"{path}: not a CSV file in UTF-8: {exc}") from exc


def _check_columns(path: Path, names: Iterable[str]) -> None:
    found = list(names)
    unknown = [name for name in found if name not in COLUMNS]
    if unknown or "id_tag" not in found:
        raise PlanError(f"{path}:1: columns must be id_tag and any of {', '.join(COLUMNS[1:])}, not {found}")


def _tag(path: Path, line: int, row: dict[str, str]) -> Tag:
    if None in row:
        raise PlanError(f"{path}:{line}: more values than columns")
    try:
        return Tag(
            row["id_tag"].strip(),
            AuthorizationStatus((row.get("status") or "Accepted").strip()),
            (row.get("parent_id_tag") or "").strip() or None,
            (row.get("expiry_date") or "").strip() or None,
        )
    except ValueError as exc:
        raise PlanError(f"{path}:{line}: {exc}") from exc
