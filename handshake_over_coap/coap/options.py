"""Options: numbers, and the formats of their values.

An option is a pair of number and value, here and everywhere in this project; a list of them stands
in ascending order of the numbers, as on the wire (RFC 7252 section 3.1).
"""

from __future__ import annotations

from enum import IntEnum
from typing import Final, NamedTuple, TypeAlias

from handshake_over_coap.errors import Error

OptionValue: TypeAlias = tuple[int, bytes]
"""Number and value of one option."""

BLOCK_SIZES: Final = (16, 32, 64, 128, 256, 512, 1024)
"""Sizes of a block in bytes, RFC 7959 section 2.2; the exponent is the index."""


class MessageFormatError(Error):
    """The datagram is not a CoAP message, or an option value not of its format (RFC 7252 3)."""


class Option(IntEnum):
    """Option numbers of the registry "CoAP Option Numbers" that matter to the exchange."""

    URI_HOST = 3
    ETAG = 4
    URI_PORT = 7
    LOCATION_PATH = 8
    URI_PATH = 11
    CONTENT_FORMAT = 12
    URI_PATH_ABBREV = 13
    MAX_AGE = 14
    URI_QUERY = 15
    ACCEPT = 17
    Q_BLOCK1 = 19
    BLOCK2 = 23
    BLOCK1 = 27
    SIZE2 = 28
    Q_BLOCK2 = 31
    PROXY_URI = 35
    PROXY_SCHEME = 39
    SIZE1 = 60
    ECHO = 252
    REQUEST_TAG = 292


BLOCK_OPTIONS: Final = frozenset({Option.BLOCK1, Option.BLOCK2, Option.Q_BLOCK1, Option.Q_BLOCK2})
"""Options whose value is a :class:`Block`."""

LENGTHS: Final[dict[int, tuple[int, int]]] = {
    Option.URI_HOST: (1, 255),
    Option.ETAG: (1, 8),
    Option.URI_PORT: (0, 2),
    Option.LOCATION_PATH: (0, 255),
    Option.URI_PATH: (0, 255),
    Option.CONTENT_FORMAT: (0, 2),
    Option.URI_PATH_ABBREV: (0, 4),
    Option.MAX_AGE: (0, 4),
    Option.URI_QUERY: (0, 255),
    Option.ACCEPT: (0, 2),
    Option.Q_BLOCK1: (0, 3),
    Option.BLOCK2: (0, 3),
    Option.BLOCK1: (0, 3),
    Option.SIZE2: (0, 4),
    Option.Q_BLOCK2: (0, 3),
    Option.PROXY_URI: (1, 1034),
    Option.PROXY_SCHEME: (1, 255),
    Option.SIZE1: (0, 4),
    Option.ECHO: (1, 40),
    Option.REQUEST_TAG: (0, 8),
}
"""Least and most bytes of a value; outside them an option counts as unrecognised (5.4.3)."""

TEXT: Final = frozenset(
    {
        Option.URI_HOST,
        Option.LOCATION_PATH,
        Option.URI_PATH,
        Option.URI_QUERY,
        Option.PROXY_URI,
        Option.PROXY_SCHEME,
    }
)
"""Options of format string: UTF-8, or unrecognised like a value of a wrong length."""

REPEATABLE: Final = frozenset(
    {
        Option.LOCATION_PATH,
        Option.URI_PATH,
        Option.URI_QUERY,
        Option.ETAG,
        Option.Q_BLOCK2,
        Option.REQUEST_TAG,
    }
)
"""Options of which more than one may stand in a message (RFC 7252 section 5.4.5)."""


class Block(NamedTuple):
    """Value of a Block1 or Block2 option (RFC 7959 section 2.2); ``size`` in bytes.

    Those of Q-Block1 and Q-Block2 have the same form (RFC 9177 section 4.2).
    """

    num: int
    more: bool
    size: int

    @property
    def offset(self) -> int:
        """Where the block begins in the body, in bytes."""
        return self.num * self.size

    def encode(self) -> bytes:
        """The option value, without leading zeros."""
        return uint(self.num << 4 | self.more << 3 | (self.size.bit_length() - 5))

    @classmethod
    def decode(cls, value: bytes) -> Block:
        """Raises :class:`MessageFormatError` for the reserved size exponent 7."""
        number = int.from_bytes(value, "big")
        if number & 7 == 7:
            raise MessageFormatError("block size exponent 7 is reserved (RFC 7959 section 2.2)")
        return cls(number >> 4, bool(number & 8), 16 << (number & 7))


def uint(value: int) -> bytes:
    """An option value of format uint: no leading zeros (RFC 7252 section 3.2)."""
    return value.to_bytes((value.bit_length() + 7) // 8, "big")
