"""Importing Locust patches the whole process, so its tests run in a pytest call of their own."""

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from engine.compiled import COMPILED

# A busy machine is no failure: nothing is tested by the time it takes.
settings.register_profile("unhurried", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("unhurried")

pytest_plugins = ["tests.support.programs"]  # whole programs are started in several folders

BRIDGE = Path(__file__).parent / "engine" / "bridge"


def _wanted(config: pytest.Config) -> bool:
    """Whether this call asks for them: by the marker, or by naming the folder or a file in it."""
    named = (config.invocation_params.dir / arg.split("::")[0] for arg in config.args)
    return config.option.markexpr == "locust" or any(BRIDGE in (path, *path.parents) for path in named)


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    if collection_path == BRIDGE and not _wanted(config):
        return True
    return None


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    if COMPILED:
        closed = pytest.mark.skip(reason="reaches into a module that is compiled (make fast)")
        for item in items:
            if item.get_closest_marker("interpreted"):
                item.add_marker(closed)


@pytest.fixture(autouse=True)
def unpatched(request: pytest.FixtureRequest) -> Iterator[None]:
    """Under Locust's monkey patch a thread of a later test would never let go: the culprit is named here."""
    yield
    assert "locust" not in sys.modules or request.node.get_closest_marker("locust"), "has imported Locust"


def pytest_report_header(config: pytest.Config) -> str | None:
    if _wanted(config):
        return None
    return "tests with Locust are not in this call: pytest tests/engine/bridge (make test runs both)"
