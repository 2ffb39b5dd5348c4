"""Who may change something through the pages: nobody but pages of this very server (design C11).

Locust opens every route to scripts of other sites (CORS) and takes any form that is posted to it. Here
1. a page bound to this machine answers only to this machine's names, so no other name can be pointed at it;
2. whatever changes something must come from a page of this server, by what the browser itself says
   (Sec-Fetch-Site, Origin); a program that is no browser says neither and is let through to Locust's own API;
3. our own routes ask for the session's token in a header of its own besides, which no foreign form can send;
4. no answer may be read by another site, or be framed by one.
"""

import hmac
import secrets
from functools import wraps
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

from flask import abort, make_response, request, session

if TYPE_CHECKING:
    from collections.abc import Callable

TOKEN_HEADER: Final = "X-Greenup-Token"  # noqa: S105 — the name of a header
TOKEN: Final = "greenup_token"  # noqa: S105 — where the session keeps it
SAFE: Final = frozenset({"GET", "HEAD", "OPTIONS"})
_OWN: Final = frozenset({"same-origin", "none"})
_LOOPBACK: Final = frozenset({"127.0.0.1", "localhost", "::1"})
_POLICY: Final = (
    "default-src 'self'; style-src 'self'; img-src 'self' data:; object-src 'none'; base-uri 'none'; "
    "form-action 'self'; frame-ancestors 'self'"
)


def install(web_ui: Any) -> None:
    """For the whole of Locust's web application."""
    app = web_ui.app
    app.secret_key = app.secret_key or secrets.token_bytes(32)
    app.config.update(
        SESSION_COOKIE_NAME=f"greenup_{web_ui.port}",  # cookies do not know ports: two runs, two sessions
        SESSION_COOKIE_HTTPONLY=True,
        SESSION_COOKIE_SAMESITE="Strict",
        SESSION_COOKIE_SECURE=bool(web_ui.tls_cert),
    )
    local = web_ui.host in _LOOPBACK

    @app.before_request
    def refuse_strangers() -> Any:
        host = urlsplit(f"//{request.host}").hostname
        if local and host not in _LOOPBACK:
            return make_response(f"this page answers to 127.0.0.1 and localhost, not to {host}", 403)
        if request.method not in SAFE and not _comes_from_here():
            return make_response("refused: the request comes from a page of another site", 403)
        return None

    @app.after_request
    def closed_to_others(response: Any) -> Any:
        # Set before Flask-CORS looks: it leaves an answer alone that names an origin.
        response.headers["Access-Control-Allow-Origin"] = request.host_url.rstrip("/")
        response.headers["X-Frame-Options"] = "SAMEORIGIN"
        response.headers["X-Content-Type-Options"] = "nosniff"
        response.headers["Referrer-Policy"] = "same-origin"
        return response


def _comes_from_here() -> bool:
    fetched_from = request.headers.get("Sec-Fetch-Site")
    if fetched_from is not None:
        return fetched_from in _OWN
    origin = request.headers.get("Origin")
    return origin is None or urlsplit(origin).netloc == request.host


def token() -> str:
    """This session's token, for a page to send back."""
    found: str = session.setdefault(TOKEN, secrets.token_urlsafe(24))
    return found


def own_pages_only(view: "Callable[..., Any]") -> "Callable[..., Any]":
    """A view that changes something: the token of the session must come with it."""

    @wraps(view)
    def guarded(*args: Any, **options: Any) -> Any:
        held = session.get(TOKEN)
        if held is None or not hmac.compare_digest(held, request.headers.get(TOKEN_HEADER, "")):
            abort(403, "refused: reload the page and try again")
        return view(*args, **options)

    return guarded


def strict(response: Any) -> Any:
    """A page of ours runs nothing but our own files."""
    response.headers["Content-Security-Policy"] = _POLICY
    response.headers["Cache-Control"] = "no-store"
    return response
