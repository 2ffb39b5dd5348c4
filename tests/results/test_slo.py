import contextlib
import json
import re
import tomllib
from pathlib import Path

import jsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st

from results.analysis.slo import from_mapping, load
from results.analysis.slo_grammar import FILTERS, METRICS, VALUES, duration_us, parse
from stations.errors import PlanError

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize(
    ("text", "stat", "metric", "limit", "unit"),
    [
        ("p99(response{action=Authorize}) < 1s", "p99", "response", 1_000_000, "us"),
        ("p99.9(service) <= 250ms", "p99.9", "service", 250_000, "us"),
        ("rate(failed{action!=Heartbeat}) < 0.1%", "rate", "failed", 0.001, "%"),
        ("max(time_to_accepted) < 2min during ramp", "max", "time_to_accepted", 120_000_000, "us"),
        ("min(connected) >= 10000 for 10m", "min", "connected", 10_000, ""),
        ("rate(calls) >= 1000/s", "rate", "calls", 1_000, "/s"),
        ("max(cpu) < 85%", "max", "cpu", 85, "%"),
        ("count(finding{severity=error}) == 0", "count", "finding", 0, ""),
        ("p99(response) vs baseline < +10%", "p99", "response", 0.1, "%"),
    ],
)
def test_thresholds_mean_what_they_say(text, stat, metric, limit, unit):
    found = parse(text, "here")
    assert (found.stat, found.metric, found.unit) == (stat, metric, unit)
    assert found.limit == pytest.approx(limit)


def test_filters_windows_and_phases_are_read():
    found = parse(
        "rate(failed{action=Authorize|StartTransaction, outcome!=timeout}) < 5% over 30s during steady", "x"
    )
    actions, outcome = found.conditions
    assert (actions.key, actions.among, actions.negated) == (
        "action",
        ("Authorize", "StartTransaction"),
        False,
    )
    assert (outcome.among, outcome.negated) == (("timeout",), True)
    assert (found.window, found.window_us, found.phase) == ("over", 30_000_000, "steady")


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("p99(response) < 1", "needs 250ms"),
        ("rate(failed) < 5", "needs 0.1%"),
        ("rate(calls) > 5%", "needs 1000/s"),
        ("p99(response) < -1s", "response is never below 0"),
        ("min(connected) > 5s", "needs a plain number"),
        ("p99(respons) < 1s", "no metric 'respons'"),
        ("p99(connected) > 1", "makes no sense; connected takes min, mean or max"),
        ("rate(response) < 1s", "makes no sense"),
        ("p0(response) < 1s", "makes no sense"),
        ("p99(response{acton=Authorize}) < 1s", "no filter 'acton'"),
        ("p99(response{action=Authorise}) < 1s", "did you mean Authorize?"),
        ("p99(response{action}) < 1s", "is no filter"),
        ("max(connected{worker=00}) > 1", "it takes none"),
        ("count(finding{severity=fatal}) == 0", "severity 'fatal' does not exist"),
        ("p99(response) vs baseline < 1s", "the unit is %"),
        ("p99 response < 1s", "is no threshold"),
        ("", "is no threshold"),
    ],
)
def test_what_is_wrong_is_told_with_its_place(text, told):
    with pytest.raises(PlanError, match=re.escape(told)) as error:
        parse(text, "slo.toml: slos.mine")
    assert str(error.value).startswith("slo.toml: slos.mine: ")
    assert "\n" not in str(error.value)


@given(st.text(max_size=60))
def test_any_text_is_a_threshold_or_one_clear_line(text):
    with contextlib.suppress(PlanError):
        assert parse(text, "x").text


def test_every_filter_and_value_belongs_to_a_metric():
    assert FILTERS.keys() <= METRICS.keys()
    assert VALUES.keys() <= {key for keys in FILTERS.values() for key in keys}


BROKEN = [
    ("version = 2\n[slos]\na = 'max(cpu) < 1%'", "write version = 1"),
    ("version = 1", "no thresholds"),
    ("version = 1\n[slo]\na = 'x'", "unknown key 'slo'"),
    ("version = 1\n[slos]\na = 3", "slos.a: write a string or a table"),
    ("version = 1\n[slos.a]\nabort = true", "check is missing"),
    ("version = 1\n[slos.a]\ncheck = 'max(cpu) < 1%'\nabort = 1", "abort must be true or false"),
    ("version = 1\n[slos.a]\ncheck = 'max(cpu) < 1%'\ngrace = '60'", "is no time with a unit"),
    (
        "version = 1\n[slos.a]\ncheck = 'max(cpu) < 1%'\nmin_samples = -1",
        "min_samples must be a whole number",
    ),
    ("version = 1\n[slos]\na = 'max(cpu) < 1%'\n[generator]\ncpu = 85", "85 is no share"),
    ("version = 1\n[slos]\na = 'max(cpu) < 1%'\n[generator]\ncpu = 'nan%'", "'nan%' is no share"),
    ("version = 1\n[slos]\na = 'max(cpu) < 1%'\n[generator]\ncpu = '-5%'", "'-5%' is no share"),
    ("version = 1\n[slos]\na = 'max(cpu) < 1%'\n[generator]\nlag = '5ms'", "unknown key 'lag'"),
    ("version = 1\n[slos]\na = 'max(cpu) < 1%'\n[defaults]\nphase = 3", "phase must be a string"),
    ("version = 1\nslos = 3", "slos must be a table"),
    ("version = ", "not TOML"),
]


@pytest.mark.parametrize(("text", "told"), BROKEN)
def test_a_broken_file_is_one_line_with_file_and_place(tmp_path, text, told):
    path = tmp_path / "slo.toml"
    path.write_text(text)
    with pytest.raises(PlanError, match=re.escape(told)) as error:
        load(path)
    assert str(error.value).startswith(str(path))


def test_a_missing_file_is_one_line(tmp_path):
    with pytest.raises(PlanError, match="cannot be read"):
        load(tmp_path / "none.toml")


def documented_example():
    return re.search(r"```toml\n(.*?)```", (ROOT / "docs" / "gates.md").read_text(), re.DOTALL)[1]


def schema():
    return json.loads((ROOT / "results" / "analysis" / "slo.schema.json").read_text())


def test_the_documented_example_is_valid_by_parser_and_schema():
    found = tomllib.loads(documented_example())
    slos = from_mapping(found, "docs")
    assert len(slos.slos) == len(found["slos"])
    assert next(s for s in slos.slos if s.name == "brake").grace_us == 60_000_000
    jsonschema.validate(found, schema())


@pytest.mark.parametrize("text", [text for text, _ in BROKEN[:9]])
def test_the_schema_refuses_what_the_parser_refuses(text):
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(tomllib.loads(text), schema())


def test_times_need_a_unit():
    assert duration_us("1.5s", "x") == 1_500_000
    with pytest.raises(PlanError):
        duration_us("15", "x")
