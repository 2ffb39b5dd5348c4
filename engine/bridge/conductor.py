"""The master's side of a test, or that side of the only process: who runs what, what was lost, how it ends.

It makes the run folder, starts the embedded CSMS, tells the workers, leases stations to them, collects their
receipts before Locust lets go of them, and decides the exit code. Nothing per station lives here.
"""

import logging
import signal
import sys
import time
from pathlib import Path
from typing import Any, Final

import gevent
import msgspec
from gevent.event import Event
from locust.exception import StopTest
from locust.runners import MASTER_HEARTBEAT_TIMEOUT, STATE_MISSING, STATE_RUNNING

from engine import compiled
from engine.bridge import brake, collect, csms_vitals, embedded, messages, options, processes
from engine.bridge.director import Director
from engine.bridge.messages import ASK, GAUGES, GO, HELLO, LEASE, NOTICES, RECEIPT, RETURN, RUN, STOP
from engine.bridge.options import Settings
from engine.bridge.stations import STOP_GRACE_S
from engine.bridge.timepiece import answer_workers
from engine.bridge.trial import Trial
from engine.bridge.worker import worker_name
from profiles import fleets
from results import run as run_folders
from results.exit_codes import ExitCode
from stations.errors import PlanError

log = logging.getLogger(NOTICES)

WATCH_INTERVAL_S: Final = 0.5
CLOSING_MARGIN_S: Final = 30.0  # beyond the stop timeout: the last rows go to disk
LAST_WORDS_S: Final = 3.0
LOCAL: Final = "local"  # what Locust calls the only process


class Conductor:
    """One per program that has a command line of its own: the master, or the only process."""

    def __init__(self, environment: Any, runner: Any) -> None:
        self._environment = environment
        self._runner = runner
        self._local = not hasattr(runner, "clients")
        self._secret: str = environment.parsed_options.basic_auth_key
        self.trial: Trial | None = None
        self._director: Director | None = None
        self.finished: run_folders.RunFolder | None = None  # the latest one
        self.codes: set[ExitCode] = set()  # of the latest one
        self.interrupted = False
        self._begun, self._sealed = Event(), Event()  # cleared while a test begins; until it is sealed
        self._begun.set()
        self._sealed.set()
        self._dead_since: dict[str, float] = {}
        self._processes: dict[str, processes.Process] = {}
        for kind, listener in (
            (HELLO, self._on_hello),
            (ASK, self._on_ask),
            (RETURN, self._on_return),
            (GAUGES, self._on_gauges),
            (RECEIPT, self._on_receipt),
        ):
            runner.register_message(kind, listener)
        answer_workers(runner)
        collect.receive(runner, self._trial_of)
        gevent.spawn(self._watch)

    # beginning

    def on_test_start(self, **_event: Any) -> None:
        """A new run folder for each test; when it cannot begin, nothing does."""
        if not self._sealed.is_set():  # the page lets one start a test while the last one still ends
            self._sealed.wait()
            self._environment.stats.clear_all()
        self.codes, self.interrupted = set(), False
        self._begun.clear()
        self._sealed.clear()
        try:
            self.trial = trial = self._begin(self.settings())
        except PlanError as mistake:
            self.refuse(mistake)
            raise StopTest(str(mistake)) from None
        finally:
            # After a mistake, or a quit that killed the greenlet which begins, nobody waits for it.
            if self.trial is None:
                self._sealed.set()
            self._begun.set()
        for client in [LOCAL] if self._local else [node.id for node in self._runner.clients.all]:
            self._tell(client)
        if trial.settings.duration_s:
            trial.timer = gevent.spawn_later(trial.settings.duration_s, self._time_is_up)
        if brake.is_wanted(trial.settings.slo):
            trial.brake = brake.Brake(trial.folder.path, trial.settings.slo, self._brake)
        csms_vitals.watch(trial)
        self._direct(trial)

    def refuse(self, mistake: PlanError) -> None:
        """The user's mistake, in one line; a headless program ends with it."""
        self.codes.add(ExitCode.INPUT)
        log.error("%s", mistake)
        if self._environment.parsed_options.headless:
            gevent.spawn(self._runner.quit)

    def settings(self) -> Settings:
        """What command line or form ask for; an empty secret in the form means the one given before."""
        parsed = self._environment.parsed_options
        parsed.basic_auth_key = parsed.basic_auth_key or self._secret
        return options.read(parsed)

    def _begin(self, settings: Settings) -> Trial:
        parsed = self._environment.parsed_options
        common = ("num_users", "spawn_rate", "run_time", "stop_timeout", "processes", "headless")
        secret = settings.basic_auth_key
        fleet = fleets.load(settings.fleet)
        for warning in fleet.warnings:
            log.warning("fleet %s: %s", fleet.name, warning)
        folder = run_folders.create(
            settings.runs,
            Path(self._environment.locustfile or "run").stem,
            arguments=settings.public() | {name: getattr(parsed, name, None) for name in common},
            seed=settings.seed,
            started_us=time.time_ns() // 1_000,
            command=[word.replace(secret, "***") if secret else word for word in sys.argv],
            time_scale=settings.time_scale or fleet.time_scale,
            timestamps=options.timestamps(settings, fleet),
            phases=options.phases(settings),
        )
        folder.record.versions["hot path"] = compiled.form()
        csms = None
        if not settings.csms_url:
            csms = embedded.start(folder.path, settings)
            log.info("no --csms-url: the embedded CSMS runs at %s, its API at %s", csms.url, csms.api_url)
        return Trial(settings, folder, csms)

    def _tell(self, client: str) -> None:
        trial = self.trial
        if trial is None or trial.ending:
            return
        name = worker_name(0 if self._local else self._runner.get_worker_index(client))
        trial.names[client] = name
        trial.folder.expect([name])
        url = trial.csms.url if trial.csms else trial.settings.csms_url
        folder = str(trial.folder.path.resolve())
        live = self._environment.web_ui is not None
        order = messages.Order(
            trial.run, folder, url, trial.settings, trial.folder.metadata(), processes.own(), live
        )
        self._runner.send_message(RUN, messages.write(order), client_id=client)
        if trial.go_s is not None:
            self._go(client)  # it comes late

    def _go(self, client: str) -> None:
        trial = self.trial
        if trial is not None and trial.go_s is not None:
            go = messages.Go(trial.run, time.monotonic() - trial.go_s)
            self._runner.send_message(GO, messages.write(go), client_id=client)

    def _go_everybody(self) -> None:
        for client in self.trial.names if self.trial is not None else ():
            self._go(client)

    def _direct(self, trial: Trial) -> None:
        """Let the scenario take its course."""
        course = options.course(self._environment.parsed_options, trial.settings)
        self._director = Director(
            trial,
            course,
            trial.settings.time_scale or fleets.load(trial.settings.fleet).time_scale,
            settled=lambda: self._phase(trial) == "steady",
            go=self._go_everybody,
            finish=self._time_is_up if not trial.settings.duration_s else lambda: None,
        )
        trial.directing = gevent.spawn(self._director.run)

    def _brake(self, broken: list[str]) -> None:
        """A threshold marked `abort` broke."""
        trial = self.trial
        if trial is None or trial.ending:
            return
        trial.aborted = True
        self.codes.add(ExitCode.BRAKE)
        for line in broken:
            log.error("aborted by the brake: %s", line)
        self._finish()

    def _time_is_up(self) -> None:
        if self.trial is not None:
            self.trial.time_is_up = True
        timed = self.trial is not None and self.trial.settings.duration_s
        log.info("%s is over", "--duration" if timed else "the scenario")
        self._finish()

    def _finish(self) -> None:
        """End the test; in a headless run, which has nothing else to do, the program too."""
        parsed, runner = self._environment.parsed_options, self._runner
        if parsed.headless:
            runner.quit()
            return
        runner.stop()
        if parsed.autostart and parsed.autoquit != -1:
            gevent.sleep(parsed.autoquit)
            runner.quit()
            self._environment.web_ui.stop()

    # workers

    def _trial_of(self, payload: dict[str, Any]) -> Trial | None:
        trial = self.trial
        return trial if trial is not None and payload["run"] == trial.run else None

    def _on_hello(self, msg: Any, **_event: Any) -> None:
        self._processes[msg.node_id] = msgspec.convert(msg.data, processes.Process)
        self._tell(msg.node_id)

    def _on_ask(self, msg: Any, **_event: Any) -> None:
        trial = self._trial_of(msg.data)
        if trial is None:
            return
        if not self._local:
            self._look_at_workers(trial)  # if Locust gave somebody up, its stations are leased, not new ones
        ranges = trial.leases.take(msg.node_id, msgspec.convert(msg.data, messages.Ask).count)
        leased = messages.Lease(trial.run, ranges, self._rate_per_s())
        self._runner.send_message(LEASE, messages.write(leased), client_id=msg.node_id)

    def _rate_per_s(self) -> float:
        """One worker's share of the spawn rate."""
        dispatcher = self._runner._users_dispatcher  # noqa: SLF001 — Locust tells the rate to nobody else
        rate = dispatcher.spawn_rate if dispatcher is not None else 1.0
        return float(rate) / (1 if self._local else max(1, self._runner.worker_count))

    def _on_return(self, msg: Any, **_event: Any) -> None:
        trial = self._trial_of(msg.data)
        if trial is not None:
            trial.leases.give_back(msg.node_id, msgspec.convert(msg.data, messages.Lease).ranges)

    def _on_gauges(self, msg: Any, **_event: Any) -> None:
        trial = self._trial_of(msg.data)
        if trial is not None:
            trial.report(msg.node_id, msg.data)

    def _on_receipt(self, msg: Any, **_event: Any) -> None:
        trial = self._trial_of(msg.data)
        if trial is not None:
            trial.closed(msg.node_id, msgspec.convert(msg.data, messages.Closing), time.monotonic())

    def _watch(self) -> None:
        while True:
            gevent.sleep(WATCH_INTERVAL_S)
            trial = self.trial
            if trial is not None and not trial.ending:
                trial.enter(self._phase(trial))
            if trial is not None and not self._local:
                self._look_at_workers(trial)

    def _phase(self, trial: Trial) -> str:
        """Steady is: everybody whom Locust wants has been told to boot."""
        gauges = trial.gauges.values()
        running = sum(worker["stations"] for worker in gauges)
        waiting = sum(worker["waiting"] for worker in gauges)
        settled = self._runner.state == STATE_RUNNING and running > 0 and waiting == 0
        return "steady" if settled else "ramp"

    def _look_at_workers(self, trial: Trial) -> None:
        """Notice who is lost, who is back, and who is surely gone so that others may run its stations."""
        clients = self._runner.clients
        for client in trial.names.keys() - trial.closings.keys():
            silent = client not in clients or _is_missing(clients[client]) or self._dead(client)
            if silent and client not in trial.lost:
                log.error("worker %s is lost: the run goes on and is untrusted", trial.names[client])
                trial.lose(client, time.monotonic())
            elif not silent and client in trial.lost:
                log.warning("worker %s is back", trial.names[client])
                trial.find(client)
        for client, since_s in trial.lost.items():
            if trial.leases.held_by(client) and self._surely_gone(client, since_s):
                trial.leases.bury(client)
        if trial.lost and not trial.ending and not trial.awaited():
            self._give_up(trial)

    def _give_up(self, trial: Trial) -> None:
        """No worker is left."""
        trial.end(time.monotonic())
        log.error("no worker is left: the test ends")
        gevent.spawn(self._runner.quit if self._environment.parsed_options.headless else self._runner.stop)

    def _dead(self, client: str) -> bool:
        """Known before its heartbeats are missed; what it sent last may still be on the way."""
        process = self._processes.get(client)
        if process is None or not processes.is_gone(process):
            return False
        since_s = self._dead_since.setdefault(client, time.monotonic())
        return time.monotonic() - since_s > LAST_WORDS_S

    def _surely_gone(self, client: str, since_s: float) -> bool:
        """Dead on this machine; or away so long that, if it lives, it has given its master up and stopped."""
        process = self._processes.get(client)
        if process is not None and processes.is_near(process):
            return processes.is_gone(process)
        patience_s = MASTER_HEARTBEAT_TIMEOUT + self._environment.stop_timeout + CLOSING_MARGIN_S
        return bool(time.monotonic() - since_s > patience_s)

    # end

    def on_test_stopping(self, **_event: Any) -> None:
        """Every end comes through here, `-t` too: workers stop and report while Locust still listens."""
        trial = self.trial
        if trial is None:
            return
        trial.end(time.monotonic())
        if trial.brake is not None:
            trial.brake.release()
        if trial.timer is not None and trial.timer is not gevent.getcurrent():
            trial.timer.kill(block=False)
        if trial.directing is not None and trial.directing is not gevent.getcurrent():
            trial.directing.kill(block=False)
        if self._local:
            return
        self._look_at_workers(trial)  # one may have come back this moment
        for client in trial.names.keys() - trial.closings.keys():  # who is lost may yet read it
            self._runner.send_message(STOP, {"run": trial.run}, client_id=client)
        patience_s = max(self._environment.stop_timeout, STOP_GRACE_S) + CLOSING_MARGIN_S
        if not trial.wait_for_receipts(patience_s):
            silent = sorted(trial.names[client] for client in trial.awaited())
            log.error("no receipt from worker %s", ", ".join(silent))

    def on_test_stop(self, **_event: Any) -> None:
        """Seal the run folder."""
        trial, self.trial = self.trial, None
        if trial is None:
            self._sealed.wait()  # somebody else is at it: Locust calls itself stopped before it is
            return
        try:
            self._seal(trial)
        finally:
            self._sealed.set()

    def end(self) -> None:
        """End the test, if there is one; a master's workers have reported when this returns."""
        self._begun.wait()
        if self.trial is not None and self._local:
            self._runner.stop()
        elif self.trial is not None:
            self._runner.stop(send_stop_to_client=False)  # Locust makes them quit a moment later
        self.on_test_stop()

    def _seal(self, trial: Trial) -> None:
        if trial.csms is not None:
            trial.csms.stop()
        if self._director is not None:
            self._director.close()
        trial.folder.record.scenario = trial.story
        trial.folder.record.clock["offsets_us"] = trial.clock_offsets_us
        record = trial.folder.finish(
            trial.receipts,
            ended_us=time.time_ns() // 1_000,
            status=self._status(trial),
            lost_workers=trial.faltered,
            standstills_s=trial.standstills_s,
            station_bugs=len(trial.bugs),
            shortages=trial.shortages,
        )
        if record.untrusted:
            self.codes.add(ExitCode.UNTRUSTED)
            log.error("this run is untrusted: %s", "; ".join(record.untrusted))
        self.finished = trial.folder
        log.info("results: %s", trial.folder.path)

    def _status(self, trial: Trial) -> str:
        if trial.aborted:
            return run_folders.ABORTED
        ran_out = trial.time_is_up or self._environment.parsed_options.headless
        return run_folders.FINISHED if ran_out and not self.interrupted else run_folders.STOPPED

    def wait_until_sealed(self) -> None:
        """Until the run folder of the last test is whole."""
        self._sealed.wait()

    def watch_for_interrupt(self) -> None:
        """Remember Ctrl-C, then let Locust deal with it. Where it is ignored (nohup, `&`), it stays so."""
        deal_with = signal.getsignal(signal.SIGINT)
        if not callable(deal_with):
            return

        def remember(number: int, frame: Any) -> None:
            if not self._sealed.is_set():
                self.interrupted = True
                self.codes.add(ExitCode.INTERRUPTED)
                if self.trial is None and self._begun.is_set():
                    return  # the folder is being sealed: impatience must not cost the record of the run
            deal_with(number, frame)

        signal.signal(signal.SIGINT, remember)


def _is_missing(worker: Any) -> bool:
    """Whether Locust has given it up and heard nothing since.

    Its state alone says so for a second too long: Locust first hands out users to a worker that is back.
    """
    return bool(worker.state == STATE_MISSING and worker.heartbeat < 0)
