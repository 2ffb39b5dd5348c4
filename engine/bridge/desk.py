"""A worker's side of the station page: questions from the master go to one station, answers go back.

The loop thread does the work (`engine.portrait`, `engine.byhand`); here a question is read, a file is checked
against its schema, and what came of it is sent. Nothing is asked of a station before somebody looks at it.
"""

from collections.abc import Callable
from typing import Any, Final, Protocol

import msgspec

from engine import byhand
from engine.bridge import messages
from engine.bridge.messages import ANSWER, QUESTION, Question, Reply
from engine.facts import Answer
from engine.portrait import Gallery
from stations import ocppconf
from stations.errors import PlanError

GONE: Final = "no test is running on this worker"


class Asked(Protocol):
    """The stations of a test, as `engine.bridge.stations.Stations`."""

    run: str
    on_answer: Callable[[Answer], None] | None

    def ask(self, ticket: int, station: int, question: Callable[..., Any]) -> None:
        """Put a question to one station."""


class Owner(Protocol):
    """Whose stations they are: `engine.bridge.worker.Worker`."""

    @property
    def stations(self) -> Asked | None:
        """Those of the test that is on."""


class Desk:
    """One per worker."""

    def __init__(self, owner: Owner, runner: Any) -> None:
        self._owner = owner
        self._runner = runner
        self._gallery = Gallery()
        self._run = ""
        runner.register_message(QUESTION, self._on_question, concurrent=True)

    def _on_question(self, msg: Any, **_event: Any) -> None:
        question = msgspec.convert(msg.data, Question)
        stations = self._owner.stations
        if stations is None or stations.run != question.run:
            self._reply(Reply(question.run, question.ticket, mistake=GONE))
            return
        if self._run != stations.run:  # another test: its stations are other ones
            self._run, self._gallery = stations.run, Gallery()
            stations.on_answer = self._on_answer
        try:
            stations.ask(question.ticket, question.station, self._read(question))
        except PlanError as mistake:
            self._reply(Reply(question.run, question.ticket, mistake=str(mistake)))

    def _read(self, question: Question) -> Callable[..., Any]:
        """What the loop thread shall do; PlanError for nonsense."""
        arguments = question.arguments
        if question.kind == "look":
            return self._gallery.look
        if question.kind == "file":
            return self._gallery.file
        if question.kind == "store":
            return self._gallery.store(ocppconf.read(arguments["data"]))
        return byhand.deed(question.kind, arguments)

    def _on_answer(self, answer: Answer) -> None:
        self._reply(Reply(self._run, answer.ticket, answer.told, answer.mistake))

    def _reply(self, reply: Reply) -> None:
        self._runner.send_message(ANSWER, messages.write(reply))
