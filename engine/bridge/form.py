"""The web form refuses what cannot work before anything starts, with the reason next to it."""

from types import SimpleNamespace
from typing import Any

import msgspec
from flask import jsonify, request
from flask_login import current_user

from engine import limits, scenario
from engine.bridge import options, preflight
from engine.bridge.conductor import Conductor
from stations.errors import PlanError


def install(web_ui: Any, conductor: Conductor) -> None:
    """Check each start that is asked for through the page."""

    @web_ui.app.before_request
    def check_form() -> Any:
        if request.endpoint != "locust.swarm" or conductor.trial is not None:
            return None
        if web_ui.web_login and not current_user.is_authenticated:
            return None  # Locust refuses; nobody else makes us reach for an address
        try:
            settings = _asked_for(web_ui.environment.parsed_options)
            if not hasattr(web_ui.environment.runner, "clients"):  # else the workers' machines count
                stations = _typed("the number of stations", request.form.get("user_count", "0"), int)
                limits.prepare(max(0, stations), source_addresses=len(settings.source_addresses))
            preflight.check_settings(settings)
        except (PlanError, ValueError) as mistake:
            return jsonify({"success": False, "message": str(mistake), "host": web_ui.environment.host})
        return None


def _asked_for(parsed: Any) -> options.Settings:
    """The settings that Locust is about to take from the form; it keeps each value's type."""
    merged = dict(vars(parsed))
    for argument in options.ARGUMENTS:
        name = argument.flag[2:].replace("-", "_")
        if name not in request.form:
            continue
        text = request.form[name]
        if isinstance(argument.default, list):
            merged[name] = text.split(",") if "," in text else request.form.getlist(name)
        else:
            merged[name] = _typed(argument.flag, text, type(argument.default))
    for ask in scenario.chosen().asks:
        if ask.name in request.form:
            merged[ask.name] = _typed(ask.flag, request.form[ask.name], type(ask.default))
    merged["host"] = request.form.get("host", merged.get("host"))
    return options.read(SimpleNamespace(**merged))


def _typed(flag: str, text: str, kind: type) -> Any:
    try:
        return msgspec.convert(text, kind, strict=False)
    except msgspec.ValidationError:
        raise PlanError(f"{flag} {text}: not a number") from None
