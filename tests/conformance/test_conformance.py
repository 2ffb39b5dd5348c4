"""One story book for `greenup station`, told over real sockets to processes of their own.

The quick stories are part of every run, side by side. All of them: `pytest -m conformance tests/conformance`;
some of them: `python -m tests.conformance.run chapter name …`.
"""

import asyncio

import pytest

from tests.conformance.stories import BOOK
from tests.conformance.story import Story, tell_all

pytestmark = pytest.mark.realnet


@pytest.fixture
def asked_for(request):
    if request.config.option.markexpr != "conformance":
        pytest.skip("all conformance stories take minutes: pytest -m conformance tests/conformance")


def trouble_in(stories: list[Story]) -> str:
    return "\n\n".join(
        f"{outcome.story.chapter}.{outcome.story.name} ({', '.join(outcome.story.rules)}): {outcome.trouble}"
        for outcome in asyncio.run(tell_all(stories))
        if outcome.trouble
    )


def test_the_quick_stories_end_well():
    trouble = trouble_in([story for story in BOOK if story.quick])
    assert not trouble, trouble


@pytest.mark.conformance
def test_all_stories_end_well(asked_for):
    trouble = trouble_in(BOOK)
    assert not trouble, trouble


def test_every_chapter_has_quick_stories_and_every_story_a_rule():
    assert {story.chapter for story in BOOK} == {story.chapter for story in BOOK if story.quick}
    assert all(story.rules for story in BOOK)
    assert len({story.name for story in BOOK}) == len(BOOK)
