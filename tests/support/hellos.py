"""Hellos changed on their way, and clients that say something unusual to begin with."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from handshake_over_coap.carriers.conversation import Conversation
from handshake_over_coap.tls.alerts import (
    AlertError,
)
from handshake_over_coap.tls.codepoints import (
    ExtensionType,
)
from handshake_over_coap.tls.config import ClientConfig, ServerConfig
from handshake_over_coap.tls.dtls12.client import ExpectServerHello
from handshake_over_coap.tls.extensions import (
    Extension,
    Extensions,
    TypedExtension,
)
from handshake_over_coap.tls.flight import HandshakeMessage
from handshake_over_coap.tls.messages import (
    ClientHello,
    ServerHello,
)
from handshake_over_coap.tls.transcript import Transcript
from tests.support.memory_pair import Damage, Point, refused, rewrite
from tests.support.parties import Scenario


def damaged(
    by: str, alert: type[AlertError], scenario: Scenario, number: int, damage: Damage
) -> str:
    """As :func:`.memory_pair.refused`, for one damaged flight of a scenario."""
    return refused(by, alert, scenario.client(), scenario.server(), {number: damage})


def client_hello(change: Callable[[ClientHello], ClientHello]) -> Damage:
    return rewrite(ClientHello, change)


def server_hello(change: Callable[[ServerHello], ServerHello]) -> Damage:
    return rewrite(ServerHello, change)


def without(extensions: Extensions, kind: ExtensionType) -> Extensions:
    return Extensions(tuple(each for each in extensions if each.type != kind))


def with_typed(extensions: Extensions, *typed: TypedExtension) -> Extensions:
    """With these extensions, in the place of others of their types."""
    for each in typed:
        extensions = without(extensions, each.extension_type)
    return Extensions((*extensions, *map(Extension.of, typed)))


def client_says(*typed: TypedExtension) -> Damage:
    return client_hello(
        lambda hello: replace(hello, extensions=with_typed(hello.extensions, *typed))
    )


def server_says(*typed: TypedExtension) -> Damage:
    return server_hello(
        lambda hello: replace(hello, extensions=with_typed(hello.extensions, *typed))
    )


def saying(
    client: ClientConfig, server: ServerConfig, change: Callable[[ClientHello], ClientHello]
) -> Point:
    """The start of a handshake with a client that really says something else in its hello."""
    point = Point.start(client, server)
    state, (first,) = point.client.state, point.pending
    assert isinstance(state, ExpectServerHello)
    assert isinstance(first, HandshakeMessage)
    hello = change(state.hello)
    message = replace(first, body=hello.encode())
    state = replace(state, hello=hello, transcript=Transcript().append(message))
    return replace(point, client=Conversation(True, state), flights=((message,),))
