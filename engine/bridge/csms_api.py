"""The command API of the embedded central system, as the master of a run uses it."""

import json
from http.client import HTTPConnection, HTTPException
from typing import Any, Final
from urllib.parse import urlsplit

TIMEOUT_S: Final = 10.0


class Refused(Exception):  # noqa: N818 — what happened, in the API's words
    """The request was not carried out; the message says why."""


class Api:
    """JSON in, JSON out."""

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        self._host, self._port = parts.hostname or "", parts.port

    def get(self, path: str) -> dict[str, Any]:
        """What is there; Refused when it is not."""
        return self._ask("GET", path, None)

    def post(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
        """Do something; Refused when it cannot be done."""
        return self._ask("POST", path, json.dumps(body))

    def _ask(self, method: str, path: str, body: str | None) -> dict[str, Any]:
        connection = HTTPConnection(self._host, self._port, timeout=TIMEOUT_S)
        try:
            connection.request(
                method, path, body, {"Content-Type": "application/json", "X-CSMS-Request": "1"}
            )
            answer = connection.getresponse()
            told: dict[str, Any] = json.loads(answer.read() or b"{}")
        except (OSError, HTTPException, ValueError) as error:
            raise Refused(f"{method} {path}: {error}") from None
        finally:
            connection.close()
        if answer.status >= 400:
            raise Refused(f"{method} {path}: {told.get('error', answer.status)}")
        return told
