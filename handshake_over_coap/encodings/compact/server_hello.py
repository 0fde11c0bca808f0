"""ServerHello of 1.3, and HelloRetryRequest, in what they say that the ClientHello has not.

::

    head [flags [suite 16] [identity 16] [cid]] random(32|16|0) [share]  ServerHello
    head [flags [suite 16]] group 16                                     HelloRetryRequest

The suite is the first that was offered and the pre-shared key the first, unless flags say
otherwise.  Every other ServerHello has no short form.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product
from typing import Final, NamedTuple

from handshake_over_coap.tls.alerts import DecodeError
from handshake_over_coap.tls.derived import SEED_SIZE, derived_random, is_seeded, seeded_random
from handshake_over_coap.tls.messages.hello13 import HELLO_RETRY_RANDOM
from handshake_over_coap.tls.wire import MAX_U8, Reader, u8, u16, vec8, vec16

from . import points
from .opened import LEGACY_VERSION, RANDOM_SIZE, Opened, answered, follows, joined, left_of
from .shapes import CID, PSK, SHARE, VERSIONS

_1_3: Final = b"\xfe\xfc"
_CHOOSES_1_3: Final = joined(((VERSIONS, _1_3),))
_SHARE_HEADER: Final = 4
_SUITE, _IDENTITY, _CID = 1, 2, 4


@dataclass(frozen=True, slots=True)
class _Head:
    """What the head byte says: a HelloRetryRequest, or whether a pre-shared key is used.

    ``share`` is how the share stands, None for none; ``derived`` whether the random follows from
    it, or, without one, its second half from the first.
    """

    retry: bool = False
    psk: bool = False
    share: int | None = None
    derived: bool = False


def _heads() -> tuple[_Head, ...]:
    codes = (points.EVEN, points.ODD, points.X25519, points.OTHER)
    with_share = [
        _Head(psk=psk, share=code, derived=derived)
        for psk, code, derived in product((False, True), codes, (False, True))
        if not (derived and code == points.OTHER)
    ]
    seeded = _Head(psk=True, derived=True)
    return (_Head(psk=True), *with_share, _Head(retry=True), seeded)


_HEADS: Final = _heads()
_NUMBERS: Final = {head: number for number, head in enumerate(_HEADS)}

HEADS_OF_1_3: Final = len(_HEADS)
"""Heads that are taken; those of a server's flight of 1.2 come after them."""


class _Fields(NamedTuple):
    """A ServerHello of 1.3 in its parts; None for an extension that it does not have."""

    random: bytes
    suite: int
    share: bytes | None = None
    psk: int | None = None
    cid: bytes | None = None

    def whole(self) -> bytes:
        """The message."""
        found = _CHOOSES_1_3
        if self.share is not None:
            found += joined(((SHARE, self.share),))
        if self.psk is not None:
            found += joined(((PSK, u16(self.psk)),))
        if self.cid is not None:
            found += joined(((CID, self.cid),))
        return b"%b%b\0%b\0%b" % (LEGACY_VERSION, self.random, u16(self.suite), vec16(found))


def is_1_3(body: bytes) -> bool:
    """Whether a ServerHello chooses DTLS 1.3."""
    parts = answered(body)
    return parts is not None and parts.extensions.get(VERSIONS) == _1_3


def is_retry(body: bytes) -> bool:
    """Whether a ServerHello is a HelloRetryRequest."""
    return body[2 : 2 + RANDOM_SIZE] == HELLO_RETRY_RANDOM


def _parsed(body: bytes) -> _Fields | None:
    """The parts; None where they do not give the same message back."""
    parts = answered(body)
    if parts is None:
        return None
    found = parts.extensions
    psk = found.get(PSK)
    if psk is not None and len(psk) != 2:
        return None
    number = None if psk is None else psk[0] << 8 | psk[1]
    fields = _Fields(parts.random, parts.suite, found.get(SHARE), number, found.get(CID))
    return fields if fields.whole() == body else None


def first_suite(hello: Opened | None) -> int | None:
    """The first suite that a ClientHello offers."""
    if hello is None or len(hello.suites) < 2:
        return None
    return hello.suites[0] << 8 | hello.suites[1]


def write(body: bytes, hello: Opened | None) -> bytes | None:
    """The short form of a ServerHello that answers ``hello``; None if it has none."""
    fields = _parsed(body)
    if fields is None:
        return None
    flags, said = 0, b""
    if fields.suite != first_suite(hello):
        flags, said = _SUITE, u16(fields.suite)
    if is_retry(body):
        if fields.share is None or len(fields.share) != 2:
            return None
        if fields.psk is not None or fields.cid is not None:
            return None
        return _begin(_Head(retry=True), flags, said) + fields.share
    if fields.psk:
        flags, said = flags | _IDENTITY, said + u16(fields.psk)
    if fields.cid is not None:
        if len(fields.cid) > MAX_U8:
            return None
        flags, said = flags | _CID, said + vec8(fields.cid)
    code, share, secret = _short_share(fields.share)
    derived = follows(fields.random, secret, with_psk=fields.psk is not None and code is None)
    head = _Head(psk=fields.psk is not None, share=code, derived=derived)
    if head not in _NUMBERS:
        return None
    return _begin(head, flags, said) + left_of(fields.random, code, derived) + share


def _begin(head: _Head, flags: int, said: bytes) -> bytes:
    first = u8(_NUMBERS[head] << 1 | bool(flags))
    return first + u8(flags) + said if flags else first


def _short_share(content: bytes | None) -> tuple[int | None, bytes, bytes | None]:
    """Code and bytes of the share, and what a random may follow from; None where there is none."""
    if content is None:
        return None, b"", None
    if len(content) >= _SHARE_HEADER:
        group, length = content[0] << 8 | content[1], content[2] << 8 | content[3]
        key = content[_SHARE_HEADER:]
        short = points.short_share(group, key) if length == len(key) else None
        if short is not None:
            return (*short, short[1])
    return points.OTHER, vec16(content), None


def read(reader: Reader, hello: Opened | None) -> bytes:
    """The ServerHello of a short form, up to what is sealed.

    Raises DecodeError for anything that :func:`write` does not produce.
    """
    first = reader.u8()
    if first >> 1 >= len(_HEADS):
        raise DecodeError(f"no shape of a ServerHello has the head {first}")
    head = _HEADS[first >> 1]
    flags = reader.u8() if first & 1 else 0
    allowed = _SUITE if head.retry else _SUITE | _CID | (_IDENTITY if head.psk else 0)
    if flags & ~allowed or (first & 1 and not flags):
        raise DecodeError("flags of a ServerHello that are unknown, or none")
    usual = first_suite(hello)
    suite = reader.u16() if flags & _SUITE else usual
    if suite is None or (flags & _SUITE and suite == usual):
        raise DecodeError("a ServerHello of no suite, or with the usual one written out")
    if head.retry:
        return _Fields(HELLO_RETRY_RANDOM, suite, reader.take(2)).whole()
    identity = reader.u16() if flags & _IDENTITY else 0
    if flags & _IDENTITY and not identity:
        raise DecodeError("the first identity written out")
    psk = identity if head.psk else None
    cid = reader.vec8() if flags & _CID else None
    random, share = b"", None
    if not head.derived:
        random = reader.take(RANDOM_SIZE)
    if head.share is not None:
        share, following = _read_share(head.share, reader)
        if not head.derived and random == following:
            raise DecodeError("a random written out that follows from the share")
        random = following if head.derived else random
    elif head.derived:
        random = seeded_random(reader.take(SEED_SIZE))
    elif is_seeded(random):
        raise DecodeError("a random written out that follows from a seed")
    if random == HELLO_RETRY_RANDOM:
        raise DecodeError("a HelloRetryRequest as a ServerHello")
    return _Fields(random, suite, share, psk, cid).whole()


def _read_share(code: int, reader: Reader) -> tuple[bytes, bytes]:
    """The content of key_share, and the random that follows from it, if any does."""
    if code == points.OTHER:
        content = reader.vec16()
        if _short_share(content)[0] != points.OTHER:
            raise DecodeError("a share written out that has a short form")
        return content, b""
    short = reader.take(points.SIZE)
    group, key = points.whole_share(code, short)
    return u16(group) + vec16(key), derived_random(short)
