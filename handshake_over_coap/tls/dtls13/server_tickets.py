"""Tickets that carry their session, sealed by the server for itself, so that it keeps nothing.

A ticket is a constant that tells it from an external PSK identity, a nonce of 12 bytes, and the
session under AES-256-GCM with the ticket key.

Source: RFC 8446 sections 4.6.1 and 4.2.11.1; RFC 5077 section 4 for the construction.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from handshake_over_coap.tls.alerts import DecodeError
from handshake_over_coap.tls.config import ServerConfig
from handshake_over_coap.tls.credentials import certificate_kinds, known_form
from handshake_over_coap.tls.identity import PeerIdentity, Shown
from handshake_over_coap.tls.tickets import MAX_TICKET_LENGTH, MAX_TICKET_LIFETIME
from handshake_over_coap.tls.wire import Reader, u8, u16, u64, vec8, vec16, vec24

_PREFIX: Final = b"\x00hoc\x13tk\x01"
_NONCE_LENGTH: Final = 12
_TAG_LENGTH: Final = 16
_PSK_LENGTH: Final = 32

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND: Final = timedelta(milliseconds=1)


@dataclass(frozen=True, slots=True)
class TicketContent:
    """A session as its server will meet it again.

    Times are milliseconds since 1970: ``issued_at`` of this ticket, ``authenticated_at`` of the
    last handshake in which both sides proved who they are.  ``peer`` is the client.
    ``suite`` is its number, ``psk`` the key to resume with, 32 bytes, ``lifetime`` in seconds; name
    and certificate type are those of the session that the ticket was given in.
    """

    suite: int
    psk: bytes = field(repr=False)
    issued_at: int
    authenticated_at: int
    lifetime: int
    server_name: str | None
    peer: PeerIdentity
    server_certificate_type: int

    def encode(self) -> bytes:
        """The content in the clear."""
        name = b"" if self.server_name is None else self.server_name.encode("latin-1")
        other = self.peer.other
        # Only where there is one, so that tickets without are as short as they can be.
        rest = b"" if other is None else u8(other.form) + _entries(other.entries)
        return b"".join(
            (
                u16(self.suite),
                self.psk,
                u64(self.issued_at),
                u64(self.authenticated_at),
                u64(self.lifetime),
                vec8(name),
                vec16(self.peer.psk_identity or b""),
                vec16(self.peer.raw_public_key or b""),
                _entries(self.peer.certificates),
                u8(self.server_certificate_type),
                rest,
            )
        )

    @classmethod
    def decode(cls, data: bytes) -> TicketContent:
        """Parse what :meth:`encode` gave; raises DecodeError for what another version gave."""
        reader = Reader(data)
        suite, psk = reader.u16(), reader.take(_PSK_LENGTH)
        issued_at, authenticated_at, lifetime = reader.u64(), reader.u64(), reader.u64()
        name, identity, raw = reader.vec8(), reader.vec16(), reader.vec16()
        certificates = _read_entries(reader)
        form = reader.u8()
        other = Shown(reader.u8(), _read_entries(reader)) if reader.remaining else None
        reader.done()
        known = {kind.form for kind in certificate_kinds()}
        if not {form, form if other is None else other.form} <= known:
            raise DecodeError(f"certificate type {form} in a ticket")
        return cls(
            suite=suite,
            psk=psk,
            issued_at=issued_at,
            authenticated_at=authenticated_at,
            lifetime=lifetime,
            server_name=name.decode("latin-1") or None,
            peer=PeerIdentity(identity or None, raw or None, certificates, other),
            server_certificate_type=known_form(form),
        )


def _entries(entries: tuple[bytes, ...]) -> bytes:
    return vec24(b"".join(vec24(entry, 1) for entry in entries))


def _read_entries(reader: Reader) -> tuple[bytes, ...]:
    content, found = Reader(reader.vec24()), []
    while content.remaining:
        found.append(content.vec24(1))
    return tuple(found)


def milliseconds(moment: datetime) -> int:
    """``moment``, which has a time zone, as milliseconds since 1970."""
    return (moment - _EPOCH) // _MILLISECOND


def is_ticket(identity: bytes) -> bool:
    """Whether a PSK identity has the form of a ticket, of this server or another."""
    return identity.startswith(_PREFIX)


def ticket_lifetime(config: ServerConfig, authenticated_at: int) -> int:
    """Seconds that a ticket given now may live: no session outlives its proofs by seven days."""
    age = (milliseconds(config.now()) - authenticated_at) // 1000
    return max(0, min(config.ticket_lifetime, MAX_TICKET_LIFETIME - age))


def seal_ticket(config: ServerConfig, content: TicketContent) -> bytes | None:
    """The ticket for ``content``; None where the client's identity makes it too long to keep."""
    plain = content.encode()
    if len(_PREFIX) + _NONCE_LENGTH + len(plain) + _TAG_LENGTH > MAX_TICKET_LENGTH:
        return None
    nonce = config.rng(_NONCE_LENGTH)
    return _PREFIX + nonce + AESGCM(config.ticket_key).encrypt(nonce, plain, _PREFIX)


def open_ticket(config: ServerConfig, ticket: bytes) -> TicketContent | None:
    """What a ticket of ours carries while it is good; None for any other bytes."""
    if not is_ticket(ticket) or not config.ticket_key:
        return None
    start = len(_PREFIX) + _NONCE_LENGTH
    nonce, sealed = ticket[len(_PREFIX) : start], ticket[start:]
    try:
        content = TicketContent.decode(AESGCM(config.ticket_key).decrypt(nonce, sealed, _PREFIX))
    except (InvalidTag, DecodeError, ValueError):  # ValueError: a nonce cut short
        return None
    age = milliseconds(config.now()) - content.issued_at
    return content if 0 <= age <= 1000 * content.lifetime else None
