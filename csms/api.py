"""The command API: JSON over HTTP, meant for loopback (C11). docs/csms.md lists it.

A request that changes something must be JSON and carry either the bearer token or the header
`X-CSMS-Request`, neither of which a page from another origin can send unasked; the Host header must name this
machine while the API is bound to loopback (DNS rebinding).
"""

import asyncio
import hmac
import time
from collections.abc import Awaitable, Callable
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Annotated, Any, Final, TypeAlias, TypeVar
from urllib.parse import urlsplit

import msgspec
from aiohttp import web
from aiohttp.typedefs import Middleware
from msgspec import Meta, Struct

from csms import queries
from csms.behaviour import CloseCode, Restart, convert
from csms.commands import Job, Order
from csms.registration import BootRule
from csms.session import CommandResult
from csms.tags import Tag
from stations.wire.types import AuthorizationStatus

if TYPE_CHECKING:
    from csms.server import Server

PROOF_HEADER: Final = "X-CSMS-Request"
MAX_BODY_BYTES: Final = 4 << 20
MAX_LIMIT: Final = 10_000
_READING: Final = frozenset({"GET", "HEAD"})
Answer: TypeAlias = Callable[[web.Request], Awaitable[web.StreamResponse]]
_S = TypeVar("_S")


class TagPut(Struct, forbid_unknown_fields=True):
    """Body of PUT /tags/{id_tag}."""

    status: AuthorizationStatus = AuthorizationStatus.ACCEPTED
    parent_id_tag: str | None = None
    expiry_date: str | None = None


class Authorization(Struct, forbid_unknown_fields=True):
    """Body of GET and PUT /authorization."""

    restricted: bool
    one_transaction_per_tag: bool


class Disconnect(Struct, forbid_unknown_fields=True):
    """Body of POST /disconnect; `code` null cuts the TCP streams."""

    stations: str | list[str]
    code: CloseCode | None = 1001
    reason: str = ""


class RestartOrder(Struct, forbid_unknown_fields=True):
    """Body of POST /restart."""

    down_s: Annotated[float, Meta(ge=0, le=86_400)] = 0.0
    code: CloseCode | None = None


class JobView(Struct):
    """A command's progress and, once asked for by its id, its results."""

    id: int
    action: str
    stations: int
    begun_s: float
    ended_s: float | None
    outcomes: dict[str, int]
    results: list[CommandResult] | None = None


def _json(value: Any, status: int = 200) -> web.Response:
    return web.Response(body=msgspec.json.encode(value), status=status, content_type="application/json")


def _error(status: int, message: str) -> web.Response:
    return _json({"error": message}, status)


async def _body(request: web.Request, body_type: type[_S]) -> _S:
    return msgspec.json.decode(await request.read(), type=body_type)


def _number(request: web.Request, name: str, default: int, highest: int) -> int:
    text = request.query.get(name, str(default))
    if not text.isdecimal() or int(text) > highest:
        raise ValueError(f"{name} must be a number from 0 to {highest}, not {text!r}")
    return int(text)


class Api:
    """The handlers; each is one route of `build_api`."""

    def __init__(self, server: "Server") -> None:
        self._server = server
        self._central = server.central

    async def health(self, _request: web.Request) -> web.Response:
        """200 while the ledger can be written, 503 with the reason otherwise."""
        counters = self._central.ledger.counters
        healthy = not counters.failing
        view = {
            "status": "ok" if healthy else "failing",
            "reason": counters.failing,
            "connections": len(self._central.sessions),
            "lost_rows": counters.lost_rows,
            "bugs": self._central.statistics.bugs,
        }
        return _json(view, 200 if healthy else 503)

    async def statistics(self, _request: web.Request) -> web.Response:
        """Counters since the start and messages per second over the last ten seconds."""
        messages_in_per_s, messages_out_per_s = self._server.rates.per_second()
        ledger = self._central.ledger
        rows = await asyncio.to_thread(queries.count_rows, ledger.path)
        view = {
            "uptime_s": time.time() - self._central.statistics.started_s,
            "connections": len(self._central.sessions),
            "messages_in_per_s": messages_in_per_s,
            "messages_out_per_s": messages_out_per_s,
            "counted": self._central.statistics,
            "misdeeds": self._central.misdeeds.committed,
            "ledger": {"writer": ledger.counters, "backlog_rows": ledger.backlog_rows, "rows": rows},
        }
        return _json(view)

    async def stations(self, request: web.Request) -> web.Response:
        """Every station ever seen, by identity: `match` (glob), `connected`, `limit`, `offset`."""
        match, connected = request.query.get("match", "*"), request.query.get("connected")
        if connected not in {None, "true", "false"}:
            raise ValueError(f"connected must be true or false, not {connected!r}")
        limit, offset = _number(request, "limit", 100, MAX_LIMIT), _number(request, "offset", 0, 2**31)
        sessions = self._central.sessions
        wanted = sorted(
            station
            for station in self._central.registered
            if fnmatchcase(station, match)
            and (connected is None or (station in sessions) == (connected == "true"))
        )
        page = await self._describe(wanted[offset : offset + limit])
        return _json({"total": len(wanted), "stations": page})

    async def station(self, request: web.Request) -> web.Response:
        """One station with the latest status of its connectors."""
        station = request.match_info["station"]
        if station not in self._central.registered:
            return _error(404, f"no station {station!r} was ever seen")
        [view] = await self._describe([station])
        page = queries.Page({"station": station})
        view["connectors"] = await asyncio.to_thread(
            queries.list_rows, self._central.ledger.path, "connectors", page
        )
        return _json(view)

    async def _describe(self, stations: list[str]) -> list[dict[str, Any]]:
        stored = await asyncio.to_thread(queries.describe_stations, self._central.ledger.path, stations)
        views = []
        for station in stations:
            session = self._central.sessions.get(station)
            live = {
                "connected": session is not None,
                "connected_s": session.connected_s if session else None,
                "last_message_s": session.last_message_s if session else None,
                "registration": self._central.registered[station],
                "transactions": self._central.running.get(station, {}),
            }
            views.append({"station": station, **stored.get(station, {}), **live})
        return views

    async def rows(self, request: web.Request) -> web.Response:
        """One of `queries.LISTS`, newest first: exact filters, `limit`, `offset`, `open` (transactions)."""
        name = request.path.strip("/")
        filters = {
            key: value for key, value in request.query.items() if key not in {"limit", "offset", "open"}
        }
        open_only = request.query.get("open") == "true"
        if open_only and name != "transactions":
            raise ValueError("only transactions can be open")
        page = queries.Page(
            filters,
            _number(request, "limit", 100, MAX_LIMIT),
            _number(request, "offset", 0, 2**31),
            open_only,
        )
        found = await asyncio.to_thread(queries.list_rows, self._central.ledger.path, name, page)
        return _json({name.replace("-", "_"): found})

    async def put_tag(self, request: web.Request) -> web.Response:
        """Add a tag or replace it; answered when it is in the ledger."""
        body = await _body(request, TagPut)
        tag = Tag(request.match_info["id_tag"], body.status, body.parent_id_tag, body.expiry_date)
        written: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        self._server.put_tags([tag], written.set_result)
        return _json(tag) if await written else _error(500, "the tag could not be stored")

    async def delete_tag(self, request: web.Request) -> web.Response:
        """Forget a tag."""
        id_tag = request.match_info["id_tag"]
        if not self._central.tags.forget(id_tag):
            return _error(404, f"no tag {id_tag!r}")
        written: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        self._central.ledger.change("DELETE FROM tags WHERE id_tag = ?", [(id_tag,)], written.set_result)
        return _json({}) if await written else _error(500, "the tag could not be removed")

    async def authorization(self, request: web.Request) -> web.Response:
        """Read or set: unknown tags refused, one transaction per tag."""
        tags = self._central.tags
        if request.method == "PUT":
            body = await _body(request, Authorization)
            tags.restricted, tags.one_transaction_per_tag = body.restricted, body.one_transaction_per_tag
        return _json(Authorization(tags.restricted, tags.one_transaction_per_tag))

    async def boot(self, request: web.Request) -> web.Response:
        """Read the boot rules, the weakest first, or add one."""
        if request.method == "PUT":
            self._central.boot.add(await _body(request, BootRule))
        return _json({"rules": self._central.boot.rules()})

    async def behaviour(self, request: web.Request) -> web.Response:
        """Read or replace the faults in force; `{}` ends them all."""
        if request.method == "PUT":
            self._server.misbehave(convert(msgspec.json.decode(await request.read())))
        return _json(self._central.misdeeds.behaviour)

    async def send(self, request: web.Request) -> web.Response:
        """Send an operation; with `wait` (the default) answered with the results, else with the job's id."""
        order = await _body(request, Order)
        job = self._server.commands.begin(order)
        if order.wait and job.task is not None:
            await asyncio.shield(job.task)
        return _json(_view(job, results=order.wait), 200 if order.wait else 202)

    async def jobs(self, _request: web.Request) -> web.Response:
        """The commands of late, without results."""
        return _json({"commands": [_view(job, results=False) for job in self._server.commands.jobs()]})

    async def job(self, request: web.Request) -> web.Response:
        """One command with its results so far."""
        job = self._server.commands.job(int(request.match_info["id"]))
        return _error(404, "no such command") if job is None else _json(_view(job, results=True))

    async def disconnect(self, request: web.Request) -> web.Response:
        """Close the connections of these stations."""
        order = await _body(request, Disconnect)
        count = 0
        for station in self._central.select(order.stations):
            session = self._central.sessions.get(station)
            if session is not None:
                session.disconnect(order.code, order.reason)
                count += 1
        return _json({"disconnected": count})

    async def restart(self, request: web.Request) -> web.Response:
        """Drop every connection and stay away for `down_s`; answered at once."""
        order = await _body(request, RestartOrder)
        self._server.begin_restart(Restart(down_s=order.down_s, code=order.code))
        return _json({}, 202)


def _view(job: Job, *, results: bool) -> JobView:
    return JobView(
        job.id,
        job.action,
        len(job.stations),
        job.begun_s,
        job.ended_s,
        job.counts(),
        job.results if results else None,
    )


def _guard(server: "Server") -> Middleware:
    """Who may ask, and errors as JSON."""
    token, local = server.settings.api_token, server.api_is_local

    @web.middleware
    async def guard(request: web.Request, handler: Answer) -> web.StreamResponse:
        refusal = _refusal(request, token, local=local)
        if refusal is not None:
            return refusal
        try:
            return await handler(request)
        except web.HTTPException as exc:
            return _error(exc.status, exc.reason)
        except ValueError as exc:  # of our own checks and of msgspec's: the caller's fault
            return _error(400, str(exc))

    return guard


def _refusal(request: web.Request, token: str | None, *, local: bool) -> web.Response | None:
    host = urlsplit(f"//{request.host}").hostname
    if local and host not in {"127.0.0.1", "localhost", "::1"}:
        return _error(403, f"this API does not answer to the name {host!r}")
    if token is not None and request.path != "/health":
        given = request.headers.get("Authorization", "").encode()
        if not hmac.compare_digest(given, f"Bearer {token}".encode()):
            return _error(401, "a bearer token is needed")
    if request.method not in _READING:
        if request.method != "DELETE" and request.content_type != "application/json":  # it has no body
            return _error(415, "send Content-Type: application/json")
        if token is None and PROOF_HEADER not in request.headers:
            return _error(403, f"send the header {PROOF_HEADER}: 1")
    return None


def build_api(server: "Server") -> web.Application:
    """The aiohttp application of one central system."""
    api = Api(server)
    app = web.Application(middlewares=[_guard(server)], client_max_size=MAX_BODY_BYTES)
    app.add_routes(
        [
            web.get("/health", api.health),
            web.get("/statistics", api.statistics),
            web.get("/stations", api.stations),
            web.get("/stations/{station}", api.station),
            *(web.get(f"/{name}", api.rows) for name in queries.LISTS),
            web.put("/tags/{id_tag:.+}", api.put_tag),
            web.delete("/tags/{id_tag:.+}", api.delete_tag),
            web.get("/authorization", api.authorization),
            web.put("/authorization", api.authorization),
            web.get("/boot", api.boot),
            web.put("/boot", api.boot),
            web.get("/behaviour", api.behaviour),
            web.put("/behaviour", api.behaviour),
            web.post("/commands", api.send),
            web.get("/commands", api.jobs),
            web.get(r"/commands/{id:\d+}", api.job),
            web.post("/disconnect", api.disconnect),
            web.post("/restart", api.restart),
        ]
    )
    return app
