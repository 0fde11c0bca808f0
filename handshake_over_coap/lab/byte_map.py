"""What each byte of a flight is.

A body, or the datagrams of a flight over UDP, with what is sealed in it laid open: in that the
values that no encoding saves (:mod:`~..encodings.floor`) are looked up.  What is left is either
inside a message as DTLS has it, or stands around messages and in their place.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from typing import Any, Final, NamedTuple, TypeAlias, cast

from handshake_over_coap.carriers.reassembly import read_fragments
from handshake_over_coap.encodings import Encoding, FlightItem
from handshake_over_coap.encodings.base import EpochContext, FlightContext
from handshake_over_coap.encodings.floor import Kind, Part
from handshake_over_coap.encodings.items import StandardRecord, Unsealed
from handshake_over_coap.records.dtls12 import (
    EXPLICIT_NONCE_LENGTH,
    PlaintextRecord,
    SealedRecord,
    split_datagram,
)
from handshake_over_coap.records.dtls13 import CiphertextRecord, split13
from handshake_over_coap.records.opener import Opener
from handshake_over_coap.records.opener13 import Opener13
from handshake_over_coap.tls.codepoints import ContentType
from handshake_over_coap.tls.flight import HandshakeMessage, split_messages
from handshake_over_coap.tls.suites import AeadAlgorithm, AeadCipher

HEAD: Final = "head"
"""Headers of records and messages, and what stands in their place: shapes, flags, lengths."""

REST: Final = "rest"
"""All else that a message holds: lists, lengths, names, the y of points, DER."""

KINDS: Final = (
    Kind.RANDOM,
    Kind.SHARE,
    Kind.KEY,
    Kind.CHAIN,
    Kind.SIGNATURE,
    Kind.FINISHED,
    Kind.BINDER,
    Kind.NAME,
    Kind.TAG,
    Kind.OTHER,
    HEAD,
    REST,
)
"""What a byte can be, in the order of tables."""

_HALF: Final = 32
_SHORT: Final = 8
"""Values of fewer bytes may be found where they are not meant: they are looked for from the end."""

Run: TypeAlias = tuple[str, int]
"""So many bytes of one kind."""


class Sealed(NamedTuple):
    """What an algorithm has sealed: ``ciphertext`` includes the tag."""

    plaintext: bytes
    ciphertext: bytes
    tag_length: int


@dataclass(frozen=True, slots=True)
class Opened:
    """A flight laid open: its bytes, and where in them tags stand (place and length)."""

    data: bytes = field(repr=False)
    tags: tuple[tuple[int, int], ...]

    @classmethod
    def of(cls, body: bytes, sealed: Iterable[Sealed]) -> Opened:
        """``body`` with the plaintext of everything ``sealed`` in it."""
        tags = []
        for each in sealed:
            at = body.rfind(each.ciphertext)
            if at < 0:
                continue
            end = at + len(each.ciphertext)
            tag = each.ciphertext[len(each.ciphertext) - each.tag_length :]
            plain = each.plaintext + bytes(len(each.ciphertext) - len(each.plaintext) - len(tag))
            body = body[:at] + plain + tag + body[end:]
            tags.append((end - len(tag), len(tag)))
        return cls(body, tuple(tags))


def runs(opened: Opened, items: Iterable[FlightItem], parts: Iterable[Part]) -> tuple[Run, ...]:
    """What the bytes of a flight are, in their order.

    ``items`` is the flight, ``parts`` what :meth:`.Floor.parts` has found in it.
    """
    kinds = [HEAD] * len(opened.data)
    for at, length in _inside(opened.data, _bodies(items)):
        kinds[at : at + length] = [REST] * length
    free = bytearray(b"\1" * len(kinds))
    for at, length in opened.tags:
        _claim(kinds, free, at, length, Kind.TAG)
    values = [value for part in parts if part.kind != Kind.TAG for value in _values(part)]
    for kind, value in sorted(values, key=lambda each: -len(each[1])):
        at = _find(opened.data, value, free)
        if at >= 0:
            _claim(kinds, free, at, len(value), kind)
    return tuple((kind, len(list(group))) for kind, group in groupby(kinds))


def _claim(kinds: list[str], free: bytearray, at: int, length: int, kind: str) -> None:
    kinds[at : at + length] = [kind] * length
    free[at : at + length] = bytes(length)


def _values(part: Part) -> list[tuple[str, bytes]]:
    """What to look for: r and s of a signature, without the zeros that DER leaves out."""
    if part.kind != Kind.SIGNATURE or len(part.data) != 2 * _HALF:
        return [(part.kind, part.data)]
    halves = part.data[:_HALF], part.data[_HALF:]
    return [(part.kind, half.lstrip(b"\0") or b"\0") for half in halves]


def _find(data: bytes, value: bytes, free: bytearray) -> int:
    """The first place, of short values the last one, where all bytes are free; -1 for none."""
    if not value:
        return -1
    places = []
    at = data.find(value)
    while at >= 0:
        if all(free[at : at + len(value)]):
            places.append(at)
            if len(value) >= _SHORT:
                break
        at = data.find(value, at + 1)
    return places[-1] if places else -1


def _bodies(items: Iterable[FlightItem]) -> Iterator[bytes]:
    """The bodies of all messages, and the plaintext of all other records."""
    for item in items:
        if isinstance(item, HandshakeMessage):
            yield item.body
        elif isinstance(item, Unsealed) and item.content_type == ContentType.handshake:
            yield from (each.body for each in split_messages(item.plaintext, item.epoch))
        elif isinstance(item, Unsealed):
            yield item.plaintext


def _inside(data: bytes, bodies: Iterable[bytes]) -> list[tuple[int, int]]:
    """Where the bodies stand, one after the other; nothing unless all of them do."""
    found, cursor = [], 0
    for body in bodies:
        at = data.find(body, cursor)
        if at < 0:
            return []
        found.append((at, len(body)))
        cursor = at + len(body)
    return found


# -- flights over CoAP: an encoding that remembers what it has sealed


class Watching:
    """Does what ``encoding`` does, and keeps what was ``sealed`` since it was last emptied.

    A side that does not ``tell`` says nothing of the raw public keys that it has pinned, and so is
    shown them whole.
    """

    def __init__(self, encoding: Encoding, *, tell: bool = True) -> None:
        self._encoding = encoding
        self._tell = tell
        self.sealed: list[Sealed] = []
        self.name = encoding.name
        self.content_format = encoding.content_format

    def encode(self, flight: Sequence[FlightItem], context: FlightContext) -> bytes:
        """The body of the encoding that is watched."""
        return self._encoding.encode(flight, self._watched(context))

    def decode(self, body: bytes, context: FlightContext) -> Iterator[FlightItem]:
        """The items as the encoding that is watched gives them."""
        return self._encoding.decode(body, self._watched(context))

    def _watched(self, context: FlightContext) -> FlightContext:
        pins = context.pins if self._tell else frozenset()
        return cast(FlightContext, _WatchedContext(context, pins, self.sealed))

    def hello(self, body: bytes) -> HandshakeMessage | None:
        """The ClientHello that a body is."""
        return self._encoding.hello(body)


class _WatchedContext:
    """A flight's context in which nothing is sealed unseen; all else is as it was."""

    def __init__(
        self, context: FlightContext, pins: frozenset[bytes], sealed: list[Sealed]
    ) -> None:
        self._context = context
        self.pins = pins
        self._sealed = sealed

    def __getattr__(self, name: str) -> Any:
        return getattr(self._context, name)

    @property
    def references(self) -> int:
        return self._context.references

    @references.setter
    def references(self, size: int) -> None:
        self._context.references = size

    def seal(self, record: Unsealed, *, last: bool) -> StandardRecord:
        standard = self._context.seal(record, last=last)
        if isinstance(standard, CiphertextRecord):
            ciphertext = standard.ciphertext
        else:
            ciphertext = standard.fragment[EXPLICIT_NONCE_LENGTH:]
        self._sealed.append(Sealed(record.plaintext, ciphertext, record.tag_length))
        return standard

    def epoch(self, number: int) -> EpochContext:
        view = self._context.epoch(number)
        return cast(EpochContext, _WatchedEpoch(view, self._sealed))


class _WatchedEpoch:
    def __init__(self, view: EpochContext, sealed: list[Sealed]) -> None:
        self._view = view
        self.aead = cast(AeadAlgorithm, _WatchedAead(view.aead, sealed))

    def __getattr__(self, name: str) -> Any:
        return getattr(self._view, name)


class _WatchedAead:
    def __init__(self, aead: AeadAlgorithm, sealed: list[Sealed]) -> None:
        self._aead = aead
        self._sealed = sealed

    def __getattr__(self, name: str) -> Any:
        return getattr(self._aead, name)

    def make(self, key: bytes) -> AeadCipher:
        cipher = self._aead.make(key)
        return cast(AeadCipher, _WatchedCipher(cipher, self._aead.tag_length, self._sealed))


class _WatchedCipher:
    def __init__(self, cipher: AeadCipher, tag_length: int, sealed: list[Sealed]) -> None:
        self._cipher = cipher
        self._tag_length = tag_length
        self._sealed = sealed
        self.decrypt = cipher.decrypt

    def encrypt(self, nonce: bytes, data: bytes, additional_data: bytes | None) -> bytes:
        ciphertext = self._cipher.encrypt(nonce, data, additional_data)
        self._sealed.append(Sealed(data, ciphertext, self._tag_length))
        return ciphertext


# -- flights over UDP: datagrams and the keys to them


def open_datagrams(
    datagrams: Iterable[bytes], opener: Opener | Opener13 | None, tag_length: int
) -> tuple[Opened, tuple[FlightItem, ...]]:
    """A flight's datagrams laid open, and what it says; ``opener`` has its sender's keys.

    Raises RecordDropped for a record that they do not open.
    """
    whole = tuple(datagrams)
    sealed, items = list[Sealed](), list[FlightItem]()
    split = split13 if isinstance(opener, Opener13) else split_datagram
    for record in (record for data in whole for record in split(data)):
        if isinstance(record, PlaintextRecord):
            if record.content_type == ContentType.handshake:
                items += _messages(record.fragment)
            continue
        if isinstance(record, CiphertextRecord) and isinstance(opener, Opener13):
            inner = opener.open(record)
            ciphertext, said = record.ciphertext, inner.plaintext
            kind, epoch = inner.content_type, inner.epoch
        elif isinstance(record, SealedRecord) and isinstance(opener, Opener):
            ciphertext, said = record.fragment[EXPLICIT_NONCE_LENGTH:], opener.open(record)
            kind, epoch = record.content_type, record.epoch
        else:
            continue
        sealed.append(Sealed(said, ciphertext, tag_length))
        items.append(Unsealed(epoch, 0, kind, said, tag_length))
    return Opened.of(b"".join(whole), sealed), tuple(items)


def _messages(content: bytes) -> Iterator[HandshakeMessage]:
    for part in read_fragments(content, 0):
        yield HandshakeMessage(part.type, part.data, part.message_seq)
