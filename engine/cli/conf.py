"""`greenup conf`: OCPPConf.xml files from the command line."""

import argparse
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

from results.command_line import Parser
from results.exit_codes import ExitCode
from stations import confplan, ocppconf, products
from stations.errors import PlanError

EPILOG: Final = """\
examples:
  greenup conf new site.xml --uri ws://csms.example/ocpp --uid 'GU-{n:06d}'
  greenup conf check site.xml
  greenup conf show site.xml

A fleet file names such a file as the template of a group: ocppconf = "site.xml".
docs/ocppconf.md lists every element.
"""


def run(name: str, arguments: Sequence[str]) -> int:
    """One of new, check and show; the exit code."""
    options = _parser(name).parse_args(list(arguments))
    command: Callable[[argparse.Namespace], None] = options.command
    command(options)
    return ExitCode.PASS


def _parser(name: str) -> Parser:
    parser = Parser(
        prog=f"greenup {name}",
        description="Make, check and show the OCPPConf.xml of a Green'Up.",
        epilog=EPILOG,
    )
    commands = parser.add_subparsers(required=True, metavar="{new,check,show}")
    new = commands.add_parser("new", help="write a file with the factory's values, to be edited")
    new.add_argument("file", type=Path)
    new.add_argument("--product", default="059004", help="reference of the product (default 059004)")
    new.add_argument("--uri", default="ws://127.0.0.1:9000/ocpp", help="server (default %(default)s)")
    new.add_argument("--uid", default="GU-{n:06d}", help="identity or pattern (default %(default)s)")
    new.set_defaults(command=_new)
    for word, function, about in (
        ("check", _check, "say whether a file is valid, and what in it means nothing"),
        ("show", _show, "print what a file says; secrets only as •••"),
    ):
        command = commands.add_parser(word, help=about)
        command.add_argument("file", type=Path)
        command.set_defaults(command=function)
    return parser


def _new(options: argparse.Namespace) -> None:
    path: Path = options.file
    conf = confplan.model(products.product(options.product, "--product"), options.uri, options.uid)
    data = ocppconf.new(conf)
    ocppconf.read(data, str(path))  # what the options say must be valid too
    try:
        with path.open("xb") as file:
            file.write(data)
    except FileExistsError:
        raise PlanError(f"{path}: exists already; mend: choose another name or remove it") from None
    except OSError as error:
        raise PlanError(f"{path}: cannot be written ({error.strerror}); mend: check the path") from None
    print(f"{path}: written")


def _check(options: argparse.Namespace) -> None:
    document = _loaded(options)
    print(f"{options.file}: valid, {len(ocppconf.shown(document.conf))} values")


def _show(options: argparse.Namespace) -> None:
    values = ocppconf.shown(_loaded(options).conf)
    width = max((len(tag) for tag, _ in values), default=0)
    for tag, text in values:
        print(f"{tag:<{width}}  {text}")


def _loaded(options: argparse.Namespace) -> ocppconf.Document:
    document = ocppconf.load(options.file)
    for warning in document.warnings:
        print(f"warning: {warning}", file=sys.stderr)
    return document
