"""docs/csms.md says everything that there is, and its examples work."""

import tomllib
import typing
from pathlib import Path

import pytest
from aiohttp import web

from csms.api import Api, build_api
from csms.behaviour import AnyFault, CallFault, Fault, convert
from csms.queries import LISTS
from csms.rows import TABLES

DOCS = Path(__file__).parents[2] / "docs" / "csms.md"


@pytest.fixture
def text():
    return DOCS.read_text("utf-8")


@pytest.mark.parametrize("kind", typing.get_args(AnyFault), ids=lambda kind: kind().name)
def test_every_fault_is_in_the_table_with_its_settings(text, kind):
    [line] = [line for line in text.splitlines() if line.startswith(f"| `{kind().name}` |")]
    common = set(Fault.__struct_fields__)
    settings = set(kind.__struct_fields__) - common
    assert all(f"`{name}`" in line for name in settings), line
    assert issubclass(kind, CallFault) == ("`actions`" in line)


def test_every_table_list_and_route_is_named(text):
    for table, _conflict in TABLES.values():
        assert f"`{table}`" in text
    for name in LISTS:
        assert f"GET /{name}" in text


def test_every_route_is_in_the_table(text, story):
    async def tell(world):
        app = build_api(world.server)
        for route in app.router.routes():
            if route.method != "HEAD":
                path = route.resource.canonical.replace(":.+", "")
                lines = [line for line in text.splitlines() if line.startswith("|") and path in line]
                assert any(route.method in line for line in lines), route
        assert isinstance(app, web.Application)
        assert all(method.__doc__ for name, method in vars(Api).items() if not name.startswith("_"))

    story(tell)


def test_the_example_of_faults_is_valid(text):
    example = text.split("```toml\n")[1].split("```")[0]
    assert len(convert(tomllib.loads(example)).fault) == 2
