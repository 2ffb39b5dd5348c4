"""One station in real time, driven by commands (`engine.commands`): the third edge beside loop and virtual.

What happens is said as it happens, one JSON object a line, each with `event`:
frame (direction, message), link (state, detail, code), registration, status, transaction, finding, transfer.
A command that cannot be is answered by {"error": "..."} and changes nothing.
"""

import asyncio
import threading
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from engine import byhand, commands, hostkeys, transfer
from engine.byhand import SEED
from engine.clock import Clock, monotonic
from engine.dial import Dial, DialSettings
from engine.hostkeys import HostKeys
from engine.journal import Journal
from engine.link import Link
from engine.store import FolderStore, MemoryStore, Store
from engine.tally import Tally
from engine.transfer import Moved
from engine.unit import FOREVER, Unit
from stations.core import events as ev
from stations.core import hardware
from stations.core.station import Station
from stations.errors import PlanError

if TYPE_CHECKING:
    from stations.core.plan import Plan
    from stations.core.vehicle import Vehicle

Say = Callable[[dict[str, Any]], None]


class Told(Journal):
    """Facts are said, not recorded. Calls and commands are told by their frames."""

    def __init__(self, say: Say) -> None:
        self._say = say

    def call(self, *_fact: object) -> None:
        """Nothing to add."""

    def command(self, *_fact: object) -> None:
        """Nothing to add."""

    def accepted(self, *_fact: object) -> None:
        """The registration says it."""

    def transaction(self, station: int, effect: ev.TransactionChanged, now: float) -> None:
        """A transaction changed."""
        del station, now
        self._say({"event": "transaction", **msgspec.structs.asdict(effect)})

    def opened(self, *_fact: object) -> None:
        """The WebSocket is open."""
        self._say({"event": "link", "state": "open"})

    def refused(self, station: int, now: float, since: float, kind: str, detail: str) -> None:
        """An attempt failed."""
        del station, now, since
        self._say({"event": "link", "state": "refused", "failure": kind, "detail": detail})

    def ended(
        self, station: int, now: float, since: float, code: int | None, reason: str, *, ours: bool
    ) -> None:
        """The WebSocket is gone."""
        del station, now, since, ours
        self._say({"event": "link", "state": "down", "code": code, "detail": reason})

    def finding(self, station: int, effect: ev.Finding, now: float) -> None:
        """The central system broke a rule."""
        del station, now
        self._say({"event": "finding", "rule": effect.rule, "detail": effect.detail})


class ShownUnit(Unit):
    """A unit that says which frames pass and what the live views of a fleet would only count."""

    __slots__ = ("say",)

    def __init__(self, station: Station, connectors: int, edge: "Control", say: Say) -> None:
        super().__init__(0, station, None, connectors, edge)
        self.say = say
        self._perform = {
            **self.performers(),
            ev.StatusChanged: ShownUnit._status_changed,
            ev.RegistrationChanged: ShownUnit._registration_changed,
            ev.Send: ShownUnit._send,
        }

    def _status_changed(self, effect: ev.StatusChanged, now: float) -> None:
        self.say({"event": "status", **msgspec.structs.asdict(effect)})
        super()._status_changed(effect, now)

    def _registration_changed(self, effect: ev.RegistrationChanged, now: float) -> None:
        self.say({"event": "registration", "status": effect.status})
        super()._registration_changed(effect, now)

    def _send(self, effect: ev.Send, now: float) -> None:
        self.say(_frame("out", effect.data))
        super()._send(effect, now)

    def received(self, data: bytes) -> None:
        """One text message."""
        self.say(_frame("in", data))
        super().received(data)


def _frame(direction: str, data: bytes) -> dict[str, Any]:
    try:
        message: Any = msgspec.json.decode(data)
    except (ValueError, RecursionError):  # no JSON, or nested without bottom (RPC-6)
        message = data.decode("utf-8", "replace")
    return {"event": "frame", "direction": direction, "message": message}


class Control:
    """The station on the desk. Implements `engine.edge.Edge` for its one unit; all in one asyncio loop."""

    def __init__(self, loop: asyncio.AbstractEventLoop, say: Say, dial: DialSettings) -> None:
        self.clock = Clock()
        self.journal: Journal = Told(say)
        self.tally = Tally()
        self._loop = loop
        self._say = say
        self._dial = Dial(loop, dial)
        self._unit: ShownUnit | None = None
        self._plan: Plan | None = None
        self._stores: dict[str | None, Store] = {}
        self._host_keys: dict[str | None, HostKeys] = {}
        self._store: Store = MemoryStore()
        self._hosts = HostKeys()
        self._plugged: dict[int, Vehicle] = {}
        self._dark: Station | None = None  # without power: of what it was, only its hardware counts
        self._timer: asyncio.TimerHandle | None = None
        self._wakes_at = FOREVER  # monotonic seconds
        self.ended = asyncio.Event()

    def command(self, line: bytes) -> None:
        """One line of input; never waits for OCPP traffic."""
        try:
            command = commands.read(line)
            self._check(command)
            self._obey(command)
        except (msgspec.DecodeError, PlanError) as mistake:
            self._say({"error": str(mistake)})

    def _check(self, command: commands.Command) -> None:
        powered = self._unit is not None
        if isinstance(command, commands.PowerOn) and powered:
            raise PlanError("the station is on already; power_off first")
        if isinstance(command, commands.PowerOn | commands.Exit):
            return
        if not powered and not isinstance(command, commands.PlugIn | commands.PlugOut):
            raise PlanError("the station is off; power_on first")
        last = commands.MOST_CONNECTORS if self._plan is None else self._plan.product.connectors
        whole = isinstance(command, commands.Fault | commands.ClearFault)
        for number in commands.connector_of(command):
            if not (0 if whole else 1) <= number <= last:
                raise PlanError(f"connector {number}: this station has {last}")

    def _obey(self, command: commands.Command) -> None:
        match command:
            case commands.PowerOn():
                self._power_on(command.spec)
            case commands.PowerOff():
                self._power_off()
            case commands.Exit():
                self.ended.set()
            case commands.PlugIn():
                self._plug_in(command)
            case _:
                if isinstance(command, commands.PlugOut | commands.PlugOutEv):
                    self._plugged.pop(command.connector, None)
                self._happen(commands.event_of(command))

    def _happen(self, event: ev.Event) -> None:
        if self._unit is not None:
            self._unit.happen(event)
        elif self._dark is not None:
            self._dark.on_event(event, self.clock.now())

    def _power_on(self, spec: commands.Spec) -> None:
        plan = spec.plan(client_certificate=self._dial.settings.certificate_file is not None)
        for connector in self._plugged:
            if connector > plan.product.connectors:
                raise PlanError(f"connector {connector}: a vehicle is in, but there is no such side")
        store = self._stores.setdefault(spec.state_dir, _store(spec.state_dir))
        station = Station(plan, SEED)
        memory = store.load(plan.identity)
        if memory is not None:
            station.restore(memory)
        if self._dark is not None and self._is_same_cabinet(spec, store):
            hardware.stays(station, self._dark)
        self._plan, self._store, self._dark = plan, store, None
        self._hosts = self._host_keys.setdefault(spec.state_dir, _host_keys(spec.state_dir))
        self._unit = unit = ShownUnit(station, plan.product.connectors, self, self._say)
        for connector, vehicle in self._plugged.items():
            unit.happen(ev.PlugIn(connector, vehicle))
        unit.power_on()

    def _is_same_cabinet(self, spec: commands.Spec, store: Store) -> bool:
        """The folder is the hardware, whatever the identity; without a folder the identity is."""
        same_name = self._plan is not None and self._plan.identity == spec.charge_point_id
        return store is self._store and (spec.state_dir is not None or same_name)

    def _power_off(self) -> None:
        unit, self._unit = self._unit, None
        if unit is not None:
            unit.happen(ev.PowerOff())
            self.persist(unit)
            unit.end()
            self._dark = unit.station
        self._disarm()

    def _plug_in(self, command: commands.PlugIn) -> None:
        identity = "" if self._plan is None else self._plan.identity
        if command.connector in self._plugged:
            raise PlanError(f"connector {command.connector}: a vehicle is plugged in already")
        vehicle = byhand.car(command.vehicle, identity, command.connector)
        self._plugged[command.connector] = vehicle
        self._happen(ev.PlugIn(command.connector, vehicle))

    # What the unit asks of its edge.

    def open_link(self, unit: Unit, url: str, authorization: str | None) -> Link:
        """A new link."""
        return Link(unit, self._dial, url, authorization)

    def arrived(self, unit: Unit) -> None:
        """Read at once."""
        unit.read()

    def arm(self, unit: Unit, deadline_s: float) -> None:
        """One timer, for the earliest of what the unit has asked for since it was last woken."""
        if deadline_s >= self._wakes_at:
            return
        self._disarm()
        self._wakes_at = deadline_s
        # uvloop counts in milliseconds; a timer that rings early finds nothing due and is set again.
        wait_s = max(0.0, deadline_s - monotonic()) + 0.001
        self._timer = self._loop.call_later(wait_s, self._wake, unit)

    def _disarm(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._wakes_at = FOREVER

    def _wake(self, unit: Unit) -> None:
        self._wakes_at = FOREVER
        unit.on_deadline()

    def gone(self, unit: Unit, bug: str) -> None:
        """Ended: by a power cut, or by a bug of ours."""
        if bug:
            self._say({"error": f"the station failed, this is our bug: {bug}"})
            if unit is self._unit:
                self._unit = None

    def persist(self, unit: Unit) -> None:
        """Before anything is sent that the store must not forget."""
        self._store.save(unit.station.plan.identity, unit.station.snapshot(self.clock.now()))

    def transfer(self, unit: Unit, wanted: ev.TransferWanted) -> None:
        """A real one, in a thread of its own that no end of the process waits for."""
        threading.Thread(target=self._move, args=(unit, wanted, self._hosts), daemon=True).start()

    def _move(self, unit: Unit, wanted: ev.TransferWanted, hosts: HostKeys) -> None:
        moved = transfer.move(wanted, hosts)
        with suppress(RuntimeError):  # the loop has ended meanwhile
            self._loop.call_soon_threadsafe(self._moved, unit, wanted, moved)

    def _moved(self, unit: Unit, wanted: ev.TransferWanted, moved: Moved) -> None:
        self._say({"event": "transfer", "kind": wanted.kind, "ok": moved.ok, "detail": moved.detail})
        if unit is self._unit:
            unit.happen(ev.TransferEnded(wanted, ok=moved.ok, detail=moved.detail))


def _store(state_dir: str | None) -> Store:
    return MemoryStore() if state_dir is None else FolderStore(Path(state_dir))


def _host_keys(state_dir: str | None) -> HostKeys:
    return HostKeys(None if state_dir is None else Path(state_dir) / hostkeys.FILE)
