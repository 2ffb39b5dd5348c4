"""What a station is told about itself before it powers on. Immutable and shared where it can be."""

from enum import StrEnum

from msgspec import Struct

from stations.core.transfers import Transfers


class Personality(StrEnum):
    """Two behaviours over one engine (design C1)."""

    GREENUP = "greenup"  # the guide: key ranges, "no action" keys, payload shape
    SPEC = "spec"  # plain OCPP 1.6 edition 2 with errata


class Product(Struct, frozen=True):
    """One reference of the range, with its firmware and personality: shared by every station of a group."""

    model: str  # chargePointModel, the product reference ("059004")
    connectors: int  # 1 or 2; connector 1 = Right, 2 = Left (ST-15)
    phases: int = 3
    max_current_a: float = 32.0  # per connector, installation limit
    detachable_cable: bool = True
    vendor: str = "Legrand"
    firmware: str = "V01.01.65/V01.01.08"
    meter_type: str = "internal"
    personality: Personality = Personality.GREENUP
    keys: dict[str, str] = {}  # initial configuration, read-only keys too
    faults: frozenset[str] = frozenset()  # opt-in product faults by name (issue: conformance docs)
    reboot_delay_s: float = 30.0
    drop_link_on_firmware_reboot: bool = True
    attached_connectors: frozenset[int] = frozenset()  # sides that act as if their cable were fixed (UC-2)
    local_connectors: frozenset[int] = frozenset()  # sides with OCPP off: Unavailable to the central system
    real_transfers: bool = False  # TransferWanted instead of a modelled transfer
    transfers: Transfers = Transfers()  # what modelled transfers are like
    subprotocol_lenient: bool = False  # go on without an echoed subprotocol, recording a finding (WS-2)


class Plan(Struct, frozen=True):
    """One station."""

    identity: str  # UID: last part of the URL, and the Basic auth user
    url: str  # whole connection URL, used as it stands
    product: Product
    serial: str = ""
    basic_auth_key: str | None = None  # SEC-1; None: no Authorization header
    security_profile: int = 0
    client_certificate: bool = False  # the edge has one: security profile 3 can be had (SEC-2)
    durable: bool = False  # emit Persist effects
    patience: float = 1.0  # factor on time-outs of CALLs: where time is compressed, the other side's is not
