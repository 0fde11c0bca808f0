"""What no lossless encoding can save: the bytes of a flight that do not follow from anything.

Counted from the handshake itself: randoms, key shares, keys, signatures, Finished, binders,
identities, and a tag for what is sealed.  A point counts as its x, an ECDSA signature as its r and
s; a raw public key that its receiver has pinned counts nothing, nor does what has been said before.
A chain of certificates counts as it is, since how far it can be compressed depends on whose it is.
Everything else (versions, lengths, lists, types, numbers) follows from a profile that both sides
could have agreed on.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from enum import StrEnum
from typing import Final, NamedTuple

from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature

from handshake_over_coap.encodings.items import FlightItem, Unsealed
from handshake_over_coap.records.dtls12 import EXPLICIT_NONCE_LENGTH, SealedRecord
from handshake_over_coap.records.dtls13 import CiphertextRecord
from handshake_over_coap.tls.alerts import AlertError
from handshake_over_coap.tls.codepoints import ContentType, HandshakeType
from handshake_over_coap.tls.derived import SEED_SIZE, derived_random, is_seeded
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
_P256_SPKI: Final = 91
_RAW_KEYS: Final = (_P256_SPKI, 44)
"""Bytes of a SubjectPublicKeyInfo of P-256 and Ed25519."""


class Kind(StrEnum):
    """What bytes are that do not follow from anything else."""

    RANDOM = "random"
    SHARE = "share"
    KEY = "key"
    CHAIN = "certificates"
    SIGNATURE = "signature"
    FINISHED = "Finished"
    BINDER = "binder"
    NAME = "identity"
    """Identities, tickets, server names and connection IDs."""
    TAG = "tag"
    OTHER = "other"
    """An alert, and the body of a malformed message."""


class Part(NamedTuple):
    """Bytes that no lossless encoding can save, and what they are."""

    kind: Kind
    data: bytes


_Parts = Iterator[Part]


class Floor:
    """Counts the flights of one handshake, in their order."""

    def __init__(self) -> None:
        self._said: set[bytes] = set()

    def flight(self, items: Iterable[FlightItem], *, key_known: bool = False) -> int:
        """The bytes of a flight; ``key_known``: the receiver has its sender's raw key pinned."""
        return sum(len(part.data) for part in self.parts(items, key_known=key_known))

    def parts(self, items: Iterable[FlightItem], *, key_known: bool = False) -> list[Part]:
        """What these bytes are, in the order of the messages; of a tag the length alone counts."""
        found: list[Part] = []
        tags: dict[int, int] = {}
        for item in items:
            if isinstance(item, HandshakeMessage):
                found += self._message(item, key_known)
            elif isinstance(item, Unsealed):
                tags[item.epoch] = item.tag_length
                found += self._record(item, key_known)
            elif isinstance(item, SealedRecord):
                length = len(item.fragment) - EXPLICIT_NONCE_LENGTH - _DTLS_HEADER
                found.append(Part(Kind.FINISHED, bytes(length)))
            elif isinstance(item, CiphertextRecord):
                found.append(Part(Kind.FINISHED, item.ciphertext))
        return found + [Part(Kind.TAG, bytes(length)) for length in tags.values()]

    def _record(self, record: Unsealed, key_known: bool) -> _Parts:
        if record.content_type == ContentType.handshake:
            for message in split_messages(record.plaintext, record.epoch):
                yield from self._message(message, key_known)
        elif record.content_type == ContentType.alert:
            yield Part(Kind.OTHER, record.plaintext)

    def _message(self, message: HandshakeMessage, key_known: bool) -> Iterable[Part]:
        try:
            return list(self._count(message, key_known))
        except AlertError:
            return [Part(Kind.OTHER, message.body)]

    def _count(self, message: HandshakeMessage, key_known: bool) -> _Parts:
        body = message.body
        match message.type:
            case HandshakeType.client_hello:
                yield from self._client_hello(ClientHello.decode(body))
            case HandshakeType.server_hello:
                yield from self._server_hello(ServerHello.decode(body))
            case HandshakeType.certificate:
                yield from self._certificate(body, key_known)
            case HandshakeType.certificate_verify:
                yield _signature(Reader(body[2:]).vec16())
            case HandshakeType.server_key_exchange:
                yield from self._server_key_exchange(body)
            case HandshakeType.client_key_exchange:
                yield from self._client_key_exchange(body)
            case HandshakeType.finished:
                yield Part(Kind.FINISHED, body)
            case HandshakeType.new_session_ticket:
                ticket = NewSessionTicket.decode(body)
                times = ticket.lifetime.to_bytes(4, "big") + ticket.age_add.to_bytes(4, "big")
                yield Part(Kind.NAME, times + ticket.nonce + ticket.ticket)

    def _new(self, kind: Kind, value: bytes) -> _Parts:
        """A value, if it has not been said yet."""
        if value not in self._said:
            self._said.add(value)
            yield Part(kind, value)

    def _client_hello(self, hello: ClientHello) -> _Parts:
        shares = hello.extensions.find(KeyShares)
        keys = () if shares is None else tuple(each.key_exchange for each in shares.entries)
        offered = offered_psks(hello)
        yield from self._random(hello.random, keys)
        for key in keys:
            yield from self._share(key)
        yield from self._extras(hello.extensions)
        if offered is None:
            return
        for identity in offered.identities:
            yield from self._new(Kind.NAME, identity.identity)
            if identity.obfuscated_ticket_age:
                yield Part(Kind.NAME, identity.obfuscated_ticket_age.to_bytes(4, "big"))
        for binder in offered.binders:
            yield Part(Kind.BINDER, binder)

    def _server_hello(self, hello: ServerHello) -> _Parts:
        if is_hello_retry_request(hello):
            return
        share = hello.extensions.find(SelectedKeyShare)
        keys = () if share is None else (share.entry.key_exchange,)
        yield from self._random(hello.random, keys)
        for key in keys:
            yield from self._share(key)
        yield from _connection_id(hello.extensions)

    def _random(self, random: bytes, keys: tuple[bytes, ...]) -> _Parts:
        """A random counts nothing where it follows from the share, and half where it has a seed."""
        if not keys and is_seeded(random):
            random = random[:SEED_SIZE]
        if len(keys) != 1 or random != derived_random(_coordinate(keys[0])):
            yield from self._new(Kind.RANDOM, random)

    def _share(self, key: bytes) -> _Parts:
        return self._new(Kind.SHARE, _coordinate(key))

    def _extras(self, extensions: Extensions) -> _Parts:
        name = extensions.find(ServerName)
        if name is not None and name.host_name is not None:
            yield from self._new(Kind.NAME, name.host_name.encode())
        yield from _connection_id(extensions)

    def _certificate(self, body: bytes, key_known: bool) -> _Parts:
        chain = _chain(body)
        if len(chain) == 1 and len(chain[0]) in _RAW_KEYS:
            if not key_known:
                yield Part(Kind.KEY, _raw_key(chain[0]))
            return
        for each in chain:
            yield Part(Kind.CHAIN, each)

    def _server_key_exchange(self, body: bytes) -> _Parts:
        reader, hint = Reader(body), b""
        if body[:1] != b"\3":
            hint = reader.vec16()
        if hint:
            yield Part(Kind.NAME, hint)
        if not reader.remaining:
            return
        reader.take(3)
        yield from self._share(reader.vec8())
        if reader.remaining:
            reader.take(2)
            yield _signature(reader.vec16())

    def _client_key_exchange(self, body: bytes) -> _Parts:
        whole = Reader(body)
        if len(body) in (_POINT + 1, _X + 1) and body[0] == len(body) - 1:
            yield from self._share(whole.vec8())
            return
        yield from self._new(Kind.NAME, whole.vec16())
        if whole.remaining:
            yield from self._share(whole.vec8())


def _connection_id(extensions: Extensions) -> _Parts:
    cid = extensions.find(ConnectionId)
    if cid is not None and cid.cid:
        yield Part(Kind.NAME, cid.cid)


def _coordinate(key: bytes) -> bytes:
    """The x of a point, any other key as it is."""
    return key[1 : 1 + _X] if len(key) == _POINT and key[0] == 4 else key


def _raw_key(spki: bytes) -> bytes:
    """What counts of a SubjectPublicKeyInfo: x of P-256, or the key of Ed25519."""
    at = len(spki) - (2 * _X if len(spki) == _P256_SPKI else _X)
    return spki[at : at + _X]


def _signature(signature: bytes) -> Part:
    """A signature: r and s where it is ECDSA in DER."""
    if len(signature) > _SHORT_SIGNATURES or len(signature) == _SIGNATURE:
        return Part(Kind.SIGNATURE, signature)
    try:
        r, s = decode_dss_signature(signature)
        whole = r.to_bytes(_X, "big") + s.to_bytes(_X, "big")
    except (ValueError, OverflowError):
        whole = signature.rjust(_SIGNATURE, b"\0")[-_SIGNATURE:]
    return Part(Kind.SIGNATURE, whole)


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
