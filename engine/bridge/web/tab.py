"""Our part of Locust's own page: a tab with the fleet in numbers, downloads, and the way to our pages.

Locust takes tabs, tables and download links from `template_args`; a tab can hold a table only, so a small
script of ours, added to the page, puts links to the live pages beside Locust's buttons.
"""

from typing import Any, Final

from flask import request

from engine.bridge.web.live import Live

KEY: Final = "fleet"
_SCRIPT: Final = b'<script src="./fleet/static/tab.js"></script>'
_STRUCTURE: Final = [{"key": "name", "title": "Fleet"}, {"key": "value", "title": "now"}]
_ROWS: Final = {
    "stations": "stations running",
    "links.open": "connected",
    "registrations.Accepted": "accepted",
    "sessions": "charging",
    "power_w": "power drawn, kW",
    "backlog": "transaction messages waiting",
    "reconnects": "reconnects since the start",
    "refusals": "refused connections since the start",
    "findings": "findings since the start",
    "gen_lag_p99_us": "own lag, p99 of the last second, ms",
}
_PER_UNIT: Final = {"power_w": 1_000, "gen_lag_p99_us": 1_000}  # what is reported, in one of what is shown
_LINKS: Final = [
    {"href": "./fleet/", "title": "Fleet, live"},
    {"href": "./fleet/station", "title": "Station page"},
    {"href": "./fleet/download/summary", "title": "Download summary CSV"},
    {"href": "./fleet/download/findings", "title": "Download findings CSV"},
    {"href": "./fleet/download/report", "title": "Download the run's report"},
]


def install(web_ui: Any, live: Live) -> None:
    """Extend Locust's page the ways it offers."""
    # Else the form's fields stand in the order of the alphabet.
    web_ui.app.jinja_env.policies["json.dumps_kwargs"] = {"sort_keys": False}
    web_ui.template_args.update(
        extended_tabs=[{"title": "Fleet", "key": KEY}],
        extended_tables=[{"key": KEY, "structure": _STRUCTURE}],
        extended_csv_files=_LINKS,
    )

    @web_ui.app.after_request
    def extend(response: Any) -> Any:
        if request.endpoint == "locust.index" and response.mimetype == "text/html":
            page = response.get_data()
            response.set_data(page.replace(b"</body>", _SCRIPT + b"</body>", 1))
        elif request.endpoint == "locust.request_stats" and response.is_json:
            # Locust keeps this answer for 2 s and gives it out again: what is in it already is renewed.
            answer = response.get_json()
            answer["extended_stats"] = [{"key": KEY, "data": rows(live)}]
            response.set_data(web_ui.app.json.dumps(answer))
        return response


def rows(live: Live) -> list[dict[str, str]]:
    """The table of the tab."""
    sums = {} if live.picture is None else live.picture.sums
    return [
        {"name": words, "value": f"{sums.get(name, 0) / _PER_UNIT.get(name, 1):,.0f}"}
        for name, words in _ROWS.items()
    ]
