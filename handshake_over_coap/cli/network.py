"""The options of a simulated network as arguments of a command, and the scenario they make."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any, Final

from handshake_over_coap.cli.arguments import seconds
from handshake_over_coap.cli.options import option_values
from handshake_over_coap.errors import ConfigurationError

if TYPE_CHECKING:
    from handshake_over_coap.cli.arguments import Group
    from handshake_over_coap.lab.scenario import Scenario

_OPTIONS: Final = (
    "link",
    "hops",
    "link_retries",
    "reassembly_timeout",
    "reassembly_buffers",
    "delay",
    "jitter",
    "rate",
    "loss",
    "loss_unit",
    "burst",
    "drop",
    "duplicate",
    "reorder",
    "device",
    "server_device",
    "client_device",
)
_CREDENTIALS: Final = ("psk", "key", "cert", "ca", "peer_key", "insecure")
_FILES: Final = ("keylog", "pcap", "pcap_dtls")


DEVICE_NAMES: Final = (
    *("fast", "k64f", "stm32f0", "m0plus", "m0plus-optimised", "avr-tinyecc", "avr-wiselib"),
)
"""The kinds of device, written down here so that nothing on a real network loads the simulation."""


def add_network_options(parser: argparse.ArgumentParser) -> None:
    """Add every option of the network; those left out are absent from the arguments."""
    group = parser.add_argument_group("network", argument_default=argparse.SUPPRESS)
    group.add_argument(
        "--link",
        choices=("udp", "802154"),
        help="what datagrams cross: a plain link, or IEEE 802.15.4 frames with 6LoWPAN "
        "(default: udp)",
    )
    group.add_argument("--hops", type=int, metavar="N", help="802154: hops (default: 1)")
    group.add_argument(
        "--link-retries",
        type=int,
        metavar="N",
        help="802154: repetitions of an unacknowledged frame (default: 0)",
    )
    group.add_argument(
        "--reassembly-timeout",
        type=seconds,
        metavar="S",
        help="802154: how long a node keeps an incomplete packet (default: 3, at most 60)",
    )
    group.add_argument(
        "--reassembly-buffers",
        type=int,
        metavar="N",
        help="802154: packets that a node puts together at a time (default: 4)",
    )
    group.add_argument(
        "--delay", type=seconds, metavar="S", help="delay, one way, in seconds (default: 0.05)"
    )
    group.add_argument(
        "--jitter", type=seconds, metavar="S", help="most that is added to it (default: 0)"
    )
    group.add_argument(
        "--rate", type=_rate, metavar="BITS/S", help="rate of the link, or none (default: none)"
    )
    _add_impairments(group)
    group.add_argument(
        "--device",
        metavar="NAME",
        help=f"kind of device of both sides: {', '.join(DEVICE_NAMES)} (default: fast)",
    )
    for name, whose in (("--server-device", "the server"), ("--client-device", "the client")):
        group.add_argument(name, metavar="NAME", help=f"kind of device of {whose}")


def _add_impairments(group: Group) -> None:
    group.add_argument(
        "--loss", type=_number, metavar="P", help="probability of loss, 0 to 1 (default: 0)"
    )
    group.add_argument(
        "--loss-unit",
        choices=("datagram", "frame"),
        help="what is lost (frame: with 802154 only; default: datagram)",
    )
    group.add_argument(
        "--burst",
        type=_number,
        metavar="MEAN",
        help="losses come in bursts of this mean length (default: independent)",
    )
    group.add_argument(
        "--drop",
        type=_numbers,
        metavar="N,N...",
        help="lose exactly these datagrams, counted from 1 over both directions",
    )
    group.add_argument(
        "--duplicate", type=_number, metavar="P", help="probability of arriving twice (default: 0)"
    )
    group.add_argument(
        "--reorder",
        type=_number,
        metavar="P",
        help="probability of being overtaken by later ones (default: 0)",
    )


def scenario_of(arguments: argparse.Namespace) -> Scenario:
    """The scenario that ``arguments`` stand for.

    Raises ConfigurationError in the words of the command line.
    """
    # Imported here: nothing on a real network loads the laboratory.
    from handshake_over_coap.lab.scenario import Scenario

    values: dict[str, Any] = dict(option_values(arguments))
    for name in _FILES:
        values.pop(name, None)
    for name in (*_CREDENTIALS, *_OPTIONS):
        value = getattr(arguments, name, None)
        if value is not None:
            values[name] = tuple(value) if isinstance(value, list) else value
    try:
        return Scenario(**values)
    except ConfigurationError as error:
        raise ConfigurationError(as_typed(str(error))) from None


def as_typed(text: str) -> str:
    """An error's text with the names of options as the command line spells them."""
    for name in (*_OPTIONS, *_CREDENTIALS, "block_size", "server_name"):
        if "_" in name:
            text = text.replace(name, name.replace("_", "-"))
    return text


def traces_of(arguments: argparse.Namespace) -> dict[str, Any]:
    """The files that were asked for, by the names of their options."""
    return {name: value for name in _FILES if (value := getattr(arguments, name)) is not None}


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is no number") from None


def _rate(text: str) -> float | None:
    return None if text == "none" else _number(text)


def _numbers(text: str) -> tuple[int, ...]:
    """Numbers with commas in between; nothing at all is none of them."""
    try:
        return tuple(int(each) for each in text.split(",") if each.strip() or text.strip())
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is no list of numbers such as 3,7") from None
