"""``hoc connect``: a client that sends lines as datagrams and prints what comes back."""

from __future__ import annotations

import argparse
import asyncio
import json
import logging
import os
import sys
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, aclosing
from pathlib import Path
from typing import TYPE_CHECKING, Final

from handshake_over_coap.carriers.datagram import Address
from handshake_over_coap.cli.arguments import (
    NAMES_OF_SUITES,
    add_handshake_options,
    host_name,
    port_number,
    seconds,
)
from handshake_over_coap.cli.credentials import client_credential, client_trust
from handshake_over_coap.cli.describe import (
    Application,
    error_json,
    failed_report,
    figures_text,
    session_text,
)
from handshake_over_coap.cli.exchange import Exchange
from handshake_over_coap.cli.lines import as_line, lines_of, standard_input
from handshake_over_coap.cli.options import option_values
from handshake_over_coap.cli.progress import progress
from handshake_over_coap.cli.signals import orderly
from handshake_over_coap.cli.tickets import check_ticket_file, read_ticket, write_ticket
from handshake_over_coap.errors import ConfigurationError, Error
from handshake_over_coap.net.connecting import connect
from handshake_over_coap.net.effects import warn_of_no_effect
from handshake_over_coap.net.options import OptionValues
from handshake_over_coap.net.session import Session

if TYPE_CHECKING:
    from handshake_over_coap.cli.arguments import Subparsers

DEFAULT_WAIT: Final = 1.0

_log = logging.getLogger(__name__)


def add_parser(commands: Subparsers) -> argparse.ArgumentParser:
    """Add the command and its options."""
    parser = commands.add_parser(
        "connect",
        help="connect to a server",
        description="Make a handshake with a server, send datagrams, print each datagram that "
        "comes back as a line, and close the session.",
        epilog=NAMES_OF_SUITES,
        allow_abbrev=False,
    )
    parser.add_argument("host", type=host_name, metavar="H", help="the server's name or address")
    parser.add_argument("port", type=port_number, metavar="N", help="its UDP port")
    parser.add_argument(
        "--send",
        action="append",
        metavar="TEXT",
        help="send TEXT as one datagram, repeatable (default: each line of standard input)",
    )
    parser.add_argument(
        "--wait",
        type=seconds,
        default=DEFAULT_WAIT,
        metavar="S",
        help="seconds to wait for the next reply, as long as fewer have come than were sent "
        "(default: %(default)g)",
    )
    parser.add_argument(
        "--session",
        type=Path,
        metavar="FILE",
        help="resume the session whose ticket is in FILE, if there is one, and keep the next "
        "ticket there (DTLS 1.3; a server gives them with --tickets)",
    )
    parser.add_argument(
        "--json",
        action="store_true",
        help="print one JSON object with the figures of the handshake and the replies",
    )
    add_handshake_options(parser)
    parser.set_defaults(run=run)
    return parser


def run(arguments: argparse.Namespace) -> int:
    """Connect, send, print; raises ConfigurationError, or the Error of a failed handshake."""
    if arguments.port == 0:
        raise ConfigurationError("port 0 is no server's: give the port that it listens on")
    if arguments.session is not None:
        if arguments.dtls == "1.2":
            _log.warning("--session has no part in --dtls 1.2 and is not used")
            arguments.session = None
        else:
            arguments.tickets, arguments.given = True, arguments.given | {"tickets"}
    return asyncio.run(orderly(_connect(arguments)))


async def _connect(arguments: argparse.Namespace) -> int:
    values = option_values(arguments)
    warn_of_no_effect(values)
    attempt = _Attempt(arguments, values)
    failure: Error | None = None
    try:
        await attempt.run()
    except ConfigurationError:
        raise
    except Error as error:
        failure = error
    if arguments.json:
        print(json.dumps(attempt.to_json(failure), indent=2, allow_nan=False))
    if failure is not None:
        raise failure
    return 0


class _Attempt:
    """One connection, and its figures as far as it got."""

    def __init__(self, arguments: argparse.Namespace, values: OptionValues) -> None:
        self._arguments = arguments
        self._values = values
        self._ticket = None if arguments.session is None else read_ticket(arguments.session)
        if arguments.session is not None:
            check_ticket_file(arguments.session)
        self._credential = client_credential(arguments)
        self._trust = client_trust(arguments)
        self._replies: list[str] = []
        self._report = failed_report(arguments)
        self._application = Application()

    async def run(self) -> None:
        """Handshake, exchange, close."""
        server = Address(self._arguments.host, self._arguments.port)
        async with AsyncExitStack() as stack:
            async with progress(f"handshake with {server}"):
                session = await stack.enter_async_context(
                    connect(
                        (server.host, server.port),
                        self._credential,
                        trust=self._trust,
                        ticket=self._ticket,
                        **self._values,
                    )
                )
            self._report = session.report
            _log.info("session with %s: %s", session.address, session_text(session))
            _log.info("handshake: %s", figures_text(session.report))
            self._warn_without_connection_id(session)
            exchange = Exchange(session, self._application, self._show)
            async with aclosing(_datagrams(self._arguments.send)) as datagrams:
                await exchange.run(datagrams, self._arguments.wait)
            if self._arguments.session is not None:
                self._keep_ticket(session)

    def _warn_without_connection_id(self, session: Session) -> None:
        connected = session.connected
        if self._arguments.cid is not None and not (connected.own_cid or connected.peer_cid):
            _log.warning("no connection ID is in use: the server needs --cid, too")

    def _keep_ticket(self, session: Session) -> None:
        if session.tickets:
            write_ticket(self._arguments.session, session.tickets[-1])
        else:
            _log.warning("no ticket came: start the server with --tickets (DTLS 1.3)")

    def _show(self, data: bytes) -> None:
        if self._arguments.json:
            self._replies.append(as_line(data))
        else:
            print(as_line(data), flush=True)

    def to_json(self, failure: Error | None) -> dict[str, object]:
        """The figures, and what went wrong, if anything."""
        said: dict[str, object] = {
            "handshake": self._report.to_dict(),
            "application": {**self._application.to_json(), "replies": self._replies},
        }
        return said if failure is None else {**said, "error": error_json(failure)}


async def _datagrams(texts: list[str] | None) -> AsyncGenerator[bytes]:
    """What to send: the texts, else standard input line by line."""
    if texts is not None:
        for text in texts:
            # As the bytes that the shell passed, whatever their encoding.
            yield os.fsencode(text)
        return
    descriptor = standard_input()
    if descriptor is None:
        return
    if os.isatty(descriptor):
        print("connected: each line is sent as a datagram; Ctrl-D ends", file=sys.stderr)
    async with aclosing(lines_of(descriptor)) as lines:
        async for line in lines:
            yield line
