"""What a body is made of."""

from __future__ import annotations

from typing import TypeAlias

from handshake_over_coap.records.dtls12 import SealedRecord
from handshake_over_coap.tls.flight import ChangeCipherSpec, HandshakeMessage

BodyItem: TypeAlias = HandshakeMessage | ChangeCipherSpec | SealedRecord
"""A plaintext handshake message (epoch 0, whole), a change of cipher, or a sealed record."""
