import re
from pathlib import Path

from results.catalogue import CATALOGUE, Severity, render_findings, severity_of

ROOT = Path(__file__).parents[2]


def test_the_page_is_printed_from_the_catalogue():
    assert (ROOT / "docs" / "findings.md").read_text() == render_findings(), "python -m results.catalogue"


def test_the_catalogue_is_what_the_code_can_find():
    made = set()
    for folder in ("stations", "engine"):
        for path in (ROOT / folder).rglob("*.py"):
            for line in path.read_text().splitlines():
                if re.search(r"\b(?:find|broke_rule|Finding|adjust)\(|\brule(?:: str)? ?= ?", line):
                    made |= set(re.findall(r'"([A-Z]+-\d+)"', line))
    assert made == set(CATALOGUE)


def test_an_unknown_rule_counts_as_an_error():
    assert severity_of("XYZ-9") is Severity.ERROR
    assert severity_of("RPC-11") is Severity.WARNING
