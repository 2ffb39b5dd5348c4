"""Every behaviour rule is built and named by a test, or there is a reason why not."""

from tests.support.rules import LISTED, ROOT, RULES, UNBUILT, UNTESTED, named, page, proofs, sources


def named_in(paths) -> set[str]:
    return set().union(*map(named, paths))


def told(rules) -> str:
    return "\n".join(f"  {rule}  {RULES[rule]}" for rule in RULES if rule in rules)


def test_the_rules_are_listed_once_with_a_short_title():
    assert len(RULES) == len(LISTED) == 191
    for rule, title in RULES.items():
        assert 3 <= len(title.split()) <= 9, rule


def test_every_rule_has_a_test_that_names_it_or_a_reason():
    assert set(UNTESTED) <= set(RULES), "an exception for a rule nobody listed"
    assert all(UNTESTED.values()), "an exception without a reason"
    missing = set(RULES) - named_in(proofs()) - set(UNTESTED)
    assert not missing, f"no test names these {len(missing)} rules:\n{told(missing)}"


def test_every_rule_has_a_module_that_names_it_or_a_reason():
    assert set(UNBUILT) <= set(RULES), "an exception for a rule nobody listed"
    assert all(UNBUILT.values()), "an exception without a reason"
    missing = set(RULES) - named_in(sources()) - set(UNBUILT)
    assert not missing, f"no module names these {len(missing)} rules:\n{told(missing)}"


def test_no_rule_is_excused_all_the_same():
    stale = set(UNTESTED) & named_in(proofs())
    assert not stale, f"tested now; take them out of rules_untested.toml:\n{told(stale)}"
    stale = set(UNBUILT) & named_in(sources())
    assert not stale, f"built now; take them out of rules_unbuilt.toml:\n{told(stale)}"


def test_the_page_of_rules_is_as_the_code_and_the_tests_are():
    assert (ROOT / "docs/conformance.md").read_text() == page(), (
        "python -m tests.support.rules > docs/conformance.md"
    )
