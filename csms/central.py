"""What all sessions share: ledger, tags, boot policy, the faults in force, and who is connected."""

import time
from collections.abc import Iterable
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING

from csms import rows
from csms.behaviour import Behaviour
from csms.ledger import Ledger
from csms.misdeeds import Misdeeds
from csms.registration import BootPolicy
from csms.statistics import Statistics
from csms.tags import Place, TagBook
from stations.wire.types import AuthorizationStatus, RegistrationStatus

if TYPE_CHECKING:
    from csms.session import Session


class Central:
    """The state behind every answer. Lives in the event loop's thread."""

    def __init__(self, ledger: Ledger, tags: TagBook, boot: BootPolicy, *, record_frames: bool) -> None:
        self.ledger = ledger
        self.tags = tags
        self.boot = boot
        self.record_frames = record_frames
        self.misdeeds = Misdeeds(Behaviour(), ledger.append)
        self.statistics = Statistics(time.time())
        self.sessions: dict[str, Session] = {}  # by station identity, connected ones
        self.registered: dict[str, RegistrationStatus | None] = {}  # every station ever seen
        self.running: dict[str, dict[int, int]] = {}  # station -> connector -> open transactionId

    def misbehave(self, behaviour: Behaviour) -> None:
        """Put other faults in force from now on."""
        self.misdeeds = Misdeeds(behaviour, self.ledger.append)

    def opened(self, start: rows.Start) -> None:
        """A transaction was recorded. One still open on the same connector has lost its stop."""
        running = self.running.setdefault(start.station, {})
        if start.connector in running:
            self.tags.stopped(start.station, running[start.connector])
        running[start.connector] = start.transaction_id
        if start.authorization == AuthorizationStatus.ACCEPTED.value:  # a refused start occupies no tag
            self.tags.started(start.id_tag, start.transaction_id, Place(start.station, start.connector))

    def ended(self, station: str, transaction_id: int) -> None:
        """A transaction is over; unknown ids change nothing."""
        running = self.running.get(station, {})
        for connector, running_id in list(running.items()):
            if running_id == transaction_id:
                del running[connector]
        if not running:
            self.running.pop(station, None)
        self.tags.stopped(station, transaction_id)

    def other_transaction(self, station: str, connector: int) -> int | None:
        """The id in use on another connector of the same station (fault `merged-transactions`)."""
        running = self.running.get(station, {})
        return next((running_id for other, running_id in running.items() if other != connector), None)

    def foreign_transaction(self, station: str) -> int | None:
        """An id in use on another station (fault `duplicate-transaction-id`)."""
        for other, running in self.running.items():
            if other != station:
                return next(iter(running.values()))
        return None

    def select(self, wanted: str | Iterable[str]) -> list[str]:
        """Identities that a request names: a glob over the connected stations, or a list taken as it is."""
        if isinstance(wanted, str):
            return sorted(station for station in self.sessions if fnmatchcase(station, wanted))
        return list(dict.fromkeys(wanted))
