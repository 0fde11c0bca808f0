"""What every handshake state is and does, whatever the version.

A state takes one item of the peer's flight and gives a :class:`Step`: the next state, and what
there is to send or to switch on.  States are values: one that raises is still there, unchanged, so
a carrier may drop a flight that fails to authenticate and wait for another.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple, Protocol

from handshake_over_coap.errors import ConfigurationError

from .alerts import AlertError, NoRenegotiation, UnexpectedMessage
from .codepoints import HandshakeType, ProtocolVersion
from .credentials import auth_by_form, auth_by_psk
from .flight import Flight, HandshakeMessage, Item
from .identity import PeerIdentity
from .keys import TrafficKeys
from .schedule12 import export
from .suites import CipherSuite
from .tickets import Ticket

_RENEGOTIATING = tuple(
    bytes((each,)) for each in (HandshakeType.hello_request, HandshakeType.client_hello)
)

__all__ = ["Connected", "EpochKeys", "PeerIdentity", "State", "Step"]


@dataclass(frozen=True, slots=True)
class EpochKeys:
    """Keys that a side may use from now on: to open what it reads, to seal what it writes.

    A handshake gives both directions of an epoch at once; a KeyUpdate of 1.3 changes one direction
    alone and leaves the other None.  ``own_cid`` is the connection ID in the records that are read,
    ``peer_cid`` the one for those that are written; empty means none.  ``peer_record_limit`` is the
    longest plaintext that the peer takes, in bytes (RFC 8449; 1.3 counts the content type and
    padding in), or None where the version's own limit is all there is; ``own_record_limit`` is the
    same of this side, where the peer has said that it heeds it.  A KeyUpdate leaves that as it was.
    """

    read: TrafficKeys | None
    write: TrafficKeys | None
    own_cid: bytes = b""
    peer_cid: bytes = b""
    peer_record_limit: int | None = None
    own_record_limit: int | None = None


class State(Protocol):
    """One point of a handshake."""

    def handle(self, item: Item) -> Step:
        """Take the next item of the peer's flight.

        Raises the AlertError to send where the item is wrong here.
        """


class Step(NamedTuple):
    """What an item led to.

    ``flight`` is a whole flight to be sent now, or nothing while the peer's goes on; ``keys`` are
    new keys, made before the flight that uses them, one entry for each epoch: 1.2 has one for the
    whole handshake, 1.3 one for its handshake and one for what follows.  ``tickets`` are what a
    client may keep to resume the session.
    """

    state: State
    flight: Flight = ()
    keys: tuple[EpochKeys, ...] = ()
    tickets: tuple[Ticket, ...] = ()


@dataclass(frozen=True, slots=True)
class Connected:
    """The last state: the handshake is complete and both sides' Finished have been verified.

    ``verify_data`` are the client's and the server's Finished, 12 bytes each.  Connection IDs are
    None where the extension was not negotiated, and empty where none is wanted; the limit is that
    of :class:`EpochKeys`.
    The randoms have 32 bytes, ``master_secret`` 48; ``transcript`` is the bytes of all messages as
    they are hashed.  ``peer`` is who the other side proved to be, ``server_certificate_type`` the
    form in which the server showed its key (RFC 7250), ``server_name`` the name that the client
    asked for, if any.  ``own_cid`` is in the records that come here, ``peer_cid`` in those that go
    out.
    """

    version: ProtocolVersion
    suite: CipherSuite
    client_random: bytes
    server_random: bytes
    master_secret: bytes = field(repr=False)
    peer: PeerIdentity
    server_certificate_type: int
    server_name: str | None
    extended_master_secret: bool
    verify_data: tuple[bytes, bytes]
    transcript: bytes = field(repr=False)
    own_cid: bytes | None = None
    peer_cid: bytes | None = None
    peer_record_limit: int | None = None

    @property
    def auth(self) -> str:
        """How the two sides proved who they are: a name of ``--auth``, such as psk or rpk."""
        exchange = self.suite.key_exchange
        if exchange.uses_psk:
            return auth_by_psk(ephemeral=exchange.uses_ecdhe)
        return auth_by_form(self.server_certificate_type)

    def handle(self, item: Item) -> Step:
        """Nothing more belongs to this handshake; renegotiation is refused (RFC 5746)."""
        raise alert_for_late(item.dtls_bytes() if isinstance(item, HandshakeMessage) else b"")

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


def alert_for_late(message: bytes) -> AlertError:
    """The alert for a message after the handshake of 1.2, or a part of one with its header.

    Only one that would renegotiate is no error (RFC 5246 section 7.2.2).
    """
    if message[:1] in _RENEGOTIATING:
        return NoRenegotiation("the handshake is complete, and there is no renegotiation")
    return UnexpectedMessage("the handshake is complete")
