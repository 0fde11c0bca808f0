"""The options of a handshake that have a meaning where aiocoap carries the messages."""

from __future__ import annotations

from typing import Final

from handshake_over_coap.net.options import Options, OptionValues, options_over_coap

_OF_AIOCOAP: Final = (
    "resource",
    "path_abbrev",
    "location",
    "transfer",
    "timer",
    "profile",
    "early",
    "pcap",
    "pcap_dtls",
    "keylog",
)


def options_of(given: OptionValues) -> Options:
    """The options of a handshake through aiocoap.

    Raises ConfigurationError for those that have no meaning there.
    """
    return options_over_coap(
        given,
        _OF_AIOCOAP,
        where="not where aiocoap carries the messages",
        over_udp="aiocoap carries handshakes over CoAP alone: leave out transport",
    )
