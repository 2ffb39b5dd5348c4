"""Everything that can be wrong with a run is said before anything starts: one line each, exit code 2 (C10).

It happens while Locust parses its command line: before `--processes` forks, before a port is bound.
"""

import os
import socket
import ssl
import tempfile
from math import ceil
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

from engine import limits
from engine.bridge import analysis, lasting
from engine.bridge import options as our_options
from engine.bridge.options import Settings
from engine.bridge.web import login
from stations.errors import PlanError

PROBE_TIMEOUT_S: Final = 5.0


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
    if options.worker:  # told by its master, except for what its own machine has
        _check_addresses(our_options.own_addresses(options))
        return
    if options.web_login and not options.headless:
        login.check()
    settings = our_options.read(options)
    _check_size(options)
    check_settings(settings)
    _check_ports(options)


def check_settings(settings: Settings) -> None:
    """What needs the disk or the network; also for a form that was filled in by hand."""
    _check_runs_folder(Path(settings.runs))
    _check_addresses(settings.source_addresses)
    if settings.slo:
        analysis.check_thresholds(settings.slo)
    if settings.state:
        lasting.check(settings)
    if settings.csms_url:
        probe(settings.csms_url, settings.tls_ca)


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


def _check_runs_folder(runs: Path) -> None:
    try:
        runs.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=runs):
            pass
    except OSError as failure:
        raise PlanError(
            f"--runs {runs}: cannot write there ({failure.strerror}); name another folder"
        ) from None


def _check_ports(options: Any) -> None:
    if not options.headless and not options.worker:
        _check_bind(f"--web-port {options.web_port}", options.web_host.strip("*"), options.web_port)
    if options.master or options.processes:
        host = options.master_bind_host.strip("*")
        _check_bind(f"--master-bind-port {options.master_bind_port}", host, options.master_bind_port)


def _check_bind(what: str, host: str, port: int) -> None:
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


def probe(url: str, tls_ca: str) -> None:
    """One connection to the CSMS, with TLS verified: enough to tell a wrong address from a slow server.

    No upgrade is asked for: that would show the CSMS a station that does not exist.
    """
    parts = urlsplit(url)
    try:
        port = parts.port or (443 if parts.scheme == "wss" else 80)
        host = parts.hostname or ""
        with socket.create_connection((host, port), timeout=PROBE_TIMEOUT_S) as plain:
            if parts.scheme == "wss":
                context = ssl.create_default_context(cafile=tls_ca or None)
                context.wrap_socket(plain, server_hostname=host).close()
    except ValueError:
        raise PlanError(f"--csms-url {url}: not a URL with a host and a port from 0 to 65535") from None
    except ssl.SSLError as failure:
        raise PlanError(f"--csms-url {url}: TLS failed ({failure.reason or failure}); see --tls-ca") from None
    except OSError as failure:
        reason = failure.strerror or str(failure) or type(failure).__name__
        raise PlanError(f"--csms-url {url}: cannot be reached ({reason}); is it running?") from None
