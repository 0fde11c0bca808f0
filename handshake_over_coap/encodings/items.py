"""What a body is made of."""

from __future__ import annotations

from typing import TypeAlias

from handshake_over_coap.records.dtls12 import SealedRecord
from handshake_over_coap.records.dtls13 import CiphertextRecord
from handshake_over_coap.tls.flight import ChangeCipherSpec, HandshakeMessage

BodyItem: TypeAlias = HandshakeMessage | ChangeCipherSpec | SealedRecord | CiphertextRecord
"""A plaintext handshake message (epoch 0, whole), a change of cipher, or a sealed record.

Sealed records are those of DTLS 1.2 or, with their unified header, of DTLS 1.3.
"""
