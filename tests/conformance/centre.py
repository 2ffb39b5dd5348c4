"""A small central system for one station under test: it remembers every frame and judges it."""

import asyncio
import json
import uuid
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from websockets.asyncio.server import Server, ServerConnection, serve
from websockets.exceptions import ConnectionClosed
from websockets.http11 import Request, Response
from websockets.typing import Subprotocol

from tests.support.schemas import complaints

PATIENCE_S = 12.0  # the machine under the suite may be busy: a story waits longer than the rule allows


@dataclass
class Call:
    """A CALL that the station sent."""

    action: str
    payload: dict[str, Any]
    message_id: str
    link: int
    at: float
    text: str
    answers_before: int  # of the station, to CALLs of ours
    answered_at: float | None = None
    told: bool = False  # a story has already looked at it


@dataclass
class Refusal:
    """A CALLERROR, ours or theirs."""

    code: str
    description: str = ""


SILENCE = object()  # a policy that returns this leaves the CALL unanswered

Answer = dict[str, Any] | Refusal | object
Policy = Callable[[Call], Answer | Awaitable[Answer]]


def now_text(offset_s: float = 0.0) -> str:
    """Wall time in OCPP's own writing."""
    moment = datetime.fromtimestamp(datetime.now(UTC).timestamp() + offset_s, UTC)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def unix(text: str) -> float:
    """The Unix seconds of an OCPP dateTime."""
    return datetime.fromisoformat(text).timestamp()


def _fits(payload: dict[str, Any], fields: dict[str, Any]) -> bool:
    return all(payload.get(name) == value for name, value in fields.items())


@dataclass
class Centre:
    """Answers by policy, calls by hand."""

    interval_s: int = 300
    policies: dict[str, Policy] = field(default_factory=dict)
    tags: dict[str, dict[str, Any]] = field(default_factory=dict)
    calls: list[Call] = field(default_factory=list)
    answers: dict[str, list[Any]] = field(default_factory=dict)  # our message id → frames that answered it
    links: list[ServerConnection] = field(default_factory=list)
    headers: list[dict[str, str]] = field(default_factory=list)
    paths: list[str] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)  # what the station did that no rule allows
    doors: list[int] = field(default_factory=list)  # HTTP status codes to refuse the next upgrades with
    door_times: list[float] = field(default_factory=list)
    subprotocols: list[str] | None = field(default_factory=lambda: ["ocpp1.6"])
    ping_interval_s: float | None = None
    call_timeout_s: float = 8.0  # the station's own: after it, another CALL may follow an unanswered one
    next_transaction: int = 1001
    port: int = 0
    _changed: asyncio.Event = field(default_factory=asyncio.Event)
    _sent: dict[str, str] = field(default_factory=dict)  # our message id → action
    _server: Server | None = None
    _tasks: set[asyncio.Task[None]] = field(default_factory=set)

    async def open(self, ssl: Any = None) -> None:
        """Listen on a free loopback port (the same one after a pause)."""
        self._server = await serve(
            self._serve,
            "127.0.0.1",
            self.port or None,
            ssl=ssl,
            subprotocols=[Subprotocol(name) for name in self.subprotocols or []] or None,
            select_subprotocol=self._select if self.subprotocols else None,
            process_request=self._door,
            ping_interval=self.ping_interval_s,
            close_timeout=1,
        )
        self.port = next(iter(self._server.sockets)).getsockname()[1]

    async def shut(self) -> None:
        """No more listening; open links are closed."""
        if self._server:
            self._server.close()
            await self._server.wait_closed()
            self._server = None

    async def _door(self, _connection: ServerConnection, request: Request) -> Response | None:
        self.paths.append(request.path)
        self.headers.append({name.lower(): value for name, value in request.headers.raw_items()})
        self.door_times.append(asyncio.get_running_loop().time())
        self._wake()
        if self.doors:
            return _connection.respond(self.doors.pop(0), "no\n")
        return None

    def _select(self, _connection: ServerConnection, offered: Any) -> Any:
        wanted = (self.subprotocols or [""])[0]
        return Subprotocol(wanted) if wanted in offered or wanted != "ocpp1.6" else None

    @property
    def link(self) -> ServerConnection:
        """The newest link."""
        return self.links[-1]

    async def _serve(self, link: ServerConnection) -> None:
        number = len(self.links)
        self.links.append(link)
        self._wake()
        with suppress(ConnectionClosed):
            async for data in link:
                self._receive(link, number, data)

    def _receive(self, link: ServerConnection, number: int, data: str | bytes) -> None:
        if isinstance(data, bytes):
            self.faults.append(f"WS-4: a binary frame: {data[:80]!r}")
            return
        frame = json.loads(data)
        if frame[0] == 2:
            self._called(link, number, frame, data)
        elif frame[0] in {3, 4}:
            self._answered(frame, data)
        else:
            self.faults.append(f"RPC-1: {data}")
        self._wake()

    def _called(self, link: ServerConnection, number: int, frame: list[Any], text: str) -> None:
        if len(frame) != 4 or not isinstance(frame[1], str) or len(frame[1]) > 36:
            self.faults.append(f"RPC-1/RPC-2: {text}")
        now_s = asyncio.get_running_loop().time()
        call = Call(frame[2], frame[3], frame[1], number, now_s, text, len(self.answers))
        here = [other for other in self.calls if other.link == number]
        if any(other.message_id == call.message_id for other in here):
            self.faults.append(f"RPC-2: message id used twice: {text}")
        if here and here[-1].answered_at is None and call.at - here[-1].at < self.call_timeout_s:
            self.faults.append(f"RPC-3: two CALLs open: {here[-1].text} and {text}")
        self.faults += [
            f"{call.action}: {complaint}: {text}" for complaint in complaints(call.action, _payload(text))
        ]
        self.calls.append(call)
        # The policy of the moment of the call: a story may set the next one as soon as it has seen it.
        policy = self.policies.get(call.action, self._default)
        task = asyncio.ensure_future(self._reply(link, call, policy))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def _answered(self, frame: list[Any], text: str) -> None:
        message_id = frame[1]
        if len(frame) != (3 if frame[0] == 3 else 5):
            self.faults.append(f"RPC-1: {text}")
        self.answers.setdefault(message_id, []).append(frame)
        action = self._sent.get(message_id)
        if action is None and message_id != "-1":
            self.faults.append(f"an answer to nothing: {text}")
        elif frame[0] == 3:
            problems = complaints(str(action), _payload(text, 2), confirmation=True)
            self.faults += [f"{action} answer: {complaint}: {text}" for complaint in problems]

    async def _reply(self, link: ServerConnection, call: Call, policy: Policy) -> None:
        answer = policy(call)
        if asyncio.iscoroutine(answer):
            answer = await answer
        if answer is SILENCE:
            return
        call.answered_at = asyncio.get_running_loop().time()
        if isinstance(answer, Refusal):
            frame: list[Any] = [4, call.message_id, answer.code, answer.description, {}]
        else:
            frame = [3, call.message_id, answer]
        with suppress(ConnectionClosed):
            await link.send(json.dumps(frame))

    def _default(self, call: Call) -> Answer:
        tag = str(call.payload.get("idTag", ""))
        standing = self.tags.get(tag, {"status": "Accepted"})
        match call.action:
            case "BootNotification":
                return {"status": "Accepted", "currentTime": now_text(), "interval": self.interval_s}
            case "Heartbeat":
                return {"currentTime": now_text()}
            case "Authorize":
                return {"idTagInfo": standing}
            case "StartTransaction":
                self.next_transaction += 1
                return {"transactionId": self.next_transaction - 1, "idTagInfo": standing}
            case _:
                return {}

    def _wake(self) -> None:
        self._changed.set()
        self._changed = asyncio.Event()

    # What a story says.

    async def until(self, condition: Callable[[], Any], what: str, within_s: float = PATIENCE_S) -> Any:
        """Wait for something to be so; AssertionError when it is not in time."""
        deadline = asyncio.get_running_loop().time() + within_s
        while True:
            changed = self._changed
            if result := condition():
                return result
            left = deadline - asyncio.get_running_loop().time()
            if left <= 0:
                raise AssertionError(f"not within {within_s} s: {what}\n{self.tail()}")
            try:
                await asyncio.wait_for(changed.wait(), min(left, 0.25))
            except TimeoutError:
                continue

    def tail(self, count: int = 14) -> str:
        """The last CALLs, for a failure's text."""
        return "\n".join(f"    {call.at:.2f} #{call.link} {call.text}" for call in self.calls[-count:])

    def _untold(self, action: str, fields: dict[str, Any]) -> Call | None:
        for call in self.calls:
            if not call.told and call.action == action and _fits(call.payload, fields):
                return call
        return None

    async def next(self, action: str, within_s: float = PATIENCE_S, **fields: Any) -> Call:
        """The first CALL like this that no story has looked at."""
        call: Call = await self.until(
            lambda: self._untold(action, fields), f"{action} {fields or ''}", within_s=within_s
        )
        call.told = True
        return call

    async def status(self, connector: int, status: str, within_s: float = PATIENCE_S, **fields: Any) -> Call:
        """The next StatusNotification of this connector and status."""
        return await self.next("StatusNotification", within_s, connectorId=connector, status=status, **fields)

    async def none(self, action: str, for_s: float, **fields: Any) -> None:
        """No such CALL during this time (and none untold before)."""
        await asyncio.sleep(for_s)
        call = self._untold(action, fields)
        assert call is None, f"not wanted: {call and call.text}\n{self.tail()}"

    def all(self, action: str, **fields: Any) -> list[Call]:
        """Every CALL like this so far."""
        return [call for call in self.calls if call.action == action and _fits(call.payload, fields)]

    def forget(self) -> None:
        """What came so far is looked at."""
        for call in self.calls:
            call.told = True

    async def raw(self, text: str | bytes) -> None:
        """Bytes on the wire, as they stand."""
        await self.link.send(text)

    async def answer(self, call: Call, payload: dict[str, Any]) -> None:
        """Answer a CALL that was left in silence."""
        call.answered_at = asyncio.get_running_loop().time()
        await self.raw(json.dumps([3, call.message_id, payload]))

    async def frame(self, frame: list[Any], within_s: float = 3.0) -> list[Any]:
        """Send this CALL frame and return the frame that answers it."""
        message_id = frame[1]
        self._sent[message_id] = str(frame[2]) if len(frame) > 2 else ""
        await self.raw(json.dumps(frame))
        await self.until(lambda: message_id in self.answers, f"an answer to {frame}", within_s)
        answer: list[Any] = self.answers[message_id][0]
        return answer

    async def call(self, action: str, **payload: Any) -> Any:
        """Call the station: its confirmation's payload, or a Refusal."""
        answer = await self.frame([2, str(uuid.uuid4()), action, payload])
        return answer[2] if answer[0] == 3 else Refusal(answer[2], answer[3])

    async def ask(self, action: str, **payload: Any) -> str:
        """Call the station: the status in its confirmation, or the code of its CALLERROR."""
        answer = await self.call(action, **payload)
        return answer.code if isinstance(answer, Refusal) else str(answer.get("status"))

    async def configure(self, key: str, value: str) -> str:
        """ChangeConfiguration."""
        return await self.ask("ChangeConfiguration", key=key, value=value)

    async def configured(self, key: str) -> str | None:
        """GetConfiguration of one key: its value."""
        answer = await self.call("GetConfiguration", key=[key])
        found: list[dict[str, Any]] = answer.get("configurationKey", [])
        return found[0].get("value", "") if found else None


def _payload(text: str, place: int = 3) -> bytes:
    """The payload of a frame as JSON text again, numbers as they stood."""
    frame = json.loads(text, parse_float=Decimal)
    return json.dumps(frame[place], default=float).encode()
