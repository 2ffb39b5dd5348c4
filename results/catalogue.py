"""Every rule a central system can break in our sight (C8): severity, source, how we see it.

`error` breaks a SHALL of OCPP 1.6 or makes sessions go wrong; `warning` breaks a SHOULD or is doubtful.
docs/findings.md is printed from here: `python -m results.catalogue`.
"""

import sys
from enum import StrEnum
from typing import Final, NamedTuple


class Severity(StrEnum):
    """How bad a finding is for those who gate on it."""

    ERROR = "error"
    WARNING = "warning"


class Rule(NamedTuple):
    """One rule; `id` is what findings carry."""

    id: str
    severity: Severity
    title: str
    source: str
    seen: str


_E: Final = Severity.ERROR
_W: Final = Severity.WARNING

_RULES: Final = (
    Rule(
        "WS-2", _E, "The subprotocol ocpp1.6 is not selected", "OCPP-J 1.6 §3.1.2", "the 101 answer's header"
    ),
    Rule("WS-4", _E, "A message is not a text frame", "OCPP-J 1.6 §4.1.2", "the opcode of the frame"),
    Rule(
        "RPC-1",
        _E,
        "A message is not an OCPP-J frame",
        "OCPP-J 1.6 §4.2",
        "decoding: JSON, element count, types",
    ),
    Rule("RPC-2", _E, "A message id is too long or reused", "OCPP-J 1.6 §4.1.4", "more than 36 characters"),
    Rule("RPC-4", _E, "A CALL was not answered in time", "OCPP-J 1.6 §4.1.1", "our time-out ended the wait"),
    Rule(
        "RPC-5",
        _E,
        "An answer that no CALL waits for",
        "OCPP-J 1.6 §4.1.4",
        "unknown, answered before, or later than our time-out",
    ),
    Rule("RPC-6", _E, "A message of an unknown type", "OCPP-J 1.6 §4.1.3", "first element is not 2, 3 or 4"),
    Rule("RPC-7", _E, "An action that OCPP 1.6 does not have", "OCPP-J 1.6 §4.2.3", "the action of a CALL"),
    Rule(
        "RPC-8", _E, "A CALL repeats the id of one being handled", "OCPP-J 1.6 §4.2.3", "ids of open commands"
    ),
    Rule(
        "RPC-9",
        _E,
        "A payload breaks its schema",
        "OCPP 1.6 schemas; JE3.1",
        "typed decoding of every payload",
    ),
    Rule(
        "RPC-11",
        _W,
        "A confirmation has fields nobody defined",
        "OCPP 1.6 schemas",
        "fields beyond the schema",
    ),
    Rule(
        "BOOT-3", _W, "currentTime is far from our clock", "OCPP 1.6 §4.2", "difference at BootNotification"
    ),
    Rule("BOOT-5", _W, "The boot interval makes no sense", "OCPP 1.6 §4.2", "negative or enormous interval"),
    Rule("BOOT-6", _E, "A command to a rejected station", "OCPP 1.6 §4.2", "a CALL while Rejected"),
    Rule(
        "BOOT-7", _E, "Remote start or stop before acceptance", "OCPP 1.6 §4.2", "the command while Pending"
    ),
    Rule(
        "HB-2",
        _W,
        "Heartbeat's currentTime is far from our clock",
        "OCPP 1.6 §4.6",
        "difference at Heartbeat",
    ),
    Rule("TX-2", _E, "transactionId 0 or less with Accepted", "OCPP 1.6 §4.8", "StartTransaction.conf"),
    Rule(
        "TX-11",
        _E,
        "One transactionId for two running sessions of a station",
        "OCPP 1.6 §4.8",
        "StartTransaction.conf against the station's other connector",
    ),
)
CATALOGUE: Final = {rule.id: rule for rule in _RULES}

_INTRODUCTION: Final = """# Findings

What a central system can do wrong in our sight. Each finding is a row of the run folder with the rule, what
was seen, how often, and the first ten frames of its kind with passwords and keys masked. Printed from
`results/catalogue.py` by `python -m results.catalogue`.

`error` breaks a SHALL of OCPP 1.6 or makes sessions go wrong; `warning` breaks a SHOULD or is doubtful. A
rule that is not in this table counts as an error.

| rule | severity | what it means | source | how it is seen |
|---|---|---|---|---|
"""


def severity_of(rule: str) -> Severity:
    """The severity of a rule; an unlisted one is an error, so that nothing slips through a gate."""
    known = CATALOGUE.get(rule)
    return known.severity if known else Severity.ERROR


def render_findings() -> str:
    """The whole page."""
    rows = (f"| {r.id} | {r.severity} | {r.title} | {r.source} | {r.seen} |\n" for r in _RULES)
    return _INTRODUCTION + "".join(rows)


if __name__ == "__main__":
    sys.stdout.write(render_findings())
