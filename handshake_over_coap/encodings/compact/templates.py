"""ClientHello from its short form: templates of bytes, with slots for what is random.

Of a body up to its random (the *beginning*) a template is made, once: the constant bytes around
the slots.  It is made only of a beginning that the encoder gives for the hellos of the template, so
that a body is the one encoding of its hello when what is in the slots could not stand otherwise;
:meth:`Template.read` refuses the few things that could.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Final

from handshake_over_coap.tls.alerts import DecodeError
from handshake_over_coap.tls.derived import SEED_SIZE, derived_random, is_seeded, seeded_random
from handshake_over_coap.tls.wire import Reader, u16, u32, vec8, vec16

from . import lists, points
from .hello import AGE, ANY_PSK, BINDER_SIZE, beginning, short_psk, short_share
from .opened import (
    LEGACY_VERSION,
    NO_COMPRESSION,
    NO_SESSION_AND_COOKIE,
    RANDOM_SIZE,
    joined,
)
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
    SHARE,
    Head,
    tables_of,
)

_KEPT: Final = 64
_KNOWN_FLAGS: Final = REFERENCES | LISTS_FOLLOW | EXTRAS_FOLLOW
_NOT_THE_ONE: Final = "not the one encoding of a ClientHello"


def read(body: bytes) -> tuple[bytes, int]:
    """The ClientHello of a short form, and its ``references``.

    Raises DecodeError for anything that :func:`.hello.write` does not produce.
    """
    try:
        size = _size_of_beginning(body)
    except IndexError:
        raise DecodeError("a hello that ends before its random") from None
    template = _template(body[:size])
    return template.read(body, size), template.references


def _size_of_beginning(body: bytes) -> int:
    """How many bytes stand before the random; raises IndexError."""
    if not body[0] & 1:
        return 1
    flags, at = body[1], 2
    if flags & LISTS_FOLLOW:
        for _ in range(lists.written_out(body[at])):
            at += 2 + (body[at + 1] << 8 | body[at + 2])
        at += 1
    if flags & EXTRAS_FOLLOW:
        which = body[at]
        at += 1
        for place in range(len(OPTIONAL)):
            if which >> place & 1:
                at += 1 + body[at]
    return at


@dataclass(frozen=True, slots=True)
class Template:
    """The constant bytes of hellos that begin alike.

    ``offered`` stands between random and extensions; ``before`` are the extensions up to the
    share, ``after`` those from there to the pre-shared key.  ``could_follow`` tells that a random
    which follows from the share, or from its own first half, would have to be left out.
    """

    head: Head
    references: int
    psk_flags: int
    offered: bytes
    before: bytes
    after: bytes
    could_follow: bool

    def read(self, body: bytes, at: int) -> bytes:
        """The hello of ``body``, whose random begins at ``at``; raises DecodeError."""
        head, random = self.head, b""
        if not head.derived:
            random = body[at : at + RANDOM_SIZE]
            at += RANDOM_SIZE
            if at > len(body):
                raise DecodeError("a hello that ends within its random")
        share, psk = b"", b""
        if head.share is not None:
            share, secret, at = _read_share(head.share, body, at)
            if head.derived:
                random = derived_random(secret)
            elif self.could_follow and random == derived_random(secret):
                raise DecodeError(_NOT_THE_ONE)
        elif head.derived:
            random, at = seeded_random(body[at : at + SEED_SIZE]), at + SEED_SIZE
            if at > len(body):
                raise DecodeError("a hello that ends within its seed")
        elif self.could_follow and is_seeded(random):
            raise DecodeError(_NOT_THE_ONE)
        if head.shape.has_psk:
            psk = _read_psk(self.psk_flags, body, at)
        elif at != len(body):
            raise DecodeError("a hello of another length than its head says")
        extensions = b"".join((self.before, share, self.after, psk))
        length = u16(len(extensions))
        return b"".join((LEGACY_VERSION, random, self.offered, length, extensions))


_PREFIXES: Final = {
    points.EVEN: bytes.fromhex("00330047 0045 0017 0041"),
    points.ODD: bytes.fromhex("00330047 0045 0017 0041"),
    points.X25519: bytes.fromhex("00330026 0024 001d 0020"),
}


def _read_share(code: int, body: bytes, at: int) -> tuple[bytes, bytes, int]:
    """The extension key_share, its 32 bytes where it has a short form, and where that ends."""
    if code == points.OTHER:
        reader = Reader(body[at:])
        content = reader.vec16()
        if short_share(content)[0] != points.OTHER:
            raise DecodeError(_NOT_THE_ONE)
        return joined(((SHARE, content),)), b"", len(body) - reader.remaining
    end = at + points.SIZE
    short = body[at:end]
    if len(short) != points.SIZE:
        raise DecodeError("a hello that ends within its share")
    return _PREFIXES[code] + points.whole_share(code, short)[1], short, end


def _read_psk(flags: int, body: bytes, at: int) -> bytes:
    """The extension pre_shared_key, from ``at`` to the end."""
    content = body[at:]
    if flags == ANY_PSK:
        if short_psk(content)[0] != ANY_PSK:
            raise DecodeError(_NOT_THE_ONE)
    else:
        age = 0
        if flags == AGE:
            age, content = int.from_bytes(content[:4], "big"), content[4:]
        if len(content) <= BINDER_SIZE or (flags == AGE and not age):
            raise DecodeError(_NOT_THE_ONE)
        identity = vec16(vec16(content[BINDER_SIZE:]) + u32(age))
        content = identity + vec16(vec8(content[:BINDER_SIZE]))
    return joined(((PSK, content),))


@lru_cache(maxsize=_KEPT)
def _template(begun: bytes) -> Template:
    """The template of a beginning; raises DecodeError where no hello has that."""
    reader = Reader(begun)
    first = reader.u8()
    if first >> 1 >= len(HEADS):
        raise DecodeError(f"no shape of a hello has the head {first}")
    head = HEADS[first >> 1]
    flags = reader.u8() if first & 1 else 0
    if flags & ~_KNOWN_FLAGS:
        raise DecodeError(f"unknown flags {flags:#x} in a hello")
    tables = tables_of(head.shape, head.share)
    offered = lists.read(reader if flags & LISTS_FOLLOW else None, tables)
    which, slots = _read_extras(reader) if flags & EXTRAS_FOLLOW else (0, {})
    reader.done()
    psk_flags, references = which & (AGE | ANY_PSK), flags & REFERENCES
    for number, content in ((GROUPS, offered.groups), (SCHEMES, offered.schemes)):
        if content is not None:
            slots[number] = vec16(content)
    filled = tuple(
        (number, slots.get(number) if content is None else content)
        for number, content in head.shape.extensions
    )
    fixed = tuple(
        number if content is None else (number, content)
        for number, content in filled
        if content is not None or number in (SHARE, PSK)
    )
    if (references and not head.shape.takes_raw_keys) or (psk_flags and not head.shape.has_psk):
        raise DecodeError("flags of a hello for what it does not have")
    found = beginning(offered.suites, fixed, references, head.share, head.derived, psk_flags)
    if found != (begun, head.derived) or psk_flags == AGE | ANY_PSK:
        raise DecodeError(_NOT_THE_ONE)
    numbers = [number for number, _ in filled]
    place = numbers.index(SHARE) if SHARE in numbers else len(filled)
    before, after = (
        joined((number, content) for number, content in part if content is not None)
        for part in (filled[:place], filled[place:])
    )
    middle = NO_SESSION_AND_COOKIE + vec16(offered.suites) + NO_COMPRESSION
    could_follow = not head.derived and Head(head.shape, head.share, True) in NUMBERS
    return Template(head, references, psk_flags, middle, before, after, could_follow)


def _read_extras(reader: Reader) -> tuple[int, dict[int, bytes]]:
    which = reader.u8()
    found = {}
    for place, number in enumerate(OPTIONAL):
        if which >> place & 1:
            found[number] = reader.vec8()
    return which, found
