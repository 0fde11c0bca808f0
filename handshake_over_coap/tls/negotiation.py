"""Which version a handshake speaks: the states of 1.2, those of 1.3, or one that finds out.

A client that speaks both sends one hello which serves either version, and goes on with the one
that the server picks.  A server picks 1.3 where the client offers it.  Whoever strips that offer
on the way is found out: the server says in its random that it would have spoken 1.3, and the
client looks (RFC 8446 section 4.1.3).

Source: RFC 8446 sections 4.2.1 and appendix D, RFC 9147 sections 5.3 and 5.4.
"""

from __future__ import annotations

from dataclasses import dataclass

from handshake_over_coap.tls import dtls12, dtls13
from handshake_over_coap.tls.alerts import ProtocolVersion
from handshake_over_coap.tls.codepoints import HandshakeType
from handshake_over_coap.tls.codepoints import ProtocolVersion as Version
from handshake_over_coap.tls.config import ClientConfig, ServerConfig
from handshake_over_coap.tls.dtls12.client import ExpectServerHello as ExpectServerHello12
from handshake_over_coap.tls.dtls13 import Completed, Connected13
from handshake_over_coap.tls.dtls13.client import ExpectServerHello as ExpectServerHello13
from handshake_over_coap.tls.dtls13.client import first_state
from handshake_over_coap.tls.extensions import SelectedVersion, SupportedVersions
from handshake_over_coap.tls.flight import HandshakeMessage, Item
from handshake_over_coap.tls.handshake import Connected, State, Step
from handshake_over_coap.tls.messages import ClientHello, ServerHello
from handshake_over_coap.tls.steps import expect, is_message
from handshake_over_coap.tls.transcript import Transcript

__all__ = [
    "Completed",
    "Connected",
    "Connected13",
    "start_client",
    "start_server",
    "version_for",
]


def start_client(config: ClientConfig) -> Step:
    """Begin: the client's first state, and its ClientHello for every version it can speak.

    Raises ConfigurationError where the only credential is a ticket that can no longer be used.
    """
    if config.usable_versions == (Version.DTLS_1_2,):
        return dtls12.start_client(config)
    if config.usable_versions == (Version.DTLS_1_3,):
        return dtls13.start_client(config)
    newer = first_state(config)
    return Step(ExpectServersChoice(config, newer), (newer.offer.message,))


def start_server(config: ServerConfig) -> State:
    """The server's first state; it keeps nothing of any client."""
    return ExpectClientHello(config)


def version_for(config: ServerConfig, client_hello: HandshakeMessage) -> Version:
    """The version that the server will speak with the sender of ``client_hello``.

    The newest that both speak (RFC 8446 section 4.2.1); without supported_versions the hello is
    one of 1.2 at best.  Raises ProtocolVersion where there is none, and DecodeError or
    IllegalParameter for a malformed hello.
    """
    hello = ClientHello.decode(expect(client_hello, HandshakeType.client_hello).body)
    return _version(config, hello)


def _version(config: ServerConfig, hello: ClientHello) -> Version:
    offered = hello.extensions.find(SupportedVersions)
    spoken = config.usable_versions
    if offered is None:
        # Older than 1.2, or newer in the way that 1.3 has given up: the states of 1.2 judge it.
        if Version.DTLS_1_2 in spoken:
            return Version.DTLS_1_2
        raise ProtocolVersion("the client does not offer DTLS 1.3")
    for version in spoken:
        if version in offered.versions:
            return version
    raise ProtocolVersion("no version in common")


@dataclass(frozen=True, slots=True)
class ExpectClientHello:
    """The server's first state: nothing has happened yet."""

    config: ServerConfig

    def handle(self, item: Item) -> Step:
        """ClientHello, for the states of the version that is to be spoken."""
        message = expect(item, HandshakeType.client_hello)
        hello = ClientHello.decode(message.body)
        if _version(self.config, hello) == Version.DTLS_1_3:
            return dtls13.start_server(self.config).hear(message, hello)
        return dtls12.start_server(self.config).hear(message, hello)


@dataclass(frozen=True, slots=True)
class ExpectServersChoice:
    """The first state of a client that speaks both versions, after its ClientHello."""

    config: ClientConfig
    newer: ExpectServerHello13

    def handle(self, item: Item) -> Step:
        """ServerHello or HelloRetryRequest of 1.3; the like of 1.2, which leads to its states."""
        if is_message(item, HandshakeType.server_hello):
            hello = ServerHello.decode(expect(item, HandshakeType.server_hello).body)
            if SelectedVersion.extension_type in hello.extensions:
                return self.newer.handle(item)
        offer = self.newer.offer
        transcript = Transcript().append(offer.message)
        older = ExpectServerHello12(self.config, offer.hello, transcript, 1, 0)
        return older.handle(item)
