"""Host keys of SFTP servers: a listed host must show a listed key, a new one is believed once (GD-1, UF-1).

OCPP 1.6 has no field for a host key, so that a station cannot be told one. The list is a file in OpenSSH's
own format that an installer may fill before; the first key of a host that is not in it is believed and
written down, as `ssh -o StrictHostKeyChecking=accept-new` does.
"""

from pathlib import Path
from typing import Final

SSH_PORT: Final = 22
FILE: Final = "known_hosts"  # in the station's folder


class HostKeys:
    """The list of one station; without a file it lasts as long as the process."""

    def __init__(self, file: Path | None = None) -> None:
        self._file = file
        self._lines = ""

    def lines(self) -> str:
        """All of it; OSError when there is a file that cannot be read, ValueError when it is no text."""
        if self._file is not None and self._file.exists():
            return self._file.read_text()
        return self._lines

    def learn(self, host: str, port: int, public_key: str) -> None:
        """A new host showed this key (`ssh-ed25519 AAAA…`); OSError when it cannot be written down."""
        place = host if port == SSH_PORT else f"[{host}]:{port}"
        line = f"{place} {public_key.strip()}\n"
        if self._file is None:
            self._lines += line
            return
        with self._file.open("a") as file:
            file.write(line)

    def __str__(self) -> str:
        return FILE if self._file is None else str(self._file)
