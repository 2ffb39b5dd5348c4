"""Who may charge: a presented tag, from the reader to the answer (AUTH-*, CACHE-*, LIST-1, LG-6).

A tag that wants to start is kept at its connector as `Presented` until a transaction starts, the tag is
refused, or ConnectionTimeOut forgets it. A tag that wants to stop somebody else's transaction is asked
for its parent (AUTH-8) and forgotten at once.
"""

from typing import TYPE_CHECKING

from msgspec import Struct

from stations.core import booking, calls, tags, transaction
from stations.core.calls import Outgoing
from stations.core.connector import Connector, settle
from stations.core.dispatch import ends
from stations.core.events import Outcome
from stations.core.keys import (
    ALLOW_OFFLINE_TX_FOR_UNKNOWN_ID,
    LOCAL_AUTHORIZE_OFFLINE,
    LOCAL_PRE_AUTHORIZE,
)
from stations.core.reservation import Admission
from stations.core.tokens import Entry, Verdict, decide
from stations.core.transaction_record import Transaction
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


class GroupStop(Struct):
    """A foreign tag at a running transaction, asked for its parent (AUTH-8)."""

    connector: int
    transaction: Transaction
    id_tag: str


def present(station: "Station", connector: Connector, presented: Presented) -> None:
    """Hold a tag to a connector that could start a transaction with it."""
    connector.presented = presented
    connector.finishing = False
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
    connector.presented = None
    settle(station, connector)


def withdraw(station: "Station", connector: Connector) -> None:
    """AUTH-9: the same tag again before the cable de-authorizes."""
    _refused(station, connector)


def group_stop(station: "Station", connector: Connector, running: Transaction, id_tag: str) -> None:
    """AUTH-8: another tag stops a transaction only if both have the same parent (TC_069).

    Nobody is asked if the running transaction has no parent (TC_068); the reader looks.
    """
    entry = tags.known(station, id_tag)
    stop = GroupStop(connector.number, running, id_tag)
    if entry is not None and entry.valid and (not station.serving or entry.parent_id_tag is not None):
        _stop_for_parent(station, stop, entry.parent_id_tag)
    elif station.serving:
        calls.place(station, Authorize(id_tag=id_tag), connector=connector.number, about=stop)


def _stop_for_parent(station: "Station", stop: GroupStop, parent_id_tag: str | None) -> None:
    connector, running = station.connectors[stop.connector], stop.transaction
    if tags.same(parent_id_tag, running.parent_id_tag) and connector.transaction is running:
        transaction.stop(station, connector, Reason.LOCAL, id_tag=stop.id_tag)


@ends(Action.AUTHORIZE)
def _answered(
    station: "Station", outgoing: Outgoing, outcome: Outcome, confirmation: Confirmation | None
) -> None:
    info = confirmation.id_tag_info if isinstance(confirmation, AuthorizeConf) else None
    about = outgoing.about
    if isinstance(about, GroupStop):
        if info is not None:
            tags.learn(station, about.id_tag, info)
            if info.status is AuthorizationStatus.ACCEPTED:
                _stop_for_parent(station, about, info.parent_id_tag)
        return
    assert isinstance(about, Presented)  # nobody else asks
    if info is not None:
        tags.learn(station, about.id_tag, info)
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
