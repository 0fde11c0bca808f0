"""ServerHello of 1.3, and HelloRetryRequest, in what they say that the ClientHello has not.

::

    head [flags [suite 16] [identity 16] [cid]] random(32|0) [share]     ServerHello
    head [flags [suite 16]] group 16                                     HelloRetryRequest

The suite is the first that was offered and the pre-shared key the first, unless flags say
otherwise.  Every other ServerHello has no short form.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import lru_cache
from itertools import product
from typing import Final

from handshake_over_coap.tls.alerts import DecodeError
from handshake_over_coap.tls.derived import derived_random
from handshake_over_coap.tls.messages.hello13 import HELLO_RETRY_RANDOM
from handshake_over_coap.tls.wire import Reader, u8, u16, vec8, vec16

from . import points
from .hello import RANDOM_SIZE, Opened, read_extensions, write_extensions
from .shapes import CID, PSK, SHARE, VERSIONS

_LEGACY_VERSION = b"\xfe\xfd"
_1_3: Final = b"\xfe\xfc"
_SUITE, _IDENTITY, _CID = 1, 2, 4
_FLAGS: Final = _SUITE | _IDENTITY | _CID


@dataclass(frozen=True, slots=True)
class _Head:
    """What the head byte says: a HelloRetryRequest, or whether a pre-shared key is used.

    ``share`` is how the share stands, None for none; ``derived`` whether the random follows from
    it.
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
    return (_Head(psk=True), *with_share, _Head(retry=True))


_HEADS: Final = _heads()
_NUMBERS: Final = {head: number for number, head in enumerate(_HEADS)}

HEADS_OF_1_3: Final = len(_HEADS)
"""Heads that are taken; those of a server's flight of 1.2 come after them."""


@dataclass(frozen=True, slots=True)
class _Fields:
    """A ServerHello of 1.3 in its parts; None for an extension that it does not have."""

    random: bytes
    suite: int
    share: bytes | None = None
    psk: int | None = None
    cid: bytes | None = None

    def whole(self) -> bytes:
        """The message."""
        found = [(VERSIONS, _1_3)]
        if self.share is not None:
            found.append((SHARE, self.share))
        if self.psk is not None:
            found.append((PSK, u16(self.psk)))
        if self.cid is not None:
            found.append((CID, self.cid))
        return b"".join(
            (
                _LEGACY_VERSION,
                self.random,
                b"\0",
                u16(self.suite),
                b"\0",
                write_extensions(tuple(found)),
            )
        )


@lru_cache(maxsize=64)
def is_1_3(body: bytes) -> bool:
    """Whether a ServerHello, well formed or not, chooses DTLS 1.3."""
    reader = Reader(body)
    try:
        reader.take(2 + RANDOM_SIZE)
        reader.vec8()
        reader.take(3)
        return (VERSIONS, _1_3) in read_extensions(reader)
    except DecodeError:
        return False


def is_retry(body: bytes) -> bool:
    """Whether a ServerHello is a HelloRetryRequest."""
    return body[2 : 2 + RANDOM_SIZE] == HELLO_RETRY_RANDOM


def _parsed(body: bytes) -> _Fields | None:
    """The parts; None where they do not give the same message back."""
    try:
        reader = Reader(body)
        reader.take(2)
        random = reader.take(RANDOM_SIZE)
        reader.take(1)
        suite = reader.u16()
        reader.take(1)
        extensions = dict(read_extensions(reader))
        psk = extensions.get(PSK)
        number = None if psk is None else Reader(psk).u16()
    except DecodeError:
        return None
    fields = _Fields(random, suite, extensions.get(SHARE), number, extensions.get(CID))
    return fields if fields.whole() == body else None


def first_suite(hello: Opened | None) -> int | None:
    """The first suite that a ClientHello offers."""
    return None if hello is None or len(hello.suites) < 2 else Reader(hello.suites).u16()


def write(body: bytes, hello: Opened | None) -> bytes | None:
    """The short form of a ServerHello that answers ``hello``; None if it has none."""
    fields = _parsed(body)
    if fields is None:
        return None
    flags, said = 0, b""
    if fields.suite != first_suite(hello):
        flags, said = _SUITE, u16(fields.suite)
    if is_retry(body):
        if fields.share is None or len(fields.share) != 2 or fields.psk or fields.cid is not None:
            return None
        return _begin(_Head(retry=True), flags, said) + fields.share
    if fields.psk:
        flags, said = flags | _IDENTITY, said + u16(fields.psk)
    if fields.cid is not None:
        if len(fields.cid) > 0xFF:
            return None
        flags, said = flags | _CID, said + vec8(fields.cid)
    code, share, derived = _short_share(fields)
    head = _Head(psk=fields.psk is not None, share=code, derived=derived)
    if head not in _NUMBERS:
        return None
    return _begin(head, flags, said) + (b"" if derived else fields.random) + share


def _begin(head: _Head, flags: int, said: bytes) -> bytes:
    first = u8(_NUMBERS[head] << 1 | bool(flags))
    return first + u8(flags) + said if flags else first


def _short_share(fields: _Fields) -> tuple[int | None, bytes, bool]:
    """Code and bytes of the share, and whether the random follows from it."""
    if fields.share is None:
        return None, b"", False
    try:
        reader = Reader(fields.share)
        group, key = reader.u16(), reader.vec16()
        reader.done()
        short = points.short_share(group, key)
    except DecodeError:
        short = None
    if short is None:
        return points.OTHER, vec16(fields.share), False
    return (*short, fields.random == derived_random(short[1]))


def read(reader: Reader, hello: Opened | None) -> bytes:
    """The ServerHello of a short form, up to what is sealed; raises DecodeError."""
    first = reader.u8()
    if first >> 1 >= len(_HEADS):
        raise DecodeError(f"no shape of a ServerHello has the head {first}")
    head = _HEADS[first >> 1]
    flags = reader.u8() if first & 1 else 0
    suite = reader.u16() if flags & _SUITE else first_suite(hello)
    if suite is None or flags & ~_FLAGS:
        raise DecodeError("a ServerHello of no suite, or with unknown flags")
    if head.retry:
        return _Fields(HELLO_RETRY_RANDOM, suite, reader.take(2)).whole()
    identity = reader.u16() if flags & _IDENTITY else 0
    cid = reader.vec8() if flags & _CID else None
    random = b"" if head.derived else reader.take(RANDOM_SIZE)
    fields = _Fields(random, suite, None, identity if head.psk else None, cid)
    if head.share is None:
        return fields.whole()
    if head.share == points.OTHER:
        return replace(fields, share=reader.vec16()).whole()
    short = reader.take(points.SIZE)
    group, key = points.whole_share(head.share, short)
    random = derived_random(short) if head.derived else random
    return replace(fields, random=random, share=u16(group) + vec16(key)).whole()
