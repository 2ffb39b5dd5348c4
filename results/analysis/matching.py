"""What a session of our ledger can turn out to be in the central system's records."""

from enum import StrEnum
from typing import Final


class Match(StrEnum):
    """Verdict on one session of the ledger, or on one record nobody of ours made."""

    EXACT = "exact"
    LOST = "lost"  # acknowledged to the station, not in the records
    LOST_STOP = "lost_stop"  # its stop was acknowledged, the record is still open
    DUPLICATED = "duplicated"  # recorded more than once
    MERGED = "merged"  # one record, or one id, for two of our sessions
    ORPHAN = "orphan"  # recorded, and no session of ours
    ENERGY = "energy_differs"
    TIMES = "times_differ"
    TAG = "id_tag_differs"
    STATION = "station_differs"  # recorded under another station or connector
    VALUES_MISSING = "meter_values_missing"
    OPEN = "running"  # not stopped when the run ended, recorded as open
    UNKNOWN_PRESENT = "unanswered_present"  # we never saw the answer; both are legal
    UNKNOWN_ABSENT = "unanswered_absent"


# What costs money or trust; the others are as they should be, or legal either way.
WRONG: Final = frozenset(
    {
        *(Match.LOST, Match.LOST_STOP, Match.DUPLICATED, Match.MERGED, Match.ORPHAN),
        *(Match.ENERGY, Match.TIMES, Match.TAG, Match.STATION, Match.VALUES_MISSING),
    }
)
