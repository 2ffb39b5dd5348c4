"""What this station knows of idTags: its local list and cache, and what every confirmation teaches it."""

from typing import TYPE_CHECKING

from stations.core import status, wall
from stations.core.keys import AUTHORIZATION_CACHE_ENABLED, LOCAL_AUTH_LIST_ENABLED
from stations.core.tokens import Entry, Tokens
from stations.wire.messages import IdTagInfo
from stations.wire.types import ChargePointErrorCode

if TYPE_CHECKING:
    from stations.core.station import Station


def same(one: str | None, other: str | None) -> bool:
    """RPC-10: idTags are case-insensitive; nothing equals nothing."""
    return one is not None and other is not None and one.casefold() == other.casefold()


def known(station: "Station", id_tag: str) -> Entry | None:
    """AUTH-1, AUTH-5: local list, then cache, where they are enabled."""
    if station.tokens is None:
        return None
    configuration = station.configuration
    return station.tokens.look_up(
        id_tag,
        wall.unix_s(station),
        list_enabled=configuration[LOCAL_AUTH_LIST_ENABLED],
        cache_enabled=configuration[AUTHORIZATION_CACHE_ENABLED],
    )


def memory(station: "Station") -> Tokens:
    """The station's list and cache, made when first needed."""
    if station.tokens is None:
        station.tokens = Tokens()
    return station.tokens


def learn(station: "Station", id_tag: str, info: IdTagInfo) -> None:
    """CACHE-1: every IdTagInfo feeds the cache; one that contradicts the list is reported (LIST-1)."""
    configuration = station.configuration
    list_enabled = configuration[LOCAL_AUTH_LIST_ENABLED]
    cache_enabled = configuration[AUTHORIZATION_CACHE_ENABLED]
    if not (list_enabled or cache_enabled):
        return
    conflict = memory(station).remember(
        id_tag, info, wall.unix_s(station), list_enabled=list_enabled, cache_enabled=cache_enabled
    )
    station.changed = True
    if conflict and station.serving:
        body = station.connectors[0]
        status.place(station, body, status.Shown(body.status, ChargePointErrorCode.LOCAL_LIST_CONFLICT))
