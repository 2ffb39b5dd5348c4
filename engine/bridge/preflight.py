"""Everything that can be wrong with a run is said before anything starts: one line each, exit code 2 (C10).

It happens while Locust parses its command line: before `--processes` forks, before a port is bound.
"""

import os
import socket
import ssl
from collections.abc import Iterator
from math import ceil
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

from locust import User

from engine import compiled, limits
from engine.bridge import analysis, csms_vitals, lasting
from engine.bridge import options as our_options
from engine.bridge.options import Settings
from engine.bridge.user import StationUser
from engine.bridge.web import login
from results.run import check_folder
from stations.errors import PlanError

PROBE_TIMEOUT_S: Final = 5.0
MOST_PORT: Final = 65_535


def install(parser: Any, good: Any) -> None:
    """Check the command line as it is read; `good`, an Event, is set when it was found fine.

    Locust makes a parser and reads the line again for each page it serves: what was fine at the start is not
    checked again (our own ports are bound by then), and the page must not show the secret as a field's
    default (C11).
    """
    parse = parser.parse_args
    for_page = good.is_set()
    parser.prog = "locust"

    def parse_args(*args: Any, **options: Any) -> Any:
        parsed = parse(*args, **options)
        if for_page:
            parsed.basic_auth_key = ""
            return parsed
        try:
            check(parsed)
        except PlanError as mistake:
            parser.error(str(mistake))
        good.set()
        return parsed

    parser.parse_args = parse_args


def check(options: Any) -> None:
    """Raise PlanError for the first thing that cannot work."""
    if options.list_commands or options.show_task_ratio or options.show_task_ratio_json:
        return
    compiled.check()
    if options.master and options.worker:
        raise PlanError("--master and --worker: a process is one or the other; give one")
    _check_classes(options)
    if options.worker:  # told by its master, except for what its own machine has
        _check_addresses(our_options.own_addresses(options))
        return
    if options.web_login and not options.headless:
        login.check()
    settings = our_options.read(options)
    _check_size(options)
    check_settings(settings)
    _check_ports(options)
    _check_written(options)


def check_settings(settings: Settings) -> None:
    """What needs the disk or the network; also for a form that was filled in by hand."""
    check_folder(f"--runs {settings.runs}", Path(settings.runs))
    _check_addresses(settings.source_addresses)
    if settings.slo:
        analysis.check_thresholds(settings.slo, our_options.phases(settings))
    if settings.state:
        lasting.check(settings)
    if settings.csms_url:
        probe(settings)
    if settings.csms_memory:
        csms_vitals.source(settings.csms_memory)


def _check_classes(options: Any) -> None:
    """Locust looks at these after `--processes` forked, and its words are a traceback's or misleading."""
    classes = {found.__name__: found for found in _classes(User)}
    for name in options.user_classes:
        if name not in classes:
            known = ", ".join(sorted(classes))
            raise PlanError(f"{name}: the locustfile has no such user class; use {known}")
    chosen = [classes[name] for name in options.user_classes] or classes.values()
    wanted, unwanted = set(options.tags or ()), set(options.exclude_tags or ())
    for found in chosen:
        # As Locust filters; a station is its one task whatever its tags, so it is chosen by its class.
        tags: list[set[str]] = [getattr(task, "locust_tag_set", set()) for task in found.tasks]
        if issubclass(found, StationUser) and not any(
            (tag & wanted or not wanted) and not tag & unwanted for tag in tags
        ):
            flag = "--tags" if wanted else "--exclude-tags"
            given = " ".join(sorted(wanted or unwanted))
            raise PlanError(
                f"{flag} {given}: leaves {found.__name__} no task; choose stations by the name of their class"
            )


def _classes(family: type[User]) -> Iterator[type[User]]:
    """The user classes of the locustfile that was loaded."""
    for found in family.__subclasses__():
        if not found.abstract:
            yield found
        yield from _classes(found)


def _check_size(options: Any) -> None:
    stations = options.num_users or 0
    if stations < 0:
        raise PlanError(f"-u {stations}: the number of stations must be 0 or more")
    if options.run_time and options.duration:
        raise PlanError("-t and --duration: both end the test; give one")
    if options.master and not options.processes:
        return  # its workers are elsewhere: each starts what it has room for, and says so
    given = options.processes or 1
    processes = given if given > 0 else os.cpu_count() or 1  # -1: one per core, as Locust reads it
    limits.prepare(
        ceil(stations / processes),
        source_addresses=len(our_options.own_addresses(options)),
        on_machine=stations,
    )


def _check_addresses(addresses: list[str]) -> None:
    for address in addresses:
        _check_bind(f"--source-address {address}", address, 0)


def _check_written(options: Any) -> None:
    """Files that Locust writes at the end, when it would be too late to say that it cannot."""
    for flag, name in (
        ("--html", options.html_file),
        ("--json-file", options.json_file),
        ("--logfile", options.logfile),
        ("--csv", options.csv_prefix),
    ):
        if not name:
            continue
        if flag != "--csv" and Path(name).is_dir():
            raise PlanError(f"{flag} {name}: is a folder; name a file")
        check_folder(f"{flag} {Path(name).parent}", Path(name).parent)


def _check_ports(options: Any) -> None:
    if not options.headless and not options.worker:
        _check_bind(f"--web-port {options.web_port}", options.web_host.strip("*"), options.web_port)
    if options.master or options.processes:
        host = options.master_bind_host.strip("*")
        _check_bind(f"--master-bind-port {options.master_bind_port}", host, options.master_bind_port)


def _check_bind(what: str, host: str, port: int) -> None:
    if not 0 <= port <= MOST_PORT:
        raise PlanError(f"{what}: is no port; choose one from 1 to {MOST_PORT}")
    try:
        family = socket.getaddrinfo(host or None, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[0][
            0
        ]
        with socket.socket(family, socket.SOCK_STREAM) as trial:
            trial.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            trial.bind((host, port))
    except OSError as failure:
        mend = "is another run using it? choose another" if port else "is it an address of this machine?"
        raise PlanError(f"{what}: {failure.strerror or failure}; {mend}") from None


def probe(settings: Settings) -> None:
    """One connection to the CSMS, with TLS verified: enough to tell a wrong address from a slow server.

    No upgrade is asked for: that would show the CSMS a station that does not exist.
    """
    url = settings.csms_url
    parts = urlsplit(url)
    context = _tls(settings) if parts.scheme == "wss" else None
    port = parts.port or (443 if context else 80)
    host = parts.hostname or ""
    try:
        with socket.create_connection((host, port), timeout=PROBE_TIMEOUT_S) as plain:
            if context:
                context.wrap_socket(plain, server_hostname=host).close()
    except ssl.SSLError as failure:
        raise PlanError(f"--csms-url {url}: TLS failed ({failure.reason or failure}); see --tls-ca") from None
    except OSError as failure:
        reason = failure.strerror or str(failure) or type(failure).__name__
        raise PlanError(f"--csms-url {url}: cannot be reached ({reason}); is it running?") from None


def _tls(settings: Settings) -> ssl.SSLContext:
    """Verifies as the stations will, and shows their certificate."""
    flag, path = "--tls-ca", settings.tls_ca
    try:
        context = ssl.create_default_context(cafile=path or None)
        if settings.client_cert:
            flag, path = "--client-cert", f"{settings.client_cert} with --client-key {settings.client_key}"
            context.load_cert_chain(settings.client_cert, settings.client_key)
    except OSError as failure:  # ssl.SSLError is one
        reason = getattr(failure, "reason", None) or failure.strerror
        raise PlanError(f"{flag} {path}: cannot be used ({reason}); name matching PEM files") from None
    return context
