"""GetConfiguration and ChangeConfiguration (§5.3, §5.8), and presets behind OCPP's back."""

from typing import TYPE_CHECKING, Any, Final

from stations.core import link
from stations.core.dispatch import CHANGES, answers, on
from stations.core.events import SetKey
from stations.core.keys import (
    GET_CONFIGURATION_MAX_KEYS,
    KEYS,
    MAX_CURRENT_CABLE_LEFT,
    MAX_CURRENT_CABLE_RIGHT,
    SECURITY_PROFILE,
    UID,
    URI,
    Key,
)
from stations.wire.messages import (
    ChangeConfiguration,
    ChangeConfigurationConf,
    GetConfiguration,
    GetConfigurationConf,
    KeyValue,
)
from stations.wire.types import ConfigurationStatus

if TYPE_CHECKING:
    from stations.core.station import Station

_CABLES: Final = {MAX_CURRENT_CABLE_RIGHT: 1, MAX_CURRENT_CABLE_LEFT: 2}


@answers(ChangeConfiguration)
def _change(station: "Station", request: ChangeConfiguration) -> ChangeConfigurationConf:
    """CC-1 … CC-6: a valid value is stored and effective at once."""
    key = station.configuration.known(request.key)
    if key is None:
        return ChangeConfigurationConf(ConfigurationStatus.NOT_SUPPORTED)
    if key is SECURITY_PROFILE and not link.raises_profile(station, request.value):
        return ChangeConfigurationConf(ConfigurationStatus.REJECTED)
    status = station.configuration.change(key, request.value)
    if status is ConfigurationStatus.ACCEPTED:
        take_effect(station, key)
    return ChangeConfigurationConf(status)


@on(SetKey)
def _set(station: "Station", event: SetKey) -> None:
    """PlanError for an unknown key or a value of the wrong type."""
    take_effect(station, station.configuration.preset(event.key, event.value))


def take_effect(station: "Station", key: Key[Any]) -> None:
    """CC-5: whoever acts by this key looks at it again."""
    station.changed = True
    effect = CHANGES.get(key.name)
    if effect is not None and station.running:
        effect(station)


@answers(GetConfiguration)
def _get(station: "Station", request: GetConfiguration) -> GetConfigurationConf:
    """GF-1 … GF-4: no list and an empty one ask for everything."""
    most = station.configuration[GET_CONFIGURATION_MAX_KEYS]
    if not request.key:
        readable = [key for key in KEYS.values() if _readable(station, key)]
        return GetConfigurationConf(configuration_key=[_entry(station, key, key.name) for key in readable])
    known, unknown = [], []
    for name in request.key[:most]:  # GF-3: the first ones are answered
        key = station.configuration.known(name)
        if key is not None and key.readable:
            known.append(_entry(station, key, name))
        else:
            unknown.append(name)
    return GetConfigurationConf(configuration_key=known or None, unknown_key=unknown or None)


def _readable(station: "Station", key: Key[Any]) -> bool:
    return key.readable and key.known_to(station.configuration.personality)


def _entry(station: "Station", key: Key[Any], name: str) -> KeyValue:
    """RPC-10: a name that was asked for is echoed as it was spelt."""
    access = key.answer_for(station.configuration.personality)
    value = _text(station, key)
    return KeyValue(name, access is not ConfigurationStatus.ACCEPTED, value[:500])


def _text(station: "Station", key: Key[Any]) -> str:
    """The stored value; what the station knows better is told as it is."""
    text = station.configuration.text(key)
    if key is UID and text == UID.default:
        return station.plan.identity
    if key is URI and text == URI.default:
        return station.plan.url.rpartition("/")[0]
    if key is SECURITY_PROFILE:
        return str(link.profile(station))
    if key in _CABLES and not _has_cable(station, _CABLES[key]):
        return "0"
    return text


def _has_cable(station: "Station", number: int) -> bool:
    """SC-10: a cable of the station's own is always there, a detachable one while it is plugged in."""
    if number >= len(station.connectors):
        return False
    connector = station.connectors[number]
    return connector.plugged or not station.plan.product.detachable_cable
