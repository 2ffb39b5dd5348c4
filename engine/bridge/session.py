"""Joins the parts to Locust's events when a locustfile imports `StationUser`.

The order in which listeners are added matters: at the end of a test the stations report before the run folder
is sealed, and `quitting` runs backwards, so that our end comes before Locust's.
"""

import logging
import signal
from collections.abc import Callable
from typing import Any, Final

import locust
from gevent.event import Event
from locust.runners import WorkerRunner

from engine.bridge import analysis, form, mends, options, preflight, web
from engine.bridge.conductor import Conductor
from engine.bridge.dispatch import SeededDispatcher, TellingDispatcher
from engine.bridge.messages import NOTICES
from engine.bridge.progress import Progress
from engine.bridge.user import StationUser
from engine.bridge.worker import Worker
from results.exit_codes import MEANING, ExitCode, decisive

__all__ = ["StationUser", "install"]

log = logging.getLogger(NOTICES)

_line_is_good: Final = Event()  # set when the command line was read and checked


def install() -> None:
    """Called once, on import."""
    mends.apply()
    log.setLevel(logging.INFO)
    locust.events.init_command_line_parser.add_listener(_on_command_line)
    locust.events.init.add_listener(_on_init)


def _on_command_line(parser: Any, **_event: Any) -> None:
    options.add_arguments(parser)
    preflight.install(parser, _line_is_good)


def _on_init(environment: Any, runner: Any, web_ui: Any, **_event: Any) -> None:
    environment.dispatcher_class = SeededDispatcher if hasattr(runner, "clients") else TellingDispatcher
    mends.interrupt_without_traceback()
    if isinstance(runner, WorkerRunner):
        _join_worker(environment, runner)
        return
    conductor = environment.conductor = Conductor(environment, runner)
    events = environment.events
    events.test_start.add_listener(conductor.on_test_start)
    events.test_stopping.add_listener(conductor.on_test_stopping)
    if not hasattr(runner, "clients"):
        _join_stations(environment, runner)
    events.test_stop.add_listener(conductor.on_test_stop)
    conductor.watch_for_interrupt()
    _join_end(environment, conductor)
    if web_ui is not None:
        web.install(web_ui, conductor)
        form.install(web_ui, conductor)


def _join_stations(environment: Any, runner: Any) -> Worker:
    mends.switch_threads_quickly()
    worker = Worker(environment, runner)
    environment.events.test_stop.add_listener(worker.on_test_stop)
    return worker


def _join_worker(environment: Any, runner: Any) -> None:
    worker = _join_stations(environment, runner)

    def leave() -> None:
        """Stop and report before Locust says goodbye to the master; failed calls alone are no error (C10)."""
        runner.stop()
        worker.on_test_stop()  # returns when it is over: Locust calls itself stopped before it is
        code = ExitCode.UNTRUSTED if worker.master_is_lost else ExitCode.PASS
        environment.process_exit_code = int(code)

    environment.events.quitting.add_listener(_once(leave))


def _once(end: Callable[[], None]) -> Callable[..., None]:
    """`quitting` comes twice when a quit message meets SIGTERM: the second caller waits for the exit."""
    begun = Event()

    def listener(**_event: Any) -> None:
        if begun.is_set():
            Event().wait()
        begun.set()
        end()

    return listener


def _join_end(environment: Any, conductor: Conductor) -> None:
    parsed = environment.parsed_options
    progress = Progress(conductor, environment.stats) if parsed.headless and parsed.progress else None
    if progress is not None and not parsed.print_stats:
        logging.getLogger("locust.stats_logger").setLevel(logging.WARNING)

    def end() -> None:
        try:
            conductor.end()
            if (parsed.headless or parsed.autostart) and conductor.finished is not None:
                conductor.codes |= analysis.conclude(conductor.finished, to_stderr=parsed.json)
        except KeyboardInterrupt:
            conductor.codes.add(ExitCode.INTERRUPTED)
            log.warning("interrupted again: not waiting for what is left")
            conductor.on_test_stop()
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # what follows takes a second
        if progress is not None:
            progress.stop()
        code = decisive(conductor.codes)
        environment.process_exit_code = int(code)
        log.info("the run ends with exit code %d: %s", code, MEANING[code])

    environment.events.quitting.add_listener(_once(end))


install()
