"""A picture of the fleet as the page asks for it: plain data, sentences in the reader's language."""

import time
from typing import Any

import msgspec

from engine.bridge.web.live import Picture
from engine.bridge.web.verdict import Reason
from engine.bridge.web.words import WORDS
from results.catalogue import CATALOGUE, severity_of


def snapshot(picture: Picture | None, after: int, language: str) -> dict[str, Any]:
    """Everything now, and the points with a number above `after`."""
    words = WORDS[language]
    if picture is None:
        return {"state": "idle", "number": 0, "points": []}
    trial, ended = picture.trial, picture.ended_s is not None
    state, reasons = picture.watchman.verdict(ended=ended)
    return {
        "state": "ended" if ended else "running",
        "run": trial.run,
        "phase": trial.phase,
        "elapsed_s": round((picture.ended_s or time.monotonic()) - trial.began_s),
        "number": picture.number,
        "points": [msgspec.to_builtins(point) for number, point in picture.recent if number > after],
        "sums": {name: round(value, 1) for name, value in picture.sums.items() if "." not in name},
        "links": picture.counts("links"),
        "registrations": picture.counts("registrations"),
        "connectors": picture.counts("connectors"),
        "findings": _findings(picture.counts("rules")),
        "actions": list(picture.actions()),
        "workers": _workers(picture),
        "verdict": state,
        "reasons": [sentence(reason, words) for reason in reasons],
        "gate": _gate(picture),
    }


def _gate(picture: Picture) -> dict[str, Any]:
    """Thresholds: the file, and what became of each once the run has ended."""
    found = picture.gate or {}
    checks = found.get("checks", [])  # the generator's own are the verdict at the top
    shown = ("name", "subject", "wanted", "value", "status", "margin", "note")
    rows = [
        {name: check.get(name, "") for name in shown} for check in checks if check["suite"] != "generator"
    ]
    return {"file": picture.trial.settings.slo, "mistake": picture.gate_mistake, "checks": rows}


def whole(picture: Picture | None) -> list[dict[str, Any]]:
    """The whole run in a bounded number of points."""
    return [] if picture is None else [msgspec.to_builtins(point) for point in picture.whole.points]


def sentence(reason: Reason, words: dict[str, str]) -> str:
    """One reason against trust, in words."""
    gaps = dict(reason.gaps)
    if "worst" in gaps:
        gaps["worst"] = ", ".join(
            words[name].format(_amount(name, value)) for name, value in gaps["worst"].items()
        )
    return words[reason.word].format(**gaps)


def _amount(name: str, value: float) -> str:
    return f"{value / 1000:.0f} ms" if name.endswith("_us") else f"{value:.0f} %"


def _findings(rules: dict[str, int]) -> list[dict[str, Any]]:
    return [
        {
            "rule": rule,
            "count": count,
            "severity": severity_of(rule).value,
            "title": CATALOGUE[rule].title if rule in CATALOGUE else "",
        }
        for rule, count in sorted(rules.items(), key=lambda item: -item[1])
    ]


def _workers(picture: Picture) -> list[dict[str, Any]]:
    return [
        {
            "name": name,
            "stations": seconds.last.get("stations", 0),
            "lag_ms": seconds.last.get("gen_lag_p99_us", 0) / 1000,
            "delay_ms": seconds.last.get("loop_delay_p99_us", 0) / 1000,
            "cpu_percent": round(seconds.last.get("cpu_percent", 0.0)),
            "bad": seconds.bad,
            "seen": seconds.seen,
            "lost": name in picture.trial.faltered,
        }
        for name, seconds in sorted(picture.watchman.workers.items())
    ]
