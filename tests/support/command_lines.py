"""Reads command lines with the programs' own parsers: `python command_lines.py`, JSON on standard input.

A process of its own, because Locust patches the process it is imported into. Input: a list of
[program, arguments, environment]; output: a list of {"mistake": …} or {"settings": {…}, "variables": […]}.
"""

import contextlib
import io
import json
import os
import sys


def locust(arguments):
    """Settings of a Locust command line, and every variable that its parser reads."""
    from locust.argument_parser import get_parser

    import engine.bridge  # noqa: F401 — teaches Locust's parser our arguments

    parser = get_parser()
    settings, unknown = parser.parse_known_args(arguments)
    if unknown:
        raise ValueError(f"unknown: {unknown}")
    variables = [action.env_var for action in parser._actions if getattr(action, "env_var", None)]
    return {"settings": {key: repr(value) for key, value in vars(settings).items()}, "variables": variables}


def greenup(arguments):
    """The embedded central system's; other commands are not used in deploy/."""
    from csms.options import parse

    name, *rest = arguments
    if name != "csms":
        raise ValueError(f"no parser for {name}")
    return {"settings": {"port": repr(parse(rest).settings.port)}, "variables": []}


def main():
    answers = []
    for program, arguments, environment in json.load(sys.stdin):
        os.environ.clear()
        os.environ.update(environment)
        said = io.StringIO()
        try:
            with contextlib.redirect_stderr(said):
                answers.append({"locust": locust, "greenup": greenup}[program](arguments))
        except (SystemExit, ValueError) as error:
            answers.append({"mistake": said.getvalue() or str(error)})
    json.dump(answers, sys.stdout)


if __name__ == "__main__":
    main()
