"""The commands of `greenup station`, one JSON object a line: what may be said and what it means."""

from typing import Final, TypeAlias

import msgspec
from msgspec import Struct

from stations.core import events as ev
from stations.core.plan import Personality, Plan, Product

MOST_CONNECTORS: Final = 2


class Spec(Struct, forbid_unknown_fields=True):
    """What the station is; names and meanings are a fixed interface."""

    url: str
    charge_point_id: str
    vendor: str = "Legrand"
    model: str = "059004"
    serial: str = ""
    firmware: str = "V01.01.65/V01.01.08"
    connectors: int = 1
    detachable_cable: bool = True
    default_limit_a: float = 32.0
    basic_auth_key: str | None = None
    security_profile: int = 0
    keys: dict[str, str] = {}
    personality: Personality = Personality.GREENUP
    state_dir: str | None = None
    reboot_delay_s: float = 30.0
    drop_ws_on_firmware_reboot: bool = True

    def __post_init__(self) -> None:
        if not 1 <= self.connectors <= MOST_CONNECTORS:
            raise ValueError("connectors must be 1 or 2")
        if self.security_profile not in {0, 1, 2, 3}:
            raise ValueError("security_profile must be 0, 1, 2 or 3")
        if not self.url.startswith(("ws://", "wss://")):
            raise ValueError("url must begin with ws:// or wss://")

    def plan(self, *, client_certificate: bool) -> Plan:
        """As the core wants it: durable, with real file transfers. The certificate is the edge's (SEC-2)."""
        product = Product(
            model=self.model,
            connectors=self.connectors,
            max_current_a=self.default_limit_a,
            detachable_cable=self.detachable_cable,
            vendor=self.vendor,
            firmware=self.firmware,
            personality=self.personality,
            keys=self.keys,
            reboot_delay_s=self.reboot_delay_s,
            drop_link_on_firmware_reboot=self.drop_ws_on_firmware_reboot,
            real_transfers=True,
        )
        return Plan(
            identity=self.charge_point_id,
            url=self.url,
            product=product,
            serial=self.serial,
            basic_auth_key=self.basic_auth_key,
            security_profile=self.security_profile,
            client_certificate=client_certificate,
            durable=True,
        )


def _snake(name: str) -> str:
    return "".join(f"_{letter.lower()}" if letter.isupper() else letter for letter in name).lstrip("_")


class _Command(Struct, tag_field="op", tag=_snake, forbid_unknown_fields=True):
    """One line of input."""


class PowerOn(_Command):
    """Power the station on with this spec."""

    spec: Spec


class PowerOff(_Command):
    """Power cut: the socket drops without a close handshake."""


class PlugIn(_Command):
    """Cable in station and vehicle."""

    connector: int
    vehicle: str | None = None


class PlugOut(_Command):
    """Cable out of both ends."""

    connector: int


class PlugOutEv(_Command):
    """Cable pulled at the vehicle."""

    connector: int


class Swipe(_Command):
    """Badge at the reader."""

    id_tag: str
    connectors: list[int] | None = None


class Fault(_Command):
    """Hardware fault."""

    connector: int
    error_code: str
    vendor_error_code: str = ""


class ClearFault(_Command):
    """It is gone."""

    connector: int


class EvPause(_Command):
    """The vehicle stops drawing."""

    connector: int


class EvResume(_Command):
    """It draws again."""

    connector: int


class LockFailure(_Command):
    """The cable lock jams, or works again."""

    connector: int
    failing: bool


class SetKey(_Command):
    """A configuration key written behind OCPP's back."""

    key: str
    value: str


class SeedCache(_Command):
    """An entry in the authorization cache."""

    id_tag: str
    status: str


class Exit(_Command):
    """End the process."""


Simple: TypeAlias = (
    PlugOut | PlugOutEv | Swipe | Fault | ClearFault | EvPause | EvResume | LockFailure | SetKey | SeedCache
)
Command: TypeAlias = PowerOn | PowerOff | PlugIn | Simple | Exit

_decoder: Final = msgspec.json.Decoder(Command)


def read(line: bytes) -> Command:
    """The command on this line; msgspec.DecodeError says what is wrong with it."""
    command: Command = _decoder.decode(line)
    return command


def event_of(command: Simple) -> ev.Event:
    """What happens at the station. Commands and events of one name have the same fields."""
    if isinstance(command, Swipe):
        return ev.Swipe(command.id_tag, None if command.connectors is None else tuple(command.connectors))
    event: ev.Event = getattr(ev, type(command).__name__)(**msgspec.structs.asdict(command))
    return event


def connector_of(command: Command) -> list[int]:
    """The connectors it speaks of."""
    if isinstance(command, Swipe):
        return command.connectors or []
    number: int | None = getattr(command, "connector", None)
    return [] if number is None else [number]
