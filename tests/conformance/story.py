"""Stories: short tales told to one station in real time, each naming the rules it proves."""

import asyncio
import time
import traceback
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from tests.conformance.bench import Bench, temporary

AT_ONCE = 16  # stations started together; a story mostly waits
LONGEST_S = 300.0  # ends a story that hangs; waiting for its turn to start counts too


@dataclass(frozen=True)
class Story:
    """One tale: `rules` are ids of tests/rules.txt and OCTT's test cases."""

    name: str
    chapter: str
    rules: tuple[str, ...]
    quick: bool
    tell: Callable[[Bench], Awaitable[None]]


@dataclass(frozen=True)
class Outcome:
    """How it went: `trouble` is empty when all is well."""

    story: Story
    took_s: float
    trouble: str


STORIES: list[Story] = []


def story(*rules: str, quick: bool = False) -> Callable[[Callable[[Bench], Awaitable[None]]], None]:
    """Enter a story into the book; `quick` ones belong to every test run."""

    def enter(tell: Callable[[Bench], Awaitable[None]]) -> None:
        chapter = tell.__module__.rsplit(".", 1)[-1]
        STORIES.append(Story(tell.__name__, chapter, rules, quick, tell))

    return enter


async def _told(one: Story, gate: asyncio.Semaphore, starting: asyncio.Semaphore) -> Outcome:
    async with gate:
        began = time.monotonic()
        trouble = ""
        with temporary() as folder:
            bench = Bench(Path(folder), starting)
            try:
                async with asyncio.timeout(LONGEST_S):
                    await one.tell(bench)
                if bench.csms.faults:
                    trouble = "\n".join(bench.csms.faults[:5])
            except Exception:  # noqa: BLE001 — whatever a story raises is its outcome
                trouble = traceback.format_exc(limit=-3)
                trouble += "".join(f"\n    fault: {fault}" for fault in bench.csms.faults[:5])
                if bench.station:
                    trouble += "\n    last lines: " + "\n      ".join(map(str, bench.station.lines[-4:]))
            finally:
                await bench.clear()
            if bench.station and bench.station.errors:
                trouble += "\n    stderr: " + bench.station.errors.decode(errors="replace")[-1500:]
        return Outcome(one, time.monotonic() - began, trouble)


async def tell_all(stories: Iterable[Story], at_once: int = AT_ONCE) -> list[Outcome]:
    """Tell them side by side."""
    gate, starting = asyncio.Semaphore(at_once), asyncio.Semaphore(3)
    return list(await asyncio.gather(*(_told(one, gate, starting) for one in stories)))
