"""ClientHello: a head, what the hello offers that its shape does not say, and what is random.

::

    head [flags] [lists] [extras] random(32|16|0) [share] [psk]

The head names a shape (:mod:`.shapes`).  Flags tell how many bytes of a digest name a raw public
key that the client knows, and what follows: the numbers of lists (:mod:`.lists`), and extras: a
byte of which there are, then each of them.  A share of X25519 has 32 bytes, one of P-256 the 32 of
its x, and any other key_share stands with its length.  pre_shared_key comes last: binder (32), then
the identity up to the end; where there is an age, several identities or another binder, extras say
so.  A random that follows from the share is left out, and the half of one that follows from the
other (:mod:`~.tls.derived`).

Every other hello has no short form.

What stands before the random is the *beginning*; it settles all of a hello but its random parts.
:mod:`.templates` keeps what follows from the beginnings that were seen last.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Final

from handshake_over_coap.tls.alerts import DecodeError
from handshake_over_coap.tls.flight import HandshakeMessage
from handshake_over_coap.tls.wire import MAX_U8, Reader, u8, u32, vec8, vec16

from . import points
from .lists import Lists
from .opened import Extension, Opened, follows, left_of, opened
from .shapes import (
    EXTRAS_FOLLOW,
    GROUPS,
    LISTS_FOLLOW,
    NUMBERS,
    OPTIONAL,
    PSK,
    SCHEMES,
    SHAPES,
    SHARE,
    Head,
    Shape,
    tables_of,
)

BINDER_SIZE: Final = 32

AGE: Final = 1 << len(OPTIONAL)
ANY_PSK: Final = AGE << 1

_KEPT: Final = 64
"""Of how many kinds of hellos the beginnings are kept."""


def write(message: HandshakeMessage, references: int) -> bytes | None:
    """The short form of a ClientHello; None if it has none.

    ``references`` is how many bytes name a key that the client knows, 0 to 3.
    """
    hello = opened(message.body)
    if hello is None:
        return None
    code, share, secret = short_share(hello.get(SHARE))
    psk_flags, psk = short_psk(hello.get(PSK))
    is_derived = follows(hello.random, secret, with_psk=code is None and PSK in hello.by_number)
    fixed = tuple(each if each[0] not in (SHARE, PSK) else each[0] for each in hello.extensions)
    found = beginning(hello.suites, fixed, references, code, is_derived, psk_flags)
    if found is None:
        return None
    begun, derived = found
    return b"".join((begun, left_of(hello.random, code, derived), share, psk))


@lru_cache(maxsize=_KEPT)
def beginning(
    suites: bytes,
    extensions: tuple[int | Extension, ...],
    references: int,
    code: int | None,
    derived: bool,
    psk_flags: int,
) -> tuple[bytes, bool] | None:
    """What stands before the random, and whether that is left out; None if there is no short form.

    ``extensions`` are the numbers alone of key_share and pre_shared_key, and all others whole.
    ``code`` is how the share stands; ``derived`` tells that the random follows (:func:`.follows`).
    """
    given = tuple((each, b"") if isinstance(each, int) else each for each in extensions)
    hello = Opened(b"", suites, given, dict(given))
    numbers = tuple(number for number, _ in given if number not in OPTIONAL)
    for shape in _SHAPES_BY_NUMBERS.get(numbers, ()):
        if _fits(shape, hello):
            begun = _begun(shape, hello, references, Head(shape, code, derived), psk_flags)
            if begun is not None:
                return begun
    return None


_SHAPES_BY_NUMBERS: Final[dict[tuple[int, ...], list[Shape]]] = {}
for _shape in SHAPES:
    _own = tuple(number for number, _ in _shape.extensions if number not in OPTIONAL)
    _SHAPES_BY_NUMBERS.setdefault(_own, []).append(_shape)


def _begun(
    shape: Shape, hello: Opened, references: int, head: Head, psk_flags: int
) -> tuple[bytes, bool] | None:
    """The beginning in one shape, if there is one."""
    if head not in NUMBERS:
        head = Head(shape, head.share, derived=False)
    try:
        groups, schemes = (_listed(shape, hello, each) for each in (GROUPS, SCHEMES))
    except DecodeError:
        return None
    numbers = Lists(hello.suites, groups, schemes).write(tables_of(shape, head.share))
    extras = _extras(shape, hello, psk_flags)
    if extras is None:
        return None
    flags = references | (LISTS_FOLLOW if numbers else 0) | (EXTRAS_FOLLOW if extras else 0)
    first = u8(NUMBERS[head] << 1 | bool(flags))
    return b"".join((first, u8(flags) if flags else b"", numbers, extras)), head.derived


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


def _extras(shape: Shape, hello: Opened, psk_flags: int) -> bytes | None:
    """A byte of which there are, and each with its length; None where one is too long."""
    which, parts = psk_flags, []
    for place, number in enumerate(OPTIONAL):
        content = hello.get(number)
        if content is not None and (number, content) not in shape.extensions:
            which |= 1 << place
            if len(content) > MAX_U8:
                return None
            parts.append(vec8(content))
    return u8(which) + b"".join(parts) if which else b""


_SHARE_SIZES: Final = {points.SIZE, 2 * points.SIZE + 1}
_SHARE_HEADER: Final = 6


def short_share(content: bytes | None) -> tuple[int | None, bytes, bytes | None]:
    """Code and bytes of key_share, and what a random may follow from; None where there is none."""
    if content is None:
        return None, b"", None
    size = len(content) - _SHARE_HEADER
    if size in _SHARE_SIZES and content[:2] == (size + 4).to_bytes(2, "big"):
        group, length = content[2] << 8 | content[3], content[4] << 8 | content[5]
        short = points.short_share(group, content[_SHARE_HEADER:]) if length == size else None
        if short is not None:
            return (*short, short[1])
    return points.OTHER, vec16(content), None


def short_psk(content: bytes | None) -> tuple[int, bytes]:
    """Flags and bytes of pre_shared_key: one identity with one binder, or all as it is."""
    if content is None:
        return 0, b""
    try:
        reader = Reader(content)
        identities, binders = Reader(reader.vec16()), reader.vec16()
        reader.done()
        identity, age = identities.vec16(1), identities.u32()
        identities.done()
    except DecodeError:
        return ANY_PSK, content
    if len(binders) != 1 + BINDER_SIZE or binders[0] != BINDER_SIZE:
        return ANY_PSK, content
    binder = binders[1:]
    return (AGE, u32(age) + binder + identity) if age else (0, binder + identity)
