"""`csms_process.csv` of a run folder: what the central system's own process was seen to need.

The master writes a row every few seconds when it knows the process or its metrics; a killed run keeps them.
"""

from typing import Final

from msgspec import Struct

CSMS_FILE: Final = "csms_process.csv"
COLUMNS: Final = ("at_us", "rss_bytes", "open_files", "cpu_percent")


class Sighting(Struct, frozen=True):
    """One row; None for what could not be seen. `at_us` since 1970, 100 % of CPU is one core."""

    at_us: int
    rss_bytes: int | None = None
    open_files: int | None = None
    cpu_percent: float | None = None

    def row(self) -> list[str]:
        """As it stands in the file."""
        values = (getattr(self, name) for name in COLUMNS)
        return [
            "" if value is None else f"{value:.10g}" if isinstance(value, float) else str(value)
            for value in values
        ]
