"""One test as its master keeps it: who takes part, who was lost, who has reported."""

import logging
import time
from typing import TYPE_CHECKING, Any, Final

from gevent.event import Event

from engine.bridge.embedded import Csms
from engine.bridge.identities import Leases
from engine.bridge.messages import NOTICES, Closing
from engine.bridge.options import Settings
from results.receipt import Receipt
from results.run import RunFolder
from results.schema import CALLS

if TYPE_CHECKING:
    from engine.bridge.brake import Brake
    from engine.bridge.csms_vitals import CsmsVitals

log = logging.getLogger(NOTICES)

TOGETHER_S: Final = 5.0


class Trial:
    """From `test_start` to `test_stop`. Workers are known by Locust's client id."""

    def __init__(self, settings: Settings, folder: RunFolder, csms: Csms | None) -> None:
        self.settings = settings
        self.folder = folder
        self.csms = csms
        self.began_s = time.monotonic()
        self.leases = Leases()
        self.names: dict[str, str] = {}  # everybody who was ever told, with the name of its partition
        self.lost: dict[str, float] = {}  # monotonic time since when nothing is heard of it
        self.faltered: set[str] = set()  # names of those ever lost, or gone before the end
        self._left: dict[str, float] = {}  # name -> monotonic time of a receipt that nobody asked for
        self.closings: dict[str, Closing] = {}
        self._phase = ""
        self._fault = ""  # phase that hardship imposes
        self.go_s: float | None = None  # monotonic: when the whole fleet had been started
        self.story: dict[str, Any] = {}  # what the scenario found out, for run.json
        self.all_in = Event()
        self._heard_s = 0.0
        self.ending = False
        self.time_is_up = False
        self.brake: Brake | None = None
        self.csms_vitals: CsmsVitals | None = None
        self.aborted = False  # the brake ended it
        self.timer: Any = None
        self.directing: Any = None  # the director's greenlet
        self.gauges: dict[str, dict[str, Any]] = {}
        self.clock_offsets_us: dict[str, int] = {}  # name of a worker -> its clock minus ours

    @property
    def run(self) -> str:
        """Name of the run folder."""
        return self.folder.record.id

    @property
    def phase(self) -> str:
        """ramp, steady or drain; "" before the first station."""
        return self._phase

    def awaited(self) -> set[str]:
        """Who still has to report and can."""
        return self.names.keys() - self.closings.keys() - self.lost.keys()

    def lose(self, client: str, now_s: float) -> None:
        """Nothing is heard of this worker; whether it is gone, nobody knows yet."""
        self.lost[client] = now_s
        self.faltered.add(self.names[client])
        self.gauges.pop(client, None)
        self._look_round()

    def find(self, client: str) -> None:
        """It is heard again."""
        self.lost.pop(client, None)

    def hear(self) -> None:
        """A worker sends a piece of its files: it is on its way to its receipt."""
        self._heard_s = time.monotonic()

    def wait_for_receipts(self, patience_s: float) -> bool:
        """False: for so long nothing more came, and not everybody has reported."""
        wait_s = patience_s
        while wait_s > 0:
            if not self.awaited() or self.all_in.wait(wait_s):
                return True
            wait_s = self._heard_s + patience_s - time.monotonic()
        return False

    def report(self, client: str, gauges: dict[str, Any]) -> None:
        """A worker's numbers of this second."""
        self.gauges[client] = gauges
        if client in self.names and "clock_offset_us" in gauges:
            self.clock_offsets_us[self.names[client]] = gauges["clock_offset_us"]

    def closed(self, client: str, closing: Closing, now_s: float) -> None:
        """A worker has said its last word."""
        self.closings[client] = closing
        self.leases.bury(client)
        self.lost.pop(client, None)
        if not self.ending:
            self._left[closing.worker] = now_s
        self._look_round()

    def enter(self, phase: str) -> None:
        """Write down that the run is in this phase from now on."""
        if self._fault and phase != "drain":
            phase = self._fault
        if phase != self._phase:
            self._phase = phase
            self.folder.mark(time.time_ns() // 1_000, phase)

    def enter_fault(self, phase: str) -> None:
        """Hardship begins or ends; ramp and steady are not said meanwhile."""
        if not self.ending:
            self._fault = phase
            self.enter(phase)

    def leave_fault(self) -> None:
        """All is as it was."""
        self._fault = ""

    def say(self, line: str) -> None:
        """A line for the log and for the summary of the run."""
        log.info("%s", line)
        self.story.setdefault("said", []).append(line)

    def end(self, now_s: float) -> None:
        """The end has begun. Who left earlier took load away, unless a signal told everybody at once."""
        if not self.ending:
            self.ending = True
            self.enter("drain")
            if self.csms_vitals is not None:
                self.csms_vitals.stop()
            self.faltered |= {name for name, left_s in self._left.items() if now_s - left_s > TOGETHER_S}

    def _look_round(self) -> None:
        if not self.awaited():
            self.all_in.set()

    @property
    def bugs(self) -> list[str]:
        """Defects of ours, one line each."""
        return [bug for closing in self.closings.values() for bug in closing.bugs]

    @property
    def shortages(self) -> list[str]:
        """What the run lacks, one line each: what the workers' machines ran out of, or any call at all."""
        lacking = [
            f"worker {closing.worker}: {shortage}"
            for closing in self.closings.values()
            for shortage in dict.fromkeys(closing.shortages)
        ]
        if self.receipts and not any(receipt.tables[CALLS.name].rows for receipt in self.receipts):
            lacking.append("no call was recorded: no station has spoken with the central system")
        return lacking

    @property
    def receipts(self) -> list[Receipt]:
        """What the workers say they wrote."""
        return [closing.receipt for closing in self.closings.values()]

    @property
    def standstills_s(self) -> dict[str, float]:
        """How long the stations of each worker stood still at a time, by what it says."""
        return {closing.worker: closing.stood_still_s for closing in self.closings.values()}
