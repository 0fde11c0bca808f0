"""Handshake messages of DTLS 1.2 as frozen dataclasses, one per form (see :class:`Message`)."""

from __future__ import annotations

from .certificate import (
    Certificate,
    CertificateRequest,
    CertificateVerify,
    RawPublicKeyCertificate,
)
from .finished import VERIFY_DATA_LENGTH, Finished
from .hello import (
    RANDOM_LENGTH,
    ClientHello,
    HelloRequest,
    HelloVerifyRequest,
    ServerHello,
    ServerHelloDone,
)
from .key_exchange import (
    ClientKeyExchangeEcdhe,
    ClientKeyExchangeEcdhePsk,
    ClientKeyExchangePsk,
    ServerKeyExchangeEcdheEcdsa,
    ServerKeyExchangeEcdhePsk,
    ServerKeyExchangePsk,
)
from .message import Message

__all__ = [
    "RANDOM_LENGTH",
    "VERIFY_DATA_LENGTH",
    "Certificate",
    "CertificateRequest",
    "CertificateVerify",
    "ClientHello",
    "ClientKeyExchangeEcdhe",
    "ClientKeyExchangeEcdhePsk",
    "ClientKeyExchangePsk",
    "Finished",
    "HelloRequest",
    "HelloVerifyRequest",
    "Message",
    "RawPublicKeyCertificate",
    "ServerHello",
    "ServerHelloDone",
    "ServerKeyExchangeEcdheEcdsa",
    "ServerKeyExchangeEcdhePsk",
    "ServerKeyExchangePsk",
]
