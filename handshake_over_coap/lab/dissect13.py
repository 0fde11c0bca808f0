"""Handshake messages of DTLS 1.3 taken apart: how many bytes each field takes.

Source: RFC 8446 section 4, RFC 9147 section 5.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Final

from handshake_over_coap.carriers.reassembly import MESSAGE_HEADER
from handshake_over_coap.errors import ConfigurationError
from handshake_over_coap.lab.published_sizes import HEADER, LENGTH, Place
from handshake_over_coap.tls.codepoints import ExtensionType, HandshakeType
from handshake_over_coap.tls.extensions import Extension, Extensions
from handshake_over_coap.tls.messages import (
    Certificate13,
    CertificateRequest13,
    CertificateVerify,
    ClientHello,
    EncryptedExtensions,
    Finished13,
    NewSessionTicket,
    ServerHello,
)

Fields = dict[str, int]


def dissect(kind: int, body: bytes) -> dict[Place, int]:
    """The bytes of a message and its header by field; ``kind`` is its handshake type.

    Raises ConfigurationError for a message that no handshake without loss has, and the AlertError
    for one that is malformed.
    """
    taken = _READERS.get(kind)
    if taken is None:
        raise ConfigurationError(f"a message of type {kind} is not among those taken apart")
    name = HandshakeType(kind).name
    fields = {HEADER: MESSAGE_HEADER, **taken(body)}
    return {Place(name, what): size for what, size in fields.items()}


def _block(extensions: Extensions) -> Fields:
    return {LENGTH: 2, **{_name(item): 4 + len(item.data) for item in extensions}}


def _name(extension: Extension) -> str:
    return ExtensionType(extension.type).name


def _client_hello(body: bytes) -> Fields:
    hello = ClientHello.decode(body)
    return {
        "legacy_version": 2,
        "random": len(hello.random),
        "legacy_session_id": 1 + len(hello.session_id),
        "legacy_cookie": 1 + len(hello.cookie),
        "cipher_suites": 2 + 2 * len(hello.cipher_suites),
        "legacy_compression_methods": 1 + len(hello.compression_methods),
        **_block(hello.extensions),
    }


def _server_hello(body: bytes) -> Fields:
    hello = ServerHello.decode(body)
    return {
        "legacy_version": 2,
        "random": len(hello.random),
        "legacy_session_id_echo": 1 + len(hello.session_id),
        "cipher_suite": 2,
        "legacy_compression_method": 1,
        **_block(hello.extensions),
    }


def _encrypted_extensions(body: bytes) -> Fields:
    return _block(EncryptedExtensions.decode(body).extensions)


def _certificate_request(body: bytes) -> Fields:
    request = CertificateRequest13.decode(body)
    return {"context": 1 + len(request.context), **_block(request.extensions)}


def _certificate(body: bytes) -> Fields:
    message = Certificate13.decode(body)
    (entry,) = message.entries
    return {
        "context": 1 + len(message.context),
        "length of list": 3,
        "length of certificate": 3,
        "certificate": len(entry.data),
        **_block(entry.extensions),
    }


def _certificate_verify(body: bytes) -> Fields:
    signature = CertificateVerify.decode(body).signature
    return {"algorithm": 2, "length of signature": 2, "signature": len(signature)}


def _finished(body: bytes) -> Fields:
    return {"verify_data": len(Finished13.decode(body).verify_data)}


def _new_session_ticket(body: bytes) -> Fields:
    message = NewSessionTicket.decode(body)
    return {
        "lifetime": 4,
        "age_add": 4,
        "nonce": 1 + len(message.nonce),
        "ticket": 2 + len(message.ticket),
        **_block(message.extensions),
    }


_READERS: Final[Mapping[int, Callable[[bytes], Fields]]] = MappingProxyType(
    {
        int(HandshakeType.client_hello): _client_hello,
        int(HandshakeType.server_hello): _server_hello,
        int(HandshakeType.encrypted_extensions): _encrypted_extensions,
        int(HandshakeType.certificate_request): _certificate_request,
        int(HandshakeType.certificate): _certificate,
        int(HandshakeType.certificate_verify): _certificate_verify,
        int(HandshakeType.finished): _finished,
        int(HandshakeType.new_session_ticket): _new_session_ticket,
    }
)
