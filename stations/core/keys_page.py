"""docs/keys.md, generated from the key table so that it cannot differ from what stations do."""

from typing import Any, Final

from stations.core.key_rules import show
from stations.core.keys import KEYS, Key
from stations.core.plan import Personality

_HEAD: Final = """\
# Configuration keys

Generated from `stations/core/keys.py` by `python -m stations.core.keys_page > docs/keys.md`; do not edit.

`greenup` is the product as its guide describes it, `spec` plain OCPP 1.6: one entry means both agree.
*Answer* is the status of ChangeConfiguration with a good value; a bad one is always Rejected, and a key that
the table does not know is NotSupported. *Stored only* marks what the guide calls «No action on Legrand
station»: greenup keeps the value and behaves as the effect column's bracket says; spec obeys it.

| key | default | type | answer | effect |
|---|---|---|---|---|
"""


def render_keys() -> str:
    """The whole page."""
    return _HEAD + "".join(_row(key) for key in KEYS.values())


def _row(key: Key[Any]) -> str:
    defaults = [_literal(show(key.default_for(personality))) for personality in Personality]
    rules = [key.rule_for(personality).words for personality in Personality]
    answers = [str(key.answer_for(personality)) for personality in Personality]
    if key.spec_only:
        defaults[0], rules[0], answers[0] = "none", "none", "NotSupported"
    cells = [f"`{key.name}`", _both(defaults), _both(rules), _both(answers), _effect(key)]
    return "| " + " | ".join(cells) + " |\n"


def _literal(text: str) -> str:
    return f"`{text}`" if text else "(empty)"


def _both(values: list[str]) -> str:
    greenup, spec = values
    return greenup if greenup == spec else f"greenup: {greenup}; spec: {spec}"


def _effect(key: Key[Any]) -> str:
    words = key.effect
    if key.acts_as is not None:
        words += f" (greenup: stored only, acts as `{show(key.acts_as)}`)"
    if key.supported_by is not None and key.limited_by is not None:
        words += f"; items of `{key.supported_by.name}`, at most `{key.limited_by.name}`"
    return words if key.readable else words + "; never read back (GF-4)"


if __name__ == "__main__":
    print(render_keys(), end="")  # noqa: T201 — the page goes to standard output
