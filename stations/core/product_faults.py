"""Opt-in faults of real units, by name: off unless a product lists them (LG-2, LG-5, LG-7 and the field).

Each is one condition in the module that owns the fact; here are the names and what they do.
"""

from typing import TYPE_CHECKING, Final

from stations.errors import PlanError

if TYPE_CHECKING:
    from stations.core.plan import Product

MESURAND: Final = "mesurand"
ERROR_CODE_ERROR: Final = "error-code-error"
NO_RECONNECT: Final = "no-reconnect-after-restart"
STUCK_AT_16_A: Final = "stuck-at-16-a"
FLOOD: Final = "status-flood"
DUPLICATE_START: Final = "duplicate-start"
WRONG_CLOCK: Final = "wrong-clock"
RESET_FAILS: Final = "reset-fails"

FAULTS: Final[dict[str, str]] = {
    MESURAND: "meter values and transactionData spell measurand as the guide prints it, `mesurand` (LG-2)",
    ERROR_CODE_ERROR: "a Faulted status has errorCode `Error`, which OCPP does not know (LG-5)",
    NO_RECONNECT: "after a restart or a power cut the station does not connect any more (LG-7)",
    STUCK_AT_16_A: "limits are answered with Accepted, and 16 A flow whatever they say (SC-13)",
    FLOOD: "while accepted, the status of every connector is sent once a second",
    DUPLICATE_START: "StartTransaction is sent twice, as two messages",
    WRONG_CLOCK: "the clock is hours off and ignores currentTime",
    RESET_FAILS: "a reset is Accepted and fails, its retries too; errorCode ResetFailure says so",
}
"""Name → what such a unit does."""

STUCK_A: Final = 16.0
CLOCK_OFF_MAX_S: Final = 12 * 3600.0


def check(product: "Product") -> None:
    """PlanError for a name that is not in the table."""
    unknown = sorted(product.faults - FAULTS.keys())
    if unknown:
        raise PlanError(f"unknown product fault {unknown[0]!r}; there are {', '.join(FAULTS)}")
