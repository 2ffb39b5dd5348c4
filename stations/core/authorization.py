"""Who may charge: a presented tag, from the reader to the answer (AUTH-*, CACHE-*, LIST-1, LG-6).

A tag that wants to start is kept at its connector as `Presented` until a transaction starts, the tag is
refused, or ConnectionTimeOut forgets it. A tag at what belongs to somebody else, a transaction or a locked
cable, is asked for its parent (AUTH-8, E3.5) and forgotten at once.
"""

from typing import TYPE_CHECKING

from msgspec import Struct

from stations.core import booking, calls, tags, transaction
from stations.core.connector import Connector, settle, unlock
from stations.core.dispatch import ends
from stations.core.events import Outcome
from stations.core.keys import (
    ALLOW_OFFLINE_TX_FOR_UNKNOWN_ID,
    LOCAL_AUTHORIZE_OFFLINE,
    LOCAL_PRE_AUTHORIZE,
)
from stations.core.outgoing import Outgoing
from stations.core.reservation import Admission
from stations.core.tokens import Entry, Verdict, decide
from stations.wire.messages import Authorize, AuthorizeConf, ChargingProfile, Confirmation
from stations.wire.types import Action, AuthorizationStatus, Reason

if TYPE_CHECKING:
    from stations.core.station import Station


class Presented(Struct):
    """A tag that waits at a connector for its authorization, for the cable, or for both."""

    id_tag: str
    side_known: bool = True  # False: a cable at the other side takes the tag along
    remote: bool = False  # came with RemoteStartTransaction
    granted: bool = False
    parent_id_tag: str | None = None
    parent_known: bool = False  # the parent, or that there is none, was said by list, cache or central system
    profile: ChargingProfile | None = None  # RS-5
    after_end: bool = False  # the side showed Finishing, and will again if the tag is refused (AUTH-6)


class Foreign(Struct):
    """A tag at what another tag of a group began, asked for its parent (AUTH-8, E3.5)."""

    connectors: list[int]
    id_tag: str


def can_start(station: "Station", connector: Connector, id_tag: str) -> bool:
    """Whether a tag may be held to this side at all; RN-4: not where another's reservation is certain.

    Nor where a locked cable waits for its owner (E3.5).
    """
    free = connector.transaction is None and connector.presented is None
    whole = not connector.faulted and not station.connectors[0].faulted
    kept = connector.locked and connector.owner is not None and not tags.same(connector.owner[0], id_tag)
    return (
        free
        and whole
        and not kept
        and station.is_operative(connector)
        and not booking.excludes(station, connector, id_tag)
    )


def present(station: "Station", connector: Connector, presented: Presented) -> None:
    """Hold a tag to a connector that could start a transaction with it."""
    connector.presented = presented
    presented.after_end, connector.finishing = connector.finishing, False
    settle(station, connector)
    if presented.granted:
        _granted(station, connector, presented)
        return
    entry = tags.known(station, presented.id_tag)
    verdict = _decide(station, entry)
    if verdict is Verdict.ASK:
        request = Authorize(id_tag=presented.id_tag)
        calls.place(station, request, connector=connector.number, about=presented)
    elif verdict is Verdict.START:
        _remember_parent(presented, entry)
        _granted(station, connector, presented)
    else:
        _refused(station, connector)


def _decide(station: "Station", entry: Entry | None) -> Verdict:
    """AUTH-2 … AUTH-4; BOOT-9: a station that was never accepted lets nobody charge."""
    if not station.serving and not station.accepted_before:
        return Verdict.REFUSE
    configuration = station.configuration
    return decide(
        entry,
        online=station.serving,
        local_pre_authorize=configuration[LOCAL_PRE_AUTHORIZE],
        local_authorize_offline=configuration[LOCAL_AUTHORIZE_OFFLINE],
        allow_offline_tx_for_unknown_id=configuration[ALLOW_OFFLINE_TX_FOR_UNKNOWN_ID],
    )


def _remember_parent(presented: Presented, entry: Entry | None) -> None:
    if entry is not None:
        presented.parent_id_tag, presented.parent_known = entry.parent_id_tag, True


def _granted(station: "Station", connector: Connector, presented: Presented) -> None:
    presented.granted = True
    admitted = booking.admission(
        station,
        connector,
        presented.id_tag,
        presented.parent_id_tag,
        parent_known=presented.parent_known or not station.serving,
    )
    if admitted is Admission.REFUSED:
        _refused(station, connector)  # RN-4: reserved for somebody else
    elif admitted is Admission.ASK_PARENT:  # TC_053
        presented.granted = False
        calls.place(station, Authorize(id_tag=presented.id_tag), connector=connector.number, about=presented)
    else:
        transaction.start_if_ready(station, connector)
        settle(station, connector)


def _refused(station: "Station", connector: Connector) -> None:
    """AUTH-6: back to the status before; a cable that was in goes on waiting for another tag."""
    presented, connector.presented = connector.presented, None
    connector.finishing = presented is not None and presented.after_end and connector.plugged
    settle(station, connector)


def withdraw(station: "Station", connector: Connector) -> None:
    """AUTH-9: the same tag again before the cable de-authorizes."""
    _refused(station, connector)


def group_of(connector: Connector) -> str | None:
    """The parent of whoever charges here, or has ended and left a locked cable."""
    if connector.transaction is not None:
        return connector.transaction.parent_id_tag
    return connector.owner[1] if connector.owner is not None and connector.locked else None


def present_foreign(station: "Station", sides: list[Connector], id_tag: str) -> None:
    """AUTH-8: another tag stops a transaction, or releases a cable, only by a common parent (TC_069).

    Nobody is asked where there is no parent (TC_068).
    """
    foreign = Foreign([side.number for side in sides if group_of(side) is not None], id_tag)
    if not foreign.connectors:
        return
    entry = tags.known(station, id_tag)
    if entry is not None and entry.valid and (not station.serving or entry.parent_id_tag is not None):
        _act_for_parent(station, foreign, entry.parent_id_tag)
    elif station.serving:
        calls.place(station, Authorize(id_tag=id_tag), connector=foreign.connectors[0], about=foreign)


def _act_for_parent(station: "Station", foreign: Foreign, parent_id_tag: str | None) -> None:
    for number in foreign.connectors:
        connector = station.connectors[number]
        if not tags.same(parent_id_tag, group_of(connector)):
            continue
        if connector.transaction is not None:
            transaction.stop(station, connector, Reason.LOCAL, id_tag=foreign.id_tag)
        else:
            unlock(station, connector)
        return


@ends(Action.AUTHORIZE)
def _answered(
    station: "Station", outgoing: Outgoing, outcome: Outcome, confirmation: Confirmation | None
) -> None:
    info = confirmation.id_tag_info if isinstance(confirmation, AuthorizeConf) else None
    about = outgoing.about
    assert isinstance(about, Presented | Foreign)  # nobody else asks
    if info is not None:
        tags.learn(station, about.id_tag, info)
    if isinstance(about, Foreign):
        if info is not None and info.status is AuthorizationStatus.ACCEPTED:
            _act_for_parent(station, about, info.parent_id_tag)
        return
    connector = next((side for side in station.connectors if side.presented is about), None)
    if connector is None:
        return  # withdrawn or timed out in the meantime
    if info is not None and info.status is AuthorizationStatus.ACCEPTED:
        about.parent_id_tag, about.parent_known = info.parent_id_tag, True
        _granted(station, connector, about)
    elif outcome is Outcome.CLOSED:
        _without_answer(station, connector, about)
    else:
        _refused(station, connector)  # AUTH-6, AUTH-7


def _without_answer(station: "Station", connector: Connector, presented: Presented) -> None:
    """AUTH-7: the link died before the answer; from now on the offline rules decide."""
    entry = tags.known(station, presented.id_tag)
    if _decide(station, entry) is Verdict.START:
        _remember_parent(presented, entry)
        _granted(station, connector, presented)
    else:
        _refused(station, connector)
