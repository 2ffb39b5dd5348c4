"""The routes below /fleet. All honour --web-login; those that change something want the session's token."""

import json
from pathlib import Path
from typing import Any, Final

from flask import Blueprint, Response, abort, jsonify, render_template, request, session

from engine import byhand
from engine.bridge import analysis
from engine.bridge.conductor import Conductor
from engine.bridge.web import guard, login, show
from engine.bridge.web.enquiries import Enquiries, Unanswered
from engine.bridge.web.live import Live
from engine.bridge.web.words import WORDS
from profiles import vehicles
from stations.errors import PlanError
from stations.wire.types import ChargePointErrorCode
from stations.xmlfile import LARGEST_BYTES

NAME: Final = "fleet"
XML: Final = "application/xml"
_LONGEST_QUESTION: Final = 4_096


def install(web_ui: Any, conductor: Conductor, live: Live, enquiries: Enquiries) -> None:
    """Hang the blueprint into Locust's application."""
    base = (web_ui.environment.parsed_options.web_base_path or "").rstrip("/")
    blueprint = Blueprint(
        NAME, __name__, url_prefix=f"{base}/fleet", template_folder="templates", static_folder="static"
    )
    if web_ui.web_login:
        login.install(web_ui, blueprint)
    _keep_out(web_ui, blueprint)
    _fleet(blueprint, live)
    _station(blueprint, enquiries)
    _files(blueprint, conductor)
    web_ui.app.register_blueprint(blueprint)


def language() -> str:
    """The reader's: as chosen, else as the browser asks."""
    chosen = request.args.get("lang")
    if chosen in WORDS:
        session["language"] = chosen
    known: str = session.get("language") or request.accept_languages.best_match(list(WORDS)) or "en"
    return known


def _keep_out(web_ui: Any, blueprint: Any) -> None:
    @blueprint.before_request
    def only_who_is_logged_in() -> Any:
        if request.endpoint == f"{NAME}.enter":
            return None
        return web_ui.auth_required_if_enabled(lambda: None)()

    @blueprint.after_request
    def strict(response: Any) -> Any:
        return guard.strict(response)

    @blueprint.errorhandler(PlanError)
    def refused(mistake: PlanError) -> Any:
        return jsonify({"mistake": str(mistake)}), 400

    @blueprint.errorhandler(Unanswered)
    def unanswered(silence: Unanswered) -> Any:
        return jsonify({"mistake": str(silence)}), 504


def _page(template: str, **values: Any) -> str:
    chosen = language()
    words = WORDS[chosen]
    page: str = render_template(
        f"greenup/{template}.html",
        words=words,
        words_json=json.dumps(words),
        language=chosen,
        token=guard.token(),
        **values,
    )
    return page


def _fleet(blueprint: Any, live: Live) -> None:
    @blueprint.get("/")
    def fleet() -> str:
        return _page("fleet")

    @blueprint.get("/data")
    def data() -> Any:
        after = request.args.get("after", 0, type=int)
        return jsonify(show.snapshot(live.picture, after, language()))

    @blueprint.get("/whole")
    def whole() -> Any:
        return jsonify(show.whole(live.picture))


def _station(blueprint: Any, enquiries: Enquiries) -> None:
    @blueprint.get("/station")
    def station() -> str:
        return _page(
            "station", vehicles=sorted(vehicles.table().classes), errors=list(ChargePointErrorCode)[1:]
        )

    @blueprint.get("/station/find")
    def find() -> Any:
        return jsonify(enquiries.find(request.args.get("uid", "")[:100]))

    @blueprint.get("/station/<int:index>")
    def look(index: int) -> Any:
        return jsonify(enquiries.look(index))

    @blueprint.get("/station/<int:index>/OCPPConf.xml")
    def file(index: int) -> Any:
        headers = {"Content-Disposition": 'attachment; filename="OCPPConf.xml"'}
        return Response(enquiries.ask(index, "file"), mimetype=XML, headers=headers)

    @blueprint.post("/station/<int:index>/OCPPConf.xml")
    @guard.own_pages_only
    def store(index: int) -> Any:
        data = request.stream.read(LARGEST_BYTES + 1)
        return jsonify({"warnings": enquiries.ask(index, "store", {"data": data})})

    @blueprint.post("/station/<int:index>/<deed>")
    @guard.own_pages_only
    def do(index: int, deed: str) -> Any:
        arguments = json.loads(request.stream.read(_LONGEST_QUESTION) or b"{}")
        if deed not in byhand.DEEDS or not isinstance(arguments, dict):
            abort(404)
        enquiries.ask(index, deed, arguments)
        return jsonify({})


def _files(blueprint: Any, conductor: Conductor) -> None:
    def attachment(data: bytes, run: Path, name: str, mimetype: str) -> Any:
        headers = {"Content-Disposition": f'attachment; filename="{run.name}-{name}"'}
        return Response(data, mimetype=mimetype, headers=headers)

    @blueprint.get("/download/<name>")
    def download(name: str) -> Any:
        running = conductor.trial
        folder = running.folder if running is not None else conductor.finished
        if folder is None:
            raise PlanError("there is no run yet: start one first")
        if name != "report":
            return attachment(analysis.table(folder.path, name), folder.path, f"{name}.csv", "text/csv")
        if running is not None:
            raise PlanError("the report is made when the run has ended: stop it first")
        return attachment(analysis.report(folder.path), folder.path, "report.html", "text/html")
