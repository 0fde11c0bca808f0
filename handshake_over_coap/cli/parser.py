"""The parser of the whole command."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from handshake_over_coap._version import __version__
from handshake_over_coap.cli.connect import add_parser as add_connect
from handshake_over_coap.cli.demo import add_parser as add_demo
from handshake_over_coap.cli.keygen import add_parser as add_keygen
from handshake_over_coap.cli.parsing import Parser
from handshake_over_coap.cli.serve import add_parser as add_serve
from handshake_over_coap.cli.simulate import add_parser as add_simulate
from handshake_over_coap.cli.sweep import add_parser as add_sweep
from handshake_over_coap.cli.tables import add_parser as add_tables

if TYPE_CHECKING:
    from handshake_over_coap.cli.arguments import Subparsers

_DESCRIPTION = """\
The DTLS handshake over CoAP: flights travel as bodies of CoAP requests and responses, the records
after them over plain UDP."""

_EPILOG = """\
Exit status: 0 success, 1 failure (a handshake that did not complete), 2 usage error.
'hoc COMMAND --help' lists a command's options."""


def build_parser() -> argparse.ArgumentParser:
    """The parser; what it gives has ``command``, ``verbose`` and ``run(arguments) -> status``."""
    parser: argparse.ArgumentParser = Parser(
        prog="hoc",
        description=_DESCRIPTION,
        epilog=_EPILOG,
        allow_abbrev=False,
    )
    parser.add_argument("--version", action="version", version=f"hoc {__version__}")
    parser.add_argument(
        "-v", "--verbose", action="count", default=0, help="log to standard error; -vv: more"
    )
    commands: Subparsers = parser.add_subparsers(
        dest="command", metavar="COMMAND", required=True, title="commands"
    )
    for add_command in (
        add_demo,
        add_serve,
        add_connect,
        add_keygen,
        add_simulate,
        add_sweep,
        add_tables,
    ):
        command = add_command(commands)
        command.add_argument(
            "-v",
            "--verbose",
            action="count",
            default=argparse.SUPPRESS,
            help="log to standard error; -vv: more",
        )
    return parser
