"""Fleets: a fleet file becomes stations, one at a time and each independent of the others.

`load(name)` reads the file, `Fleet.deploy(...)` fixes size, target and seed, and `Deployment.station(index)`
builds station `index` in microseconds: any worker can build any station alone, and builds the same one.
"""

from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Final
from urllib.parse import quote

from msgspec import Struct, structs

from profiles import hardship, sites, tomlfile, vehicles
from profiles.drivers import Driver, People, Place
from profiles.fleetfile import FleetFile, Group, Timestamps
from profiles.network import Network
from profiles.sites import Site, Visits
from profiles.tags import Tag, TagPool
from profiles.turns import Turns
from profiles.visits import Schedule
from stations.core.configuration import Configuration
from stations.core.plan import Personality, Plan, Product
from stations.core.product_faults import FAULTS
from stations.core.streams import stream
from stations.errors import PlanError
from stations.products import product

if TYPE_CHECKING:
    from stations.confplan import Template
    from stations.ocppconf import Conf

FOLDER: Final = Path(__file__).with_name("fleets")
_LONGEST_VERSION: Final = 50  # firmwareVersion is CiString50
_DAYS: Final = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_ONE_SIDED: Final = "059004"  # 22 kW, so that the cars limit and not the station
_TWO_SIDED: Final = "059014"
_PLUG_AND_CHARGE: Final[tuple[dict[str, str], dict[str, str]]] = ({}, {"oCPPPlugAndCharge": "true"})


class Deployed(Struct, frozen=True):
    """One station of a run: what it is told, who drives it, and how it is connected."""

    plan: Plan
    driver: Driver | None
    group: str = ""
    site: str = ""
    network: Network | None = None


def names() -> list[str]:
    """The ready fleets."""
    return sorted(path.stem for path in FOLDER.glob("*.toml"))


def load(name: str | Path) -> "Fleet":
    """The ready fleet `name`, or the fleet file at that path."""
    text = str(name)
    ready = FOLDER / f"{text}.toml"
    if "/" not in text and ready.is_file():
        return _checked(ready)
    if text.endswith(".toml") or "/" in text:
        return _checked(Path(text))
    raise PlanError(
        f"fleet {text}: there is no such fleet; mend: use {' or '.join(names())}, or a path ending in .toml"
    )


def of_site(site: str, connectors: int, *, mix: str = vehicles.AS_MEASURED) -> "Fleet":
    """A fleet of one site profile alone, on the kind of station it was measured on, from Monday 00:00."""
    if connectors < 1:
        raise PlanError(f"{connectors} connectors; mend: ask for at least 1")
    known = sites.load(site)
    sides = known.connectors if isinstance(known, sites.Measured) else 1
    group = Group(
        name=site,
        count=max(1, -(-connectors // sides)),
        product=_TWO_SIDED if sides == 2 else _ONE_SIDED,
        site=site,
        vehicles=mix,
    )
    return Fleet(Path(f"{site}.toml"), FleetFile(title=site, groups=[group], start="Mon 00:00"))


def _checked(path: Path) -> "Fleet":
    file: FleetFile = tomlfile.read(path, FleetFile, "fleet")
    return Fleet(path, file)


class Fleet:
    """A fleet file, read and checked."""

    def __init__(self, path: Path, file: FleetFile) -> None:
        self.path = path
        self.file = file
        self.name = path.stem
        self._where = f"fleet {path.name}"
        self.tags = TagPool(file.tags, self._where)
        self._check_patterns()
        hardship.check(file.hardship, f"{self._where}, $.hardship")
        self._check_names()
        self._sites = [self._site(n, group) for n, group in enumerate(file.groups)]
        self._products = [self._product(n, group) for n, group in enumerate(file.groups)]
        self._turns = Turns([group.count for group in file.groups])
        self.warnings: list[str] = []
        self._confs = [self._conf(n, group) for n, group in enumerate(file.groups)]

    @property
    def size(self) -> int:
        """Stations in the fleet as written."""
        return self.file.stations or sum(group.count for group in self.file.groups)

    @property
    def time_scale(self) -> float:
        """Simulated seconds per real second, as written."""
        return self.file.time_scale

    @property
    def timestamps(self) -> Timestamps:
        """Of compressed time, as written."""
        return self.file.timestamps

    @property
    def start_local_s(self) -> float:
        """Local time at which a run begins, in seconds since Monday 00:00."""
        return self._local_s(None)

    def _local_s(self, clock: str | None) -> float:
        day, _, written = self.file.start.partition(" ")
        hours, _, minutes = (clock or written).partition(":")
        return _DAYS.index(day) * 86_400.0 + int(hours) * 3600.0 + int(minutes) * 60.0

    def deploy(
        self,
        count: int | None = None,
        *,
        url_base: str,
        seed: int = 1,
        personality: Personality | None = None,
        basic_auth_key: str | None = None,
        security_profile: int = 0,
        client_certificate: bool = False,
        durable: bool = False,
        subprotocol_lenient: bool = False,
        patience: float = 1.0,
        start: str | None = None,
    ) -> "Deployment":
        """The fleet at `count` stations (None: as written) against the CSMS at `url_base`.

        `patience`: by how much time is compressed, if the CSMS's own is not (`Plan.patience`).
        `start`: another hour of the fleet's day at which the run begins, as in "17:50".
        """
        if count is not None and count < 1:
            raise PlanError(f"fleet {self.name}: {count} stations; mend: ask for at least 1")
        if not url_base.startswith(("ws://", "wss://")):
            raise PlanError(f"CSMS URL {url_base}: not a WebSocket URL; mend: begin with ws:// or wss://")
        common = _Common(
            url_base,
            seed,
            personality,
            basic_auth_key,
            security_profile,
            client_certificate,
            durable,
            subprotocol_lenient,
            patience,
        )
        return Deployment(self, count or self.size, common, self._local_s(start))

    def _check_patterns(self) -> None:
        for key, pattern, longest in (("identity", self.file.identity, 48), ("serial", self.file.serial, 25)):
            made = [tomlfile.made(pattern, number, f"{self._where}, $.{key}") for number in (1, 2, 1_000_000)]
            if made[0] == made[1] and key == "identity":
                raise PlanError(
                    f"{self._where}, $.{key}: all stations would be {made[0]}; mend: put {{number}} in it"
                )
            if max(map(len, made)) > longest:
                raise PlanError(
                    f"{self._where}, $.{key}: {made[-1]} is too long; mend: at most {longest} characters"
                )

    def _check_names(self) -> None:
        """A group's name seeds its places: two of one name would have the same visitors."""
        names = [group.name for group in self.file.groups]
        for n, name in enumerate(names):
            if name in names[:n]:
                raise PlanError(
                    f"{self._where}, $.groups[{n}].name: {name} is taken; mend: a name of its own"
                )

    def _site(self, n: int, group: Group) -> Site:
        try:
            vehicles.check_mix(group.vehicles)
            return sites.load(group.site, self.path.parent)
        except PlanError as error:
            raise PlanError(f"{self._where}, $.groups[{n}], {error}") from None

    def _conf(self, n: int, group: Group) -> "Conf | None":
        """The OCPPConf.xml that a group names, checked; what is odd about it goes into `warnings`."""
        if group.ocppconf is None:
            return None
        from stations import ocppconf  # noqa: PLC0415 — lxml only where a fleet has such a file

        try:
            document = ocppconf.load(self.path.parent / group.ocppconf)
            _template(document.conf, group, group.count)
        except PlanError as error:
            raise PlanError(f"{self._where}, $.groups[{n}].ocppconf: {error}") from None
        self.warnings += document.warnings
        return document.conf

    def _product(self, n: int, group: Group) -> Product:
        place = f"{self._where}, $.groups[{n}]"
        reference = product(group.product, f"{place}.product")
        for fault in group.faults:
            if fault not in FAULTS:
                raise PlanError(f"{place}.faults: there is no fault {fault}; mend: use {', '.join(FAULTS)}")
        for version in group.firmware:
            if len(version) > _LONGEST_VERSION:
                raise PlanError(
                    f"{place}.firmware: {version} is too long; mend: at most {_LONGEST_VERSION} characters"
                )
        known = structs.replace(
            reference, keys={**reference.keys, **_PLUG_AND_CHARGE[not group.badge], **group.keys}
        )
        try:
            Configuration(known)
        except PlanError as error:
            raise PlanError(f"{place}.keys: {error}; mend: the key or its value") from None
        return known


def _template(conf: "Conf", group: Group, stations: int) -> "Template":
    """The group's file for a deployment of that many stations; the fleet's own keys go before the file's."""
    from stations.confplan import Template  # noqa: PLC0415 — lxml only where a fleet has such a file

    return Template(conf, stations, group.keys)


class _Common(Struct, frozen=True):
    """What all stations of a deployment share."""

    url_base: str
    seed: int
    personality: Personality | None
    basic_auth_key: str | None
    security_profile: int
    client_certificate: bool
    durable: bool
    subprotocol_lenient: bool
    patience: float


class Deployment:
    """A fleet at a size, against a target, with a seed."""

    def __init__(self, fleet: Fleet, count: int, common: _Common, start_local_s: float) -> None:
        self.fleet = fleet
        self.count = count
        self.seed = common.seed
        self.tags = fleet.tags
        self.start_local_s = start_local_s
        self._common = common
        self._base = common.url_base if common.url_base.endswith("/") else f"{common.url_base}/"
        self._visits: dict[int, Visits] = {}
        self._templates = [
            None if conf is None else _template(conf, group, count)
            for conf, group in zip(fleet._confs, fleet.file.groups, strict=True)  # noqa: SLF001 — its other half
        ]
        self._product = lru_cache(maxsize=512)(self._variant)

    def identity(self, index: int) -> str:
        """UID of station `index` (0 and up)."""
        template = self._templates[self.fleet._turns.member(index)[0]]  # noqa: SLF001 — as above
        uid = None if template is None else template.uid(index + 1)
        return uid or self.fleet.file.identity.format(number=index + 1)

    def station(self, index: int) -> Deployed:
        """Station `index`, built alone."""
        fleet, common = self.fleet, self._common
        which, rank = fleet._turns.member(index)  # noqa: SLF001 — a deployment is its fleet's other half
        group = fleet.file.groups[which]
        identity = self.identity(index)
        luck = stream(self.seed, identity, "equipment")
        firmware = (
            luck.choice(tuple(group.firmware), tuple(group.firmware.values())) if group.firmware else ""
        )
        faults = frozenset(name for name, share in group.faults.items() if luck.random() < share)
        variant = self._product(which, firmware, faults)
        plan = Plan(
            identity=identity,
            url=self._base + quote(identity, safe=""),
            product=variant,
            serial=fleet.file.serial.format(number=index + 1),
            basic_auth_key=common.basic_auth_key,
            security_profile=common.security_profile,
            client_certificate=common.client_certificate,
            durable=common.durable,
            patience=common.patience,
        )
        template = self._templates[which]
        if template is not None:
            plan = template.planned(index + 1, plan, server=common.url_base)
        standing = Standing(self, which, rank, identity, variant)
        return Deployed(plan, People(standing), group.name, group.site, group.network)

    def place(self, index: int) -> Place:
        """Where station `index` stands, for whoever wants its visits without the station."""
        deployed = self.station(index)
        which, rank = self.fleet._turns.member(index)  # noqa: SLF001 — as above
        return Standing(self, which, rank, deployed.plan.identity, deployed.plan.product)

    def id_tags(self) -> Sequence[Tag]:
        """The badge pool, to be put into a central system that checks badges."""
        return self.tags.all(self.seed)

    def visits(self, which: int) -> Visits:
        """Where the stations of group number `which` get their visits from."""
        if which not in self._visits:
            fleet = self.fleet
            group = fleet.file.groups[which]
            self._visits[which] = sites.visits(
                fleet._sites[which],  # noqa: SLF001 — a deployment is its fleet's other half
                group.name,
                mix=group.vehicles,
                connectors=fleet._products[which].connectors,  # noqa: SLF001 — as above
                tags=fleet.file.tags.size,
                seed=self.seed,
                start_s=self.start_local_s,
            )
        return self._visits[which]

    def _variant(self, which: int, firmware: str, faults: frozenset[str]) -> Product:
        group, product = self.fleet.file.groups[which], self.fleet._products[which]  # noqa: SLF001 — as above
        personality = self._common.personality or group.personality or product.personality
        return structs.replace(
            product,
            firmware=firmware or product.firmware,
            faults=product.faults | faults,
            personality=personality,
            subprotocol_lenient=self._common.subprotocol_lenient,
        )


class Standing(Struct, frozen=True, gc=False):
    """Where one station stands, for its driver (`drivers.Place`)."""

    deployment: Deployment
    which: int  # its group
    rank: int  # among the stations of the group
    identity: str
    product: Product

    @property
    def seed(self) -> int:
        """Of the run."""
        return self.deployment.seed

    @property
    def site(self) -> str:
        """Stations of a group share a grid."""
        return self._group.name

    @property
    def phases(self) -> int:
        """Of the product."""
        return self.product.phases

    @property
    def connectors(self) -> int:
        """Of the product."""
        return self.product.connectors

    @property
    def badge(self) -> bool:
        """False: nobody shows a badge."""
        return self._group.badge

    @property
    def start_local_s(self) -> float:
        """Local time at which the run begins."""
        return self.deployment.start_local_s

    @property
    def _group(self) -> Group:
        return self.deployment.fleet.file.groups[self.which]

    def schedule(self) -> Schedule:
        """Its visits."""
        return self.deployment.visits(self.which).schedule(self.identity, self.rank)

    def id_tag(self, number: int) -> str:
        """The badge `number` of the pool."""
        return self.deployment.tags.id_tag(number)
