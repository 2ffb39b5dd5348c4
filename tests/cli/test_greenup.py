"""The `greenup` command: short forms, and help that helps."""

import ast
import re
import subprocess
import sys

import pytest

from engine.cli import COMMANDS, main
from engine.cli.run import LOCUSTFILES, command
from stations.errors import PlanError


def after(words, flag):
    return words[words.index(flag) + 1]


def test_the_short_form_is_a_headless_locust_run_with_a_live_line():
    words = command(["steady", "--stations", "100", "--spawn-rate", "20", "--duration", "60s"], environ={})
    assert after(words, "-f").endswith("locustfiles/steady.py")
    assert (after(words, "-u"), after(words, "-r"), after(words, "--duration")) == ("100", "20", "60s")
    assert {"--headless", "--progress", "--only-summary"} <= set(words)
    assert after(words, "--loglevel") == "WARNING"
    assert "--processes" not in words, "a hundred stations need one process"


def test_the_page_replaces_the_headless_run():
    words = command(["--ui"], environ={})
    assert "--headless" not in words
    assert after(words, "-u") == "500"


def test_locusts_own_short_options_mean_the_same():
    words = command(["-u", "100", "-r", "20"], environ={})
    assert words.count("-u") == words.count("-r") == 1
    assert (after(words, "-u"), after(words, "-r")) == ("100", "20")
    assert "--processes" not in words


def test_everything_else_goes_to_locust_in_order():
    rest = ["--csv", "out", "--seed", "7", "-L", "DEBUG", "--html", "out.html"]
    words = command(["steady", *rest], environ={})
    assert words[-len(rest) :] == rest
    assert "WARNING" not in words


def test_an_options_value_is_not_taken_for_the_scenario():
    assert after(command(["--csv", "out"], environ={}), "-f").endswith("steady.py")


def test_processes_get_a_control_port_of_their_own():
    words = command(["--processes", "3"], environ={})
    assert after(words, "--processes") == "3"
    assert after(words, "--master-port") == after(words, "--master-bind-port") != "5557"
    assert after(words, "--master-bind-host") == "127.0.0.1"


def test_a_password_does_not_stay_on_the_command_line():
    environ = {}
    words = command(["--basic-auth-key", "hush"], environ=environ)
    assert "hush" not in words
    assert environ == {"GREENUP_BASIC_AUTH_KEY": "hush"}


def test_a_locustfile_of_ones_own_is_a_scenario(tmp_path):
    mine = tmp_path / "mine.py"
    mine.touch()
    assert after(command([str(mine)], environ={}), "-f") == str(mine)


def test_a_broken_locustfile_is_named_with_its_line(tmp_path):
    mine = tmp_path / "mine.py"
    mine.write_text("x = 1\ndef f(:\n")
    with pytest.raises(PlanError, match=r"mine\.py, line 2: is not Python"):
        command([str(mine)], environ={})


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["evening"], "there is no scenario evening; use "),
        (["--processes", "many"], "use auto or a number from 1"),
        (["--processes", "1000", "--stations", "5"], "more than the 5 stations"),
        (["--ui", "--headless"], "give one"),
    ],
)
def test_a_mistake_names_its_mend(arguments, words):
    with pytest.raises(PlanError, match=words):
        command(arguments, environ={})


@pytest.mark.parametrize(
    "words",
    [
        "run --stations 0",
        "run --stations 99999999999999999999",
        "run --spawn-rate -1",
        "run --spawn-rate nan",
        "station now",
        "summary",
        "check run --on-untrusted shrug",
        "compare run --csv .",
        "reconcile run --time-tolerance nan",
        "reconcile run --energy-tolerance -1",
        "reconcile run --tariff inf",
        "report run --output no-such-folder/report.html",
        "watch run --slo x --interval 0",
        "bench --interleave x y --repeat many",
        "forecast demo --stations 99999999999999999999",
        "forecast demo --heartbeat nan",
        "forecast demo --heartbeat 0",
        "sessions --profile work-fr --days 0",
        "sessions --profile work-fr --connectors 0",
        "sessions --profile work-fr --out no-such-folder/x.csv",
        "forecast demo --picture .",
        "sessions --profile work-fr --fleet demo",
        "sessions --profile work-fr --days 99999999999999999999",
        "curves --fleet demo --longest inf",
        "conf melt",
    ],
)
def test_a_wrong_option_is_one_line_that_names_it(words, capsys):
    with pytest.raises(SystemExit) as ended:
        main(words.split())
    assert ended.value.code == 2
    said = capsys.readouterr().err
    assert said.count("\n") == 1
    assert said.startswith(f"greenup {words.split()[0]}")
    assert said.endswith(" --help)\n")


def test_a_mistake_is_one_line_and_code_2(capsys):
    assert main(["dance"]) == 2
    assert capsys.readouterr().err == f"greenup: there is no command dance; use {', '.join(COMMANDS)}\n"


def test_help_lists_every_command_and_exit_code(capsys):
    assert main(["--help"]) == 0
    said = capsys.readouterr().out
    for word in (*COMMANDS, "examples:", "exit codes:", "130"):
        assert word in said


@pytest.mark.parametrize("name", sorted(COMMANDS))
def test_each_command_explains_itself_with_examples(name):
    done = subprocess.run(
        [sys.executable, "-c", "import sys; from engine.cli import main; sys.exit(main())", name, "--help"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert re.search(rf"\nexamples?:\n(.+\n)*?  greenup {name}\b", done.stdout), done.stdout


def test_help_lists_every_scenario_with_its_question_and_its_own_options(capsys):
    with pytest.raises(SystemExit):
        command(["--help"], environ={})
    said = capsys.readouterr().out
    for path in LOCUSTFILES.glob("*.py"):
        assert f"\n  {path.stem}\n" in said
        assert ast.get_docstring(ast.parse(path.read_text())).splitlines()[0] in said
    assert "--calm-s --lasting-s --share --power-share --watch-s" in said


def test_help_loads_neither_locust_nor_pandas():
    code = (
        "import sys; from engine.cli import main; main(['--help']);"
        "sys.exit(bool({'locust', 'gevent', 'pandas', 'numpy', 'uvloop'} & set(sys.modules)))"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, check=False).returncode == 0
