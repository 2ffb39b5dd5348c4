"""ClearCache, SendLocalList, GetLocalListVersion (§5.4, §5.10, §5.15), and a cache entry from outside."""

from typing import TYPE_CHECKING

from stations.core import tags, wall
from stations.core.dispatch import answers, on
from stations.core.events import SeedCache
from stations.core.keys import (
    LOCAL_AUTH_LIST_ENABLED,
    LOCAL_AUTH_LIST_MAX_LENGTH,
    SEND_LOCAL_LIST_MAX_LENGTH,
)
from stations.errors import PlanError
from stations.wire.messages import (
    ClearCache,
    ClearCacheConf,
    GetLocalListVersion,
    GetLocalListVersionConf,
    IdTagInfo,
    SendLocalList,
    SendLocalListConf,
)
from stations.wire.types import AuthorizationStatus, ClearCacheStatus

if TYPE_CHECKING:
    from stations.core.station import Station


@answers(ClearCache)
def _clear_cache(station: "Station", _request: ClearCache) -> ClearCacheConf:
    """CACHE-3: also while the cache is not in use."""
    if station.tokens is not None:
        station.tokens.clear_cache()
        station.changed = True
    return ClearCacheConf(ClearCacheStatus.ACCEPTED)


@answers(SendLocalList)
def _send_local_list(station: "Station", request: SendLocalList) -> SendLocalListConf:
    """LL-1 … LL-6."""
    configuration = station.configuration
    status = tags.memory(station).send_list(
        request,
        enabled=configuration[LOCAL_AUTH_LIST_ENABLED],
        max_length=configuration[LOCAL_AUTH_LIST_MAX_LENGTH],
        max_entries=configuration[SEND_LOCAL_LIST_MAX_LENGTH],
    )
    station.changed = True
    return SendLocalListConf(status)


@answers(GetLocalListVersion)
def _local_list_version(station: "Station", _request: GetLocalListVersion) -> GetLocalListVersionConf:
    """LV-1."""
    enabled = station.configuration[LOCAL_AUTH_LIST_ENABLED]
    if station.tokens is None:
        return GetLocalListVersionConf(0 if enabled else -1)
    return GetLocalListVersionConf(station.tokens.list_version(enabled=enabled))


@on(SeedCache)
def _seed_cache(station: "Station", event: SeedCache) -> None:
    try:
        info = IdTagInfo(AuthorizationStatus(event.status))
    except ValueError:
        raise PlanError(f"unknown idTagInfo status {event.status!r}") from None
    tags.memory(station).remember(
        event.id_tag, info, wall.unix_s(station), list_enabled=False, cache_enabled=True
    )
    station.changed = True
