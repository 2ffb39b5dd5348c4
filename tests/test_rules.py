"""Every behaviour rule is named by a test, or by a reason why not."""

import re
import tomllib
from pathlib import Path

TESTS = Path(__file__).parent
LISTED = re.findall(r"^([A-Z]+-[0-9]+) ([MSOLD]) (.+)$", (TESTS / "rules.txt").read_text(), re.MULTILINE)
RULES = {rule: title for rule, _, title in LISTED}
UNTESTED = tomllib.loads((TESTS / "rules_untested.toml").read_text())


def named_in_tests() -> set[str]:
    """Rule ids that occur in a test file; a list such as `BOOT-3..5` does not count."""
    sources = [path.read_text() for path in TESTS.rglob("test_*.py") if path != Path(__file__)]
    return set(re.findall(r"\b[A-Z]+-[0-9]+\b", "\n".join(sources)))


def told(rules) -> str:
    return "\n".join(f"  {rule}  {RULES[rule]}" for rule in RULES if rule in rules)


def test_the_rules_are_listed_once_with_a_short_title():
    assert len(RULES) == len(LISTED) == 191
    for rule, title in RULES.items():
        assert 3 <= len(title.split()) <= 9, rule


def test_every_rule_has_a_test_that_names_it_or_a_reason():
    assert set(UNTESTED) <= set(RULES), "an exception for a rule nobody listed"
    assert all(UNTESTED.values()), "an exception without a reason"
    missing = set(RULES) - named_in_tests() - set(UNTESTED)
    assert not missing, f"no test names these {len(missing)} rules:\n{told(missing)}"


def test_no_rule_is_excused_and_tested_all_the_same():
    stale = set(UNTESTED) & named_in_tests()
    assert not stale, f"tested now; take them out of rules_untested.toml:\n{told(stale)}"
