"""The `greenup` command: short forms, and help that helps."""

import ast
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
        (["--stations", "0"], "0: must be a number from 1"),
        (["--spawn-rate", "-1"], "-1: must be more than 0"),
        (["--processes", "many"], "use auto or a number from 1"),
        (["--processes", "1000", "--stations", "5"], "more than the 5 stations"),
        (["--ui", "--headless"], "give one"),
    ],
)
def test_a_mistake_names_its_mend(arguments, words):
    with pytest.raises(PlanError, match=words):
        command(arguments, environ={})


def test_a_mistake_is_one_line_and_code_2(capsys):
    assert main(["run", "--stations", "none"]) == 2
    assert capsys.readouterr().err.count("\n") == 1
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
    assert f"greenup {name}" in done.stdout


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
