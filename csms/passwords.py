"""HTTP Basic authentication of stations, security profile 1 (J§6, SEC-1)."""

import base64
import binascii
import hmac
import re
from pathlib import Path
from typing import Final

from stations.errors import PlanError

ANY_STATION: Final = "*"
_HEX_KEY: Final = re.compile(r"(?:[0-9A-Fa-f]{2}){16,20}")  # AuthorizationKey as OCPP-J writes it (JE3.10)


class Passwords:
    """Password per station identity, `*` for every other. Passwords never leave this object."""

    def __init__(self, by_station: dict[str, str]) -> None:
        self._accepted = {station: _spellings(password) for station, password in by_station.items()}

    def allow(self, station: str, authorization: str | None) -> bool:
        """True when the Authorization header holds the station's own identity and password (SEC-1)."""
        scheme, _, encoded = (authorization or "").partition(" ")
        if scheme.lower() != "basic":
            return False
        try:
            user, colon, password = base64.b64decode(encoded.strip(), validate=True).partition(b":")
        except (binascii.Error, ValueError):
            return False
        if not colon or user != station.encode():
            return False
        accepted = self._accepted.get(station) or self._accepted.get(ANY_STATION, ())
        return any(hmac.compare_digest(password, spelling) for spelling in accepted)


def _spellings(password: str) -> tuple[bytes, ...]:
    """The password as written and, when it looks like a hex AuthorizationKey, its 16 to 20 bytes."""
    written = password.encode()
    return (written, bytes.fromhex(password)) if _HEX_KEY.fullmatch(password) else (written,)


def read_passwords(path: Path) -> Passwords:
    """Lines `identity:password` (`*`: every other station) and `#` comments; PlanError names the line."""
    try:
        lines = path.read_text("utf-8").splitlines()
    except UnicodeDecodeError as exc:
        raise PlanError(
            f"passwords file {path}: is not UTF-8 text (byte {exc.start}); save it as UTF-8"
        ) from exc
    except OSError as exc:
        raise PlanError(f"cannot read passwords file {path}: {exc.strerror}") from exc
    found: dict[str, str] = {}
    for number, line in enumerate(lines, 1):
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        station, colon, password = line.strip().partition(":")
        if not colon or not station or not password:
            raise PlanError(f"{path}:{number}: expected identity:password")
        if station in found:
            raise PlanError(f"{path}:{number}: a second password for {station}")
        found[station] = password
    if not found:
        raise PlanError(f"{path}: no passwords; write lines identity:password")
    return Passwords(found)
