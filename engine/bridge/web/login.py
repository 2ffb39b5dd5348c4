"""A login for Locust's --web-login: one user, whose password comes from the environment and stays there.

Locust's flag alone has no users and answers every page with an error text. A locustfile that brings a login
of its own replaces this one: set `web_ui.login_manager.user_loader` and `web_ui.auth_args` in an `init`
listener.
"""

import hmac
import os
from typing import Any, Final

import gevent
from flask import redirect, request, session, url_for
from flask_login import UserMixin, login_user
from gevent.lock import Semaphore

from stations.errors import PlanError

PASSWORD: Final = "GREENUP_WEB_PASSWORD"  # noqa: S105 — the name of a variable
USER: Final = "GREENUP_WEB_USER"
DEFAULT_USER: Final = "greenup"
SHORTEST: Final = 8
PAUSE_S: Final = 1.0  # after a wrong password, for everybody who tries

_one_at_a_time: Final = Semaphore()


class _Person(UserMixin):
    def __init__(self, name: str) -> None:
        self.id = name


def check() -> None:
    """PlanError when --web-login is asked for and nobody could log in."""
    if len(os.environ.get(PASSWORD, "")) < SHORTEST:
        raise PlanError(f"--web-login: set {PASSWORD} in the environment, {SHORTEST} characters or more")


def install(web_ui: Any, blueprint: Any) -> None:
    """Answer the form that Locust shows at /login."""
    name = os.environ.get(USER, DEFAULT_USER)

    @web_ui.login_manager.user_loader
    def person(user_id: str) -> _Person | None:
        return _Person(name) if user_id == name else None

    @blueprint.post("/login")
    def enter() -> Any:
        if is_right(request.form.get("username", ""), request.form.get("password", "")):
            session.clear()
            login_user(_Person(name))
            return redirect(url_for("locust.index"))
        pause()
        session["auth_error"] = "wrong user name or password"
        return redirect(url_for("locust.login"))

    web_ui.auth_args["username_password_callback"] = f"{blueprint.url_prefix}/login"


def is_right(user: str, password: str) -> bool:
    """Whether this is the login; never, where the password is too short to be one."""
    wanted = os.environ.get(USER, DEFAULT_USER), os.environ.get(PASSWORD, "")
    return _same((user, password), wanted) and len(wanted[1]) >= SHORTEST


def pause() -> None:
    """After a wrong password; whoever tries next waits until it is over."""
    with _one_at_a_time:
        gevent.sleep(PAUSE_S)


def _same(given: tuple[str, str], wanted: tuple[str, str]) -> bool:
    pairs = [hmac.compare_digest(a.encode(), b.encode()) for a, b in zip(given, wanted, strict=True)]
    return all(pairs)
