"""``hoc serve``: a server that echoes or prints what its clients send."""

from __future__ import annotations

import argparse
import asyncio
import logging
import signal
import sys
from collections import Counter
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Final

from handshake_over_coap.carriers.datagram import Address
from handshake_over_coap.cli.arguments import (
    NAMES_OF_SUITES,
    add_handshake_options,
    host_name,
    port_number,
)
from handshake_over_coap.cli.credentials import server_credentials, server_trust
from handshake_over_coap.cli.describe import session_text
from handshake_over_coap.cli.lines import as_line
from handshake_over_coap.cli.options import option_values
from handshake_over_coap.cli.signals import handled
from handshake_over_coap.errors import DatagramTooLarge
from handshake_over_coap.net.effects import warn_of_no_effect
from handshake_over_coap.net.server import serve
from handshake_over_coap.net.session import Session

if TYPE_CHECKING:
    from handshake_over_coap.cli.arguments import Subparsers

DEFAULT_HOST: Final = "127.0.0.1"
DEFAULT_PORT: Final = 5683

_RECEIVE_BUFFER: Final = 4 * 1024 * 1024
"""What the kernel is asked for, in bytes: many clients send at once."""

_log = logging.getLogger(__name__)


def add_parser(commands: Subparsers) -> argparse.ArgumentParser:
    """Add the command and its options."""
    parser = commands.add_parser(
        "serve",
        help="run a server",
        description="Serve handshakes over CoAP, and the sessions that come of them, on one UDP "
        "port, until interrupted. What clients send is printed, a line for each datagram, or sent "
        "back.",
        epilog=NAMES_OF_SUITES,
        allow_abbrev=False,
    )
    parser.add_argument(
        "--host",
        type=host_name,
        default=DEFAULT_HOST,
        metavar="H",
        help="address to listen on; :: is every address of this machine, IPv4 too "
        "(default: %(default)s)",
    )
    parser.add_argument(
        "--port",
        type=port_number,
        default=DEFAULT_PORT,
        metavar="N",
        help="UDP port; 0: any free one (default: %(default)s)",
    )
    parser.add_argument(
        "--echo-data", action="store_true", help="send application data back to its sender"
    )
    add_handshake_options(parser)
    parser.set_defaults(run=run)
    return parser


def run(arguments: argparse.Namespace) -> int:
    """Serve until SIGINT, SIGTERM or SIGHUP; raises ConfigurationError for what cannot work."""
    return asyncio.run(_serve(arguments))


async def _serve(arguments: argparse.Namespace) -> int:
    values = option_values(arguments)
    warn_of_no_effect(values)
    stop = asyncio.Event()
    totals: Counter[str] = Counter()
    credentials, trust = server_credentials(arguments), server_trust(arguments)
    output = _Output(stop)
    with handled(lambda _: stop.set(), signal.SIGINT):
        async with serve(
            (arguments.host, arguments.port),
            credentials,
            handler=_handler(echo=arguments.echo_data, totals=totals, output=output),
            trust=trust,
            receive_buffer=_RECEIVE_BUFFER,
            **values,
        ) as server:
            print(f"listening on {Address(*server.address)}", file=sys.stderr, flush=True)
            await stop.wait()
            drops = server.kernel_drops
    for name, count in sorted((totals + server.counters).items()):
        _log.info("%s: %d", name, count)
    if drops is not None:
        _log.info("dropped by the system for want of buffer space: %d", drops)
    if output.failure is not None:
        raise output.failure
    return 0


def _handler(
    *, echo: bool, totals: Counter[str], output: _Output
) -> Callable[[Session], Awaitable[None]]:
    """What is done with each session."""

    async def handle(session: Session) -> None:
        _log.info("session with %s: %s", session.address, session_text(session))
        try:
            while True:
                data = await session.receive()
                totals["application datagrams received"] += 1
                if echo:
                    await _send_back(session, data, totals)
                else:
                    output.line(f"{session.address}: {as_line(data)}")
        finally:
            totals.update(session.counters)
            _log.info("session with %s ended", session.address)

    return handle


async def _send_back(session: Session, data: bytes, totals: Counter[str]) -> None:
    try:
        await session.send(data)
    except DatagramTooLarge as error:
        totals["not echoed: too large"] += 1
        _log.warning("cannot echo to %s: %s; a larger --mtu allows more", session.address, error)
    else:
        totals["application datagrams sent"] += 1


class _Output:
    """Standard output; where it takes no more the server stops."""

    def __init__(self, stop: asyncio.Event) -> None:
        self._stop = stop
        self.failure: OSError | None = None

    def line(self, text: str) -> None:
        """Print a line."""
        if self.failure is not None:
            return
        try:
            print(text, flush=True)
        except OSError as error:
            self.failure = error
            self._stop.set()
