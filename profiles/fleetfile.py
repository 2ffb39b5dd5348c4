"""The fleet file: every key a user can write, its type, range and meaning. Its JSON Schema is made of it."""

import json
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any, Final

import msgspec
from msgspec import Meta, Struct

from profiles.hardship import Hardship
from profiles.network import Network, Share
from stations.core.plan import Personality


class Timestamps(StrEnum):
    """What stations of compressed time write into their messages; at scale 1 there is no difference."""

    REAL = "real"
    SIMULATED = "simulated"


MOST_STATIONS: Final = 1_000_000
MOST_TIME_SCALE: Final = 10_000
LOCAL_TIME: Final = r"^(Mon|Tue|Wed|Thu|Fri|Sat|Sun) ([01]\d|2[0-3]):[0-5]\d$"


class Tags(Struct, frozen=True, forbid_unknown_fields=True):
    """The badges that drivers carry."""

    size: Annotated[int, Meta(ge=1, le=10_000_000, description="number of badges in circulation")] = 1000
    pattern: Annotated[
        str,
        Meta(min_length=1, description="id tag from its number, as in {number:08X}; at most 20 characters"),
    ] = "{number:08X}"
    group_size: Annotated[
        int, Meta(ge=1, description="badges that share a parent id tag; 1: none has a parent")
    ] = 1
    group_pattern: Annotated[str, Meta(min_length=1, description="parent id tag from the group's number")] = (
        "P{number:07X}"
    )
    unknown: Annotated[Share, Meta(description="share of badges the central system has never heard of")] = 0.0
    expired: Annotated[Share, Meta(description="share of badges past their expiry date")] = 0.0
    blocked: Annotated[Share, Meta(description="share of badges that are blocked")] = 0.0


class Group(Struct, frozen=True, forbid_unknown_fields=True):
    """Stations that are alike."""

    name: Annotated[
        str, Meta(min_length=1, max_length=50, description="name of the group in results and pages")
    ]
    count: Annotated[
        int,
        Meta(
            ge=1,
            le=MOST_STATIONS,
            description="stations of this group; scaled when the fleet is given another size",
        ),
    ]
    product: Annotated[str, Meta(description="reference of the product range")]
    site: Annotated[str, Meta(description="site profile: a name such as work-fr, or the path of a site file")]
    vehicles: Annotated[
        str, Meta(description="vehicle mix: as-measured (of the site), or a mix of the vehicle table")
    ] = "as-measured"
    personality: Annotated[Personality, Meta(description="greenup or spec")] | None = None
    badge: Annotated[bool, Meta(description="false: plug and charge, nobody shows a badge")] = True
    firmware: Annotated[
        dict[str, Annotated[float, Meta(gt=0)]], Meta(description="firmware versions with their weights")
    ] = {}
    keys: Annotated[dict[str, str], Meta(description="initial OCPP configuration, values as strings")] = {}
    ocppconf: (
        Annotated[str, Meta(description="path of an OCPPConf.xml that is the template of the group")] | None
    ) = None
    faults: Annotated[
        dict[str, Share], Meta(description="opt-in product faults with the share of stations that have them")
    ] = {}
    network: Annotated[Network, Meta(description="line quality; absent: a perfect line")] | None = None


class FleetFile(Struct, frozen=True, forbid_unknown_fields=True):
    """A fleet: groups of stations, the badges, and the moment at which a run begins."""

    title: Annotated[str, Meta(min_length=1, description="one line about the fleet")]
    groups: Annotated[list[Group], Meta(min_length=1, description="groups of stations, at least one")]
    identity: Annotated[
        str, Meta(min_length=1, description="UID of a station from its number, as in GU-{number:06d}")
    ] = "GU-{number:06d}"
    serial: Annotated[str, Meta(description="serial number from the number; at most 25 characters")] = (
        "{number:012d}"
    )
    stations: (
        Annotated[
            int, Meta(ge=1, le=MOST_STATIONS, description="size of the fleet; absent: the sum of the counts")
        ]
        | None
    ) = None
    start: Annotated[
        str,
        Meta(pattern=LOCAL_TIME, description="local day and time at which a run begins, as in 'Tue 08:00'"),
    ] = "Tue 08:00"
    time_scale: Annotated[
        float,
        Meta(
            gt=0,
            le=MOST_TIME_SCALE,
            description="simulated seconds per real second; 60 is a day in 24 minutes",
        ),
    ] = 1.0
    timestamps: Annotated[
        Timestamps,
        Meta(description="of compressed time: real, or simulated from the last such `start` on"),
    ] = Timestamps.REAL
    tags: Annotated[Tags, Meta(description="the badges that drivers carry")] = Tags()
    hardship: Annotated[
        list[Hardship], Meta(description="what goes wrong, whatever the scenario adds (docs/scenarios.md)")
    ] = []


def schema() -> dict[str, Any]:
    """JSON Schema of the fleet file, for editors."""
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **msgspec.json.schema(FleetFile)}


def main() -> None:
    """Write the schema beside this file: `python -m profiles.fleetfile`."""
    text = json.dumps(schema(), indent=2, ensure_ascii=False) + "\n"
    Path(__file__).with_name("fleet.schema.json").write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
