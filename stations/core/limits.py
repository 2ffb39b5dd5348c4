"""What charging profiles allow at a moment: pure arithmetic on installed profiles (§3.13, SC-6 to SC-12).

A profile is a staircase over time. Everything here is one of two questions about staircases: the limit at t,
and the next moment after t at which the answer may change. Times are Unix milliseconds as integers and limits
are integer tenths, because OCPP's `limit` has one decimal and floats would miss boundaries.

Three clocks meet (SC-6, HB-4). Absolute and Recurring schedules and the validity follow the wall clock.
Relative schedules follow the transaction: callers pass its start *as the present wall clock shows it*
(monotonic start + present offset), so that a step of the clock moves no elapsed time.
"""

from bisect import bisect_right
from collections.abc import Iterable, Sequence
from typing import Final, NamedTuple

from msgspec import Struct

from stations.wire.types import ChargingProfilePurposeType as Purpose

VOLTAGE_V: Final = 230  # W <-> A conversions of SC-11 use the nominal voltage
MINIMUM_A: Final = 6.0  # IEC 61851-1: a lower current cannot be signalled to the vehicle (SC-12)
DAY_S: Final = 86_400
WEEK_S: Final = 7 * DAY_S


class Profile(Struct, gc=False, array_like=True):
    """An accepted charging profile in the form that is quick to evaluate and small to keep."""

    id: int
    connector: int
    purpose: Purpose
    stack_level: int
    relative: bool  # anchored at the transaction (TxProfile, TxDefault) or at `start_ms` (ChargePointMax)
    start_ms: int  # startSchedule, or the moment of receipt where there is none (SC-3)
    recurrence_s: int  # 0, a day or a week
    duration_s: int | None
    valid_from_ms: int | None
    valid_to_ms: int | None
    in_watts: bool
    starts_s: tuple[int, ...]  # startPeriod of each period
    limits_tenths: tuple[int, ...]
    phases: tuple[int, ...]  # numberPhases of each period, 0 where it was not given


class Limit(NamedTuple):
    """A limit in ampere per phase. `phases` is what the period stated, 0 for nothing stated (means 3)."""

    amps: float
    phases: int = 0


def limit_of(
    profile: Profile, t_ms: int, transaction_start_ms: int | None, usable_phases: int
) -> Limit | None:
    """What one profile allows at t, None if it says nothing then (SC-6, SC-7)."""
    anchor = _anchor_ms(profile, t_ms, transaction_start_ms)
    if anchor is None or anchor > t_ms or not _valid(profile, t_ms):
        return None
    elapsed_s = (t_ms - anchor) // 1000
    span = span_s(profile)
    if span is not None and elapsed_s >= span:
        return None
    index = bisect_right(profile.starts_s, elapsed_s) - 1
    return _in_amps(profile, index, usable_phases)


def boundary_of(profile: Profile, t_ms: int, transaction_start_ms: int | None) -> int | None:
    """The first moment after t at which `limit_of` may give another answer, None for never."""
    if profile.valid_to_ms is not None and t_ms >= profile.valid_to_ms:
        return None
    if profile.valid_from_ms is not None and t_ms < profile.valid_from_ms:
        return profile.valid_from_ms
    anchor = _anchor_ms(profile, t_ms, transaction_start_ms)
    if anchor is None:
        return None
    moments = [anchor] if anchor > t_ms else _boundaries_after(profile, anchor, t_ms)
    if profile.valid_to_ms is not None:
        moments.append(profile.valid_to_ms)
    return min(moments, default=None)


def span_s(profile: Profile) -> int | None:
    """How long one run of the schedule lasts: duration or recurrence, whichever ends first (SC-7)."""
    if not profile.recurrence_s:
        return profile.duration_s
    if profile.duration_s is None:
        return profile.recurrence_s
    return min(profile.duration_s, profile.recurrence_s)


def _valid(profile: Profile, t_ms: int) -> bool:
    if profile.valid_from_ms is not None and t_ms < profile.valid_from_ms:
        return False
    return profile.valid_to_ms is None or t_ms < profile.valid_to_ms


def _anchor_ms(profile: Profile, t_ms: int, transaction_start_ms: int | None) -> int | None:
    if profile.relative and profile.purpose is not Purpose.CHARGE_POINT_MAX_PROFILE:
        return transaction_start_ms
    if profile.recurrence_s and t_ms >= profile.start_ms:
        # E3.78: the last start of the day or week at or before t, counted in UTC seconds (§3.13.7).
        return t_ms - (t_ms - profile.start_ms) % (profile.recurrence_s * 1000)
    return profile.start_ms


def _boundaries_after(profile: Profile, anchor_ms: int, t_ms: int) -> list[int]:
    """Candidates in the run that holds t: next period, end of the run, start of the next run."""
    elapsed_s = (t_ms - anchor_ms) // 1000
    span = span_s(profile)
    moments = []
    index = bisect_right(profile.starts_s, elapsed_s)
    if index < len(profile.starts_s) and (span is None or profile.starts_s[index] < span):
        moments.append(anchor_ms + profile.starts_s[index] * 1000)
    if span is not None and elapsed_s < span:
        moments.append(anchor_ms + span * 1000)
    if profile.recurrence_s:
        moments.append(anchor_ms + profile.recurrence_s * 1000)
    return moments


def _in_amps(profile: Profile, index: int, usable_phases: int) -> Limit:
    phases = profile.phases[index]
    tenths = profile.limits_tenths[index]
    if not profile.in_watts:
        return Limit(tenths / 10, phases)
    return Limit(tenths / 10 / (VOLTAGE_V * phases_for(phases, usable_phases)), phases)


def phases_for(stated: int, usable: int) -> int:
    """Phases of a W <-> A conversion: numberPhases, absent 3, never more than usable (SC-11)."""
    return min(stated or 3, usable)


def from_stack(
    profiles: Iterable[Profile], t_ms: int, transaction_start_ms: int | None, usable_phases: int
) -> Limit | None:
    """SC-8: the first of `profiles` (highest stack level first) that says something at t."""
    for profile in profiles:
        limit = limit_of(profile, t_ms, transaction_start_ms, usable_phases)
        if limit is not None:
            return limit
    return None


def shares_a(budget_a: float, own_a: Sequence[float]) -> list[float]:
    """SC-10: the station's current split among connectors that want `own_a` each, first come first served.

    Equal shares; what one cannot use goes to the others; nobody gets less than 6 A: where the budget is
    too small for all, the last ones get 0 (SuspendedEVSE). A connector whose own limit is below 6 A draws
    nothing, so it keeps that limit and takes no share.
    """
    shares = [min(own, budget_a) for own in own_a]
    sharing = [index for index, own in enumerate(own_a) if own >= MINIMUM_A]
    if budget_a < MINIMUM_A:  # nobody can charge; the equal share is what there is to report
        for index in sharing:
            shares[index] = budget_a / len(sharing)
        return shares
    while len(sharing) * MINIMUM_A > budget_a:
        shares[sharing.pop()] = 0.0
    left = budget_a
    for position, index in enumerate(sorted(sharing, key=lambda index: own_a[index])):
        shares[index] = min(own_a[index], left / (len(sharing) - position))
        left -= shares[index]
    return shares


def offered_a(limit_a: float) -> float:
    """SC-12: what the pilot signal can offer; below 6 A the station offers nothing (SuspendedEVSE)."""
    return limit_a if limit_a >= MINIMUM_A else 0.0
