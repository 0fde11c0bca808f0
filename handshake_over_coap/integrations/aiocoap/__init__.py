"""The handshake over CoAP in a program that uses aiocoap: a resource of its site, and a client.

Both stand on aiocoap's public API alone, and on the very engines that the carrier over CoAP is made
of: the server's (:class:`~handshake_over_coap.carriers.coap.CoapServer`) behind aiocoap's messages,
the client's script with aiocoap's requests in place of datagrams of our own.  What aiocoap keeps
to itself is its socket; what follows from that stands in ``docs/aiocoap.md``.
"""

from .client import handshake
from .completed import CompletedHandshake
from .resource import HandshakeResource

__all__ = ["CompletedHandshake", "HandshakeResource", "handshake"]
