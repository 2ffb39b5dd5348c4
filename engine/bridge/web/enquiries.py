"""The master's side of the station page: which worker runs a station, ask it, wait for what it tells."""

import re
from collections.abc import Iterator
from typing import Any, Final

import gevent
import msgspec
from gevent.event import AsyncResult

from engine.bridge import messages, processes
from engine.bridge.conductor import Conductor
from engine.bridge.messages import ANSWER, QUESTION, Question, Reply
from engine.bridge.stations import deployment
from engine.bridge.trial import Trial
from profiles.fleets import Deployment
from stations.errors import PlanError

ANSWER_WITHIN_S: Final = 5.0
FOUND_AT_MOST: Final = 20
RENAMED_AT_MOST: Final = 1_000
_CHUNK: Final = 500  # identities made before the hub does something else; about 2 ms
_LAST_NUMBER: Final = re.compile(r"\d+(?=\D*$)")


class Unanswered(Exception):  # noqa: N818 — a fact, said as one
    """A worker did not answer in time."""


class Enquiries:
    """Questions under way."""

    def __init__(self, conductor: Conductor, runner: Any) -> None:
        self._conductor = conductor
        self._runner = runner
        self._tickets = 0
        self._waiting: dict[int, AsyncResult] = {}
        self._names: tuple[str, Names] | None = None
        runner.register_message(ANSWER, self._on_answer)

    def ask(self, station: int, kind: str, arguments: dict[str, Any] | None = None) -> Any:
        """What station `station` tells; PlanError: whose mistake it was; Unanswered: nobody's."""
        trial = self._trial()
        client = trial.leases.holder_of(station)
        if client is None or trial.ending:
            raise PlanError(f"station number {station + 1} is not running")
        self._tickets += 1
        ticket, answer = self._tickets, AsyncResult()
        self._waiting[ticket] = answer
        question = Question(trial.run, ticket, station, kind, arguments or {})
        try:
            self._runner.send_message(QUESTION, messages.write(question), client_id=client)
            reply: Reply = answer.get(timeout=ANSWER_WITHIN_S)
        except gevent.Timeout:
            name = trial.names.get(client, client)
            raise Unanswered(f"worker {name} did not answer within {ANSWER_WITHIN_S:g} s") from None
        finally:
            del self._waiting[ticket]
        if reply.mistake:
            raise PlanError(reply.mistake)
        return reply.told

    def look(self, station: int) -> dict[str, Any]:
        """The station as it is now."""
        seen: dict[str, Any] = self.ask(station, "look")
        self._names_of(self._trial()).renamed(seen["uid"], station)
        return seen

    def find(self, text: str) -> list[tuple[int, str]]:
        """Running stations whose UID contains `text`, the very one first; at most twenty."""
        trial = self._trial()
        return self._names_of(trial).find(text.strip(), trial.leases.held())

    def _trial(self) -> Trial:
        trial = self._conductor.trial
        if trial is None:
            raise PlanError("no test is running")
        return trial

    def _names_of(self, trial: Trial) -> "Names":
        if self._names is None or self._names[0] != trial.run:
            url = trial.csms.url if trial.csms else trial.settings.csms_url
            order = messages.Order(trial.run, "", url, trial.settings, {}, processes.own())
            self._names = trial.run, Names(deployment(order))
        return self._names[1]

    def _on_answer(self, msg: Any, **_event: Any) -> None:
        reply = msgspec.convert(msg.data, Reply)
        waiting = self._waiting.get(reply.ticket)
        if waiting is not None:
            waiting.set(reply)


class Names:
    """UIDs of a deployment's stations, found without a list of them."""

    def __init__(self, fleet: Deployment) -> None:
        self._fleet = fleet
        self._renamed: dict[str, int] = {}  # by a stored OCPPConf.xml or a changed key, as far as looked at

    def renamed(self, uid: str, index: int) -> None:
        """Station `index` calls itself `uid`."""
        if self._fleet.identity(index) != uid and len(self._renamed) < RENAMED_AT_MOST:
            self._renamed[uid] = index

    def find(self, text: str, held: list[tuple[int, int]]) -> list[tuple[int, str]]:
        """As `Enquiries.find`, among the stations that somebody runs."""
        found: dict[int, str] = {}
        for index in self._guesses(text):
            if any(first <= index < end for first, end in held):
                found[index] = self._fleet.identity(index)
        wanted = text.casefold()
        found |= {index: uid for uid, index in self._renamed.items() if wanted in uid.casefold()}
        for index in self._each(held):
            if len(found) >= FOUND_AT_MOST:
                break
            uid = self._fleet.identity(index)
            if index not in found and wanted in uid.casefold():
                found[index] = uid
        return list(found.items())[:FOUND_AT_MOST]

    def _guesses(self, text: str) -> Iterator[int]:
        """Most fleets number their stations: the number at the end is tried first."""
        number = _LAST_NUMBER.search(text)
        if number is not None and 0 < int(number[0]) < 10**9:
            index = int(number[0]) - 1
            if text.isdigit() or self._fleet.identity(index).casefold() == text.casefold():
                yield index

    def _each(self, held: list[tuple[int, int]]) -> Iterator[int]:
        for first, end in held:
            for index in range(first, end):
                if index % _CHUNK == 0:
                    gevent.sleep(0)
                yield index
