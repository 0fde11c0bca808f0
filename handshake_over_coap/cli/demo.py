"""``hoc demo``: a server and a client in one process, over real UDP sockets on loopback."""

from __future__ import annotations

import argparse
import asyncio
import json
import textwrap
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from itertools import pairwise
from typing import TYPE_CHECKING, Final

from handshake_over_coap.carriers.datagram import Address
from handshake_over_coap.cli.arguments import NAMES_OF_SUITES, add_handshake_options
from handshake_over_coap.cli.describe import (
    Application,
    error_json,
    failed_report,
    figures_text,
    peer_text,
)
from handshake_over_coap.cli.lines import as_line
from handshake_over_coap.cli.options import option_values
from handshake_over_coap.cli.progress import progress
from handshake_over_coap.cli.signals import orderly
from handshake_over_coap.cli.throwaway import ThrowawayCast, cast
from handshake_over_coap.errors import ConfigurationError, Error
from handshake_over_coap.net.connecting import connect
from handshake_over_coap.net.options import OptionValues
from handshake_over_coap.net.server import serve
from handshake_over_coap.net.session import Session
from handshake_over_coap.trace.ladder import ladder
from handshake_over_coap.trace.report import HandshakeReport, bodies_text
from handshake_over_coap.trace.tap import Direction, Recorder

if TYPE_CHECKING:
    from handshake_over_coap.cli.arguments import Subparsers

_HOST: Final = "127.0.0.1"
_TEXTS: Final = (b"hello over DTLS records", b"once more", b"and goodbye")
_PATIENCE: Final = 2.0
"""Seconds to wait for an echo; loopback loses nothing, but a busy machine may be slow."""

_MOST_RUNGS: Final = 200

_INTRODUCTION: Final = """\
A DTLS {version} handshake between a server and a client in this process, then data under its
keys: over CoAP, in the classic way over UDP{more}.
"""

_TITLES: Final = {
    "coap": "Over CoAP",
    "udp": "Over UDP, the classic way",
    "lean": "Over CoAP, lean",
}

_WAYS: Final[dict[str, OptionValues]] = {
    "coap": {"transport": "coap"},
    "udp": {"transport": "udp"},
    "lean": {"transport": "coap", "profile": "lean"},
}
"""What is shown, one after the other; the last where no profile was asked for."""

_FILES: Final[OptionValues] = {"keylog": None, "pcap": None, "pcap_dtls": None}

_ADVICE: Final = """\
standard is CoAP by the book and the default. lean (--profile lean) is for lossy links
and small datagrams, where both sides are of this library."""


def add_parser(commands: Subparsers) -> argparse.ArgumentParser:
    """Add the command and its options."""
    parser = commands.add_parser(
        "demo",
        help="show a handshake on loopback, then echoed data",
        description="Run a server and a client in one process, over real UDP sockets on loopback: "
        "a handshake over CoAP and the same over UDP, with echoed application data. Credentials "
        "that are not given are made for this run. --key and --cert are the server's; --keylog and "
        "the captures are written by the client, the captures for CoAP.",
        epilog=NAMES_OF_SUITES,
        allow_abbrev=False,
    )
    parser.add_argument(
        "--json", action="store_true", help="print the figures as one JSON object instead"
    )
    add_handshake_options(parser)
    parser.set_defaults(run=run)
    return parser


def run(arguments: argparse.Namespace) -> int:
    """Show it; raises ConfigurationError, or the Error of a failed handshake."""
    return asyncio.run(orderly(_demo(arguments)))


async def _demo(arguments: argparse.Namespace) -> int:
    values = option_values(arguments)
    who, application = cast(arguments, _HOST), Application()
    shows: list[_Show] = []
    failure: Error | None = None
    for way, options in _WAYS.items():
        if way == "lean" and "profile" in values:
            continue
        chosen: OptionValues = {**values, **options}
        if shows:  # one file each: the second would replace the first
            chosen["pcap"] = chosen["pcap_dtls"] = None
        if way == "lean":
            chosen.update(_FILES)
        report = failed_report(arguments, options["transport"])
        figures = Application() if way == "lean" else application
        shows.append(_Show(way, who, chosen, report, figures))
        try:
            await shows[-1].run()
        except ConfigurationError:
            raise
        except Error as error:
            failure = failure or error
    print(_as_json(shows, failure) if arguments.json else _as_story(shows), flush=True)
    if failure is not None:
        raise failure
    return 0


def _as_json(shows: list[_Show], failure: Error | None) -> str:
    """The figures as one object."""
    reports = {show.way: show.report.to_dict() for show in shows}
    said: dict[str, object] = {
        "handshakes": [reports["coap"], reports["udp"]],
        "profiles": {"standard": reports["coap"], "lean": reports["lean"]}
        if "lean" in reports
        else {},
        "application": shows[0].application.to_json(),
    }
    if failure is not None:
        said["error"] = error_json(failure)
    return json.dumps(said, indent=2, allow_nan=False)


def _as_story(shows: list[_Show]) -> str:
    """What happened, for people."""
    credentials = "Credentials\n" + "".join(f"  {line}\n" for line in shows[0].cast.story)
    more = ", and over CoAP by the profile lean" if len(shows) == len(_WAYS) else ""
    introduction = _INTRODUCTION.format(version=shows[0].report.dtls, more=more)
    parts = [introduction, credentials, *(show.story() for show in shows)]
    if more:
        parts.append(_costs(shows))
    figures = shows[0].application
    parts.append(
        f"In all {figures.sent} datagrams sent, {figures.received} received, "
        f"{figures.bytes} bytes of payload"
    )
    return "\n".join(parts)


def _costs(shows: list[_Show]) -> str:
    """What each way has cost, in one table."""
    names = {"coap": "CoAP, standard", "udp": "UDP", "lean": "CoAP, lean"}
    lines = [f"{'What each cost':<18}{'datagrams':>10}{'bytes':>8}{'round trips':>13}"]
    for show in shows:
        report, turns = show.report, show.turns
        datagrams, size = int(report.datagrams.mean or 0), int(report.bytes.mean or 0)
        lines.append(f"  {names[show.way]:<16}{datagrams:>10}{size:>8}{turns:>13}")
    return "\n".join((*lines, _ADVICE, ""))


@dataclass(slots=True)
class _Show:
    """One demonstration, and what was seen of it as far as it got."""

    way: str
    cast: ThrowawayCast
    values: OptionValues
    report: HandshakeReport
    application: Application
    recorder: Recorder = field(default_factory=Recorder)
    server: Address | None = None
    session: Session | None = None
    echoes: list[str] = field(default_factory=list)

    async def run(self) -> None:
        """Serve, connect, have some data echoed."""
        # Two sides writing one file each would spoil it: the client's traces are enough.
        of_server = self.values.copy()
        of_server["keylog"] = of_server["pcap"] = of_server["pcap_dtls"] = None
        async with (
            serve(
                (_HOST, 0),
                self.cast.server,
                handler=_echo,
                trust=self.cast.server_trust,
                **of_server,
            ) as server,
            AsyncExitStack() as stack,
        ):
            self.server = Address(*server.address)
            server.tap.add(self.recorder)
            async with progress("handshake"):
                self.session = await stack.enter_async_context(
                    connect(
                        server.address,
                        self.cast.client,
                        trust=self.cast.client_trust,
                        **self.values,
                    )
                )
            server.tap.remove(self.recorder)
            self.report = self.session.report
            await self._exchange(self.session)

    async def _exchange(self, session: Session) -> None:
        loop = asyncio.get_running_loop()
        figures = self.application
        for text in _TEXTS:
            sent, began = text[: session.limit], loop.time()
            await session.send(sent)
            figures.sent += 1
            figures.bytes += len(sent)
            try:
                async with asyncio.timeout(_PATIENCE):
                    received = await session.receive()
            except TimeoutError:
                raise Error(f"no echo within {_PATIENCE:g} s: is this machine very busy?") from None
            took = loop.time() - began
            figures.received += 1
            figures.bytes += len(received)
            figures.round_trips.append(took)
            self.echoes.append(f'"{as_line(received)}", echoed after {took:.4f} s')

    @property
    def turns(self) -> int:
        """How often the client had to wait for the server: its turns to speak after the first."""
        received = [each.direction is Direction.RECEIVED for each in self.recorder.datagrams]
        return sum(now and not before for before, now in pairwise([False, *received]))

    def story(self) -> str:
        """What happened, for people."""
        seen = self.recorder.datagrams
        title = _TITLES[self.way]
        parts = [
            f"{title}: datagrams as the server at {self.server} saw them\n"
            + ladder(seen[:_MOST_RUNGS], at_server=True),
        ]
        if len(seen) > _MOST_RUNGS:
            parts[-1] += f"  ... and {len(seen) - _MOST_RUNGS} datagrams more\n"
        if self.session is not None:
            parts += [self._outcome(self.session), self._data(self.session)]
        return "\n".join(parts)

    def _outcome(self, session: Session) -> str:
        facts = {"took": figures_text(self.report)}
        if self.report.body_bytes:
            facts["bodies"] = bodies_text(self.report.body_bytes)
        facts["suite"] = session.connected.suite.name
        facts["the server"] = peer_text(session.peer)
        return "Outcome\n" + "".join(map(_fact, facts, facts.values()))

    def _data(self, session: Session) -> str:
        echoes = "".join(f"  {line}\n" for line in self.echoes)
        return (
            f"Application data, as DTLS records over UDP, at most {session.limit} bytes each\n"
            f"{echoes}"
        )


def _fact(name: str, text: str) -> str:
    indent = f"  {name:<10}  "
    return f"{textwrap.fill(text, 80, initial_indent=indent, subsequent_indent=' ' * 14)}\n"


async def _echo(session: Session) -> None:
    while True:
        await session.send(await session.receive())
