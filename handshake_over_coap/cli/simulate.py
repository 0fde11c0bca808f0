"""``hoc simulate``: handshakes on virtual time, summed up."""

from __future__ import annotations

import argparse
import dataclasses
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any, Final

from handshake_over_coap.cli.arguments import NAMES_OF_SUITES, add_handshake_options
from handshake_over_coap.cli.bar import Bar, add_quiet
from handshake_over_coap.cli.network import (
    add_network_options,
    of_simulations,
    scenario_of,
    traces_of,
)
from handshake_over_coap.cli.options import option_values
from handshake_over_coap.cli.parsing import Parser
from handshake_over_coap.errors import ConfigurationError
from handshake_over_coap.net.effects import warn_of_no_effect
from handshake_over_coap.trace.files import check_writable, write_whole
from handshake_over_coap.trace.ladder import ladder
from handshake_over_coap.trace.svg import ladder_svg

if TYPE_CHECKING:
    from handshake_over_coap.cli.arguments import Subparsers
    from handshake_over_coap.lab.scenario import Scenario
    from handshake_over_coap.lab.wire_capture import WireCapture
    from handshake_over_coap.sim import PassageRecorder

_MOST_RUNGS: Final = 200
_FAILED: Final = 1
_LADDER: Final = "ladder"


def add_parser(commands: Subparsers) -> argparse.ArgumentParser:
    """Add the command and its options."""
    parser = commands.add_parser(
        "simulate",
        help="make handshakes on virtual time, over a network that misbehaves as told",
        description="Make handshakes between the real client and server on virtual time, over a "
        "simulated network, and sum them up. The same seed gives the same figures. Credentials "
        "derive from the seed unless files are given (--key and --cert are the server's). "
        "The ladders, --keylog and the captures show the first trial; on a radio link, --pcap has "
        "its frames.",
        epilog=NAMES_OF_SUITES,
        allow_abbrev=False,
    )
    parser.add_argument(
        "--trials", type=int, default=100, metavar="N", help="handshakes (default: %(default)s)"
    )
    parser.add_argument(
        "--seed", type=int, default=1, metavar="S", help="seed of all draws (default: %(default)s)"
    )
    parser.add_argument(
        "--json", action="store_true", help="print the figures as one JSON object instead"
    )
    parser.add_argument(
        "--ladder", action="store_true", help="draw the datagrams of the first trial"
    )
    parser.add_argument(
        "--ladder-svg", metavar="FILE", help="draw them as a picture (SVG) into FILE"
    )
    add_quiet(parser)
    if isinstance(parser, Parser):  # the options of the network come from the laboratory
        parser.later = _add_options
    parser.set_defaults(run=run)
    return parser


def _add_options(parser: argparse.ArgumentParser) -> None:
    add_network_options(parser)
    add_handshake_options(parser)


def run(arguments: argparse.Namespace) -> int:
    """Simulate; the status is 1 where no handshake completed."""
    # Imported here: nothing on a real network loads the laboratory.
    from handshake_over_coap.lab.simulate import check_trials, simulate
    from handshake_over_coap.lab.trial import prepared
    from handshake_over_coap.sim import PassageRecorder

    if arguments.ladder and arguments.json:
        raise ConfigurationError("--ladder with --json: the output is one JSON object; choose one")
    scenario = scenario_of(arguments)
    warn_of_no_effect(option_values(arguments))
    recorder = PassageRecorder()
    picture: str | None = arguments.ladder_svg
    try:
        # All that can be refused is, before a file that is there is replaced.
        check_trials(arguments.trials, arguments.seed)
        prepared(scenario, arguments.seed)
        _check_files(arguments)
        with Bar("handshakes", quiet=arguments.quiet) as bar, ExitStack() as opened:
            files = traces_of(arguments)
            capture = _capture(files, scenario, opened)
            report = simulate(
                scenario,
                arguments.trials,
                arguments.seed,
                progress=bar,
                observers=[recorder, *([capture.passages] if capture else [])],
                frame_observers=[capture] if capture else [],
                ended=capture.ended if capture else None,
                files=dataclasses.replace(scenario.options, **files) if files else None,
            )
        if picture is not None:
            write_whole(picture, _LADDER, _svg(recorder, scenario).encode())
    except ConfigurationError as error:
        raise ConfigurationError(of_simulations(str(error))) from None
    if arguments.json:
        print(report.to_json())
    else:
        if arguments.ladder:
            print(_ladder(recorder))
        print(report)
    return 0 if report.completed else _FAILED


def _capture(files: dict[str, Any], scenario: Scenario, opened: ExitStack) -> WireCapture | None:
    """Who writes --pcap: what the network knows, on a radio link the frames."""
    from handshake_over_coap.lab.wire_capture import WireCapture

    if "pcap" not in files:
        return None
    path = files.pop("pcap")
    return opened.enter_context(WireCapture(path, frames=scenario.link == "802154"))


def _check_files(arguments: argparse.Namespace) -> None:
    given = {
        "key log": arguments.keylog,
        "capture": arguments.pcap,
        "classic capture": arguments.pcap_dtls,
        _LADDER: arguments.ladder_svg,
    }
    for what, path in given.items():
        if path is not None:
            check_writable(path, what)


def _svg(recorder: PassageRecorder, scenario: Scenario) -> str:
    from handshake_over_coap.sim import Side, view

    seen = view(recorder.passages, Side.CLIENT)
    return ladder_svg(seen[:_MOST_RUNGS], title=scenario.described())


def _ladder(recorder: PassageRecorder) -> str:
    from handshake_over_coap.sim import Side, view

    seen = view(recorder.passages, Side.CLIENT)
    left = len(seen) - _MOST_RUNGS
    more = f"  ... and {left} datagrams more\n" if left > 0 else ""
    return (
        "The first trial: datagrams as the client saw them, and those it should have\n"
        f"{ladder(seen[:_MOST_RUNGS])}{more}"
    )
