"""Random lives of one station for as long as one likes: the tests' stories, many more of them.

    python benchmarks/stories.py [--stories 10000] [--longest 200]

Each story is a world of one station and an inspected central system (tests/support/story.py). A broken rule
is printed with the story that breaks it, and the script ends with exit code 1.
"""

import argparse
import sys
import time
from pathlib import Path

from hypothesis import HealthCheck, Phase, given, settings

sys.path.insert(0, str(Path(__file__).parents[1]))  # the tests are no package of the project

from tests.support.story import live, stories

FEWEST_STEPS = 20


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--stories", type=int, default=10_000, help="how many; default 10000")
    parser.add_argument("--longest", type=int, default=200, help="steps of the longest; default 200")
    arguments = parser.parse_args()
    lived = steps = 0

    @settings(
        max_examples=arguments.stories,
        deadline=None,
        database=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(stories(FEWEST_STEPS, arguments.longest))
    def lives(story: tuple) -> None:
        nonlocal lived, steps
        live(*story)
        lived, steps = lived + 1, steps + len(story[1])

    started = time.perf_counter()
    try:
        lives()
    except AssertionError as broken:
        print(broken)
        return 1
    seconds = time.perf_counter() - started
    print(f"{lived} stories of {steps / lived:.0f} steps on average in {seconds:.0f} s; no rule was broken")
    return 0


if __name__ == "__main__":
    sys.exit(main())
