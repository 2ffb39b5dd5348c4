"""Whose doing it was: what hardship of ours spoils is not put down to the central system.

A unit carries one moment, `excused_until`, in core seconds: infinite while hardship breaks its links, the end
of it afterwards. What was in the air before that moment, and ends badly, is ours.
"""

from typing import TYPE_CHECKING, Final

from stations.core.events import CallEnded, Finding, LinkFailure, Outcome

if TYPE_CHECKING:
    from engine.unit import Unit

FOREVER: Final = float("inf")
BARRED: Final = "barred"  # an attempt that hardship did not let through
AFTERMATH_S: Final = 60.0  # real; a peer may notice late that nobody was there

_UNANSWERED: Final = frozenset({Outcome.CLOSED, Outcome.TIMEOUT})
_KEPT_BACK: Final = frozenset({"RPC-4", "RPC-5"})  # no answer in time, and one that comes late


def excuse(unit: "Unit", now: float, *, lasting: bool) -> None:
    """From now on links that end and calls without an answer are our doing; or until now they were."""
    unit.excused_until = FOREVER if lasting else now


def lose_link(unit: "Unit", why: str) -> None:
    """The network takes the link away."""
    link, was_open = unit.link, unit.online
    if link is None:
        return
    link.drop()
    if was_open:
        unit.link_down(None, why)
    else:
        unit.link_refused(LinkFailure.UNREACHABLE, why)


def of_call(ended: CallEnded, excused_until: float) -> Outcome:
    """How the call counts: cancelled, when it was us who kept the answer away."""
    spoilt = ended.outcome in _UNANSWERED and (ended.call.sent or ended.done) < excused_until
    return Outcome.CANCELLED if spoilt else ended.outcome


def of_refusal(failure: LinkFailure, began: float, excused_until: float) -> str:
    """The kind of a failed attempt."""
    return BARRED if began < excused_until else failure.value


def ours(opened: float, now: float, excused_until: float, scale: float) -> bool:
    """Whether a link that ends now ends because of us."""
    return opened < excused_until and now <= excused_until + AFTERMATH_S * scale


def provoked(finding: Finding, now: float, excused_until: float, scale: float) -> bool:
    """Whether a rule was broken only because we had kept answers back until nobody waited for them."""
    return finding.rule in _KEPT_BACK and now <= excused_until + AFTERMATH_S * scale
