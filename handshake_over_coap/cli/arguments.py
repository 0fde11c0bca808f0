"""The options of a handshake as arguments of a command, and the types of their values."""

from __future__ import annotations

import argparse
import math
import os
from collections.abc import Callable
from typing import TYPE_CHECKING, Final, Literal, TypeAlias

from handshake_over_coap.carriers.coap.parameters import BLOCK_SIZES
from handshake_over_coap.encodings import BY_NAME, encoding_named
from handshake_over_coap.errors import ConfigurationError
from handshake_over_coap.net.options import TRANSPORTS, VERSIONS, Options, any_suite_by_name
from handshake_over_coap.tls.credentials import PSK, auth_names
from handshake_over_coap.tls.groups import GROUPS13, group_by_name
from handshake_over_coap.tls.suites import SUITES
from handshake_over_coap.tls.suites13 import SUITES13

if TYPE_CHECKING:
    # argparse has no public names for what its own methods return.
    Subparsers: TypeAlias = argparse._SubParsersAction[argparse.ArgumentParser]  # noqa: SLF001
    Group: TypeAlias = argparse._ArgumentGroup  # noqa: SLF001

_DEFAULT: Final = Options()

NAMES_OF_SUITES: Final = (
    "cipher suites of DTLS 1.3: "
    + ", ".join(suite.name for suite in SUITES13)
    + "; of 1.2: "
    + ", ".join(suite.name for suite in SUITES)
    + ".  groups: "
    + ", ".join(group.name for group in GROUPS13)
    + "."
)
"""Text for the end of a command's help."""


def add_handshake_options(parser: argparse.ArgumentParser) -> None:
    """Add every option of a handshake to a command."""
    _add_handshake(parser.add_argument_group("handshake"))
    _add_credentials(parser.add_argument_group("credentials"))
    _add_exchange(parser.add_argument_group("exchange over CoAP"))
    _add_timers(parser.add_argument_group("timers (seconds)"))
    _add_traces(parser.add_argument_group("traces"))


def _add_handshake(group: Group) -> None:
    group.add_argument(
        "--transport",
        choices=TRANSPORTS,
        default=_DEFAULT.transport,
        help="what carries the handshake (default: %(default)s; the demo shows both)",
    )
    group.add_argument(
        "--dtls",
        choices=VERSIONS,
        default=_DEFAULT.dtls,
        help="version of DTLS, on a server the newest one (default: %(default)s)",
    )
    group.add_argument(
        "--auth",
        choices=auth_names(),
        default="psk",
        help="how the sides prove who they are: pre-shared key, the same with forward secrecy, "
        "raw public key, certificate (default: %(default)s)",
    )
    group.add_argument(
        "--mutual",
        action="store_true",
        help="the server asks for a client's key (rpk and x509)",
    )
    group.add_argument(
        "--suite",
        action="append",
        type=_known(any_suite_by_name),
        metavar="NAME",
        help="cipher suite by its IANA name, repeatable in order of preference "
        "(default: all that fit --auth; names below)",
    )
    group.add_argument(
        "--group",
        action="append",
        type=_known(group_by_name),
        metavar="NAME",
        help="group of the key exchange by its IANA name, repeatable (default: all, but for a "
        "client X25519MLKEM768, whose share has 1.2 kB; names below)",
    )


def _add_credentials(group: Group) -> None:
    group.add_argument(
        "--psk",
        action="append",
        type=_psk,
        metavar="IDENTITY:HEXKEY",
        help="pre-shared key of 1 to 64 bytes, repeatable; a client uses the first",
    )
    group.add_argument(
        "--key", metavar="FILE", help="own private key, PEM: P-256 or Ed25519 (see hoc keygen)"
    )
    group.add_argument(
        "--cert", metavar="FILE", help="own certificate and its chain, PEM, the leaf first"
    )
    group.add_argument(
        "--ca",
        action="append",
        metavar="FILE",
        help="trust anchors for the peer's certificate, PEM, repeatable",
    )
    group.add_argument(
        "--peer-key",
        action="append",
        metavar="FILE",
        help="raw public key that is the peer's, PEM, repeatable",
    )
    group.add_argument(
        "--server-name",
        metavar="NAME",
        help="name or address that the server's certificate has to be for (default: H of "
        "hoc connect)",
    )
    group.add_argument(
        "--insecure",
        action="store_true",
        help="accept any key and certificate of the peer: no security against an active attacker",
    )


def _add_exchange(group: Group) -> None:
    group.add_argument(
        "--address-check",
        action=argparse.BooleanOptionalAction,
        default=_DEFAULT.address_check,
        help="the server has a client prove its address with Echo (default: on)",
    )
    group.add_argument(
        "--resource",
        default=_DEFAULT.resource,
        metavar="PATH",
        help="path of the handshake resource (default: %(default)s)",
    )
    group.add_argument(
        "--location",
        action=argparse.BooleanOptionalAction,
        default=_DEFAULT.location,
        help="the server names a resource for each handshake (default: on)",
    )
    group.add_argument(
        "--encoding",
        default=_DEFAULT.encoding,
        type=_known(encoding_named),
        metavar="NAME",
        help=f"encoding of the flights: {', '.join(BY_NAME)} (default: %(default)s)",
    )
    group.add_argument(
        "--block-size",
        type=int,
        choices=BLOCK_SIZES,
        metavar="{16,...,1024}",
        help="bytes of a block, a power of two (default: the largest that fits --mtu)",
    )
    group.add_argument(
        "--token-length",
        type=int,
        choices=range(9),
        default=_DEFAULT.token_length,
        metavar="N",
        help="bytes of a CoAP token, 0 to 8 (default: %(default)s)",
    )
    group.add_argument(
        "--mtu",
        type=int,
        default=_DEFAULT.mtu,
        metavar="BYTES",
        help="largest UDP payload, CoAP header included (default: %(default)s)",
    )
    group.add_argument(
        "--cid",
        metavar="HEX",
        help="connection ID, up to 32 bytes, that the peer puts into its records, so that the "
        "session outlives a change of address; both sides have to give one ('': to use the "
        "peer's alone); a server gives HEX to its first client and random ones to the others",
    )
    group.add_argument(
        "--tickets",
        action="store_true",
        help="DTLS 1.3: as a server give tickets to resume with, as a client ask for one",
    )
    group.add_argument(
        "--early",
        action="store_true",
        help="DTLS 1.3: a client sends as soon as its last flight is on its way, without waiting "
        "for the server to confirm it; its figures end there",
    )


def _add_timers(group: Group) -> None:
    group.add_argument(
        "--ack-timeout",
        type=_positive,
        default=_DEFAULT.ack_timeout,
        metavar="S",
        help="over coap: wait for an acknowledgement before repeating a message "
        "(default: %(default)g)",
    )
    group.add_argument(
        "--ack-random-factor",
        type=_factor,
        default=_DEFAULT.ack_random_factor,
        metavar="F",
        help="spreads that wait from once to F times its length (default: %(default)g)",
    )
    group.add_argument(
        "--initial-timeout",
        type=_positive,
        default=_DEFAULT.initial_timeout,
        metavar="S",
        help="over udp: wait for an answer before repeating a flight (default: %(default)g)",
    )
    group.add_argument(
        "--max-interval",
        type=_positive,
        default=_DEFAULT.max_interval,
        metavar="S",
        help="longest wait between repetitions (default: %(default)g)",
    )
    group.add_argument(
        "--adapt-timer",
        action=argparse.BooleanOptionalAction,
        help="make the timers one and a half measured round trips (default: on in DTLS 1.3 over "
        "udp, off over coap, never in DTLS 1.2 over udp)",
    )
    group.add_argument(
        "--max-retransmit",
        type=_count_or_none,
        default=_DEFAULT.max_retransmit,
        metavar="{N,none}",
        help="repetitions of a message, over udp of a flight, before giving up; none: no limit "
        "but --timeout (default: 4 over coap, none over udp)",
    )
    group.add_argument(
        "--timeout",
        type=_positive,
        default=_DEFAULT.timeout,
        metavar="S",
        help="limit of the whole handshake (default: %(default)g)",
    )


def _add_traces(group: Group) -> None:
    group.add_argument(
        "--keylog",
        metavar="FILE",
        help="append the session's secret in NSS format: whoever has it reads the traffic",
    )
    group.add_argument(
        "--pcap", metavar="FILE", help="write a capture (pcapng) of what was on the wire"
    )
    group.add_argument(
        "--pcap-dtls",
        metavar="FILE",
        help="write the equivalent classic DTLS conversation (pcapng), with its secrets: tshark "
        "4.0 decrypts DTLS 1.2 (but not ecdhe-psk), and reads the hellos of 1.3",
    )


def _known(look_up: Callable[[str], object]) -> Callable[[str], str]:
    """A type of argument: a name that ``look_up`` knows."""

    def name(text: str) -> str:
        try:
            look_up(text)
        except ConfigurationError as error:
            raise argparse.ArgumentTypeError(str(error)) from None
        return text

    return name


def _psk(text: str) -> PSK:
    """An identity, a colon, a key in hexadecimal; the identity may have colons.

    The messages never repeat the text: it holds a secret.
    """
    identity, colon, key = text.rpartition(":")
    if not colon:
        raise argparse.ArgumentTypeError(
            "a key is given as IDENTITY:HEXKEY, such as device-1:00112233445566778899aabbccddeeff"
        )
    try:
        secret = bytes.fromhex(key)
    except ValueError:
        raise argparse.ArgumentTypeError(
            f"the key of identity {identity!r}, after the last colon, is not hexadecimal: "
            "two digits for each byte"
        ) from None
    try:
        return PSK(os.fsencode(identity), secret)
    except ConfigurationError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def port_number(text: str) -> int:
    """A type of argument: a UDP port, 0 included."""
    if text.isascii() and text.isdigit() and int(text) <= 0xFFFF:
        return int(text)
    raise argparse.ArgumentTypeError(f"{text!r} is no UDP port: give a number from 0 to 65535")


def host_name(text: str) -> str:
    """A type of argument: a name or address; an IPv6 one may stand in brackets."""
    host = text[1:-1] if text.startswith("[") and text.endswith("]") else text
    if not host:
        raise argparse.ArgumentTypeError("a host is a name or an address, not nothing")
    return host


def seconds(text: str) -> float:
    """A type of argument: a time in seconds, 0 or more."""
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not (math.isfinite(value) and value >= 0):
        raise argparse.ArgumentTypeError(f"{text!r} is no number of 0 or more")
    return value


def _positive(text: str) -> float:
    value = seconds(text)
    if not value:
        raise argparse.ArgumentTypeError("has to be above 0")
    return value


def _factor(text: str) -> float:
    value = seconds(text)
    if value < 1:
        raise argparse.ArgumentTypeError("has to be 1 or more (RFC 7252 section 4.8.1)")
    return value


def _count_or_none(text: str) -> int | Literal["default"] | None:
    if text == "none":
        return None
    if text == "default":  # what is left out: it depends on the transport
        return "default"
    if text.isascii() and text.isdigit():
        return int(text)
    raise argparse.ArgumentTypeError(f"{text!r} is neither a count of 0 or more nor 'none'")
