"""Handshake messages of DTLS 1.2 and 1.3, a frozen dataclass per form (see :class:`Message`)."""

from __future__ import annotations

from .certificate import (
    Certificate,
    CertificateRequest,
    CertificateVerify,
    RawPublicKeyCertificate,
)
from .certificate13 import Certificate13, CertificateEntry, CertificateRequest13
from .finished import VERIFY_DATA_LENGTH, VERIFY_DATA_LENGTH_1_3, Finished, Finished13
from .hello import (
    RANDOM_LENGTH,
    ClientHello,
    HelloRequest,
    HelloVerifyRequest,
    ServerHello,
    ServerHelloDone,
)
from .hello13 import (
    DOWNGRADE_TO_1_0,
    DOWNGRADE_TO_1_2,
    HELLO_RETRY_RANDOM,
    EncryptedExtensions,
    MessageHash,
    binder_input,
    is_hello_retry_request,
    offered_psks,
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
from .post_handshake import (
    KeyUpdate,
    NewConnectionId,
    NewSessionTicket,
    RequestConnectionId,
)

__all__ = [
    "DOWNGRADE_TO_1_0",
    "DOWNGRADE_TO_1_2",
    "HELLO_RETRY_RANDOM",
    "RANDOM_LENGTH",
    "VERIFY_DATA_LENGTH",
    "VERIFY_DATA_LENGTH_1_3",
    "Certificate",
    "Certificate13",
    "CertificateEntry",
    "CertificateRequest",
    "CertificateRequest13",
    "CertificateVerify",
    "ClientHello",
    "ClientKeyExchangeEcdhe",
    "ClientKeyExchangeEcdhePsk",
    "ClientKeyExchangePsk",
    "EncryptedExtensions",
    "Finished",
    "Finished13",
    "HelloRequest",
    "HelloVerifyRequest",
    "KeyUpdate",
    "Message",
    "MessageHash",
    "NewConnectionId",
    "NewSessionTicket",
    "RawPublicKeyCertificate",
    "RequestConnectionId",
    "ServerHello",
    "ServerHelloDone",
    "ServerKeyExchangeEcdheEcdsa",
    "ServerKeyExchangeEcdhePsk",
    "ServerKeyExchangePsk",
    "binder_input",
    "is_hello_retry_request",
    "offered_psks",
]
