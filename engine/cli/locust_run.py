"""What `greenup run` becomes: Locust with a locustfile that has stations.

Locust knows our options once the locustfile has imported `engine.bridge`; with another one it would call each
of them unrecognized. So this is looked at between the two, in the process that goes on as Locust.
"""

import sys
from typing import Any

from locust import User, events
from locust.main import main

from results.exit_codes import ExitCode


def refuse_without_stations(**_event: Any) -> None:
    """One line and exit code 2 when no class of the locustfile is a station."""
    bridge = sys.modules.get("engine.bridge")
    if bridge is None or not _has_concrete(bridge.StationUser):
        mend = "derive a class from engine.bridge.StationUser, or start it with locust itself"
        print(f"greenup run: {sys.argv[2]}: has no stations; {mend}", file=sys.stderr)
        sys.exit(ExitCode.INPUT)


def _has_concrete(family: type[User]) -> bool:
    return any(not found.abstract or _has_concrete(found) for found in family.__subclasses__())


if __name__ == "__main__":
    sys.argv[0] = "locust"  # as the command was printed, and stands in run.json
    events.init_command_line_parser.add_listener(refuse_without_stations)
    main()
