"""Stories from the command line: `python -m tests.conformance.run [chapter or name …]`; all without any."""

import asyncio
import sys

from tests.conformance.stories import BOOK
from tests.conformance.story import tell_all


def say(line: str) -> None:
    sys.stdout.write(line + "\n")


def main() -> int:
    wanted = set(sys.argv[1:])
    chosen = [one for one in BOOK if not wanted or {one.name, one.chapter} & wanted]
    outcomes = asyncio.run(tell_all(chosen))
    for outcome in outcomes:
        mark = "no" if outcome.trouble else "ok"
        one, rules = outcome.story, " ".join(outcome.story.rules)
        say(f"{mark} {outcome.took_s:5.1f}s {one.chapter}.{one.name} {rules}")
        if outcome.trouble:
            say("    " + outcome.trouble.replace("\n", "\n    "))
    failed = sum(1 for outcome in outcomes if outcome.trouble)
    say(f"{len(outcomes)} stories, {failed} ended badly")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
