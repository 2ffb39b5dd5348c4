"""The values of one station's configuration keys: what is shared by its product, and what is its own."""

from collections.abc import Mapping
from functools import lru_cache
from math import ceil
from typing import Any, Final, TypeAlias, TypeVar

from stations.core.key_rules import is_metered, items, show, split_phase
from stations.core.keys import (
    CHARGING_STATION_MAX_LIMIT,
    CONNECTOR_PHASE_ROTATION,
    KEYS,
    MAX_CURRENT_CABLE_LEFT,
    MAX_CURRENT_CABLE_RIGHT,
    MAX_CURRENT_INSTALLATION_LEFT,
    MAX_CURRENT_INSTALLATION_RIGHT,
    METER_TYPE,
    NUMBER_OF_CONNECTORS,
    Key,
)
from stations.core.plan import Personality, Product
from stations.errors import PlanError
from stations.wire.types import ConfigurationStatus

T = TypeVar("T")

_CABLES_A: Final = (13, 20, 32, 63)  # what a resistor in the plug can say (IEC 61851-1)


class Configuration:
    """Typed values by key: `configuration[HEARTBEAT_INTERVAL]` is an int.

    Only overrides are stored; defaults are one dict for every station of a product, and so is what equal
    overrides make of them.
    """

    __slots__ = ("_own", "_product", "_shared", "acting", "personality")

    acting: Mapping[str, Any]  # by key name, what `configuration[key]` reads: for whoever asks very often

    def __init__(self, product: Product) -> None:
        self.personality = product.personality
        self._product = product
        self._shared = _defaults(*_relevant(product))
        self._own: dict[str, Any] | None = None
        self._act()

    def _act(self) -> None:
        self.acting = _acting(_relevant(self._product), tuple(sorted((self._own or {}).items())))

    def __getitem__(self, key: Key[T]) -> T:
        """The value the station acts by; for a «no action» key of the guide that is not the stored one."""
        value: T = self.acting[key.name]
        return value

    def stored(self, key: Key[T]) -> T:
        """The value as written."""
        own = self._own
        value: T = self._shared[key.name] if own is None else own.get(key.name, self._shared[key.name])
        return value

    def text(self, key: Key[T]) -> str:
        """The stored value as GetConfiguration gives it (GF-2)."""
        return show(self.stored(key))

    def known(self, name: str) -> Key[Any] | None:
        """The key of that name in any case (CC-4), None if this personality has none."""
        key = KEYS.get(name.lower())
        return key if key is not None and key.known_to(self.personality) else None

    def put(self, key: Key[T], value: T) -> None:
        """Write a typed value, whatever the key's access."""
        if self._own is None:
            self._own = {}
        if value == self._shared[key.name]:
            self._own.pop(key.name, None)
        else:
            self._own[key.name] = value
        self._act()

    def preset(self, name: str, text: str) -> Key[Any]:
        """Write behind OCPP's back: any known key, its type but not its range. PlanError if it cannot be."""
        key, value = read_preset(self.personality, name, text)
        self.put(key, value)
        return key

    def change(self, key: Key[T], text: str) -> ConfigurationStatus:
        """ChangeConfiguration (CC-1 … CC-5): store `text` if it is allowed, and say what to answer."""
        answer = key.answer_for(self.personality)
        if answer is not ConfigurationStatus.ACCEPTED:
            return answer
        try:
            value = key.rule_for(self.personality).check(text)
        except ValueError:
            return ConfigurationStatus.REJECTED
        if not self._lists_only_what_is_supported(key, text):
            return ConfigurationStatus.REJECTED
        self.put(key, value)
        return answer

    def _lists_only_what_is_supported(self, key: Key[Any], text: str) -> bool:
        if key.supported_by is None or key.limited_by is None:
            return True
        wanted = items(text)
        supported = items(self.stored(key.supported_by))
        return len(wanted) <= self.stored(key.limited_by) and all(
            split_phase(item)[0] in supported and is_metered(item, self._product.phases) for item in wanted
        )

    def overrides(self) -> dict[str, str]:
        """Own values as text, for the non-volatile store."""
        return {name: show(value) for name, value in (self._own or {}).items()}

    def restore(self, overrides: Mapping[str, str]) -> None:
        """Take back what `overrides` returned, maybe with another product below."""
        self._own = None
        self._act()
        for name, text in overrides.items():
            self.preset(name, text)


def read_preset(personality: Personality, name: str, text: str) -> tuple[Key[Any], Any]:
    """Key and typed value of a preset; PlanError names what is wrong."""
    key = KEYS.get(name.lower())
    if key is None or not key.known_to(personality):
        raise PlanError(f"unknown configuration key {name!r}; docs/keys.md lists them all")
    try:
        return key, key.rule_for(personality).read(text)
    except ValueError as error:
        raise PlanError(f"configuration key {key.name}: {error}") from None


_Relevant: TypeAlias = tuple[Personality, int, float, str, tuple[tuple[str, str], ...]]


def _relevant(product: Product) -> _Relevant:
    """What of a product the values depend on."""
    presets = tuple(sorted(product.keys.items()))
    return (product.personality, product.connectors, product.max_current_a, product.meter_type, presets)


def _is_fixed(key: Key[Any], personality: Personality) -> bool:
    """A «no action» key of the guide: it can be written, and changes nothing."""
    return key.acts_as is not None and personality is Personality.GREENUP


@lru_cache(maxsize=256)
def _defaults(
    personality: Personality,
    connectors: int,
    max_current_a: float,
    meter_type: str,
    presets: tuple[tuple[str, str], ...],
) -> dict[str, Any]:
    """The values stored in a station that nobody has configured, by name."""
    values: dict[str, Any] = {key.name: key.default_for(personality) for key in KEYS.values()}
    values[NUMBER_OF_CONNECTORS.name] = connectors
    amperes = ceil(max_current_a)  # keys hold whole amperes; the product's own limit stays exact
    for key in (MAX_CURRENT_INSTALLATION_RIGHT, MAX_CURRENT_INSTALLATION_LEFT):
        values[key.name] = amperes
    for key in (MAX_CURRENT_CABLE_RIGHT, MAX_CURRENT_CABLE_LEFT):
        values[key.name] = next((rating for rating in _CABLES_A if rating >= amperes), amperes)
    values[CHARGING_STATION_MAX_LIMIT.name] = max(CHARGING_STATION_MAX_LIMIT.default, amperes)
    values[METER_TYPE.name] = meter_type.capitalize()
    if personality is Personality.SPEC:
        values[CONNECTOR_PHASE_ROTATION.name] = ",".join(f"{n}.RST" for n in range(connectors + 1))
    for name, text in presets:
        key, value = read_preset(personality, name, text)
        values[key.name] = value
    return values


@lru_cache(maxsize=1024)
def _acting(product: _Relevant, own: tuple[tuple[str, Any], ...]) -> dict[str, Any]:
    """The values that stations act by whose own ones are `own`."""
    personality = product[0]
    fixed = {key.name: key.acts_as for key in KEYS.values() if _is_fixed(key, personality)}
    return {**_defaults(*product), **dict(own), **fixed}
