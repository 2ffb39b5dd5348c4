"""The link machine: when to connect, when to give up on a socket, when to try again (WS-1 … WS-8)."""

from base64 import b64encode
from enum import StrEnum
from typing import TYPE_CHECKING, Final

from stations.core import boot, calls
from stations.core.address import connection_url
from stations.core.alarms import Alarm
from stations.core.dispatch import changes, on, rings
from stations.core.events import (
    Activate,
    CloseLink,
    DropLink,
    LinkDown,
    LinkFailure,
    LinkRefused,
    LinkUp,
    OpenLink,
    Outcome,
    Ping,
)
from stations.core.keys import (
    AUTHORIZATION_KEY,
    SECURITY_PROFILE,
    SERVER_RECONNECTION_TIME,
    UID,
    URI,
    WEB_SOCKET_PING_INTERVAL,
)

if TYPE_CHECKING:
    from stations.core.station import Station

SUBPROTOCOL: Final = "ocpp1.6"
BACK_OFF_CAP: Final = 10.0  # WS-3: the pause grows to this many times its base
# Nothing failed: time for the close handshake, no back-off (SEC-2, SEC-3).
CHANGE_S: Final[tuple[float, ...]] = (0.5, 1.0)
PONG_TIME_OUT_S: Final = 10.0
TLS_PROFILE: Final = 2  # from here on wss (SEC-2)
CERTIFICATE_PROFILE: Final = 3
_UNSET: Final = frozenset({"", UID.default, URI.default})


class LinkState(StrEnum):
    """Where the station's one connection stands."""

    OFF = "off"  # no power, restarting, or not activated
    WAITING = "waiting"  # until the next attempt (WS-3)
    CONNECTING = "connecting"
    UP = "up"


def connect(station: "Station") -> None:
    """Ask the edge for a connection; it answers with LinkUp or LinkRefused."""
    station.alarms.drop(Alarm.RECONNECT)
    station.set_link(LinkState.CONNECTING)
    station.effects.append(OpenLink(url(station), authorization(station)))


def url(station: "Station") -> str:
    """WS-1: the plan's URL as it stands, unless UID or URI were configured; then URI + "/" + UID."""
    plan, configuration = station.plan, station.configuration
    uri, uid = configuration[URI], configuration[UID]
    url = plan.url
    if uri not in _UNSET or uid not in _UNSET:
        base = url.rpartition("/")[0] if uri in _UNSET else uri
        url = connection_url(base, identity(station))
    return url.replace("ws://", "wss://", 1) if profile(station) >= TLS_PROFILE else url


def same_place(one: str, other: str) -> bool:
    """Whether two URLs differ in nothing but TLS, which a security profile adds (BOOT-9, SEC-2)."""
    return one.partition(":")[2] == other.partition(":")[2]


def identity(station: "Station") -> str:
    """The UID in force."""
    uid = station.configuration[UID]
    return station.plan.identity if uid in _UNSET else uid


def profile(station: "Station") -> int:
    """The security profile in force: the plan's, or a higher one set since (SEC-2)."""
    return max(station.plan.security_profile, station.configuration[SECURITY_PROFILE])


def raises_profile(station: "Station", text: str) -> bool:
    """SEC-2: upwards only, and only with the key or the certificate that the new profile needs."""
    wanted = int(text) if text.isascii() and text.isdigit() else 0
    needed = station.plan.client_certificate if wanted == CERTIFICATE_PROFILE else _key(station) is not None
    allowed = needed and profile(station) < wanted <= CERTIFICATE_PROFILE
    if allowed:
        station.fallback = profile(station)
    return allowed


def _key(station: "Station") -> str | None:
    return station.configuration[AUTHORIZATION_KEY] or station.plan.basic_auth_key


def authorization(station: "Station") -> str | None:
    """SEC-1, SEC-2: HTTP Basic with the key's bytes; none in profile 3, nor in 0 unless the plan says so."""
    key = _key(station)
    level = profile(station)
    unused = level == 0 and station.plan.basic_auth_key is None
    if key is None or unused or level == CERTIFICATE_PROFILE:
        return None
    return "Basic " + b64encode(identity(station).encode() + b":" + _key_bytes(key)).decode()


def _key_bytes(key: str) -> bytes:
    """Hexadecimal if it reads so (32 to 40 digits), else its characters."""
    hexadecimal = set(key) <= set("0123456789abcdefABCDEF")
    if hexadecimal and 32 <= len(key) <= 40 and len(key) % 2 == 0:
        return bytes.fromhex(key)
    return key.encode()


@on(LinkUp)
def _up(station: "Station", event: LinkUp) -> None:
    if station.link is not LinkState.CONNECTING:
        return
    if event.subprotocol != SUBPROTOCOL:
        station.find("WS-2", f"subprotocol {event.subprotocol!r} instead of {SUBPROTOCOL!r}")
        if event.subprotocol is not None or not station.plan.product.subprotocol_lenient:
            station.effects.append(CloseLink(1002, "subprotocol"))
            _wait(station)
            return
    station.set_link(LinkState.UP)
    _settle_profile(station)
    station.online_at = station.line_free_at = station.heard_at = station.now
    station.silent_calls = 0
    station.received_id = ""
    arm_ping(station)
    boot.connected(station)


@on(LinkRefused)
def _refused(station: "Station", event: LinkRefused) -> None:
    if station.link is LinkState.CONNECTING:
        if station.fallback is not None:  # SEC-2, A05: the new profile does not work
            station.configuration.put(SECURITY_PROFILE, station.fallback)
            _settle_profile(station)
        if event.failure is LinkFailure.SUBPROTOCOL:
            station.find("WS-2", event.detail or "no subprotocol selected")
        _wait(station)


def _settle_profile(station: "Station") -> None:
    """SEC-2: the profile in force is the one that stays."""
    if station.fallback is not None:
        station.fallback = None
        station.changed = True


@on(LinkDown)
def _down(station: "Station", _event: LinkDown) -> None:
    if station.link is LinkState.UP:
        leave(station, Outcome.CLOSED)
        _wait(station)


def leave(station: "Station", outcome: Outcome) -> None:
    """The socket is gone, or is being given up by us: no message of ours may use it any more (WS-8)."""
    station.set_link(LinkState.OFF)
    for alarm in (Alarm.PING, Alarm.HEARTBEAT, Alarm.PACE):
        station.alarms.drop(alarm)
    calls.abandon_all(station, outcome)


def close(station: "Station", reason: str) -> None:
    """End the connection politely and stay off."""
    was, station.attempts = station.link, 0
    station.alarms.drop(Alarm.RECONNECT)
    if was is LinkState.UP:
        leave(station, Outcome.CANCELLED)
        station.effects.append(CloseLink(1000, reason))
    elif was is LinkState.CONNECTING:
        station.effects.append(DropLink())
    station.set_link(LinkState.OFF)


def drop(station: "Station", outcome: Outcome) -> None:
    """End the connection without a word: power cut, hard reset, dead link."""
    was = station.link
    station.alarms.drop(Alarm.RECONNECT)
    if was is LinkState.UP:
        leave(station, outcome)
    if was in {LinkState.UP, LinkState.CONNECTING}:
        station.effects.append(DropLink())
    station.set_link(LinkState.OFF)


def dead(station: "Station") -> None:
    """A half-open link: drop it and start again."""
    drop(station, Outcome.CLOSED)
    _wait(station)


def _wait(station: "Station") -> None:
    """WS-3: base times 1..2, doubling up to the cap; every station draws its own, at the cap too."""
    base_s = station.configuration[SERVER_RECONNECTION_TIME]
    growth = min(2.0**station.attempts, BACK_OFF_CAP / 2)
    station.attempts = min(station.attempts + 1, 10)
    station.set_link(LinkState.WAITING)
    pause_s = base_s * growth * station.luck.uniform(1.0, 2.0)
    station.alarms.set(Alarm.RECONNECT, station.now + pause_s)


@changes(SERVER_RECONNECTION_TIME)
def _reconnection_time_changed(station: "Station") -> None:
    """CC-3, WS-3: who waits for the next attempt begins a new back-off."""
    if station.link is LinkState.WAITING:
        station.attempts = 0
        _wait(station)


@rings(Alarm.RECONNECT)
def _try_again(station: "Station", _connector: int, _at: float) -> None:
    connect(station)


@changes(WEB_SOCKET_PING_INTERVAL)
def arm_ping(station: "Station") -> None:
    """WS-5: with a positive interval the client pings."""
    interval_s = station.configuration[WEB_SOCKET_PING_INTERVAL]
    if interval_s > 0 and station.link_up:
        station.alarms.set(Alarm.PING, station.now + interval_s)
    else:
        station.alarms.drop(Alarm.PING)


@rings(Alarm.PING)
def _ping(station: "Station", _connector: int, at: float) -> None:
    interval_s = station.configuration[WEB_SOCKET_PING_INTERVAL]
    station.effects.append(Ping(min(PONG_TIME_OUT_S, float(interval_s))))
    station.alarms.set(Alarm.PING, max(at + interval_s, station.now))


@changes(AUTHORIZATION_KEY)
def _new_key(station: "Station") -> None:
    """SEC-3: Accepted, then disconnect and reconnect with the new key; the queue is kept."""
    if authorization(station) is not None:
        _leave_soon(station)


@changes(SECURITY_PROFILE)
def _new_profile(station: "Station") -> None:
    """SEC-2: Accepted, then disconnect and reconnect under the new profile."""
    _leave_soon(station)


def _leave_soon(station: "Station") -> None:
    station.alarms.set(Alarm.LEAVE, station.now)  # an alarm, so that the answer gets out first


@rings(Alarm.LEAVE)
def _leave(station: "Station", _connector: int, _at: float) -> None:
    if station.link is not LinkState.OFF:
        close(station, "new credentials")
        station.set_link(LinkState.WAITING)
        station.alarms.set(Alarm.RECONNECT, station.now + station.luck.uniform(*CHANGE_S))


@on(Activate)
def _activate(station: "Station", event: Activate) -> None:
    """The web page's switch: 0 stays offline, 1 connects at once."""
    if station.active is event.active:
        return
    station.active = event.active
    station.changed = True
    if not event.active:
        close(station, "deactivated")
    elif station.running and station.link is LinkState.OFF:
        connect(station)
