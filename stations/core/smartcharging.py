"""The charging profiles of one station: acceptance, storage, and the current they leave (§3.13, §5.16).

Nothing is stored until a profile is accepted, and without profiles a limit costs no look at anything. The
arithmetic of one profile is in `limits`; here is how profiles combine (SC-8 to SC-10). Public times are Unix
seconds on the station's wall clock; see `limits` for the clock of Relative schedules.
"""

from collections.abc import Sequence
from itertools import pairwise
from typing import Any, Final, NamedTuple

from msgspec import Struct, convert, to_builtins

from stations.core.limits import DAY_S, WEEK_S, Limit, Profile, boundary_of, from_stack, shares_a
from stations.wire import messages as wire
from stations.wire.types import (
    ChargingProfileKindType,
    ChargingProfileStatus,
    ChargingRateUnitType,
    ClearChargingProfileStatus,
    RecurrencyKindType,
    parse_datetime,
)
from stations.wire.types import ChargingProfilePurposeType as Purpose

_NO_LIMIT: Final = 1e9  # A or W: no socket gives so much, and any number may come over the wire
_RECURRENCE_S: Final = {RecurrencyKindType.DAILY: DAY_S, RecurrencyKindType.WEEKLY: WEEK_S}


class Rules(Struct, frozen=True):
    """The configuration keys that bound what is accepted (SC-3, section 12)."""

    max_stack_level: int = 100  # ChargeProfileMaxStackLevel
    max_periods: int = 100  # ChargingScheduleMaxPeriods
    max_installed: int = 100  # MaxChargingProfilesInstalled
    units: frozenset[ChargingRateUnitType] = frozenset(ChargingRateUnitType)  # …AllowedChargingRateUnit


class Running(NamedTuple):
    """The transaction on the connector that a TxProfile is meant for; the id is None until it arrived."""

    transaction_id: int | None


class Side(NamedTuple):
    """One connector as the limits see it."""

    connector: int
    hardware_a: float  # the least of product, installation and cable, per phase
    transaction_start: float  # of its transaction; the present moment where none runs (GC-6)


class Supply(NamedTuple):
    """What all connectors share."""

    station_a: float  # chargingStationMaxLimit: total current of the station
    phases: int  # usable phases of the product


class ChargingProfiles:
    """The installed profiles of one station. Non-volatile except TxProfiles (SC-4)."""

    __slots__ = ("_installed",)

    def __init__(self) -> None:
        self._installed: tuple[Profile, ...] = ()  # highest stack level first (SC-8)

    def __len__(self) -> int:
        return len(self._installed)

    # ---- what is installed --------------------------------------------------------------------------

    def accept(
        self,
        profile: wire.ChargingProfile,
        connector: int,
        now_unix: float,
        *,
        running: Running | None,
        rules: Rules,
    ) -> tuple[ChargingProfileStatus, str]:
        """Check and store a profile for an existing connector (SC-1 to SC-3); the string says why not.

        `running` is the transaction on that connector, None for none. It takes effect with the next question.
        """
        reason = refusal(profile, rules) or _misplaced(profile, connector, running)
        reason = reason or self.no_room(profile, connector, rules)
        if reason:
            return ChargingProfileStatus.REJECTED, reason
        installed = (*self._beside(profile, connector), compiled(profile, connector, now_unix))
        self._installed = tuple(sorted(installed, key=lambda p: -p.stack_level))
        return ChargingProfileStatus.ACCEPTED, ""

    def no_room(self, profile: wire.ChargingProfile, connector: int, rules: Rules) -> str:
        """Why there is no place for one more, "" if there is, or if it takes another one's (SC-1, SC-3)."""
        others = len(self._beside(profile, connector))
        return f"{others} profiles are installed already" if others >= rules.max_installed else ""

    def _beside(self, profile: wire.ChargingProfile, connector: int) -> tuple[Profile, ...]:
        return tuple(p for p in self._installed if not _replaces(profile, connector, p))

    def clear(self, request: wire.ClearChargingProfile) -> ClearChargingProfileStatus:
        """Remove what a ClearChargingProfile names: the id alone, or the AND of its fields (CP-1 to CP-3)."""
        kept = tuple(p for p in self._installed if not _named_by(request, p))
        removed = len(self._installed) - len(kept)
        self._installed = kept
        return ClearChargingProfileStatus.ACCEPTED if removed else ClearChargingProfileStatus.UNKNOWN

    def forget_transaction(self, connector: int) -> None:
        """The transaction on a connector is over: its TxProfiles die with it (SC-4)."""
        if self._installed:
            self._installed = tuple(
                p for p in self._installed if p.purpose is not Purpose.TX_PROFILE or p.connector != connector
            )

    def clock_stepped(self, step_s: float) -> None:
        """The wall clock jumped: a ChargePointMax counted from its receipt keeps its elapsed time (HB-4)."""
        for profile in self._installed:
            if profile.relative and profile.purpose is Purpose.CHARGE_POINT_MAX_PROFILE:
                profile.start_ms += round(step_s * 1000)

    def snapshot(self) -> list[Any] | None:
        """What survives a restart, as plain values (SC-4, E3.37); None for nothing."""
        lasting = [p for p in self._installed if p.purpose is not Purpose.TX_PROFILE]
        return [to_builtins(p) for p in lasting] or None

    def restore(self, snapshot: Sequence[Any] | None) -> None:
        """Take back what `snapshot` gave."""
        self._installed = tuple(convert(plain, Profile) for plain in snapshot or ())

    # ---- what it allows -----------------------------------------------------------------------------

    def limits_a(self, t: float, sides: Sequence[Side], supply: Supply) -> list[float]:
        """Ampere per phase for each of the connectors that want energy, first come first (SC-8 to SC-10).

        A result below 6 A means that the connector offers nothing (SC-12, `limits.offered_a`).
        """
        if not self._installed and len(sides) == 1:
            return [min(sides[0].hardware_a, supply.station_a)]
        return [limit.amps for limit in self.limits(t, sides, supply)]

    def limits(self, t: float, sides: Sequence[Side], supply: Supply) -> list[Limit]:
        """As `limits_a`, with the number of phases that the deciding period stated."""
        t_ms = _ms(t)
        own = [self._own(side, t_ms, supply.phases) for side in sides]
        station = self._station(t_ms, supply)
        shares = shares_a(station.amps, [limit.amps for limit in own])
        return [
            limit if share >= limit.amps else Limit(share, station.phases)
            for limit, share in zip(own, shares, strict=True)
        ]

    def next_boundary(self, t: float, sides: Sequence[Side]) -> float | None:
        """The first moment after t when a limit may change by itself: the station's one alarm (SC-12)."""
        if not self._installed:
            return None
        t_ms = _ms(t)
        starts = {side.connector: _ms(side.transaction_start) for side in sides}
        boundaries = [
            boundary_of(profile, t_ms, start)
            for profile in self._installed
            for start in _clocks_of(profile, starts)
        ]
        return min((moment / 1000 for moment in boundaries if moment is not None), default=None)

    def _own(self, side: Side, t_ms: int, phases: int) -> Limit:
        """The connector's hardware and its transaction limit, the lower."""
        limit = self._transaction_limit(side.connector, t_ms, _ms(side.transaction_start), phases)
        hardware = Limit(side.hardware_a)
        return hardware if limit is None or limit.amps >= hardware.amps else limit

    def _transaction_limit(self, connector: int, t_ms: int, start_ms: int, phases: int) -> Limit | None:
        """SC-9: a TxProfile overrules the whole transaction; else TxDefault of the connector, then of 0."""
        own = [p for p in self._installed if p.purpose is Purpose.TX_PROFILE and p.connector == connector]
        if own:
            return from_stack(own, t_ms, start_ms, phases)
        for place in (connector, 0):
            defaults = [
                p for p in self._installed if p.purpose is Purpose.TX_DEFAULT_PROFILE and p.connector == place
            ]
            limit = from_stack(defaults, t_ms, start_ms, phases)
            if limit is not None:
                return limit
        return None

    def _station(self, t_ms: int, supply: Supply) -> Limit:
        """What the connectors share: ChargePointMax and chargingStationMaxLimit, the lower (SC-10)."""
        highest = (p for p in self._installed if p.purpose is Purpose.CHARGE_POINT_MAX_PROFILE)
        limit = from_stack(highest, t_ms, None, supply.phases)
        station = Limit(supply.station_a)
        return station if limit is None or limit.amps >= station.amps else limit


def refusal(profile: wire.ChargingProfile, rules: Rules) -> str:
    """What is wrong with a profile by itself, "" for nothing (SC-3)."""
    return _bad_head(profile, rules) or _bad_kind(profile) or _bad_schedule(profile.charging_schedule, rules)


def remote_start_refusal(profile: wire.ChargingProfile, rules: Rules) -> str:
    """Why a RemoteStartTransaction may not bring this profile, "" if it may (RS-5)."""
    if profile.charging_profile_purpose is not Purpose.TX_PROFILE:
        return f"a remote start takes a TxProfile, not {profile.charging_profile_purpose}"
    if profile.transaction_id is not None:
        return "a remote start's profile carries no transactionId"
    return refusal(profile, rules)


def compiled(profile: wire.ChargingProfile, connector: int, received_unix: float) -> Profile:
    """The quick form of a profile that `refusal` passed."""
    schedule = profile.charging_schedule
    periods = schedule.charging_schedule_period
    recurring = profile.charging_profile_kind is ChargingProfileKindType.RECURRING
    relative = profile.charging_profile_kind is ChargingProfileKindType.RELATIVE
    # SC-3, D: an Absolute schedule without startSchedule begins when it is received. SC-6, D: so does a
    # Relative ChargePointMaxProfile, which has no transaction to count from.
    start = None if relative else schedule.start_schedule
    return Profile(
        id=profile.charging_profile_id,
        connector=connector,
        purpose=profile.charging_profile_purpose,
        stack_level=profile.stack_level,
        relative=relative,
        start_ms=_ms(received_unix) if start is None else _ms(parse_datetime(start)),
        recurrence_s=_RECURRENCE_S[profile.recurrency_kind] if recurring and profile.recurrency_kind else 0,
        duration_s=schedule.duration,
        valid_from_ms=_optional_ms(profile.valid_from),
        valid_to_ms=_optional_ms(profile.valid_to),
        in_watts=schedule.charging_rate_unit is ChargingRateUnitType.W,
        starts_s=tuple(period.start_period for period in periods),
        limits_tenths=tuple(round(min(period.limit, _NO_LIMIT) * 10) for period in periods),
        phases=tuple(period.number_phases or 0 for period in periods),
    )


def _bad_head(profile: wire.ChargingProfile, rules: Rules) -> str:
    if not 0 <= profile.stack_level <= rules.max_stack_level:
        return f"stackLevel {profile.stack_level} is not in 0..{rules.max_stack_level}"
    valid_from, valid_to = _optional_ms(profile.valid_from), _optional_ms(profile.valid_to)
    if valid_from is not None and valid_to is not None and valid_to <= valid_from:
        return "validTo is not after validFrom"
    return ""


def _bad_kind(profile: wire.ChargingProfile) -> str:
    # recurrencyKind on another kind is tolerated and means nothing (SC-3, D).
    if profile.charging_profile_kind is not ChargingProfileKindType.RECURRING:
        return ""
    if profile.recurrency_kind is None:
        return "a Recurring profile without recurrencyKind"
    return "" if profile.charging_schedule.start_schedule else "a Recurring profile without startSchedule"


def _bad_schedule(schedule: wire.ChargingSchedule, rules: Rules) -> str:
    periods = schedule.charging_schedule_period
    starts = [period.start_period for period in periods]
    checks = (
        (
            schedule.charging_rate_unit not in rules.units,
            f"unit {schedule.charging_rate_unit} is not allowed",
        ),
        (len(periods) > rules.max_periods, f"more than {rules.max_periods} periods"),
        (starts[0] != 0, "the first startPeriod is not 0"),
        (any(b <= a for a, b in pairwise(starts)), "startPeriods do not increase"),
        (any(period.limit < 0 for period in periods), "a negative limit"),
        (
            any(period.number_phases not in {None, 1, 2, 3} for period in periods),
            "numberPhases is not in 1..3",
        ),
        (schedule.duration is not None and schedule.duration < 0, "a negative duration"),
    )
    return next((reason for bad, reason in checks if bad), "")


def _misplaced(profile: wire.ChargingProfile, connector: int, running: Running | None) -> str:
    """SC-2: which purpose may go where."""
    purpose = profile.charging_profile_purpose
    if purpose is Purpose.CHARGE_POINT_MAX_PROFILE and connector != 0:
        return "a ChargePointMaxProfile belongs to connector 0"
    if purpose is not Purpose.TX_PROFILE:
        return ""
    if connector == 0:
        return "a TxProfile belongs to a connector"
    if running is None:
        return "no transaction runs on the connector"
    if profile.transaction_id not in {None, running.transaction_id}:
        return f"transactionId {profile.transaction_id} is not the running one"
    return ""


def _replaces(new: wire.ChargingProfile, connector: int, old: Profile) -> bool:
    """SC-1: same id anywhere, or same purpose and stack level on the same connector."""
    return old.id == new.charging_profile_id or (
        old.connector == connector
        and old.purpose is new.charging_profile_purpose
        and old.stack_level == new.stack_level
    )


def _named_by(request: wire.ClearChargingProfile, profile: Profile) -> bool:
    if request.id is not None:
        return profile.id == request.id
    return (
        request.connector_id in {None, profile.connector}
        and request.charging_profile_purpose in {None, profile.purpose}
        and request.stack_level in {None, profile.stack_level}
    )


def _clocks_of(profile: Profile, starts_ms: dict[int, int]) -> list[int | None]:
    """The transaction starts that matter to a profile; [None] where none does."""
    if not profile.relative or profile.purpose is Purpose.CHARGE_POINT_MAX_PROFILE:
        return [None]
    return [start for connector, start in starts_ms.items() if profile.connector in {0, connector}]


def _ms(unix_s: float) -> int:
    return round(unix_s * 1000)


def _optional_ms(text: str | None) -> int | None:
    return None if text is None else _ms(parse_datetime(text))
