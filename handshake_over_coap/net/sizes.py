"""What a carrier takes of a credential, so that one too large is refused before anything is sent.

The bounds are those of a peer with the defaults of this library: what it does not take draws an
error in the best case and silence in the worst.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from handshake_over_coap.carriers.reassembly import MAX_HANDSHAKE
from handshake_over_coap.carriers.udp.prelude import MAX_HELLO
from handshake_over_coap.errors import ConfigurationError
from handshake_over_coap.tls.config import MAX_RECORD_LIMIT_1_2
from handshake_over_coap.tls.credentials import Credential, asymmetric, pre_shared

_REST_OF_FLIGHT: Final = 2048
"""Bytes for all that a flight has besides a credential: the hello of a server with a hybrid share
has 1.3 kB, and every other message and header fits into the rest."""
_ENTRY: Final = 5
"""Bytes around each entry of a Certificate message: its length, and that of its extensions."""


def longest_credential(transport: str, body: int) -> int:
    """Bytes of the longest chain or key that ``transport`` takes.

    Over CoAP it shares a ``body`` with the rest of a flight, and in 1.3 it has one record; over UDP
    it has to be put together beside other messages of its flight.
    """
    flight = MAX_HANDSHAKE if transport == "udp" else min(body, MAX_RECORD_LIMIT_1_2)
    return flight - _REST_OF_FLIGHT


def longest_identity(transport: str, dtls: str, body: int) -> int:
    """Bytes of the longest PSK identity.

    In 1.3 it stands in the ClientHello, which a server over UDP has to take from an unproven
    address, whole.
    """
    if transport == "udp" and dtls == "1.3":
        return MAX_HELLO - _REST_OF_FLIGHT
    return longest_credential(transport, body)


def check_sizes(credentials: Iterable[Credential], *, transport: str, dtls: str, body: int) -> None:
    """Raise ConfigurationError, with the limit, for a credential that could not be carried."""
    given = tuple(credentials)
    most = longest_credential(transport, body)
    for own in asymmetric(given):
        size = sum(len(entry) + _ENTRY for entry in own.entries)
        if size > most:
            raise ConfigurationError(
                f"a chain or key of {size} bytes: over {transport} at most {most} get through"
            )
    most = longest_identity(transport, dtls, body)
    for psk in pre_shared(given):
        if len(psk.identity) > most:
            raise ConfigurationError(
                f"a PSK identity of {len(psk.identity)} bytes: over {transport} with DTLS {dtls} "
                f"at most {most} get through"
            )
