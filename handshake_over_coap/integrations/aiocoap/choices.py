"""The options of a handshake that have a meaning where aiocoap carries the messages."""

from __future__ import annotations

from typing import Final

from handshake_over_coap.errors import ConfigurationError
from handshake_over_coap.net.options import Options, OptionValues

_OF_AIOCOAP: Final = (
    "resource",
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
    refused = [name for name in _OF_AIOCOAP if name in given]
    if refused:
        raise ConfigurationError(f"{', '.join(refused)}: not where aiocoap carries the messages")
    chosen = Options(**given)
    if chosen.transport != "coap":
        raise ConfigurationError("aiocoap carries handshakes over CoAP alone: leave out transport")
    return chosen
