"""A ClientHello in its parts, and blocks of extensions."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import lru_cache
from struct import Struct
from struct import error as struct_error
from typing import Final, NamedTuple

from handshake_over_coap.errors import ConfigurationError
from handshake_over_coap.tls.alerts import DecodeError
from handshake_over_coap.tls.derived import SEED_SIZE, derived_random, is_seeded
from handshake_over_coap.tls.wire import vec16

RANDOM_SIZE: Final = 32

LEGACY_VERSION: Final = b"\xfe\xfd"
NO_SESSION_AND_COOKIE: Final = b"\0\0"
NO_COMPRESSION: Final = b"\1\0"

_SUITES_AT: Final = len(LEGACY_VERSION) + RANDOM_SIZE + len(NO_SESSION_AND_COOKIE)
_HEADER: Final = Struct(">HH")

Extension = tuple[int, bytes]
Extensions = tuple[Extension, ...]


def extensions_of(data: bytes, at: int) -> Extensions:
    """The extensions that fill ``data`` from ``at``, where their length is; raises DecodeError."""
    end = len(data)
    if at + 2 > end or at + 2 + (data[at] << 8 | data[at + 1]) != end:
        raise DecodeError("extensions of another length than they say")
    at += 2
    found = []
    while at < end:
        start = at + _HEADER.size
        if start > end:
            raise DecodeError("an extension without its length")
        number, length = _HEADER.unpack_from(data, at)
        at = start + length
        if at > end:
            raise DecodeError("an extension that goes on after the last")
        found.append((number, data[start:at]))
    return tuple(found)


def joined(extensions: Iterable[Extension]) -> bytes:
    """Extensions one after the other, without the length of all of them.

    Raises ConfigurationError for one that is too long.
    """
    try:
        return b"".join([_HEADER.pack(number, len(data)) + data for number, data in extensions])
    except struct_error:
        raise ConfigurationError("an extension that is too long, or has no number") from None


def write_extensions(extensions: Iterable[Extension]) -> bytes:
    """The block of extensions with its length."""
    return vec16(joined(extensions))


class Opened(NamedTuple):
    """A ClientHello in its parts; ``extensions`` in order, and the last of each by its number."""

    random: bytes
    suites: bytes
    extensions: Extensions
    by_number: Mapping[int, bytes]

    def get(self, number: int) -> bytes | None:
        """The content of an extension."""
        return self.by_number.get(number)


@lru_cache(maxsize=16)
def opened(body: bytes) -> Opened | None:
    """The parts of a hello; None for one of an unusual form, with a session or a cookie."""
    start = len(LEGACY_VERSION)
    if body[:start] != LEGACY_VERSION or len(body) < _SUITES_AT + 2:
        return None
    if body[start + RANDOM_SIZE : _SUITES_AT] != NO_SESSION_AND_COOKIE:
        return None
    suites_at = _SUITES_AT + 2
    end = suites_at + (body[_SUITES_AT] << 8 | body[_SUITES_AT + 1])
    if body[end : end + 2] != NO_COMPRESSION:
        return None
    try:
        extensions = extensions_of(body, end + 2)
    except DecodeError:
        return None
    random = body[start : start + RANDOM_SIZE]
    return Opened(random, body[suites_at:end], extensions, dict(extensions))


class Answered(NamedTuple):
    """A ServerHello in its parts."""

    random: bytes
    suite: int
    extensions: Mapping[int, bytes]


@lru_cache(maxsize=16)
def answered(body: bytes) -> Answered | None:
    """The parts of a ServerHello, with the last of each extension; None where it is none."""
    at = len(LEGACY_VERSION) + RANDOM_SIZE
    if len(body) <= at:
        return None
    random = body[len(LEGACY_VERSION) : at]
    at += 1 + body[at]  # the session
    end = at + 3  # suite and compression method
    if end > len(body):
        return None
    try:
        extensions = dict(extensions_of(body, end)) if end < len(body) else {}
    except DecodeError:
        return None
    return Answered(random, body[at] << 8 | body[at + 1], extensions)


def follows(random: bytes, secret: bytes | None, *, with_psk: bool) -> bool:
    """Whether the random of a hello follows from its share, of which ``secret`` has 32 bytes.

    Or, ``with_psk`` and no share, whether its second half follows from the first.
    """
    if secret is not None:
        return random == derived_random(secret)
    return with_psk and is_seeded(random)


def left_of(random: bytes, share: int | None, derived: bool) -> bytes:
    """What is sent of a random: of a ``derived`` one nothing, without a share its seed."""
    if not derived:
        return random
    return random[:SEED_SIZE] if share is None else b""
