"""The arguments a load run understands, on Locust's own parser, and their check before anything starts.

Locust shows arguments in its web form only when they stand on the parser itself, never in a group; a group
would also break `is_secret`. Values keep the type of their default through the form, so each default has one;
it can come from the command line, an environment variable or Locust's configuration files.
"""

from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

import msgspec
from locust.util.timespan import parse_timespan

from engine import scenario
from engine.scenario import Course
from profiles import fleets, tomlfile
from profiles import hardship as hardships
from profiles.fleetfile import MOST_TIME_SCALE, Timestamps
from profiles.hardship import Hardship
from results.run import PHASES, RECOVERY
from results.secrets import safe_url
from stations.core.plan import Personality
from stations.errors import PlanError

DEFAULT_FLEET: Final = "demo"
AS_THE_FLEET_SAYS: Final = "fleet"
SCHEMES: Final = ("ws://", "wss://")


class Settings(msgspec.Struct, frozen=True):
    """One run as its user asked for it; travels from the master to its workers."""

    csms_url: str = ""  # without the station's identity; empty: the embedded CSMS
    csms_memory: str = ""  # where its process can be seen; the embedded one's always is
    fleet: str = DEFAULT_FLEET
    personality: str = AS_THE_FLEET_SAYS
    seed: int = 1
    duration_s: int = 0  # 0: until stopped
    runs: str = "runs"
    subprotocol: str = "strict"
    basic_auth_key: str = ""
    time_scale: float = 0.0  # 0: as the fleet says
    timestamps: str = AS_THE_FLEET_SAYS
    source_addresses: list[str] = []
    tls_ca: str = ""
    client_cert: str = ""
    client_key: str = ""
    slo: str = ""  # thresholds file
    state: str = ""  # folder of the stations' non-volatile memories; empty: they end with the run
    collect: bool = False  # workers that share no path with the master send their files at the end
    hardship: list[Hardship] = []  # the fleet's, then the scenario's or what was given instead

    def public(self) -> dict[str, Any]:
        """For `run.json`: everything but the secret (C11)."""
        shown: dict[str, Any] = msgspec.to_builtins(self)
        del shown["basic_auth_key"]
        return shown


class Argument(msgspec.Struct):
    """One of our arguments: what Locust's parser is told. The destination is the flag's own name."""

    flag: str
    default: Any
    help: str
    options: dict[str, Any] = {}


ARGUMENTS: Final = (
    Argument("--csms-url", "", "OCPP-J endpoint without the station's identity, ws:// or wss://"),
    Argument(
        "--csms-memory", "", "to watch the CSMS's own memory: its process id here, or a Prometheus URL#METRIC"
    ),
    Argument("--fleet", DEFAULT_FLEET, "stations, vehicles, drivers: a ready fleet's name or a TOML file"),
    Argument(
        "--personality",
        AS_THE_FLEET_SAYS,
        "greenup (the product), spec (plain OCPP 1.6), or what the fleet file says",
        {"choices": [AS_THE_FLEET_SAYS, *(str(name) for name in Personality)]},
    ),
    Argument("--seed", 1, "same seed, same fleet: same stations, drivers and luck", {"type": int}),
    Argument("--duration", "", "end the test after this long: 60s, 5m, 1h30m; empty: when you stop it"),
    Argument("--slo", "", "thresholds (docs/gates.md) that the run is checked against when it has ended"),
    Argument("--runs", "runs", "folder that receives one result folder per test"),
    Argument("--state", "", "folder that keeps the stations' memories from run to run; empty: none"),
    Argument(
        "--subprotocol",
        "strict",
        "what to do with a CSMS that does not select ocpp1.6: refuse it, or go on and record a finding",
        {"choices": ["strict", "lenient"]},
    ),
    Argument("--basic-auth-key", "", "password of every station", {"is_secret": True}),
    Argument("--time-scale", 0.0, "station seconds per real second; 0: as the fleet says", {"type": float}),
    Argument(
        "--timestamps",
        AS_THE_FLEET_SAYS,
        "of compressed time: real, simulated, or what the fleet file says",
        {"choices": [AS_THE_FLEET_SAYS, *(str(name) for name in Timestamps)]},
    ),
    Argument(
        "--source-address",
        [""],  # Locust's form takes an empty list for one of numbers, and fails
        "local address to connect from; several for more than 28,000 stations per CSMS address. Workers "
        "on other machines: give each its own, and none to the master",
        {"action": "append"},
    ),
    Argument("--tls-ca", "", "certificates (PEM) to verify a wss:// CSMS with, instead of the system's"),
    Argument("--client-cert", "", "client certificate (PEM): profile 3, or 2 if there is a password too"),
    Argument("--client-key", "", "its private key (PEM)"),
    Argument("--hardship", "", "TOML of [[hardship]] or a file of it, instead of the scenario's; none: calm"),
)  # fmt: skip


def add_arguments(parser: Any) -> None:
    """Teach Locust's parser our arguments; pages bind to this machine unless told otherwise (C11)."""
    for argument in ARGUMENTS:
        env_var = "GREENUP_" + argument.flag[2:].upper().replace("-", "_")
        parser.add_argument(
            argument.flag,
            default=argument.default,
            env_var=env_var,
            help=f"{argument.help} [{env_var}]",
            metavar=None if "choices" in argument.options else f"<{argument.flag.rsplit('-', 1)[-1]}>",
            **argument.options,
        )
    parser.add_argument(
        "--progress",
        action="store_true",
        env_var="GREENUP_PROGRESS",
        include_in_web_ui=False,
        help="one live line instead of Locust's tables while a headless run goes on [GREENUP_PROGRESS]",
    )
    parser.add_argument(
        "--collect",
        action="store_true",
        env_var="GREENUP_COLLECT",
        include_in_web_ui=False,
        help="workers that share no path with the master send their files when the test has stopped "
        "[GREENUP_COLLECT]",
    )
    choice = scenario.chosen()
    for ask in choice.asks:
        env_var = "GREENUP_" + ask.name.upper()
        parser.add_argument(
            ask.flag,
            type=type(ask.default),
            default=ask.default,
            env_var=env_var,
            help=f"{ask.help} ({ask.default:g}) [{env_var}]",
            metavar="<N>",
        )
    parser.set_defaults(web_host="127.0.0.1", fleet=choice.fleet or DEFAULT_FLEET)
    parser.set_defaults(time_scale=choice.time_scale)


def read(options: Any) -> Settings:
    """The settings in parsed options; PlanError names the first argument that makes no sense."""
    settings = Settings(
        csms_url=(options.csms_url or options.host or "").strip(),  # Locust's own field names the target too
        csms_memory=options.csms_memory.strip(),
        fleet=options.fleet.strip(),
        personality=options.personality,
        seed=options.seed,
        duration_s=duration_s(options.duration),
        runs=options.runs,
        subprotocol=options.subprotocol,
        basic_auth_key=options.basic_auth_key,
        time_scale=options.time_scale,
        timestamps=options.timestamps,
        source_addresses=own_addresses(options),
        tls_ca=options.tls_ca,
        client_cert=options.client_cert,
        client_key=options.client_key,
        slo=options.slo,
        # absolute: a worker may have been started elsewhere
        state=str(Path(options.state.strip()).resolve()) if options.state.strip() else "",
        collect=options.collect,
    )
    _check(settings)
    return msgspec.structs.replace(settings, hardship=course(options, settings).hardship)


def phases(settings: Settings) -> list[str]:
    """The names that phases of the run may have: the usual ones, and those of its hardship."""
    names = [entry.phase for entry in settings.hardship]
    return list(dict.fromkeys([*PHASES, *names, *([RECOVERY] if names else [])]))


def own_addresses(options: Any) -> list[str]:
    """The source addresses given to this process."""
    return [address for address in options.source_address if address]


def course(options: Any, settings: Settings) -> Course:
    """What will happen: the fleet's own hardship, and the scenario's choice with its user's numbers."""
    choice, said = scenario.chosen(), options.hardship.strip()
    own = fleets.load(settings.fleet).file.hardship
    if said:
        choice = msgspec.structs.replace(choice, hardship=[])
        own = [*own, *_own_plan(said)]
    answers = {ask.name: getattr(options, ask.name) for ask in choice.asks}
    return scenario.course(choice, answers, more=own)


def _own_plan(said: str) -> list[Hardship]:
    if said == "none":
        return []
    if "=" in said:
        return hardships.parse(said, "--hardship")
    return hardships.parse(tomlfile.text(Path(said), f"--hardship {said}"), f"--hardship {said}")


def timestamps(settings: Settings, fleet: fleets.Fleet) -> Timestamps:
    """What stations write; at scale 1 nothing is simulated."""
    if (settings.time_scale or fleet.time_scale) == 1.0:
        return Timestamps.REAL
    chosen = settings.timestamps
    return fleet.timestamps if chosen == AS_THE_FLEET_SAYS else Timestamps(chosen)


def duration_s(text: str) -> int:
    """Seconds in a time span as Locust writes it; 0 for none."""
    if not text:
        return 0
    try:
        seconds = int(parse_timespan(text))
    except ValueError:
        seconds = 0
    if seconds <= 0:
        raise PlanError(f"--duration {text}: not a time span; write 60s, 5m or 1h30m")
    return seconds


def _check_url(url: str) -> None:
    """Every station's URL is this one, "/" and its identity (WS-1): what cannot be one is said at once."""
    shown = f"--csms-url {safe_url(url)}"
    if url and not url.startswith(SCHEMES):
        raise PlanError(f"{shown}: the scheme must be ws:// or wss://")
    try:
        parts = urlsplit(url)
        whole = not url or (parts.hostname and parts.port != 0)
    except ValueError:
        whole = False
    if not whole:
        raise PlanError(f"{shown}: not a URL with a host and a port from 1 to 65535")
    if "@" in parts.netloc:  # it would be shown in every log and result (C11)
        raise PlanError(f"{shown}: no user name or password in the URL; give --basic-auth-key")
    if "#" in url or any(letter.isspace() for letter in url):
        raise PlanError(f"{shown}: a WebSocket URL has no # and no space (RFC 6455, section 3)")


def _check(settings: Settings) -> None:
    """What can be said without touching the network, and the fleet file."""
    url, scale = settings.csms_url, settings.time_scale
    _check_url(url)
    mistakes = {
        f"--personality {settings.personality}: use greenup, spec or {AS_THE_FLEET_SAYS}": (
            settings.personality not in {AS_THE_FLEET_SAYS, *Personality}
        ),
        f"--subprotocol {settings.subprotocol}: use strict or lenient": (
            settings.subprotocol not in {"strict", "lenient"}
        ),
        f"--timestamps {settings.timestamps}: use real, simulated or {AS_THE_FLEET_SAYS}": (
            settings.timestamps not in {AS_THE_FLEET_SAYS, *Timestamps}
        ),
        f"--seed {settings.seed}: must be 0 or more": settings.seed < 0,
        f"--time-scale {scale:g}: must be from 0 (as the fleet says) to {MOST_TIME_SCALE:,}": (
            not 0 <= scale <= MOST_TIME_SCALE
        ),
        "--runs: is empty; name the folder that receives the result folders": not settings.runs.strip(),
        "--state: the embedded CSMS forgets with each run; give --csms-url of one that stays": (
            settings.state and not url
        ),
        "--csms-memory: the embedded CSMS is watched anyway; give it with --csms-url": (
            settings.csms_memory and not url
        ),
        "--client-cert and --client-key: give both or neither": (
            bool(settings.client_cert) != bool(settings.client_key)
        ),
    }
    for flag, path in (
        ("--tls-ca", settings.tls_ca),
        ("--client-cert", settings.client_cert),
        ("--client-key", settings.client_key),
        ("--slo", settings.slo),
    ):
        mistakes[f"{flag} {path}: no such file"] = bool(path) and not Path(path).is_file()
    for words, wrong in mistakes.items():
        if wrong:
            raise PlanError(words)
    fleets.load(settings.fleet)
