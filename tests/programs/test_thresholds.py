"""Thresholds of a run: at its end, and while it goes on."""

import json

import pytest
from lxml import etree

pytestmark = pytest.mark.realnet

SMALL = ("--headless", "-u", 6, "-r", 6, "--slo", "slo.toml")
# What this machine's other work does to our own health is not what these stories are about.
PATIENT = """
[generator]
loop_delay_p99 = "60s"
gen_lag_p99 = "60s"
canary_p99 = "60s"
cpu = "10000%"
dropped_deadlines = "100%"
"""


def write(folder, *slos):
    (folder / "slo.toml").write_text("\n".join(["version = 1", "[slos]", *slos, PATIENT]))


def verdict(program):
    """verdict.json; the other files beside it must say the same."""
    folder = program.run_folders()[-1].parent
    found = json.loads((folder / "verdict.json").read_text())
    suites = etree.parse(folder / "junit.xml").getroot()
    assert len(suites.findall(".//testcase")) == len(found["checks"])
    page = (folder / "summary.md").read_text()
    assert page.startswith("## ")
    assert page.count("<details>") == 1
    return {check["name"]: check["status"] for check in found["checks"]} | {"": found["exit_code"]}


@pytest.mark.parametrize(
    ("threshold", "code", "status"),
    [
        ('boots = "count(calls{action=BootNotification}) == 6"', 0, "passed"),
        ('boots = "count(calls{action=BootNotification}) == 7"', 1, "failed"),
        ('boots = "p99.9(response{action=BootNotification}) < 1h"', 5, "error"),
    ],
    ids=["held", "broken", "too few samples"],
)
def test_a_headless_run_ends_with_the_code_of_its_thresholds(locust, tmp_path, threshold, code, status):
    write(tmp_path, threshold)
    program = locust(*SMALL, "--duration", "5s")
    assert program.finish() == code, program.said
    found = verdict(program)
    assert (found["boots"], found[""]) == (status, code)
    assert program.saw("verdict: ")
    assert program.saw("count(calls{action=BootNotification})") or code == 5
    assert not program.saw("no longer watches"), "nothing is marked as a brake"


def test_a_brake_ends_the_run_in_good_order_with_code_6(locust, tmp_path, port):
    write(
        tmp_path,
        'brake = {check = "count(calls{action=BootNotification}) < 6 over 30s", abort = true}',
        'long = "min(connected) >= 1 for 10m"',
    )
    program = locust(
        *(*SMALL, "--duration", "120s", "--processes", 2),
        *("--master-bind-port", port, "--master-port", port),
    )
    assert program.finish() == 6, program.said
    assert program.saw(
        "aborted by the brake: brake: 6 over 30 s, wanted count(calls{action=BootNotification})"
    )
    record = program.record()
    assert record["status"] == "aborted"
    assert sorted(record["receipts"]) == ["00", "01"], "the ordinary end: everybody reported"
    assert record["untrusted"] == []
    assert record["marks"][-1]["phase"] == "drain"
    found = verdict(program)
    assert (found["run reached its end"], found["long"], found[""]) == ("failed", "error", 6)


def test_a_brake_ends_a_run_of_the_web_page_too(locust, tmp_path, port):
    write(tmp_path, 'brake = {check = "count(calls) < 3 over 20s", abort = true}')
    program = locust(
        *("--autostart", "--autoquit", 0, "--web-port", port, "-u", 6, "-r", 6),
        *("--slo", "slo.toml", "--duration", "120s"),
    )
    program.wait_until(lambda: program.run_folders() and program.record()["status"] != "running", 60)
    assert program.record()["status"] == "aborted"
    assert program.finish() == 6, program.said


def test_a_run_that_ends_by_itself_takes_its_brake_along(locust, tmp_path):
    write(tmp_path, 'brake = {check = "count(calls) < 1000000 over 1s", abort = true}')
    program = locust(*SMALL, "--duration", "5s")
    assert program.finish() == 0, program.said
    assert not program.saw("aborted by the brake")
    assert not program.saw("no longer watches")
    assert program.record()["status"] == "finished"


def test_a_part_of_the_end_that_fails_is_missing_not_bad_input(locust, tmp_path):
    """Nothing says that nothing was started when it was, and its end cannot be told."""
    write(tmp_path, 'boots = "count(calls{action=BootNotification}) == 6"')
    program = locust(*SMALL, "--duration", "5s")
    program.wait_for_calls()
    (tmp_path / "slo.toml").unlink()
    assert program.finish() == 5, program.said
    assert program.saw("exit code 5")
    assert not program.saw("nothing was started")
