"""A Green'Up charging station: five machines, one file each, and what couples them.

- link (`link.py`): off → connecting → up → waiting → connecting … One WebSocket at a time.
- registration (`boot.py`): "" → Pending | Rejected | Accepted. Begins anew with every restart, survives a
  reconnect once Accepted. It decides what may be sent at all.
- call (`calls.py`, `backlog.py`): idle or one open CALL. The outbox goes first, then the transaction queue.
- connector (`connector.py`), one per side: the status table of OCPP 1.6, derived from facts.
- transaction (`transaction.py`), at most one per connector: started → acknowledged → stopped → settled.

What couples them: the link coming up wakes the registration; Accepted opens the line for everything; the end
of a CALL wakes whoever sent it (`dispatch.ENDS`); facts at a connector start and stop its transaction; the
transaction's messages go to the queue, which nothing but delivery empties. A lost link ends the open CALL and
touches neither connectors nor transactions. A restart keeps what `memory.py` lists and forgets the rest.

This file only dispatches. A handler is a function in the module that owns the fact, found in a table of
`dispatch.py` by event type, alarm or action. Handlers append to `station.effects`; the line is used once, at
the end of each event, so that an answer always precedes the messages that it causes (CMD-1).
"""

from math import inf
from typing import TYPE_CHECKING, Final

from stations.core import (  # noqa: F401 — importing them fills the dispatch tables
    answers,
    authorization,
    availability,
    booking,
    boot,
    calls,
    charging_profiles,
    configure,
    flood,
    hardware,
    link,
    locallist,
    maintenance,
    memory,
    meter,
    power,
    product_faults,
    reader,
    reconfigure,
    remote,
    status,
    supply,
    transaction,
    trigger,
)
from stations.core.alarms import Alarms
from stations.core.configuration import Configuration
from stations.core.connector import Connector, settle
from stations.core.dispatch import EVENTS, RINGS
from stations.core.event_log import EventLog
from stations.core.events import Effects, Event, Finding, OpenCall, Persist
from stations.core.link import LinkState
from stations.core.plan import Plan
from stations.core.streams import stream
from stations.errors import PlanError
from stations.wire.types import RegistrationStatus, ResetType

if TYPE_CHECKING:
    from stations.core.diagnostics import DiagnosticsUpload
    from stations.core.firmware import FirmwareUpdate
    from stations.core.outgoing import Outgoing
    from stations.core.reservation import Reservations
    from stations.core.smartcharging import ChargingProfiles
    from stations.core.tokens import Tokens
from stations.core.transfers import Transfers

_FIRST_ID: Final = 10**19  # RPC-2: ids have 20 digits
_ACCEPTED: Final = RegistrationStatus.ACCEPTED


class Station:
    """One station. `connectors[0]` is the station as a whole, `connectors[1:]` are its sides."""

    __slots__ = (
        "accepted_url",
        "active",
        "alarms",
        "attempts",
        "changed",
        "configuration",
        "connectors",
        "due",
        "effects",
        "failed_resets",
        "fallback",
        "firmware",
        "heard_at",
        "held",
        "last_call_at",
        "last_start_s",
        "line_free_at",
        "link",
        "link_up",
        "log",
        "luck",
        "message_id",
        "now",
        "online_at",
        "open_call",
        "outbox",
        "outgoing",
        "paced_at",
        "plan",
        "powered",
        "profiles",
        "queue",
        "received_id",
        "registration",
        "reservations",
        "resetting",
        "rtc_offset_s",
        "running",
        "sequence",
        "silent_calls",
        "tokens",
        "update",
        "upload",
        "wall_offset_s",
        "wall_rate",
        "wall_told",
    )

    def __init__(self, plan: Plan, seed: int) -> None:
        product = plan.product
        if product.faults:
            product_faults.check(product)
        self.plan = plan
        self.configuration = Configuration(product)
        self.alarms = Alarms()
        self.luck = stream(seed, plan.identity, "station")
        self.connectors = tuple(
            Connector(number, product.max_current_a) for number in range(product.connectors + 1)
        )
        self.firmware = product.firmware
        # non-volatile
        self.active = True  # the web page's switch
        self.accepted_url = ""  # of the last acceptance (BOOT-9)
        self.sequence = 0  # of the last transaction
        self.last_start_s = 0.0
        self.message_id = _FIRST_ID + stream(seed, plan.identity, "message ids").bits64()
        self.queue: list[Outgoing] | None = None
        self.tokens: Tokens | None = None
        self.profiles: ChargingProfiles | None = None
        self.reservations: Reservations | None = None
        self.update: FirmwareUpdate | None = None
        self.fallback: int | None = None  # security profile to return to if the new one fails (SEC-2)
        # the present event
        self.now = self.due = 0.0
        self.effects: Effects = []
        self.changed = False  # something non-volatile is another than before
        # power and link
        self.powered = self.running = False
        self.resetting: ResetType | None = None
        self.failed_resets = 0  # RE-4
        self.held = False  # unavailable while firmware is installed (UF-2)
        self.upload: DiagnosticsUpload | None = None
        self.log = EventLog() if product.real_transfers else None  # GD-3
        self.link = LinkState.OFF
        self.link_up = False
        self.attempts = 0
        self.rtc_offset_s, self.wall_offset_s, self.wall_rate, self.wall_told = 0.0, 0.0, 1.0, True
        # registration and calls
        self.registration: RegistrationStatus | str = ""
        self.online_at = self.line_free_at = self.last_call_at = self.heard_at = self.paced_at = 0.0
        self.silent_calls = 0
        self.received_id = ""
        self.open_call: OpenCall | None = None
        self.outgoing: Outgoing | None = None
        self.outbox: list[Outgoing] | None = None

    # ---- the contract with the edge -------------------------------------------------------------------

    def on_event(self, event: Event, now: float, due: float | None = None) -> Effects:
        """Apply one event; returns what the edge must do, in order."""
        self.now = now
        self.due = now if due is None else due
        self.effects = []
        self.changed = False
        EVENTS[type(event)](self, event)
        return self._finish()

    def deadline(self) -> float | None:
        """When `on_deadline` is wanted next; None for never."""
        earliest = self.alarms.earliest
        return None if earliest == inf else earliest

    def on_deadline(self, now: float) -> Effects:
        """Do everything that is due by now."""
        self.now = now
        self.effects = []
        self.changed = False
        alarms = self.alarms
        while alarms.earliest <= now:
            kind, connector, at = alarms.take()
            self.due = now
            RINGS[kind](self, connector, at)
        return self._finish()

    def _finish(self) -> Effects:
        if self.resetting is not None:
            power.proceed(self)
        if self.open_call is None and (self.outbox or self.queue):
            calls.pump(self)
        effects = self.effects
        if self.log is not None:
            self.log.note(self)
        if self.changed and self.plan.durable:
            effects.insert(0, Persist())  # before anything is sent that the store must not forget
        return effects

    def snapshot(self, now: float | None = None) -> bytes:
        """The non-volatile memory as of `now`, which is the last event's moment if not given."""
        return memory.snapshot(self, self.now if now is None else now)

    def restore(self, data: bytes) -> None:
        """Take back what `snapshot` gave, before PowerOn; PlanError for anything else."""
        memory.restore(self, data)

    # ---- what others may look at ----------------------------------------------------------------------

    @property
    def online(self) -> bool:
        """Whether the WebSocket is open."""
        return self.link_up

    @property
    def serving(self) -> bool:
        """Online and accepted: everything may be sent."""
        return self.link_up and self.registration is _ACCEPTED

    @property
    def accepted_before(self) -> bool:
        """Whether the central system of the URL in force has ever accepted this station (BOOT-9)."""
        return bool(self.accepted_url) and link.same_place(self.accepted_url, link.url(self))

    @property
    def backlog(self) -> int:
        """Transaction messages that wait for delivery."""
        return len(self.queue or ())

    def meter_wh(self, connector: int, now: float) -> int:
        """Life register of a connector, in Wh (MV-5)."""
        return int(self.connectors[connector].energy_wh(now))

    def limit_a(self, connector: int) -> float:
        """A per phase offered to the connector's transaction; its hardware limit while none runs."""
        side = self.connectors[connector]
        return supply.hardware_a(self, side) if side.transaction is None else side.limit_a

    def power_w(self, connector: int, now: float) -> float:
        """Active power that flows through a connector."""
        return meter.power_w(self.connectors[connector], now)

    # ---- what the machines share ----------------------------------------------------------------------

    def side(self, number: int, *, zero: bool = False) -> Connector:
        """The connector an event of ours names; PlanError if the product has none."""
        if not (0 if zero else 1) <= number < len(self.connectors):
            raise PlanError(f"{self.plan.identity} has no connector {number}")
        return self.connectors[number]

    def is_operative(self, connector: Connector) -> bool:
        """CA-7: the side's own flag and the station's; UF-2: no new user during an installation."""
        closed = self.held or connector.number in self.plan.product.local_connectors
        return connector.operative and self.connectors[0].operative and not closed

    def is_detachable(self, connector: Connector) -> bool:
        """Whether the side's cable comes off; OCPPConf.xml can make a side act as if it did not (UC-2)."""
        product = self.plan.product
        return product.detachable_cable and connector.number not in product.attached_connectors

    def is_charging(self) -> bool:
        """Whether any transaction runs."""
        return any(connector.transaction is not None for connector in self.connectors)

    @property
    def transfer_model(self) -> Transfers | None:
        """None for real transfers (GD-1, UF-1)."""
        product = self.plan.product
        return None if product.real_transfers else product.transfers

    def set_link(self, link_state: LinkState) -> None:
        """The link machine moves."""
        self.link = link_state
        self.link_up = link_state is LinkState.UP

    def settle(self, connector: Connector) -> None:
        """Let a connector follow its facts."""
        settle(self, connector)

    def clock_stepped(self, step_s: float) -> None:
        """HB-4: what follows the wall clock is looked at again; what counts elapsed time is not moved."""
        if self.profiles is not None:
            self.profiles.clock_stepped(step_s)
        if self.update is not None:
            maintenance.clock_stepped(self, self.update)
        if self.running:
            booking.arm(self)
            meter.arm_clock(self)
            supply.apply(self)

    def resume_update(self) -> None:
        """The software begins: a firmware update goes on."""
        maintenance.resume_update(self)

    def remember_acceptance(self) -> None:
        """BOOT-9: from now on the offline rules hold for the URL in force."""
        self.accepted_url = link.url(self)

    def link_is_dead(self) -> None:
        """Nothing was heard for too long: the link is half-open."""
        link.dead(self)

    def find(self, rule: str, detail: str, frame: bytes = b"") -> None:
        """The central system broke a rule in our sight (C8)."""
        self.effects.append(Finding(rule, detail, frame))
