"""What a station knows about idTags without asking: local list and authorization cache (§3.5).

Both are dicts from the idTag (case-insensitive, RPC-10) to the facts of its IdTagInfo; neither exists until
it is used, so that an idle station stores nothing. Times are Unix seconds on the station's wall clock.
"""

from collections.abc import Mapping
from enum import Enum
from sys import intern
from typing import Any, Final, TypeAlias

from msgspec import Struct

from stations.wire.messages import AuthorizationData, IdTagInfo, SendLocalList
from stations.wire.types import AuthorizationStatus, UpdateStatus, UpdateType, parse_datetime

CACHE_SIZE: Final = 500  # D: as many as LocalAuthListMaxLength; the guide gives no figure for the cache

# status, expiry (Unix s), parentIdTag. A plain tuple: a full list must stay small in thousands of stations.
_Facts: TypeAlias = tuple[AuthorizationStatus, float | None, str | None]


class Source(Enum):
    """Where an entry was found; the list goes before the cache (AUTH-1, AUTH-5)."""

    LIST = "local list"
    CACHE = "authorization cache"


class Entry(Struct, frozen=True, gc=False):
    """One look-up's answer: `status` as of the moment asked (Expired once expiryDate has passed, CACHE-2)."""

    status: AuthorizationStatus
    parent_id_tag: str | None
    source: Source

    @property
    def valid(self) -> bool:
        """Whether this entry lets energy flow."""
        return self.status is AuthorizationStatus.ACCEPTED


class Verdict(Enum):
    """What to do with a presented tag (AUTH-2 to AUTH-4)."""

    START = "start"
    ASK = "ask the central system"
    REFUSE = "refuse"


def decide(
    entry: Entry | None,
    *,
    online: bool,
    local_pre_authorize: bool,
    local_authorize_offline: bool,
    allow_offline_tx_for_unknown_id: bool,
) -> Verdict:
    """Whether a tag with this entry may start. The flags are the configuration keys of the same names."""
    valid = entry is not None and entry.valid
    if online:
        # AUTH-2; AUTH-3: an entry that is not valid may be out of date, the central system decides.
        return Verdict.START if valid and local_pre_authorize else Verdict.ASK
    if not local_authorize_offline:
        return Verdict.REFUSE  # AUTH-4, D: AllowOfflineTxForUnknownId alone opens nothing
    known_or_allowed = valid if entry is not None else allow_offline_tx_for_unknown_id
    return Verdict.START if known_or_allowed else Verdict.REFUSE


class Tokens:
    """Local list and cache of one station, both non-volatile (CACHE-2, LL-6)."""

    __slots__ = ("_cache", "_list", "_list_version")

    def __init__(self) -> None:
        self._list: dict[str, _Facts] | None = None
        self._list_version = 0
        self._cache: dict[str, _Facts] | None = None

    # ---- looking up ---------------------------------------------------------------------------------

    def look_up(
        self, id_tag: str, now_unix: float, *, list_enabled: bool, cache_enabled: bool
    ) -> Entry | None:
        """The entry that counts for a tag: local list first, then cache (AUTH-1, AUTH-5, CACHE-3)."""
        for source, tokens, enabled in (
            (Source.LIST, self._list, list_enabled),
            (Source.CACHE, self._cache, cache_enabled),
        ):
            facts = tokens.get(id_tag.casefold()) if enabled and tokens else None
            if facts is not None:
                return Entry(_status_at(facts, now_unix), facts[2], source)
        return None

    # ---- authorization cache ------------------------------------------------------------------------

    def remember(
        self, id_tag: str, info: IdTagInfo, now_unix: float, *, list_enabled: bool, cache_enabled: bool
    ) -> bool:
        """Take in the IdTagInfo of a confirmation (CACHE-1). True if it contradicts the local list (LIST-1).

        A tag of the list never enters the cache (AUTH-5), and a confirmation never changes the list.
        """
        key = id_tag.casefold()
        listed = self._list.get(key) if list_enabled and self._list else None
        if listed is not None:
            accepted = _status_at(listed, now_unix) is AuthorizationStatus.ACCEPTED
            return accepted and info.status is not AuthorizationStatus.ACCEPTED
        if cache_enabled:
            self._cache = self._cache or {}
            self._cache.pop(key, None)  # re-inserted at the end: the dict's order is the age
            self._make_room(now_unix)
            self._cache[intern(key)] = _facts(info)
        return False

    def clear_cache(self) -> None:
        """Forget every cached tag (CACHE-3)."""
        self._cache = None

    @property
    def cache_length(self) -> int:
        """Number of tags in the cache."""
        return len(self._cache or ())

    def _make_room(self, now_unix: float) -> None:
        """CACHE-2: a full cache loses an entry that is not valid, or else its oldest."""
        cache = self._cache
        if not cache or len(cache) < CACHE_SIZE:
            return
        accepted = AuthorizationStatus.ACCEPTED
        stale = (key for key, facts in cache.items() if _status_at(facts, now_unix) is not accepted)
        del cache[next(stale, next(iter(cache)))]

    # ---- local list ---------------------------------------------------------------------------------

    def list_version(self, *, enabled: bool) -> int:
        """GetLocalListVersion: 0 for an empty list, -1 while the list is disabled (LV-1)."""
        if not enabled:
            return -1
        return self._list_version if self._list else 0

    @property
    def list_length(self) -> int:
        """Number of tags in the local list."""
        return len(self._list or ())

    def send_list(
        self, request: SendLocalList, *, enabled: bool, max_length: int, max_entries: int
    ) -> UpdateStatus:
        """Apply a SendLocalList wholly or not at all (LL-1 to LL-5).

        `max_length` is LocalAuthListMaxLength, `max_entries` SendLocalListMaxLength.
        """
        if not enabled:
            return UpdateStatus.NOT_SUPPORTED  # LL-5
        entries = request.local_authorization_list or []
        full = request.update_type is UpdateType.FULL
        if request.list_version <= 0 and not (full and request.list_version == 0 and not entries):
            return UpdateStatus.FAILED  # LL-3, E3.52; D: Full with version 0 and no entry clears
        if not full and request.list_version <= self.list_version(enabled=True):
            return UpdateStatus.VERSION_MISMATCH  # LL-2
        updated = None if _malformed(entries, max_entries, full=full) else self._updated(entries, full=full)
        if updated is None or len(updated) > max_length:
            return UpdateStatus.FAILED  # LL-4
        self._list = updated or None
        self._list_version = request.list_version
        return UpdateStatus.ACCEPTED

    def _updated(self, entries: list[AuthorizationData], *, full: bool) -> dict[str, _Facts]:
        """LL-1: Full replaces all; Differential adds, updates, and deletes entries without idTagInfo."""
        updated = {} if full else dict(self._list or {})
        for entry in entries:
            key = intern(entry.id_tag.casefold())
            if entry.id_tag_info is None:
                updated.pop(key, None)
            else:
                updated[key] = _facts(entry.id_tag_info)
        return updated

    # ---- non-volatile memory ------------------------------------------------------------------------

    def snapshot(self) -> dict[str, Any] | None:
        """Everything to keep over a power cut as plain values, None for nothing."""
        if self._list is None and self._cache is None and not self._list_version:
            return None
        return {"list": self._list, "list_version": self._list_version, "cache": self._cache}

    def restore(self, snapshot: Mapping[str, Any] | None) -> None:
        """Take back what `snapshot` gave, also after a trip through JSON or MessagePack."""
        snapshot = snapshot or {}
        self._list = _restored(snapshot.get("list"))
        self._list_version = snapshot.get("list_version", 0)
        self._cache = _restored(snapshot.get("cache"))


def _status_at(facts: _Facts, now_unix: float) -> AuthorizationStatus:
    """CACHE-2: an accepted entry past its expiryDate is Expired; other statuses stay what they are."""
    status, expiry, _ = facts
    if status is AuthorizationStatus.ACCEPTED and expiry is not None and now_unix >= expiry:
        return AuthorizationStatus.EXPIRED
    return status


def _facts(info: IdTagInfo) -> _Facts:
    expiry = None if info.expiry_date is None else parse_datetime(info.expiry_date)
    parent = None if info.parent_id_tag is None else intern(info.parent_id_tag)
    return info.status, expiry, parent


def _malformed(entries: list[AuthorizationData], max_entries: int, *, full: bool) -> bool:
    """LL-4: too many entries at once, a tag twice, or an entry without idTagInfo in a Full update."""
    distinct = {entry.id_tag.casefold() for entry in entries}
    incomplete = full and any(entry.id_tag_info is None for entry in entries)
    return len(entries) > max_entries or len(distinct) < len(entries) or incomplete


def _restored(tokens: Mapping[str, Any] | None) -> dict[str, _Facts] | None:
    if not tokens:
        return None
    return {
        intern(key): (AuthorizationStatus(status), expiry, None if parent is None else intern(parent))
        for key, (status, expiry, parent) in tokens.items()
    }
