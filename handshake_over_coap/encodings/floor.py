"""What no lossless encoding can save: the bytes of a flight that do not follow from anything.

Counted from the handshake itself: randoms, key shares, keys, signatures, Finished, binders,
identities, and a tag for what is sealed.  A point counts as its x, an ECDSA signature as its r and
s; a raw public key that its receiver has pinned counts nothing, nor does what has been said before.
A chain of certificates counts as it is, since how far it can be compressed depends on whose it is.
Everything else (versions, lengths, lists, types, numbers) follows from a profile that both sides
could have agreed on.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from handshake_over_coap.encodings.items import FlightItem, Unsealed
from handshake_over_coap.records.dtls12 import EXPLICIT_NONCE_LENGTH, SealedRecord
from handshake_over_coap.records.dtls13 import CiphertextRecord
from handshake_over_coap.tls.alerts import AlertError
from handshake_over_coap.tls.codepoints import ContentType, HandshakeType
from handshake_over_coap.tls.derived import derived_random
from handshake_over_coap.tls.extensions import (
    ConnectionId,
    Extensions,
    KeyShares,
    SelectedKeyShare,
    ServerName,
)
from handshake_over_coap.tls.flight import HandshakeMessage, split_messages
from handshake_over_coap.tls.messages import ClientHello, NewSessionTicket, ServerHello
from handshake_over_coap.tls.messages.hello13 import is_hello_retry_request, offered_psks
from handshake_over_coap.tls.wire import Reader

_X: Final = 32
_POINT: Final = 65
_SIGNATURE: Final = 64
_SHORT_SIGNATURES: Final = 72
"""Bytes of the longest ECDSA signature whose r and s have 32 bytes, in DER."""
_DTLS_HEADER: Final = 12
_RAW_KEYS: Final = {91: _X, 44: _X}
"""Bytes of a SubjectPublicKeyInfo of P-256 and Ed25519, and of the key in it."""


class Floor:
    """Counts the flights of one handshake, in their order."""

    def __init__(self) -> None:
        self._said: set[bytes] = set()

    def flight(self, items: Iterable[FlightItem], *, key_known: bool = False) -> int:
        """The bytes of a flight; ``key_known``: the receiver has its sender's raw key pinned."""
        total, tags = 0, dict[int, int]()
        for item in items:
            if isinstance(item, HandshakeMessage):
                total += self._message(item, key_known)
            elif isinstance(item, Unsealed):
                tags[item.epoch] = item.tag_length
                total += self._record(item, key_known)
            elif isinstance(item, SealedRecord):
                total += len(item.fragment) - EXPLICIT_NONCE_LENGTH - _DTLS_HEADER
            elif isinstance(item, CiphertextRecord):
                total += len(item.ciphertext)
        return total + sum(tags.values())

    def _record(self, record: Unsealed, key_known: bool) -> int:
        if record.content_type == ContentType.handshake:
            messages = split_messages(record.plaintext, record.epoch)
            return sum(self._message(message, key_known) for message in messages)
        return len(record.plaintext) if record.content_type == ContentType.alert else 0

    def _message(self, message: HandshakeMessage, key_known: bool) -> int:
        try:
            return self._count(message, key_known)
        except AlertError:
            return len(message.body)

    def _count(self, message: HandshakeMessage, key_known: bool) -> int:
        body = message.body
        match message.type:
            case HandshakeType.client_hello:
                return self._client_hello(ClientHello.decode(body))
            case HandshakeType.server_hello:
                return self._server_hello(ServerHello.decode(body))
            case HandshakeType.certificate:
                return self._certificate(body, key_known)
            case HandshakeType.certificate_verify:
                return _signature(Reader(body[2:]).vec16())
            case HandshakeType.server_key_exchange:
                return self._server_key_exchange(body)
            case HandshakeType.client_key_exchange:
                return self._client_key_exchange(body)
            case HandshakeType.finished:
                return len(body)
            case HandshakeType.new_session_ticket:
                ticket = NewSessionTicket.decode(body)
                return 8 + len(ticket.nonce) + len(ticket.ticket)
        return 0

    def _new(self, value: bytes) -> int:
        """The bytes of a value that has not been said yet."""
        if value in self._said:
            return 0
        self._said.add(value)
        return len(value)

    def _client_hello(self, hello: ClientHello) -> int:
        shares = hello.extensions.find(KeyShares)
        keys = () if shares is None else tuple(each.key_exchange for each in shares.entries)
        offered = offered_psks(hello)
        total = self._random(hello.random, keys) + sum(map(self._share, keys))
        total += self._extras(hello.extensions)
        if offered is None:
            return total
        for identity in offered.identities:
            total += self._new(identity.identity) + (4 if identity.obfuscated_ticket_age else 0)
        return total + sum(map(len, offered.binders))

    def _server_hello(self, hello: ServerHello) -> int:
        if is_hello_retry_request(hello):
            return 0
        share = hello.extensions.find(SelectedKeyShare)
        keys = () if share is None else (share.entry.key_exchange,)
        cid = hello.extensions.find(ConnectionId)
        total = self._random(hello.random, keys) + sum(map(self._share, keys))
        return total + (0 if cid is None else len(cid.cid))

    def _random(self, random: bytes, keys: tuple[bytes, ...]) -> int:
        """A random counts nothing where it follows from the share."""
        if len(keys) == 1 and random == derived_random(_coordinate(keys[0])):
            return 0
        return self._new(random)

    def _share(self, key: bytes) -> int:
        return self._new(_coordinate(key))

    def _extras(self, extensions: Extensions) -> int:
        name, cid = extensions.find(ServerName), extensions.find(ConnectionId)
        total = 0 if name is None or name.host_name is None else self._new(name.host_name.encode())
        return total + (0 if cid is None else len(cid.cid))

    def _certificate(self, body: bytes, key_known: bool) -> int:
        chain = _chain(body)
        if len(chain) == 1 and len(chain[0]) in _RAW_KEYS:
            return 0 if key_known else _RAW_KEYS[len(chain[0])]
        return sum(map(len, chain))

    def _server_key_exchange(self, body: bytes) -> int:
        reader, hint = Reader(body), b""
        if body[:1] != b"\3":
            hint = reader.vec16()
        if not reader.remaining:
            return len(hint)
        reader.take(3)
        total = len(hint) + self._share(reader.vec8())
        if reader.remaining:
            reader.take(2)
            total += _signature(reader.vec16())
        return total

    def _client_key_exchange(self, body: bytes) -> int:
        whole = Reader(body)
        if len(body) in (_POINT + 1, _X + 1) and body[0] == len(body) - 1:
            return self._share(whole.vec8())
        identity = whole.vec16()
        return self._new(identity) + (self._share(whole.vec8()) if whole.remaining else 0)


def _coordinate(key: bytes) -> bytes:
    """The x of a point, any other key as it is."""
    return key[1 : 1 + _X] if len(key) == _POINT and key[0] == 4 else key


def _signature(signature: bytes) -> int:
    return _SIGNATURE if len(signature) <= _SHORT_SIGNATURES else len(signature)


def _chain(body: bytes) -> tuple[bytes, ...]:
    """What is in a Certificate message of either version, raw keys included."""
    if body[:1] == b"\0" and len(body) >= 4 and int.from_bytes(body[1:4], "big") == len(body) - 4:
        return _entries(body[4:], 2)
    content = Reader(body).vec24()
    return (content,) if len(content) in _RAW_KEYS else _entries(content, 0)


def _entries(data: bytes, after: int) -> tuple[bytes, ...]:
    reader, found = Reader(data), []
    while reader.remaining:
        found.append(reader.vec24())
        if after:
            reader.vec16()
    return tuple(found)
