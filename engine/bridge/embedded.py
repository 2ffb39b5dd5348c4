"""The central system that comes with the project, for runs without a --csms-url: one per test, on loopback.

It is a process of its own, knows the badges of the fleet, and keeps its ledger in the run folder.
"""

import csv
from pathlib import Path
from typing import Final

from csms.launch import Embedded, start_embedded
from engine.bridge.options import Settings
from profiles import fleets

DATABASE: Final = "csms.sqlite"
BADGES: Final = "badges.csv"
HEARTBEAT_S: Final = 30.0  # real seconds, so that a run of a minute has heartbeats

Csms = Embedded


def start(folder: Path, settings: Settings) -> Csms:
    """Start it and wait until it listens; PlanError when it does not."""
    badges = folder / BADGES
    fleet = fleets.load(settings.fleet)
    with badges.open("w", newline="", encoding="utf-8") as file:
        rows = csv.writer(file)
        rows.writerow(["id_tag", "status", "parent_id_tag"])
        for tag in fleet.tags.all(settings.seed):
            if tag.status:  # a badge without one is a stranger's: the list must not have it
                rows.writerow([tag.id_tag, tag.status, tag.parent_id_tag or ""])
    interval_s = max(1, round(HEARTBEAT_S * (settings.time_scale or fleet.time_scale)))  # station seconds
    return start_embedded(
        folder / DATABASE, arguments=["--tags", str(badges), "--restricted", "--interval", str(interval_s)]
    )
