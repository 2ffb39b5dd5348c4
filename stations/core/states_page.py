"""docs/connector-states.md, generated from the connector's table so that it cannot differ from it."""

from typing import Final

from stations.core.connector import THROUGH, TRANSITIONS
from stations.wire.types import ChargePointStatus as Status

_HEAD: Final = """\
# Connector states

Generated from `stations/core/connector.py` by
`python -m stations.core.states_page > docs/connector-states.md`; do not edit.

The status of a connector follows from facts: vehicle, tag, transaction, availability, reservation, limit.
Each arrow is one legal move with its label in OCPP 1.6, section 4.9; another move is a bug of ours and stops
the station. A fault is not a state of its own: it hides the state below (column 9 of the table) and shows it
again when it is cleared (row I), so it is left out of the picture. Connector 0, the station as a whole, knows
Available, Unavailable and Faulted only.

"""

_THROUGH_HEAD: Final = """
## Moves of two steps

One fact can cause two moves; the step between is shown and notified too.

| from | through | to |
|---|---|---|
"""


def render_states() -> str:
    """The whole page."""
    between = "".join(f"| {source} | {middle} | {target} |\n" for (source, target), middle in THROUGH.items())
    return _HEAD + _picture() + _table() + _THROUGH_HEAD + between


def _picture() -> str:
    arrows = [
        f"    {source} --> {target}: {label}\n"
        for source, row in TRANSITIONS.items()
        for target, label in row.items()
        if Status.FAULTED not in {source, target}
    ]
    return "```mermaid\nstateDiagram-v2\n    [*] --> Available\n" + "".join(arrows) + "```\n\n"


def _table() -> str:
    head = "| from \\ to | " + " | ".join(TRANSITIONS) + " |\n|" + "---|" * (len(TRANSITIONS) + 1) + "\n"
    return head + "".join(
        f"| {source} | " + " | ".join(row.get(target, "") for target in TRANSITIONS) + " |\n"
        for source, row in TRANSITIONS.items()
    )


if __name__ == "__main__":
    print(render_states(), end="")  # noqa: T201 — the page goes to standard output
