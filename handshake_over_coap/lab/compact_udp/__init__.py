"""Compact bodies in fragments under the rules of RFC 9147: a carrier of the laboratory alone.

It shows how much of what a handshake over CoAP saves is the encoding, and how much the transfer:
bodies are those of :mod:`~handshake_over_coap.encodings.compact`, and all else is as DTLS 1.3 has
it over UDP, by the same code: fragments, ACKs, timers, a server that keeps nothing but fragments of
strangers.  It is no protocol to speak, and no option of a network leads here.

What is simpler than in DTLS 1.3: a fragment has one header of 8 bytes (:mod:`.parts`) in place of
those of a record and of a handshake message; the cookie comes in a datagram of its own and goes in
front of the repeated flight 1, and the transcript knows nothing of it; fragments and ACKs are in
the clear and are taken as they come.
"""

from .scenario import CompactOverUdp

__all__ = ["CompactOverUdp"]
