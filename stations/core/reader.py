"""The badge reader: what a tag means depends on what runs where (AUTH-8, AUTH-9, TX-11)."""

from typing import TYPE_CHECKING

from stations.core import authorization, tags, transaction
from stations.core.authorization import Presented
from stations.core.connector import Connector, unlock
from stations.core.dispatch import on
from stations.core.events import Swipe
from stations.wire.types import Reason

if TYPE_CHECKING:
    from stations.core.station import Station


@on(Swipe)
def _swipe(station: "Station", event: Swipe) -> None:
    if not station.running or station.resetting is not None:
        return
    numbers = event.connectors or range(1, len(station.connectors))
    sides = [station.side(number) for number in numbers]
    side_known = len(sides) == 1
    for attempt in (_stop_own, _release_own, _withdraw):
        if attempt(station, sides, event.id_tag):
            return
    startable = [side for side in sides if authorization.can_start(station, side, event.id_tag)]
    if startable:
        # A cable that waits for a tag first, then a side that is free.
        connector = min(startable, key=lambda side: (not side.plugged, side.number))
        authorization.present(station, connector, Presented(event.id_tag, side_known))
        return
    authorization.present_foreign(station, sides, event.id_tag)


def _stop_own(station: "Station", sides: list[Connector], id_tag: str) -> bool:
    """The starter's own tag stops without being asked for (AUTH-8)."""
    for side in sides:
        running = side.transaction
        if running is not None and tags.same(running.id_tag, id_tag):
            transaction.stop(station, side, Reason.LOCAL, id_tag=id_tag)
            return True
    return False


def _release_own(station: "Station", sides: list[Connector], id_tag: str) -> bool:
    """ST-7, TX-3: a cable kept for its owner is released by the owner's tag or one of the same parent."""
    entry = tags.known(station, id_tag)
    parent = None if entry is None else entry.parent_id_tag
    for side in sides:
        owner = side.owner
        if owner is not None and side.locked and (tags.same(owner[0], id_tag) or tags.same(owner[1], parent)):
            unlock(station, side)
            return True
    return False


def _withdraw(station: "Station", sides: list[Connector], id_tag: str) -> bool:
    """AUTH-9: the same tag again before the cable takes the authorization back."""
    for side in sides:
        presented = side.presented
        if presented is not None and tags.same(presented.id_tag, id_tag):
            if presented.granted or not side.plugged:
                authorization.withdraw(station, side)  # an answer still on its way finds nobody
            return True
    return False
