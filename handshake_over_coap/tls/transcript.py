"""The transcript: every handshake message so far, as both sides hash and sign it.

DTLS 1.2 feeds each message as if it had been sent in one fragment, 12-byte header and all
(RFC 6347 section 4.2.6); DTLS 1.3 uses the 4-byte header of TLS (RFC 9147 section 5.2).  The
framing is chosen once, when a transcript is begun.

A HelloVerifyRequest and the ClientHello that it answers take no part; the caller leaves them out.
"""

from __future__ import annotations

import builtins
from collections.abc import Callable
from dataclasses import dataclass, field

from cryptography.hazmat.primitives import hashes

from handshake_over_coap.tls.flight import HandshakeMessage

_FRESH = hashes.Hash(hashes.SHA256())
"""Before the first byte; a copy costs half of a new one."""

Framing = Callable[[HandshakeMessage], bytes]
"""Turns a message into the bytes that are hashed."""


@dataclass(frozen=True, slots=True)
class Transcript:
    """The messages up to some point; appending gives a new transcript and leaves this one.

    A state may therefore keep the transcript of an earlier point, or drop one whose message did
    not verify.
    """

    framing: Framing = field(default=HandshakeMessage.dtls_bytes, repr=False)
    bytes: builtins.bytes = field(default=b"", repr=False)
    """The framed messages one after another: what a 1.2 CertificateVerify signs."""
    _digest: list[builtins.bytes] = field(
        default_factory=list, init=False, repr=False, compare=False
    )

    def append(self, message: HandshakeMessage) -> Transcript:
        """The messages of this transcript, then ``message``."""
        return Transcript(self.framing, self.bytes + self.framing(message))

    def hash(self) -> builtins.bytes:
        """The SHA-256 of everything so far, 32 bytes; computed once for each transcript."""
        if not self._digest:
            context = _FRESH.copy()
            context.update(self.bytes)
            self._digest.append(context.finalize())
        return self._digest[0]

    def hash_with(self, partial: builtins.bytes) -> builtins.bytes:
        """The SHA-256 of everything so far and then ``partial``: what a PSK binder covers."""
        context = _FRESH.copy()
        context.update(self.bytes + partial)
        return context.finalize()
