"""What an OCPPConf.xml does to a station: a file and a plan become another plan.

As a template for a group, a file may contain `{n}` (the station's number from 1, `{n:06d}` with zeros) in the
UID and in addresses, and `{high}` and `{low}` (the number as two parts of an address: 254 hosts a subnet).
"""

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final, TypeVar

from msgspec import structs

from stations.core import keys
from stations.core.address import connection_url
from stations.core.plan import Plan, Product
from stations.errors import PlanError
from stations.ocppconf import Addressing, BadgeReaderOffline, Cable, Conf, Connector

if TYPE_CHECKING:
    from stations.core.keys import Key

A = TypeVar("A", bound=Addressing)

_PLACEHOLDER: Final = re.compile(r"\{(n|high|low)(?::([0-9]+)d)?\}")
_HOSTS: Final = 254  # usable last bytes of an address: 1..254
_LONGEST_UID: Final = 48

# LocalAuthorizeOffline, AllowOfflineTxForUnknownId (section 12, D).
_READER: Final = {
    BadgeReaderOffline.ALL: (True, True),
    BadgeReaderOffline.LOCAL: (True, False),
    BadgeReaderOffline.NONE: (False, False),
}


def planned(conf: Conf, plan: Plan, *, server: str | None = None) -> Plan:
    """The plan with everything the file says; `server` goes before the file's URI."""
    return structs.replace(plan, product=_product(conf, plan.product), **_connection(conf, plan, server))


class Template:
    """One file for a group of stations; those that differ in nothing else share one Product."""

    __slots__ = ("_conf", "_keys", "_products")

    def __init__(self, conf: Conf, stations: int, keys: Mapping[str, str] | None = None) -> None:
        """For station numbers 1 to `stations`; `keys` are presets that go before the file's."""
        first, last = numbered(conf, 1), numbered(conf, stations)
        if stations > 1 and conf.uid is not None and first.uid == last.uid:
            raise PlanError(f"UID {conf.uid}: {stations} stations would share it; mend: put {{n}} in it")
        self._conf = conf
        self._keys = keys or {}
        self._products: dict[int, tuple[Product, Product]] = {}  # id of the base -> base (held), made

    def uid(self, number: int) -> str | None:
        """The identity of station `number`, None where the file leaves it open."""
        return numbered(self._conf, number).uid

    def planned(self, number: int, plan: Plan, *, server: str | None = None) -> Plan:
        """The plan of station `number` (from 1)."""
        conf = numbered(self._conf, number)
        connection = _connection(conf, plan, server)
        if conf.ethernet is not self._conf.ethernet or conf.wifi is not self._conf.wifi:
            return structs.replace(plan, product=self._made(conf, plan.product), **connection)
        if id(plan.product) not in self._products:
            self._products[id(plan.product)] = plan.product, self._made(conf, plan.product)
        return structs.replace(plan, product=self._products[id(plan.product)][1], **connection)

    def _made(self, conf: Conf, product: Product) -> Product:
        made = _product(conf, product)
        return structs.replace(made, keys={**made.keys, **self._keys}) if self._keys else made


def numbered(conf: Conf, number: int) -> Conf:
    """The file of station `number` (from 1): placeholders filled in."""
    uid = None if conf.uid is None else expanded(conf.uid, number)
    if uid is not None and len(uid) > _LONGEST_UID:
        raise PlanError(f"UID {uid}: longer than {_LONGEST_UID} characters; mend: shorten the pattern")
    return structs.replace(
        conf, uid=uid, ethernet=_readdressed(conf.ethernet, number), wifi=_readdressed(conf.wifi, number)
    )


def expanded(pattern: str, number: int) -> str:
    """A pattern with its placeholders filled in for station `number` (from 1)."""
    values = {"n": number, "high": (number - 1) // _HOSTS, "low": (number - 1) % _HOSTS + 1}

    def value(found: re.Match[str]) -> str:
        return format(values[found[1]], f"{found[2] or ''}d")

    return _PLACEHOLDER.sub(value, pattern)


def model(product: Product, uri: str, uid: str) -> Conf:
    """A file with the factory's values, to begin with (`greenup conf new`)."""
    side = Connector(max_current_a=int(product.max_current_a), cable=Cable.DETACHABLE, ocpp=True)
    return Conf(
        uri=uri,
        uid=uid,
        ethernet=Addressing(dhcp=False, address="192.168.1.200", netmask="255.255.255.0"),
        badge_reader_offline=BadgeReaderOffline.NONE,
        meter_value_sample_interval_s=keys.METER_VALUE_SAMPLE_INTERVAL.default,
        connection_time_out_s=keys.CONNECTION_TIME_OUT.default,
        heart_beat_interval_s=keys.HEARTBEAT_INTERVAL.default,
        connector_right=side,
        connector_left=side if product.connectors > 1 else Connector(),
    )


def _connection(conf: Conf, plan: Plan, server: str | None) -> dict[str, Any]:
    """WS-1, SEC-1: URL and identity; Basic authentication makes security profile 1, over TLS 2."""
    identity = conf.uid or plan.identity
    uri = server or conf.uri
    if uri is None and conf.uid is not None:
        uri = plan.url.rpartition("/")[0]
    url = plan.url if uri is None else connection_url(uri, identity)
    key, profile = plan.basic_auth_key, plan.security_profile
    basic = conf.basic_authentication
    if basic.enabled is not None:
        password = basic.password.reveal() if basic.password else key
        if basic.enabled and password is None:
            raise PlanError("BasicAuthentication is enabled without a password; mend: add its Password")
        key = password if basic.enabled else None
        profile = (2 if url.startswith("wss:") else 1) if basic.enabled else 0
    return {"identity": identity, "url": url, "basic_auth_key": key, "security_profile": profile}


def _product(conf: Conf, product: Product) -> Product:
    sides = {1: conf.connector_right, 2: conf.connector_left}
    attached = set(product.attached_connectors)
    local = set(product.local_connectors)
    for number, side in sides.items():
        _put(attached, number, None if side.cable is None else side.cable is Cable.ATTACHED)
        _put(local, number, None if side.ocpp is None else not side.ocpp)
    if local.issuperset(range(1, product.connectors + 1)):
        raise PlanError("OCPP is off on every side: the station would never connect; mend: switch one on")
    return structs.replace(
        product,
        keys=product.keys | presets(conf),
        attached_connectors=frozenset(attached),
        local_connectors=frozenset(local),
    )


def _put(numbers: set[int], number: int, belongs: bool | None) -> None:
    if belongs is not None:
        (numbers.add if belongs else numbers.discard)(number)


def presets(conf: Conf) -> dict[str, str]:
    """The configuration keys that the file presets."""
    reader = conf.badge_reader_offline
    offline, unknown = (None, None) if reader is None else _READER[reader]
    presets: tuple[tuple[Key[Any], object], ...] = (
        (keys.METER_VALUE_SAMPLE_INTERVAL, conf.meter_value_sample_interval_s),
        (keys.CONNECTION_TIME_OUT, conf.connection_time_out_s),
        (keys.HEARTBEAT_INTERVAL, conf.heart_beat_interval_s),
        (keys.LOCAL_AUTHORIZE_OFFLINE, offline),
        (keys.ALLOW_OFFLINE_TX_FOR_UNKNOWN_ID, unknown),
        (keys.MAX_CURRENT_INSTALLATION_RIGHT, conf.connector_right.max_current_a),
        (keys.MAX_CURRENT_INSTALLATION_LEFT, conf.connector_left.max_current_a),
        (keys.NETWORK_ETHERNET_ADDRESS, conf.ethernet.address),
        (keys.NETWORK_ETHERNET_NETMASK, conf.ethernet.netmask),
        (keys.NETWORK_ETHERNET_GATEWAY, conf.ethernet.gateway),
        (keys.NETWORK_WIFI_ADDRESS, conf.wifi.address),
        (keys.NETWORK_WIFI_NETMASK, conf.wifi.netmask),
        (keys.NETWORK_WIFI_GATEWAY, conf.wifi.gateway),
    )
    return {key.name: str(value).lower() for key, value in presets if value is not None}


def _readdressed(addressing: A, number: int) -> A:
    fields = ("address", "netmask", "gateway", "dns1", "dns2")
    texts = {field: getattr(addressing, field) for field in fields}
    if not any("{" in text for text in texts.values() if text is not None):
        return addressing
    filled = {field: text and expanded(text, number) for field, text in texts.items()}
    return structs.replace(addressing, **filled)
