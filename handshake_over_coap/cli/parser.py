"""The parser of the whole command."""

from __future__ import annotations

import argparse
import difflib
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NoReturn

from handshake_over_coap._version import __version__
from handshake_over_coap.cli.connect import add_parser as add_connect
from handshake_over_coap.cli.demo import add_parser as add_demo
from handshake_over_coap.cli.keygen import add_parser as add_keygen
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


class _Parser(argparse.ArgumentParser):
    """One line for a mistake, in the name of the command that was meant."""

    def __init__(self, **settings: Any) -> None:
        super().__init__(**settings)
        self.register("type", int, _whole_number)

    def parse_known_args(  # type: ignore[override]
        self, args: Sequence[str] | None = None, namespace: Any = None
    ) -> tuple[argparse.Namespace, list[str]]:
        """Look for options that there are not first: what follows them would be misread."""
        given = sys.argv[1:] if args is None else list(args)
        if self._subparsers is None:
            self._refuse_unknown(given[: given.index("--")] if "--" in given else given)
        found, left = super().parse_known_args(given, namespace)
        if left and self._subparsers is None:
            self.error(f"unexpected argument {left[0]!r}; {self._all_options}")
        return found, left

    def error(self, message: str) -> NoReturn:
        """Say what is wrong, without a list of all options, and exit with 2."""
        missing = message.startswith("the following arguments are required")
        hint = f"; {self._all_options}" if missing else ""
        self.exit(2, f"{self.prog}: error: {message}{hint}\n")

    @property
    def _all_options(self) -> str:
        return f"'{self.prog} --help' lists all"

    def _refuse_unknown(self, given: Sequence[str]) -> None:
        known = [name for name in self._option_string_actions if name.startswith("--")]
        for text in given:
            name = text.partition("=")[0]
            if not name.startswith("--") or " " in name or name in known:
                continue
            close = difflib.get_close_matches(name, known, n=1)
            meant = f"did you mean {close[0]}? " if close else ""
            self.error(f"unknown option {name}; {meant}{self._all_options}")


def _whole_number(text: str) -> int:
    try:
        return int(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number") from None


def build_parser() -> argparse.ArgumentParser:
    """The parser; what it gives has ``command``, ``verbose`` and ``run(arguments) -> status``."""
    parser: argparse.ArgumentParser = _Parser(
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
