"""The ``compact`` encoding: only what cannot be inferred, sealed as it was encoded.

::

    ClientHello           head [flags] [lists] [extras] random 32 [share 32] [binder 32 identity]
    the server's, 1.3     head [flags] random 32 [share 32], sealed to the end
    later ones of 1.3     sealed to the end
    the server's, 1.2     head [flags] random 32 [share 32] [key 32 | reference] [signature 64]
    the client's, 1.2     head [share 32] [key] [signature] [identity], sealed Finished
    the server's last     sealed Finished

A head is the index of a shape, and each flight has its table of them; all that a shape says, and
all that follows from the messages before, is not sent.  Points are compressed, signatures r and s.
A flight without a shape begins with a byte from 0x80 on: a CBOR array of type and body of each
message.  What is sealed is encoded in the same way before it is sealed, under keys of its own
(:mod:`.seal`).

Every body is the one encoding of its flight.  Short forms are so by construction: their decoders
refuse each field that could have stood otherwise.  What is escaped is encoded again, and refused
where it does not come out the same.
"""

from __future__ import annotations

from typing import Final

from .codec import CompactEncoding

__all__ = ["COMPACT", "CompactEncoding"]

COMPACT: Final = CompactEncoding()
