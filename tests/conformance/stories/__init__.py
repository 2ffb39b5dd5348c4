"""The book: every chapter's stories."""

from importlib import import_module
from pathlib import Path

from tests.conformance.story import STORIES, Story

for _chapter in sorted(Path(__file__).parent.glob("[a-z]*.py")):
    import_module(f"tests.conformance.stories.{_chapter.stem}")

BOOK: list[Story] = STORIES
