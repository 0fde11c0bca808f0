"""What every handshake state is and does, whatever the version.

A state takes one item of the peer's flight and gives a :class:`Step`: the next state, and what
there is to send or to switch on.  States are values: one that raises is still there, unchanged, so
a carrier may drop a flight that fails to authenticate and wait for another.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Protocol

from handshake_over_coap.errors import ConfigurationError

from .alerts import NoRenegotiation, UnexpectedMessage
from .codepoints import CertificateType, HandshakeType, ProtocolVersion
from .flight import Flight, HandshakeMessage, Item
from .keys import TrafficKeys
from .schedule12 import export
from .suites import CipherSuite, KeyExchange


@dataclass(frozen=True, slots=True)
class EpochKeys:
    """Keys that a side may use from now on: to open what it reads, to seal what it writes."""

    read: TrafficKeys
    write: TrafficKeys


class State(Protocol):
    """One point of a handshake."""

    def handle(self, item: Item) -> Step:
        """Take the next item of the peer's flight.

        Raises the AlertError to send where the item is wrong here.
        """


@dataclass(frozen=True, slots=True)
class Step:
    """What an item led to.

    ``flight`` is a whole flight to be sent now, or nothing while the peer's goes on; ``keys`` are
    new keys, made before the flight that uses them.
    """

    state: State
    flight: Flight = ()
    keys: EpochKeys | None = None


@dataclass(frozen=True, slots=True)
class PeerIdentity:
    """Who the peer proved to be; all empty for a client that was not asked.

    ``psk_identity`` is the identity both sides used; ``raw_public_key`` a DER
    SubjectPublicKeyInfo; ``certificates`` a DER chain, leaf first.
    """

    psk_identity: bytes | None = None
    raw_public_key: bytes | None = None
    certificates: tuple[bytes, ...] = ()


@dataclass(frozen=True, slots=True)
class Connected:
    """The last state: the handshake is complete and both sides' Finished have been verified.

    ``verify_data`` are the client's and the server's Finished, 12 bytes each in 1.2.
    """

    version: ProtocolVersion
    suite: CipherSuite
    client_random: bytes
    server_random: bytes
    master_secret: bytes = field(repr=False)
    peer: PeerIdentity
    server_certificate_type: CertificateType
    server_name: str | None
    extended_master_secret: bool
    verify_data: tuple[bytes, bytes]
    transcript: bytes = field(repr=False)

    @property
    def auth(self) -> str:
        """How the two sides proved who they are: psk, ecdhe-psk, rpk or x509."""
        exchange = self.suite.key_exchange
        if exchange is KeyExchange.PSK:
            return "psk"
        if exchange is KeyExchange.ECDHE_PSK:
            return "ecdhe-psk"
        raw = self.server_certificate_type == CertificateType.RawPublicKey
        return "rpk" if raw else "x509"

    def handle(self, item: Item) -> Step:
        """Nothing more belongs to this handshake; renegotiation is refused (RFC 5746)."""
        hellos = (HandshakeType.hello_request, HandshakeType.client_hello)
        if isinstance(item, HandshakeMessage) and item.type in hellos:
            raise NoRenegotiation("the handshake is complete, and there is no renegotiation")
        raise UnexpectedMessage("the handshake is complete")

    def export(self, label: str, length: int, context: bytes | None = None) -> bytes:
        """Keying material for the application (RFC 5705), ``length`` bytes.

        Raises ConfigurationError for a reserved label, and for a session without the extended
        master secret, whose exports are not bound to the handshake (RFC 7627 section 5.4).
        """
        if not self.extended_master_secret:
            raise ConfigurationError("no export without the extended master secret (RFC 7627)")
        return export(
            self.master_secret, label, self.client_random, self.server_random, length, context
        )
