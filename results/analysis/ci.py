"""What CI systems read: JUnit XML, a Markdown page with the verdict first, and GitHub's annotations."""

from collections.abc import Iterator
from pathlib import Path
from typing import Final

from lxml import etree

from results.analysis.render import summary_markdown
from results.analysis.summary import Summary
from results.analysis.verdicts import Check, Status, Verdict

MARKDOWN_LIMIT: Final = 64_000  # a GitHub comment takes 65,536 characters
ANNOTATIONS: Final = 10


def junit(verdict: Verdict, seconds: float) -> bytes:
    """JUnit XML, a suite per kind of check. The text repeats the message: GitLab shows only the text."""
    suites = etree.Element("testsuites", name="greenup")
    for name in dict.fromkeys(check.suite for check in verdict.checks):
        checks = [check for check in verdict.checks if check.suite == name]
        suite = etree.SubElement(
            suites,
            "testsuite",
            name=name,
            tests=str(len(checks)),
            failures=str(_count(checks, Status.FAILED)),
            errors=str(_count(checks, Status.ERROR)),
            time=f"{seconds:.1f}",
        )
        for check in checks:
            _case(suite, check)
    return etree.tostring(suites, xml_declaration=True, encoding="UTF-8", pretty_print=True)


def markdown(verdict: Verdict, summary: Summary) -> str:
    """Verdict, what did not pass, then everything else folded away."""
    bad = verdict.not_passed()
    lines = [
        f"## {'✅' if verdict.passed else '❌'} {verdict.meaning}: {verdict.run}",
        "",
        *_table(bad),
        "",
        f"<details><summary>all {len(verdict.checks)} checks</summary>",
        "",
        *_table(verdict.checks),
        "",
        "</details>",
        "",
        summary_markdown(summary),
    ]
    text = "\n".join(lines)
    return text if len(text) <= MARKDOWN_LIMIT else text[: MARKDOWN_LIMIT - 20] + "\n…\n"


def annotations(verdict: Verdict) -> Iterator[str]:
    """GitHub workflow commands, one per check that did not pass, ten at the most."""
    for check in verdict.not_passed()[:ANNOTATIONS]:
        yield f"::error title={_escaped(_title(check))}::{_escaped(_words(check))}"


def write_files(
    verdict: Verdict, summary: Summary, junit_path: str | None, markdown_path: str | None
) -> None:
    """Write what was asked for; the Markdown is appended, as `$GITHUB_STEP_SUMMARY` wants it."""
    if junit_path:
        Path(junit_path).write_bytes(junit(verdict, summary.duration_s))
    if markdown_path:
        with Path(markdown_path).open("a", encoding="utf-8") as file:
            file.write(markdown(verdict, summary))


def _case(suite: etree._Element, check: Check) -> None:
    classname = ".".join(filter(None, [check.suite, check.subject]))
    case = etree.SubElement(suite, "testcase", classname=classname, name=_title(check))
    if check.status is Status.PASSED:
        return
    kind = "failure" if check.status is Status.FAILED else "error"
    told = etree.SubElement(case, kind, message=_words(check), type=str(check.status))
    told.text = _words(check)


def _table(checks: list[Check]) -> list[str]:
    if not checks:
        return ["Everything passed."]
    rows = [f"| {c.status} | {c.name} | `{c.wanted}` | {c.value} | {c.margin} | {c.note} |" for c in checks]
    return ["| | check | wanted | value | margin | |", "|---|---|---|---|---|---|", *rows]


def _title(check: Check) -> str:
    return f"{check.name}: {check.wanted}"


def _words(check: Check) -> str:
    return ", ".join(filter(None, [f"{check.value}, wanted {check.wanted}", check.margin, check.note]))


def _escaped(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _count(checks: list[Check], status: Status) -> int:
    return sum(check.status is status for check in checks)
