"""One station as its web page shows it. Runs in the loop's thread (`engine.loop.Ask`).

Everything that leaves this module is plain data without secrets (C11): passwords and keys are only said to
be set, URLs lose user information, frames are redacted before they are kept.
"""

import time
from collections import deque
from collections.abc import Callable
from typing import Any, Final

from msgspec import structs

from engine.clock import Clock, monotonic
from engine.unit import Unit
from results.evidence import redacted
from results.secrets import safe_url
from stations import confplan, ocppconf
from stations.core import events as ev
from stations.core import keys, link
from stations.core.connector import Connector
from stations.core.station import Station
from stations.ocppconf import Addressing, BadgeReaderOffline, BasicAuthentication, Cable, Conf, WiFi

FRAMES: Final = 50
FRAME_CHARACTERS: Final = 2_000
WATCHED_FOR_S: Final = 15.0  # real seconds after the last look
WATCHED_AT_ONCE: Final = 16  # stations whose frames one worker keeps; the one looked at longest ago yields
SIDES: Final = ("", "right", "left")  # ST-15

_READER: Final = {
    (True, True): BadgeReaderOffline.ALL,
    (True, False): BadgeReaderOffline.LOCAL,
    (False, False): BadgeReaderOffline.NONE,
}


class Frames:
    """The last frames of one station, kept while somebody looks (`engine.edge.Watch`)."""

    __slots__ = ("_unit", "kept", "until_s")

    def __init__(self, unit: Unit) -> None:
        self._unit = unit
        self.kept: deque[tuple[float, str, str]] = deque(maxlen=FRAMES)  # Unix time, direction, text
        self.until_s = 0.0

    def note(self, direction: str, data: bytes) -> None:
        """Keep one message, or stop when nobody has looked for a while."""
        if monotonic() > self.until_s:
            self._unit.watch = None
            return
        # Cut after masking, so that a secret cut in two cannot slip through.
        text = redacted(data[: 8 * FRAME_CHARACTERS].decode("utf-8", "replace"))[:FRAME_CHARACTERS]
        self.kept.append((time.time(), direction, text))


class Gallery:
    """What one worker remembers of stations that people look at. Used in the loop's thread only."""

    def __init__(self) -> None:
        self._watched: dict[int, Frames] = {}  # the one looked at last is last
        self._files: dict[int, ocppconf.Document] = {}  # what was stored by hand, comments and all

    def look(self, unit: Unit, clock: Clock) -> dict[str, Any]:
        """The station now; from now on its frames are kept for a while."""
        frames = self._watch(unit)
        station, now = unit.station, clock.now()
        return {
            "index": unit.index,
            "uid": link.identity(station),
            "plan_uid": station.plan.identity,
            "active": int(station.active),
            "connected": int(station.online),
            "link": station.link.value,
            "registration": str(station.registration),
            "powered": station.powered,
            "running": station.running,
            "drivers": unit.driver is not None,
            "backlog": station.backlog,
            "product": _product(station),
            "data": [list(row) for row in ocppconf.shown(self._conf(unit))],
            "url": shown_url(station),
            "connectors": [_side(station, side, now) for side in station.connectors[1:]],
            "frames": [list(frame) for frame in frames.kept],
        }

    def _watch(self, unit: Unit) -> Frames:
        frames = self._watched.pop(unit.index, None)
        if frames is None or unit.watch is not frames:
            frames = unit.watch = Frames(unit)
        frames.until_s = monotonic() + WATCHED_FOR_S
        self._watched[unit.index] = frames
        if len(self._watched) > WATCHED_AT_ONCE:
            oldest = self._watched.pop(next(iter(self._watched)))
            oldest.until_s = 0.0
        return frames

    def file(self, unit: Unit, _clock: Clock) -> bytes:
        """Its OCPPConf.xml; passwords and keys are left out, and a file without them leaves them alone."""
        stored = self._files.get(unit.index)
        conf = self._conf(unit)
        return ocppconf.new(conf) if stored is None else stored.written(conf)

    def _conf(self, unit: Unit) -> Conf:
        stored = self._files.get(unit.index)
        conf = conf_of(unit.station)
        return conf if stored is None else _merged(stored.conf, conf)

    def store(self, document: ocppconf.Document) -> Callable[[Unit, Clock], list[str]]:
        """The question that stores a file that was read; tells its warnings."""

        def put(unit: Unit, _clock: Clock) -> list[str]:
            reconfigure(unit, document.conf)
            self._files[unit.index] = document
            return list(document.warnings)

        return put


def reconfigure(unit: Unit, conf: Conf) -> None:
    """PlanError changes nothing."""
    plan = confplan.planned(confplan.numbered(conf, unit.index + 1), unit.station.plan)
    connection = conf.uri is not None or conf.uid is not None or conf.basic_authentication.enabled is not None
    unit.happen(ev.Reconfigure(plan, confplan.presets(conf), connection))


def conf_of(station: Station) -> Conf:
    """The file that would make the station what it is, without secrets."""
    configuration, product = station.configuration, station.plan.product
    reader = (
        configuration.stored(keys.LOCAL_AUTHORIZE_OFFLINE),
        configuration.stored(keys.ALLOW_OFFLINE_TX_FOR_UNKNOWN_ID),
    )

    def said(key: "keys.Key[str]") -> str | None:
        return configuration.stored(key) or None

    def side(number: int, key: "keys.Key[int]") -> ocppconf.Connector:
        if number > product.connectors:
            return ocppconf.Connector()
        attached = not product.detachable_cable or number in product.attached_connectors
        return ocppconf.Connector(
            max_current_a=configuration.stored(key),
            cable=Cable.ATTACHED if attached else Cable.DETACHABLE,
            ocpp=number not in product.local_connectors,
        )

    return Conf(
        uri=shown_url(station).rpartition("/")[0],
        uid=link.identity(station),
        ethernet=Addressing(
            address=said(keys.NETWORK_ETHERNET_ADDRESS),
            netmask=said(keys.NETWORK_ETHERNET_NETMASK),
            gateway=said(keys.NETWORK_ETHERNET_GATEWAY),
        ),
        wifi=WiFi(
            address=said(keys.NETWORK_WIFI_ADDRESS),
            netmask=said(keys.NETWORK_WIFI_NETMASK),
            gateway=said(keys.NETWORK_WIFI_GATEWAY),
        ),
        badge_reader_offline=_READER.get(reader),
        meter_value_sample_interval_s=configuration.stored(keys.METER_VALUE_SAMPLE_INTERVAL),
        connection_time_out_s=configuration.stored(keys.CONNECTION_TIME_OUT),
        heart_beat_interval_s=configuration.stored(keys.HEARTBEAT_INTERVAL),
        basic_authentication=BasicAuthentication(enabled=link.authorization(station) is not None),
        connector_right=side(1, keys.MAX_CURRENT_INSTALLATION_RIGHT),
        connector_left=side(2, keys.MAX_CURRENT_INSTALLATION_LEFT),
    )


def _merged(stored: Conf, now: Conf) -> Conf:
    """Today's values, and what a station cannot tell (DHCP, DNS, SSID, login) as stored; no secrets."""
    port = {"dhcp", "dns1", "dns2"}
    wifi = {name: getattr(stored.wifi, name) for name in port | {"ssid"}}
    ethernet = {name: getattr(stored.ethernet, name) for name in port}
    return structs.replace(
        now,
        ethernet=structs.replace(now.ethernet, **ethernet),
        wifi=structs.replace(now.wifi, **wifi),
        web_access=structs.replace(stored.web_access, password=None),
    )


def shown_url(station: Station) -> str:
    """URL + UID of the next connection."""
    return safe_url(link.url(station))


def _product(station: Station) -> dict[str, Any]:
    plan = station.plan
    product = plan.product
    return {
        "vendor": product.vendor,
        "model": product.model,
        "serial": plan.serial,
        "firmware": station.firmware,
        "personality": product.personality.value,
        "security_profile": link.profile(station),
    }


def _side(station: Station, side: Connector, now: float) -> dict[str, Any]:
    number, running = side.number, side.transaction
    meter_wh = station.meter_wh(number, now)
    transaction = None
    if running is not None:
        transaction = {
            "sequence": running.sequence,
            "id": running.transaction_id,
            "id_tag": running.id_tag,
            "started_s": running.started_s,
            "energy_wh": meter_wh - running.meter_start_wh,
            "offline": running.offline,
        }
    return {
        "number": number,
        "side": SIDES[number],
        "status": str(side.status),
        "error": str(side.error_code),
        "plugged": side.vehicle is not None,
        "locked": side.locked,
        "meter_wh": meter_wh,
        "power_w": station.power_w(number, now),
        "limit_a": station.limit_a(number),
        "transaction": transaction,
    }
