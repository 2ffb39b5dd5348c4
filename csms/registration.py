"""The answer to BootNotification: which stations are Accepted, Pending or Rejected, and for how long."""

from fnmatch import fnmatchcase

from msgspec import Struct

from stations.wire.types import RegistrationStatus


class BootRule(Struct, frozen=True, forbid_unknown_fields=True):
    """Stations whose identity matches the glob get this answer; `interval_s` as in BOOT-3 and BOOT-5."""

    status: RegistrationStatus = RegistrationStatus.ACCEPTED
    interval_s: int = 60
    stations: str = "*"

    def __post_init__(self) -> None:
        if self.interval_s < 0:
            raise ValueError("interval_s must be 0 or more seconds")


class BootPolicy:
    """Rules in order of arrival; the last one that matches decides."""

    def __init__(self, default: BootRule) -> None:
        self._rules = [default]

    def add(self, rule: BootRule) -> None:
        """Put a rule before all others; one with the same glob is replaced."""
        self._rules = [old for old in self._rules if old.stations != rule.stations]
        self._rules.append(rule)

    def rules(self) -> list[BootRule]:
        """All rules, the weakest first."""
        return list(self._rules)

    def decide(self, station: str) -> BootRule:
        """The rule for one station; a station that no glob matches is Rejected."""
        for rule in reversed(self._rules):
            if fnmatchcase(station, rule.stations):
                return rule
        return BootRule(RegistrationStatus.REJECTED)
