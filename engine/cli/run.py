"""`greenup run`: the short form of a Locust command, which it prints and then becomes."""

import ast
import os
import shlex
import socket
import sys
from collections.abc import Sequence
from math import ceil
from pathlib import Path
from typing import Final

from profiles.fleetfile import MOST_STATIONS
from results import exit_codes
from results.command_line import Parser, positive, whole
from stations.errors import PlanError

LOCUSTFILES: Final = Path(__file__).parents[2] / "locustfiles"
STATIONS_PER_PROCESS: Final = 250  # below this a second process costs more than it helps
SECRET: Final = "GREENUP_BASIC_AUTH_KEY"  # noqa: S105 — the name of a variable, not its value

_DESCRIPTION: Final = """\
SCENARIO is one of these, or the path of a locustfile; steady when absent:

{scenarios}

Put a fleet of Green'Up stations on a central system, with Locust. Stations boot at the spawn rate,
report, and charge the cars of their drivers; every call is recorded in a run folder. Without --csms-url
the central system that comes with this project is started for the run, on this machine.

All other options go to Locust unchanged (locust --help), and to the scenario:
  --personality greenup|spec  --seed N  --time-scale X  --subprotocol strict|lenient  --runs FOLDER
  --hardship TOML (what goes wrong, instead of the scenario's: docs/scenarios.md)
  --state FOLDER (keeps the stations' memories from run to run: docs/fleets.md)
  --source-address IP  --tls-ca FILE  --client-cert FILE  --client-key FILE
Each can be set by environment too: GREENUP_CSMS_URL, GREENUP_FLEET, ...
"""

_EXAMPLES: Final = f"""\
examples:
  greenup run
      the scenario `steady` with 500 stations on the embedded CSMS, until Ctrl-C
  greenup run --stations 5000 --spawn-rate 200 --csms-url wss://csms.example/ocpp --duration 30m
      five thousand stations for half an hour; the processes fit the cores of this machine
  {SECRET}=... greenup run --csms-url wss://csms.example/ocpp
      with Basic authentication; a password on the command line is visible to everybody on the machine
  greenup run --ui --stations 500
      Locust's web page on http://127.0.0.1:8089, nothing starts before you say so
  greenup run blackout --stations 1000 --share 0.5 --lasting-s 120
      half of the fleet loses its network for two minutes; the summary says how long it took to come back
  greenup run path/to/my_scenario.py --stations 50 --csv out --html out.html
      your own locustfile, Locust's own reports beside ours
"""


def run(_name: str, arguments: Sequence[str]) -> int:
    """Print the Locust command and become it; returns only when that fails."""
    words = command(arguments, environ=os.environ)
    print("+ " + shlex.join(["locust", *words]), flush=True)
    program = [sys.executable, "-m", "engine.cli.locust_run", *words]
    os.execv(sys.executable, program)  # noqa: S606 — the printed command


def command(arguments: Sequence[str], *, environ: "os._Environ[str] | dict[str, str]") -> list[str]:
    """Locust's arguments; a password moves from the command line into `environ`."""
    # Taken by hand: argparse would take the value of an option it does not know for the scenario.
    named = bool(arguments) and not arguments[0].startswith("-")
    scenario = arguments[0] if named else "steady"
    wanted, rest = parser().parse_known_args(arguments[1:] if named else arguments)
    if wanted.ui and "--headless" in rest:
        raise PlanError("--ui and --headless: one is with a page, the other without; give one")
    if wanted.basic_auth_key:
        environ[SECRET] = wanted.basic_auth_key
    words = ["-f", str(_locustfile(scenario))]
    words += ["-u", str(wanted.stations), "-r", f"{wanted.spawn_rate:g}"]
    for name in ("csms_url", "fleet", "duration"):
        if getattr(wanted, name):
            words += [f"--{name.replace('_', '-')}", getattr(wanted, name)]
    if not wanted.ui:
        words += ["--headless", "--progress", "--only-summary"]
        if not {"-L", "--loglevel"} & {word.partition("=")[0] for word in rest}:
            words += ["--loglevel", "WARNING"]
    return words + _processes(wanted.processes, wanted.stations, ui=wanted.ui) + rest


def parser() -> Parser:
    """What `greenup run` itself understands."""
    made = Parser(
        prog="greenup run",
        usage="greenup run [SCENARIO] [options] [any option of Locust]",
        description=_DESCRIPTION.format(scenarios=_questions()),
        epilog=f"{_EXAMPLES}\n{exit_codes.table()}",
    )
    made.add_argument(
        "-u",
        "--stations",
        "--users",
        type=whole(1, MOST_STATIONS),
        default=500,
        metavar="N",
        help="how many (default 500)",
    )
    made.add_argument(
        "-r", "--spawn-rate", type=positive, default=50.0, metavar="R", help="boots per second (default 50)"
    )
    made.add_argument(
        "--duration", metavar="T", help="60s, 10m, 1h30m; else until the scenario is over, or Ctrl-C"
    )
    made.add_argument("--csms-url", metavar="URL", help="ws:// or wss://, without the station's identity")
    made.add_argument(
        "--fleet", metavar="F", help="a ready fleet's name or a TOML file (default: the scenario's)"
    )
    made.add_argument(
        "--processes", default="auto", metavar="auto|N", help="worker processes; auto fits this machine"
    )
    made.add_argument("--ui", action="store_true", help="Locust's web page instead of a headless run")
    made.add_argument("--basic-auth-key", metavar="KEY", help=f"better in the environment: {SECRET}")
    return made


def _scenarios() -> list[str]:
    return sorted(path.stem for path in LOCUSTFILES.glob("*.py"))


def _questions() -> str:
    """Each scenario with the question it answers and the numbers of its own; the files are not run."""
    lines = []
    for name in _scenarios():
        tree = ast.parse((LOCUSTFILES / f"{name}.py").read_text("utf-8"))
        question = (ast.get_docstring(tree) or "").partition("\n")[0]
        flags = " ".join(dict.fromkeys(_flags(tree)))
        lines.append(f"  {name}\n      {question}" + (f"\n      {flags}" if flags else ""))
    return "\n".join(lines)


def _flags(tree: ast.Module) -> list[str]:
    """The options that a locustfile asks for, in its order: `ask("--flag", …)`."""
    calls = [node for node in ast.walk(tree) if isinstance(node, ast.Call)]
    asks = [node for node in calls if isinstance(node.func, ast.Name) and node.func.id == "ask"]
    return [str(ast.literal_eval(node.args[0])) for node in sorted(asks, key=lambda node: node.lineno)]


def _locustfile(scenario: str) -> Path:
    path = Path(scenario) if scenario.endswith(".py") else LOCUSTFILES / f"{scenario}.py"
    if not path.is_file():
        known = ", ".join(_scenarios())
        raise PlanError(f"there is no scenario {scenario}; use {known}, or the path of a locustfile")
    try:
        ast.parse(path.read_bytes())
    except (SyntaxError, ValueError) as mistake:  # Locust would say it in a traceback
        place = f", line {mistake.lineno}" if isinstance(mistake, SyntaxError) else ""
        raise PlanError(f"{scenario}{place}: is not Python ({mistake}); mend that line") from None
    return path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path


def _processes(wanted: str, stations: int, *, ui: bool) -> list[str]:
    """Locust's --processes with a control port of its own, so that two runs at once do not meet."""
    cores = len(os.sched_getaffinity(0))
    if wanted == "auto":
        count = cores if ui else min(cores, ceil(stations / STATIONS_PER_PROCESS))
    elif wanted.isdecimal() and int(wanted) > 0:
        count = int(wanted)
        if count > max(stations, cores):
            raise PlanError(f"--processes {wanted}: more than the {stations} stations; use auto or fewer")
    else:
        raise PlanError(f"--processes {wanted}: use auto or a number from 1")
    if count == 1:
        return []
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    bind = ["--master-bind-host", "127.0.0.1", "--master-bind-port", port, "--master-port", port]
    return ["--processes", str(count), *bind]
