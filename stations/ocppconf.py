"""OCPPConf.xml: what the installer tells a Green'Up before it meets a central system.

The guide gives the fields; the tags are ours and documented in docs/ocppconf.md. A file is taken wholly or
not at all: malformed or invalid is one PlanError with line and column. Elements that we do not know, and
comments, survive reading and writing. What a file does to a station is in `confplan`.
"""

from copy import deepcopy
from enum import StrEnum
from functools import lru_cache
from pathlib import Path
from typing import Final

from lxml import etree
from msgspec import Struct

from stations import xmlstruct
from stations.core.address import is_server
from stations.errors import PlanError
from stations.xmlfile import LARGEST_BYTES, XmlFile
from stations.xmlstruct import Leaf, Reading, Row

SCHEMA: Final = Path(__file__).with_name("ocppconf.xsd")
ROOT: Final = "OCPPConf"


class Secret:
    """Text that never shows itself: not in repr, str, logs or reports (design C11)."""

    __slots__ = ("_text",)

    def __init__(self, text: str) -> None:
        self._text = text

    def reveal(self) -> str:
        """The text itself, for the one place that needs it."""
        return self._text

    def __repr__(self) -> str:
        return "Secret(•••)"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and other._text == self._text

    def __hash__(self) -> int:
        return hash(self._text)


class BadgeReaderOffline(StrEnum):
    """Which tags may start while the station has no network."""

    ALL = "all"
    LOCAL = "local"
    NONE = "none"


class Cable(StrEnum):
    """How a side treats its cable."""

    DETACHABLE = "detachable"
    ATTACHED = "attached"  # simulated: UnlockConnector is not supported (UC-2)


class Addressing(Struct, frozen=True, kw_only=True):
    """IPv4 addressing of one port."""

    dhcp: bool | None = None
    address: str | None = None
    netmask: str | None = None
    gateway: str | None = None
    dns1: str | None = None
    dns2: str | None = None


class WiFi(Addressing, frozen=True, kw_only=True):
    """The wireless network and the addressing on it."""

    ssid: str | None = None
    wep_key: Secret | None = None


class WebAccess(Struct, frozen=True, kw_only=True):
    """Access to the station's web pages."""

    login: str | None = None
    password: Secret | None = None


class BasicAuthentication(Struct, frozen=True, kw_only=True):
    """HTTP Basic towards the central system; the user is the UID (SEC-1)."""

    enabled: bool | None = None
    password: Secret | None = None


class Connector(Struct, frozen=True, kw_only=True):
    """One side."""

    max_current_a: int | None = None
    cable: Cable | None = None
    ocpp: bool | None = None


class Conf(Struct, frozen=True, kw_only=True):
    """The whole file; None is what it does not say. Side Right is connector 1, Left is 2 (ST-15)."""

    uri: str | None = None
    uid: str | None = None
    ethernet: Addressing = Addressing()
    wifi: WiFi = WiFi()
    badge_reader_offline: BadgeReaderOffline | None = None
    web_access: WebAccess = WebAccess()
    meter_value_sample_interval_s: int | None = None
    connection_time_out_s: int | None = None
    heart_beat_interval_s: int | None = None
    basic_authentication: BasicAuthentication = BasicAuthentication()
    connector_right: Connector = Connector()
    connector_left: Connector = Connector()


def _token(expects: str) -> Leaf:
    return Leaf(expects, lambda text: " ".join(text.split()), str)


def _server(text: str) -> str:
    uri = " ".join(text.split())
    if not is_server(uri):
        raise ValueError
    return uri


def _number(expects: str) -> Leaf:
    return Leaf(expects, int, str)


def _secret(expects: str) -> Leaf:
    return Leaf(expects, Secret, Secret.reveal, keeps_spaces=True, secret=True)


_FLAG: Final = Leaf(
    "true or false", lambda text: text.strip() in {"true", "1"}, lambda flag: "true" if flag else "false"
)
_ADDRESS: Final = _token("an IPv4 address such as 192.168.1.200")
_ADDRESSING: Final[dict[str, Row]] = {
    "DHCP": ("dhcp", _FLAG),
    "Address": ("address", _ADDRESS),
    "Netmask": ("netmask", _ADDRESS),
    "Gateway": ("gateway", _ADDRESS),
    "DNS1": ("dns1", _ADDRESS),
    "DNS2": ("dns2", _ADDRESS),
}
_SSID: Final = Leaf("at most 32 characters", str, str, keeps_spaces=True)
_READER: Final = Leaf("all, local or none", lambda text: BadgeReaderOffline(text.strip()), str)
_CABLE: Final = Leaf("detachable or attached", lambda text: Cable(text.strip()), str)

# The file, in the order in which new elements are written.
TAGS: Final[dict[type[Struct], dict[str, Row]]] = {
    Addressing: _ADDRESSING,
    WiFi: {
        "SSID": ("ssid", _SSID),
        "WEPKey": ("wep_key", _secret("a key of at most 64 characters")),
        **_ADDRESSING,
    },
    WebAccess: {
        "Login": ("login", _token("a name of at most 32 characters")),
        "Password": ("password", _secret("a password of at most 64 characters")),
    },
    BasicAuthentication: {
        "Enabled": ("enabled", _FLAG),
        "Password": ("password", _secret("a password of at most 64 characters")),
    },
    Connector: {
        "MaxCurrent": ("max_current_a", _number("a whole number of amperes from 6 to 63")),
        "Cable": ("cable", _CABLE),
        "OCPP": ("ocpp", _FLAG),
    },
    Conf: {
        "URI": (
            "uri",
            Leaf("a ws:// or wss:// URL without user name, password and fragment", _server, str),
        ),
        "UID": ("uid", _token("an identity of at most 48 characters, with no braces but {n}, {high}, {low}")),
        "Ethernet": ("ethernet", Addressing),
        "WiFi": ("wifi", WiFi),
        "BadgeReaderOffline": ("badge_reader_offline", _READER),
        "WebAccess": ("web_access", WebAccess),
        "MeterValueSampleInterval": (
            "meter_value_sample_interval_s",
            _number("0 or a whole number of seconds from 10 to 86400"),
        ),
        "ConnectionTimeOut": ("connection_time_out_s", _number("a whole number of seconds from 0 to 86400")),
        "HeartBeatInterval": ("heart_beat_interval_s", _number("a whole number of seconds from 10 to 86400")),
        "BasicAuthentication": ("basic_authentication", BasicAuthentication),
        "ConnectorRight": ("connector_right", Connector),
        "ConnectorLeft": ("connector_left", Connector),
    },
}


class Document:
    """A file that was read: its values, what was odd about it, and the tree to write back."""

    __slots__ = ("_file", "conf", "warnings")

    def __init__(self, file: XmlFile) -> None:
        reading = Reading(file, _schema(), TAGS, Conf, ROOT)
        self._file = file
        self.conf: Conf = reading.values
        self.warnings = reading.warnings
        basic = self.conf.basic_authentication
        if basic.enabled and basic.password is None:  # a plan may have one of its own, so it is no error here
            number = [element.tag for element in file.tree.iter("*")].index("BasicAuthentication")
            missing = (
                "BasicAuthentication is enabled without a Password; mend: add it, or give the station one"
            )
            self.warnings.append(f"{file.place(number)}: {missing}")

    def written(self, conf: Conf) -> bytes:
        """The file with other values: encoding, comments and unknown elements as they were."""
        tree = deepcopy(self._file.tree)
        xmlstruct.fill(tree.getroot(), conf, TAGS)
        return _bytes(tree, self._file.encoding)


def read(data: bytes, where: str = "OCPPConf.xml") -> Document:
    """A file's bytes; PlanError with line and column if they are not a valid OCPPConf.xml."""
    return Document(XmlFile(data, where))


def load(path: Path) -> Document:
    """The file at `path`."""
    try:
        with path.open("rb") as file:
            data = file.read(LARGEST_BYTES + 1)
    except OSError as error:
        raise PlanError(f"{path}: cannot be read ({error.strerror}); mend: check the path") from None
    return read(data, str(path))


def new(conf: Conf) -> bytes:
    """A fresh file with these values."""
    root = etree.Element(ROOT)
    xmlstruct.fill(root, conf, TAGS)
    return _bytes(etree.ElementTree(root), "UTF-8") + b"\n"


def shown(conf: Conf) -> list[tuple[str, str]]:
    """Each value that is set, as (`Ethernet/Address`, text); secrets are only said to be set."""
    return list(xmlstruct.shown(conf, TAGS))


def _bytes(tree: "etree._ElementTree", encoding: str) -> bytes:
    data = etree.tostring(tree, encoding=encoding, xml_declaration=True)
    assert isinstance(data, bytes), "an encoding by name gives bytes"
    return data


@lru_cache(maxsize=1)
def _schema() -> etree.XMLSchema:
    return etree.XMLSchema(etree.parse(str(SCHEMA)))
