"""Hellos of DTLS 1.3 changed on their way."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from handshake_over_coap.tls.alerts import AlertError
from handshake_over_coap.tls.codepoints import ExtensionType
from handshake_over_coap.tls.extensions import Extension, Extensions, TypedExtension
from handshake_over_coap.tls.messages import (
    CertificateRequest13,
    ClientHello,
    EncryptedExtensions,
    ServerHello,
)
from tests.support.hellos import without
from tests.support.memory_pair13 import Damage, refused, rewrite
from tests.support.parties13 import Scenario13


def damaged(
    by: str, alert: type[AlertError], scenario: Scenario13, number: int, damage: Damage
) -> str:
    """As :func:`.memory_pair13.refused`, for one damaged flight of a scenario."""
    return refused(by, alert, scenario.client(), scenario.server(), {number: damage})


def put(extensions: Extensions, *typed: TypedExtension) -> Extensions:
    """With these extensions in the place of others of their types, or before the last one.

    What has no place yet goes before the end, which belongs to pre_shared_key.
    """
    items = list(extensions.items)
    for each in map(Extension.of, typed):
        places = [index for index, item in enumerate(items) if item.type == each.type]
        if places:
            items[places[0]] = each
        else:
            items.insert(max(0, len(items) - 1), each)
    return Extensions(tuple(items))


def client_hello(change: Callable[[ClientHello], ClientHello]) -> Damage:
    return rewrite(ClientHello, change)


def client_says(*typed: TypedExtension) -> Damage:
    return client_hello(lambda hello: replace(hello, extensions=put(hello.extensions, *typed)))


def client_omits(*kinds: ExtensionType) -> Damage:
    return client_hello(lambda hello: replace(hello, extensions=_less(hello.extensions, kinds)))


def server_says(*typed: TypedExtension) -> Damage:
    return rewrite(
        ServerHello, lambda hello: replace(hello, extensions=put(hello.extensions, *typed))
    )


def server_omits(*kinds: ExtensionType) -> Damage:
    return rewrite(
        ServerHello, lambda hello: replace(hello, extensions=_less(hello.extensions, kinds))
    )


def encrypted(*typed: TypedExtension) -> Damage:
    """Put into EncryptedExtensions."""
    return rewrite(EncryptedExtensions, lambda m: replace(m, extensions=put(m.extensions, *typed)))


def requested(extensions: Extensions, context: bytes = b"") -> Damage:
    """Change the CertificateRequest."""
    return rewrite(CertificateRequest13, lambda _: CertificateRequest13(extensions, context))


def _less(extensions: Extensions, kinds: tuple[ExtensionType, ...]) -> Extensions:
    for kind in kinds:
        extensions = without(extensions, kind)
    return extensions
