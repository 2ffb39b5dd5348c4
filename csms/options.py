"""The command line of `python -m csms`, and of any other program that offers the same."""

import argparse
import ssl
from collections.abc import Sequence
from pathlib import Path
from typing import Final, NoReturn

from msgspec import Struct

from csms.behaviour import Behaviour, read_behaviour
from csms.passwords import read_passwords
from csms.registration import BootRule
from csms.server import Settings, is_loopback
from csms.tags import read_tags
from stations.errors import PlanError
from stations.wire.types import RegistrationStatus

MOST_SECONDS: Final = 2**31 - 1  # an OCPP integer of 32 bits

_DESCRIPTION: Final = """\
A central system for OCPP 1.6J charging stations, for load tests and by itself:
stations connect to ws://HOST:PORT/ocpp/IDENTITY, everything they report is kept
in a SQLite database that survives the death of the process, and commands to
stations go through a JSON API on a second port.
"""

_EPILOG: Final = """\
examples:
  PROGRAM
      open to every tag, ledger in ./csms.sqlite
  PROGRAM --database night.sqlite --tags tags.csv --restricted
      only tags of the file may charge; columns id_tag,status,parent_id_tag,expiry_date
  PROGRAM --auth passwords.txt --tls-certificate cert.pem --tls-key key.pem
      Basic authentication over TLS; lines identity:password, * for every other
  PROGRAM --behaviour faults.toml
      slow answers and seeded defects, see docs/csms.md
  curl -H 'X-CSMS-Request: 1' -H 'Content-Type: application/json' \\
       -d '{"stations": "GU-*", "action": "Reset", "payload": {"type": "Soft"}}' \\
       http://127.0.0.1:9001/commands
      command every connected station whose identity matches

SIGTERM or Ctrl-C: connections are closed, the ledger is finished, exit code 0.
Bad input: one line, exit code 2.
"""


class Options(Struct):
    """What `main` needs to know."""

    settings: Settings
    ready_json: bool


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        """One line that says what to mend."""
        self.exit(2, f"csms: {message} (see {self.prog} --help)\n")


def _port(text: str) -> int:
    if not text.isdecimal() or int(text) > 65_535:
        raise argparse.ArgumentTypeError(f"{text!r} is not a port: 0 to 65535, 0 for any free one")
    return int(text)


def _seconds(text: str) -> int:
    if not text.isdecimal():
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number of seconds")
    if int(text) > MOST_SECONDS:
        raise argparse.ArgumentTypeError(f"{text!r} is more than {MOST_SECONDS} seconds")
    return int(text)


def _parser(program: str) -> argparse.ArgumentParser:
    parser = _Parser(
        prog=program,
        description=_DESCRIPTION,
        epilog=_EPILOG.replace("PROGRAM", program),
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    _add_network(parser.add_argument_group("network"))
    _add_rules(parser.add_argument_group("who may connect and charge"))
    _add_keeping(parser.add_argument_group("what is kept, and what goes wrong"))
    process = parser.add_argument_group("process")
    process.add_argument(
        "--ready-json",
        action="store_true",
        help="print one JSON line with url, api_url, pid and database when ready, and nothing else",
    )
    process.add_argument(
        "--parent", type=int, metavar="PID", help="end by itself when this parent process is gone"
    )
    return parser


def _add_network(group: "argparse._ArgumentGroup") -> None:
    group.add_argument(
        "--host", default="127.0.0.1", help="address for stations (default %(default)s: this machine only)"
    )
    group.add_argument(
        "--port", type=_port, default=9000, help="port for stations, 0: any (default %(default)s)"
    )
    group.add_argument("--api-host", default="127.0.0.1", help="address of the API (default %(default)s)")
    group.add_argument(
        "--api-port", type=_port, default=9001, help="port of the API, 0: any (default %(default)s)"
    )
    group.add_argument(
        "--api-token-file",
        type=Path,
        metavar="FILE",
        help="bearer token that the API asks for; needed when the API is not on loopback",
    )
    group.add_argument(
        "--tls-certificate", type=Path, metavar="FILE", help="PEM chain: stations connect with wss://"
    )
    group.add_argument("--tls-key", type=Path, metavar="FILE", help="PEM key of the certificate")
    group.add_argument(
        "--tls-client-ca", type=Path, metavar="FILE", help="ask stations for a certificate of this authority"
    )
    group.add_argument(
        "--ping-interval",
        type=_seconds,
        default=60,
        metavar="S",
        help="ping a station silent for so long, cut it when it stays so; 0: never (default %(default)s)",
    )


def _add_rules(group: "argparse._ArgumentGroup") -> None:
    group.add_argument(
        "--auth",
        type=Path,
        metavar="FILE",
        help="Basic authentication: lines identity:password, * for the rest",
    )
    group.add_argument(
        "--tags",
        type=Path,
        metavar="FILE",
        help="CSV of tags, added to those in the database or replacing them",
    )
    group.add_argument("--restricted", action="store_true", help="unknown tags are Invalid, not Accepted")
    group.add_argument(
        "--one-transaction-per-tag",
        action="store_true",
        help="a tag that is charging elsewhere is answered ConcurrentTx",
    )
    group.add_argument(
        "--boot",
        choices=[status.value for status in RegistrationStatus],
        default=RegistrationStatus.ACCEPTED.value,
        help="answer to BootNotification (default %(default)s; per station through the API)",
    )
    group.add_argument(
        "--interval",
        type=_seconds,
        default=60,
        metavar="S",
        help="interval in BootNotification.conf: heartbeat or wait for the next try (default %(default)s)",
    )


def _add_keeping(group: "argparse._ArgumentGroup") -> None:
    group.add_argument(
        "--database",
        type=Path,
        default=Path("csms.sqlite"),
        metavar="FILE",
        help="ledger, created when absent, continued when present (default %(default)s)",
    )
    group.add_argument("--frames", action="store_true", help="keep every OCPP-J message in the table frames")
    group.add_argument("--behaviour", type=Path, metavar="FILE", help="TOML file of latencies and faults")


def parse(arguments: Sequence[str], program: str = "python -m csms") -> Options:
    """Options from a command line; PlanError for files that do not do, SystemExit(2) for wrong options."""
    found = _parser(program).parse_args(arguments)
    token = None if found.api_token_file is None else _token(found.api_token_file)
    if token is None and not is_loopback(found.api_host):
        raise PlanError(
            f"--api-host {found.api_host} can be reached from elsewhere: add --api-token-file FILE"
        )
    settings = Settings(
        database=found.database,
        host=found.host,
        port=found.port,
        api_host=found.api_host,
        api_port=found.api_port,
        tags=[] if found.tags is None else read_tags(found.tags),
        restricted=found.restricted,
        one_transaction_per_tag=found.one_transaction_per_tag,
        boot=BootRule(RegistrationStatus(found.boot), found.interval),
        passwords=None if found.auth is None else read_passwords(found.auth),
        api_token=token,
        behaviour=Behaviour() if found.behaviour is None else read_behaviour(found.behaviour),
        ping_interval_s=found.ping_interval,
        record_frames=found.frames,
        tls=_tls(found.tls_certificate, found.tls_key, found.tls_client_ca),
        parent_pid=found.parent,
    )
    return Options(settings, found.ready_json)


def _token(path: Path) -> str:
    try:
        token = path.read_text("utf-8").strip()
    except UnicodeDecodeError as exc:
        raise PlanError(f"token file {path}: is not UTF-8 text (byte {exc.start}); save it as UTF-8") from exc
    except OSError as exc:
        raise PlanError(f"cannot read token file {path}: {exc.strerror}") from exc
    if not token or not token.isascii() or not token.isprintable():
        raise PlanError(f"{path}: the token must be one line of printable ASCII")
    return token


def _tls(certificate: Path | None, key: Path | None, client_ca: Path | None) -> ssl.SSLContext | None:
    if certificate is None:
        if key is not None or client_ca is not None:
            raise PlanError("--tls-key and --tls-client-ca need --tls-certificate")
        return None
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2  # SEC-2
    try:
        context.load_cert_chain(certificate, key)
        if client_ca is not None:
            context.load_verify_locations(client_ca)
            context.verify_mode = ssl.CERT_REQUIRED
    except (OSError, ssl.SSLError) as exc:
        raise PlanError(f"cannot use TLS files {certificate}, {key or '(no key)'}: {exc}") from exc
    return context
