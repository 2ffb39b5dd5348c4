"""The stations of one test in this process, from the hub's side: commands out, facts in."""

import logging
from collections.abc import Callable
from math import ceil
from typing import TYPE_CHECKING, Any, Final

import gevent
import msgspec

from engine import limits
from engine.bridge import collect, pulse, statistics
from engine.bridge.crossing import Crossing, native_sleep, native_thread
from engine.bridge.lasting import Lasting
from engine.bridge.messages import Closing, Order
from engine.bridge.options import AS_THE_FLEET_SAYS, Settings, timestamps
from engine.dial import DialSettings
from engine.facts import Answer, FactBatch
from engine.loop import LoopSettings
from engine.orders import Ask, Begin, ClockOffset, Deploy, Retire, Stop
from profiles import fleets
from results.limits import DEFAULT_LIMITS
from results.recorder import Recorder
from stations.core.plan import Personality
from stations.errors import PlanError

if TYPE_CHECKING:
    from results.columns import CallBatch

log = logging.getLogger(__name__)

STOP_GRACE_S: Final = 10.0  # for stations to end their transactions when there is no --stop-timeout
CLOSE_TIMEOUT_S: Final = 5.0
RETIRE_WITHIN_S: Final = 4.0
RETIRE_STEP_S: Final = 0.1
SHOWN_HEALTH: Final = (
    "gen_lag_p99_us",
    "loop_delay_p99_us",
    "canary_p99_us",
    "cpu_percent",
    "clock_offset_us",
)
DEPLOY_CHUNK: Final = 100  # stations built before the hub does something else; about 5 ms


class Stations:
    """One test: its fleet, its recorder and its loop thread."""

    def __init__(
        self, order: Order, worker: str, environment: Any, on_left: Callable[[list[int]], None]
    ) -> None:
        self.run = order.run
        self.closing = False
        self.gauges: dict[str, Any] = {"calls": 0, "stations": 0, "waiting": 0}
        self.bugs: list[str] = []
        self.shortages: list[
            str
        ] = []  # why stations were left out or cannot connect, by this machine's fault
        self._stood_still_s = 0.0
        self._worker = worker
        self._environment = environment
        self._on_left = on_left
        self._rate_per_s = 1.0
        self._deployed = 0
        self._others_open = limits.open_files()
        self._source_addresses = len(order.settings.source_addresses)
        self._uncounted: list[CallBatch] = []
        self._live = order.live
        self._beats: list[dict[str, Any]] = []
        self.on_answer: Callable[[Answer], None] | None = None
        self._deployment = deployment(order)
        folder, shared = collect.folder_of(order)
        self.apart = None if shared else folder  # where this worker's files are when its master sees none
        self._recorder = Recorder(
            folder,
            worker,
            start_new_thread=native_thread,
            sleep=native_sleep,
            metadata=order.metadata,
        )
        settings = loop_settings(order.settings, self._deployment.fleet, environment.stop_timeout)
        self._lasting = Lasting(order.settings.state)
        self._crossing = Crossing(settings, self._recorder, self._on_facts, self._lasting.keeper)

    def deploy(self, indices: list[int], rate_per_s: float) -> None:
        """Build these stations and boot them, `rate_per_s` of them each second."""
        self._rate_per_s = rate_per_s
        if not self._have_room(indices):
            return
        for start in range(0, len(indices), DEPLOY_CHUNK):
            if self.closing:
                return
            chunk = indices[start : start + DEPLOY_CHUNK]
            try:
                self._lasting.recall([self._deployment.identity(index) for index in chunk])
            except PlanError as mistake:
                self._leave_out(indices[start:], mistake)
                return
            built = [(index, self._deployment.station(index)) for index in chunk]
            self._crossing.post(Deploy(built, rate_per_s))
            gevent.sleep(0)

    def _have_room(self, indices: list[int]) -> bool:
        """Whether this process may open so many more sockets; a worker on another machine learns it here.

        Beyond its limit not even the run folder could be written: such stations are not started, and the run
        is told why.
        """
        try:
            limits.prepare(
                self._deployed + len(indices),
                source_addresses=self._source_addresses,
                others_open=self._others_open,
            )
        except PlanError as mistake:
            self._leave_out(indices, mistake)
            return False
        self._deployed += len(indices)
        return True

    def _leave_out(self, indices: list[int], mistake: PlanError) -> None:
        log.error("%d stations are not started: %s", len(indices), mistake)
        self.shortages.append(str(mistake))
        self._on_left(indices)

    def retire(self, indices: list[int]) -> None:
        """Let these stations end their transactions and close their links, not slower than they came.

        Locust stops everybody in one moment; a whole fleet that leaves at once would be a storm of its own,
        and its lag and latencies would stand in the results.
        """
        step = ceil(RETIRE_STEP_S * max(self._rate_per_s, len(indices) / RETIRE_WITHIN_S))
        for start in range(0, len(indices), step):
            if start:
                gevent.sleep(RETIRE_STEP_S)
            self._crossing.post(Retire(indices[start : start + step]))

    def go(self, ago_s: float) -> None:
        """The whole fleet has been started, so many seconds ago: hardship's clock runs."""
        self._crossing.post(Begin(ago_s))

    def wall_us(self) -> int:
        """The clock that stamps this worker's rows, µs since 1970."""
        return self._crossing.wall_us()

    def clock_is_off(self, offset_us: int) -> None:
        """By so much is that clock ahead of the master's."""
        self._crossing.post(ClockOffset(offset_us))

    def close(self) -> Closing:
        """Stop what still runs, count the last calls, close the files."""
        ended = self._crossing.close(CLOSE_TIMEOUT_S)
        if not ended:
            self.bugs.append("the station thread did not end")
            log.error("the station thread did not end; its last seconds are not recorded")
        self._count()
        self.bugs += self._lasting.close()
        receipt = gevent.get_hub().threadpool.apply(self._recorder.close)
        return Closing(self.run, self._worker, receipt, self.bugs, self.shortages, self._stood_still_s)

    def _count(self) -> None:
        """Bring what has come into Locust's statistics."""
        if self._uncounted:
            batches, self._uncounted = self._uncounted, []
            joined = statistics.joined(batches)
            statistics.count(self._environment, joined)
            if self._live:
                self._beats.append(pulse.by_action(joined))

    def beats(self) -> list[dict[str, Any]]:
        """The seconds of calls since the last time, for the master's page."""
        beats, self._beats = self._beats, []
        return beats

    def _look_at_the_clock(self, late_s: float) -> None:
        """A stopped process, a paused machine: said at once, and in the closing."""
        self._stood_still_s = max(self._stood_still_s, late_s)
        if late_s > DEFAULT_LIMITS.bad_seconds:
            log.error("worker %s stood still for %.0f s: the run is untrusted", self._worker, late_s)

    def cut(self) -> None:
        """Close every link at once, whatever the stations are doing."""
        self._crossing.post(Stop(0.0))

    def ask(self, ticket: int, station: int, question: Callable[..., Any]) -> None:
        """Put a question to one station; `on_answer` hears what came of it."""
        self._crossing.post(Ask(ticket, station, question))

    def _on_facts(self, facts: FactBatch) -> None:
        if facts.calls is not None:
            self.gauges["calls"] += len(facts.calls)
            self._uncounted.append(facts.calls)
        if facts.health is not None:  # once a second: small batches cost 6 µs a call, this 1 µs
            self._count()
            self._lasting.look()
            self._look_at_the_clock(facts.health["loop_delay_max_us"] / 1e6)
        self.gauges |= msgspec.to_builtins(facts.gauges) | {
            name: value for name, value in (facts.health or {}).items() if name in SHOWN_HEALTH
        }
        for bug in facts.bugs:
            log.error("a station was retired by a bug of ours: %s", bug)
        for shortage in facts.shortages:
            log.error("%s", shortage)
        self.bugs += facts.bugs
        self.shortages += facts.shortages
        self.gauges |= {"bugs": len(self.bugs), "dropped_rows": self._recorder.dropped_rows}
        for answer in facts.answers:
            if self.on_answer is not None:
                self.on_answer(answer)
        if facts.retired:
            self._deployed -= len(facts.retired)
            self._on_left(facts.retired)


def deployment(order: Order) -> fleets.Deployment:
    """The fleet of an order; any worker builds any of its stations, always the same one."""
    settings = order.settings
    personality = settings.personality
    fleet = fleets.load(settings.fleet)
    return fleet.deploy(
        url_base=order.csms_url,
        seed=settings.seed,
        personality=None if personality == AS_THE_FLEET_SAYS else Personality(personality),
        basic_auth_key=settings.basic_auth_key or None,
        security_profile=security_profile(settings),
        client_certificate=bool(settings.client_cert),
        durable=bool(settings.state),
        subprotocol_lenient=settings.subprotocol == "lenient",
        patience=settings.time_scale or fleet.time_scale,
    )


def loop_settings(settings: Settings, fleet: fleets.Fleet, stop_timeout_s: float) -> LoopSettings:
    """What the loop is told: the fleet's own pace and hour unless the arguments say otherwise."""
    return LoopSettings(
        seed=settings.seed,
        time_scale=settings.time_scale or fleet.time_scale,
        timestamps=timestamps(settings, fleet),
        start_local_s=fleet.start_local_s,
        retire_timeout_s=stop_timeout_s or STOP_GRACE_S,
        hardship=settings.hardship,
        dial=DialSettings(
            source_addresses=tuple(settings.source_addresses),
            ca_file=settings.tls_ca or None,
            certificate_file=settings.client_cert or None,
            key_file=settings.client_key or None,
        ),
    )


def security_profile(settings: Settings) -> int:
    """OCPP-J security profile that the arguments amount to (SEC-1); with both, the CSMS may raise 2 to 3."""
    if settings.client_cert and not settings.basic_auth_key:
        return 3
    if not settings.basic_auth_key:
        return 0
    return 2 if settings.csms_url.startswith("wss://") else 1
