"""ClientHello: a head, what the hello offers that its shape does not say, and what is random.

::

    head [flags] [lists] [extras] random(32|0) [share] [psk]

The head names a shape (:mod:`.shapes`).  Flags tell how many bytes of a digest name a raw public
key that the client knows, and what follows: the numbers of lists (:mod:`.lists`), and extras: a
byte of which there are, then each of them.  A share of X25519 has 32 bytes, one of P-256 the 32 of
its x, and any other key_share stands with its length.  pre_shared_key comes last: binder (32), then
the identity up to the end; where there is an age, several identities or another binder, extras say
so.  A random that follows from the share is left out (:mod:`~.tls.derived`).

Every other hello has no short form.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Final

from handshake_over_coap.tls.alerts import DecodeError
from handshake_over_coap.tls.derived import derived_random
from handshake_over_coap.tls.flight import HandshakeMessage
from handshake_over_coap.tls.wire import MAX_U8, Reader, u8, u16, u32, vec8, vec16

from . import lists, points
from .lists import Lists
from .shapes import (
    EXTRAS_FOLLOW,
    GROUPS,
    HEADS,
    LISTS_FOLLOW,
    NUMBERS,
    OPTIONAL,
    PSK,
    REFERENCES,
    SCHEMES,
    SHAPES,
    SHARE,
    Head,
    Shape,
    tables_of,
)

RANDOM_SIZE: Final = 32
BINDER_SIZE: Final = 32

_LEGACY_VERSION = b"\xfe\xfd"
_NO_SESSION_AND_COOKIE = b"\0\0"
_NO_COMPRESSION = b"\1\0"

_AGE: Final = 1 << len(OPTIONAL)
_ANY_PSK: Final = _AGE << 1


@dataclass(frozen=True, slots=True)
class Opened:
    """A ClientHello in its parts; ``extensions`` in order."""

    random: bytes
    suites: bytes
    extensions: tuple[tuple[int, bytes], ...]

    def get(self, number: int) -> bytes | None:
        """The content of an extension."""
        for each, data in self.extensions:
            if each == number:
                return data
        return None


@lru_cache(maxsize=16)
def opened(body: bytes) -> Opened | None:
    """The parts of a hello; None for one of an unusual form, with a session or a cookie."""
    start = len(_LEGACY_VERSION) + RANDOM_SIZE
    if body[:2] != _LEGACY_VERSION or body[start : start + 2] != _NO_SESSION_AND_COOKIE:
        return None
    try:
        reader = Reader(body[start + 2 :])
        suites = reader.vec16()
        if reader.take(2) != _NO_COMPRESSION:
            return None
        return Opened(body[2:start], suites, read_extensions(reader))
    except DecodeError:
        return None


def read_extensions(reader: Reader) -> tuple[tuple[int, bytes], ...]:
    """The extensions up to the end of a hello; raises DecodeError."""
    block = Reader(reader.vec16())
    reader.done()
    found = []
    while block.remaining:
        found.append((block.u16(), block.vec16()))
    return tuple(found)


def write_extensions(extensions: tuple[tuple[int, bytes], ...]) -> bytes:
    """The block of extensions with its length."""
    return vec16(b"".join(u16(number) + vec16(data) for number, data in extensions))


def write(message: HandshakeMessage, references: int) -> bytes | None:
    """The short form of a ClientHello; None if it has none.

    ``references`` is how many bytes name a key that the client knows, 0 to 3.
    """
    hello = opened(message.body)
    if hello is None:
        return None
    for shape in _SHAPES_BY_NUMBERS.get(_own_numbers(hello), ()):
        body = _write(shape, hello, references)
        if body is not None:
            return body
    return None


def _own_numbers(hello: Opened) -> tuple[int, ...]:
    return tuple(number for number, _ in hello.extensions if number not in OPTIONAL)


_SHAPES_BY_NUMBERS: Final[dict[tuple[int, ...], list[Shape]]] = {}
for _shape in SHAPES:
    _own = tuple(number for number, _ in _shape.extensions if number not in OPTIONAL)
    _SHAPES_BY_NUMBERS.setdefault(_own, []).append(_shape)


def _write(shape: Shape, hello: Opened, references: int) -> bytes | None:
    """The short form in one shape, if it is of that."""
    if not _fits(shape, hello):
        return None
    found = _share(shape, hello)
    if found is None:
        return None
    code, share, secret = found
    psk = _write_psk(hello.get(PSK)) if shape.has_psk else (0, b"")
    if psk is None:
        return None
    derived = secret is not None and hello.random == derived_random(secret)
    derived = derived and Head(shape, code, True) in NUMBERS
    head = Head(shape, code, derived)
    try:
        groups, schemes = (_listed(shape, hello, each) for each in (GROUPS, SCHEMES))
        offered = Lists(hello.suites, groups, schemes)
    except DecodeError:
        return None
    numbers = offered.write(tables_of(shape, code))
    extras = _extras(shape, hello, psk[0])
    if extras is None:
        return None
    flags = references | (LISTS_FOLLOW if numbers else 0) | (EXTRAS_FOLLOW if extras else 0)
    return b"".join(
        (
            u8(NUMBERS[head] << 1 | bool(flags)),
            u8(flags) if flags else b"",
            numbers,
            extras,
            b"" if derived else hello.random,
            share,
            psk[1],
        )
    )


def _listed(shape: Shape, hello: Opened, number: int) -> bytes | None:
    """The list in supported_groups or signature_algorithms, where the shape leaves that open.

    Raises DecodeError if it is none.
    """
    content = hello.get(number)
    if content is None or (number, None) not in shape.extensions:
        return None
    reader = Reader(content)
    found = reader.vec16()
    reader.done()
    return found


def _fits(shape: Shape, hello: Opened) -> bool:
    """Whether order and contents of the extensions are those of the shape."""
    given = iter(hello.extensions)
    number, data = next(given, (None, b""))
    for expected, content in shape.extensions:
        if number == expected:
            if content is not None and content != data:
                return False
            number, data = next(given, (None, b""))
        elif expected not in OPTIONAL or content is not None:
            return False
    return number is None


def _share(shape: Shape, hello: Opened) -> tuple[int | None, bytes, bytes | None] | None:
    """Code and bytes of the share, and what a random may follow from; None if there is no form."""
    content = hello.get(SHARE)
    if not shape.has_share or content is None:
        return None, b"", None
    try:
        reader = Reader(content)
        entries = Reader(reader.vec16())
        reader.done()
        group, key = entries.u16(), entries.vec16()
        entries.done()
        short = points.short_share(group, key)
    except DecodeError:
        short = None
    if short is not None:
        return (*short, short[1])
    return points.OTHER, vec16(content), None


def _extras(shape: Shape, hello: Opened, psk: int) -> bytes | None:
    """A byte of which there are, and each with its length; None where one is too long."""
    which, parts = psk, []
    for place, number in enumerate(OPTIONAL):
        content = hello.get(number)
        if content is not None and (number, content) not in shape.extensions:
            which |= 1 << place
            if len(content) > MAX_U8:
                return None
            parts.append(vec8(content))
    return u8(which) + b"".join(parts) if which else b""


def _write_psk(content: bytes | None) -> tuple[int, bytes] | None:
    """Flags and bytes of pre_shared_key: one identity with one binder, or all as it is."""
    if content is None:
        return None
    try:
        reader = Reader(content)
        identities, binders = Reader(reader.vec16()), Reader(reader.vec16())
        reader.done()
        identity, age = identities.vec16(1), identities.u32()
        binder = binders.vec8(BINDER_SIZE, BINDER_SIZE)
        identities.done()
        binders.done()
    except DecodeError:
        return _ANY_PSK, content
    return (_AGE, u32(age) + binder + identity) if age else (0, binder + identity)


def read(reader: Reader) -> tuple[bytes, int]:
    """The ClientHello of a short form, and its ``references``; raises DecodeError.

    What has a shorter form is not refused here: :func:`write` tells.
    """
    first = reader.u8()
    if first >> 1 >= len(HEADS):
        raise DecodeError(f"no shape of a hello has the head {first}")
    head = HEADS[first >> 1]
    flags = reader.u8() if first & 1 else 0
    if flags & ~(REFERENCES | LISTS_FOLLOW | EXTRAS_FOLLOW):
        raise DecodeError(f"unknown flags {flags:#x} in a hello")
    offered = lists.read(
        reader if flags & LISTS_FOLLOW else None, tables_of(head.shape, head.share)
    )
    which, extras = _read_extras(reader) if flags & EXTRAS_FOLLOW else (0, {})
    random = b"" if head.derived else reader.take(RANDOM_SIZE)
    slots: dict[int, bytes] = dict(extras)
    if offered.groups is not None:
        slots[GROUPS] = offered.groups
    if offered.schemes is not None:
        slots[SCHEMES] = offered.schemes
    if head.share is not None:
        share, secret = _read_share(head.share, reader)
        slots[SHARE] = share
        random = derived_random(secret) if head.derived else random
    if head.shape.has_psk:
        slots[PSK] = _read_psk(which, reader)
    reader.done()
    return _built(head.shape, random, offered.suites, slots), flags & REFERENCES


def _built(shape: Shape, random: bytes, suites: bytes, slots: dict[int, bytes]) -> bytes:
    extensions = []
    for number, content in shape.extensions:
        data = slots.get(number) if content is None else content
        if data is not None:
            data = vec16(data) if number in (GROUPS, SCHEMES) and content is None else data
            extensions.append((number, data))
    return b"".join(
        (
            _LEGACY_VERSION,
            random,
            _NO_SESSION_AND_COOKIE,
            vec16(suites),
            _NO_COMPRESSION,
            write_extensions(tuple(extensions)),
        )
    )


def _read_extras(reader: Reader) -> tuple[int, dict[int, bytes]]:
    which = reader.u8()
    found = {}
    for place, number in enumerate(OPTIONAL):
        if which >> place & 1:
            found[number] = reader.vec8()
    return which, found


def _read_share(code: int, reader: Reader) -> tuple[bytes, bytes]:
    """The content of key_share, and its 32 bytes where it has a short form."""
    if code == points.OTHER:
        return reader.vec16(), b""
    short = reader.take(points.SIZE)
    group, key = points.whole_share(code, short)
    return vec16(u16(group) + vec16(key)), short


def _read_psk(which: int, reader: Reader) -> bytes:
    if which & _ANY_PSK:
        return reader.rest()
    age = reader.u32() if which & _AGE else 0
    binder = reader.take(BINDER_SIZE)
    return vec16(vec16(reader.rest(), 1) + u32(age)) + vec16(vec8(binder))
