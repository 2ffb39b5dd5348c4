"""Fleet files become stations; whatever is wrong in one is a single line."""

import json
import re
import tomllib
from pathlib import Path

import jsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st

from profiles import fleets, sites
from profiles.fleetfile import FleetFile, schema
from profiles.sitefile import SiteFile
from profiles.tomlfile import parse
from stations.core.plan import Personality
from stations.errors import PlanError

URL = "ws://127.0.0.1:9/ocpp"
GROUP = '[[groups]]\nname = "a"\ncount = 3\nproduct = "059004"\nsite = "demo"\n'


def deployment(name="demo", count=500, **more):
    return fleets.load(name).deploy(count, url_base=URL, **more)


def written(tmp_path, text, name="mine.toml"):
    path = tmp_path / name
    path.write_text(text)
    return path


@pytest.mark.parametrize("name", fleets.names())
def test_a_ready_fleet_deploys_stations_with_their_own_identity(name):
    stations = [deployment(name).station(index).plan for index in range(200)]
    assert len({plan.identity for plan in stations}) == 200
    assert all(plan.url == f"{URL}/{plan.identity}" for plan in stations)


def test_the_demo_fleet_has_one_and_two_sided_products():
    assert {deployment().station(index).plan.product.connectors for index in range(5)} == {1, 2}


def test_identities_look_like_the_guide_says_and_count_from_one():
    assert deployment().station(0).plan.identity == "GU-000001"


@given(st.integers(0, 100_000), st.integers(1, 50))
def test_a_station_does_not_depend_on_the_size_of_the_fleet_or_on_who_was_built_before(index, seed):
    alone = deployment(count=1_000_000, seed=seed).station(index)
    other = deployment(count=index + 1, seed=seed)
    other.station(0)
    assert other.station(index).plan == alone.plan


@pytest.mark.parametrize("count", [5, 50, 500, 777])
def test_groups_keep_their_proportion_at_any_size(count):
    groups = [deployment().station(index).group for index in range(count)]
    assert abs(groups.count("one-sided") - 0.6 * count) <= 1


def test_a_personality_of_the_run_overrides_the_fleet():
    plan = deployment(personality=Personality.SPEC).station(0).plan
    assert plan.product.personality is Personality.SPEC


def test_a_base_url_with_a_slash_is_used_as_it_stands():
    plan = fleets.load("demo").deploy(1, url_base="wss://csms/x/").station(0).plan
    assert plan.url == "wss://csms/x/GU-000001"


def test_firmware_and_faults_are_drawn_by_their_shares(tmp_path):
    text = f'title = "t"\n{GROUP}firmware = {{ "1.0" = 3, "2.0" = 1 }}\nfaults = {{ stuck-at-16-a = 0.25 }}\n'
    mine = fleets.load(written(tmp_path, text)).deploy(2000, url_base=URL)
    products = [mine.station(index).plan.product for index in range(2000)]
    assert 1400 < sum(product.firmware == "1.0" for product in products) < 1600
    assert 400 < sum("stuck-at-16-a" in product.faults for product in products) < 600
    assert len({id(product) for product in products}) <= 4


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (
            "title = 3",
            "$.title: expected `str`, got `int`; mend: correct the value (one line about the fleet)",
        ),
        ("title = ", "is not TOML"),
        ('title = "t"', "$.groups: is missing; mend: add `groups`"),
        ('title = "t"\ngroups = []', "$.groups: expected `array` of length >= 1"),
        (
            'title = "t"\n' + GROUP.replace("= 3", "= 0"),
            "$.groups[0].count: expected `int` >= 1; mend: correct the value (stations of this group",
        ),
        (f'title = "t"\n{GROUP}conut = 1', "$.groups[0].conut: unknown key; mend: did you mean `count`?"),
        (f'title = "t"\n{GROUP}zzz = 1', "$.groups[0].zzz: unknown key; mend: known keys are badge, count"),
        (f'title = "t"\n{GROUP}[groups.network]\nlatency = 1', "mend: did you mean `latency_ms`?"),
        (
            f'title = "t"\n{GROUP.replace("059004", "x")}',
            "$.groups[0].product: there is no reference x; mend: use ",
        ),
        (f'title = "t"\n{GROUP.replace("demo", "x")}', "$.groups[0], site x: there is no such profile"),
        (
            f'title = "t"\nidentity = "A"\n{GROUP}',
            "$.identity: all stations would be A; mend: put {number} in it",
        ),
        (f'title = "t"\nidentity = "{{n}}"\n{GROUP}', "$.identity: '{n}' is no pattern"),
        (
            f'title = "t"\nstart = "Lun 8"\n{GROUP}',
            "(local day and time at which a run begins, as in 'Tue 08:00')",
        ),
        (f'title = "t"\n[tags]\npattern = "{{number:030d}}"\n{GROUP}', "$.tags.pattern: "),
        (
            f'title = "t"\n[tags]\nunknown = 0.6\nblocked = 0.6\n{GROUP}',
            "$.tags: the shares of refused badges",
        ),
    ],
)
def test_a_bad_fleet_file_is_one_line_with_file_place_and_mend(tmp_path, text, says):
    with pytest.raises(PlanError) as caught:
        fleets.load(written(tmp_path, text))
    message = str(caught.value)
    assert message.startswith("fleet mine.toml")
    assert says in message
    assert "; mend: " in message
    assert "\n" not in message


def test_the_json_schema_for_editors_is_the_one_of_the_structs():
    shipped = Path(fleets.__file__).with_name("fleet.schema.json")
    assert json.loads(shipped.read_text()) == schema(), "run: python -m profiles.fleetfile"


GROUP = """
[[groups]]
name = "g"
count = 2
product = "059014"
site = "work-fr"
"""


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (GROUP + GROUP, "$.groups[1].name: g is taken; mend: a name of its own"),
        (f'{GROUP}keys = {{ HeartbeatInterval = "soon" }}', "$.groups[0].keys: configuration key Heartbeat"),
        (f'{GROUP}keys = {{ HartbeatInterval = "9" }}', "$.groups[0].keys: unknown configuration key"),
        (f'{GROUP}firmware = {{ "{"V" * 51}" = 1 }}', "is too long; mend: at most 50 characters"),
        (f'{GROUP}[tags]\npattern = "ABC"', "$.tags.pattern: all badges would be ABC; mend: put {number}"),
        (f'timestamps = "never"\n{GROUP}', "$.timestamps: invalid enum value 'never'; mend: "),
    ],
)
def test_what_would_fail_later_is_said_when_the_file_is_read(tmp_path, text, says):
    """C10: one line with file, place and mend."""
    path = tmp_path / "mine.toml"
    path.write_text(f'title = "mine"\n{text}\n', encoding="utf-8")
    with pytest.raises(PlanError) as caught:
        fleets.load(path)
    assert str(caught.value).startswith("fleet mine.toml, ")
    assert says in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("name", fleets.names())
def test_ready_fleets_satisfy_the_json_schema(name):
    data = tomllib.loads((fleets.FOLDER / f"{name}.toml").read_text())
    jsonschema.validate(data, schema())


def test_the_json_schema_refuses_what_the_reader_refuses():
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate({"title": "t", "groups": [], "zzz": 1}, schema())


def test_unknown_missing_and_binary_files_are_plan_errors(tmp_path):
    binary = tmp_path / "b.toml"
    binary.write_bytes(b"\xff\xfe")
    for name, says in (("nix", "there is no such fleet"), ("nix.toml", "cannot be read"), (binary, "UTF-8")):
        with pytest.raises(PlanError, match=says):
            fleets.load(name)


def test_a_wrong_url_or_a_negative_count_deploys_nothing():
    with pytest.raises(PlanError, match="begin with ws"):
        fleets.load("demo").deploy(1, url_base="http://x")
    with pytest.raises(PlanError, match="at least 1"):
        fleets.load("demo").deploy(0, url_base=URL)


@given(st.text())
def test_any_text_is_a_fleet_or_a_plan_error(text):
    with pytest.raises(
        PlanError, match=r"^fleet x\.toml"
    ):  # no text that hypothesis finds has a title and groups
        parse(text, FleetFile, "fleet x.toml")


def test_the_examples_in_the_documentation_are_valid():
    page = (Path(__file__).parents[2] / "docs" / "fleets.md").read_text()
    fleet, site = re.findall(r"```toml\n(.*?)```", page, re.DOTALL)
    assert parse(fleet, FleetFile, "example").groups[0].count == 70
    assert parse(site, SiteFile, "example").of == "work-fr"
    for name in [*fleets.names(), *sites.names()]:
        assert f"`{name}`" in page
