"""Which sockets become sessions: path, identity, Basic auth, subprotocol, and the faults of a handshake."""

import asyncio
import time
from http import HTTPStatus
from typing import Final
from urllib.parse import unquote

from websockets.frames import CloseCode
from websockets.http11 import Request

from csms import rows
from csms.answers import HANDLERS
from csms.behaviour import CloseAfterConnect, NoSubprotocol, RefusedHandshake
from csms.central import Central
from csms.passwords import Passwords
from csms.session import Session
from csms.websocket import StationSocket, Verdict

MAX_IDENTITY_CHARS: Final = 255


def identity_of(path: str) -> str | None:
    """The last segment of the path, percent-decoded (J§3.1.1); None when there is no usable one."""
    segment = path.partition("?")[0].rpartition("/")[2]
    try:
        identity = unquote(segment, errors="strict")
    except UnicodeDecodeError:
        return None
    if not identity or len(identity) > MAX_IDENTITY_CHARS or not identity.isprintable():
        return None
    return identity


class Admission:
    """The door of `csms.websocket`."""

    def __init__(self, central: Central, passwords: Passwords | None, ping_interval_s: float) -> None:
        self.sockets: set[StationSocket] = set()
        self.ping_interval_s = ping_interval_s
        self._central = central
        self._passwords = passwords

    def judge(self, request: Request) -> Verdict:
        """Let the station in, or say with which HTTP status not (WS-3, SEC-1)."""
        identity = identity_of(request.path)
        if identity is None:
            return Verdict("", HTTPStatus.NOT_FOUND, "connect to /ocpp/IDENTITY")
        if self._passwords is not None:
            headers = request.headers.get_all("Authorization")
            if len(headers) != 1 or not self._passwords.allow(identity, headers[0]):
                return Verdict(identity, HTTPStatus.UNAUTHORIZED, "wrong identity or password")
        misdeeds = self._central.misdeeds
        if misdeeds.active:
            refused = misdeeds.strike(RefusedHandshake, identity)
            if refused is not None:
                misdeeds.commit(refused, time.time(), identity, detail=f"HTTP {refused.status}")
                return Verdict(identity, refused.status, "refused on purpose")
            mute = misdeeds.strike(NoSubprotocol, identity)
            if mute is not None:
                misdeeds.commit(mute, time.time(), identity)
                return Verdict(identity, echo_subprotocol=False)
        return Verdict(identity)

    def refused(self, verdict: Verdict) -> None:
        """Write the refusal down; strangers without an identity are only counted."""
        self._central.statistics.connections_refused += 1
        if verdict.station:
            self._central.ledger.append(
                rows.Connection(time.time(), verdict.station, "refused", int(verdict.status), verdict.text)
            )

    def opened(self, socket: StationSocket, verdict: Verdict, subprotocol: str | None) -> Session:
        """A session for the new socket; an older one of the same station is closed (WS-8)."""
        central, station, now_s = self._central, verdict.station, time.time()
        central.statistics.connections_opened += 1
        if station not in central.registered:
            central.registered[station] = None
            central.ledger.append(rows.Seen(station, now_s))
        central.ledger.append(
            rows.Connection(now_s, station, "opened", None, subprotocol or "no subprotocol")
        )
        session = Session(central, station, socket, HANDLERS, silent=subprotocol is None)
        older = central.sessions.get(station)
        central.sessions[station] = session
        if older is not None:
            older.disconnect(CloseCode.NORMAL_CLOSURE, "replaced by a newer connection")
        if verdict.echo_subprotocol and subprotocol is None:
            socket.close(CloseCode.PROTOCOL_ERROR, "subprotocol ocpp1.6 is needed")  # J§3.1.2
        elif central.misdeeds.active:
            self._close_on_purpose(socket, station)
        return session

    def _close_on_purpose(self, socket: StationSocket, station: str) -> None:
        misdeeds = self._central.misdeeds
        fault = misdeeds.strike(CloseAfterConnect, station)
        if fault is not None:
            misdeeds.commit(fault, time.time(), station, detail=f"close code {fault.code}")
            asyncio.get_running_loop().call_later(fault.after_s, socket.close, fault.code, fault.reason)
