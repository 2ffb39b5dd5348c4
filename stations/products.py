"""The Green'Up range as data: which reference has how many sides, phases and amperes.

The OCPP guide names one reference (059004), the communication kit and the badge reader. That 0 590 00 to 04,
30 and 35 are one family of one-vehicle wall stations with T2S socket (230 V one-phase or 400 V three-phase)
is printed in its instruction sheet; 0 590 05 carries the OCPP guide as its manual. Which of them has how many
phases and amperes, and the two-vehicle references, could not be verified in public documents: those figures
are estimates from the powers the range is sold in (3.7, 7.4, 11 and 22 kW) and are marked so.
"""

from enum import Enum
from typing import Final

from msgspec import Struct

from stations.core.plan import Product
from stations.errors import PlanError

COMMUNICATION_KIT: Final = "059056"  # OCPP needs it (guide, «Pré-requis»)
RFID_KIT: Final = "059059"  # the badge reader, an option


class Evidence(Enum):
    """How sure we are of a row."""

    GUIDE = "reference in the OCPP guide; sides, phases and current estimated"
    SHEET = "reference and family in the instruction sheet; phases and current estimated"
    MANUAL = "reference published with the OCPP guide as its manual; the rest estimated"
    ESTIMATED = "reference and figures estimated"


class Reference(Struct, frozen=True):
    """One row of the range. All have T2S sockets (type 2 with shutters): cables are detachable."""

    product: Product
    evidence: Evidence

    @property
    def power_kw(self) -> float:
        """Rated power of one side at 230 V."""
        return round(self.product.max_current_a * 230 * self.product.phases / 1000, 1)


def _row(model: str, sides: int, phases: int, current_a: float, evidence: Evidence) -> Reference:
    return Reference(Product(model, sides, phases=phases, max_current_a=current_a), evidence)


RANGE: Final[dict[str, Reference]] = {
    reference.product.model: reference
    for reference in (
        # One vehicle, wall, plastic
        _row("059000", 1, 1, 16.0, Evidence.SHEET),
        _row("059001", 1, 1, 20.0, Evidence.SHEET),
        _row("059002", 1, 1, 32.0, Evidence.SHEET),
        _row("059003", 1, 3, 16.0, Evidence.SHEET),
        _row("059004", 1, 3, 32.0, Evidence.GUIDE),
        # One vehicle, metal
        _row("059005", 1, 3, 32.0, Evidence.MANUAL),
        # Two vehicles, metal, on the wall or a base: side Right is connector 1, Left is 2 (ST-15)
        _row("059010", 2, 1, 16.0, Evidence.ESTIMATED),
        _row("059012", 2, 1, 32.0, Evidence.ESTIMATED),
        _row("059013", 2, 3, 16.0, Evidence.ESTIMATED),
        _row("059014", 2, 3, 32.0, Evidence.ESTIMATED),
    )
}


def product(reference: str, where: str = "product") -> Product:
    """The product with this reference, written as 059004, 0 590 04 or 0590 04; PlanError if there is none."""
    found = RANGE.get("".join(reference.split()))
    if found is None:
        raise PlanError(f"{where}: there is no reference {reference}; mend: use one of {', '.join(RANGE)}")
    return found.product
